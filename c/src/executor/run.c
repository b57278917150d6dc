/*
 * The run loop: submit and wait; collect completions; expire timers; accept the inbox; resume ready tasks.
 *
 * Only here are tasks and callbacks resumed. Owner thread only, never nested.
 */
#include "base/clock.h"
#include "executor/executor.h"
#include "op/op.h"
#include "ring/admission.h"
#include "ring/completion.h"
#include "switcher/control_words.h"
#include "switcher/exceptions.h"
#include "switcher/thread.h"
#include "task/c_task.h"
#include "task/deadline.h"

#include <tacet/time.h>

#include <sched.h>

/* Resumptions before the loop looks at the ring and the timers again. */
#define BATCH 128

#define REFUSED_NS_MAX NS_PER_S
#define BACK_OFF_NS (100 * 1000)

/* The kernel takes nothing, and nothing is in flight whose end could give it memory again. */
static void back_off(struct executor *executor)
{
    uint64_t now = executor->ring.ops->now();
    if (executor->refused_since_ns == 0 || executor->submitted_when_refused != executor->ring.submitted) {
        executor->refused_since_ns = now;
        executor->submitted_when_refused = executor->ring.submitted;
    }
    if (now - executor->refused_since_ns > REFUSED_NS_MAX) {
        executor->refused_since_ns = 0;
        completion_fail_queued(executor, -ENOMEM);
        return;
    }
    struct timespec pause = clock_timespec(BACK_OFF_NS);
    nanosleep(&pause, NULL);
}

static TACET_COLD tacet_result enter_failed(struct executor *executor, tacet_result r)
{
    if (r != -EAGAIN && r != -EBUSY)
        return r;
    uint32_t queued = executor->shared.sq.tail - executor->shared.sq.submitted;
    if (ring_in_flight(&executor->ring) <= queued) /* some of those queued may not count */
        back_off(executor);
    return 0;
}

static TACET_NOINLINE tacet_result enter_accounted(struct executor *executor, unsigned wait_nr, uint64_t timeout_ns)
{
    uint64_t start = tacet_ticks();
    tacet_result r = executor->ring.ops->enter(&executor->ring, wait_nr, timeout_ns);
    *(wait_nr > 0 ? &executor->ticks_asleep : &executor->ticks_in_ring) += tacet_ticks() - start;
    return r;
}

tacet_result executor_enter(struct executor *executor, unsigned wait_nr, uint64_t timeout_ns)
{
    if (TACET_UNLIKELY(executor->admission != NULL) && admission_sift(executor))
        wait_nr = 0;
    tacet_result r = TACET_UNLIKELY(executor->shared.accounting)
                         ? enter_accounted(executor, wait_nr, timeout_ns)
                         : executor->ring.ops->enter(&executor->ring, wait_nr, timeout_ns);
    return TACET_LIKELY(r == 0) ? 0 : enter_failed(executor, r);
}

tacet_result tacet_executor_make_room(struct tacet_executor *shared)
{
    struct executor *executor = executor_of(shared);
    if (!executor_is_mine(executor))
        return -EPERM;
    if (executor->closing)
        return -ECANCELED;
    if (executor->ring.sq_users == 0)
        return -ENOTSUP;
    while (shared->sq.tail == shared->sq.limit) {
        tacet_result r = executor_enter(executor, 0, TACET_FOREVER);
        if (r < 0)
            return r;
        completion_collect(executor);
    }
    return 0;
}

struct run {
    int64_t items_left;
    uint64_t deadline_ns;
    bool to_idle; /* it ends when nothing can become ready any more */
    bool idle;    /* which is so */
};

/* There is something to do without waiting. */
static tacet_result submit(struct executor *executor)
{
    if (TACET_UNLIKELY(executor->inbox.unlinked != NULL))
        sched_yield(); /* to the thread that stands between the two steps of a push */
    bool queued = executor->shared.sq.tail != executor->shared.sq.submitted;
    return queued || ring_has_news(&executor->ring) ? executor_enter(executor, 0, 0) : 0;
}

