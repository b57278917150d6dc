/*
 * Operations: one request in flight each.
 *
 * A `struct tacet_op` is the caller's: it is not moved, freed or reused, and neither is any memory that its operation
 * names (buffer, iovec, path, statx output ...), from its start until its terminal completion has been reaped. A cancel,
 * a close, the end of the task or of the executor do not shorten that. A zeroed op is idle.
 *
 * Three ways to use an operation X, all on the executor's thread:
 *   tacet_X(task, ...)             SUSPENDS the task, which must be the running one; returns the result. In the body of
 *                                  a `stackless` task it returns TACET_PENDING, which the body returns; called again, it
 *                                  has the result from tacet_task_call_result().
 *   tacet_X_start(op, task, ...)   starts it and returns 0, or a negative errno and nothing was started. The task reaps
 *                                  it: tacet_task_await() or tacet_task_next_completed().
 *   tacet_X_start(op, NULL, ...)   the same with a callback: op was made ready by tacet_op_init_callback().
 *
 * Errors common to all starts: -EINVAL (a NULL that must not be, a length above INT_MAX), -EBUSY (op is not idle),
 * -EPERM (the child of a fork), -ENOTSUP (the executor has no ring), -EOPNOTSUPP (the kernel lacks the operation),
 * -ENOMEM (the kernel has refused submissions for a second with nothing in flight; no memory for what a task keeps of the
 * ops that it starts, at the first of them), -ECANCELED (the executor is being destroyed). To the suspending forms come -ECANCELED (a cancel of the task was
 * delivered; they are CANCELLATION POINTs, all but close), -ETIME (the task's deadline has passed) and -ENOTSUP (from a `none` task, or inside of a context that
 * the task has resumed).
 */
#ifndef TACET_OP_H
#define TACET_OP_H

#include <tacet/inline/prepare.h>
#include <tacet/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Runs on the executor's thread, from the run loop, once per start; op is idle again: it may be started or freed. */
typedef void tacet_op_callback(struct tacet_op *op);

/*
 * Makes an idle op one whose completion is a callback, run at the given CPU priority. It belongs to the executor, to no
 * task. Destroying the executor cancels it, and the callback is called with what it ended with.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_op_init_callback(struct tacet_op *op, struct tacet_executor *executor,
                                                                 tacet_op_callback *callback,
                                                                 enum tacet_priority priority);

/*
 * Asks for the end of an op in flight; its completion comes as ever, with -ECANCELED, -EINTR or, where the operation
 * was faster, its own result. 0: asked for; -ENOENT: op is not in flight; -EALREADY: has been asked for and
 * not been answered yet, or op is a close, which is never cancelled; -EINVAL: NULL.
 */
TACET_EXPORT tacet_result tacet_op_cancel(struct tacet_op *op);

/*
 * Gives an op in flight a deadline, in nanoseconds of CLOCK_MONOTONIC (see tacet_now()); TACET_FOREVER: takes it away. When it
 * passes, the op is cancelled, and ends with -ETIME if that ended it. 0; -EINVAL: NULL; -ENOENT: op is not in flight;
 * -EALREADY: op is a close, which always runs to its end; -EPERM: another thread's; -ENOMEM: op goes on without one.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_op_set_deadline(struct tacet_op *op, uint64_t deadline_ns);

/* Readings of tacet_ticks(); 0 where the executor keeps no time accounts. */
static inline struct tacet_op_ticks tacet_op_get_ticks(const struct tacet_op *op)
{
    return op->ticks;
}

/* SUSPENDS until the op, started for this task, has completed; reaps it and returns its result. -EINVAL: op is idle. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_task_await(struct tacet_task *task, struct tacet_op *op);

/*
 * SUSPENDS until an op started for this task has completed and was not reaped, for timeout_ns at most (0 looks only).
 * 1: *op is reaped, its result in op->result; 0: none is initiated or completed; -ETIME; -ECANCELED.
 * In completion order.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_task_next_completed(struct tacet_task *task, struct tacet_op **op,
                                                                    uint64_t timeout_ns);

/* In a `stackless` body: what the suspending call, for which it returned TACET_PENDING, has ended with. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_task_call_result(struct tacet_task *task);

/* No operation, through the ring. Result 0. */
static inline TACET_NODISCARD tacet_result tacet_nop_start(struct tacet_op *op, struct tacet_task *task)
{
    struct io_uring_sqe *sqe;
    tacet_result r = tacet_op_start_begin(op, task, IORING_OP_NOP, &sqe);
    return r < 0 ? r : tacet_op_start(op, task, IORING_OP_NOP, sqe, tacet_prepare_nop(sqe));
}
TACET_EXPORT TACET_NODISCARD tacet_result tacet_nop(struct tacet_task *task);

/* Waits for poll(2) events on a descriptor, once. Result: the events that are there. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_poll_start(struct tacet_op *op, struct tacet_task *task, int fd,
                                                           unsigned events);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_poll(struct tacet_task *task, int fd, unsigned events);

#ifdef __cplusplus
}
#endif

#endif
