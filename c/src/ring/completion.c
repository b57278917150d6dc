/*
 * From completions to ready runnables. A completion never resumes a task from in here: a resumed task may submit, cancel
 * or destroy, and this loop must not care.
 */
#include "ring/completion.h"

#include "op/buffers.h"
#include "op/multishot.h"
#include "op/op.h"
#include "op/zero_copy.h"
#include "ring/admission.h"
#include "ring/descriptors.h"
#include "ring/outstanding.h"
#include "task/c_task.h"
#include "task/deadline.h"

#include <tacet/handover.h>
#include <tacet/time.h>

#include <unistd.h>

/* The task will not reap it. With its last op it may be gone, but if it was released: then that is to be done here. */
static void keep_for_nobody(struct tacet_task *task, struct tacet_op *op)
{
    bool released = task->flags & TACET_TASK_RELEASED;
    uint32_t left = task->extra->ops_initiated - 1;
    op->request.state = TACET_OP_IDLE;
    op_discard(op);
    __atomic_store_n(&task->extra->ops_initiated, left, __ATOMIC_RELEASE);
    if (left == 0 && released)
        task_settle(c_task_of(task));
}

/* For the task to reap: to the end of its ring of completed ops. */
static void keep_for_task(struct tacet_task *task, struct tacet_op *op)
{
    struct tacet_task_extra *extra = task->extra;
    if (task->state == TACET_TASK_EXITED) {
        keep_for_nobody(task, op);
        return;
    }
    extra->ops_initiated--;
    op->request.state = TACET_OP_COMPLETED;
    struct tacet_runnable *newest = (struct tacet_runnable *)extra->completed;
    op->runnable.next = newest != NULL ? newest->next : &op->runnable;
    if (newest != NULL)
        newest->next = &op->runnable;
    extra->completed = op;
    if (task->waiting_for == extra)
        task_end_wait_for_any(task, 0);
}

/* Nobody may cancel it any more. */
static inline void make_callback_ready(struct tacet_executor *executor, struct tacet_op *op)
{
    op->request.state = TACET_OP_COMPLETED;
    tacet_level_push(&executor->ready.levels[op->priority], &op->runnable);
}

static void note_completed(struct tacet_request *request)
{
    uint64_t now = tacet_ticks();
    if (request->tag != TACET_TAG_AWAIT)
        op_of_request(request)->ticks.completed = now;
    if (request->tag <= TACET_TAG_TASK) {
        struct tacet_task *task = request->tag == TACET_TAG_AWAIT ? task_of_request(request)
                                                                  : op_of_request(request)->owner.task;
        if (task->attention & TACET_TASK_ACCOUNTED)
            task_extra_of(task)->ticks.completed = now;
    }
}

/* While the executor is being destroyed, tasks take no descriptors any more. */
static tacet_result keep_descriptor(const struct tacet_request *request, tacet_result result)
{
    if (request->tag == TACET_TAG_CALLBACK || result < 0 || request->opcode == IORING_OP_CLOSE)
        return result;
    if (request->opcode == IORING_OP_RECVMSG) /* what a task awaits is found when the task is abandoned */
        return result;
    (void)descriptor_close((int)result);
    return -ECANCELED;
}

/* Its task waits for it, or, if it is the timer of a wait for any op, in vain. A cancel that it was faster than is for the next
 * wait. */
static void deliver_to_task(struct tacet_task *task, tacet_result result)
{
    struct tacet_request *request = &task->request;
    request->state = TACET_OP_IDLE;
    if (request->attention & TACET_OP_CANCEL_ASKED && !tacet_is_cancelled(result))
        tacet_task_keep_cancel(task);
    if (request->attention & TACET_OP_DESCRIPTOR && result < 0)
        request->attention &= (uint8_t)~TACET_OP_DESCRIPTOR;
    if (opcode_opens(request->opcode)) /* until the task has taken it */
        request->closes = (int32_t)result;
    tacet_task_unpark(task, task->wait == TACET_WAIT_ANY_OP ? -ETIME : tacet_task_take_end(task, result));
}

/* Until the task has taken it, so that it is closed if the task does not come to that. */
static void keep_for_taking(struct tacet_task *task, unsigned opcode, tacet_result descriptor)
{
    task->request.opcode = (uint8_t)opcode;
    task->request.attention = TACET_OP_DESCRIPTOR;
    task->request.closes = (int32_t)descriptor;
}

/* Who waits for an op to the end has been asked to end. */
static void end_wait_for(struct tacet_task *task, struct tacet_op *op)
{
    op->request.state = TACET_OP_IDLE;
    if (opcode_opens(op->request.opcode) && op->result >= 0)
        keep_for_taking(task, op->request.opcode, op->result);
    if (task->wait == TACET_WAIT_TO_THE_END && !tacet_is_cancelled(op->result))
        tacet_task_keep_cancel(task);
    op->result = tacet_task_take_end(task, op->result);
    tacet_task_unpark(task, op->result);
}

