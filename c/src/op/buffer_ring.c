/*
 * See tacet/buffer_ring.h. One mapping: the kernel's ring of free buffers, in pages of its own, then the buffers.
 *
 *     | count entries of 16 bytes, rounded up to pages | buffer 0 | buffer 1 | ...
 *
 * Invariant: a ring is in its executor's list, with a group of its own, until one of the two goes.
 */
#include "op/buffer_ring.h"

#include "op/op.h"
#include "task/c_task.h"

#include <tacet/inline/prepare_socket.h>

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct tacet_buffer_ring {
    struct tacet_buffer_ring *next;
    struct executor *executor; /* NULL: gone */
    struct io_uring_buf_ring *entries;
    size_t entries_bytes; /* whole pages */
    size_t bytes;         /* of a buffer */
    unsigned count;
    unsigned holders; /* its creator, until that destroys it, and operations that are being stopped */
    uint16_t group;
};

static size_t mapped_bytes(const struct tacet_buffer_ring *buffers)
{
    return buffers->entries_bytes + buffers->count * buffers->bytes;
}

/* The smallest that is free. */
static tacet_result find_group(const struct executor *executor)
{
    unsigned group = 0;
    for (const struct tacet_buffer_ring *each = executor->buffer_rings; each != NULL;)
        if (each->group != group) {
            each = each->next;
        } else {
            group++;
            each = executor->buffer_rings;
        }
    return group <= UINT16_MAX ? (tacet_result)group : -ENOSPC;
}

