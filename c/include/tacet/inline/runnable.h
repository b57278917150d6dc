/*
 * The ready queue and its nodes, inlined into C and C++ alike. Layout is not API.
 *
 * Whatever can be resumed is a runnable: a task (of any switcher), a completed callback op. To resume it is a queue pop
 * and one indirect call, whoever is behind it. What comes to an executor from other threads is one too: a task, or a
 * message, which is never resumed.
 *
 * Owner thread only. Invariant: bit p of `nonempty` is set exactly when level p has a runnable, which is when its `last`
 * is not NULL; only then is its `first` valid, and `next` of all but the last.
 *
 * The mask is written only when it changes: a read-modify-write in every push and pop is a chain through memory that
 * costs as much as all the rest. A task points to its level, so that a push computes no address.
 */
#ifndef TACET_INLINE_RUNNABLE_H
#define TACET_INLINE_RUNNABLE_H

#include <tacet/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tacet_executor;
struct tacet_runnable;

/* What it is, and how it is resumed. A switcher's table begins with one. */
struct tacet_runnable_kind {
    void (*run)(struct tacet_runnable *runnable);

    /* Of a message: what its arrival means, on the executor's thread. It may be posted anew from there. NULL: a task. */
    void (*accept)(struct tacet_executor *executor, struct tacet_runnable *message);
};

struct tacet_runnable {
    struct tacet_runnable *next;
    const struct tacet_runnable_kind *kind;
};

struct tacet_ready;

struct tacet_level {
    struct tacet_runnable *first, *last;
    struct tacet_ready *ready;
    unsigned bit;
    unsigned may_preempt; /* in the mask: what is to be seen to before more of this level's */
};

struct tacet_ready {
    unsigned nonempty;
    struct tacet_level levels[TACET_PRIORITY_COUNT];
};

/* Beside the levels' bits: the loop is to look up from its work. */
#define TACET_READY_INTERRUPT (1u << 31)

static inline void tacet_ready_init(struct tacet_ready *ready)
{
    ready->nonempty = 0;
    for (unsigned p = 0; p < TACET_PRIORITY_COUNT; p++) {
        ready->levels[p].last = NULL;
        ready->levels[p].ready = ready;
        ready->levels[p].bit = 1u << p;
        ready->levels[p].may_preempt = (ready->levels[p].bit - 1) | TACET_READY_INTERRUPT;
    }
}

static inline void tacet_level_push(struct tacet_level *level, struct tacet_runnable *runnable)
{
    struct tacet_runnable *last = level->last;
    level->last = runnable;
    if (last != NULL) {
        last->next = runnable;
    } else {
        level->first = runnable;
        level->ready->nonempty |= level->bit;
    }
}

static inline bool tacet_ready_empty(const struct tacet_ready *ready)
{
    return (ready->nonempty & ~TACET_READY_INTERRUPT) == 0;
}

/* The highest level that has a runnable. The queue must not be empty. */
static inline unsigned tacet_ready_level(const struct tacet_ready *ready)
{
    TACET_ASSERT(!tacet_ready_empty(ready));
    return (unsigned)__builtin_ctz(ready->nonempty);
}

/* The level must not be empty. */
static inline struct tacet_runnable *tacet_level_pop(struct tacet_level *level)
{
    struct tacet_runnable *runnable = level->first;
    TACET_ASSERT(level->last != NULL && level->ready->nonempty & level->bit);
    if (runnable == level->last) {
        level->last = NULL;
        level->ready->nonempty &= ~level->bit;
    } else {
        level->first = runnable->next;
    }
    return runnable;
}

#ifdef __cplusplus
}
#endif

#endif
