/*
 * The ready queue and its nodes, inlined into C and C++ alike. Layout is not API.
 *
 * Whatever can be resumed is a runnable: a task (of any switcher), a completed callback op. To resume it is a queue pop
 * and one indirect call, whoever is behind it.
 *
 * Owner thread only. Invariant: bit p of `nonempty` is set exactly when fifo[p] has a runnable; `last` of an empty FIFO
 * points to its `first`, so that a push never branches.
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
    struct tacet_runnable *first;
    struct tacet_runnable **last;
};

struct tacet_ready {
    unsigned nonempty;
    struct tacet_fifo fifo[TACET_PRIORITY_COUNT];
};

static inline void tacet_ready_init(struct tacet_ready *ready)
{
    ready->nonempty = 0;
    for (unsigned p = 0; p < TACET_PRIORITY_COUNT; p++) {
        ready->fifo[p].first = NULL;
        ready->fifo[p].last = &ready->fifo[p].first;
    }
}

static inline void tacet_ready_push(struct tacet_ready *ready, unsigned priority, struct tacet_runnable *runnable)
{
    struct tacet_fifo *fifo = &ready->fifo[priority];
    runnable->next = NULL;
    *fifo->last = runnable;
    fifo->last = &runnable->next;
    ready->nonempty |= 1u << priority;
}

/* The highest level that has a runnable. The queue must not be empty. */
static inline unsigned tacet_ready_level(const struct tacet_ready *ready)
{
    TACET_ASSERT(ready->nonempty != 0);
    return (unsigned)__builtin_ctz(ready->nonempty);
}

static inline struct tacet_runnable *tacet_ready_pop(struct tacet_ready *ready, unsigned priority)
{
    struct tacet_fifo *fifo = &ready->fifo[priority];
    struct tacet_runnable *runnable = fifo->first;
    TACET_ASSERT(runnable != NULL);
    fifo->first = runnable->next;
    if (runnable->next == NULL) {
        fifo->last = &fifo->first;
        ready->nonempty &= ~(1u << priority);
    }
    return runnable;
}

#ifdef __cplusplus
}
#endif

#endif
