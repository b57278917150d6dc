/*
 * A task as the inlined paths see it, and its state machine. Layout is not API.
 *
 *     IDLE -> PENDING -> RUNNING -> SUSPENDED -> READY -> RUNNING -> ... -> EXITED -> PENDING (reused)
 *                        RUNNING -> READY (a yield)
 *
 * Owner thread only, from attach to exit; others may call tacet_task_cancel(), which reads `state` and `level` and writes
 * `signals`, so the owner changes these by atomic stores. Invariants:
 *   - state is changed by tacet_task_transition alone, which asserts the legal table;
 *   - PENDING and READY tasks are in the ready queue exactly once, no others are;
 *   - wait is meaningful while SUSPENDED, waiting_for is NULL otherwise; wait_node belongs to whatever is waited for;
 *   - its own request is in flight only while it is SUSPENDED.
 */
#ifndef TACET_INLINE_TASK_H
#define TACET_INLINE_TASK_H

#include <tacet/inline/runnable.h>

#ifdef __cplusplus
extern "C" {
#endif

struct msghdr;
struct stand_in;
struct tacet_file;
struct tacet_op;
struct tacet_task;

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
    TACET_TASK_TIMED_OUT = 4,      /* its deadline has passed */
    TACET_TASK_TIMING_OUT = 8,     /* the wait that was not over then is being ended for that */
    TACET_TASK_SHIELDED = 16,      /* no cancel ends a wait: see task/shield.c */
    TACET_TASK_CANCEL_KEPT = 32,   /* one that has come since */
};

enum tacet_task_flags {
    TACET_TASK_CANCEL_REQUESTED = 1, /* sticky, until the next attach */
    TACET_TASK_RELEASED = 2,         /* to be destroyed when it has exited */
    TACET_TASK_DISPATCHED = 4,       /* a dispatcher counts its exit */
    TACET_TASK_EXTERNAL = 8,         /* it waits for another thread */
    TACET_TASK_LAYER_FLAGS = 0xf0,   /* for layers above that have tasks of their own */
};

/* What a suspended task waits for, which is how a cancel ends its wait. */
enum tacet_wait {
    TACET_WAIT_TO_THE_END, /* for what is not cancelled, or has been already */
    TACET_WAIT_REQUEST,    /* the task's own: a cancel asks for its end */
    TACET_WAIT_OP,         /* waiting_for, an op of the caller's: the same */
    TACET_WAIT_ANY_OP,     /* of its own; a cancel ends the wait, and none of them */
    TACET_WAIT_TASK,       /* waiting_for, by wait_node; a cancel ends the wait */
    TACET_WAIT_SEMAPHORE,  /* the same */
    TACET_WAIT_HOOK,       /* waiting_for, a struct tacet_wait_hook: its on_cancel is called */
    TACET_WAIT_MOVE,       /* for its arrival at another executor */
    TACET_WAIT_COUNT,
};

/* First member of what tasks of layers above wait for. */
struct tacet_wait_hook {
    void (*on_cancel)(struct tacet_task *task); /* once, on the owner thread, while the task is SUSPENDED */
};

#define TACET_NO_BUFFER UINT16_MAX

struct tacet_chosen_buffer {
    uint16_t group;  /* of a ring of buffers */
    uint16_t number; /* when the operation has ended; or TACET_NO_BUFFER */
};

/*
 * What the ring and the timers know of an operation: part of an op, or of the task that awaits it. Its address, with a
 * tag in the low bits, is the operation's user_data: it is not reused before its terminal completion and that of its
 * cancel. See inline/op.h.
 */
struct tacet_request {
    union {
        uint32_t timer_slot;               /* of a sleep in flight, or a deadline: see executor/timers.h */
        uint32_t place;                    /* with TACET_OP_LIMITED: see ring/admission.c */
        int32_t closes;                    /* of a close: the descriptor */
        struct tacet_chosen_buffer buffer; /* of what is read into one that the kernel chooses */
    };
    uint8_t state;
    uint8_t tag;
    uint8_t opcode;
    uint8_t attention; /* bits of enum tacet_op_attention; 0: its completion goes the short way */
} __attribute__((aligned(8)));

