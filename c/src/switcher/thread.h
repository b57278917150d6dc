/*
 * What a switch needs to know of the thread it happens on, at the cost of an instruction each. Filled by thread_enter(), which
 * executors call when they are created and contexts when they are resumed.
 *
 * Read it anew after every suspension of the caller, through a call or as the first access of a function: compilers
 * keep addresses of thread-local variables.
 */
#ifndef SWITCHER_THREAD_H
#define SWITCHER_THREAD_H

#include <tacet/context.h>

struct thread_state {
    int *errno_location;
    void **exceptions;             /* the C++ runtime's {caught, uncaught}; see exceptions.h */
    struct tacet_context *context; /* the one that runs here by tacet_context_resume(), or NULL */
};

extern _Thread_local struct thread_state thread_state __attribute__((tls_model("initial-exec"), visibility("hidden")));

TACET_COLD void thread_enter_first(void);

static inline void thread_enter(void)
{
    if (TACET_UNLIKELY(thread_state.errno_location == NULL))
        thread_enter_first();
}

#endif
