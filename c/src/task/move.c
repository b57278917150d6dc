/*
 * Tasks that change their executor.
 *
 *     home                                  host
 *     task     --- move --> in transit -->  task
 *     stand-in
 *     task  <-- in transit <-- move ------  task              or: the host goes away, and sends it home
 *
 * The executor that a task was attached to is its home; there it exits, so all that waits for its end is one thread's. While
 * it is away it is a task of its host like any other, and at home a stand-in has its place in the list of tasks: a suspended
 * task that waits for another thread, and hands on a cancel. So an executor that is destroyed waits for it as for those, and
 * parts with those that came before it only then: it may refer to what they hold.
 */
#include "base/list.h"
#include "executor/executor.h"
#include "executor/signals.h"
#include "op/op.h"
#include "task/c_task.h"
#include "task/deadline.h"

#include <tacet/handover.h>
#include <tacet/time.h>

#include <sched.h>
#include <stdlib.h>

void tacet_task_unpark_external(struct tacet_task *task, tacet_result result)
{
    struct executor *executor = task_find_executor(task);
    if (executor == NULL)
        return; /* in a forked child nobody waits */
    if (executor_is_mine(executor)) {
        task_end_external(executor, task, result);
    } else {
        task->result = result;
        executor_post_task(executor, task);
    }
}

/* --- Stand-ins. Home's thread only. --- */

struct stand_in {
    struct tacet_task task;
    struct tacet_wait_hook hook;
    struct tacet_task *absent;
};

static void cancel_absent(struct tacet_task *task)
{
    struct stand_in *in = TACET_CONTAINER_OF(task, struct stand_in, task);
    (void)executor_signal(in->absent, SIGNAL_CANCEL);
    task->wait = TACET_WAIT_HOOK; /* it still stands there, and may be cancelled again */
}

static const struct tacet_switcher_ops stand_in_ops = {
    .name = "away",
    .flags = TACET_SWITCHER_SUSPENDS_BY_RETURNING | TACET_SWITCHER_FOREIGN,
};

static void stand_in(struct tacet_executor *home, struct tacet_task *absent)
{
    struct stand_in *in = absent->extra->stand_in;
    tacet_task_init(&in->task, &stand_in_ops.kind);
    in->hook.on_cancel = cancel_absent;
    in->absent = absent;
    in->task.priority = absent->priority;
    in->task.level = absent->level;
    in->task.flags = TACET_TASK_EXTERNAL;
    tacet_task_set_state(&in->task, TACET_TASK_SUSPENDED);
    in->task.wait = TACET_WAIT_HOOK;
    in->task.waiting_for = &in->hook;
    list_replace(&absent->attached_node, &in->task.attached_node);
    home->external++;
}

static void stand_aside(struct tacet_executor *home, struct tacet_task *returned)
{
    struct stand_in *in = returned->extra->stand_in;
    list_replace(&in->task.attached_node, &returned->attached_node);
    home->attached[in->task.priority]--;
    home->attached[returned->priority]++;
    home->external--;
}

/* --- Moving --- */

static tacet_result prepare_to_move(struct tacet_task *task)
{
    tacet_result r = task->extra == NULL ? tacet_task_make_extra(task) : 0;
    if (r < 0 || task->extra->stand_in != NULL)
        return r;
    task->extra->stand_in = malloc(sizeof *task->extra->stand_in);
    return task->extra->stand_in != NULL ? 0 : -ENOMEM;
}

static tacet_result check_move(const struct tacet_task *task, const struct tacet_executor *to)
{
    if (task == NULL || to == NULL || task->state != TACET_TASK_RUNNING ||
        !(tacet_task_ops(task)->flags & TACET_SWITCHER_FOREIGN))
        return -EINVAL;
    const struct executor *host = executor_of(to);
    if (!executor_is_there(host))
        return -EPERM;
    if (task->extra != NULL &&
        (task->extra->ops_initiated > 0 || task->extra->completed != NULL || task->extra->held > 0))
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
    deadline_depart(from, task);
    if (task->extra->home != NULL) {
        task_leave(&from->shared, task);
        return;
    }
    task->extra->home = &from->shared;
    stand_in(&from->shared, task);
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
    if (r < 0)
        return r;
    task->result = 0;
    struct executor *from = executor_of(tacet_task_executor(task));
    if (to == &from->shared) {
        tacet_task_requeue(task);
        return 0;
    }
    r = prepare_to_move(task);
    if (r < 0)
        return r;
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
    if (task->state == TACET_TASK_READY) {
        if (!(task->flags & TACET_TASK_CANCEL_REQUESTED)) /* it has just come */
            task_cancel(task);
        tacet_task_transition(task, TACET_TASK_READY, TACET_TASK_SUSPENDED);
    } else {
        task->result = -ECANCELED;
    }
    task->waiting_for = NULL;
    send_to(task, executor_of(task->extra->home));
}

void task_arrive(struct executor *executor, struct tacet_task *task)
{
    if (task->extra->home == &executor->shared) {
        task->extra->home = NULL;
        stand_aside(&executor->shared, task);
    } else {
        executor->shared.attached[task->priority]++;
        list_push_back(&executor->shared.tasks, &task->attached_node);
    }
    tacet_task_unpark(task, task->result);
    deadline_arrive(executor, task);
    if (TACET_UNLIKELY(signal_arrive(task) & SIGNAL_CANCEL))
        task_cancel(task);
}
