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

#if defined(__x86_64__)

#define SHORT_BYTES_MAX 1024

typedef uint64_t copy_8 __attribute__((aligned(1), may_alias));
typedef long long copy_16 __attribute__((vector_size(16), aligned(1), may_alias));
typedef long long copy_32 __attribute__((vector_size(32), aligned(1), may_alias));

/* count, a constant: of blocks of 32 bytes. */
__attribute__((target("avx"), always_inline)) static inline void copy_blocks(char **to, const char **from, int count)
{
    for (int i = 0; i < count; i++) {
        copy_32 block = ((const copy_32 *)*from)[i];
        __asm__ volatile("" : "+x"(block)); /* else the loop becomes a call of the C library's copy */
        ((copy_32 *)*to)[i] = block;
    }
    *to += 32 * count;
    *from += 32 * count;
}

/*
 * Frames are short, and were written a few instructions ago by narrow stores, which wide loads wait for: the C library's copy by
 * 64-byte registers took 10 to 30 % longer for a whole switch. By powers of two, since a loop's end is mispredicted. bytes: a
 * multiple of 8.
 */
__attribute__((target("avx"), noinline)) static void copy_short(char *to, const char *from, size_t bytes)
{
    if (bytes & 8) {
        *(copy_8 *)to = *(const copy_8 *)from;
        to += 8;
        from += 8;
    }
    if (bytes & 16) {
        *(copy_16 *)to = *(const copy_16 *)from;
        to += 16;
        from += 16;
    }
    if (bytes & 32)
        copy_blocks(&to, &from, 1);
    if (bytes & 64)
        copy_blocks(&to, &from, 2);
    if (bytes & 128)
        copy_blocks(&to, &from, 4);
    for (size_t left = bytes / 256; left > 0; left--)
        copy_blocks(&to, &from, 8);
}

static inline void copy_frames(char *to, const char *from, size_t bytes)
{
    if (TACET_LIKELY(bytes <= SHORT_BYTES_MAX) && __builtin_cpu_supports("avx"))
        copy_short(to, from, bytes);
    else
        memcpy(to, from, bytes);
}

#else

static inline void copy_frames(char *to, const char *from, size_t bytes)
{
    memcpy(to, from, bytes);
}

#endif

static inline void copy_out(char *buffer, const char *from, size_t live_bytes)
{
    copy_frames(buffer, from, live_bytes);
}

static inline void copy_in(const char *base, char *to, const char *buffer, size_t live_bytes)
{
    (void)base;
    valgrind_forget(to, live_bytes);
    copy_frames(to, buffer, live_bytes);
}

#endif

/* So that who still follows a pointer to what was here finds out at once. */
static inline void copy_overwrite(char *from, char *end)
{
    memset(from, 0xA5, (size_t)(end - from));
}

#endif
