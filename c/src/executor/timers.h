/*
 * Timers, earliest deadline first. A timer is a request: that of a sleep, or of a deadline. It knows its slot.
 *
 * Up to some thousand are a 4-ary heap in an array. Where there are more, those that are not due soon lie in buckets, unordered:
 * level l has 64 of them, each 2^20 * 64^l ns wide. A bucket is poured out, into lower levels or the heap, before its first
 * timer can be the earliest. So adding and cancelling touch a few cache lines, however many timers there are, and the heap
 * stays small.
 *
 * Owner thread only. Invariants: slots[i].deadline_ns >= slots[(i - 1) / 4].deadline_ns for i < near; the heap is empty only if
 * there are no timers; no bucket starts before slots[0].deadline_ns, nor at it; request->timer_slot says where it lies;
 * count + held <= capacity. Room is made when a timer is added, before its task suspends: expiring and cancelling never fail.
 */
#ifndef EXECUTOR_TIMERS_H
#define EXECUTOR_TIMERS_H

#include <tacet/inline/op.h>

struct timer_slot {
    uint64_t deadline_ns;
    struct tacet_request *request;
};

struct timer_buckets;

struct timers {
    struct timer_slot *slots;      /* the heap; there is room in it for all timers */
    uint32_t near;                 /* in the heap */
    uint32_t count, capacity;      /* of all */
    uint32_t held;                 /* slots kept for timers that have expired and may be added anew */
    struct timer_buckets *buckets; /* NULL while there are few */
};

tacet_result timers_init(struct timers *timers, uint32_t reserved);
void timers_finish(struct timers *timers);
tacet_result timers_add(struct timers *timers, uint64_t deadline_ns, struct tacet_request *request);
void timers_remove(struct timers *timers, struct tacet_request *request);

/* TACET_FOREVER when there is none. */
static inline uint64_t timers_next_ns(const struct timers *timers)
{
    return timers->count > 0 ? timers->slots[0].deadline_ns : TACET_FOREVER;
}

#endif
