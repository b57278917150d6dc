/* Signals are for the program's own threads: those of the library block them, but for those that a fault raises. */
#ifndef BASE_THREAD_SIGNALS_H
#define BASE_THREAD_SIGNALS_H

#include <signal.h>
#include <stddef.h>

static inline sigset_t thread_signals_blocked(void)
{
    static const int of_faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    sigset_t blocked;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof of_faults / sizeof *of_faults; i++)
        sigdelset(&blocked, of_faults[i]);
    return blocked;
}

#endif
