/* See timers.h. An array heap, because pairing heaps and trees pay a cache miss for every link they follow. */
#include "executor/timers.h"

#include <stdlib.h>

#define ARITY 4u
#define RESERVED_DEFAULT 64u

tacet_result timers_init(struct timers *timers, uint32_t reserved)
{
    timers->count = timers->held = 0;
    timers->capacity = reserved > 0 ? reserved : RESERVED_DEFAULT;
    timers->slots = malloc(timers->capacity * sizeof *timers->slots);
    return timers->slots != NULL ? 0 : -ENOMEM;
}

void timers_finish(struct timers *timers)
{
    free(timers->slots);
}

static void put(struct timers *timers, uint32_t slot, struct timer_slot timer)
{
    timers->slots[slot] = timer;
    timer.request->timer_slot = slot;
}

/* Moves the hole at slot up until the timer may stand in it. */
static void sift_up(struct timers *timers, uint32_t slot, struct timer_slot timer)
{
    while (slot > 0) {
        uint32_t parent = (slot - 1) / ARITY;
        if (timers->slots[parent].deadline_ns <= timer.deadline_ns)
            break;
        put(timers, slot, timers->slots[parent]);
        slot = parent;
    }
    put(timers, slot, timer);
}

static void sift_down(struct timers *timers, uint32_t slot, struct timer_slot timer)
{
    for (;;) {
        uint32_t first = slot * ARITY + 1, end = first + ARITY, earliest = first;
        if (first >= timers->count)
            break;
        if (end > timers->count)
            end = timers->count;
        for (uint32_t child = first + 1; child < end; child++)
            if (timers->slots[child].deadline_ns < timers->slots[earliest].deadline_ns)
                earliest = child;
        if (timer.deadline_ns <= timers->slots[earliest].deadline_ns)
            break;
        put(timers, slot, timers->slots[earliest]);
        slot = earliest;
    }
    put(timers, slot, timer);
}

static tacet_result grow(struct timers *timers)
{
    if (timers->capacity > UINT32_MAX / (2 * ARITY))
        return -ENOMEM;
    struct timer_slot *slots = realloc(timers->slots, 2 * (size_t)timers->capacity * sizeof *slots);
    if (slots == NULL)
        return -ENOMEM;
    timers->slots = slots;
    timers->capacity *= 2;
    return 0;
}

static tacet_result make_room(struct timers *timers)
{
    return timers->count + timers->held < timers->capacity ? 0 : grow(timers);
}

tacet_result timers_add(struct timers *timers, uint64_t deadline_ns, struct tacet_request *request)
{
    tacet_result r = make_room(timers);
    if (r == 0)
        sift_up(timers, timers->count++, (struct timer_slot){deadline_ns, request});
    return r;
}

tacet_result timers_hold(struct timers *timers)
{
    tacet_result r = make_room(timers);
    if (r == 0)
        timers->held++;
    return r;
}

void timers_remove(struct timers *timers, struct tacet_request *request)
{
    uint32_t slot = request->timer_slot;
    TACET_ASSERT(slot < timers->count && timers->slots[slot].request == request);
    struct timer_slot last = timers->slots[--timers->count];
    if (slot == timers->count)
        return;
    if (slot > 0 && last.deadline_ns < timers->slots[(slot - 1) / ARITY].deadline_ns)
        sift_up(timers, slot, last);
    else
        sift_down(timers, slot, last);
}
