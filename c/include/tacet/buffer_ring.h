/*
 * Buffers chosen by the kernel: a read or a receive that waits for data holds none, and gets one when the data is there.
 *
 * A ring of buffers belongs to an executor. A buffer whose number came with a result is the caller's until it gives it back;
 * without a buffer left such an operation ends with -ENOBUFS. All on the executor's thread. Since Linux 5.19.
 */
#ifndef TACET_BUFFER_RING_H
#define TACET_BUFFER_RING_H

#include <tacet/file.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TACET_BUFFERS_MAX 32768 /* of a ring */

struct tacet_buffer_ring;

/*
 * count buffers of `bytes` bytes each; count is rounded up to a power of two. EXPENSIVE. -EINVAL: 0, more than TACET_BUFFERS_MAX, or
 * more than INT_MAX bytes each; -EOPNOTSUPP: the kernel has no such thing; -ENOTSUP: the executor has no ring; -ENOMEM; -EPERM.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_buffer_ring_create(struct tacet_buffer_ring **buffers,
                                                                   struct tacet_executor *executor, unsigned count,
                                                                   size_t bytes);

/*
 * EXPENSIVE. No operation may use it any more, but multishots that have been stopped or abandoned. NULL is fine. On the thread of the
 * ring's executor, which is asserted; it may outlive that, and is then destroyed on any one thread. Also in a forked child.
 */
TACET_EXPORT void tacet_buffer_ring_destroy(struct tacet_buffer_ring *buffers);

TACET_EXPORT unsigned tacet_buffer_ring_count(const struct tacet_buffer_ring *buffers);
TACET_EXPORT size_t tacet_buffer_ring_bytes(const struct tacet_buffer_ring *buffers);

/* The memory of a buffer. */
TACET_EXPORT void *tacet_buffer_ring_at(const struct tacet_buffer_ring *buffers, unsigned buffer);

/* The kernel may have it again. On the thread of the ring's executor, which is asserted; when that has gone, on any one thread. In a forked
 * child it does nothing to the parent's. */
TACET_EXPORT void tacet_buffer_ring_give(struct tacet_buffer_ring *buffers, unsigned buffer);

/* pread(2) into a buffer that the kernel chooses. Result: bytes; the buffer's number by one of the two functions below. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_read_selected_start(struct tacet_op *op, struct tacet_task *task,
                                                                         const struct tacet_file *file,
                                                                         struct tacet_buffer_ring *buffers,
                                                                         uint64_t offset);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_read_selected(struct tacet_task *task,
                                                                   const struct tacet_file *file,
                                                                   struct tacet_buffer_ring *buffers, uint64_t offset);

/* Of the operation with a chosen buffer that the task has just awaited: the buffer's number; -1: it took none. */
static inline int tacet_task_buffer(const struct tacet_task *task)
{
    return task->request.buffer.number != TACET_NO_BUFFER ? task->request.buffer.number : -1;
}

/* The same for an op that has been reaped. */
static inline int tacet_op_buffer(const struct tacet_op *op)
{
    return op->request.buffer.number != TACET_NO_BUFFER ? op->request.buffer.number : -1;
}

/* For layers above C: who may use it; what the SQE and the request of such an operation are told. */
TACET_EXPORT bool tacet_buffer_ring_is_of(const struct tacet_buffer_ring *buffers,
                                          const struct tacet_executor *executor);
TACET_EXPORT uint16_t tacet_buffer_ring_group(const struct tacet_buffer_ring *buffers);
static inline void tacet_request_selects(struct tacet_request *request, uint16_t group)
{
    request->attention |= TACET_OP_BY_FLAGS;
    request->buffer.group = group;
    request->buffer.number = TACET_NO_BUFFER;
}

#ifdef __cplusplus
}
#endif

#endif
