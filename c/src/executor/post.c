/*
 * The two ends of the inbox: what other threads send, and what its arrival means.
 *
 * What is sent is a task that is to be started, made ready or taken over, or a message. Two messages are the executor's own:
 * the bells that say that there are signals, and that the run is to return.
 */
#include "base/list.h"
#include "executor/executor.h"
#include "executor/signals.h"
#include "task/c_task.h"

#include <tacet/handover.h>

#include <sched.h>

/*
 * The levels are told before the push, since after it the executor may be gone. So in between it may forget them again: what is
 * urgent then waits for the end of a batch of the run loop.
 */
static void post(struct executor *executor, struct tacet_runnable *newest, struct tacet_runnable *oldest,
                 unsigned levels)
{
    if ((__atomic_load_n(&executor->urgent, __ATOMIC_RELAXED) & levels) != levels)
        __atomic_fetch_or(&executor->urgent, levels, __ATOMIC_RELAXED);
    if (!inbox_push(&executor->inbox, newest, oldest))
        return;
    executor->ring.ops->wake(&executor->ring);
    /* release: pairs with executor_await_wakers(); the last that is done to an executor that may be gone then */
    __atomic_fetch_add(&executor->wakes, 1, __ATOMIC_RELEASE);
}

void executor_post(struct executor *executor, struct tacet_runnable *message)
{
    post(executor, message, message, 1u << TACET_PRIORITY_HIGH);
}

void executor_post_task(struct executor *executor, struct tacet_task *task)
{
    executor_post_tasks(executor, task, task, 1u << __atomic_load_n(&task->priority, __ATOMIC_RELAXED));
}

void executor_post_tasks(struct executor *executor, struct tacet_task *newest, struct tacet_task *oldest,
                         unsigned levels)
{
    post(executor, &newest->runnable, &oldest->runnable, levels);
}

void executor_await_wakers(const struct executor *executor)
{
    while (__atomic_load_n(&executor->wakes, __ATOMIC_ACQUIRE) != executor->inbox.woken)
        sched_yield();
}

tacet_result tacet_executor_post(struct tacet_executor *executor, struct tacet_runnable *message)
{
    if (executor == NULL || message == NULL || message->kind == NULL || message->kind->accept == NULL)
        return -EINVAL;
    if (!executor_is_there(executor_of(executor)))
        return -EPERM;
    executor_post(executor_of(executor), message);
    return 0;
}

/* --- Signals --- */

tacet_result executor_signal(struct tacet_task *task, unsigned bit)
{
    if (!signal_raise(task, bit))
        return 0;                                                  /* another one is on its way, or the task is */
    if (__atomic_load_n(&task->level, __ATOMIC_RELAXED) == NULL) { /* it has just been ended, and was never started */
        __atomic_store_n(&task->signals, 0, __ATOMIC_RELEASE);
        return -ESRCH;
    }
    struct executor *executor = task_find_executor(task); /* which the task does not leave before this has arrived */
    if (executor == NULL)
        return -EPERM;
    if (signals_push(&executor->signalled, task))
        executor_post(executor, &executor->signals_bell);
    return 0;
}

/* An exited task may be gone once its signals are taken, but one that was released. */
static void deliver(struct executor *executor, struct tacet_task *task)
{
    bool exited = task->state == TACET_TASK_EXITED, released = task->flags & TACET_TASK_RELEASED;
    (void)signal_take(task, &executor->signals);
    if (!exited)
        task_cancel(task);
    else if (released)
        task_settle(c_task_of(task));
}

static void deliver_all(struct executor *executor)
{
    while (executor->signals != NULL)
        deliver(executor, executor->signals);
}

/* Takes the list exactly once: from then on the bell may be posted anew. */
static void accept_signals(struct tacet_executor *shared, struct tacet_runnable *bell)
{
    (void)bell;
    struct executor *executor = executor_of(shared);
    deliver_all(executor);
    executor->signals = signals_take(&executor->signalled);
    deliver_all(executor);
}

/* --- Arrivals --- */

static void task_arrives(struct executor *executor, struct tacet_task *task)
{
    if (task->state == TACET_TASK_PENDING) {
        task_start(executor, task);
    } else if (task->wait == TACET_WAIT_MOVE) {
        task_arrive(executor, task);
    } else {
        task_end_external(executor, task, task->result);
    }
}

/* What a message or a cancel does may lead here again: then that goes on where this has stopped. */
void executor_accept(struct executor *executor)
{
    deliver_all(executor);
    if (executor->arrivals == NULL) {
        __atomic_store_n(&executor->urgent, 0, __ATOMIC_RELAXED);
        executor->arrivals = inbox_take(&executor->inbox);
    }
    while (executor->arrivals != NULL) {
        struct tacet_runnable *node = executor->arrivals;
        executor->arrivals = node->next;
        executor->shared.posted_to = true;
        executor->accepted++;
        if (node->kind->accept != NULL)
            node->kind->accept(&executor->shared, node);
        else
            task_arrives(executor, (struct tacet_task *)node);
    }
}

void tacet_task_await_signals(struct tacet_task *task)
{
    while (__atomic_load_n(&task->signals, __ATOMIC_ACQUIRE) != 0) {
        executor_accept(executor_of(tacet_task_executor(task)));
        if (__atomic_load_n(&task->signals, __ATOMIC_RELAXED) != 0)
            sched_yield(); /* to its sender, who has raised it and not posted it yet */
    }
}

/* --- Waking --- */

tacet_result tacet_executor_wake(struct tacet_executor *shared, tacet_result result)
{
    if (shared == NULL || result == TACET_PENDING)
        return -EINVAL;
    struct executor *executor = executor_of(shared);
    if (!executor_is_there(executor))
        return -EPERM;
    /* acq_rel: pairs with itself in accept_wake(); the bell is posted anew only when that has been there */
    if (__atomic_exchange_n(&executor->wake_result, result, __ATOMIC_ACQ_REL) == TACET_PENDING)
        executor_post(executor, &executor->wake_bell);
    return 0;
}

static void accept_wake(struct tacet_executor *shared, struct tacet_runnable *bell)
{
    (void)bell;
    struct executor *executor = executor_of(shared);
    executor->woken_with = __atomic_exchange_n(&executor->wake_result, TACET_PENDING, __ATOMIC_ACQ_REL);
    executor->woken = true;
    tacet_executor_stop(shared);
}

void executor_init_bells(struct executor *executor)
{
    static const struct tacet_runnable_kind signals_kind = {.accept = accept_signals};
    static const struct tacet_runnable_kind wake_kind = {.accept = accept_wake};
    executor->signals_bell.kind = &signals_kind;
    executor->wake_bell.kind = &wake_kind;
    executor->wake_result = TACET_PENDING;
}
