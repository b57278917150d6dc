/* The life of a worker's thread: the executor is made on it, runs on it, and is destroyed on it. */
#include "dispatcher/dispatcher.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>

#define RUN_FAILED_PAUSE_NS (1000 * 1000)

_Thread_local struct worker *worker_here;

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
    while (worker_refill(&worker->source), !worker->has_left)
        run(worker, TACET_UNTIL_STOPPED, NULL);
}

static bool has_something_to_do(struct worker *worker)
{
    return !executor_is_idle(executor_of(worker->executor));
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
 * for the last time, which may know it, nor before tasks that nobody started have been ended, for which its own may wait.
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
    while (worker->fate == WORKER_DIES && !(dispatcher->cleared && all_rest(dispatcher)))
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
    worker->source.refill = worker_refill;
    worker->source.hint = &dispatcher->hint;
    worker->source.sleep_until_ns = TACET_FOREVER;
    if (dispatcher->options.on_thread_start != NULL)
        dispatcher->options.on_thread_start(dispatcher->options.arg, worker->executor, worker->index);
    executor_of(worker->executor)->source = &worker->source;
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
