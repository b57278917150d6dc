/* Sleeping: an op in the timer heap. The ring never sees it, so it works without one. */
#include "base/clock.h"
#include "op/op.h"
#include "task/c_task.h"

#include <tacet/time.h>

/* The op is known to be idle, the executor to be this thread's. */
static tacet_result add_timer(struct executor *executor, struct tacet_op *op, enum tacet_tag tag, uint64_t duration_ns)
{
    if (executor->closing)
        return -ECANCELED;
    tacet_result r = timers_add(&executor->timers, clock_add(executor->ring.ops->now(), duration_ns), op);
    if (r < 0)
        return r;
    op->state = TACET_OP_IN_FLIGHT;
    op->tag = (uint8_t)tag;
    op->opcode = IORING_OP_TIMEOUT;
    op->attention = 0;
    if (executor->shared.accounting)
        tacet_op_note_initiated(op);
    return 0;
}

tacet_result tacet_sleep_start(struct tacet_op *op, struct tacet_task *task, uint64_t duration_ns)
{
    struct tacet_executor *shared = tacet_op_start_on(op, task);
    if (shared == NULL)
        return op != NULL && op->state != TACET_OP_IDLE ? -EBUSY : -EINVAL;
    if (!executor_is_mine(executor_of(shared)))
        return -EPERM;
    tacet_result r = add_timer(executor_of(shared), op, task != NULL ? TACET_TAG_TASK : TACET_TAG_CALLBACK,
                               duration_ns);
    if (r == 0 && task != NULL) {
        op->owner.task = task;
        task->ops_initiated++;
    }
    return r;
}

tacet_result tacet_sleep_park(struct tacet_op *op, struct tacet_task *task, uint64_t duration_ns)
{
    op->owner.task = task;
    tacet_result r = add_timer(executor_of(task->executor), op, TACET_TAG_TASK, duration_ns);
    if (r == 0)
        tacet_task_park(task, op, tacet_op_on_cancel);
    return r;
}

tacet_result tacet_sleep(struct tacet_task *task, uint64_t duration_ns)
{
    if (duration_ns == 0)
        return tacet_yield(task);
    return call_await(task, tacet_sleep_start(call_op(task), task, duration_ns));
}

tacet_result tacet_yield(struct tacet_task *task)
{
    tacet_result r = call_check(task);
    if (r < 0)
        return r;
    task->wake_result = 0;
    tacet_task_requeue(task);
    return task_give_up(task);
}
