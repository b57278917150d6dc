/*
 * See timers.h. The heap is an array, because pairing heaps and trees pay a cache miss for every link they follow; but with a
 * million timers each level of an array costs one too, in the request whose slot changes: hence the buckets.
 *
 * Buckets are counted from `base`: a timer lies at the level of the highest digit (of 6 bits) in which its deadline differs from
 * it. At each level only buckets after base's own have timers, and all of a lower level come before those of a higher one.
 */
#include "executor/timers.h"

#include <stdlib.h>

#define ARITY 4u
#define RESERVED_DEFAULT 64u
#define NEAR_MAX 1024u /* of few timers all are in the heap */

#define TICK_BITS 20u /* the narrowest bucket: a millisecond */
#define DIGIT_BITS 6u
#define DIGITS (1u << DIGIT_BITS)
#define LEVELS 8u
#define BUCKETS_OF_ALL (LEVELS * DIGITS)

/* A request's timer_slot: the heap's, or IN_BUCKET, the bucket, and the place therein. */
#define IN_BUCKET 0x80000000u
#define PLACE_BITS 22u
#define PLACES (1u << PLACE_BITS)

struct bucket {
    struct timer_slot *slots;
    uint32_t count, capacity;
};

struct timer_buckets {
    uint64_t base;
    uint32_t count;            /* timers in buckets */
    uint64_t nonempty[LEVELS]; /* bit i: bucket i of the level has timers */
    struct bucket buckets[BUCKETS_OF_ALL];
};

tacet_result timers_init(struct timers *timers, uint32_t reserved)
{
    *timers = (struct timers){.capacity = reserved > 0 ? reserved : RESERVED_DEFAULT};
    timers->slots = malloc(timers->capacity * sizeof *timers->slots);
    return timers->slots != NULL ? 0 : -ENOMEM;
}

void timers_finish(struct timers *timers)
{
    for (unsigned i = 0; timers->buckets != NULL && i < BUCKETS_OF_ALL; i++)
        free(timers->buckets->buckets[i].slots);
    free(timers->buckets);
    free(timers->slots);
}

/* --- The heap --- */

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
        if (first >= timers->near)
            break;
        if (end > timers->near)
            end = timers->near;
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

static void heap_remove(struct timers *timers, uint32_t slot)
{
    struct timer_slot last = timers->slots[--timers->near];
    if (slot == timers->near)
        return;
    if (slot > 0 && last.deadline_ns < timers->slots[(slot - 1) / ARITY].deadline_ns)
        sift_up(timers, slot, last);
    else
        sift_down(timers, slot, last);
}

/* --- The buckets --- */

static bool bucket_has_room(struct bucket *bucket)
{
    if (bucket->count < bucket->capacity)
        return true;
    uint32_t capacity = bucket->capacity > 0 ? 2 * bucket->capacity : 16;
    struct timer_slot *slots = capacity <= PLACES ? realloc(bucket->slots, capacity * sizeof *slots) : NULL;
    if (slots == NULL)
        return false;
    bucket->slots = slots;
    bucket->capacity = capacity;
    return true;
}

/* Not where it is due soon, nor without memory: then it belongs into the heap. */
static bool bucket_add(struct timer_buckets *buckets, struct timer_slot timer)
{
    uint64_t differs = (timer.deadline_ns ^ buckets->base) >> TICK_BITS;
    if (timer.deadline_ns < buckets->base || differs == 0)
        return false;
    unsigned level = (63u - (unsigned)__builtin_clzll(differs)) / DIGIT_BITS;
    unsigned digit = timer.deadline_ns >> (TICK_BITS + level * DIGIT_BITS) & (DIGITS - 1);
    uint32_t number = level * DIGITS + digit;
    struct bucket *bucket = &buckets->buckets[number];
    if (!bucket_has_room(bucket))
        return false;
    timer.request->timer_slot = IN_BUCKET | number << PLACE_BITS | bucket->count;
    bucket->slots[bucket->count++] = timer;
    buckets->nonempty[level] |= (uint64_t)1 << digit;
    buckets->count++;
    return true;
}

