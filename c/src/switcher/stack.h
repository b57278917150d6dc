/*
 * Stacks: carved from large mappings, guarded below, pooled.
 *
 *     | guard page | usable bytes ........... top |  guard page | usable ... |      one mapping, MAP_NORESERVE
 *
 * THREAD-SAFE (a mutex: creation and destruction of tasks only, never a switch). Invariants: each slot that was carved is
 * either a task's or among its class's free ones, for all of which there is room in `free`; free_bytes counts the free ones
 * that have kept their memory. Nothing is written into a free stack: those that gave their memory back have none.
 */
#ifndef SWITCHER_STACK_H
#define SWITCHER_STACK_H

#include <tacet/switcher.h>

#include <pthread.h>

/* Usable bytes 2^STACK_CLASS_MIN .. 2^(STACK_CLASS_MIN + STACK_CLASSES - 1): 16 KiB to 256 MiB. */
#define STACK_CLASS_MIN 14
#define STACK_CLASSES 15
#define STACK_BYTES_MAX ((size_t)1 << (STACK_CLASS_MIN + STACK_CLASSES - 1))

/* Of the smallest power of two that holds so many bytes: its binary logarithm. */
static inline unsigned stack_bits(size_t bytes)
{
    return bytes <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(bytes - 1);
}

/* Of a guard: a page, which on AArch64 may have 64 KiB. */
size_t stack_guard_bytes(void);

/* The usable bytes are [base, base + bytes); the page below base is the guard. */
struct stack {
    char *base;
    size_t bytes;
};

/* The base of a free stack; its lowest bit: the memory has been given back. */
typedef uintptr_t stack_free;

struct stack_class {
    stack_free *free; /* the one freed last is used first */
    size_t free_count, free_max;
    char *carve_next, *carve_end; /* in the newest mapping of the class */
    struct stack_mapping *mapping;
};

struct stack_mapping {
    struct stack_mapping *next;
    char *base;
    size_t bytes;
    unsigned *valgrind_ids; /* of the stacks in it; NULL where Valgrind does not run */
    size_t valgrind_count;
};

/* Why the last stack was refused. */
enum stack_refusal {
    STACK_NOT_REFUSED,
    STACK_TOO_LARGE,
    STACK_WITHOUT_MEMORY,
    STACK_WITHOUT_ADDRESSES,
    STACK_WITHOUT_GUARD,
};

struct stack_pool {
    pthread_mutex_t mutex;
    enum stack_refusal refusal;
    size_t free_bytes;
    size_t mapped_bytes;
    struct stack_mapping *mappings;
    struct stack_class classes[STACK_CLASSES];
};

/* bytes 0: the options'. -EINVAL: too large; -ENOMEM. With an allocator of the user's, stacks are his, and not pooled. */
tacet_result stack_take(struct stack_pool *pool, const struct tacet_switcher_options *options, struct stack *stack,
                        size_t bytes);
void stack_give(struct stack_pool *pool, const struct tacet_switcher_options *options, const struct stack *stack);

/* In words; "" where none was refused. */
const char *stack_pool_explain(struct stack_pool *pool);

/* No stack may be in use. */
void stack_pool_finish(struct stack_pool *pool);

#endif
