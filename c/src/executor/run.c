/*
 * The run loop: submit and wait; collect completions; expire timers; resume ready tasks.
 *
 * Only here are tasks and callbacks resumed. Owner thread only, never nested.
 */
#include "base/clock.h"
#include "executor/executor.h"
#include "op/op.h"
#include "ring/completion.h"
#include "switcher/control_words.h"
#include "switcher/exceptions.h"
#include "switcher/thread.h"
#include "task/c_task.h"

#include <tacet/time.h>

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
    if (ring_in_flight(&executor->ring) == queued)
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
    bool idle; /* nothing is ready, in flight or timed */
};

/* Enters the kernel at most once, and not at all when that would bring nothing. */
static tacet_result submit_and_wait(struct executor *executor, struct run *run)
{
    struct ring *ring = &executor->ring;
    if (!tacet_ready_empty(&executor->shared.ready)) {
        bool queued = executor->shared.sq.tail != executor->shared.sq.submitted;
        return queued || ring_has_news(ring) ? executor_enter(executor, 0, 0) : 0;
    }
    if (ring_in_flight(ring) == 0 && executor->timers.count == 0) {
        run->idle = true;
        return 0;
    }
    uint64_t until = timers_next_ns(&executor->timers);
    if (run->deadline_ns < until)
        until = run->deadline_ns;
    if (until == TACET_FOREVER)
        return executor_enter(executor, 1, TACET_FOREVER);
    uint64_t now = ring->ops->now();
    return executor_enter(executor, now < until ? 1 : 0, now < until ? until - now : 0);
}

static void expire_timers(struct executor *executor)
{
    if (executor->timers.count == 0)
        return;
    uint64_t now = executor->ring.ops->now();
    while (timers_next_ns(&executor->timers) <= now) {
        struct tacet_request *request = executor->timers.slots[0].request;
        timers_remove(&executor->timers, request);
        completion_terminal(executor, request, 0);
    }
}

/*
 * Whether the ring is to be looked at before each runnable of a level, so that a completion for a task of higher priority
 * is not left lying behind a batch of lower ones. Without tasks of a higher level there is nothing to look for.
 */
static inline bool must_look(const struct tacet_executor *shared, size_t level)
{
    return level > TACET_PRIORITY_HIGH &&
           (shared->attached[TACET_PRIORITY_HIGH] > 0 ||
            (level > TACET_PRIORITY_NORMAL && shared->attached[TACET_PRIORITY_NORMAL] > 0));
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
    if (task != NULL)
        note_resumed(task, start);
    executor->exit_tick = 0;
    runnable->kind->run(runnable);
    /* A task that has exited may be freed already; its own exit noted the time. */
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
        const bool look = must_look(&executor->shared, (size_t)(level - ready->levels));
        if (look && budget < all && ring_has_news(&executor->ring))
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
                 !(look && ring_has_news(&executor->ring)));
    }
    return budget;
}

static int64_t resume_ready_accounted(struct executor *executor, int64_t budget)
{
    executor->tick = tacet_ticks();
    return resume_ready(executor, budget, true);
}

static void resume_batch(struct executor *executor, struct run *run)
{
    int64_t batch = run->items_left < BATCH ? run->items_left : BATCH;
    int64_t left = executor->shared.accounting ? resume_ready_accounted(executor, batch)
                                               : resume_ready(executor, batch, false);
    executor->shared.current = NULL;
    run->items_left -= batch - left;
    executor->items += (uint64_t)(batch - left);
}

void executor_bury(struct executor *executor, struct tacet_task *task)
{
    task->runnable.next = executor->buried;
    executor->buried = &task->runnable;
}

static TACET_COLD void destroy_buried(struct executor *executor)
{
    while (executor->buried != NULL) {
        struct tacet_task *task = (struct tacet_task *)executor->buried;
        executor->buried = task->runnable.next;
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
        expire_timers(executor);
        resume_batch(executor, run);
        if (TACET_UNLIKELY(executor->buried != NULL))
            destroy_buried(executor);
    } while (!is_over(executor, run));
    return 0;
}

tacet_result tacet_executor_run(struct tacet_executor *shared, int64_t items_max, const struct timespec *timeout)
{
    struct executor *executor = executor_of(shared);
    if (shared == NULL || items_max <= 0)
        return -EINVAL;
    if (timeout != NULL && (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= (long)NS_PER_S))
        return -EINVAL;
    if (!executor_is_mine(executor))
        return -EPERM;
    if (executor->running)
        return -EDEADLK;
    struct run run = {.items_left = items_max, .deadline_ns = TACET_FOREVER};
    if (timeout != NULL)
        run.deadline_ns = clock_add(executor->ring.ops->now(), clock_duration(timeout));
    executor->running = true;
    executor->stopping = false;
    executor->deadlocked = false;
    /* The caller may be handling an exception: what runs in here has exceptions of its own. */
    struct exceptions callers = exceptions_take(thread_state.exceptions);
    struct tacet_context *callers_context = thread_state.context; /* nor does a context run in a task */
    thread_state.context = NULL;
    executor->control_words = control_words();
    tacet_result r = loop(executor, &run);
    thread_state.context = callers_context;
    exceptions_put(thread_state.exceptions, &callers);
    shared->ready.nonempty &= ~TACET_READY_INTERRUPT;
    executor->running = false;
    int64_t done = items_max - run.items_left;
    if (r < 0)
        return r;
    if (TACET_UNLIKELY(executor->deadlocked))
        return -EDEADLK;
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