static void note_removed(struct timer_buckets *buckets, uint32_t number, uint32_t count)
{
    buckets->count -= count;
    if (buckets->buckets[number].count == 0)
        buckets->nonempty[number / DIGITS] &= ~((uint64_t)1 << number % DIGITS);
}

static void bucket_remove(struct timer_buckets *buckets, uint32_t timer_slot)
{
    uint32_t number = (timer_slot & ~IN_BUCKET) >> PLACE_BITS, place = timer_slot & (PLACES - 1);
    struct bucket *bucket = &buckets->buckets[number];
    struct timer_slot last = bucket->slots[--bucket->count];
    if (place != bucket->count) {
        bucket->slots[place] = last;
        last.request->timer_slot = timer_slot;
    }
    note_removed(buckets, number, 1);
}

/* The first bucket that has timers; there are some. */
static uint32_t first_bucket(const struct timer_buckets *buckets, uint64_t *start_ns)
{
    unsigned level = 0;
    while (buckets->nonempty[level] == 0)
        level++;
    unsigned digit = (unsigned)__builtin_ctzll(buckets->nonempty[level]);
    unsigned shift = TICK_BITS + level * DIGIT_BITS;
    uint64_t above = level + 1 < LEVELS ? buckets->base >> (shift + DIGIT_BITS) << (shift + DIGIT_BITS) : 0;
    *start_ns = above | (uint64_t)digit << shift;
    return level * DIGITS + digit;
}

static void pour_out(struct timers *timers, uint32_t number)
{
    struct timer_buckets *buckets = timers->buckets;
    struct bucket poured = buckets->buckets[number];
    buckets->buckets[number] = (struct bucket){0};
    note_removed(buckets, number, poured.count);
    for (uint32_t i = 0; i < poured.count; i++) {
        if (i + 8 < poured.count)
            __builtin_prefetch(poured.slots[i + 8].request, 1);
        if (!bucket_add(buckets, poured.slots[i]))
            sift_up(timers, timers->near++, poured.slots[i]);
    }
    free(poured.slots);
}

/* Until the earliest of all is the heap's. */
static void settle(struct timers *timers)
{
    struct timer_buckets *buckets = timers->buckets;
    while (buckets != NULL && buckets->count > 0) {
        uint64_t start_ns;
        uint32_t number = first_bucket(buckets, &start_ns);
        if (timers->near > 0 && timers->slots[0].deadline_ns < start_ns)
            return;
        buckets->base = start_ns;
        pour_out(timers, number);
    }
}

/* NULL where it is not worth it. While they are empty they may begin anywhere. */
static struct timer_buckets *buckets_for_add(struct timers *timers)
{
    if (timers->near < NEAR_MAX)
        return NULL;
    if (timers->buckets == NULL)
        timers->buckets = calloc(1, sizeof *timers->buckets);
    if (timers->buckets != NULL && timers->buckets->count == 0)
        timers->buckets->base = timers->slots[0].deadline_ns;
    return timers->buckets;
}

/* --- Both --- */

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
    if (r < 0)
        return r;
    timers->count++;
    struct timer_slot timer = {deadline_ns, request};
    struct timer_buckets *buckets = buckets_for_add(timers);
    if (buckets != NULL && bucket_add(buckets, timer))
        settle(timers);
    else
        sift_up(timers, timers->near++, timer);
    return 0;
}

void timers_remove(struct timers *timers, struct tacet_request *request)
{
    uint32_t slot = request->timer_slot;
    timers->count--;
    if (slot & IN_BUCKET) {
        bucket_remove(timers->buckets, slot);
        return;
    }
    TACET_ASSERT(slot < timers->near && timers->slots[slot].request == request);
    heap_remove(timers, slot);
    settle(timers);
}
