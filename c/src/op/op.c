/*
 * Callbacks, cancellation, and the operations that have no file: no-op and poll.
 *
 * A cancel is an operation of its own. The request that it cancels is not idle before both have ended: its address stays
 * theirs until then.
 */
#include "op/op.h"
#include "op/buffer_ring.h"

#include "executor/timers.h"
#include "ring/admission.h"
#include "ring/completion.h"
#include "ring/descriptors.h"
#include "ring/outstanding.h"
#include "task/c_task.h"
#include "task/deadline.h"

#include <tacet/op.h>
#include <tacet/time.h>

#include <unistd.h>

static void callback_run(struct tacet_runnable *runnable)
{
    struct tacet_op *op = (struct tacet_op *)runnable;
    op->request.state = TACET_OP_IDLE;
    if (op->request.attention & TACET_OP_ACCOUNTED)
        op->ticks.reaped = tacet_ticks();
    op->callback(op);
}

const struct tacet_runnable_kind callback_kind = {.run = callback_run};

tacet_result tacet_op_init_callback(struct tacet_op *op, struct tacet_executor *executor, tacet_op_callback *callback,
                                    enum tacet_priority priority)
{
    if (op == NULL || executor == NULL || callback == NULL || (unsigned)priority >= TACET_PRIORITY_COUNT)
        return -EINVAL;
    *op = (struct tacet_op){
        .runnable.kind = &callback_kind,
        .owner.executor = executor,
        .callback = callback,
        .priority = (uint8_t)priority,
    };
    return 0;
}

void tacet_op_note_initiated(struct tacet_op *op)
{
    op->ticks.initiated = tacet_ticks();
    op->request.attention |= TACET_OP_ACCOUNTED;
}

bool tacet_executor_supports(const struct tacet_executor *executor, unsigned opcode)
{
    return ring_supports(&executor_of(executor)->ring, opcode);
}

struct executor *executor_of_op(const struct tacet_op *op)
{
    switch (op->request.tag) {
    case TACET_TAG_CALLBACK:
        return executor_of(op->owner.executor);
    case TACET_TAG_GROUP:
        return executor_of(tacet_task_executor(op->owner.group->task));
    default:
        return executor_of(tacet_task_executor(op->owner.task));
    }
}

/* A slot for the executor's own use. There always is one, sooner or later; NULL only if the ring is broken. */
static struct io_uring_sqe *reserved_sqe(struct executor *executor)
{
    struct tacet_submission_queue *sq = &executor->shared.sq;
    while (sq->tail - sq->submitted == executor->ring.sq_entries) {
        if (executor_enter(executor, 0, 0) < 0)
            return NULL;
        completion_collect(executor);
    }
    struct io_uring_sqe *sqe = &sq->sqes[sq->tail & sq->mask];
    memset(sqe, 0, sizeof *sqe);
    return sqe;
}

static tacet_result cancel_in_ring(struct executor *executor, struct tacet_request *request)
{
    struct io_uring_sqe *sqe = reserved_sqe(executor);
    if (sqe == NULL)
        return -EIO;
    if (request->state != TACET_OP_IN_FLIGHT)
        return -ENOENT; /* it completed while room was made */
    if (request->attention & TACET_OP_LIMITED && admission_cancel(executor, request))
        return 0; /* the kernel had not got it */
    io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)request | request->tag, 0);
    sqe->user_data = (uint64_t)(uintptr_t)request | TACET_TAG_CANCEL;
    ring_commit_reserved(&executor->ring);
    request->attention |= TACET_OP_CANCEL_IN_FLIGHT | TACET_OP_CANCEL_ASKED;
    return 0;
}

tacet_result request_cancel(struct executor *executor, struct tacet_request *request)
{
    if (request->opcode == TACET_OPCODE_DEADLINE) {
        deadline_stop(executor, request);
        return 0;
    }
    if (request->opcode == IORING_OP_TIMEOUT) {
        timers_remove(&executor->timers, request);
        completion_terminal(executor, request, -ECANCELED);
        return 0;
    }
    if (request->opcode == IORING_OP_CLOSE || request->attention & TACET_OP_CANCEL_IN_FLIGHT)
        return -EALREADY;
    return cancel_in_ring(executor, request);
}

