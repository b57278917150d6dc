/* A dispatcher's life, what is submitted to it, and what it tells of itself. */
#include "dispatcher/dispatcher.h"

#include "base/thread.h"
#include "task/c_task.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* A worker lays aside what it will do within this time. */
#define PORTION_NS (10 * 1000)

/* What is left over is worth a wake. */
#define WORTH_WAKING_NS (20 * 1000)

/* A task as long as that is not short; until it is known better, all are. */
#define LONG_NS (20 * 1000)

/* --- Creating --- */

static void explain(const struct tacet_dispatcher_options *options, const char *what, unsigned n)
{
    if (options->message != NULL && options->message_bytes > 0)
        snprintf(options->message, options->message_bytes, what, n);
}

/* Zeroed pages, which a forked child gets zeroed too. */
static struct tacet_dispatcher *map_dispatcher(unsigned worker_count)
{
    size_t bytes = sizeof(struct tacet_dispatcher) + worker_count * sizeof(struct worker);
    struct tacet_dispatcher *dispatcher = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (dispatcher == MAP_FAILED)
        return NULL;
    madvise(dispatcher, bytes, MADV_WIPEONFORK);
    dispatcher->mapped_bytes = bytes;
    dispatcher->worker_count = worker_count;
    return dispatcher;
}

static void init_workers(struct tacet_dispatcher *dispatcher)
{
    for (unsigned i = 0; i < dispatcher->worker_count; i++) {
        struct worker *worker = &dispatcher->workers[i];
        worker->dispatcher = dispatcher;
        worker->index = i;
        worker->state = WORKER_ENDED;
        worker->message.kind = &worker_message_kind;
        worker->portion = 1;
    }
}

static void init(struct tacet_dispatcher *dispatcher, const struct tacet_dispatcher_options *options,
                 const cpu_set_t *affinity)
{
    dispatcher->options = *options;
    if (options->executor != NULL)
        dispatcher->executor_options = *options->executor;
    else
        dispatcher->executor_options.ring_entries = TACET_RING_ENTRIES_DEFAULT;
    dispatcher->accounted = dispatcher->executor_options.accounting;
    dispatcher->affinity = *affinity;
    dispatcher->processors = (unsigned)CPU_COUNT(affinity);
    double ticks_per_ns = tacet_ticks_per_second() / (double)NS_PER_S;
    dispatcher->ticks_portion = (uint64_t)(PORTION_NS * ticks_per_ns);
    dispatcher->ticks_worth_waking = (uint64_t)(WORTH_WAKING_NS * ticks_per_ns);
    dispatcher->ticks_long = dispatcher->ticks_a_task = (uint64_t)(LONG_NS * ticks_per_ns);
    dispatcher->quota = UINT64_MAX;
    list_init(&dispatcher->idle);
    pthread_mutexattr_t adaptive;
    pthread_mutexattr_init(&adaptive);
    pthread_mutexattr_settype(&adaptive, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&dispatcher->mutex, &adaptive);
    pthread_mutexattr_destroy(&adaptive);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&dispatcher->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    init_workers(dispatcher);
    dispatcher->alive = true;
}

static void tell_workers(struct tacet_dispatcher *dispatcher)
{
    __atomic_store_n(&dispatcher->closing, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < dispatcher->worker_count; i++) {
        struct worker *worker = &dispatcher->workers[i];
        pthread_mutex_lock(&dispatcher->mutex);
        pthread_cond_broadcast(&dispatcher->changed);
        bool must_post = worker_tell(worker, WORKER_DIES);
        pthread_mutex_unlock(&dispatcher->mutex);
        if (must_post)
            worker_post(worker);
    }
}

static bool all_have_left(const struct tacet_dispatcher *dispatcher)
{
    for (unsigned i = 0; i < dispatcher->threads; i++)
        if (dispatcher->workers[i].state < WORKER_LEAVING)
            return false;
    return true;
}

