/*
 * The ready queue and its nodes, inlined into C and C++ alike. Layout is not API.
 *
 * Whatever can be resumed is a runnable: a task (of any switcher), a completed callback op. To resume it is a queue pop
 * and one indirect call, whoever is behind it.
 *
 * Owner thread only. Invariant: bit p of `nonempty` is set exactly when fifo[p] has a runnable; only then are its `first`
 * and `last` valid, and `next` of all but the last.
 *
 * The mask is written only when it changes: a read-modify-write in every push and pop is a chain through memory that
 * costs as much as all the rest.
 */
#ifndef TACET_INLINE_RUNNABLE_H
#define TACET_INLINE_RUNNABLE_H

#include <tacet/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tacet_runnable {
    struct tacet_runnable *next;
    void (*run)(struct tacet_runnable *runnable);
};

struct tacet_fifo {
    struct tacet_runnable *first, *last;
};

struct tacet_ready {
    unsigned nonempty;
    struct tacet_fifo fifo[TACET_PRIORITY_COUNT];
};

static inline void tacet_ready_push(struct tacet_ready *ready, unsigned priority, struct tacet_runnable *runnable)
{
    struct tacet_fifo *fifo = &ready->fifo[priority];
    const unsigned bit = 1u << priority;
    if (ready->nonempty & bit) {
        fifo->last->next = runnable;
    } else {
        fifo->first = runnable;
        ready->nonempty |= bit;
    }
    fifo->last = runnable;
}

/* The highest level that has a runnable. The queue must not be empty. */
static inline unsigned tacet_ready_level(const struct tacet_ready *ready)
{
    TACET_ASSERT(ready->nonempty != 0);
    return (unsigned)__builtin_ctz(ready->nonempty);
}

/* The level must not be empty. */
static inline struct tacet_runnable *tacet_ready_pop(struct tacet_ready *ready, unsigned priority)
{
    struct tacet_fifo *fifo = &ready->fifo[priority];
    struct tacet_runnable *runnable = fifo->first;
    TACET_ASSERT(ready->nonempty & 1u << priority);
    if (runnable == fifo->last)
        ready->nonempty &= ~(1u << priority);
    else
        fifo->first = runnable->next;
    return runnable;
}

#ifdef __cplusplus
}
#endif

#endif
