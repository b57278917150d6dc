/*
 * Operations on what a file's pages are about: advice, range syncs, the pages' way from file to file; and what direct I/O
 * asks of them. One line each, or two.
 */
#include "op/op.h"

#include <tacet/file.h>

#include <string.h>
#include <sys/stat.h>

static tacet_result prepare_sync_range(struct io_uring_sqe *sqe, const struct tacet_file *file, uint64_t offset,
                                       size_t bytes, unsigned flags)
{
    return file == NULL ? -EINVAL : tacet_prepare_sync_range(sqe, file->fd, offset, bytes, flags);
}

tacet_result tacet_file_sync_range_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *file,
                                         uint64_t offset, size_t bytes, unsigned flags)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, prepare_sync_range(&sqe, file, offset, bytes, flags));
}

tacet_result tacet_file_sync_range(struct tacet_task *task, const struct tacet_file *file, uint64_t offset,
                                   size_t bytes, unsigned flags)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, prepare_sync_range(&sqe, file, offset, bytes, flags));
}

static tacet_result prepare_advise(struct io_uring_sqe *sqe, const struct tacet_file *file, uint64_t offset,
                                   size_t bytes, int advice)
{
    return file == NULL ? -EINVAL : tacet_prepare_advise(sqe, file->fd, offset, bytes, advice);
}

tacet_result tacet_file_advise_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *file,
                                     uint64_t offset, size_t bytes, int advice)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, prepare_advise(&sqe, file, offset, bytes, advice));
}

tacet_result tacet_file_advise(struct tacet_task *task, const struct tacet_file *file, uint64_t offset, size_t bytes,
                               int advice)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, prepare_advise(&sqe, file, offset, bytes, advice));
}

tacet_result tacet_memory_advise_start(struct tacet_op *op, struct tacet_task *task, void *memory, size_t bytes,
                                       int advice)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, tacet_prepare_advise_memory(&sqe, memory, bytes, advice));
}

tacet_result tacet_memory_advise(struct tacet_task *task, void *memory, size_t bytes, int advice)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, tacet_prepare_advise_memory(&sqe, memory, bytes, advice));
}

static tacet_result prepare_splice(struct io_uring_sqe *sqe, const struct tacet_file *from, uint64_t from_offset,
                                   const struct tacet_file *to, uint64_t to_offset, size_t bytes, unsigned flags)
{
    if (from == NULL || to == NULL)
        return -EINVAL;
    return tacet_prepare_splice(sqe, from->fd, from_offset, to->fd, to_offset, bytes, flags);
}

tacet_result tacet_file_splice_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *from,
                                     uint64_t from_offset, const struct tacet_file *to, uint64_t to_offset,
                                     size_t bytes, unsigned flags)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, prepare_splice(&sqe, from, from_offset, to, to_offset, bytes, flags));
}

tacet_result tacet_file_splice(struct tacet_task *task, const struct tacet_file *from, uint64_t from_offset,
                               const struct tacet_file *to, uint64_t to_offset, size_t bytes, unsigned flags)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, prepare_splice(&sqe, from, from_offset, to, to_offset, bytes, flags));
}

static tacet_result prepare_tee(struct io_uring_sqe *sqe, const struct tacet_file *from, const struct tacet_file *to,
                                size_t bytes, unsigned flags)
{
    return from == NULL || to == NULL ? -EINVAL : tacet_prepare_tee(sqe, from->fd, to->fd, bytes, flags);
}

tacet_result tacet_file_tee_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *from,
                                  const struct tacet_file *to, size_t bytes, unsigned flags)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, prepare_tee(&sqe, from, to, bytes, flags));
}

tacet_result tacet_file_tee(struct tacet_task *task, const struct tacet_file *from, const struct tacet_file *to,
                            size_t bytes, unsigned flags)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, prepare_tee(&sqe, from, to, bytes, flags));
}

struct tacet_direct_alignment tacet_direct_alignment_of(const struct statx *status)
{
    /* The kernel's stx_dio_mem_align and stx_dio_offset_align, which older libraries name as spare room. */
    enum { MEMORY = 0x98, OFFSET = 0x9c };
    struct tacet_direct_alignment alignment = {4096, 4096};
    if (status->stx_mask & TACET_STATX_DIOALIGN) {
        memcpy(&alignment.memory, (const char *)status + MEMORY, sizeof alignment.memory);
        memcpy(&alignment.offset, (const char *)status + OFFSET, sizeof alignment.offset);
    }
    return alignment;
}
