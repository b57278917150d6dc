/*
 * A task as the inlined paths see it, and its state machine. Layout is not API.
 *
 *     IDLE -> PENDING -> RUNNING -> SUSPENDED -> READY -> RUNNING -> ... -> EXITED -> PENDING (reused)
 *                        RUNNING -> READY (a yield)
 *
 * Owner thread only, from attach to exit. Invariants:
 *   - state is changed by tacet_task_transition alone, which asserts the legal table;
 *   - PENDING and READY tasks are in the ready queue exactly once, no others are;
 *   - on_cancel and waiting_for are meaningful while SUSPENDED; wait_node belongs to whatever is waited for.
 */
#ifndef TACET_INLINE_TASK_H
#define TACET_INLINE_TASK_H

#include <tacet/inline/runnable.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tacet_executor;
struct tacet_op;
struct tacet_switcher_ops;
struct tacet_task;
struct tacet_task_ticks;

struct tacet_list_node {
    struct tacet_list_node *next, *prev;
};

enum tacet_task_state {
    TACET_TASK_IDLE,
    TACET_TASK_PENDING,
    TACET_TASK_READY,
    TACET_TASK_RUNNING,
    TACET_TASK_SUSPENDED,
    TACET_TASK_EXITED,
    TACET_TASK_STATE_COUNT,
};

enum tacet_task_attention {
    TACET_TASK_CANCEL_PENDING = 1, /* a cancel not yet delivered */
    TACET_TASK_ACCOUNTED = 2,      /* its executor keeps time accounts */
};

/* Legal successors of each state, as a bit mask. ... -> EXITED without RUNNING: the executor is destroyed. */
static const uint8_t tacet_task_successors[TACET_TASK_STATE_COUNT] = {
    /* IDLE */ 1 << TACET_TASK_PENDING,
    /* PENDING */ 1 << TACET_TASK_RUNNING | 1 << TACET_TASK_EXITED,
    /* READY */ 1 << TACET_TASK_RUNNING | 1 << TACET_TASK_EXITED,
    /* RUNNING */ 1 << TACET_TASK_READY | 1 << TACET_TASK_SUSPENDED | 1 << TACET_TASK_EXITED,
    /* SUSPENDED */ 1 << TACET_TASK_READY | 1 << TACET_TASK_EXITED,
    /* EXITED */ 1 << TACET_TASK_PENDING,
};

/*
 * See tacet_task_init(). What a resumption and an await touch stands in the first 64 bytes, what attaching and exiting
 * touch besides in the next.
 */
struct tacet_task {
    struct tacet_runnable runnable;
    struct tacet_executor *executor; /* since attach */
    struct tacet_level *level;       /* of the executor's ready queue: that of `priority` */
    uint8_t state;
    uint8_t priority;
    uint8_t cancel_requested;                   /* sticky */
    uint8_t attention;                          /* bits of enum tacet_task_attention; 0: it suspends the short way */
    uint16_t ioprio;                            /* for the SQE; 0 is the default class */
    uint16_t at_once;                           /* counts awaits that did not go through the loop; wraps */
    void *context;                              /* the coroutine's handle */
    void (*on_cancel)(struct tacet_task *task); /* ends the wait, now or by a later completion; NULL: cannot */
    void *waiting_for;                          /* the op, the list of completed ops, the semaphore, the task ... */

    struct tacet_list_node attached_node; /* in the executor's list of tasks */
    const struct tacet_switcher_ops *switcher_ops;
    struct tacet_task_ticks *ticks;  /* NULL unless its executor keeps time accounts */
    struct tacet_list_node *waiters; /* a ring of the wait_nodes of those that wait for its exit, or NULL */
    struct tacet_op *completed;      /* a ring of ops to be reaped, by its newest, or NULL */
    tacet_result result;
    uint32_t ops_initiated; /* started, not completed, and not what it waits for */

    tacet_result wake_result;         /* what the wait ended with */
    struct tacet_list_node wait_node; /* in the list of what it waits for */
};

/* Makes a task that can be attached. Field by field: a fifth of the time of spawning a coroutine was the zeroing. */
static inline void tacet_task_init(struct tacet_task *task, const struct tacet_switcher_ops *ops,
                                   void (*run)(struct tacet_runnable *runnable))
{
    task->runnable.run = run;
    task->executor = NULL;
    task->level = NULL;
    task->state = TACET_TASK_IDLE;
    task->priority = TACET_PRIORITY_NORMAL;
    task->cancel_requested = 0;
    task->attention = 0;
    task->ioprio = 0;
    task->at_once = 0;
    task->context = NULL;
    task->on_cancel = NULL;
    task->waiting_for = NULL;
    task->wake_result = 0;
    task->waiters = NULL;
    task->completed = NULL;
    task->ops_initiated = 0;
    task->result = 0;
    task->switcher_ops = ops;
    task->ticks = NULL;
}

static inline void tacet_task_transition(struct tacet_task *task, enum tacet_task_state from, enum tacet_task_state to)
{
    TACET_ASSERT(task->state == from);
    TACET_ASSERT(tacet_task_successors[from] & 1 << to);
    (void)from;
    task->state = (uint8_t)to;
}

#ifdef __cplusplus
}
#endif

#endif
