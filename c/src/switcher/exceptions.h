/*
 * The C++ runtime's per-thread exception state, {caught exceptions, number of uncaught ones}, kept for each side of a
 * switch on its own stack (Itanium C++ ABI, 2.2.2). Nearly always it is zero on both sides, and then nothing is moved.
 */
#ifndef SWITCHER_EXCEPTIONS_H
#define SWITCHER_EXCEPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exceptions {
    void *state[2];
};

static inline bool exceptions_any(void *const *state)
{
    return ((uintptr_t)state[0] | (uintptr_t)state[1]) != 0;
}

static inline struct exceptions exceptions_take(void **state)
{
    struct exceptions taken = {{state[0], state[1]}};
    state[0] = state[1] = NULL;
    return taken;
}

static inline void exceptions_put(void **state, const struct exceptions *put)
{
    state[0] = put->state[0];
    state[1] = put->state[1];
}

#endif
