/*
 * A buffer of a pool as the inlined paths see it. `data` and `bytes` are for users; the rest of the layout is not API.
 *
 * Whether the kernel knows a buffer by its number is decided when the SQE is filled; the core knows the operation as READ_FIXED
 * or WRITE_FIXED either way. Invariant: a buffer is free only if no operation uses it.
 */
#ifndef TACET_INLINE_BUFFER_H
#define TACET_INLINE_BUFFER_H

#include <tacet/inline/compat.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tacet_buffer_pool;
struct tacet_executor;

enum tacet_buffer_size {
    TACET_BUFFER_SMALL,
    TACET_BUFFER_LARGE,
    TACET_BUFFER_SIZE_COUNT,
};

enum tacet_buffer_state {
    TACET_BUFFER_FREE,
    TACET_BUFFER_CLAIMED,
    TACET_BUFFER_RETURNING, /* released, and comes back when no operation uses it any more */
};

struct tacet_buffer {
    void *data;
    size_t bytes;
    struct tacet_buffer_pool *pool;
    struct tacet_executor *executor; /* NULL: gone */
    struct tacet_buffer *next;       /* while free: in the list of those of its size */
    uint32_t in_flight;              /* operations that use it */
    uint16_t number;
    uint8_t state; /* enum tacet_buffer_state */
    uint8_t size;  /* enum tacet_buffer_size */
};

static inline bool tacet_buffer_fits(const struct tacet_buffer *buffer, size_t at, size_t bytes)
{
    return buffer != NULL && buffer->state == TACET_BUFFER_CLAIMED && at <= buffer->bytes &&
           bytes <= buffer->bytes - at;
}

#ifdef __cplusplus
}
#endif

#endif
