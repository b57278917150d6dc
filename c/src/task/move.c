/*
 * Tasks that change their executor.
 *
 *     home                                             host
 *     tasks --- move ---> away    ... in transit ...   tasks
 *     tasks <--- arrive --- away  ... in transit ...   tasks, by move, or because the host goes away
 *
 * The executor that a task was attached to is its home; there it exits, so all that waits for its end is one thread's. While
 * it is away it is a task of its host like any other, and home keeps it in a list and counts it as `external`.
 */
#include "base/list.h"
#include "executor/executor.h"
#include "executor/signals.h"
#include "op/op.h"
#include "task/c_task.h"

#include <tacet/handover.h>
#include <tacet/time.h>

#include <sched.h>

void tacet_task_unpark_external(struct tacet_task *task, tacet_result result)
{
    struct executor *executor = task_find_executor(task);
    if (executor_is_mine(executor)) {
        task_end_external(executor, task, result);
    } else {
        task->result = result;
        executor_post_task(executor, task);
    }
}

static tacet_result check_move(const struct tacet_task *task, const struct tacet_executor *to)
{
    if (task == NULL || to == NULL || task->state != TACET_TASK_RUNNING ||
        !(tacet_task_ops(task)->flags & TACET_SWITCHER_FOREIGN))
        return -EINVAL;
    const struct executor *host = executor_of(to);
    if (!executor_is_there(host))
        return -EPERM;
    if (task->extra != NULL && (task->extra->ops_initiated > 0 || task->extra->completed != NULL))
        return -EBUSY;
    if (executor_is_mine(host) && to != tacet_task_executor(task))
        return -EDEADLK;
    return __atomic_load_n(&host->closing, __ATOMIC_RELAXED) && to != tacet_task_away_from(task) ? -ECANCELED : 0;
}

/* No signal may come here for a task that is gone: one that was sent is awaited, later ones wait for its arrival. */
static void depart(struct executor *from, struct tacet_task *task)
{
    while (!signal_depart(task)) {
        executor_accept(from);
        if (__atomic_load_n(&task->signals, __ATOMIC_RELAXED) != 0)
            sched_yield(); /* to its sender */
    }
    if (task->extra->home == NULL) {
        task->extra->home = &from->shared;
        list_push_back(&from->away, &task->extra->away_node);
        from->shared.external++;
    }
    task_leave(&from->shared, task);
}

/* The last that this thread does with the task. */
static void send_to(struct tacet_task *task, struct executor *to)
{
    task->wait = TACET_WAIT_MOVE;
    task_set_level(task, &to->shared.ready.levels[task->priority]);
    executor_post_task(to, task);
}

/* Where time accounts are kept, the resumption that is under way ends here. */
static void close_resumption(struct executor *from, struct tacet_task *task)
{
    if (!from->shared.accounting)
        return;
    uint64_t now = from->exit_tick = tacet_ticks();
    struct tacet_task_ticks *ticks = &task_extra_of(task)->ticks;
    if (task->attention & TACET_TASK_ACCOUNTED) {
        ticks->suspended = now;
        ticks->running += now - ticks->resumed;
    }
}

tacet_result tacet_task_move(struct tacet_task *task, struct tacet_executor *to)
{
    tacet_result r = check_move(task, to);
    if (r == 0 && task->extra == NULL)
        r = tacet_task_make_extra(task);
    if (r < 0)
        return r;
    task->result = 0;
    struct executor *from = executor_of(tacet_task_executor(task));
    if (to == &from->shared) {
        tacet_task_requeue(task);
        return 0;
    }
    depart(from, task);
    close_resumption(from, task);
    from->shared.current = NULL;
    tacet_task_transition(task, TACET_TASK_RUNNING, TACET_TASK_SUSPENDED);
    send_to(task, executor_of(to));
    return 0;
}

void task_send_home(struct tacet_task *task)
{
    struct executor *from = executor_of(tacet_task_executor(task));
    depart(from, task);
    if (task->state == TACET_TASK_READY)
        tacet_task_transition(task, TACET_TASK_READY, TACET_TASK_SUSPENDED);
    else
        task->result = -ECANCELED;
    task->waiting_for = NULL;
    send_to(task, executor_of(task->extra->home));
}

void task_arrive(struct executor *executor, struct tacet_task *task)
{
    if (task->extra->home == &executor->shared) {
        list_remove(&task->extra->away_node);
        task->extra->home = NULL;
        executor->shared.external--;
    }
    executor->shared.attached[task->priority]++;
    list_push_back(&executor->shared.tasks, &task->attached_node);
    tacet_task_unpark(task, task->result);
    if (TACET_UNLIKELY(signal_arrive(task) & SIGNAL_CANCEL))
        task_cancel(task);
}