/* Legal successors of each state, as a bit mask. ... -> EXITED, and READY -> SUSPENDED: the executor is destroyed. */
static const uint8_t tacet_task_successors[TACET_TASK_STATE_COUNT] = {
    /* IDLE */ 1 << TACET_TASK_PENDING,
    /* PENDING */ 1 << TACET_TASK_RUNNING | 1 << TACET_TASK_EXITED,
    /* READY */ 1 << TACET_TASK_RUNNING | 1 << TACET_TASK_SUSPENDED | 1 << TACET_TASK_EXITED,
    /* RUNNING */ 1 << TACET_TASK_READY | 1 << TACET_TASK_SUSPENDED | 1 << TACET_TASK_EXITED,
    /* SUSPENDED */ 1 << TACET_TASK_READY | 1 << TACET_TASK_EXITED,
    /* EXITED */ 1 << TACET_TASK_PENDING,
};

/* What few tasks need; the first part of it. Made when it is first needed, gone with the task. */
struct tacet_task_extra {
    struct tacet_op *completed; /* a ring of ops to be reaped, by its newest, or NULL */
    uint32_t ops_initiated;     /* started for the task, not completed, and not what it waits for */
    uint32_t held; /* reasons for which it must not leave the executor where it is, which is not its home */
    struct tacet_executor *home; /* where it was attached, while it is away from there, else NULL */
    struct stand_in *stand_in;   /* what takes its place there; NULL: it was never away */
    struct tacet_task *task;     /* whose part it is */
    uint64_t deadline_ns;        /* valid unless deadline.state is TACET_OP_IDLE: see task/deadline.c */
    struct tacet_request deadline;
};

/*
 * See tacet_task_init(). What a resumption and an await touch stands in the first 64 bytes. 120 in all: a million of
 * suspended tasks is what this is for.
 */
struct tacet_task {
    struct tacet_runnable runnable; /* its kind is the first member of the switcher's table */
    struct tacet_level *level;      /* that of `priority` in its executor's ready queue; NULL: never attached */
    uint8_t state;
    uint8_t attention; /* bits of enum tacet_task_attention; 0: it suspends the short way */
    uint8_t wait;      /* enum tacet_wait */
    uint8_t at_once;   /* counts awaits that did not go through the loop; wraps */
    uint16_t ioprio;   /* for the SQE; 0 is the default class */
    uint8_t priority;
    uint8_t flags;                /* enum tacet_task_flags */
    struct tacet_request request; /* what it awaits without an op of the caller's */
    void *context;                /* the coroutine's handle, the body's argument */
    tacet_result result;          /* what the wait ended with; when it has exited, what its body returned */
    void *waiting_for;            /* for kinds of waits that say so */
    union {
        struct tacet_list_node wait_node; /* in the list of what it waits for */
        tacet_result waited;              /* of the task that it has waited for */
        struct tacet_file *file;          /* what the end of its request means something for */
        struct msghdr *message;           /* that it receives; it may bring descriptors */
        uint16_t buffer;                  /* the number of that of a pool which its request uses */
    };
    struct tacet_list_node attached_node; /* in the executor's list of tasks */
    struct tacet_list_node *waiters;      /* a ring of the wait_nodes of those that wait for its exit, or NULL */
    struct tacet_task_extra *extra;       /* or NULL */
    uintptr_t signals;                    /* from other threads: see executor/signals.h; 0: none */
};

/* Makes a task that can be attached. Field by field: a fifth of the time of spawning a coroutine was the zeroing. */
static inline void tacet_task_init(struct tacet_task *task, const struct tacet_runnable_kind *kind)
{
    task->runnable.kind = kind;
    task->level = NULL;
    task->state = TACET_TASK_IDLE;
    task->attention = 0;
    task->wait = TACET_WAIT_TO_THE_END;
    task->at_once = 0;
    task->ioprio = 0;
    task->priority = TACET_PRIORITY_NORMAL;
    task->flags = 0;
    task->request.state = 0;
    task->request.attention = 0;
    task->waiting_for = NULL;
    task->waiters = NULL;
    task->extra = NULL;
    task->signals = 0;
}

/* relaxed: who acts on what it reads here checks it again on the owner's thread */
static inline void tacet_task_set_state(struct tacet_task *task, enum tacet_task_state state)
{
    __atomic_store_n(&task->state, (uint8_t)state, __ATOMIC_RELAXED);
}

static inline void tacet_task_transition(struct tacet_task *task, enum tacet_task_state from, enum tacet_task_state to)
{
    TACET_ASSERT(task->state == from);
    TACET_ASSERT(tacet_task_successors[from] & 1 << to);
    (void)from;
    tacet_task_set_state(task, to);
}

#ifdef __cplusplus
}
#endif

#endif
