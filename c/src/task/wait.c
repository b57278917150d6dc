/*
 * Waiting: for an op, for any of a task's ops, for another task; and the end of waiting, by cancellation.
 *
 * All of it is park and unpark (inline/executor.h), and one byte that says how a cancel ends the wait.
 */
#include "base/list.h"
#include "executor/executor.h"
#include "executor/signals.h"
#include "op/op.h"
#include "task/c_task.h"

#include <tacet/handover.h>
#include <tacet/time.h>

/* The executor of a task that is not attached may be gone. */
tacet_result call_refuse_not_running(const struct tacet_task *task)
{
    if (task == NULL || task->state == TACET_TASK_IDLE || task->state == TACET_TASK_EXITED)
        return -EINVAL;
    return executor_is_mine(executor_of(tacet_task_executor(task))) ? -EINVAL : -EPERM;
}

static TACET_COLD tacet_result settle_file(struct tacet_task *task)
{
    task->request.attention = 0; /* the descriptor is taken */
    return file_settle(task->file, task->request.opcode, task->result);
}

tacet_result call_await_for_file(struct tacet_task *task, struct tacet_file *file, unsigned opcode,
                                 struct io_uring_sqe *sqe, tacet_result prepared)
{
    if (prepared < 0)
        return prepared;
    task->file = file;
    tacet_result r = call_await_with(task, opcode, sqe, TACET_OP_FOR_FILE);
    return r == TACET_PENDING || !(task->request.attention & TACET_OP_FOR_FILE) ? r : settle_file(task);
}

tacet_result tacet_task_call_result(struct tacet_task *task)
{
    if (task == NULL)
        return -EINVAL;
    if (TACET_UNLIKELY(task->request.attention & TACET_OP_FOR_FILE))
        return settle_file(task);
    tacet_task_note_taken(task);
    return task->result;
}

/* Takes an op out of the task's ring of completed ones; before is its predecessor there. */
static struct tacet_op *reap(struct tacet_task *task, struct tacet_op *before)
{
    struct tacet_op *op = (struct tacet_op *)before->runnable.next;
    before->runnable.next = op->runnable.next;
    if (task->extra->completed == op)
        task->extra->completed = before != op ? before : NULL;
    op->request.state = TACET_OP_IDLE;
    if (TACET_UNLIKELY(op->request.attention & TACET_OP_ACCOUNTED))
        op->ticks.reaped = tacet_ticks();
    return op;
}

static tacet_result reap_this(struct tacet_task *task, struct tacet_op *op)
{
    struct tacet_op *before = task->extra->completed;
    while ((struct tacet_op *)before->runnable.next != op)
        before = (struct tacet_op *)before->runnable.next;
    return reap(task, before)->result;
}

tacet_result tacet_task_await(struct tacet_task *task, struct tacet_op *op)
{
    tacet_result r = call_check_may_suspend(task);
    if (r < 0)
        return r;
    if (op == NULL || op->request.state == TACET_OP_IDLE || op->request.tag != TACET_TAG_TASK || op->owner.task != task)
        return -EINVAL;
    bool ends = op->request.state == TACET_OP_IN_FLIGHT && tacet_task_take_end_of_wait(task);
    if (ends)
        tacet_op_cancel(op);
    if (op->request.state == TACET_OP_COMPLETED) /* a cancelled sleep ends at once */
        return tacet_task_take_end(task, reap_this(task, op));
    task->extra->ops_initiated--;
    tacet_task_park(task, op, ends ? TACET_WAIT_TO_THE_END : TACET_WAIT_OP);
    r = task_give_up(task);
    tacet_task_note_taken(task);
    return r;
}

void task_end_wait_for_any(struct tacet_task *task, tacet_result result)
{
    if (task->request.state == TACET_OP_IN_FLIGHT) {
        timers_remove(&executor_of(tacet_task_executor(task))->timers, &task->request);
        task->request.state = TACET_OP_IDLE;
    }
    tacet_task_unpark(task, result);
}

/* Whether the last that the task did was to wait for an op, in vain. Says so once. */
static bool waited_in_vain(struct tacet_task *task)
{
    if (task->wait != TACET_WAIT_ANY_OP || task->result != -ETIME)
        return false;
    task->result = 0;
    return true;
}

/* What next_completed comes to without waiting; TACET_PENDING: it must wait. */
static tacet_result next_without_wait(struct tacet_task *task, struct tacet_op **op, uint64_t timeout_ns)
{
    bool in_vain = waited_in_vain(task);
    *op = NULL;
    if (task->extra != NULL && task->extra->completed != NULL) {
        *op = reap(task, task->extra->completed);
        return 1;
    }
    if (in_vain)
        return -ETIME;
    if (task->extra == NULL || task->extra->ops_initiated == 0)
        return 0;
    tacet_result interrupted = tacet_task_take_interrupt(task);
    if (interrupted < 0)
        return interrupted;
    return timeout_ns == 0 ? -ETIME : TACET_PENDING;
}

tacet_result tacet_task_next_completed(struct tacet_task *task, struct tacet_op **op, uint64_t timeout_ns)
{
    tacet_result r = call_check_may_suspend(task);
    if (r < 0 || op == NULL)
        return r < 0 ? r : -EINVAL;
    for (;;) {
        r = next_without_wait(task, op, timeout_ns);
        if (r != TACET_PENDING)
            return r;
        if (timeout_ns != TACET_FOREVER) {
            r = task_add_timer(task, timeout_ns);
            if (r < 0)
                return r;
        }
        tacet_task_park(task, task->extra, TACET_WAIT_ANY_OP);
        if (task_give_up(task) == TACET_PENDING)
            return TACET_PENDING;
    }
}