static TACET_COLD bool one_was_cancelled(const struct tacet_op_group *group)
{
    for (uint32_t i = 0; i < group->count; i++)
        if (tacet_is_cancelled(group->ops[i]->result) || group->ops[i]->result == -ETIME)
            return true;
    return false;
}

static void end_group(struct tacet_op_group *group)
{
    struct tacet_task *task = group->task;
    if (TACET_UNLIKELY(task->wait == TACET_WAIT_TO_THE_END) && !one_was_cancelled(group))
        tacet_task_keep_cancel(task);
    tacet_task_unpark(task, tacet_task_take_end(task, 0));
}

static void deliver_op(struct tacet_executor *executor, struct tacet_op *op)
{
    switch (op->request.tag) {
    case TACET_TAG_TASK:
        if (op->owner.task->waiting_for == op) {
            end_wait_for(op->owner.task, op);
        } else {
            keep_for_task(op->owner.task, op);
        }
        return;
    case TACET_TAG_CALLBACK:
        make_callback_ready(executor, op);
        return;
    case TACET_TAG_GROUP:
        op->request.state = TACET_OP_IDLE;
        op->result = tacet_task_end_of_wait(op->owner.group->task, op->result);
        if (--op->owner.group->remaining == 0)
            end_group(op->owner.group);
        return;
    default:
        TACET_ASSERT(!"an op has one of these tags");
    }
}

/* What the kernel's worker threads were doing when they were interrupted says so with numbers that are the kernel's own. */
static tacet_result without_restarts(tacet_result result)
{
    enum { ERESTARTSYS = 512, ERESTART_RESTARTBLOCK = 516 };
    return result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK ? -EINTR : result;
}

/* A close that the kernel has not got, or a kernel thread not begun when everything was cancelled, is done here. */
static tacet_result end_close(struct executor *executor, int fd, tacet_result result)
{
    if (result == -ECANCELED)
        return descriptor_close(fd);
    if (result == 0)
        descriptors_note_closed(executor, fd);
    return result;
}

static tacet_result deliver_descriptor(struct executor *executor, const struct tacet_request *request,
                                       tacet_result result)
{
    if (request->opcode == TACET_OPCODE_OPEN_REGISTERED && result >= 0)
        result = descriptors_name(executor, (uint32_t)result);
    if (request->opcode == IORING_OP_CLOSE)
        return end_close(executor, request->closes, result);
    return executor->closing ? keep_descriptor(request, result) : result;
}

/* Something else than a result is at stake: a descriptor, or a buffer. */
static tacet_result deliver_thing(struct executor *executor, struct tacet_request *request, tacet_result result)
{
    if (!tacet_opcode_uses_buffer(request->opcode))
        return deliver_descriptor(executor, request, result);
    request->attention &= (uint8_t)~TACET_OP_BUFFER;
    buffers_note_end(executor, request);
    return result;
}

/* The operation has ended, and so has its cancel, if there was one. */
static void deliver(struct executor *executor, struct tacet_request *request, tacet_result result)
{
    if (request->attention & TACET_OP_LIMITED)
        admission_note_end(executor, request);
    result = without_restarts(result);
    if (request->attention & TACET_OP_HAS_DEADLINE && request->tag != TACET_TAG_AWAIT)
        result = deadline_end_of_op(executor, op_of_request(request), result);
    if (request->attention & (TACET_OP_DESCRIPTOR | TACET_OP_BUFFER))
        result = deliver_thing(executor, request, result);
    if (request->attention & TACET_OP_ACCOUNTED)
        note_completed(request);
    if (request->tag == TACET_TAG_AWAIT) {
        deliver_to_task(task_of_request(request), result);
    } else {
        op_of_request(request)->result = result;
        deliver_op(&executor->shared, op_of_request(request));
    }
}

/* Where a result waits for the end of the cancel: a suspended task has none yet. */
static tacet_result *kept_result(struct tacet_request *request)
{
    return request->tag == TACET_TAG_AWAIT ? &task_of_request(request)->result : &op_of_request(request)->result;
}

void completion_terminal(struct executor *executor, struct tacet_request *request, tacet_result result)
{
    TACET_ASSERT(request->state == TACET_OP_IN_FLIGHT);
    if (request->attention & TACET_OP_CANCEL_IN_FLIGHT) {
        request->attention |= TACET_OP_TERMINAL_SEEN;
        *kept_result(request) = result;
        executor->has_ended_missed = executor->missed != NULL;
    } else {
        deliver(executor, request, result);
    }
}

/* ---- Cancels that have found nothing ---- */

#define ASK_PAUSE_MIN_NS (1000 * 1000)
#define ASK_PAUSE_MAX_NS (128 * 1000 * 1000)

