/*
 * Suspension by returning: the body is a state machine, called again for each step. A body that returns TACET_PENDING
 * without waiting for anything has yielded.
 */
#include "task/c_task.h"

static void run(struct tacet_runnable *runnable)
{
    struct tacet_task *task = tacet_task_resume(runnable);
    tacet_result r = c_task_of(task)->body(task, task->context);
    if (r != TACET_PENDING) {
        tacet_task_exit(task, r);
        task_settle(c_task_of(task));
    } else if (task->state == TACET_TASK_RUNNING) {
        tacet_task_requeue(task);
    }
}

const struct tacet_switcher_ops tacet_stackless_ops = {
    .kind = {.run = run},
    .name = "stackless",
    .flags = TACET_SWITCHER_SUSPENDS_BY_RETURNING,
};
