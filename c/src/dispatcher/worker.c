/*
 * A worker: where it gets its next task from, when it sleeps and when it wakes another, how its thread lives.
 */
#include "dispatcher/dispatcher.h"

#include "ring/completion.h"
#include "task/c_task.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>

#define NAP_NS (100 * 1000)
#define RUN_FAILED_PAUSE_NS (1000 * 1000)

_Thread_local struct worker *worker_here;

/* --- Sleeping and waking; under the mutex --- */

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static bool is_armed(const struct tacet_dispatcher *dispatcher)
{
    return __atomic_load_n(&dispatcher->inbox.newest, __ATOMIC_RELAXED) == INBOX_ASLEEP;
}

/* false: there is something in the inbox. */
static bool arm(struct tacet_dispatcher *dispatcher)
{
    return is_armed(dispatcher) || inbox_fall_asleep(&dispatcher->inbox);
}

/* Pushes wake nobody until it is armed again. */
static void disarm(struct tacet_dispatcher *dispatcher)
{
    struct tacet_runnable *asleep = INBOX_ASLEEP;
    __atomic_compare_exchange_n(&dispatcher->inbox.newest, &asleep, NULL, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static void leave_idle(struct worker *worker)
{
    struct tacet_dispatcher *dispatcher = worker->dispatcher;
    list_remove(&worker->idle_node);
    dispatcher->idle_count--;
    if (dispatcher->napper == worker)
        dispatcher->napper = NULL;
}

static void become_working(struct worker *worker)
{
    if (worker->state == WORKER_WORKING)
        return;
    if (worker->state == WORKER_IDLE)
        leave_idle(worker);
    else
        worker->dispatcher->searching--;
    worker->dispatcher->working++;
    worker->state = WORKER_WORKING;
    worker->is_working = true;
    worker->source.sleep_until_ns = TACET_FOREVER;
}

static void become_idle(struct worker *worker)
{
    struct tacet_dispatcher *dispatcher = worker->dispatcher;
    struct tacet_list_node *node = &worker->idle_node, *first = dispatcher->idle.next;
    list_push_back(first, node); /* before the first */
    dispatcher->idle_count++;
    dispatcher->working--;
    worker->state = WORKER_IDLE;
    worker->is_working = false;
}

static void nap(struct worker *worker)
{
    worker->dispatcher->napper = worker;
    worker->source.sleep_until_ns = clock_add(clock_ns(), NAP_NS);
}

static bool tasks_are_short(const struct tacet_dispatcher *dispatcher)
{
    return dispatcher->ticks_a_task < dispatcher->ticks_long;
}

/* The worker, which has found nothing, is idle from now on; false: there is something. */
static bool rest(struct worker *worker)
{
    struct tacet_dispatcher *dispatcher = worker->dispatcher;
    bool others_work = dispatcher->working > 1;
    if (others_work && tasks_are_short(dispatcher) && dispatcher->napper == NULL) {
        disarm(dispatcher);
        nap(worker);
    } else if (dispatcher->searching == 0 && !(others_work && dispatcher->napper != NULL) && !arm(dispatcher)) {
        return false;
    }
    become_idle(worker);
    return true;
}

/* Whether the message is to be posted: it is not on its way already. */
static bool must_post(struct worker *worker)
{
    bool must = !worker->posted;
    worker->posted = true;
    return must;
}

/* Whether it must be posted to. */
static bool wake(struct worker *worker)
{
    leave_idle(worker);
    worker->state = WORKER_WOKEN;
    worker->dispatcher->searching++;
    return must_post(worker);
}

struct worker *worker_wake_one(struct tacet_dispatcher *dispatcher)
{
    struct tacet_list_node *node = dispatcher->idle.next;
    if (node == &dispatcher->idle)
        return NULL;
    struct worker *worker = TACET_CONTAINER_OF(node, struct worker, idle_node);
    if (worker == dispatcher->napper && node->next != &dispatcher->idle)
        worker = TACET_CONTAINER_OF(node->next, struct worker, idle_node);
    return wake(worker) ? worker : NULL;
}

bool worker_tell(struct worker *worker, enum worker_fate fate)
{
    if (worker->state == WORKER_ENDED || fate <= worker->fate)
        return false;
    worker->fate = fate;
    return worker->state == WORKER_IDLE ? wake(worker) : must_post(worker);
}

/* Until the message is accepted the executor is there. */
void worker_post(struct worker *worker)
{
    if (worker != NULL)
        executor_post(executor_of(worker->executor), &worker->message);
}

static void accept_message(struct tacet_executor *executor, struct tacet_runnable *message)
{
    struct worker *worker = TACET_CONTAINER_OF(message, struct worker, message);
    pthread_mutex_lock(&worker->dispatcher->mutex);
    worker->posted = false;
    bool stays = worker->fate == WORKER_STAYS;
    pthread_mutex_unlock(&worker->dispatcher->mutex);
    if (stays)
        return;
    worker->is_working = false; /* so that it asks */
    tacet_executor_stop(executor);
}

const struct tacet_runnable_kind worker_message_kind = {.accept = accept_message};

/* --- What to do next; under the mutex --- */

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

/* Whether a worker has pulled nothing since the last look and has tasks laid aside. */
static bool somebody_is_stuck(struct tacet_dispatcher *dispatcher)
{
    bool stuck = false;
    for (unsigned i = 0; dispatcher->hoarded != 0 && i < dispatcher->worker_count; i++) {
        struct worker *worker = &dispatcher->workers[i];
        stuck |= worker->pulls == worker->pulls_seen && queue_hoarded_level(worker) != NO_LEVEL;
        worker->pulls_seen = worker->pulls;
    }
    return stuck;
}

/* The one that naps comes round: whether it is to work. */
static bool is_needed(struct worker *worker)
{
    struct tacet_dispatcher *dispatcher = worker->dispatcher;
    bool progress = dispatcher->pulls != dispatcher->pulls_seen;
    dispatcher->pulls_seen = dispatcher->pulls;
    queue_gather(dispatcher);
    if (somebody_is_stuck(dispatcher) ||
        (dispatcher->queued > 0 && (dispatcher->working < dispatcher->processors || !progress)))
        return true;
    if (progress || dispatcher->hoarded != 0) {
        nap(worker);
        return false;
    }
    if (!arm(dispatcher))
        return true;
    dispatcher->napper = NULL;
    worker->source.sleep_until_ns = TACET_FOREVER;
    return false;
}

/* The worker works. Whether another is to: the one to be posted to, or NULL. */
static struct worker *arrange(struct worker *worker)
{
    struct tacet_dispatcher *dispatcher = worker->dispatcher;
    if (dispatcher->idle_count == 0 || dispatcher->searching > 0)
        return NULL;
    uint64_t left = dispatcher->queued;
    for (unsigned p = 0; p < TACET_PRIORITY_COUNT; p++)
        left += hoard_count(&worker->hoards[p]);
    if (left * dispatcher->ticks_a_task > dispatcher->ticks_worth_waking &&
        (dispatcher->working < dispatcher->processors || !tasks_are_short(dispatcher)))
        return worker_wake_one(dispatcher);
    if (dispatcher->napper != NULL || (left == 0 && dispatcher->hoarded == 0 && arm(dispatcher)))
        return NULL;
    return worker_wake_one(dispatcher); /* at least to nap */
}

/* --- Looking for work --- */

static bool executor_has_news(struct executor *executor)
{
    return inbox_has_news(&executor->inbox) || ring_has_news(&executor->ring);
}

/* Whether something came within spin_ns. Leaves the mutex meanwhile. */
static bool spin(struct worker *worker)
{
    struct tacet_dispatcher *dispatcher = worker->dispatcher;
    struct executor *executor = executor_of(worker->executor);
    uint64_t now = clock_ns(), until = clock_add(now, dispatcher->options.spin_ns);
    if (timers_next_ns(&executor->timers) < until)
        until = timers_next_ns(&executor->timers);
    worker->state = WORKER_SPINNING;
    worker->is_working = false;
    dispatcher->working--;
    dispatcher->searching++;
    pthread_mutex_unlock(&dispatcher->mutex);
    bool came = false;
    while (!came && now < until && !executor_has_news(executor)) {
        for (unsigned i = 0; !came && i < 32; i++) {
            const struct tacet_runnable *newest = __atomic_load_n(&dispatcher->inbox.newest, __ATOMIC_RELAXED);
            came = (newest != NULL && newest != INBOX_ASLEEP) ||
                   __atomic_load_n(&dispatcher->hint, __ATOMIC_RELAXED) != 0;
            relax();
        }
        now = clock_ns();
    }
    pthread_mutex_lock(&dispatcher->mutex);
    become_working(worker);
    return came;
}

/* Under the mutex: the next task, or NULL: it is idle, or its executor has something to do. */
static struct tacet_task *search(struct worker *worker)
{
    struct tacet_dispatcher *dispatcher = worker->dispatcher;
    if (dispatcher->napper == worker && !is_needed(worker))
        return NULL;
    become_working(worker);
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
            if (!spin(worker) && executor_has_news(executor_of(worker->executor)))
                return NULL;
        } else if (rest(worker)) {
            return NULL;
        }
    }
}

