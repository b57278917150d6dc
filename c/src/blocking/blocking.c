/*
 * Functions that block, see tacet/blocking.h: the process's helper threads, and the queue of what they are to call.
 *
 * Invariants, under the mutex: a job is in the queue, and then names its task, or in the free list; each queued job has
 * an idle helper that was signalled for it, or waits for a busy one. Who takes a job out of the queue ends the task's
 * wait.
 *
 * The memory of jobs is not given back: a task that is cancelled when its wake is on its way looks at what was its job.
 */
#include "base/clock.h"
#include "base/list.h"
#include "base/thread.h"
#include "op/bounce.h"
#include "task/c_task.h"

#include <tacet/blocking.h>
#include <tacet/handover.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define IDLE_NS_MAX (10 * NS_PER_S)
#define STACK_BYTES (1024 * 1024) /* as ordinary functions expect it; only what they touch costs memory */

struct job {
    struct tacet_wait_hook hook; /* first: see take_back(); never changes */
    struct tacet_list_node node; /* in the queue; by `next` in the free list */
    struct tacet_task *task;     /* NULL: it is free */
    tacet_blocking_function *function;
    void *arg;
};

static struct {
    pthread_once_t once;
    pthread_mutex_t mutex;
    pthread_cond_t work; /* on CLOCK_MONOTONIC */
    struct tacet_list_node queue;
    struct tacet_list_node *free;
    unsigned queued, idle, threads, threads_max;
} helpers = {
    .once = PTHREAD_ONCE_INIT,
    .mutex = PTHREAD_MUTEX_INITIALIZER,
    .queue = {&helpers.queue, &helpers.queue},
    .threads_max = TACET_BLOCKING_THREADS_DEFAULT,
};

static struct job *job_of(struct tacet_list_node *node)
{
    return TACET_CONTAINER_OF(node, struct job, node);
}

static void give_back(struct job *job)
{
    job->task = NULL;
    job->node.next = helpers.free;
    helpers.free = &job->node;
}

static void unqueue(struct job *job)
{
    list_remove(&job->node);
    helpers.queued--;
    give_back(job);
}

/* A cancel. What has begun runs to its end. */
static void take_back(struct tacet_task *task)
{
    struct job *job = task->waiting_for;
    pthread_mutex_lock(&helpers.mutex);
    bool queued = job->task == task;
    if (queued)
        unqueue(job);
    pthread_mutex_unlock(&helpers.mutex);
    if (queued)
        tacet_task_unpark_external(task, -ECANCELED);
    else
        tacet_task_keep_cancel(task);
}

/* One to fill in; NULL: no memory. */
static struct job *free_job(void)
{
    if (helpers.free != NULL) {
        struct job *job = job_of(helpers.free);
        helpers.free = job->node.next;
        return job;
    }
    struct job *job = malloc(sizeof *job);
    if (job != NULL)
        job->hook.on_cancel = take_back;
    return job;
}

/* ---- The helpers ---- */

/* Whether there is a job for this helper; if not, it ends. */
static bool wait_for_job(void)
{
    const struct timespec until = clock_timespec(clock_ns() + IDLE_NS_MAX);
    int waited = 0;
    while (helpers.queued == 0 && helpers.threads <= helpers.threads_max) {
        if (waited == ETIMEDOUT)
            return false;
        helpers.idle++;
        waited = pthread_cond_timedwait(&helpers.work, &helpers.mutex, &until);
        helpers.idle--;
    }
    return helpers.threads <= helpers.threads_max;
}

static void *help(void *unused)
{
    (void)unused;
    pthread_setname_np(pthread_self(), "tacet-blocking");
    pthread_mutex_lock(&helpers.mutex);
    while (wait_for_job()) {
        struct job *oldest = job_of(helpers.queue.next), own = *oldest;
        unqueue(oldest);
        pthread_mutex_unlock(&helpers.mutex);
        tacet_result r = own.function(own.arg);
        tacet_task_unpark_external(own.task, r != TACET_PENDING ? r : -EINVAL);
        pthread_mutex_lock(&helpers.mutex);
    }
    helpers.threads--;
    pthread_mutex_unlock(&helpers.mutex);
    return NULL;
}

static bool start_helper(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int error = thread_start(&thread, &attributes, help, NULL);
    pthread_attr_destroy(&attributes);
    return error == 0;
}

/* Sees to it that there is one for one job more. */
static tacet_result provide_helper(void)
{
    if (helpers.idle <= helpers.queued && helpers.threads < helpers.threads_max)
        helpers.threads += start_helper();
    return helpers.threads > 0 ? 0 : -EAGAIN;
}

/* ---- Forks ---- */

static void lock_helpers(void)
{
    pthread_mutex_lock(&helpers.mutex);
}

static void unlock_helpers(void)
{
    pthread_mutex_unlock(&helpers.mutex);
}

static void init_work(void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&helpers.work, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* The parent's helpers are not here, and its tasks are nobody's. */
static void begin_anew(void)
{
    while (!list_empty(&helpers.queue))
        unqueue(job_of(helpers.queue.next));
    helpers.idle = helpers.threads = 0;
    init_work();
    unlock_helpers();
}

static void init_helpers(void)
{
    init_work();
    pthread_atfork(lock_helpers, unlock_helpers, begin_anew);
}

/* ---- The calls ---- */

/* The task begins to wait before any helper can see the job. */
static tacet_result queue_job(struct tacet_task *task, tacet_blocking_function *function, void *arg)
{
    struct job *job;
    tacet_result r = provide_helper();
    if (r < 0)
        return r;
    job = free_job();
    if (job == NULL)
        return -ENOMEM;
    job->task = task;
    job->function = function;
    job->arg = arg;
    tacet_task_park_external(task, &job->hook);
    list_push_back(&helpers.queue, &job->node);
    helpers.queued++;
    return 0;
}

tacet_result tacet_run_blocking_park(struct tacet_task *task, tacet_blocking_function *function, void *arg)
{
    pthread_once(&helpers.once, init_helpers);
    pthread_mutex_lock(&helpers.mutex);
    tacet_result r = queue_job(task, function, arg);
    bool wakes = r == 0 && helpers.idle > 0;
    pthread_mutex_unlock(&helpers.mutex);
    if (wakes)
        pthread_cond_signal(&helpers.work);
    return r;
}

tacet_result tacet_run_blocking(struct tacet_task *task, tacet_blocking_function *function, void *arg)
{
    if (function == NULL)
        return -EINVAL;
    tacet_result r = call_check(task);
    if (r == 0 && tacet_task_ops(task)->flags & TACET_SWITCHER_STACK_NOT_STABLE)
        r = bounce_check(task, arg, "the argument of a blocking function");
    if (r == 0)
        r = tacet_run_blocking_park(task, function, arg);
    return r < 0 ? r : task_give_up(task);
}

tacet_result tacet_blocking_set_threads_max(unsigned threads_max)
{
    if (threads_max == 0)
        return -EINVAL;
    pthread_once(&helpers.once, init_helpers);
    pthread_mutex_lock(&helpers.mutex);
    helpers.threads_max = threads_max;
    pthread_mutex_unlock(&helpers.mutex);
    pthread_cond_broadcast(&helpers.work);
    return 0;
}
