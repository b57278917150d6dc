/*
 * An executor: one kernel thread's scheduler. Ready queue, ring, timers, inbox.
 *
 * It belongs to the thread that created it; from another every call returns -EPERM, unless marked THREAD-SAFE. In the
 * child of a fork every call returns -EPERM. Other threads must be done with it before it is destroyed.
 */
#ifndef TACET_EXECUTOR_H
#define TACET_EXECUTOR_H

#include <tacet/task.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TACET_RING_ENTRIES_DEFAULT 256

struct tacet_executor_options {
    unsigned ring_entries;    /* operations queued between two submissions; 0: no ring, compute and timers only */
    unsigned cq_entries;      /* completions the kernel holds without overflow; 0: 1024, or twice the SQ's entries */
    unsigned timers_reserved; /* timers without further allocation; 0: 64 */
    bool accounting;          /* keep time accounts of tasks, ops and the executor */
    unsigned setup_flags_forbidden; /* IORING_SETUP_* never to be used, for diagnosis */
    bool woken_by_eventfd;          /* not by ring messages, for diagnosis */

    /*
     * Reads and writes of files that a task awaits are tried at once, by a system call that does not wait, as long as that pays
     * for the file; what it cannot do goes through the ring. After 64 in a row the other tasks have their turn. Not so here:
     */
    bool always_through_ring;

    /*
     * Limits to what the kernel has at a time; 0: none. Further operations wait here, and follow by the I/O priority of their
     * tasks (callbacks: by their own). Those of high priority may be a quarter more, at least one: a flood of low ones does not
     * stand in the way of a high one, though the kernel is at work on as many as may be. Limited are reads and
     * writes of regular files (data), and what takes a kernel's worker thread each: syncs, allocate, truncate, stat, advice,
     * changes of directories, extended attributes, opens that make a file (worker). Never what may wait for ever, such as reads of pipes and
     * sockets, nor chains. An operation that finds no memory to wait in ends with -ENOMEM. What it names may be closed while
     * it waits, by an operation: it then needs a descriptor more (-EMFILE). A plain close(2) has to wait for its end.
     */
    unsigned ops_max; /* data and worker together */
    unsigned data_ops_max;
    unsigned worker_ops_max;

    /* Writes to a regular file, by whichever descriptor, are done in the order of their start: each begins when the one before
     * it has ended. Not those through registered descriptors, nor chains. */
    bool ordered_writes;

    unsigned
        descriptors_max; /* registered ones, see descriptor.h; at most TACET_DESCRIPTORS_MAX, and what RLIMIT_NOFILE says; 0: 1024 */

    /*
     * Where the kernel's worker threads run, which do what blocks, such as syncs: a cpu_set_t (sched.h), and its size; NULL: on any
     * processor. An executor whose thread is bound to another one is not interrupted by them. They are the creating thread's: of
     * its executors the last one counts that says where. -EINVAL: it may not use these, or the kernel is older than 5.14.
     */
    const void *worker_cpus;
    size_t worker_cpus_bytes;

    char *message; /* where create explains a failure, may be NULL */
    size_t message_bytes;

    /* Gets a line where an errno cannot say all that the caller did wrong, on the executor's thread, perhaps on a task's
     * stack; NULL: it goes to stderr. */
    void (*report)(void *report_arg, const char *line);
    void *report_arg;
};

/*
 * options NULL: 256 ring entries, no accounting. EXPENSIVE.
 * -EINVAL: NULL, or more than 2^20 entries; -ENOMEM: memory, or the locked-memory limit; -EPERM, -ENOSYS: io_uring is
 * refused or too old; in each case options->message says why and what can be done.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_executor_create(struct tacet_executor **executor,
                                                                const struct tacet_executor_options *options);

/*
 * EXPENSIVE, may block: cancels every operation in flight and waits for their terminal completions, and for its tasks that
 * are away at other executors, or busy on helper threads, to come back. Callbacks are
 * called with what their ops ended with. Tasks that have not exited are not resumed: they count as exited with
 * -ECANCELED (C++ coroutines are destroyed with all that they hold; a stack of its own is not unwound: to let tasks
 * clean up, cancel them and run, before). NULL is fine. -EBUSY: called from one of its tasks.
 */