/* Under the mutex: it takes nothing any more. */
static void leave(struct worker *worker)
{
    become_working(worker);
    queue_give_back(worker);
    worker->dispatcher->working--;
    worker->state = WORKER_LEAVING;
    worker->is_working = false;
    worker->has_left = true;
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
        become_working(worker);
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
        other = arrange(worker);
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
static bool refill(struct executor_source *source)
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
    }
    if (waits_is_due(worker))
        report(worker);
    return task != NULL;
}

/* --- Its thread --- */

static bool must_die(struct worker *worker)
{
    pthread_mutex_lock(&worker->dispatcher->mutex);
    bool dies = worker->fate == WORKER_DIES;
    pthread_mutex_unlock(&worker->dispatcher->mutex);
    return dies;
}

/* What a failing ring cannot do now it may do later; there is nobody to tell. */
static void run(struct worker *worker, int64_t items_max, const struct timespec *timeout)
{
    static const struct timespec pause = {0, RUN_FAILED_PAUSE_NS};
    tacet_result r = tacet_executor_run(worker->executor, items_max, timeout);
    if (r < 0 && r != -ETIME)
        nanosleep(&pause, NULL);
}

static void serve(struct worker *worker)
{
    while (refill(&worker->source), !worker->has_left)
        run(worker, TACET_UNTIL_STOPPED, NULL);
}

