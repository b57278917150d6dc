/*
 * Shields: parts of a task that run to their end though it is cancelled, or late.
 *
 * Inside of one, TACET_TASK_SHIELDED is set, a cancel ends no wait and is kept as TACET_TASK_CANCEL_KEPT, and the deadline
 * is put aside, in the caller's struct. So nothing that waits knows of shields. The outermost's end brings both into force
 * again. TACET_TASK_CANCEL_PENDING and TACET_TASK_SHIELDED are never both set.
 */
#include "task/c_task.h"

tacet_result tacet_task_shield(struct tacet_task *task, struct tacet_shield *shield)
{
    if (task == NULL || shield == NULL || task->state != TACET_TASK_RUNNING)
        return -EINVAL;
    const struct executor *here = task_find_executor_here(task);
    if (here == NULL || !executor_is_mine(here))
        return -EPERM;
    shield->deadline_ns = tacet_task_deadline(task);
    tacet_result r = shield->deadline_ns != TACET_FOREVER ? tacet_task_set_deadline(task, TACET_FOREVER) : 0;
    if (r < 0)
        return r;
    shield->is_inner = task->attention & TACET_TASK_SHIELDED;
    if (task->attention & TACET_TASK_CANCEL_PENDING)
        task->attention |= TACET_TASK_CANCEL_KEPT;
    task->attention &= (uint8_t)~TACET_TASK_CANCEL_PENDING;
    task->attention |= TACET_TASK_SHIELDED;
    return 0;
}

/* As where a task arrives at an executor: without memory for its timer the deadline counts as passed. */
static void restore_deadline(struct tacet_task *task, uint64_t deadline_ns)
{
    bool is_in_force = tacet_task_deadline(task) == deadline_ns && !(task->attention & TACET_TASK_TIMED_OUT);
    if (!is_in_force && tacet_task_set_deadline(task, deadline_ns) < 0)
        task_time_out(task);
}

void tacet_task_unshield(struct tacet_task *task, const struct tacet_shield *shield)
{
    TACET_ASSERT(task->state == TACET_TASK_RUNNING);
    TACET_ASSERT(task->attention & TACET_TASK_SHIELDED);
    restore_deadline(task, shield->deadline_ns);
    if (shield->is_inner)
        return;
    task->attention &= (uint8_t)~TACET_TASK_SHIELDED;
    if (task->attention & TACET_TASK_CANCEL_KEPT)
        task->attention |= TACET_TASK_CANCEL_PENDING;
    task->attention &= (uint8_t)~TACET_TASK_CANCEL_KEPT;
}
