/*
 * Functions that block, run for a task on a helper thread: what neither io_uring nor this library has without blocking.
 *
 * The helper threads are the process's: made as they are needed, up to a limit, and ended after ten seconds without
 * work. They are named "tacet-blocking", block all signals but those that a fault raises, and have stacks of 1 MiB.
 * What exceeds the limit waits, in the order of its coming. Lookups of names (socket.h), which may be left there for nobody,
 * have at most half of them. A forked child begins with none.
 */
#ifndef TACET_BLOCKING_H
#define TACET_BLOCKING_H

#include <tacet/task.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TACET_BLOCKING_THREADS_DEFAULT 64

/* Its return value is the result of the call: >= 0 or a negative errno. It must return. */
typedef tacet_result tacet_blocking_function(void *arg);

/*
 * SUSPENDS, CANCELLATION POINT. Calls function(arg) on a helper thread. arg and what the function refers to must be
 * there until it has returned: an executor that is destroyed meanwhile waits for it, which may take as long as the
 * function does. A cancel before the function has begun takes it back: -ECANCELED. Afterwards it runs to its end, the
 * task gets its result, and the cancel is kept for the next cancellation point.
 *
 * In a `stackless` body the result is tacet_task_call_result()'s. -EAGAIN: no thread could be made, and there is none;
 * -ENOMEM; -EINVAL: NULL, or the function returned TACET_PENDING; -ENOTSUP: a `none` task; -EFAULT: arg lies on
 * the stack of a `copying` task, which is not there while the function runs.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_run_blocking(struct tacet_task *task, tacet_blocking_function *function,
                                                             void *arg);

/* For layers above C: the running task, which has no cancel pending, begins to wait for function(arg). 0; -ENOMEM;
 * -EAGAIN. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_run_blocking_park(struct tacet_task *task,
                                                                  tacet_blocking_function *function, void *arg);

/* How many helper threads there may be, of the process, from now on; half of them, rounded up, for lookups. THREAD-SAFE.
 * -EINVAL: 0. */
TACET_EXPORT tacet_result tacet_blocking_set_threads_max(unsigned threads_max);

#ifdef __cplusplus
}
#endif

#endif
