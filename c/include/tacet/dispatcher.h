/*
 * A dispatcher: executors on threads of their own, and one queue of tasks from which they pull.
 *
 * Any thread submits tasks. An executor that has nothing else to do takes the next: those of a higher CPU priority first,
 * else in the order of their coming. A task that no executor has started yet can be taken by any that is idle, also when
 * another has laid it aside for itself; one that has been started stays where it was started.
 *
 * A submitted task is the dispatcher's until it has exited: it may be cancelled meanwhile, and nothing else.
 * Other threads learn of its end by tacet_dispatcher_wait_unexecuted(), or by what it does.
 *
 * In the child of a fork every call returns -EPERM.
 */
#ifndef TACET_DISPATCHER_H
#define TACET_DISPATCHER_H

#include <tacet/executor.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tacet_dispatcher;

#define TACET_DISPATCHER_EXECUTORS_MAX 1024

struct tacet_dispatcher_options {
    unsigned executors;  /* threads; 0: one for each processor that the calling thread may run on */
    bool pinned;         /* each to one of these processors, in turn */
    uint64_t spin_ns;    /* an executor without work looks for some so long before it sleeps */
    uint64_t cleanup_ns; /* so long tacet_dispatcher_destroy() runs what it has cancelled; 0: it resumes nothing more */
    const struct tacet_executor_options *executor; /* of each; NULL: as tacet_executor_create() takes it */

    /* On the thread of each executor, before its first task and after its last; may be NULL. */
    void (*on_thread_start)(void *arg, struct tacet_executor *executor, unsigned index);
    void (*on_thread_end)(void *arg, struct tacet_executor *executor, unsigned index);
    void *arg;

    char *message; /* where create explains a failure, may be NULL */
    size_t message_bytes;
};

/*
 * options may be NULL. Returns when all executors are there; or none is left, and options->message says why: -EINVAL:
 * NULL, or too many executors; -EAGAIN: the system gives no further thread; -ENOMEM; or what tacet_executor_create()
 * returned. The threads are named tacet-0, tacet-1, ...; signals are
 * blocked in them, but those of faults. EXPENSIVE.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_dispatcher_create(struct tacet_dispatcher **dispatcher,
                                                                  const struct tacet_dispatcher_options *options);

/*
 * Hands tasks over, as tacet_task_attach() does to one executor; their priority must not change before they have exited.
 * Returns how many were taken, the first ones, or, if that is none, the error of the first: -EINVAL: NULL, or no body;
 * -EBUSY: attached or submitted already; -ECANCELED: the dispatcher is being destroyed. THREAD-SAFE.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_dispatcher_submit(struct tacet_dispatcher *dispatcher,
                                                                  struct tacet_task *const *tasks, size_t count);

/*
 * Block until at most `at_most` tasks, of those submitted, have not been started, or have not exited. Where that is
 * none, those that have exited are their creators' again: they may be read, destroyed, submitted anew. timeout NULL: without end; {0, 0}: no
 * waiting. 0; -ETIME; -EINVAL; -EDEADLK: on one of the dispatcher's threads; -ECANCELED: it is being destroyed. THREAD-SAFE.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_dispatcher_wait_undispatched(struct tacet_dispatcher *dispatcher,
                                                                             uint64_t at_most,
                                                                             const struct timespec *timeout);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_dispatcher_wait_unexecuted(struct tacet_dispatcher *dispatcher,
                                                                           uint64_t at_most,
                                                                           const struct timespec *timeout);

/*
 * Ends executors until executors_left are left, idle ones first. One that ends takes no further task, runs those that it has
 * started until they have exited or wait for nothing that could come, and is destroyed then. Does not wait for that.
 * 0; -EINVAL: fewer are there. With none left, submitted tasks stay undispatched. THREAD-SAFE.
 */
TACET_EXPORT tacet_result tacet_dispatcher_quit(struct tacet_dispatcher *dispatcher, unsigned executors_left);

/*
 * Cancels what has been started, and ends as tacet_executor_destroy() does for each executor, on its thread: no operation
 * is in flight any more, and tasks that have not exited by then count as exited with -ECANCELED. So do those that
 * nobody has started. Joins the threads. Nobody else may be using the dispatcher any more, but its own tasks, and those who
 * wait, which get -ECANCELED. -EDEADLK: on one of its threads. NULL is fine. EXPENSIVE, blocks.
 */
TACET_EXPORT tacet_result tacet_dispatcher_destroy(struct tacet_dispatcher *dispatcher);

struct tacet_dispatcher_stats {
    unsigned executors; /* that take tasks; working + idle */
    unsigned working;
    unsigned idle;         /* asleep or looking for work; what they have started waits */
    uint64_t undispatched; /* submitted, not started */
    uint64_t unexecuted;   /* submitted, not exited; undispatched ones among them */
    uint64_t executed;     /* exited since the dispatcher was created */
    unsigned waiting;      /* threads in tacet_dispatcher_wait_..() */
};

/* -EINVAL: NULL. THREAD-SAFE. */
TACET_EXPORT tacet_result tacet_dispatcher_get_stats(struct tacet_dispatcher *dispatcher,
                                                     struct tacet_dispatcher_stats *stats);

struct tacet_dispatcher_executor_stats {
    bool exists; /* it has not ended */
    bool working;
    uint64_t processor_ns; /* that its thread has used */
    uint64_t started;      /* tasks */
    uint64_t executed;     /* which have exited */
};

/* index: 0 to the number of executors at creation - 1; else -EINVAL. THREAD-SAFE. */
TACET_EXPORT tacet_result tacet_dispatcher_get_executor_stats(struct tacet_dispatcher *dispatcher, unsigned index,
                                                              struct tacet_dispatcher_executor_stats *stats);

/*
 * The executor of that index, to which tasks can be attached as to any other; NULL: none, or it has ended. It goes with the
 * dispatcher, or when it quits. THREAD-SAFE.
 */
TACET_EXPORT struct tacet_executor *tacet_dispatcher_executor(struct tacet_dispatcher *dispatcher, unsigned index);

#ifdef __cplusplus
}
#endif

#endif
