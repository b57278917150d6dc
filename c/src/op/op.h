/* Operations, behind the inlined part: callbacks and cancellation. */
#ifndef OP_OP_H
#define OP_OP_H

#include "executor/executor.h"

#include <tacet/file.h>

/* The kind of a completed callback op's runnable; by it the run loop tells callbacks from tasks. */
extern const struct tacet_runnable_kind callback_kind;

/* As tacet_op_cancel(), for a request in flight on the executor, which is this thread's. */
tacet_result request_cancel(struct executor *executor, struct tacet_request *request);

static inline struct tacet_op *op_of_request(struct tacet_request *request)
{
    return TACET_CONTAINER_OF(request, struct tacet_op, request);
}

static inline struct tacet_task *task_of_request(struct tacet_request *request)
{
    return TACET_CONTAINER_OF(request, struct tacet_task, request);
}

/* Asks for the end of all that is in flight; for an executor that is being destroyed. */
void op_cancel_everything(struct executor *executor);

/* What the end of a suspending open or sync means for its file, and for the caller. */
tacet_result file_settle(struct tacet_file *file, unsigned opcode, tacet_result r);

/* Nobody takes the result of a completed op any more: a descriptor that it opened is closed. */
void op_discard(struct tacet_op *op);

#endif