static bool has_something_to_do(struct worker *worker)
{
    return !tacet_ready_empty(&worker->executor->ready) || !executor_is_idle(executor_of(worker->executor));
}

/* The tasks that it has started end, or have been told to. */
static void finish_tasks(struct worker *worker)
{
    while (!must_die(worker) && has_something_to_do(worker))
        run(worker, TACET_UNTIL_IDLE, NULL);
    uint64_t cleanup_ns = worker->dispatcher->options.cleanup_ns;
    if (!must_die(worker) || cleanup_ns == 0)
        return;
    tacet_executor_cancel_all(worker->executor);
    uint64_t now = clock_ns(), until = clock_add(now, cleanup_ns);
    for (; has_something_to_do(worker) && now < until; now = clock_ns()) {
        struct timespec left = clock_timespec(until - now);
        run(worker, TACET_UNTIL_IDLE, &left);
    }
}

static uint64_t thread_processor_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return clock_duration(&used);
}

static bool all_rest(const struct tacet_dispatcher *dispatcher)
{
    for (unsigned i = 0; i < dispatcher->worker_count; i++)
        if (dispatcher->workers[i].state != WORKER_ENDED && !dispatcher->workers[i].rests)
            return false;
    return true;
}

/*
 * No message is on its way, nor will one be: the executor can go. Where all go, none does before the others' tasks have run
 * for the last time, which may know it.
 */
