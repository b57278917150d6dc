/*
 * The floating-point unit's control words, which belong to whoever runs (rounding, exceptions): read once per run of an
 * executor for the run loop's side of each switch, since reading them costs as much as a switch.
 */
#ifndef SWITCHER_CONTROL_WORDS_H
#define SWITCHER_CONTROL_WORDS_H

#include <stdint.h>

/* As the assembly keeps them on a stack. x86-64: mxcsr in the low half, the x87 control word above. */
static inline uint64_t control_words(void)
{
#if defined(__x86_64__)
    uint32_t mxcsr;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
    return (uint64_t)x87 << 32 | mxcsr;
#else
    return 0;
#endif
}

#endif
