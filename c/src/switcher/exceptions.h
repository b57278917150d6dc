/*
 * The C++ runtime's per-thread exception state, {caught exceptions, number of uncaught ones}, kept for each context
 * (Itanium C++ ABI, 2.2.2). Nearly always it is zero on both sides of a switch, and then nothing is moved.
 */
#ifndef SWITCHER_EXCEPTIONS_H
#define SWITCHER_EXCEPTIONS_H

#include <tacet/switcher_interface.h>

/* Found where the program links the C++ runtime; a C program need not. */
void **__cxa_get_globals(void) __attribute__((weak));

/* This thread's, or, without a C++ runtime, zeros that nobody changes. */
static inline void **exceptions_of_thread(void)
{
    static void *none[2];
    return __cxa_get_globals != NULL ? __cxa_get_globals() : none;
}

static inline bool exceptions_any(void *const *state)
{
    return ((uintptr_t)state[0] | (uintptr_t)state[1]) != 0;
}

static inline void exceptions_move(void **to, void **from)
{
    to[0] = from[0];
    to[1] = from[1];
    from[0] = from[1] = NULL;
}

#endif