void tacet_task_wait_park(struct tacet_task *self, struct tacet_task *other)
{
    if (other->waiters == NULL) {
        list_init(&self->wait_node);
        other->waiters = &self->wait_node;
    } else {
        list_push_back(other->waiters, &self->wait_node);
    }
    tacet_task_park(self, other, TACET_WAIT_TASK);
}

const struct executor *task_find_executor_here(const struct tacet_task *task)
{
    const struct executor *each = executor_first_here();
    while (each != NULL && !task_is_at(task, each))
        each = each->next_here;
    bool in_transit = __atomic_load_n(&task->signals, __ATOMIC_RELAXED) & SIGNAL_IN_TRANSIT;
    return in_transit ? NULL : each;
}

tacet_result tacet_task_wait_check(const struct tacet_task *self, const struct tacet_task *other)
{
    if (other == NULL || __atomic_load_n(&other->level, __ATOMIC_RELAXED) == NULL) /* it may be away */
        return -EINVAL;
    if (self == other)
        return -EDEADLK;
    struct tacet_executor *executor = tacet_task_executor(self);
    if (other->extra != NULL && other->extra->home == executor)
        return 0;
    return task_is_at(other, executor_of(executor)) ? 0 : -EPERM;
}

tacet_result tacet_task_wait(struct tacet_task *self, struct tacet_task *other, tacet_result *result)
{
    tacet_result r = call_check_may_suspend(self);
    if (r == 0)
        r = tacet_task_wait_check(self, other);
    if (r < 0)
        return r;
    if (other->state != TACET_TASK_EXITED) {
        r = tacet_task_take_interrupt(self);
        if (r < 0)
            return r;
        tacet_task_wait_park(self, other);
        r = task_give_up(self);
        if (r < 0)
            return r;
    } else {
        self->waited = other->result;
    }
    if (result != NULL)
        *result = self->waited;
    return 0;
}

tacet_result tacet_task_waited_result(const struct tacet_task *self)
{
    return self->waited;
}

static void cancel_request(struct tacet_task *task)
{
    request_cancel(executor_of(tacet_task_executor(task)), &task->request);
}

static void cancel_op(struct tacet_task *task)
{
    tacet_op_cancel((struct tacet_op *)task->waiting_for);
}

static void cancel_wait_for_any(struct tacet_task *task)
{
    tacet_task_keep_cancel(task);
    task_end_wait_for_any(task, 0);
}

static void cancel_wait_for_task(struct tacet_task *task)
{
    struct tacet_task *other = task->waiting_for;
    if (other->waiters == &task->wait_node)
        other->waiters = task->wait_node.next != &task->wait_node ? task->wait_node.next : NULL;
    list_remove(&task->wait_node);
    tacet_task_unpark(task, -ECANCELED);
}

static void cancel_by_hook(struct tacet_task *task)
{
    ((struct tacet_wait_hook *)task->waiting_for)->on_cancel(task);
}

static void (*const cancel_wait[TACET_WAIT_COUNT])(struct tacet_task *task) = {
    [TACET_WAIT_REQUEST] = cancel_request,          [TACET_WAIT_OP] = cancel_op,
    [TACET_WAIT_ANY_OP] = cancel_wait_for_any,      [TACET_WAIT_TASK] = cancel_wait_for_task,
    [TACET_WAIT_SEMAPHORE] = semaphore_cancel_wait, [TACET_WAIT_HOOK] = cancel_by_hook,
};

static bool can_end_wait(const struct tacet_task *task)
{
    return task->state == TACET_TASK_SUSPENDED && cancel_wait[task->wait] != NULL;
}

/* Asks for it; a wait is ended once. */
static void end_wait(struct tacet_task *task)
{
    unsigned wait = task->wait;
    task->wait = TACET_WAIT_TO_THE_END;
    cancel_wait[wait](task);
}

void task_cancel(struct tacet_task *task)
{
    const bool is_shielded = task->attention & TACET_TASK_SHIELDED;
    task->flags |= TACET_TASK_CANCEL_REQUESTED;
    if (is_shielded)
        task->attention |= TACET_TASK_CANCEL_KEPT;
    if (is_shielded && !executor_of(tacet_task_executor(task))->closing) /* which no wait outlives */
        return;
    if (!can_end_wait(task)) {
        if (!is_shielded)
            task->attention |= TACET_TASK_CANCEL_PENDING;
        return;
    }
    task->attention &= (uint8_t)~TACET_TASK_TIMING_OUT; /* one that was handed on, and goes on */
    end_wait(task);
}

void task_time_out(struct tacet_task *task)
{
    task->attention |= TACET_TASK_TIMED_OUT;
    if (!can_end_wait(task))
        return;
    task->attention |= TACET_TASK_TIMING_OUT;
    end_wait(task);
    if (task->state == TACET_TASK_READY) /* it ended at once */
        task->result = tacet_task_take_end(task, task->result);
}

tacet_result tacet_task_cancel(struct tacet_task *task)
{
    if (task == NULL)
        return -EINVAL;
    unsigned state = __atomic_load_n(&task->state, __ATOMIC_RELAXED);
    if (state == TACET_TASK_IDLE)
        return -EINVAL;
    if (state == TACET_TASK_EXITED) /* its executor may be gone */
        return -ESRCH;
    const struct executor *executor = task_find_executor_here(task);
    if (executor == NULL)
        return executor_signal(task, SIGNAL_CANCEL);
    if (!executor_is_mine(executor))
        return -EPERM;
    task_cancel(task);
    return 0;
}

bool tacet_task_cancel_requested(const struct tacet_task *task)
{
    return task->flags & TACET_TASK_CANCEL_REQUESTED;
}