static tacet_result map(struct tacet_buffer_ring *buffers, unsigned count, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    buffers->count = 1;
    while (buffers->count < count)
        buffers->count *= 2;
    buffers->bytes = bytes;
    buffers->entries_bytes = (buffers->count * sizeof(struct io_uring_buf) + page - 1) / page * page;
    void *memory = mmap(NULL, mapped_bytes(buffers), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -ENOMEM;
    buffers->entries = memory;
    return 0;
}

static tacet_result enlist(struct tacet_buffer_ring *buffers, struct executor *executor)
{
    tacet_result group = find_group(executor);
    if (group < 0)
        return group;
    buffers->group = (uint16_t)group;
    tacet_result r = executor->ring.ops->add_buffers(&executor->ring, buffers->entries, buffers->count, buffers->group);
    if (r < 0)
        return r;
    buffers->executor = executor;
    buffers->next = executor->buffer_rings;
    executor->buffer_rings = buffers;
    return 0;
}

tacet_result tacet_buffer_ring_create(struct tacet_buffer_ring **buffers, struct tacet_executor *executor,
                                      unsigned count, size_t bytes)
{
    if (buffers == NULL || executor == NULL || count == 0 || count > TACET_BUFFERS_MAX || bytes == 0 ||
        !tacet_length_fits(bytes))
        return -EINVAL;
    *buffers = NULL;
    if (!executor_is_mine(executor_of(executor)))
        return -EPERM;
    struct tacet_buffer_ring *made = calloc(1, sizeof *made);
    if (made == NULL)
        return -ENOMEM;
    made->holders = 1;
    tacet_result r = map(made, count, bytes);
    if (r < 0)
        goto free_it;
    r = enlist(made, executor_of(executor));
    if (r < 0)
        goto unmap;
    for (unsigned i = 0; i < made->count; i++)
        tacet_buffer_ring_give(made, i);
    *buffers = made;
    return 0;

unmap:
    munmap(made->entries, mapped_bytes(made));
free_it:
    free(made);
    return r;
}

/* Whether there is an executor that has it in its list: not in a forked child. */
static bool is_enlisted(const struct tacet_buffer_ring *buffers)
{
    return buffers->executor != NULL && executor_is_there(buffers->executor);
}

void buffer_ring_hold(struct tacet_buffer_ring *buffers)
{
    buffers->holders++;
}

void tacet_buffer_ring_destroy(struct tacet_buffer_ring *buffers)
{
    if (buffers == NULL)
        return;
    TACET_ASSERT(!is_enlisted(buffers) || executor_is_mine(buffers->executor));
    if (--buffers->holders > 0)
        return;
    if (is_enlisted(buffers)) {
        struct tacet_buffer_ring **link = &buffers->executor->buffer_rings;
        while (*link != buffers)
            link = &(*link)->next;
        *link = buffers->next;
        buffers->executor->ring.ops->remove_buffers(&buffers->executor->ring, buffers->group);
    }
    munmap(buffers->entries, mapped_bytes(buffers));
    free(buffers);
}

void buffer_ring_orphan_all(struct executor *executor)
{
    for (struct tacet_buffer_ring *each = executor->buffer_rings; each != NULL; each = each->next)
        each->executor = NULL;
    executor->buffer_rings = NULL;
}

unsigned tacet_buffer_ring_count(const struct tacet_buffer_ring *buffers)
{
    return buffers->count;
}

size_t tacet_buffer_ring_bytes(const struct tacet_buffer_ring *buffers)
{
    return buffers->bytes;
}

uint16_t tacet_buffer_ring_group(const struct tacet_buffer_ring *buffers)
{
    return buffers->group;
}

void *tacet_buffer_ring_at(const struct tacet_buffer_ring *buffers, unsigned buffer)
{
    TACET_ASSERT(buffer < buffers->count);
    return (char *)buffers->entries + buffers->entries_bytes + buffer * buffers->bytes;
}

void tacet_buffer_ring_give(struct tacet_buffer_ring *buffers, unsigned buffer)
{
    if (buffers->executor != NULL && !executor_is_there(buffers->executor)) /* a forked child's copy is nobody's */
        return;
    TACET_ASSERT(buffers->executor == NULL || executor_is_mine(buffers->executor));
    io_uring_buf_ring_add(buffers->entries, tacet_buffer_ring_at(buffers, buffer), (unsigned)buffers->bytes,
                          (unsigned short)buffer, (int)buffers->count - 1, 0);
    io_uring_buf_ring_advance(buffers->entries, 1);
}

bool tacet_buffer_ring_is_of(const struct tacet_buffer_ring *buffers, const struct tacet_executor *executor)
{
    return buffers->executor != NULL && &buffers->executor->shared == executor;
}

tacet_result buffer_ring_start(struct tacet_op *op, struct tacet_task *task, struct io_uring_sqe *filled,
                               tacet_result prepared, const struct tacet_buffer_ring *buffers)
{
    if (prepared < 0 || buffers == NULL)
        return prepared < 0 ? prepared : -EINVAL;
    tacet_prepare_select_buffer(filled, buffers->group);
    struct tacet_executor *executor = tacet_op_start_on(op, task);
    if (executor != NULL && executor_of(executor) != buffers->executor)
        return -EPERM;
    tacet_result r = op_start(op, task, filled, 0);
    if (r == 0)
        tacet_request_selects(&op->request, buffers->group);
    return r;
}

tacet_result buffer_ring_await(struct tacet_task *task, struct io_uring_sqe *filled, tacet_result prepared,
                               const struct tacet_buffer_ring *buffers)
{
    if (prepared < 0 || buffers == NULL)
        return prepared < 0 ? prepared : -EINVAL;
    struct io_uring_sqe *sqe;
    tacet_prepare_select_buffer(filled, buffers->group);
    tacet_result r = call_check_may_suspend(task);
    if (r < 0)
        return r;
    if (executor_of(tacet_task_executor(task)) != buffers->executor)
        return -EPERM;
    task->request.buffer.number = TACET_NO_BUFFER; /* if it is refused */
    r = call_begin(task, filled->opcode, &sqe);
    if (r < 0)
        return r;
    *sqe = *filled;
    call_commit(task, filled->opcode, sqe, 0);
    tacet_request_selects(&task->request, buffers->group);
    return task_give_up(task);
}

void buffer_ring_discard(struct executor *executor, const struct tacet_request *request)
{
    struct tacet_buffer_ring *buffers = executor->buffer_rings;
    while (buffers != NULL && buffers->group != request->buffer.group)
        buffers = buffers->next;
    if (buffers != NULL && request->buffer.number != TACET_NO_BUFFER)
        tacet_buffer_ring_give(buffers, request->buffer.number);
}

tacet_result tacet_file_read_selected_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *file,
                                            struct tacet_buffer_ring *buffers, uint64_t offset)
{
    struct io_uring_sqe sqe = {0};
    tacet_result r = file == NULL ? -EINVAL : tacet_prepare_read(&sqe, file->fd, NULL, 0, offset);
    return buffer_ring_start(op, task, &sqe, r, buffers);
}

tacet_result tacet_file_read_selected(struct tacet_task *task, const struct tacet_file *file,
                                      struct tacet_buffer_ring *buffers, uint64_t offset)
{
    struct io_uring_sqe sqe = {0};
    tacet_result r = file == NULL ? -EINVAL : tacet_prepare_read(&sqe, file->fd, NULL, 0, offset);
    return buffer_ring_await(task, &sqe, r, buffers);
}
