/*
 * Where a worker gets its next task from: its own hoards, else the queue, by the mutex, else another worker's hoard.
 */
#include "dispatcher/dispatcher.h"

#include "task/c_task.h"

#include <sched.h>

/* What its tasks took says how many it pulls at a time. */
static void note_portion(struct worker *worker, uint64_t now)
{
    struct tacet_dispatcher *dispatcher = worker->dispatcher;
    uint64_t count = worker->started - worker->started_at_pull, took = now - worker->portion_since;
    if (worker->portion_since == 0 || count == 0)
        return;
    worker->portion_since = 0;
    dispatcher->ticks_a_task = (dispatcher->ticks_a_task * 3 + took / count) / 4;
    uint64_t portion = 2 * (uint64_t)worker->portion;
    if (took >= dispatcher->ticks_portion)
        portion = worker->portion * dispatcher->ticks_portion / took;
    worker->portion = portion > HOARD_SLOTS ? HOARD_SLOTS : portion == 0 ? 1 : (unsigned)portion;
}

/* Under the mutex: the next task, or NULL: it is idle, or its executor has something to do. */
static struct tacet_task *search(struct worker *worker)
{
    struct tacet_dispatcher *dispatcher = worker->dispatcher;
    if (dispatcher->napper == worker && !worker_is_needed(worker))
        return NULL;
    worker_become_working(worker);
    for (bool may_spin = dispatcher->options.spin_ns > 0;;) {
        queue_gather(dispatcher);
        struct tacet_task *task = queue_pull(worker, NO_LEVEL, worker->portion, true);
        if (task != NULL)
            return task;
        if (dispatcher->inbox.unlinked != NULL) { /* a thread stands between the two steps of a push */
            pthread_mutex_unlock(&dispatcher->mutex);
            sched_yield();
            pthread_mutex_lock(&dispatcher->mutex);
        } else if (may_spin) {
            may_spin = false;
            if (!worker_spin(worker) && worker_has_own_news(worker))
                return NULL;
        } else if (worker_rest(worker)) {
            return NULL;
        }
    }
}

/* Under the mutex: it takes nothing any more. */
static void leave(struct worker *worker)
{
    worker_become_working(worker);
    queue_give_back(worker);
    worker->dispatcher->working--;
    worker->state = WORKER_LEAVING;
    worker->is_working = false;
    worker->has_left = true;
    pthread_cond_broadcast(&worker->dispatcher->changed);
}

static void start(struct worker *worker, struct tacet_task *task)
{
    worker->has_started = true;
    __atomic_store_n(&worker->started, worker->started + 1, __ATOMIC_RELAXED);
    task_start_submitted(executor_of(worker->executor), task);
}

static void report(struct worker *worker)
{
    pthread_mutex_lock(&worker->dispatcher->mutex);
    waits_look(worker->dispatcher);
    pthread_mutex_unlock(&worker->dispatcher->mutex);
}

/* See end_of_levels(). */
static TACET_NOINLINE bool ask(struct worker *worker, unsigned end)
{
    struct tacet_dispatcher *dispatcher = worker->dispatcher;
    struct tacet_task *task = NULL;
    struct worker *other = NULL;
    uint64_t now = tacet_ticks();
    pthread_mutex_lock(&dispatcher->mutex);
    note_portion(worker, now);
    if (worker->fate != WORKER_STAYS) {
        leave(worker);
    } else if (tacet_ready_empty(&worker->executor->ready)) {
        task = search(worker);
    } else {
        worker_become_working(worker);
        queue_gather(dispatcher);
        task = queue_pull(worker, end, 1, false);
    }
    if (task != NULL) {
        worker->pulls++;
        dispatcher->pulls++;
        worker->portion_since = tacet_ticks();
        worker->started_at_pull = worker->started;
    }
    queue_show(dispatcher);
    if (worker->state != WORKER_IDLE)
        other = worker_arrange(worker);
    pthread_mutex_unlock(&dispatcher->mutex);
    worker_post(other);
    if (task != NULL)
        start(worker, task);
    if (waits_is_due(worker))
        report(worker);
    return task != NULL;
}

/*
 * Levels from 0 to this, without it, are those from which something may be started: what the executor has to do comes before
 * what is below it, and alternates with what is not. The task that was started last has its turn before that.
 */
static unsigned end_of_levels(struct worker *worker)
{
    const struct tacet_ready *ready = &worker->executor->ready;
    if (tacet_ready_empty(ready))
        return NO_LEVEL;
    unsigned end = tacet_ready_level(ready) + !worker->has_started;
    worker->has_started = false;
    return end;
}

/* Starts one task, so that the others stay anybody's: from the own hoards, unless there may be something better in the queue. */
bool worker_refill(struct executor_source *source)
{
    struct worker *worker = worker_of_source(source);
    /* release: pairs with the acquire in waits.c; the stacks of these tasks have been left */
    __atomic_store_n(&worker->finished, source->finished, __ATOMIC_RELEASE);
    unsigned end = end_of_levels(worker), own = queue_hoarded_level(worker);
    unsigned better = (1u << (own < end ? own : end)) - 1;
    struct tacet_task *task = NULL;
    if (TACET_LIKELY(!worker->has_left)) {
        if (!worker->is_working || __atomic_load_n(&worker->dispatcher->hint, __ATOMIC_RELAXED) & better)
            return ask(worker, end);
        if (own < end)
            task = hoard_pop(&worker->hoards[own]);
        if (task != NULL)
            start(worker, task);
        else if (tacet_ready_empty(&worker->executor->ready))
            return ask(worker, end);
    } else {
        /* It may sleep after this, and has changed nothing else since it stored its count: see waits.c. */
        (void)__atomic_fetch_add(&worker->dispatcher->quota, 0, __ATOMIC_ACQ_REL);
    }
    if (waits_is_due(worker))
        report(worker);
    return task != NULL;
}