static inline bool submit_at_once(struct executor *executor)
{
    if (TACET_UNLIKELY(executor->admission != NULL) && admission_sift(executor))
        return true;
    if (TACET_LIKELY(!executor->shared.accounting))
        return executor->ring.ops->submit_at_once(&executor->ring);
    uint64_t start = tacet_ticks();
    bool completed = executor->ring.ops->submit_at_once(&executor->ring);
    executor->ticks_in_ring += tacet_ticks() - start;
    return completed;
}

/* From falling asleep until the next accept_inbox() a push wakes it. */
tacet_result executor_sleep(struct executor *executor, uint64_t timeout_ns)
{
    if (submit_at_once(executor))
        return 0;
    bool asleep = inbox_fall_asleep(&executor->inbox);
    return executor_enter(executor, asleep ? 1 : 0, asleep ? timeout_ns : 0);
}

/* Enters the kernel at most once, and not at all when that would bring nothing. */
static tacet_result submit_and_wait(struct executor *executor, struct run *run)
{
    if (!tacet_ready_empty(&executor->shared.ready) || inbox_has_news(&executor->inbox))
        return submit(executor);
    if (run->to_idle && executor_is_idle(executor)) {
        run->idle = true;
        return 0;
    }
    uint64_t until = timers_next_ns(&executor->timers);
    if (run->deadline_ns < until)
        until = run->deadline_ns;
    if (executor->source != NULL && executor->source->sleep_until_ns < until)
        until = executor->source->sleep_until_ns;
    if (TACET_UNLIKELY(executor->missed != NULL))
        until = executor->has_ended_missed ? 0 : executor->ask_again_ns < until ? executor->ask_again_ns : until;
    if (until == TACET_FOREVER)
        return executor_sleep(executor, TACET_FOREVER);
    uint64_t now = executor->ring.ops->now();
    return now < until ? executor_sleep(executor, until - now) : executor_enter(executor, 0, 0);
}

static void expire_timers(struct executor *executor)
{
    if (executor->timers.count == 0)
        return;
    uint64_t now = executor->ring.ops->now();
    while (timers_next_ns(&executor->timers) <= now) {
        struct tacet_request *request = executor->timers.slots[0].request;
        timers_remove(&executor->timers, request);
        if (TACET_UNLIKELY(request->opcode == TACET_OPCODE_DEADLINE))
            deadline_pass(executor, request);
        else
            completion_terminal(executor, request, 0);
    }
}

static inline void accept_inbox(struct executor *executor)
{
    if (inbox_has_news(&executor->inbox))
        executor_accept(executor);
}

/* Where something of higher priority than a level's tasks may come from while they run. */
enum look {
    LOOK_RING = 1,   /* completions for tasks of a higher level, of which there are some */
    LOOK_INBOX = 2,  /* other threads */
    LOOK_SOURCE = 4, /* the dispatcher */
    LOOK_TIMERS = 8, /* timers, where LOOK_RING is */
};

/*
 * Where to look before each runnable of a level, so that what is for a task of higher priority is not left lying behind a
 * batch of lower ones.
 */
static inline unsigned where_to_look(const struct executor *executor, size_t level)
{
    const struct tacet_executor *shared = &executor->shared;
    if (level == TACET_PRIORITY_HIGH)
        return 0;
    bool higher = shared->attached[TACET_PRIORITY_HIGH] > 0 ||
                  (level > TACET_PRIORITY_NORMAL && shared->attached[TACET_PRIORITY_NORMAL] > 0);
    return (higher ? LOOK_RING : 0) | (higher && executor->timers.count > 0 ? LOOK_TIMERS : 0) |
           (shared->posted_to ? LOOK_INBOX : 0) | (executor->source != NULL ? LOOK_SOURCE : 0);
}

static inline bool look(struct executor *executor, const struct tacet_level *level, unsigned where)
{
    return (where & LOOK_RING && ring_has_news(&executor->ring)) ||
           (where & LOOK_TIMERS && timers_next_ns(&executor->timers) <= executor->ring.ops->now()) ||
           (where & LOOK_INBOX && __atomic_load_n(&executor->urgent, __ATOMIC_RELAXED) & level->may_preempt) ||
           (where & LOOK_SOURCE && __atomic_load_n(executor->source->hint, __ATOMIC_RELAXED) & level->may_preempt);
}

