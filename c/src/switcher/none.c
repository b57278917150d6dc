/* Run to completion: no context, no suspension. */
#include "task/c_task.h"

static void run(struct tacet_runnable *runnable)
{
    struct tacet_task *task = tacet_task_resume(runnable);
    tacet_task_exit(task, c_task_of(task)->body(task, task->context));
    task_settle(c_task_of(task));
}

const struct tacet_switcher_ops tacet_none_ops = {
    .kind = {.run = run},
    .name = "none",
    .flags = TACET_SWITCHER_CANNOT_SUSPEND,
};
