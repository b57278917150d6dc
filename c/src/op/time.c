/* Sleeping: a request in the timer heap. The ring never sees it, so it works without one. */
#include "base/clock.h"
#include "op/op.h"
#include "task/c_task.h"

#include <tacet/time.h>

/* The request is known to be idle, the executor to be this thread's. */
static tacet_result add_timer(struct executor *executor, struct tacet_request *request, enum tacet_tag tag,
                              uint64_t duration_ns)
{
    if (executor->closing)
        return -ECANCELED;
    tacet_result r = timers_add(&executor->timers, clock_add(executor->ring.ops->now(), duration_ns), request);
    if (r < 0)
        return r;
    request->state = TACET_OP_IN_FLIGHT;
    request->tag = (uint8_t)tag;
    request->opcode = IORING_OP_TIMEOUT;
    request->attention = executor->shared.accounting ? TACET_OP_ACCOUNTED : 0;
    return 0;
}

tacet_result task_add_timer(struct tacet_task *task, uint64_t duration_ns)
{
    return add_timer(executor_of(tacet_task_executor(task)), &task->request, TACET_TAG_AWAIT, duration_ns);
}

tacet_result tacet_sleep_start(struct tacet_op *op, struct tacet_task *task, uint64_t duration_ns)
{
    struct tacet_executor *shared = tacet_op_start_on(op, task);
    if (shared == NULL)
        return op != NULL && op->request.state != TACET_OP_IDLE ? -EBUSY : -EINVAL;
    if (!executor_is_mine(executor_of(shared)))
        return -EPERM;
    tacet_result r = task != NULL && task->extra == NULL ? tacet_task_make_extra(task) : 0;
    if (r == 0 && shared->has_moving_stacks)
        r = tacet_op_check_stack(shared, op, NULL);
    if (r == 0)
        r = add_timer(executor_of(shared), &op->request, task != NULL ? TACET_TAG_TASK : TACET_TAG_CALLBACK,
                      duration_ns);
    if (r < 0)
        return r;
    if (task != NULL) {
        op->owner.task = task;
        task->extra->ops_initiated++;
    }
    if (shared->accounting)
        tacet_op_note_initiated(op);
    return 0;
}

tacet_result tacet_sleep_park(struct tacet_task *task, uint64_t duration_ns)
{
    tacet_result r = task_add_timer(task, duration_ns);
    if (r == 0)
        tacet_task_park_request(task, TACET_WAIT_REQUEST);
    return r;
}

tacet_result tacet_sleep(struct tacet_task *task, uint64_t duration_ns)
{
    if (duration_ns == 0)
        return tacet_yield(task);
    tacet_result r = call_check(task);
    if (r == 0)
        r = tacet_sleep_park(task, duration_ns);
    return r < 0 ? r : task_give_up(task);
}

tacet_result tacet_yield(struct tacet_task *task)
{
    tacet_result r = call_check(task);
    if (r < 0)
        return r;
    task->result = 0;
    tacet_task_requeue(task);
    return task_give_up(task);
}
