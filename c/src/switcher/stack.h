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

#include <tacet/switcher_interface.h>

#include <pthread.h>

/* Usable bytes 2^STACK_CLASS_MIN .. 2^(STACK_CLASS_MIN + STACK_CLASSES - 1): 16 KiB to 256 MiB. */
#define STACK_CLASS_MIN 14
#define STACK_CLASSES 15

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
    size_t default_bytes;
    size_t free_bytes, free_bytes_max;
    struct stack_mapping *mappings;
    struct stack_class classes[STACK_CLASSES];
};

#define STACK_POOL_INIT(default_bytes_, free_bytes_max_)                                                               \
    {                                                                                                                  \
        .mutex = PTHREAD_MUTEX_INITIALIZER, .default_bytes = (default_bytes_), .free_bytes_max = (free_bytes_max_)     \
    }

/* bytes 0: the pool's default. -EINVAL: too large; -ENOMEM. */
tacet_result stack_take(struct stack_pool *pool, struct tacet_stack *stack, size_t bytes);
void stack_give(struct stack_pool *pool, struct tacet_stack *stack);

/* No stack may be in use. */
void stack_pool_finish(struct stack_pool *pool);

#endif
