/*
 * The part of an executor that the inlined paths touch. Layout is not API.
 *
 * Owner thread only. The memory is wiped in a forked child (MADV_WIPEONFORK), where tail == limit == 0 sends every
 * start down the slow path, which finds no owner and returns -EPERM.
 *
 * Invariants:
 *   - pending + ready + running + suspended == attached, running <= 1; only `attached` is counted, the ready queue can
 *     be walked, and the rest follows;
 *   - submitted <= tail <= limit (as wrapping counters); SQEs [submitted, tail) are filled and not yet the kernel's;
 *   - current is what runs (a task, a callback), or NULL outside of run.
 *
 * A task finds its executor by its level and its priority.
 */
#ifndef TACET_INLINE_EXECUTOR_H
#define TACET_INLINE_EXECUTOR_H

#include <tacet/inline/task.h>

#include <errno.h>

#ifdef __cplusplus
extern "C" {
#endif

struct io_uring_sqe;
struct tacet_buffer;
struct tacet_descriptors;

struct tacet_submission_queue {
    struct io_uring_sqe *sqes;
    uint32_t mask;
    uint32_t tail;      /* the next SQE to fill */
    uint32_t limit;     /* where the room for users ends; the few SQEs behind it are for cancellation and wake-up */
    uint32_t submitted; /* what the kernel has taken */
};

struct tacet_executor {
    struct tacet_ready ready;
    struct tacet_submission_queue sq;
    struct tacet_runnable *current;
    uint32_t attached[TACET_PRIORITY_COUNT];
    uint32_t external; /* tasks of its own that only another thread can make ready, or that are away */
    bool accounting;
    bool posted_to;               /* its inbox has been used: it looks there before each runnable of lower levels */
    bool has_moving_stacks;       /* it has had tasks of the copying switcher */
    bool tries_at_once;           /* reads and writes that may not need the ring */
    bool has_registered_buffers;  /* the kernel knows those of its pool */
    struct tacet_list_node tasks; /* all attached ones */
    struct tacet_buffer *buffers; /* of its pool, by number; NULL: it has none */
    struct tacet_descriptors *descriptors; /* registered ones; NULL: it has none */
    void *layer;                           /* a layer above may keep here what its tasks have in common */
};

/* Of a task that was attached once; it may be gone if the task has exited. Follows no pointer: a forked child may ask. */
static inline struct tacet_executor *tacet_task_executor(const struct tacet_task *task)
{
    return TACET_CONTAINER_OF(task->level - task->priority, struct tacet_executor, ready.levels);
}

/* The task's own request has ended, and with it the wait: the task becomes ready. */
static inline void tacet_task_unpark_request(struct tacet_task *task, tacet_result result)
{
    tacet_task_transition(task, TACET_TASK_SUSPENDED, TACET_TASK_READY);
    task->result = result;
    tacet_level_push(task->level, &task->runnable);
}

/* A suspended task's wait has come to its end: the task becomes ready. */
static inline void tacet_task_unpark(struct tacet_task *task, tacet_result result)
{
    task->waiting_for = NULL;
    tacet_task_unpark_request(task, result);
}

/* The running task begins to wait for its own request. See tacet_task_park(). */
static inline void tacet_task_park_request(struct tacet_task *task, enum tacet_wait wait)
{
    tacet_task_transition(task, TACET_TASK_RUNNING, TACET_TASK_SUSPENDED);
    task->wait = (uint8_t)wait;
}

/* The running task begins to wait. It is still on the processor: it gives it up by its switcher's means right after. */
static inline void tacet_task_park(struct tacet_task *task, void *waiting_for, enum tacet_wait wait)
{
    tacet_task_park_request(task, wait);
    task->waiting_for = waiting_for;
}

/* The running task goes to the end of its level's queue. */
static inline void tacet_task_requeue(struct tacet_task *task)
{
    tacet_task_transition(task, TACET_TASK_RUNNING, TACET_TASK_READY);
    tacet_level_push(task->level, &task->runnable);
}

/* First act of every `run`. */
static inline struct tacet_task *tacet_task_resume(struct tacet_runnable *runnable)
{
    struct tacet_task *task = (struct tacet_task *)runnable;
    TACET_ASSERT(task->state == TACET_TASK_READY || task->state == TACET_TASK_PENDING);
    TACET_ASSERT(tacet_task_executor(task)->current == runnable);
    tacet_task_set_state(task, TACET_TASK_RUNNING);
    return task;
}

/* At a cancellation point: -ECANCELED: a cancel is delivered here; -ETIME: the task's deadline has passed; else 0. */
static inline tacet_result tacet_task_take_interrupt(struct tacet_task *task)
{
    if (TACET_LIKELY(!(task->attention & (TACET_TASK_CANCEL_PENDING | TACET_TASK_TIMED_OUT))))
        return 0;
    if (!(task->attention & TACET_TASK_CANCEL_PENDING))
        return -ETIME;
    task->attention &= (uint8_t)~TACET_TASK_CANCEL_PENDING;
    return -ECANCELED;
}

/* The same where the wait begins nevertheless, to be ended at once: whether it is. */
static inline bool tacet_task_take_end_of_wait(struct tacet_task *task)
{
    tacet_result r = tacet_task_take_interrupt(task);
    if (r == -ETIME)
        task->attention |= TACET_TASK_TIMING_OUT;
    return r < 0;
}

/* What an operation ends with that was asked to end, and did not succeed first. */
static inline bool tacet_is_cancelled(tacet_result result)
{
    return result == -ECANCELED || result == -EINTR;
}

/* What the end of something that was waited for means, if a deadline has asked for it: not a cancel, then. */
static inline tacet_result tacet_task_end_of_wait(const struct tacet_task *task, tacet_result result)
{
    bool ended = task->attention & TACET_TASK_TIMING_OUT && tacet_is_cancelled(result);
    return TACET_UNLIKELY(ended) ? -ETIME : result;
}

/* The same for the whole of the wait. */
static inline tacet_result tacet_task_take_end(struct tacet_task *task, tacet_result result)
{
    result = tacet_task_end_of_wait(task, result);
    task->attention &= (uint8_t)~TACET_TASK_TIMING_OUT;
    return result;
}

#ifdef __cplusplus
}
#endif

#endif
