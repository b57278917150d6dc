/*
 * A hoard: tasks that a worker has laid aside for itself, oldest first, and that others may take from it.
 *
 * `ends` holds both ends, as wrapping counters, so that one change takes one task or many. The worker pops without a lock.
 * Only who holds the dispatcher's mutex puts and steals: so what a slot holds does not change while somebody else reads it.
 */
#ifndef DISPATCHER_HOARD_H
#define DISPATCHER_HOARD_H

#include <tacet/inline/task.h>

#define HOARD_SLOTS 64u

struct hoard {
    uint64_t ends; /* below: the oldest; above: behind the newest */
    struct tacet_task *slots[HOARD_SLOTS];
};

static inline uint32_t hoard_count_of(uint64_t ends)
{
    return (uint32_t)(ends >> 32) - (uint32_t)ends;
}

static inline uint32_t hoard_count(const struct hoard *hoard)
{
    return hoard_count_of(__atomic_load_n(&hoard->ends, __ATOMIC_RELAXED));
}

/* Without the n oldest. */
static inline uint64_t hoard_without(uint64_t ends, uint32_t n)
{
    return (ends & ~(uint64_t)UINT32_MAX) | (uint32_t)((uint32_t)ends + n);
}

/* The worker. What the tasks hold came to it by the mutex, so nothing is to be ordered but the change itself. */
static inline struct tacet_task *hoard_pop(struct hoard *hoard)
{
    uint64_t ends = __atomic_load_n(&hoard->ends, __ATOMIC_RELAXED);
    while (hoard_count_of(ends) > 0) {
        struct tacet_task *task = hoard->slots[(uint32_t)ends % HOARD_SLOTS];
        if (__atomic_compare_exchange_n(&hoard->ends, &ends, hoard_without(ends, 1), false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED))
            return task;
    }
    return NULL;
}

/* The worker, under the mutex, so that nobody steals meanwhile; there is room. */
static inline void hoard_put(struct hoard *hoard, struct tacet_task *task)
{
    uint64_t ends = __atomic_load_n(&hoard->ends, __ATOMIC_RELAXED);
    TACET_ASSERT(hoard_count_of(ends) < HOARD_SLOTS);
    hoard->slots[(uint32_t)(ends >> 32) % HOARD_SLOTS] = task;
    __atomic_store_n(&hoard->ends, ends + ((uint64_t)1 << 32), __ATOMIC_RELAXED);
}

/* Another worker, under the mutex: the older half, at least one if there is one. How many. */
static inline uint32_t hoard_steal(struct hoard *hoard, struct tacet_task *stolen[HOARD_SLOTS])
{
    uint64_t ends = __atomic_load_n(&hoard->ends, __ATOMIC_RELAXED);
    uint32_t n;
    do {
        n = (hoard_count_of(ends) + 1) / 2;
        for (uint32_t i = 0; i < n; i++)
            stolen[i] = hoard->slots[((uint32_t)ends + i) % HOARD_SLOTS];
    } while (n > 0 && !__atomic_compare_exchange_n(&hoard->ends, &ends, hoard_without(ends, n), false, __ATOMIC_RELAXED,
                                                   __ATOMIC_RELAXED));
    return n;
}

#endif
