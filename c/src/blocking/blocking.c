/*
 * Functions that block, see tacet/blocking.h: the process's helper threads, and the queue of what they are to call.
 *
 * Invariants, under the mutex: a job is in the queue, and then names its task, or in the free list, or, if its task may leave
 * it, with a helper that calls its function, and names its task until that leaves; each queued job has an idle helper that
 * was signalled for it, or waits for a busy one. Who makes a job name its task no more ends the task's wait.
 * Of the jobs that may be left at most half of threads_max are in the queue or with helpers; the others are held back, in
 * their order. So what was left, and may take long, never has all the helpers.
 *
 * The memory of jobs is not given back: a task that is cancelled when its wake is on its way looks at what was its job.
 */
#include "blocking/blocking.h"

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
    struct tacet_list_node node; /* in the queue, or held; by `next` in the free list */
    struct tacet_task *task;     /* NULL: it is free, or was left */
    struct blocking_call call;
    bool has_begun; /* and may be left */
    bool is_held;
};

static struct {
    pthread_once_t once;
    pthread_mutex_t mutex;
    pthread_cond_t work; /* on CLOCK_MONOTONIC */
    struct tacet_list_node queue, held;
    struct tacet_list_node *free;
    unsigned queued, idle, threads, threads_max;
    unsigned leavable; /* jobs that may be left, in the queue and with helpers */
} helpers = {
    .once = PTHREAD_ONCE_INIT,
    .mutex = PTHREAD_MUTEX_INITIALIZER,
    .queue = {&helpers.queue, &helpers.queue},
    .held = {&helpers.held, &helpers.held},
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

static bool may_be_left(const struct blocking_call *call)
{
    return call->finish != NULL;
}

static unsigned leavable_max(void)
{
    return helpers.threads_max / 2 + helpers.threads_max % 2;
}

static void *help(void *unused);

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

static void push_back(struct job *job)
{
    job->is_held = false;
    helpers.leavable += may_be_left(&job->call);
    list_push_back(&helpers.queue, &job->node);
    helpers.queued++;
}

static void let_in_held(void)
{
    while (helpers.leavable < leavable_max() && !list_empty(&helpers.held)) {
        struct job *oldest = job_of(helpers.held.next);
        list_remove(&oldest->node);
        provide_helper(); /* where it cannot, those that held it back have one */
        push_back(oldest);
        pthread_cond_signal(&helpers.work);
    }
}

static void note_end_of_leavable(void)
{
    helpers.leavable--;
    let_in_held();
}

static void unqueue(struct job *job)
{
    list_remove(&job->node);
    if (!job->is_held) {
        helpers.queued--;
        if (may_be_left(&job->call))
            note_end_of_leavable();
    }
    give_back(job);
}

/* A cancel. What has begun runs to its end; its task goes on now if it may leave it. */
static void take_back(struct tacet_task *task)
{
    struct job *job = task->waiting_for;
    pthread_mutex_lock(&helpers.mutex);
    const struct blocking_call call = job->call;
    bool leaves = job->task == task, queued = leaves && !job->has_begun;
    if (queued)
        unqueue(job);
    else if (leaves)
        job->task = NULL;
    pthread_mutex_unlock(&helpers.mutex);
    if (queued && may_be_left(&call))
        call.finish(call.arg, false);
    if (leaves)
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

/* There is one. */
static struct job *take_oldest(void)
{
    struct job *oldest = job_of(helpers.queue.next);
    list_remove(&oldest->node);
    helpers.queued--;
    oldest->has_begun = may_be_left(&oldest->call);
    return oldest;
}

/* Of what a task may leave, the task, if it has not. Its function has ended. */
static struct tacet_task *finish(struct job *job)
{
    pthread_mutex_lock(&helpers.mutex);
    const struct blocking_call call = job->call;
    struct tacet_task *task = job->task;
    give_back(job);
    note_end_of_leavable();
    pthread_mutex_unlock(&helpers.mutex);
    call.finish(call.arg, task != NULL);
    return task;
}

static void *help(void *unused)
{
    (void)unused;
    pthread_setname_np(pthread_self(), "tacet-blocking");
    pthread_mutex_lock(&helpers.mutex);
    while (wait_for_job()) {
        struct job *oldest = take_oldest(), own = *oldest;
        if (!own.has_begun)
            give_back(oldest);
        pthread_mutex_unlock(&helpers.mutex);
        tacet_result r = own.call.function(own.call.arg);
        struct tacet_task *task = own.has_begun ? finish(oldest) : own.task;
        if (task != NULL)
            tacet_task_unpark_external(task, r != TACET_PENDING ? r : -EINVAL);
        pthread_mutex_lock(&helpers.mutex);
    }
    helpers.threads--;
    pthread_mutex_unlock(&helpers.mutex);
    return NULL;
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

static void give_back_all(struct tacet_list_node *jobs)
{
    while (!list_empty(jobs)) {
        struct job *job = job_of(jobs->next);
        list_remove(&job->node);
        give_back(job);
    }
}

/* The parent's helpers are not here, and its tasks are nobody's. */
static void begin_anew(void)
{
    give_back_all(&helpers.held);
    give_back_all(&helpers.queue);
    helpers.queued = helpers.idle = helpers.threads = helpers.leavable = 0;
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
static tacet_result queue_job(struct tacet_task *task, const struct blocking_call *call)
{
    struct job *job;
    bool held = may_be_left(call) && helpers.leavable >= leavable_max();
    tacet_result r = held ? 0 : provide_helper();
    if (r < 0)
        return r;
    job = free_job();
    if (job == NULL)
        return -ENOMEM;
    job->task = task;
    job->call = *call;
    job->has_begun = false;
    job->is_held = held;
    tacet_task_park_external(task, &job->hook);
    if (held)
        list_push_back(&helpers.held, &job->node);
    else
        push_back(job);
    return 0;
}

tacet_result blocking_park(struct tacet_task *task, const struct blocking_call *call)
{
    pthread_once(&helpers.once, init_helpers);
    pthread_mutex_lock(&helpers.mutex);
    tacet_result r = queue_job(task, call);
    bool wakes = r == 0 && helpers.idle > 0;
    pthread_mutex_unlock(&helpers.mutex);
    if (wakes)
        pthread_cond_signal(&helpers.work);
    return r;
}

tacet_result tacet_run_blocking_park(struct tacet_task *task, tacet_blocking_function *function, void *arg)
{
    return blocking_park(task, &(struct blocking_call){function, NULL, arg});
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
    let_in_held();
    pthread_mutex_unlock(&helpers.mutex);
    pthread_cond_broadcast(&helpers.work);
    return 0;
}