/* What tasks of higher priority have started is not to wait for the kernel until a batch of lower ones has run. */
static inline bool has_queued(const struct executor *executor, unsigned where)
{
    return where & LOOK_RING && executor->shared.sq.tail != executor->shared.sq.submitted;
}

static void note_resumed(struct tacet_task *task, uint64_t now)
{
    struct tacet_task_ticks *ticks = &task_extra_of(task)->ticks;
    if (task->state == TACET_TASK_PENDING)
        ticks->started = now;
    ticks->resumed = now;
}

static void note_suspended(struct tacet_task *task, uint64_t now)
{
    struct tacet_task_ticks *ticks = &task_extra_of(task)->ticks;
    ticks->suspended = now;
    ticks->running += now - ticks->resumed;
}

/* The end of one resumption is the start of the next: one reading of the ticks serves both. */
static void resume_accounted(struct executor *executor, struct tacet_runnable *runnable)
{
    struct tacet_task *task = runnable->kind != &callback_kind ? (struct tacet_task *)runnable : NULL;
    uint64_t start = executor->tick;
    if (task != NULL && !(task->attention & TACET_TASK_ACCOUNTED))
        task = NULL; /* it came from an executor without accounts */
    if (task != NULL)
        note_resumed(task, start);
    executor->exit_tick = 0;
    runnable->kind->run(runnable);
    /* A task that has exited may be freed already, one that moved be another thread's; they noted the time themselves. */
    executor->tick = executor->exit_tick != 0 ? executor->exit_tick : tacet_ticks();
    if (task != NULL && executor->exit_tick == 0)
        note_suspended(task, executor->tick);
    executor->ticks_in_tasks += executor->tick - start;
}

/*
 * Resumes up to `budget` runnables, at least one, and returns what is left of the budget. The inner loop stays on a
 * level while that is the highest one with work and nobody interrupts.
 */
static inline __attribute__((always_inline)) int64_t resume_ready(struct executor *executor, int64_t budget,
                                                                  const bool accounted)
{
    struct tacet_ready *ready = &executor->shared.ready;
    for (const int64_t all = budget; ready->nonempty != 0 && !(ready->nonempty & TACET_READY_INTERRUPT);) {
        struct tacet_level *level = &ready->levels[tacet_ready_level(ready)];
        const unsigned where = where_to_look(executor, (size_t)(level - ready->levels));
        if (where != 0 && budget < all && (has_queued(executor, where) || look(executor, level, where)))
            break;
        do {
            struct tacet_runnable *runnable = tacet_level_pop(level);
            executor->shared.current = runnable;
            if (accounted)
                resume_accounted(executor, runnable);
            else
                runnable->kind->run(runnable);
            if (--budget == 0)
                return 0;
        } while (level->last != NULL && !(ready->nonempty & level->may_preempt) &&
                 !(where != 0 && look(executor, level, where)));
    }
    return budget;
}

static int64_t resume_ready_accounted(struct executor *executor, int64_t budget)
{
    executor->tick = tacet_ticks();
    return resume_ready(executor, budget, true);
}

static inline int64_t resume(struct executor *executor, int64_t budget)
{
    return executor->shared.accounting ? resume_ready_accounted(executor, budget)
                                       : resume_ready(executor, budget, false);
}

/* What others have not started is started here when nothing else is ready, one portion after the other. */
static TACET_NOINLINE int64_t resume_from_source(struct executor *executor, int64_t budget)
{
    struct executor_source *source = executor->source;
    const struct tacet_ready *ready = &executor->shared.ready;
    source->refill(source);
    do {
        budget = resume(executor, budget);
        executor->shared.current = NULL;
        /* asked before it sleeps, also where the budget is spent */
    } while (ready->nonempty == 0 && source->refill(source) && budget > 0);
    return budget;
}

