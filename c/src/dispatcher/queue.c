/*
 * The shared queue: from the inbox to the levels, from there to the worker that asks; from one worker's hoard to another's.
 *
 * The hint is cleared before the inbox is taken, and set by a submitter after its push; what is left in the levels is shown
 * again at the end. So a bit may be set for nothing, until the next pull, but none is missing for long.
 */
#include "dispatcher/dispatcher.h"

#include <sched.h>

static void push(struct level *level, struct tacet_runnable *task)
{
    task->next = NULL;
    if (level->last != NULL)
        level->last->next = task;
    else
        level->first = task;
    level->last = task;
    level->count++;
}

static struct tacet_task *pop(struct tacet_dispatcher *dispatcher, struct level *level)
{
    struct tacet_runnable *task = level->first;
    level->first = task->next;
    if (level->first == NULL)
        level->last = NULL;
    level->count--;
    dispatcher->queued--;
    return (struct tacet_task *)task;
}

static bool inbox_is_worth_taking(struct inbox *inbox)
{
    if (inbox->unlinked != NULL)
        return true;
    const struct tacet_runnable *newest = __atomic_load_n(&inbox->newest, __ATOMIC_RELAXED);
    return newest != NULL && newest != INBOX_ASLEEP;
}

void queue_gather(struct tacet_dispatcher *dispatcher)
{
    if (__atomic_load_n(&dispatcher->hint, __ATOMIC_RELAXED) != 0)
        __atomic_exchange_n(&dispatcher->hint, 0, __ATOMIC_SEQ_CST);
    if (!inbox_is_worth_taking(&dispatcher->inbox))
        return;
    uint64_t count = 0;
    struct tacet_runnable *next, *node = inbox_take(&dispatcher->inbox);
    for (; node != NULL; node = next, count++) {
        next = node->next;
        push(&dispatcher->levels[((struct tacet_task *)node)->priority], node);
    }
    dispatcher->queued += count;
    dispatcher->taken += count;
}

void queue_gather_all(struct tacet_dispatcher *dispatcher)
{
    struct inbox *inbox = &dispatcher->inbox;
    bool is_fresh;
    do {
        is_fresh = inbox->unlinked == NULL;
        queue_gather(dispatcher);
        if (inbox->unlinked == NULL)
            continue;
        pthread_mutex_unlock(&dispatcher->mutex);
        sched_yield(); /* to the thread that stands between the two steps of a push */
        pthread_mutex_lock(&dispatcher->mutex);
    } while (!is_fresh || inbox->unlinked != NULL);
}

void queue_show(struct tacet_dispatcher *dispatcher)
{
    unsigned mask = 0;
    for (unsigned p = 0; p < TACET_PRIORITY_COUNT; p++)
        mask |= (unsigned)(dispatcher->levels[p].count > 0) << p;
    if (mask != 0)
        __atomic_fetch_or(&dispatcher->hint, mask, __ATOMIC_RELAXED);
}

static void lay_aside(struct worker *worker, unsigned level, struct tacet_task *task)
{
    hoard_put(&worker->hoards[level], task);
    worker->dispatcher->hoarded |= 1u << level;
}

static struct tacet_task *take(struct worker *worker, unsigned level, unsigned max)
{
    struct tacet_dispatcher *dispatcher = worker->dispatcher;
    struct level *from = &dispatcher->levels[level];
    if (from->count == 0)
        return NULL;
    struct tacet_task *task = pop(dispatcher, from);
    while (--max > 0 && from->count > 0)
        lay_aside(worker, level, pop(dispatcher, from));
    return task;
}

/* The older half of the fullest hoard of a level. */
static struct tacet_task *steal(struct worker *worker, unsigned level)
{
    struct tacet_dispatcher *dispatcher = worker->dispatcher;
    struct hoard *fullest = NULL;
    uint32_t most = 0;
    for (unsigned i = 0; i < dispatcher->worker_count; i++) {
        struct hoard *hoard = &dispatcher->workers[i].hoards[level];
        uint32_t count = hoard_count(hoard);
        if (count > most) {
            fullest = hoard;
            most = count;
        }
    }
    if (fullest == NULL) {
        dispatcher->hoarded &= ~(1u << level);
        return NULL;
    }
    struct tacet_task *stolen[HOARD_SLOTS];
    uint32_t n = hoard_steal(fullest, stolen);
    for (uint32_t i = 1; i < n; i++)
        lay_aside(worker, level, stolen[i]);
    return n > 0 ? stolen[0] : NULL;
}

/* Strictly by level: what others have laid aside comes before what is in the queue for a lower one. */
struct tacet_task *queue_pull(struct worker *worker, unsigned end, unsigned max, bool may_steal)
{
    struct tacet_dispatcher *dispatcher = worker->dispatcher;
    struct tacet_task *task = NULL;
    unsigned own = queue_hoarded_level(worker);
    for (unsigned level = 0; level < end && level < own && task == NULL; level++) {
        task = take(worker, level, max);
        if (task == NULL && may_steal && dispatcher->hoarded & 1u << level)
            task = steal(worker, level);
    }
    return task == NULL && own < end ? hoard_pop(&worker->hoards[own]) : task;
}

void queue_give_back(struct worker *worker)
{
    struct tacet_dispatcher *dispatcher = worker->dispatcher;
    for (unsigned p = 0; p < TACET_PRIORITY_COUNT; p++) {
        struct level *level = &dispatcher->levels[p], back = {NULL, NULL, 0};
        struct tacet_task *task;
        while ((task = hoard_pop(&worker->hoards[p])) != NULL)
            push(&back, &task->runnable);
        if (back.count == 0)
            continue;
        dispatcher->queued += back.count;
        back.last->next = level->first;
        level->first = back.first;
        if (level->last == NULL)
            level->last = back.last;
        level->count += back.count;
    }
}
