/* File operations: the starts that are not inlined, the suspending forms, and the plain calls. One line each, or two. */
#include "op/at_once.h"
#include "op/op.h"
#include "ring/descriptors.h"
#include "task/c_task.h"

#include <tacet/file.h>

#include <linux/openat2.h>
#include <unistd.h>

tacet_result tacet_file_from_fd(struct tacet_file *file, int fd, unsigned flags)
{
    if (file == NULL)
        return -EINVAL;
    if (fd < 0)
        return -EBADF;
    *file = (struct tacet_file){.fd = fd, .flags = flags};
    return 0;
}

void tacet_file_close_detached(struct tacet_executor *executor, struct tacet_file *file)
{
    int fd = file->fd;
    file->fd = -1;
    if (fd < 0)
        return;
    struct io_uring_sqe *sqe;
    if (!tacet_executor_lives_here(executor) || tacet_op_begin(executor, IORING_OP_CLOSE, &sqe) < 0) {
        (void)descriptor_close(fd);
        return;
    }
    tacet_prepare_close(sqe, fd);
    sqe->user_data = (uint64_t)fd * (TACET_TAG_MASK + 1) | TACET_TAG_DETACHED;
    if (tacet_descriptor_is_registered(fd))
        tacet_sqe_use_registered(executor, sqe);
    executor->sq.tail++;
}

tacet_result tacet_file_open_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *dir,
                                   const char *path, const struct open_how *how)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, tacet_prepare_open(&sqe, tacet_dir_fd(dir), path, how));
}

tacet_result tacet_file_close_start(struct tacet_op *op, struct tacet_task *task, struct tacet_file *file)
{
    struct io_uring_sqe sqe = {0};
    if (file == NULL)
        return -EINVAL;
    tacet_result r = op_start(op, task, &sqe, tacet_prepare_close(&sqe, file->fd));
    if (r == 0)
        file->fd = -1;
    return r;
}

tacet_result tacet_file_readv_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *file,
                                    const struct iovec *vectors, size_t count, uint64_t offset)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe,
                    file == NULL ? -EINVAL : tacet_prepare_readv(&sqe, file->fd, vectors, count, offset));
}

tacet_result tacet_file_writev_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *file,
                                     const struct iovec *vectors, size_t count, uint64_t offset)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe,
                    file == NULL ? -EINVAL : tacet_prepare_writev(&sqe, file->fd, vectors, count, offset));
}

/* A sync that failed stays failed. */
static tacet_result prepare_sync(struct io_uring_sqe *sqe, const struct tacet_file *file, unsigned flags)
{
    if (file == NULL || file->sync_error < 0)
        return file == NULL ? -EINVAL : file->sync_error;
    return tacet_prepare_fsync(sqe, file->fd, flags);
}

static tacet_result sync_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *file,
                               unsigned flags)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, prepare_sync(&sqe, file, flags));
}

tacet_result tacet_file_sync_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *file)
{
    return sync_start(op, task, file, 0);
}

tacet_result tacet_file_datasync_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *file)
{
    return sync_start(op, task, file, IORING_FSYNC_DATASYNC);
}

tacet_result tacet_path_stat_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *dir,
                                   const char *path, int flags, unsigned mask, struct statx *status)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, tacet_prepare_statx(&sqe, tacet_dir_fd(dir), path, flags, mask, status));
}

tacet_result tacet_file_allocate_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *file,
                                       int mode, uint64_t offset, uint64_t bytes)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe,
                    file == NULL ? -EINVAL : tacet_prepare_fallocate(&sqe, file->fd, mode, offset, bytes));
}

tacet_result tacet_file_truncate_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *file,
                                       uint64_t bytes)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, file == NULL ? -EINVAL : tacet_prepare_ftruncate(&sqe, file->fd, bytes));
}

tacet_result tacet_path_rename_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *old_dir,
                                     const char *old_path, const struct tacet_file *new_dir, const char *new_path,
                                     unsigned flags)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe,
                    tacet_prepare_rename(&sqe, tacet_dir_fd(old_dir), old_path, tacet_dir_fd(new_dir), new_path,
                                         flags));
}

tacet_result tacet_path_unlink_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *dir,
                                     const char *path, int flags)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, tacet_prepare_unlink(&sqe, tacet_dir_fd(dir), path, flags));
}

tacet_result tacet_path_mkdir_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *dir,
                                    const char *path, mode_t mode)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, tacet_prepare_mkdir(&sqe, tacet_dir_fd(dir), path, mode));
}

tacet_result tacet_path_symlink_start(struct tacet_op *op, struct tacet_task *task, const char *target,
                                      const struct tacet_file *dir, const char *path)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, tacet_prepare_symlink(&sqe, target, tacet_dir_fd(dir), path));
}

tacet_result tacet_path_link_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *old_dir,
                                   const char *old_path, const struct tacet_file *new_dir, const char *new_path,
                                   int flags)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe,
                    tacet_prepare_link(&sqe, tacet_dir_fd(old_dir), old_path, tacet_dir_fd(new_dir), new_path, flags));
}

/* The suspending forms: the same, for the task's own request. */

