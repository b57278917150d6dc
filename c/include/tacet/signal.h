/*
 * Signals, waited for by tasks.
 *
 * A `struct tacet_signal_source` is a value: a signalfd(2) for a set of signals. They must be blocked in every thread of the
 * process, or one that has them not blocked gets them in the ordinary way: so a source is opened before any other thread is
 * made, which then inherits the mask.
 *
 * A wait polls the descriptor, and the task that is resumed takes the signal by a plain read: a signal is never taken but for
 * who gets it, so a cancel, a deadline or the end of the executor lose none. Several tasks may wait; each signal is one's.
 */
#ifndef TACET_SIGNAL_H
#define TACET_SIGNAL_H

#include <tacet/op.h>

#include <signal.h>
#include <sys/signalfd.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tacet_signal_source {
    int fd; /* readable when one of the signals is pending; -1: closed */
};

/* Blocks the signals in the calling thread. 0, or the errors of signalfd(2); -EINVAL: NULL. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_signal_source_open(struct tacet_signal_source *source,
                                                                   const sigset_t *signals);

/* The signals stay blocked. What is pending stays pending. No task may wait for it. */
TACET_EXPORT void tacet_signal_source_close(struct tacet_signal_source *source);

/* Takes a signal that is pending, without waiting. Result: its number; *info (may be NULL) says more. -EAGAIN: none.
 * THREAD-SAFE. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_signal_take(const struct tacet_signal_source *source,
                                                            struct signalfd_siginfo *info);

/*
 * SUSPENDS until there is one, CANCELLATION POINT. Result: its number. A `stackless` body for which it has returned
 * TACET_PENDING looks at tacet_task_call_result(): if that is negative, the wait has ended with it, else it calls again.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_signal_wait(struct tacet_task *task,
                                                            const struct tacet_signal_source *source,
                                                            struct signalfd_siginfo *info);

#ifdef __cplusplus
}
#endif

#endif
