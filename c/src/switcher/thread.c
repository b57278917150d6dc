/* See thread.h. */
#include "switcher/thread.h"

#include "switcher/overflow.h"

#include <errno.h>

_Thread_local struct thread_state thread_state;

/* Found where the program links the C++ runtime; a C program need not. */
void **__cxa_get_globals(void) __attribute__((weak));

void thread_enter_first(void)
{
    static _Thread_local void *no_runtime[2]; /* zeros, always */
    thread_state.errno_location = &errno;
    overflow_enter_thread();
    thread_state.exceptions = __cxa_get_globals != NULL ? __cxa_get_globals() : no_runtime;
}
