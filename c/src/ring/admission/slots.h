/*
 * Numbered places of one size, which grow by doubling, and so move: whoever takes one looks its pointers up again. Free ones are
 * a list, whose links are the first four bytes of each. New ones are zeroed.
 */
#ifndef RING_ADMISSION_SLOTS_H
#define RING_ADMISSION_SLOTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
#define SLOTS_MAX (1u << 29) /* the two highest bits of an index are others' */

struct slots {
    void *places;
    uint32_t bytes; /* of a place, at least four */
    uint32_t count; /* of places, free ones too */
    uint32_t free;  /* the first one, or NONE */
};

static inline struct slots slots_of(size_t bytes)
{
    return (struct slots){.bytes = (uint32_t)bytes, .free = NONE};
}

static inline void *slots_at(const struct slots *slots, uint32_t index)
{
    return (char *)slots->places + (size_t)index * slots->bytes;
}

static inline void slots_give(struct slots *slots, uint32_t index)
{
    *(uint32_t *)slots_at(slots, index) = slots->free;
    slots->free = index;
}

static inline bool slots_grow(struct slots *slots)
{
    uint32_t first = slots->count, more = first > 0 ? 2 * first : 16;
    void *larger = more <= SLOTS_MAX ? realloc(slots->places, (size_t)more * slots->bytes) : NULL;
    if (larger == NULL)
        return false;
    slots->places = larger;
    slots->count = more;
    memset(slots_at(slots, first), 0, (size_t)(more - first) * slots->bytes);
    for (uint32_t i = more; i-- > first;)
        slots_give(slots, i);
    return true;
}

/* NONE: no memory. */
static inline uint32_t slots_take(struct slots *slots)
{
    if (slots->free == NONE && !slots_grow(slots))
        return NONE;
    uint32_t index = slots->free;
    slots->free = *(const uint32_t *)slots_at(slots, index);
    return index;
}

#endif
