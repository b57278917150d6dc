/*
 * The inside of a dispatcher: the way of a task is
 *
 *     submit --> inbox --> levels --> a worker's hoard --> its executor
 *     (any thread, one exchange)  (under the mutex)   (no lock, one task at a time)
 *
 * A worker is an executor and its thread. What is pulled beside the next task is laid aside in a hoard, from which others
 * steal: nothing is started before it is run. How much that is, is what is worth PORTION_NS by what tasks took lately.
 *
 * Sleeping. A worker without work is in the list of the idle. The inbox is *armed* (its ASLEEP marker) when nobody else would
 * come: the push that finds it wakes one of them, and no other does. Armed or not, there is an order to be kept, whenever
 * the mutex is released:
 *
 *     the inbox is armed, or nobody is idle, or somebody is on the way to look (searching > 0), or one of the idle naps
 *
 * and, while tasks wait in the levels or in hoards: nobody is idle, or searching > 0, or one naps. Who was woken looks, and
 * settles by what it finds whether another is to be woken. The one that naps comes round every NAP_NS, so that no estimate of
 * how long tasks take can be wrong for longer; it does so only while others make progress with short ones.
 *
 * Counts. A task is counted when it is taken out of the inbox, when it is started, and when its executor's stack is free
 * of it after its end; the sums over workers are what is waited for. See waits.c.
 *
 * All of it lies in pages that a forked child gets zeroed: `alive` is false there, and every call returns -EPERM.
 */
#ifndef DISPATCHER_DISPATCHER_H
#define DISPATCHER_DISPATCHER_H

#include "base/clock.h"
#include "base/list.h"
#include "dispatcher/hoard.h"
#include "executor/executor.h"

#include <tacet/dispatcher.h>
#include <tacet/time.h>

#include <pthread.h>

#define NO_LEVEL ((unsigned)TACET_PRIORITY_COUNT) /* as a level: below all of them */

enum worker_state {
    WORKER_WORKING,
    WORKER_IDLE,     /* in the list of the idle */
    WORKER_SPINNING, /* looks for work; counts as searching */
    WORKER_WOKEN,    /* was idle; a message is on its way to it; counts as searching */
    WORKER_LEAVING,  /* takes nothing any more */
    WORKER_ENDED,
};

enum worker_fate {
    WORKER_STAYS,
    WORKER_QUITS, /* to end when what it has started has ended */
    WORKER_DIES,  /* at once */
};

struct worker {
    /* Its thread's own. */
    struct executor_source source; /* first: see worker_of_source() */
    struct tacet_dispatcher *dispatcher;
    struct tacet_executor *executor;
    unsigned index;
    bool is_working;          /* it is WORKING */
    bool has_left;            /* it is LEAVING, or ENDED */
    bool has_started;         /* a task, which is still among the ready */
    uint64_t portion_since;   /* ticks: when it pulled last; 0: it has not, or slept since */
    uint64_t started_at_pull; /* of `started` */

    /* Its thread writes, others read. */
    uint64_t started __attribute__((aligned(64))), finished;
    struct hoard hoards[TACET_PRIORITY_COUNT];

    /* Under the mutex. */
    enum worker_state state __attribute__((aligned(64)));
    enum worker_fate fate;
    struct tacet_list_node idle_node;
    struct tacet_runnable message;          /* is posted to wake it */
    bool posted;                            /* the message has not arrived yet */
    bool rests;                             /* it runs no more, until all do */
    unsigned portion;                       /* how many tasks it pulls */
    uint64_t pulls, pulls_seen;             /* the latter by who naps */
    uint64_t started_noted, finished_noted; /* atomic: when the quota was set */
    uint64_t processor_ns;                  /* of a thread that has ended */
    pthread_t thread;
} __attribute__((aligned(64)));

struct level {
    struct tacet_runnable *first, *last;
    uint64_t count;
};

/* Somebody who waits for one of the counts. */
struct waiter {
    struct waiter *next;
    bool for_start; /* of tasks; else for their end */
    uint64_t at_most;
    bool is_over;
};

struct tacet_dispatcher {
    /* Written by whoever submits. */
    struct inbox inbox __attribute__((aligned(64)));
    unsigned hint __attribute__((aligned(64))); /* mask of levels: there may be tasks in the inbox or in `levels` */

    /* Not written after creation. */
    bool alive __attribute__((aligned(64)));
    bool accounted;
    unsigned worker_count, processors;
    uint64_t ticks_portion, ticks_worth_waking, ticks_long;
    struct tacet_dispatcher_options options;
    struct tacet_executor_options executor_options;
    cpu_set_t affinity;
    size_t mapped_bytes;

    uint64_t quota; /* atomic: tasks that a worker may start, or end, before it reports; UINT64_MAX: nobody waits */
    bool closing;   /* atomic */
    bool cleared;   /* under the mutex: nothing is submitted any more, and what was not started has been ended */

