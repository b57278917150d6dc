/*
 * Waiting: for an op, for any of a task's ops, for another task; and the end of waiting, by cancellation.
 *
 * All of it is park and unpark (inline/executor.h) with one cancel hook.
 */
#include "base/list.h"
#include "executor/executor.h"
#include "op/op.h"
#include "task/c_task.h"

#include <tacet/time.h>

/* The executor of a task that is not attached may be gone. */
tacet_result call_refuse_not_running(const struct tacet_task *task)
{
    if (task == NULL || task->state == TACET_TASK_IDLE || task->state == TACET_TASK_EXITED)
        return -EINVAL;
    return executor_is_mine(executor_of(task->executor)) ? -EINVAL : -EPERM;
}

struct tacet_op *call_op_uncancelled(struct tacet_task *task)
{
    return call_check_may_suspend(task) == 0 ? &c_task_of(task)->op : NULL;
}

struct tacet_op *call_op(struct tacet_task *task)
{
    return task != NULL && !(task->attention & TACET_TASK_CANCEL_PENDING) ? call_op_uncancelled(task) : NULL;
}

/* The op is in flight, and counted as initiated; from now on it is what the task waits for. */
static tacet_result await_op(struct tacet_task *task, struct tacet_op *op, void (*on_cancel)(struct tacet_task *task))
{
    task->ops_initiated--;
    tacet_task_park(task, op, on_cancel);
    return task_give_up(task);
}

tacet_result call_await(struct tacet_task *task, tacet_result started)
{
    tacet_result r = call_check(task);
    if (r == 0)
        r = started;
    return r < 0 ? r : await_op(task, &c_task_of(task)->op, tacet_op_on_cancel);
}

tacet_result call_await_uncancelled(struct tacet_task *task, tacet_result started)
{
    tacet_result r = call_check_may_suspend(task);
    if (r == 0)
        r = started;
    return r < 0 ? r : await_op(task, &c_task_of(task)->op, NULL);
}

static TACET_COLD tacet_result settle_file(struct c_task *task)
{
    struct tacet_file *file = task->file;
    task->file = NULL;
    task->op.attention &= (uint8_t)~TACET_OP_DESCRIPTOR; /* it is taken */
    return file_settle(file, task->op.opcode, task->task.wake_result);
}

tacet_result call_await_for_file(struct tacet_task *task, struct tacet_file *file, tacet_result started)
{
    tacet_result r = call_check(task);
    if (r == 0)
        r = started;
    if (r < 0)
        return r;
    c_task_of(task)->file = file;
    r = await_op(task, &c_task_of(task)->op, tacet_op_on_cancel);
    return r == TACET_PENDING ? r : settle_file(c_task_of(task));
}

tacet_result tacet_task_call_result(struct tacet_task *task)
{
    if (task == NULL)
        return -EINVAL;
    struct c_task *c_task = c_task_of(task);
    return TACET_LIKELY(c_task->file == NULL) ? task->wake_result : settle_file(c_task);
}

/* Takes an op out of the task's ring of completed ones; before is its predecessor there. */
static tacet_result reap(struct tacet_task *task, struct tacet_op *before)
{
    struct tacet_op *op = (struct tacet_op *)before->runnable.next;
    before->runnable.next = op->runnable.next;
    if (task->completed == op)
        task->completed = before != op ? before : NULL;
    op->state = TACET_OP_IDLE;
    if (TACET_UNLIKELY(op->attention & TACET_OP_ACCOUNTED))
        op->ticks.reaped = tacet_ticks();
    return op->result;
}

static tacet_result reap_this(struct tacet_task *task, struct tacet_op *op)
{
    struct tacet_op *before = task->completed;
    while ((struct tacet_op *)before->runnable.next != op)
        before = (struct tacet_op *)before->runnable.next;
    return reap(task, before);
}

tacet_result tacet_task_await(struct tacet_task *task, struct tacet_op *op)
{
    tacet_result r = call_check_may_suspend(task);
    if (r < 0)
        return r;
    if (op == NULL || op->state == TACET_OP_IDLE || op->tag != TACET_TAG_TASK || op->owner.task != task)
        return -EINVAL;
    if (op->state == TACET_OP_COMPLETED)
        return reap_this(task, op);
    if (tacet_task_take_cancel(task))
        tacet_op_cancel(op);
    if (op->state == TACET_OP_COMPLETED) /* a sleep ends at once */
        return reap_this(task, op);
    return await_op(task, op, tacet_op_on_cancel);
}

/* A cancel ends the wait for any op, and none of the ops. */
static void any_on_cancel(struct tacet_task *task)
{
    task->attention |= TACET_TASK_CANCEL_PENDING;
    tacet_task_unpark(task, 0);
}

