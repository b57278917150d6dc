/*
 * The whole of an executor, behind the part that inlined code sees.
 *
 * It lies in pages of its own that a forked child gets zeroed: there, owner is NULL, and every call returns -EPERM.
 */
#ifndef EXECUTOR_EXECUTOR_H
#define EXECUTOR_EXECUTOR_H

#include "executor/timers.h"
#include "ring/ring.h"

#include <tacet/executor.h>

struct executor {
    struct tacet_executor shared; /* first: see executor_of() */
    const void *owner;            /* identity of the thread that may use it */
    struct executor *next_here;   /* in the list of the thread's living executors */
    struct ring ring;
    struct timers timers;
    bool running;              /* inside run */
    bool closing;              /* being destroyed: nothing is started any more */
    bool stopping;             /* the present run is to return */
    bool deadlocked;           /* because a task cannot go on before it has */
    uint64_t refused_since_ns; /* since when the kernel takes nothing while nothing is in flight; 0: it does */
    uint64_t submitted_when_refused;
    uint64_t control_words; /* of the floating-point unit, as the present run found them */
    int *errno_location;    /* of its thread */
    struct tacet_runnable
        *buried; /* exited tasks, by `next`, that are to be destroyed when no stack of theirs is in use */
    uint64_t items;
    uint64_t tick;      /* accounting: when the last resumption ended */
    uint64_t exit_tick; /* accounting: when the task that was just resumed exited, or 0 */
    uint64_t ticks_in_tasks, ticks_in_ring, ticks_asleep;
    struct tacet_list_node bounces; /* see op/bounce.h */
    void (*report)(void *report_arg, const char *line);
    void *report_arg;
    char config[384];
};

static inline struct executor *executor_of(const struct tacet_executor *shared)
{
    return (struct executor *)shared;
}

/* Its address tells threads apart, at the cost of an instruction. */
extern _Thread_local char executor_thread_identity __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Whether this thread is the executor's. False in a forked child. */
static inline bool executor_is_mine(const struct executor *executor)
{
    return executor->owner == &executor_thread_identity;
}

/*
 * Whether the address is that of a living executor of this thread. It is not followed: what it points to may be gone.
 */
bool executor_lives_here(const struct tacet_executor *executor);

/* The first of this thread's living executors; `next_here` leads on. Also for the handler of a signal. */
const struct executor *executor_first_here(void);

/*
 * Submits, and waits if wait_nr > 0. What the kernel refuses is tried again later; after a second of that with nothing
 * in flight, the queued operations end with -ENOMEM. 0, or an error of the ring that trying again does not mend.
 */
tacet_result executor_enter(struct executor *executor, unsigned wait_nr, uint64_t timeout_ns);

/* The present run is to return -EDEADLK: its caller occupies what the running task needs. */
void executor_deadlock(struct executor *executor);

/* The exited task is destroyed as soon as the run loop has the processor. */
void executor_bury(struct executor *executor, struct tacet_task *task);

#endif