/* Who has left has given back what it had laid aside, and its tasks submit no more. */
static struct tacet_runnable *take_undispatched(struct tacet_dispatcher *dispatcher)
{
    struct tacet_runnable *all = NULL, **end = &all;
    pthread_mutex_lock(&dispatcher->mutex);
    while (!all_have_left(dispatcher))
        pthread_cond_wait(&dispatcher->changed, &dispatcher->mutex);
    queue_gather_all(dispatcher);
    for (unsigned p = 0; p < TACET_PRIORITY_COUNT; p++) {
        *end = dispatcher->levels[p].first;
        if (*end != NULL)
            end = &dispatcher->levels[p].last->next;
        dispatcher->levels[p] = (struct level){0};
    }
    dispatcher->queued = 0;
    pthread_mutex_unlock(&dispatcher->mutex);
    return all;
}

/* Tasks that were started may wait for them. */
static void end_undispatched(struct tacet_dispatcher *dispatcher)
{
    struct tacet_runnable *next, *node = take_undispatched(dispatcher);
    for (; node != NULL; node = next) {
        next = node->next;
        task_end_submitted((struct tacet_task *)node);
    }
    pthread_mutex_lock(&dispatcher->mutex);
    dispatcher->cleared = true;
    pthread_cond_broadcast(&dispatcher->changed);
    pthread_mutex_unlock(&dispatcher->mutex);
}

/* All threads end, and are joined. */
static void end_workers(struct tacet_dispatcher *dispatcher)
{
    tell_workers(dispatcher);
    end_undispatched(dispatcher);
    for (unsigned i = 0; i < dispatcher->threads; i++)
        pthread_join(dispatcher->workers[i].thread, NULL);
}

static void free_dispatcher(struct tacet_dispatcher *dispatcher)
{
    pthread_cond_destroy(&dispatcher->changed);
    pthread_mutex_destroy(&dispatcher->mutex);
    munmap(dispatcher, dispatcher->mapped_bytes);
}

static void start_thread(struct tacet_dispatcher *dispatcher, struct worker *worker)
{
    pthread_mutex_lock(&dispatcher->mutex);
    if (dispatcher->failure == 0) {
        int error = thread_start(&worker->thread, NULL, worker_main, worker);
        if (error == 0) {
            worker->state = WORKER_WORKING;
            dispatcher->threads++;
            dispatcher->starting++;
        } else {
            dispatcher->failure = -error;
            explain(&dispatcher->options, "the system gives no thread for executor %u: see ulimit -u, and pids.max",
                    worker->index);
        }
    }
    pthread_mutex_unlock(&dispatcher->mutex);
}

static tacet_result start_threads(struct tacet_dispatcher *dispatcher)
{
    for (unsigned i = 0; i < dispatcher->worker_count; i++)
        start_thread(dispatcher, &dispatcher->workers[i]);
    pthread_mutex_lock(&dispatcher->mutex);
    while (dispatcher->starting > 0)
        pthread_cond_wait(&dispatcher->changed, &dispatcher->mutex);
    tacet_result r = dispatcher->failure;
    pthread_mutex_unlock(&dispatcher->mutex);
    return r;
}

tacet_result tacet_dispatcher_create(struct tacet_dispatcher **dispatcher,
                                     const struct tacet_dispatcher_options *options)
{
    static const struct tacet_dispatcher_options defaults;
    if (options == NULL)
        options = &defaults;
    if (dispatcher == NULL || options->executors > TACET_DISPATCHER_EXECUTORS_MAX) {
        explain(options, "a dispatcher has %u executors at most, and must have a place to be put",
                TACET_DISPATCHER_EXECUTORS_MAX);
        return -EINVAL;
    }
    *dispatcher = NULL;
    cpu_set_t affinity;
    if (sched_getaffinity(0, sizeof affinity, &affinity) < 0) { /* more processors than it can hold */
        memset(&affinity, 0xff, sizeof affinity);
    }
    unsigned worker_count = options->executors > 0 ? options->executors : (unsigned)CPU_COUNT(&affinity);
    struct tacet_dispatcher *whole = map_dispatcher(worker_count);
    if (whole == NULL) {
        explain(options, "no memory for a dispatcher of %u executors", worker_count);
        return -ENOMEM;
    }
    init(whole, options, &affinity);
    tacet_result r = start_threads(whole);
    if (r < 0) {
        end_workers(whole);
        free_dispatcher(whole);
        return r;
    }
    *dispatcher = whole;
    return 0;
}