TACET_EXPORT tacet_result tacet_executor_destroy(struct tacet_executor *executor);

/*
 * For items_max: until nothing is ready, in flight or timed, no task is away, and none waits for another thread. Tasks that
 * wait for each other may remain.
 */
#define TACET_UNTIL_IDLE INT64_MAX

/* The same without that end: what to do may come from other threads at any time. */
#define TACET_UNTIL_STOPPED (INT64_MAX - 1)

/*
 * Runs tasks and callbacks: items_max at most (an item is one resumption or one callback), for timeout at most (NULL:
 * without end; {0, 0}: what can be done without waiting), or until idle. Returns the number of items done, or what
 * tacet_executor_wake() says; -ETIME if the time went by without any; -EINVAL; -EDEADLK: called from one of its tasks, or from a `copying`
 * context where a ready task belongs on the same execution stack; or a negative errno of the ring.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_executor_run(struct tacet_executor *executor, int64_t items_max,
                                                             const struct timespec *timeout);

/* THREAD-SAFE: whether this is the thread that it belongs to. */
TACET_EXPORT bool tacet_executor_is_here(const struct tacet_executor *executor);

/* Nothing is ready, in flight or timed, and nothing can come from other threads: who waits now waits for ever. */
TACET_EXPORT bool tacet_executor_is_idle(const struct tacet_executor *executor);

/* From a task or a callback: run returns when that has given up the processor. */
TACET_EXPORT void tacet_executor_stop(struct tacet_executor *executor);

/*
 * THREAD-SAFE, and safe in every handler of a signal: the run that is under way returns result as soon as the running task has given up the
 * processor; if none is, the next one does, at once. Of several results the last. -EINVAL: NULL, TACET_PENDING; -EPERM: in a
 * forked child.
 */
TACET_EXPORT tacet_result tacet_executor_wake(struct tacet_executor *executor, tacet_result result);

/* Cancels every attached task. */
TACET_EXPORT tacet_result tacet_executor_cancel_all(struct tacet_executor *executor);

/* The running task, or NULL: in a callback, outside of run. */
TACET_EXPORT struct tacet_task *tacet_executor_current(const struct tacet_executor *executor);

struct tacet_executor_stats {
    uint64_t items;               /* resumptions and callbacks since creation */
    uint64_t enters;              /* system calls to submit and to wait */
    uint64_t submitted;           /* operations given to the kernel */
    uint64_t completed;           /* completions taken from it */
    uint64_t in_flight;           /* operations with the kernel, or queued for it */
    uint64_t waiting;             /* operations that wait for a limit, or for the write before them */
    uint64_t cq_overflows;        /* times that the kernel held completions back for want of room */
    uint64_t submissions_refused; /* times that it had no memory for them (EAGAIN, EBUSY) */
    uint64_t timers;              /* sleeping ops, and deadlines */
    uint64_t at_once_tried;       /* reads and writes that were tried without the ring */
    uint64_t at_once_done;        /* and that did not need it */
    uint64_t attached, pending_or_ready, running, suspended;
    uint64_t external; /* suspended ones that wait for other threads, and those that are away */
    uint64_t accepted; /* what has come from other threads */
    uint64_t wakes;    /* times that it was woken for that, by a system call of theirs */
    uint64_t ticks_in_tasks, ticks_in_ring, ticks_asleep; /* 0 without time accounting */
};

/* Walks the ready queue. -EINVAL: NULL. */
TACET_EXPORT tacet_result tacet_executor_get_stats(const struct tacet_executor *executor,
                                                   struct tacet_executor_stats *stats);

/* One line: version, ring, its size and flags, operations that the kernel lacks. Lives as long as the executor. */
TACET_EXPORT const char *tacet_executor_config(const struct tacet_executor *executor);

#ifdef __cplusplus
}
#endif

#endif
