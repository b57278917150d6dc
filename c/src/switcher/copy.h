/*
 * Copying live frames out and in. With AddressSanitizer the shadow of the frames goes with them, behind them in the save
 * buffer, and nothing is checked meanwhile: frames have red zones, which an instrumented copy would trip over.
 */
#ifndef SWITCHER_COPY_H
#define SWITCHER_COPY_H

#include "switcher/sanitizer.h"

#include <string.h>

#if TACET_ADDRESS_SANITIZER

#define SHADOW_SCALE 8
#define UNCHECKED __attribute__((no_sanitize_address, noinline))

UNCHECKED static void copy_unchecked(char *to, const char *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        ((volatile char *)to)[i] = ((const volatile char *)from)[i];
}

static inline char *shadow_of(const char *address)
{
    size_t scale, offset;
    __asan_get_shadow_mapping(&scale, &offset);
    return (char *)(((uintptr_t)address >> scale) + offset);
}

static inline size_t copy_bytes(size_t live_bytes)
{
    return live_bytes + live_bytes / SHADOW_SCALE + 1;
}

static inline void copy_out(char *buffer, char *from, size_t live_bytes)
{
    copy_unchecked(buffer, from, live_bytes);
    copy_unchecked(buffer + live_bytes, shadow_of(from), live_bytes / SHADOW_SCALE);
    sanitizer_stack_reusable(from, live_bytes);
}

/* base: of the stack; below the frames nothing is live. */
static inline void copy_in(char *base, char *to, const char *buffer, size_t live_bytes)
{
    sanitizer_stack_reusable(base, (size_t)(to - base));
    copy_unchecked(to, buffer, live_bytes);
    copy_unchecked(shadow_of(to), buffer + live_bytes, live_bytes / SHADOW_SCALE);
}

#else

/* What a save buffer needs for so many bytes of frames. */
static inline size_t copy_bytes(size_t live_bytes)
{
    return live_bytes;
}

static inline void copy_out(char *buffer, const char *from, size_t live_bytes)
{
    memcpy(buffer, from, live_bytes);
}

static inline void copy_in(const char *base, char *to, const char *buffer, size_t live_bytes)
{
    (void)base;
    sanitizer_stack_reusable(to, live_bytes);
    memcpy(to, buffer, live_bytes);
}

#endif

/* So that who still follows a pointer to what was here finds out at once. */
static inline void copy_overwrite(char *from, char *end)
{
    memset(from, 0xA5, (size_t)(end - from));
}

#endif