/* --- Submitting --- */

static TACET_COLD void wake_one(struct tacet_dispatcher *dispatcher)
{
    pthread_mutex_lock(&dispatcher->mutex);
    struct worker *worker = worker_wake_one(dispatcher);
    pthread_mutex_unlock(&dispatcher->mutex);
    worker_post(worker);
}

tacet_result tacet_dispatcher_submit(struct tacet_dispatcher *dispatcher, struct tacet_task *const *tasks, size_t count)
{
    if (dispatcher == NULL || (tasks == NULL && count > 0))
        return -EINVAL;
    if (!dispatcher->alive)
        return -EPERM;
    if (__atomic_load_n(&dispatcher->closing, __ATOMIC_RELAXED))
        return -ECANCELED;
    struct tacet_runnable *newest = NULL;
    unsigned levels = 0;
    tacet_result r = 0;
    size_t n = 0;
    for (; n < count; n++) {
        r = task_submit(tasks[n], dispatcher->accounted);
        if (TACET_UNLIKELY(r < 0))
            break;
        tasks[n]->runnable.next = newest;
        newest = &tasks[n]->runnable;
        levels |= 1u << tasks[n]->priority;
    }
    if (n == 0)
        return r;
    if (inbox_push(&dispatcher->inbox, newest, &tasks[0]->runnable))
        wake_one(dispatcher);
    if ((__atomic_load_n(&dispatcher->hint, __ATOMIC_RELAXED) & levels) != levels)
        __atomic_fetch_or(&dispatcher->hint, levels, __ATOMIC_RELAXED);
    return (tacet_result)n;
}

/* --- Quitting and destroying --- */

static bool stays(const struct worker *worker)
{
    return worker->fate == WORKER_STAYS && worker->state != WORKER_ENDED;
}

static bool looks_for_work(const struct worker *worker)
{
    return worker->state == WORKER_IDLE || worker->state == WORKER_SPINNING;
}

/* Under the mutex: who is to go next. */
static struct worker *choose_to_quit(struct tacet_dispatcher *dispatcher)
{
    struct worker *chosen = NULL;
    for (unsigned i = 0; i < dispatcher->worker_count; i++) {
        struct worker *worker = &dispatcher->workers[i];
        if (stays(worker) && (chosen == NULL || looks_for_work(worker) || !looks_for_work(chosen)))
            chosen = worker;
    }
    return chosen;
}

static unsigned count_staying(const struct tacet_dispatcher *dispatcher)
{
    unsigned count = 0;
    for (unsigned i = 0; i < dispatcher->worker_count; i++)
        count += stays(&dispatcher->workers[i]);
    return count;
}

tacet_result tacet_dispatcher_quit(struct tacet_dispatcher *dispatcher, unsigned executors_left)
{
    if (dispatcher == NULL)
        return -EINVAL;
    if (!dispatcher->alive)
        return -EPERM;
    pthread_mutex_lock(&dispatcher->mutex);
    unsigned count = count_staying(dispatcher);
    tacet_result r = executors_left > count ? -EINVAL : 0;
    for (; r == 0 && count > executors_left; count--) {
        struct worker *worker = choose_to_quit(dispatcher);
        if (worker == NULL || !worker_tell(worker, WORKER_QUITS))
            continue;
        pthread_mutex_unlock(&dispatcher->mutex);
        worker_post(worker);
        pthread_mutex_lock(&dispatcher->mutex);
    }
    pthread_mutex_unlock(&dispatcher->mutex);
    return r;
}

