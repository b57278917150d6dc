/*
 * From completions to ready runnables. A completion never resumes a task from in here: a resumed task may submit, cancel
 * or destroy, and this loop must not care.
 */
#include "ring/completion.h"

#include "op/op.h"
#include "task/c_task.h"

#include <tacet/time.h>

#include <unistd.h>

/* For the task to reap: to the end of its ring of completed ops. */
static void keep_for_task(struct tacet_task *task, struct tacet_op *op)
{
    task->ops_initiated--;
    if (task->state == TACET_TASK_EXITED) { /* it will not reap */
        op->state = TACET_OP_IDLE;
        op_discard(op);
        if (task->ops_initiated == 0 && !(task->switcher_ops->flags & TACET_SWITCHER_FOREIGN))
            task_settle(c_task_of(task));
        return;
    }
    op->state = TACET_OP_COMPLETED;
    struct tacet_runnable *newest = (struct tacet_runnable *)task->completed;
    op->runnable.next = newest != NULL ? newest->next : &op->runnable;
    if (newest != NULL)
        newest->next = &op->runnable;
    task->completed = op;
    if (task->waiting_for == &task->completed)
        tacet_task_unpark(task, 0);
}

static void note_completed(struct tacet_op *op)
{
    op->ticks.completed = tacet_ticks();
    if (op->tag == TACET_TAG_TASK && op->owner.task->ticks != NULL)
        op->owner.task->ticks->completed = op->ticks.completed;
}

static int32_t close_now(int fd)
{
    return close(fd) < 0 ? -errno : 0;
}

/*
 * While the executor is being destroyed, tasks take no descriptors any more, and the cancelling of everything may hit a
 * close that a kernel thread has not begun.
 */
static void keep_descriptor(struct tacet_op *op)
{
    if (op->opcode == IORING_OP_CLOSE && op->result == -ECANCELED)
        op->result = close_now(op->closes);
    else if (op->tag != TACET_TAG_CALLBACK)
        op_discard(op);
}

/* The op has ended, and so has its cancel, if there was one. */
static void deliver(struct tacet_executor *executor, struct tacet_op *op)
{
    if (op->attention & TACET_OP_DESCRIPTOR && executor_of(executor)->closing)
        keep_descriptor(op);
    if (op->attention & TACET_OP_ACCOUNTED)
        note_completed(op);
    switch (op->tag) {
    case TACET_TAG_TASK:
        if (op->owner.task->waiting_for == op) {
            op->state = TACET_OP_IDLE;
            tacet_task_unpark(op->owner.task, op->result);
        } else {
            keep_for_task(op->owner.task, op);
        }
        return;
    case TACET_TAG_CALLBACK:
        tacet_level_push(&executor->ready.levels[op->priority], &op->runnable);
        return;
    case TACET_TAG_GROUP:
        op->state = TACET_OP_IDLE;
        if (--op->owner.group->remaining == 0)
            tacet_task_unpark(op->owner.group->task, 0);
        return;
    default:
        TACET_ASSERT(!"an op has one of these tags");
    }
}

void completion_terminal(struct executor *executor, struct tacet_op *op, tacet_result result)
{
    TACET_ASSERT(op->state == TACET_OP_IN_FLIGHT);
    op->result = result;
    if (op->attention & TACET_OP_CANCEL_IN_FLIGHT)
        op->attention |= TACET_OP_TERMINAL_SEEN;
    else
        deliver(&executor->shared, op);
}

/* The cancel of an op has ended, one way or another; the op's own completion tells what became of it. */
static void cancel_ended(struct executor *executor, struct tacet_op *op)
{
    op->attention &= (uint8_t)~TACET_OP_CANCEL_IN_FLIGHT;
    if (op->attention & TACET_OP_TERMINAL_SEEN)
        deliver(&executor->shared, op);
}

static TACET_NOINLINE void dispatch(struct executor *executor, uint64_t user_data, int32_t result)
{
    struct tacet_op *op = (struct tacet_op *)(uintptr_t)(user_data & ~(uint64_t)TACET_TAG_MASK);
    unsigned tag = user_data & TACET_TAG_MASK;
    if (tag <= TACET_TAG_GROUP)
        completion_terminal(executor, op, result);
    else if (tag == TACET_TAG_CANCEL)
        cancel_ended(executor, op);
    else if (tag == TACET_TAG_DETACHED && result == -ECANCELED)
        close_now((int)(user_data / (TACET_TAG_MASK + 1)));
}

/* The short way, for what is nearly always the case: an op that its task awaits, or one with a callback. */
static inline bool dispatch_short(struct executor *executor, uint64_t user_data, int32_t result)
{
    struct tacet_op *op = (struct tacet_op *)(uintptr_t)(user_data & ~(uint64_t)TACET_TAG_MASK);
    unsigned tag = user_data & TACET_TAG_MASK;
    if (tag > TACET_TAG_CALLBACK || op->attention != 0)
        return false;
    struct tacet_task *task = op->owner.task;
    if (tag == TACET_TAG_CALLBACK) {
        op->result = result;
        tacet_level_push(&executor->shared.ready.levels[op->priority], &op->runnable);
        return true;
    }
    if (task->waiting_for != op)
        return false;
    op->result = result;
    op->state = TACET_OP_IDLE;
    tacet_task_unpark(task, result);
    return true;
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
    const struct io_uring_cqe *cqes = ring->cqes;
    const uint32_t mask = ring->cq_mask;
    do {
        const struct io_uring_cqe *cqe = &cqes[head & mask];
        if (TACET_UNLIKELY(!dispatch_short(executor, cqe->user_data, cqe->res)))
            dispatch(executor, cqe->user_data, cqe->res);
    } while (++head != tail);
    /* release: the kernel may overwrite the entries once it sees the head */
    __atomic_store_n(ring->cq_head, head, __ATOMIC_RELEASE);
}

void completion_fail_queued(struct executor *executor, tacet_result result)
{
    struct tacet_submission_queue *sq = &executor->shared.sq;
    uint32_t tail = sq->tail;
    sq->tail = sq->submitted;
    for (uint32_t i = sq->submitted; i != tail; i++) {
        const struct io_uring_sqe *sqe = &sq->sqes[i & sq->mask];
        bool closes = sqe->opcode == IORING_OP_CLOSE;
        dispatch(executor, sqe->user_data, closes ? close_now(sqe->fd) : (int32_t)result);
    }
    ring_taken(&executor->ring, 0);
}
