/*
 * Operations that give a result again and again: started once, they stay in flight until they are stopped.
 *
 * A `struct tacet_multishot` is the caller's, and keeps what a task has not taken yet; it is not moved or freed before it has
 * been stopped. Results come in their order, none is lost. When results_max of them lie there, the kernel is asked to pause,
 * and to go on when half of them have been taken: what it has on the way by then, which for a listening socket is its backlog
 * at most, comes too. Until then connections and bytes wait in the kernel.
 *
 * All on the executor's thread; it is not idle while one of its multishots is in flight. A zeroed one is stopped; one that is
 * not cannot be started: -EBUSY.
 */
#ifndef TACET_MULTISHOT_H
#define TACET_MULTISHOT_H

#include <tacet/op.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tacet_buffer_ring;

struct tacet_multishot_result {
    int32_t value;
    uint32_t flags; /* of the completion */
};

/*
 * Layout is not API. Invariants: the request is in flight only between its arming and its terminal completion (and that of its
 * cancel); `attend` is in the ready queue exactly while `attending`.
 */
struct tacet_multishot {
    struct tacet_wait_hook hook; /* first: a task waits for it */
    struct tacet_request request;
    struct tacet_op attend; /* what cannot be done where completions are collected: cancelling, arming */
    struct tacet_executor *executor;
    struct tacet_task *waiting;
    struct tacet_multishot_result *results; /* a ring of `room`, a power of two */
    uint32_t room, first, count, results_max;
    int32_t error; /* to be told once, after the results; 0: none */
    bool attending;
    bool pausing;                        /* its cancel has been asked for */
    struct tacet_multishot_result taken; /* last */
    struct tacet_buffer_ring *buffers;
    void (*stopped)(struct tacet_multishot *multishot); /* not NULL: it is being stopped */
    uint64_t sqe[8];                                    /* the struct io_uring_sqe that asks for it, again and again */
};

/*
 * poll(2) events on a descriptor, as they come. Results: the events. results_max: 1 or more.
 * Errors as those of other starts; the first failure of the operation itself is told by tacet_multishot_next().
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_poll_multishot_start(struct tacet_multishot *multishot,
                                                                     struct tacet_executor *executor, int fd,
                                                                     unsigned events, unsigned results_max);

/*
 * SUSPENDS until there is a result, and takes it. CANCELLATION POINT, also where results lie there, at which nothing is lost: a
 * later call takes what has come. One task at a time: -EBUSY. A failure is told once, in its order; the next call starts the
 * operation anew. In the body of a `stackless` task, which returns TACET_PENDING, it is called again, as
 * tacet_task_next_completed() is.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_multishot_next(struct tacet_task *task,
                                                               struct tacet_multishot *multishot);

/* Whether there is something to take. */
static inline bool tacet_multishot_has_next(const struct tacet_multishot *multishot)
{
    return multishot->count > 0 || multishot->error < 0;
}

/* The same without waiting: TACET_PENDING where there is none. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_multishot_take(struct tacet_multishot *multishot);

/* The buffer of the result that was taken last, which is the caller's now; -1: it has none. */
static inline int tacet_multishot_buffer(const struct tacet_multishot *multishot)
{
    bool has_one = multishot->taken.flags & IORING_CQE_F_BUFFER;
    return has_one ? (int)(multishot->taken.flags >> IORING_CQE_BUFFER_SHIFT) : -1;
}

/* SUSPENDS until it has ended; never cancelled. What nobody has taken is given back: descriptors are closed. */
TACET_EXPORT tacet_result tacet_multishot_stop(struct tacet_task *task, struct tacet_multishot *multishot);

/*
 * The same, and nobody waits: stopped() is called when the memory is the caller's again, from within this call or from the run
 * loop. It must not do more than to free it. Also when its executor is gone, and in a forked child, where nothing is in flight.
 */
TACET_EXPORT void tacet_multishot_abandon(struct tacet_multishot *multishot,
                                          void (*stopped)(struct tacet_multishot *multishot));

/* For layers above C: the running task, which has no interrupt to take, begins to wait until there is something to take. 0; -EBUSY;
 * -EPERM: it is another executor's; what keeps the operation from being started. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_multishot_park(struct tacet_task *task,
                                                               struct tacet_multishot *multishot);

#ifdef __cplusplus
}
#endif

#endif
