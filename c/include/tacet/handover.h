/*
 * From thread to thread, for layers above C: messages, waits that other threads end, tasks that change their executor.
 *
 * What users need of it is in task.h, executor.h and dispatcher.h.
 */
#ifndef TACET_HANDOVER_H
#define TACET_HANDOVER_H

#include <tacet/executor.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * THREAD-SAFE, and safe in every handler of a signal: message->kind->accept is called on the executor's thread, from its run loop or while it is destroyed; it
 * must resume nobody and not suspend. The message is the caller's memory, in nobody else's hands until accept has been
 * called. -EINVAL: NULL, a kind without accept; -EPERM: in a forked child.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_executor_post(struct tacet_executor *executor,
                                                              struct tacet_runnable *message);

/* THREAD-SAFE: whether the address is that of a living executor of this thread. It is not followed: what it points to may be
 * gone. */
TACET_EXPORT bool tacet_executor_lives_here(const struct tacet_executor *executor);

/* tacet_task_attach() for the executor's own thread; -EPERM on another. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_task_attach_here(struct tacet_executor *executor,
                                                                 struct tacet_task *task);

/*
 * The running task begins to wait for what another thread may bring. hook->on_cancel is called on the executor's thread. It
 * ends the wait by tacet_task_unpark_external(), if it has the right to; if not, because that is on its way, it leaves the
 * cancel to the next wait: tacet_task_keep_cancel(). While such tasks wait, the executor is not idle.
 */
static inline void tacet_task_park_external(struct tacet_task *task, struct tacet_wait_hook *hook)
{
    tacet_task_executor(task)->external++;
    task->flags |= TACET_TASK_EXTERNAL;
    tacet_task_park(task, hook, TACET_WAIT_HOOK);
}

/* A cancel that came too late is delivered at the next cancellation point. (A deadline that has passed is there anyway.) */
static inline void tacet_task_keep_cancel(struct tacet_task *task)
{
    if (!(task->attention & TACET_TASK_TIMING_OUT))
        task->attention |= task->attention & TACET_TASK_SHIELDED ? TACET_TASK_CANCEL_KEPT : TACET_TASK_CANCEL_PENDING;
}

/*
 * THREAD-SAFE: ends the wait of a task that tacet_task_park_external() has parked, by whoever has the sole right to, e.g. since
 * it took the task out of a queue under a lock. The executor must not be destroyed meanwhile, which it is not while the task
 * waits: its destruction waits for what on_cancel has not ended.
 */
TACET_EXPORT void tacet_task_unpark_external(struct tacet_task *task, tacet_result result);

/*
 * The running task, of a kind with TACET_SWITCHER_FOREIGN, goes on at another executor, on its thread, perhaps before this
 * returns: the caller does not touch it, nor anything that is its, any more. It is one of that executor's tasks then. The one
 * that it was attached to is its home, and waits for it: there it must exit. (To its own executor: it is requeued.) If the
 * other executor is destroyed while the task is there, it goes on at home, cancelled.
 *
 * 0; -EINVAL: NULL, or not the running task, or of a kind that cannot; -EBUSY: ops that it has started are not reaped, or it is held (extra->held); -ENOMEM; -EDEADLK:
 * the other executor belongs to this very thread, and could not run; -ECANCELED: it is being destroyed; -EPERM: in a forked child.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_task_move(struct tacet_task *task, struct tacet_executor *to);

/* Where it must go to exit; NULL: it is there. */
static inline struct tacet_executor *tacet_task_away_from(const struct tacet_task *task)
{
    return task->extra != NULL ? task->extra->home : NULL;
}

/* A line for whoever the executor's options name, else for stderr: about what a layer's task has done that nobody waits for. */
TACET_EXPORT void tacet_executor_tell(const struct tacet_executor *executor, const char *line);

/*
 * Before the memory of a task that has exited is used anew, on the thread of its executor: a cancel may be on its way to it. If so
 * it is awaited; it is not long.
 */
TACET_EXPORT void tacet_task_await_signals(struct tacet_task *task);

#ifdef __cplusplus
}
#endif

#endif