/* The task's own op is the timer of its wait: it ends with the wait, whatever ends that. */
static tacet_result end_wait(struct tacet_task *task, tacet_result result)
{
    struct tacet_op *timer = &c_task_of(task)->op;
    if (timer->state == TACET_OP_IN_FLIGHT)
        tacet_op_cancel(timer);
    if (timer->state == TACET_OP_COMPLETED)
        (void)reap_this(task, timer);
    return result;
}

/* The oldest completed op but the timer, or NULL. */
static struct tacet_op *reap_oldest(struct tacet_task *task, const struct tacet_op *timer)
{
    struct tacet_op *before = task->completed;
    if (before != NULL && (struct tacet_op *)before->runnable.next == timer)
        before = (struct tacet_op *)before->runnable.next;
    if (before == NULL || (struct tacet_op *)before->runnable.next == timer)
        return NULL;
    struct tacet_op *oldest = (struct tacet_op *)before->runnable.next;
    (void)reap(task, before);
    return oldest;
}

tacet_result tacet_task_next_completed(struct tacet_task *task, struct tacet_op **op, uint64_t timeout_ns)
{
    tacet_result r = call_check_may_suspend(task);
    if (r < 0 || op == NULL)
        return r < 0 ? r : -EINVAL;
    struct tacet_op *timer = &c_task_of(task)->op;
    for (;;) {
        *op = reap_oldest(task, timer);
        if (*op != NULL)
            return end_wait(task, 1);
        if (timer->state == TACET_OP_COMPLETED)
            return end_wait(task, -ETIME);
        if (task->ops_initiated == (timer->state == TACET_OP_IN_FLIGHT))
            return end_wait(task, 0);
        if (tacet_task_take_cancel(task))
            return end_wait(task, -ECANCELED);
        if (timeout_ns == 0)
            return -ETIME;
        if (timeout_ns != TACET_FOREVER && timer->state == TACET_OP_IDLE) {
            r = tacet_sleep_start(timer, task, timeout_ns);
            if (r < 0)
                return r;
        }
        tacet_task_park(task, &task->completed, any_on_cancel);
        if (task_give_up(task) == TACET_PENDING)
            return TACET_PENDING;
    }
}

static void wait_on_cancel(struct tacet_task *self)
{
    struct tacet_task *other = self->waiting_for;
    if (other->waiters == &self->wait_node)
        other->waiters = self->wait_node.next != &self->wait_node ? self->wait_node.next : NULL;
    list_remove(&self->wait_node);
    tacet_task_unpark(self, -ECANCELED);
}

void tacet_task_wait_park(struct tacet_task *self, struct tacet_task *other)
{
    if (other->waiters == NULL) {
        list_init(&self->wait_node);
        other->waiters = &self->wait_node;
    } else {
        list_push_back(other->waiters, &self->wait_node);
    }
    tacet_task_park(self, other, wait_on_cancel);
}

tacet_result tacet_task_wait(struct tacet_task *self, struct tacet_task *other, tacet_result *result)
{
    if (other == NULL || other->executor == NULL)
        return -EINVAL;
    if (self == other)
        return -EDEADLK;
    tacet_result r = call_check_may_suspend(self);
    if (r < 0)
        return r;
    if (other->executor != self->executor)
        return -EPERM;
    if (other->state != TACET_TASK_EXITED) {
        if (tacet_task_take_cancel(self))
            return -ECANCELED;
        tacet_task_wait_park(self, other);
        r = task_give_up(self);
        if (r < 0)
            return r;
    } else {
        self->result = other->result;
    }
    if (result != NULL)
        *result = self->result;
    return 0;
}

tacet_result tacet_task_waited_result(const struct tacet_task *self)
{
    return self->result;
}

tacet_result tacet_task_cancel(struct tacet_task *task)
{
    if (task == NULL || task->executor == NULL)
        return -EINVAL;
    if (task->state == TACET_TASK_EXITED) /* its executor may be gone */
        return -ESRCH;
    if (!executor_is_mine(executor_of(task->executor)))
        return -EPERM;
    task->cancel_requested = 1;
    if (task->state == TACET_TASK_SUSPENDED && task->on_cancel != NULL) {
        void (*on_cancel)(struct tacet_task *) = task->on_cancel;
        task->on_cancel = NULL;
        on_cancel(task);
    } else {
        task->attention |= TACET_TASK_CANCEL_PENDING;
    }
    return 0;
}

bool tacet_task_cancel_requested(const struct tacet_task *task)
{
    return task->cancel_requested;
}