/* Nobody submits any more, and all threads have been joined. */
static void wait_for_waiters(struct tacet_dispatcher *dispatcher)
{
    pthread_mutex_lock(&dispatcher->mutex);
    while (dispatcher->waiters != NULL)
        pthread_cond_wait(&dispatcher->changed, &dispatcher->mutex);
    pthread_mutex_unlock(&dispatcher->mutex);
}

tacet_result tacet_dispatcher_destroy(struct tacet_dispatcher *dispatcher)
{
    if (dispatcher == NULL)
        return 0;
    if (!dispatcher->alive)
        return -EPERM;
    if (worker_here != NULL && worker_here->dispatcher == dispatcher)
        return -EDEADLK;
    end_workers(dispatcher);
    wait_for_waiters(dispatcher);
    free_dispatcher(dispatcher);
    return 0;
}

/* --- What it tells of itself --- */

tacet_result tacet_dispatcher_get_stats(struct tacet_dispatcher *dispatcher, struct tacet_dispatcher_stats *stats)
{
    if (dispatcher == NULL || stats == NULL)
        return -EINVAL;
    if (!dispatcher->alive)
        return -EPERM;
    *stats = (struct tacet_dispatcher_stats){0};
    pthread_mutex_lock(&dispatcher->mutex);
    queue_gather_all(dispatcher);
    queue_show(dispatcher);
    for (unsigned i = 0; i < dispatcher->worker_count; i++) {
        const struct worker *worker = &dispatcher->workers[i];
        stats->executors += stays(worker);
        stats->idle += stays(worker) && looks_for_work(worker);
    }
    stats->working = stats->executors - stats->idle;
    struct counts counts = waits_count(dispatcher);
    stats->undispatched = counts.undispatched;
    stats->unexecuted = counts.unexecuted;
    stats->executed = dispatcher->taken - counts.unexecuted;
    for (const struct waiter *waiter = dispatcher->waiters; waiter != NULL; waiter = waiter->next)
        stats->waiting++;
    pthread_mutex_unlock(&dispatcher->mutex);
    return 0;
}

static uint64_t processor_ns(const struct worker *worker)
{
    clockid_t clock;
    struct timespec used;
    if (worker->state == WORKER_ENDED)
        return worker->processor_ns;
    if (pthread_getcpuclockid(worker->thread, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return 0;
    return clock_duration(&used);
}

tacet_result tacet_dispatcher_get_executor_stats(struct tacet_dispatcher *dispatcher, unsigned index,
                                                 struct tacet_dispatcher_executor_stats *stats)
{
    if (dispatcher == NULL || stats == NULL)
        return -EINVAL;
    if (!dispatcher->alive)
        return -EPERM;
    if (index >= dispatcher->worker_count)
        return -EINVAL;
    const struct worker *worker = &dispatcher->workers[index];
    pthread_mutex_lock(&dispatcher->mutex);
    *stats = (struct tacet_dispatcher_executor_stats){
        .exists = worker->state != WORKER_ENDED,
        .working = worker->state != WORKER_ENDED && !looks_for_work(worker),
        .processor_ns = processor_ns(worker),
        .executed = __atomic_load_n(&worker->finished, __ATOMIC_ACQUIRE),
    };
    stats->started = __atomic_load_n(&worker->started, __ATOMIC_RELAXED); /* after what they have ended */
    pthread_mutex_unlock(&dispatcher->mutex);
    return 0;
}

struct tacet_executor *tacet_dispatcher_executor(struct tacet_dispatcher *dispatcher, unsigned index)
{
    if (dispatcher == NULL || !dispatcher->alive || index >= dispatcher->worker_count)
        return NULL;
    const struct worker *worker = &dispatcher->workers[index];
    pthread_mutex_lock(&dispatcher->mutex);
    struct tacet_executor *executor = worker->state != WORKER_ENDED ? worker->executor : NULL;
    pthread_mutex_unlock(&dispatcher->mutex);
    return executor;
}