/* Of one in flight: in no queue, its runnable links it to the next whose cancel is to be made again. */
static struct tacet_request **link_of(struct tacet_request *request)
{
    struct tacet_runnable *own = request->tag == TACET_TAG_AWAIT ? &task_of_request(request)->runnable
                                                                 : &op_of_request(request)->runnable;
    return (struct tacet_request **)&own->next;
}

static void push_missed(struct executor *executor, struct tacet_request *request)
{
    *link_of(request) = executor->missed;
    executor->missed = request;
}

/* Until it is made again the request waits for its cancel as before. What a disk is busy with is missed each time: less and less often. */
static TACET_COLD void note_missed(struct executor *executor, struct tacet_request *request)
{
    if (executor->missed == NULL) {
        uint64_t now = executor->ring.ops->now(), pause = executor->ask_pause_ns;
        bool is_repeated = now - executor->asked_ns < 2 * pause;
        executor->ask_pause_ns = !is_repeated ? ASK_PAUSE_MIN_NS : pause < ASK_PAUSE_MAX_NS ? 2 * pause : pause;
        executor->ask_again_ns = now + executor->ask_pause_ns;
    }
    push_missed(executor, request);
}

/* The results of those that have ended were kept. */
static void deliver_missed(struct executor *executor)
{
    struct tacet_request *request = executor->missed, *next;
    executor->missed = NULL;
    executor->has_ended_missed = false;
    for (; request != NULL; request = next) {
        next = *link_of(request);
        if (!(request->attention & TACET_OP_TERMINAL_SEEN)) {
            push_missed(executor, request);
            continue;
        }
        request->attention &= (uint8_t)~TACET_OP_CANCEL_IN_FLIGHT;
        deliver(executor, request, *kept_result(request));
    }
}

/* As many as there is room for: nothing is submitted in here. */
static void ask_again(struct executor *executor)
{
    const struct tacet_submission_queue *sq = &executor->shared.sq;
    executor->asked_ns = executor->ring.ops->now();
    while (executor->missed != NULL && sq->tail - sq->submitted < executor->ring.sq_entries) {
        struct tacet_request *request = executor->missed;
        executor->missed = *link_of(request);
        request->attention &= (uint8_t)~TACET_OP_CANCEL_IN_FLIGHT;
        (void)request_cancel(executor, request);
    }
}

void completion_settle_missed(struct executor *executor)
{
    if (executor->has_ended_missed)
        deliver_missed(executor);
    if (!executor->closing &&
        executor->ring.ops->now() >= executor->ask_again_ns) /* else all is asked to end, again and again */
        ask_again(executor);
}

/*
 * The cancel of a request has ended, one way or another; the request's own completion tells what became of it. One that has found
 * nothing may have come when the kernel had the request in its hands, to try it again, after which it may wait for ever. (Or
 * while a disk is busy with it, or the other side has not acknowledged a zero-copy send.)
 */
static void cancel_ended(struct executor *executor, struct tacet_request *request, int32_t result)
{
    bool has_ended = request->attention & TACET_OP_TERMINAL_SEEN;
    if (request->tag != TACET_TAG_MULTISHOT && !has_ended && result == -ENOENT) {
        note_missed(executor, request);
        return;
    }
    request->attention &= (uint8_t)~TACET_OP_CANCEL_IN_FLIGHT;
    if (request->tag == TACET_TAG_MULTISHOT)
        multishot_cancel_ended(request, result);
    else if (has_ended)
        deliver(executor, request, *kept_result(request));
}

static TACET_COLD void note_lost_wake(struct ring *ring, const struct io_uring_sqe *sqe)
{
    ring->submitted++;
    ring->must_poll_wake_fd |= (sqe->user_data & RING_WAKE_FD) != 0;
}

static TACET_COLD void note_wake(struct ring *ring, const struct io_uring_cqe *cqe)
{
    ring->completed--; /* see ring_commit_own() */
    ring->ops->woken(ring, cqe);
}

/*
 * A zero-copy send ends when the kernel gives the buffer back, which a second completion says; the first has the result. Of what
 * was read into a buffer that the kernel has chosen, the flags say into which.
 */
static void one_of_several(struct executor *executor, struct tacet_request *request, int32_t result, uint32_t flags)
{
    if (flags & IORING_CQE_F_BUFFER)
        request->buffer.number = (uint16_t)(flags >> IORING_CQE_BUFFER_SHIFT);
    if (flags & IORING_CQE_F_MORE) {
        executor->ring.completed--; /* the terminal one counts */
        *kept_result(request) = result;
        return;
    }
    tacet_result whole = flags & IORING_CQE_F_NOTIF ? *kept_result(request) : result;
    if (!opcode_sends(request->opcode) || !zero_copy_is_made_again(executor, request, &whole))
        completion_terminal(executor, request, whole);
}

