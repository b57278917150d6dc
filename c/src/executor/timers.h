/*
 * Timers: a 4-ary heap in an array, earliest deadline first. A timer is the request of a sleep, which knows its slot.
 *
 * Owner thread only. Invariants: slots[i].deadline_ns >= slots[(i - 1) / 4].deadline_ns; slots[i].request->timer_slot == i;
 * count + held <= capacity. Room is made when a timer is added, before its task suspends: expiring and cancelling never fail.
 */
#ifndef EXECUTOR_TIMERS_H
#define EXECUTOR_TIMERS_H

#include <tacet/inline/op.h>

struct timer_slot {
    uint64_t deadline_ns;
    struct tacet_request *request;
};

struct timers {
    struct timer_slot *slots;
    uint32_t count, capacity;
    uint32_t held; /* slots kept for timers that have expired and may be added anew */
};

tacet_result timers_init(struct timers *timers, uint32_t reserved);
void timers_finish(struct timers *timers);
tacet_result timers_add(struct timers *timers, uint64_t deadline_ns, struct tacet_request *request);
void timers_remove(struct timers *timers, struct tacet_request *request);

/* Keeps a slot: the caller's next timers_add() after giving up `held` does not fail. 0 or -ENOMEM. */
tacet_result timers_hold(struct timers *timers);

/* TACET_FOREVER when there is none. */
static inline uint64_t timers_next_ns(const struct timers *timers)
{
    return timers->count > 0 ? timers->slots[0].deadline_ns : TACET_FOREVER;
}

#endif
