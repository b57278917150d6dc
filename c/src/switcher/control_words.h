/*
 * The floating-point unit's control words, which belong to whoever runs (rounding, exceptions): read once per run of an
 * executor for the run loop's side of each switch, since reading them costs as much as a switch.
 */
#ifndef SWITCHER_CONTROL_WORDS_H
#define SWITCHER_CONTROL_WORDS_H

#include <stdint.h>

/* As a switch keeps them on a stack. x86-64: mxcsr in the low half, the x87 control word above; AArch64: fpcr. */
static inline uint64_t control_words(void)
{
#if defined(__x86_64__)
    uint32_t mxcsr;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
    return (uint64_t)x87 << 32 | mxcsr;
#elif defined(__aarch64__)
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr;
#else
    return 0;
#endif
}

static inline void set_control_words(uint64_t words)
{
#if defined(__x86_64__)
    uint32_t mxcsr = (uint32_t)words;
    uint16_t x87 = (uint16_t)(words >> 32);
    __asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(x87));
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(words));
#else
    (void)words;
#endif
}

/* What a fresh context begins with: the psABI's initial values. */
#if defined(__x86_64__)
#define CONTROL_WORDS_INITIAL ((uint64_t)0x37f << 32 | 0x1f80)
#else
#define CONTROL_WORDS_INITIAL ((uint64_t)0)
#endif

#endif