    pthread_mutex_t mutex __attribute__((aligned(64)));
    pthread_cond_t changed; /* a thread has started or ended, a wait may be over */
    struct level levels[TACET_PRIORITY_COUNT];
    uint64_t queued;             /* in the levels */
    uint64_t taken;              /* out of the inbox, since creation */
    unsigned hoarded;            /* mask of levels: there may be tasks in hoards */
    struct tacet_list_node idle; /* latest first */
    struct worker *napper;       /* one of the idle, or NULL */
    unsigned working, idle_count, searching;
    uint64_t pulls, pulls_seen;
    uint64_t ticks_a_task; /* lately */
    struct waiter *waiters;
    unsigned threads, starting; /* to be joined; that have not told yet how their start went */
    tacet_result failure;       /* of the first that could not start */

    struct worker workers[];
};

static inline struct worker *worker_of_source(struct executor_source *source)
{
    return TACET_CONTAINER_OF(source, struct worker, source);
}

/* The worker whose thread this is, or NULL. */
extern _Thread_local struct worker *worker_here __attribute__((visibility("hidden")));

/* Its thread: whether the executor has something to do that is not the dispatcher's. */
static inline bool worker_has_own_news(struct worker *worker)
{
    struct executor *executor = executor_of(worker->executor);
    return inbox_has_news(&executor->inbox) || ring_has_news(&executor->ring);
}

/* --- queue.c: under the mutex --- */

/* Takes what is linked in the inbox. Whoever has done so, and what it wanted, ends with queue_show(). */
void queue_gather(struct tacet_dispatcher *dispatcher);

/* The same, and all that was in it before is out of it then. May leave the mutex for a while. */
void queue_gather_all(struct tacet_dispatcher *dispatcher);
void queue_show(struct tacet_dispatcher *dispatcher);

/* The worker gets the next task, or NULL, of the levels from 0 to end, without that, and lays others of its level aside, max
 * in all. It may take half of what another worker has laid aside. */
struct tacet_task *queue_pull(struct worker *worker, unsigned end, unsigned max, bool may_steal);

/* What the worker has laid aside goes back to where it came from. */
void queue_give_back(struct worker *worker);

/* Of the levels in which the worker has tasks laid aside. */
static inline unsigned queue_hoarded_mask(const struct worker *worker)
{
    unsigned mask = 0;
    for (unsigned p = 0; p < TACET_PRIORITY_COUNT; p++)
        mask |= (unsigned)(hoard_count(&worker->hoards[p]) > 0) << p;
    return mask;
}

/* The highest of them, or NO_LEVEL. */
static inline unsigned queue_hoarded_level(const struct worker *worker)
{
    return (unsigned)__builtin_ctz(queue_hoarded_mask(worker) | 1u << NO_LEVEL);
}

/* --- sleep.c: under the mutex --- */

extern const struct tacet_runnable_kind worker_message_kind;

/* However it was idle. */
void worker_become_working(struct worker *worker);

/* The worker, which has found nothing, is idle from now on; false: there is something in the inbox. */
bool worker_rest(struct worker *worker);

/* The one that naps comes round: whether it is to work. */
bool worker_is_needed(struct worker *worker);

/* The worker works, or leaves. Whether another is to look for work: the one to be posted to, or NULL. */
struct worker *worker_arrange(struct worker *worker);

/* Whether something came for the dispatcher within spin_ns. Leaves the mutex meanwhile. */
bool worker_spin(struct worker *worker);

/* One of the idle is to look for work, if there is any. worker_post() it after the mutex. */
struct worker *worker_wake_one(struct tacet_dispatcher *dispatcher);

/* The worker is to end. true: worker_post() it after the mutex. */
bool worker_tell(struct worker *worker, enum worker_fate fate);

/* Without the mutex; NULL is fine. Until the message is accepted the executor is there. */
void worker_post(struct worker *worker);

/* --- refill.c, thread.c: the worker's thread, without the mutex --- */

bool worker_refill(struct executor_source *source);
void *worker_main(void *worker);

/* --- waits.c: under the mutex --- */

struct counts {
    uint64_t undispatched, unexecuted;
};

/* Of what has been taken out of the inbox. */
struct counts waits_count(const struct tacet_dispatcher *dispatcher);

/* Wakes those whose wait is over, and sets the quota for the others. */
void waits_look(struct tacet_dispatcher *dispatcher);

/* The worker's thread, without the mutex: publishes what has been started and has ended. Whether it is to report, which is
 * to call waits_look(). */
static inline bool waits_is_due(struct worker *worker)
{
    uint64_t quota = __atomic_load_n(&worker->dispatcher->quota, __ATOMIC_RELAXED);
    return TACET_UNLIKELY(quota != UINT64_MAX) &&
           (worker->started - __atomic_load_n(&worker->started_noted, __ATOMIC_RELAXED) >= quota ||
            worker->finished - __atomic_load_n(&worker->finished_noted, __ATOMIC_RELAXED) >= quota);
}

#endif
