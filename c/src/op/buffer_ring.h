/* Buffers chosen by the kernel: see tacet/buffer_ring.h. */
#ifndef OP_BUFFER_RING_H
#define OP_BUFFER_RING_H

#include "executor/executor.h"

#include <tacet/buffer_ring.h>

/* op_start() and op_await() of a prepared read or receive, for a buffer that the kernel chooses. */
tacet_result buffer_ring_start(struct tacet_op *op, struct tacet_task *task, struct io_uring_sqe *filled,
                               tacet_result prepared, const struct tacet_buffer_ring *buffers);
tacet_result buffer_ring_await(struct tacet_task *task, struct io_uring_sqe *filled, tacet_result prepared,
                               const struct tacet_buffer_ring *buffers);

/* Also once it has been destroyed it is there, with its group, until tacet_buffer_ring_destroy() is called once more. */
void buffer_ring_hold(struct tacet_buffer_ring *buffers);

/* Nobody takes the buffer of an operation that has ended. */
void buffer_ring_discard(struct executor *executor, const struct tacet_request *request);

/* The executor goes away; its buffers are their creator's. */
void buffer_ring_orphan_all(struct executor *executor);

#endif
