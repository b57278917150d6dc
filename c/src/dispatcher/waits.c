/*
 * Waiting until few tasks are undispatched, or unexecuted.
 *
 * Nobody counts in common. Each worker counts for itself, and the sums are taken by who looks. So that the end of a wait is
 * seen in time, and not every task costs a look, there is a quota: if D more tasks must end before a wait is over, and there
 * are k workers, then at least one of them ends D / k before that. Who has done so much looks, and there is a new quota; at
 * the end it is 1.
 *
 * A worker stores its counts, takes a task by an exchange and reads the quota; who waits exchanges the quota and then reads
 * the counts: so one of them sees the other.
 */
#include "dispatcher/dispatcher.h"

#include <errno.h>

struct counts waits_count(const struct tacet_dispatcher *dispatcher)
{
    uint64_t started = 0, finished = 0;
    for (unsigned i = 0; i < dispatcher->worker_count; i++) {
        finished += __atomic_load_n(&dispatcher->workers[i].finished, __ATOMIC_RELAXED);
        started += __atomic_load_n(&dispatcher->workers[i].started, __ATOMIC_RELAXED);
    }
    return (struct counts){dispatcher->taken - started, dispatcher->taken - finished};
}

/* Notes where each worker stands, and what has been counted by then. */
static struct counts note(struct tacet_dispatcher *dispatcher)
{
    uint64_t started = 0, finished = 0;
    for (unsigned i = 0; i < dispatcher->worker_count; i++) {
        struct worker *worker = &dispatcher->workers[i];
        /* acquire: pairs with the release in refill.c: after the wait the tasks are their creators' again */
        uint64_t f = __atomic_load_n(&worker->finished, __ATOMIC_ACQUIRE);
        uint64_t s = __atomic_load_n(&worker->started, __ATOMIC_RELAXED);
        __atomic_store_n(&worker->finished_noted, f, __ATOMIC_RELAXED);
        __atomic_store_n(&worker->started_noted, s, __ATOMIC_RELAXED);
        finished += f;
        started += s;
    }
    return (struct counts){dispatcher->taken - started, dispatcher->taken - finished};
}

/* What the next wait to end still misses; 0: nobody waits for more. */
static uint64_t end_waits(struct tacet_dispatcher *dispatcher, struct counts counts)
{
    uint64_t missing = UINT64_MAX;
    for (struct waiter *waiter = dispatcher->waiters; waiter != NULL; waiter = waiter->next) {
        uint64_t count = waiter->for_start ? counts.undispatched : counts.unexecuted;
        waiter->is_over = count <= waiter->at_most;
        if (!waiter->is_over && count - waiter->at_most < missing)
            missing = count - waiter->at_most;
    }
    return missing != UINT64_MAX ? missing : 0;
}

/* Whether one went on beyond the quota before it could see it. */
static bool has_been_passed(const struct tacet_dispatcher *dispatcher, uint64_t quota)
{
    for (unsigned i = 0; i < dispatcher->worker_count; i++) {
        const struct worker *worker = &dispatcher->workers[i];
        if (__atomic_load_n(&worker->finished, __ATOMIC_SEQ_CST) - worker->finished_noted >= quota ||
            __atomic_load_n(&worker->started, __ATOMIC_SEQ_CST) - worker->started_noted >= quota)
            return true;
    }
    return false;
}

/* Each round but the last has found a quota passed: so it is not many. */
void waits_look(struct tacet_dispatcher *dispatcher)
{
    if (dispatcher->waiters == NULL)
        return;
    uint64_t missing, quota;
    do {
        missing = end_waits(dispatcher, note(dispatcher));
        quota = missing > 0 ? (missing - 1) / dispatcher->worker_count + 1 : UINT64_MAX;
        __atomic_exchange_n(&dispatcher->quota, quota, __ATOMIC_SEQ_CST);
    } while (missing > 0 && has_been_passed(dispatcher, quota));
    for (struct waiter *waiter = dispatcher->waiters; waiter != NULL; waiter = waiter->next)
        if (waiter->is_over) {
            pthread_cond_broadcast(&dispatcher->changed);
            return;
        }
}

static void remove_waiter(struct tacet_dispatcher *dispatcher, struct waiter *waiter)
{
    for (struct waiter **link = &dispatcher->waiters; *link != NULL; link = &(*link)->next)
        if (*link == waiter) {
            *link = waiter->next;
            break;
        }
    if (dispatcher->waiters == NULL) {
        __atomic_store_n(&dispatcher->quota, UINT64_MAX, __ATOMIC_RELAXED);
        pthread_cond_broadcast(&dispatcher->changed); /* who destroys waits for that */
    }
}

/* Under the mutex. */
static tacet_result wait_until(struct tacet_dispatcher *dispatcher, struct waiter *waiter, uint64_t deadline_ns)
{
    struct timespec deadline = clock_timespec(deadline_ns);
    for (bool late = false;;) {
        if (__atomic_load_n(&dispatcher->closing, __ATOMIC_RELAXED))
            return -ECANCELED;
        queue_gather_all(dispatcher);
        queue_show(dispatcher);
        waits_look(dispatcher);
        if (waiter->is_over)
            return 0;
        if (late)
            return -ETIME;
        if (deadline_ns == TACET_FOREVER)
            pthread_cond_wait(&dispatcher->changed, &dispatcher->mutex);
        else
            late = pthread_cond_timedwait(&dispatcher->changed, &dispatcher->mutex, &deadline) == ETIMEDOUT;
    }
}

static tacet_result wait_for(struct tacet_dispatcher *dispatcher, struct waiter *waiter, const struct timespec *timeout)
{
    if (dispatcher == NULL)
        return -EINVAL;
    if (!clock_is_timeout(timeout))
        return -EINVAL;
    if (!dispatcher->alive)
        return -EPERM;
    if (worker_here != NULL && worker_here->dispatcher == dispatcher)
        return -EDEADLK;
    uint64_t deadline_ns = clock_deadline(clock_ns(), timeout);
    pthread_mutex_lock(&dispatcher->mutex);
    waiter->next = dispatcher->waiters;
    dispatcher->waiters = waiter;
    tacet_result r = wait_until(dispatcher, waiter, deadline_ns);
    remove_waiter(dispatcher, waiter);
    pthread_mutex_unlock(&dispatcher->mutex);
    return r;
}

tacet_result tacet_dispatcher_wait_undispatched(struct tacet_dispatcher *dispatcher, uint64_t at_most,
                                                const struct timespec *timeout)
{
    struct waiter waiter = {.for_start = true, .at_most = at_most};
    return wait_for(dispatcher, &waiter, timeout);
}

tacet_result tacet_dispatcher_wait_unexecuted(struct tacet_dispatcher *dispatcher, uint64_t at_most,
                                              const struct timespec *timeout)
{
    struct waiter waiter = {.at_most = at_most};
    return wait_for(dispatcher, &waiter, timeout);
}