static TACET_NOINLINE void dispatch(struct executor *executor, uint64_t user_data, int32_t result, uint32_t flags)
{
    unsigned tag = user_data & TACET_TAG_MASK;
    if (tag <= TACET_TAG_GROUP && request_of(user_data)->attention & TACET_OP_BY_FLAGS)
        one_of_several(executor, request_of(user_data), result, flags);
    else if (tag <= TACET_TAG_GROUP)
        completion_terminal(executor, request_of(user_data), result);
    else if (tag == TACET_TAG_MULTISHOT)
        multishot_completed(executor, request_of(user_data), result, flags);
    else if (tag == TACET_TAG_CANCEL)
        cancel_ended(executor, request_of(user_data), result);
    else if (tag == TACET_TAG_DETACHED)
        (void)end_close(executor, (int)(user_data / (TACET_TAG_MASK + 1)), result);
}

static void dispatch_cqe(struct executor *executor, const struct io_uring_cqe *cqe)
{
    if ((cqe->user_data & TACET_TAG_MASK) == TACET_TAG_WAKE)
        note_wake(&executor->ring, cqe);
    else
        dispatch(executor, cqe->user_data, cqe->res, cqe->flags);
}

/* Whether a buffer was all that the request needs attention for; it has got it, then. */
static TACET_NOINLINE bool is_settled_by_buffer(struct executor *executor, struct tacet_request *request)
{
    if (request->attention != TACET_OP_BUFFER || !tacet_opcode_uses_buffer(request->opcode))
        return false;
    request->attention = 0;
    buffers_note_end(executor, request);
    return true;
}

/* The short way, for what is nearly always the case: what a task awaits, or an op with a callback. */
static inline bool dispatch_short(struct executor *executor, uint64_t user_data, int32_t result)
{
    struct tacet_request *request = request_of(user_data);
    unsigned tag = user_data & TACET_TAG_MASK;
    if (tag > TACET_TAG_CALLBACK)
        return false;
    if (request->attention != 0 && !is_settled_by_buffer(executor, request))
        return false;
    if (tag == TACET_TAG_AWAIT) {
        request->state = TACET_OP_IDLE;
        tacet_task_unpark_request(task_of_request(request), result);
        return true;
    }
    struct tacet_op *op = op_of_request(request);
    if (tag == TACET_TAG_CALLBACK) {
        op->result = result;
        make_callback_ready(&executor->shared, op);
        return true;
    }
    if (op->owner.task->waiting_for != op)
        return false;
    op->result = result;
    request->state = TACET_OP_IDLE;
    tacet_task_unpark(op->owner.task, result);
    return true;
}

static TACET_COLD void note_not_outstanding(const struct ring *ring, uint32_t head, uint32_t tail)
{
    for (; head != tail; head++)
        outstanding_remove(ring->outstanding, &ring->cqes[head & ring->cq_mask]);
}

void completion_collect(struct executor *executor)
{
    struct ring *ring = &executor->ring;
    uint32_t head = *ring->cq_head;
    /* acquire: pairs with the kernel's release of the tail */
    uint32_t tail = __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE);
    if (head == tail)
        return;
    ring->completed += tail - head;
    if (TACET_UNLIKELY(ring->outstanding != NULL))
        note_not_outstanding(ring, head, tail);
    const struct io_uring_cqe *cqes = ring->cqes;
    const uint32_t mask = ring->cq_mask;
    const bool closing = executor->closing; /* then all of it was asked to end */
    do {
        const struct io_uring_cqe *cqe = &cqes[head & mask];
        if (TACET_UNLIKELY(closing || !dispatch_short(executor, cqe->user_data, cqe->res)))
            dispatch_cqe(executor, cqe);
    } while (++head != tail);
    /* release: the kernel may overwrite the entries once it sees the head */
    __atomic_store_n(ring->cq_head, head, __ATOMIC_RELEASE);
    if (TACET_UNLIKELY(executor->admission != NULL))
        admission_pass(executor);
}

void completion_fail_queued(struct executor *executor, tacet_result result)
{
    struct tacet_submission_queue *sq = &executor->shared.sq;
    uint32_t tail = sq->tail;
    sq->tail = sq->submitted;
    for (uint32_t i = sq->submitted; i != tail; i++) {
        const struct io_uring_sqe *sqe = &sq->sqes[i & sq->mask];
        if ((sqe->user_data & TACET_TAG_MASK) == TACET_TAG_WAKE) {
            note_lost_wake(&executor->ring, sqe);
            continue;
        }
        bool closes = sqe->opcode == IORING_OP_CLOSE;
        dispatch(executor, sqe->user_data, closes ? -ECANCELED : (int32_t)result, 0);
    }
    ring_taken(&executor->ring, 0);
    if (executor->admission != NULL)
        admission_forget_queued(executor);
}