tacet_result tacet_file_open(struct tacet_task *task, struct tacet_file *file, const struct tacet_file *dir,
                             const char *path, const struct open_how *how)
{
    struct io_uring_sqe sqe = {0};
    tacet_result r = file == NULL ? -EINVAL : tacet_prepare_open(&sqe, tacet_dir_fd(dir), path, how);
    if (r == 0)
        *file = (struct tacet_file){.fd = -1, .flags = (unsigned)how->flags};
    return op_await_for_file(task, file, &sqe, r);
}

tacet_result tacet_file_close(struct tacet_task *task, struct tacet_file *file)
{
    struct io_uring_sqe *sqe;
    tacet_result r = call_begin(task, IORING_OP_CLOSE, &sqe);
    if (r < 0 || file == NULL)
        return r < 0 ? r : -EINVAL;
    r = tacet_prepare_close(sqe, file->fd);
    file->fd = -1;
    return call_await(task, IORING_OP_CLOSE, sqe, r);
}

tacet_result tacet_file_read(struct tacet_task *task, const struct tacet_file *file, void *buffer, size_t bytes,
                             uint64_t offset)
{
    tacet_result r = at_once_read(task, file, buffer, bytes, offset);
    if (r != TACET_PENDING)
        return r;
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, file == NULL ? -EINVAL : tacet_prepare_read(&sqe, file->fd, buffer, bytes, offset));
}

tacet_result tacet_file_write(struct tacet_task *task, const struct tacet_file *file, const void *buffer, size_t bytes,
                              uint64_t offset)
{
    tacet_result r = at_once_write(task, file, buffer, bytes, offset);
    if (r != TACET_PENDING)
        return r;
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, file == NULL ? -EINVAL : tacet_prepare_write(&sqe, file->fd, buffer, bytes, offset));
}

tacet_result tacet_file_readv(struct tacet_task *task, const struct tacet_file *file, const struct iovec *vectors,
                              size_t count, uint64_t offset)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, file == NULL ? -EINVAL : tacet_prepare_readv(&sqe, file->fd, vectors, count, offset));
}

tacet_result tacet_file_writev(struct tacet_task *task, const struct tacet_file *file, const struct iovec *vectors,
                               size_t count, uint64_t offset)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, file == NULL ? -EINVAL : tacet_prepare_writev(&sqe, file->fd, vectors, count, offset));
}

tacet_result file_settle(struct tacet_file *file, unsigned opcode, tacet_result r)
{
    if (opcode_opens(opcode) && r >= 0) {
        file->fd = (int)r;
        return 0;
    }
    if (opcode == IORING_OP_FSYNC && tacet_sync_has_failed(r))
        file->sync_error = (int)r;
    return r;
}

static tacet_result sync_file(struct tacet_task *task, struct tacet_file *file, unsigned flags)
{
    struct io_uring_sqe sqe = {0};
    return op_await_for_file(task, file, &sqe, prepare_sync(&sqe, file, flags));
}

tacet_result tacet_file_sync(struct tacet_task *task, struct tacet_file *file)
{
    return sync_file(task, file, 0);
}

tacet_result tacet_file_datasync(struct tacet_task *task, struct tacet_file *file)
{
    return sync_file(task, file, IORING_FSYNC_DATASYNC);
}

tacet_result tacet_path_stat(struct tacet_task *task, const struct tacet_file *dir, const char *path, int flags,
                             unsigned mask, struct statx *status)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, tacet_prepare_statx(&sqe, tacet_dir_fd(dir), path, flags, mask, status));
}

tacet_result tacet_file_allocate(struct tacet_task *task, const struct tacet_file *file, int mode, uint64_t offset,
                                 uint64_t bytes)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, file == NULL ? -EINVAL : tacet_prepare_fallocate(&sqe, file->fd, mode, offset, bytes));
}

tacet_result tacet_file_truncate(struct tacet_task *task, const struct tacet_file *file, uint64_t bytes)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, file == NULL ? -EINVAL : tacet_prepare_ftruncate(&sqe, file->fd, bytes));
}

tacet_result tacet_path_rename(struct tacet_task *task, const struct tacet_file *old_dir, const char *old_path,
                               const struct tacet_file *new_dir, const char *new_path, unsigned flags)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe,
                    tacet_prepare_rename(&sqe, tacet_dir_fd(old_dir), old_path, tacet_dir_fd(new_dir), new_path,
                                         flags));
}

tacet_result tacet_path_unlink(struct tacet_task *task, const struct tacet_file *dir, const char *path, int flags)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, tacet_prepare_unlink(&sqe, tacet_dir_fd(dir), path, flags));
}

tacet_result tacet_path_mkdir(struct tacet_task *task, const struct tacet_file *dir, const char *path, mode_t mode)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, tacet_prepare_mkdir(&sqe, tacet_dir_fd(dir), path, mode));
}

tacet_result tacet_path_symlink(struct tacet_task *task, const char *target, const struct tacet_file *dir,
                                const char *path)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, tacet_prepare_symlink(&sqe, target, tacet_dir_fd(dir), path));
}

tacet_result tacet_path_link(struct tacet_task *task, const struct tacet_file *old_dir, const char *old_path,
                             const struct tacet_file *new_dir, const char *new_path, int flags)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe,
                    tacet_prepare_link(&sqe, tacet_dir_fd(old_dir), old_path, tacet_dir_fd(new_dir), new_path, flags));
}