tacet_result tacet_op_cancel(struct tacet_op *op)
{
    if (op == NULL)
        return -EINVAL;
    if (op->request.state != TACET_OP_IN_FLIGHT)
        return -ENOENT;
    struct executor *executor = executor_of_op(op);
    return executor_is_mine(executor) ? request_cancel(executor, &op->request) : -EPERM;
}

/* Whatever comes of it: its completion is nobody's. */
static void cancel_for_nobody(struct executor *executor, uint64_t user_data, int flags)
{
    struct io_uring_sqe *sqe = reserved_sqe(executor);
    if (sqe == NULL)
        return;
    io_uring_prep_cancel64(sqe, user_data, flags);
    sqe->user_data = TACET_TAG_WAKE;
    ring_commit_own(&executor->ring);
}

/* What is queued is outstanding when the kernel has taken it. */
static tacet_result submit_all(struct executor *executor)
{
    tacet_result r = 0;
    while (r == 0 && executor->shared.sq.tail != executor->shared.sq.submitted) {
        r = executor_enter(executor, 0, 0);
        completion_collect(executor);
    }
    return r;
}

static void cancel_outstanding(struct executor *executor)
{
    if (submit_all(executor) < 0)
        return;
    uint64_t user_data;
    for (uint32_t place = 0; (user_data = outstanding_next(executor->ring.outstanding, &place)) != 0;)
        cancel_for_nobody(executor, user_data, 0);
}

void op_cancel_everything(struct executor *executor)
{
    if (ring_in_flight(&executor->ring) == 0)
        return;
    if (executor->ring.outstanding != NULL)
        cancel_outstanding(executor);
    else
        cancel_for_nobody(executor, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
}

void op_discard(struct tacet_op *op)
{
    if (op->request.attention & TACET_OP_BY_FLAGS && !opcode_sends(op->request.opcode))
        buffer_ring_discard(executor_of(tacet_task_executor(op->owner.task)), &op->request);
    if (!opcode_opens(op->request.opcode) || op->result < 0)
        return;
    (void)descriptor_close((int)op->result);
    op->result = -ECANCELED;
}

tacet_result op_start(struct tacet_op *op, struct tacet_task *task, const struct io_uring_sqe *filled,
                      tacet_result prepared)
{
    struct io_uring_sqe *sqe;
    tacet_result r = prepared < 0 ? prepared : tacet_op_start_begin(op, task, filled->opcode, &sqe);
    if (r < 0)
        return r;
    *sqe = *filled;
    return tacet_op_start(op, task, filled->opcode, sqe, 0);
}

/* The next SQE becomes the filled one, for the task's own request. */
static tacet_result begin_filled(struct tacet_task *task, const struct io_uring_sqe *filled, struct io_uring_sqe **sqe,
                                 tacet_result prepared)
{
    tacet_result r = prepared < 0 ? prepared : call_begin(task, filled->opcode, sqe);
    if (r == 0)
        **sqe = *filled;
    return r;
}

tacet_result op_await(struct tacet_task *task, const struct io_uring_sqe *filled, tacet_result prepared)
{
    struct io_uring_sqe *sqe = NULL;
    tacet_result r = begin_filled(task, filled, &sqe, prepared);
    return call_await(task, filled->opcode, sqe, r);
}

tacet_result op_await_for_file(struct tacet_task *task, struct tacet_file *file, const struct io_uring_sqe *filled,
                               tacet_result prepared)
{
    struct io_uring_sqe *sqe = NULL;
    tacet_result r = begin_filled(task, filled, &sqe, prepared);
    return call_await_for_file(task, file, filled->opcode, sqe, r);
}

tacet_result tacet_nop(struct tacet_task *task)
{
    struct io_uring_sqe *sqe;
    tacet_result r = call_begin(task, IORING_OP_NOP, &sqe);
    return r < 0 ? r : call_await(task, IORING_OP_NOP, sqe, tacet_prepare_nop(sqe));
}

tacet_result tacet_poll_start(struct tacet_op *op, struct tacet_task *task, int fd, unsigned events)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, tacet_prepare_poll(&sqe, fd, events));
}

tacet_result tacet_poll(struct tacet_task *task, int fd, unsigned events)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, tacet_prepare_poll(&sqe, fd, events));
}
