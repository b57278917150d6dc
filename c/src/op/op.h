/* Operations, behind the inlined part: callbacks and cancellation. */
#ifndef OP_OP_H
#define OP_OP_H

#include "executor/executor.h"

#include <tacet/file.h>

/* The kind of a completed callback op's runnable; by it the run loop tells callbacks from tasks. */
extern const struct tacet_runnable_kind callback_kind;

/* As tacet_op_cancel(), for a request in flight on the executor, which is this thread's. */
tacet_result request_cancel(struct executor *executor, struct tacet_request *request);

/* Whose user_data this is, if its tag says that it is a request's. */
static inline struct tacet_request *request_of(uint64_t user_data)
{
    return (struct tacet_request *)(uintptr_t)(user_data & ~(uint64_t)TACET_TAG_MASK);
}

static inline struct tacet_op *op_of_request(struct tacet_request *request)
{
    return TACET_CONTAINER_OF(request, struct tacet_op, request);
}

/* Of an op in flight. */
struct executor *executor_of_op(const struct tacet_op *op);

/* Whether the result of an operation is a descriptor. */
static inline bool opcode_opens(unsigned opcode)
{
    return opcode == IORING_OP_OPENAT2 || opcode == IORING_OP_ACCEPT || opcode == IORING_OP_SOCKET ||
           opcode == TACET_OPCODE_OPEN_REGISTERED;
}

/* Whether it is one of the zero-copy ones. */
static inline bool opcode_sends(unsigned opcode)
{
    return opcode == IORING_OP_SEND || opcode == IORING_OP_SEND_ZC || opcode == IORING_OP_SENDMSG ||
           opcode == IORING_OP_SENDMSG_ZC;
}

static inline struct tacet_task *task_of_request(struct tacet_request *request)
{
    return TACET_CONTAINER_OF(request, struct tacet_task, request);
}

/*
 * An operation whose SQE was filled on the caller's stack (zeroed, then by its prepare function, which said `prepared`):
 * started, or awaited as the running task's own. So each operation is two calls of two lines:
 *
 *     struct io_uring_sqe sqe = {0};
 *     return op_await(task, &sqe, tacet_prepare_X(&sqe, ...));
 */
tacet_result op_start(struct tacet_op *op, struct tacet_task *task, const struct io_uring_sqe *filled,
                      tacet_result prepared);
tacet_result op_await(struct tacet_task *task, const struct io_uring_sqe *filled, tacet_result prepared);

/* The same for an open or a sync: see call_await_for_file(). */
tacet_result op_await_for_file(struct tacet_task *task, struct tacet_file *file, const struct io_uring_sqe *filled,
                               tacet_result prepared);

/* Asks for the end of all that is in flight; for an executor that is being destroyed. */
void op_cancel_everything(struct executor *executor);

/* What the end of a suspending open or sync means for its file, and for the caller. */
tacet_result file_settle(struct tacet_file *file, unsigned opcode, tacet_result r);

/* Nobody takes the result of a completed op any more: a descriptor that it opened is closed. */
void op_discard(struct tacet_op *op);

#endif
