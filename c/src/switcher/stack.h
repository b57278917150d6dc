/*
 * Stacks: carved from large mappings, guarded below, pooled.
 *
 *     | guard page | usable bytes ........... top |  guard page | usable ... |      one mapping, MAP_NORESERVE
 *
 * THREAD-SAFE (a mutex: creation and destruction of tasks only, never a switch). Invariant: each slot that was carved is
 * either a task's or in its class's free list; a free list's links stand at the top of the free stacks.
 */
#ifndef SWITCHER_STACK_H
#define SWITCHER_STACK_H

#include <tacet/switcher.h>

#include <pthread.h>

/* Usable bytes 2^STACK_CLASS_MIN .. 2^(STACK_CLASS_MIN + STACK_CLASSES - 1): 16 KiB to 256 MiB. */
#define STACK_CLASS_MIN 14
#define STACK_CLASSES 15
#define STACK_BYTES_MAX ((size_t)1 << (STACK_CLASS_MIN + STACK_CLASSES - 1))

/* The usable bytes are [base, base + bytes); the page below base is the guard. */
struct stack {
    char *base;
    size_t bytes;
};

struct stack_class {
    char *free; /* top of the first free stack */
    char *carve_next, *carve_end;
};

struct stack_mapping {
    struct stack_mapping *next;
    char *base;
    size_t bytes;
};

struct stack_pool {
    pthread_mutex_t mutex;
    size_t free_bytes;
    size_t mapped_bytes;
    struct stack_mapping *mappings;
    struct stack_class classes[STACK_CLASSES];
};

/* bytes 0: the options'. -EINVAL: too large; -ENOMEM. With an allocator of the user's, stacks are his, and not pooled. */
tacet_result stack_take(struct stack_pool *pool, const struct tacet_switcher_options *options, struct stack *stack,
                        size_t bytes);
void stack_give(struct stack_pool *pool, const struct tacet_switcher_options *options, const struct stack *stack);

/* No stack may be in use. */
void stack_pool_finish(struct stack_pool *pool);

#endif