static void resume_batch(struct executor *executor, struct run *run)
{
    int64_t batch = run->items_left < BATCH ? run->items_left : BATCH;
    int64_t left = TACET_UNLIKELY(executor->source != NULL) ? resume_from_source(executor, batch)
                                                            : resume(executor, batch);
    executor->shared.current = NULL;
    run->items_left -= batch - left;
    executor->items += (uint64_t)(batch - left);
}

void executor_bury(struct executor *executor, struct tacet_task *task)
{
    task->flags &= (uint8_t)~TACET_TASK_RELEASED; /* a signal that comes before must not destroy it */
    task->runnable.next = executor->buried;
    executor->buried = &task->runnable;
}

static TACET_COLD void destroy_buried(struct executor *executor)
{
    while (executor->buried != NULL) {
        struct tacet_task *task = (struct tacet_task *)executor->buried;
        executor->buried = task->runnable.next;
        task->flags |= TACET_TASK_RELEASED;
        task_settle(c_task_of(task));
    }
}

static bool is_over(const struct executor *executor, const struct run *run)
{
    return run->idle || run->items_left == 0 || executor->stopping ||
           (run->deadline_ns != TACET_FOREVER && executor->ring.ops->now() >= run->deadline_ns);
}

static tacet_result loop(struct executor *executor, struct run *run)
{
    do {
        tacet_result r = submit_and_wait(executor, run);
        if (TACET_UNLIKELY(r < 0))
            return r;
        completion_collect(executor);
        if (TACET_UNLIKELY(executor->missed != NULL))
            completion_settle_missed(executor);
        expire_timers(executor);
        accept_inbox(executor);
        resume_batch(executor, run);
        if (TACET_UNLIKELY(executor->buried != NULL))
            destroy_buried(executor);
    } while (!is_over(executor, run));
    return 0;
}

/* The caller may be handling an exception: what runs in here has exceptions of its own. */
static tacet_result loop_apart(struct executor *executor, struct run *run)
{
    struct exceptions callers = exceptions_take(thread_state.exceptions);
    struct tacet_context *callers_context = thread_state.context; /* nor does a context run in a task */
    thread_state.context = NULL;
    executor->control_words = control_words();
    tacet_result r = loop(executor, run);
    thread_state.context = callers_context;
    exceptions_put(thread_state.exceptions, &callers);
    return r;
}

static tacet_result take_woken_with(struct executor *executor)
{
    executor->woken = false;
    return executor->woken_with;
}

tacet_result tacet_executor_run(struct tacet_executor *shared, int64_t items_max, const struct timespec *timeout)
{
    struct executor *executor = executor_of(shared);
    if (shared == NULL || items_max <= 0 || !clock_is_timeout(timeout))
        return -EINVAL;
    if (!executor_is_mine(executor))
        return -EPERM;
    if (executor->running)
        return -EDEADLK;
    if (executor->woken)
        return take_woken_with(executor);
    struct run run = {
        .items_left = items_max,
        .deadline_ns = timeout != NULL ? clock_deadline(executor->ring.ops->now(), timeout) : TACET_FOREVER,
        .to_idle = items_max != TACET_UNTIL_STOPPED,
    };
    executor->running = true;
    executor->stopping = false;
    shared->ready.nonempty &= ~TACET_READY_INTERRUPT; /* of a wake that was accepted between two runs */
    executor->deadlocked = false;
    tacet_result r = loop_apart(executor, &run);
    shared->ready.nonempty &= ~TACET_READY_INTERRUPT;
    executor->running = false;
    int64_t done = items_max - run.items_left;
    if (r < 0)
        return r;
    if (TACET_UNLIKELY(executor->deadlocked))
        return -EDEADLK;
    if (TACET_UNLIKELY(executor->woken))
        return take_woken_with(executor);
    return done == 0 && !run.idle && !executor->stopping ? -ETIME : done;
}

void executor_deadlock(struct executor *executor)
{
    executor->deadlocked = true;
    tacet_executor_stop(&executor->shared);
}

void tacet_executor_stop(struct tacet_executor *shared)
{
    executor_of(shared)->stopping = true;
    shared->ready.nonempty |= TACET_READY_INTERRUPT;
}