static void end_of_messages(struct worker *worker)
{
    static const struct timespec now = {0, 0};
    struct tacet_dispatcher *dispatcher = worker->dispatcher;
    for (;;) {
        pthread_mutex_lock(&dispatcher->mutex);
        if (!worker->posted)
            break;
        pthread_mutex_unlock(&dispatcher->mutex);
        (void)!tacet_executor_run(worker->executor, 1, &now);
        sched_yield();
    }
    worker->rests = true;
    pthread_cond_broadcast(&dispatcher->changed);
    while (worker->fate == WORKER_DIES && !all_rest(dispatcher))
        pthread_cond_wait(&dispatcher->changed, &dispatcher->mutex);
    worker->state = WORKER_ENDED;
    worker->processor_ns = thread_processor_ns();
    pthread_mutex_unlock(&dispatcher->mutex);
}

static void end(struct worker *worker)
{
    struct tacet_dispatcher *dispatcher = worker->dispatcher;
    const struct tacet_dispatcher_options *options = &dispatcher->options;
    end_of_messages(worker);
    if (options->on_thread_end != NULL)
        options->on_thread_end(options->arg, worker->executor, worker->index);
    tacet_executor_destroy(worker->executor);
    __atomic_store_n(&worker->finished, worker->source.finished, __ATOMIC_RELEASE);
    pthread_mutex_lock(&dispatcher->mutex);
    worker->processor_ns = thread_processor_ns();
    waits_look(dispatcher);
    pthread_mutex_unlock(&dispatcher->mutex);
}

static void pin(const struct worker *worker)
{
    const struct tacet_dispatcher *dispatcher = worker->dispatcher;
    unsigned nth = worker->index % dispatcher->processors, cpu = 0;
    while (!CPU_ISSET(cpu, &dispatcher->affinity) || nth-- > 0)
        cpu++;
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    pthread_setaffinity_np(pthread_self(), sizeof only, &only);
}

/* Tells the creator how it went; of several failures the first is explained. */
static void tell_creator(struct worker *worker, tacet_result r, const char *why)
{
    struct tacet_dispatcher *dispatcher = worker->dispatcher;
    const struct tacet_dispatcher_options *options = &dispatcher->options;
    pthread_mutex_lock(&dispatcher->mutex);
    if (r < 0 && dispatcher->failure == 0) {
        dispatcher->failure = r;
        if (options->message != NULL && options->message_bytes > 0)
            snprintf(options->message, options->message_bytes, "executor %u of %u: %s", worker->index,
                     dispatcher->worker_count, why);
    }
    if (r < 0)
        worker->state = WORKER_ENDED;
    else
        dispatcher->working++;
    dispatcher->starting--;
    pthread_cond_broadcast(&dispatcher->changed);
    pthread_mutex_unlock(&dispatcher->mutex);
}

static tacet_result open_executor(struct worker *worker, char *why, size_t why_bytes)
{
    const struct tacet_dispatcher *dispatcher = worker->dispatcher;
    struct tacet_executor_options options = dispatcher->executor_options;
    options.message = why;
    options.message_bytes = why_bytes;
    tacet_result r = tacet_executor_create(&worker->executor, &options);
    if (r < 0)
        return r;
    worker->source.refill = refill;
    worker->source.hint = &dispatcher->hint;
    worker->source.sleep_until_ns = TACET_FOREVER;
    executor_of(worker->executor)->source = &worker->source;
    if (dispatcher->options.on_thread_start != NULL)
        dispatcher->options.on_thread_start(dispatcher->options.arg, worker->executor, worker->index);
    return 0;
}

void *worker_main(void *arg)
{
    struct worker *worker = arg;
    char name[16], why[256] = "";
    snprintf(name, sizeof name, "tacet-%u", worker->index);
    pthread_setname_np(pthread_self(), name);
    worker_here = worker;
    if (worker->dispatcher->options.pinned)
        pin(worker);
    tacet_result r = open_executor(worker, why, sizeof why);
    worker->is_working = r == 0;
    tell_creator(worker, r, why);
    if (r < 0)
        return NULL;
    serve(worker);
    finish_tasks(worker);
    end(worker);
    return NULL;
}
