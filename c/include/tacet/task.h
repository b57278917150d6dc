/*
 * Tasks: units of scheduling.
 *
 * A task is the creator's until it is attached to an executor, which runs it until it exits; then it is the creator's
 * again, to be attached once more, read or destroyed. Everything here is for the executor's thread, but where it says
 * THREAD-SAFE, and before the task is attached. ASYNC-SIGNAL-SAFE: also from the handler of a signal that has interrupted
 * another thread than the executor's. (Whatever it has interrupted: tacet_executor_wake(), tacet_executor_post().)
 *
 * Another thread knows that a task is its creator's again by tacet_task_join(), by its dispatcher, or by being told; not by
 * tacet_task_has_exited().
 */
#ifndef TACET_TASK_H
#define TACET_TASK_H

#include <tacet/inline/executor.h>
#include <tacet/switcher.h>

#ifdef __cplusplus
extern "C" {
#endif

struct timespec;

/*
 * What a task does. Its return value is the task's result. The body of a `stackless` task returns TACET_PENDING to be
 * called again when what it waits for has come.
 */
typedef tacet_result tacet_task_body(struct tacet_task *task, void *arg);

struct tacet_task_options {
    const char *name;               /* for messages and debuggers; not copied; may be NULL */
    size_t stack_bytes;             /* for switchers with stacks; 0: the switcher's */
    void (*destroy_arg)(void *arg); /* called with the body's arg when the task is destroyed; may be NULL */
};

/*
 * options may be NULL. -EINVAL; -ENOMEM: no memory, or no further guarded stack (the stock vm.max_map_count allows about
 * 32,700 where the kernel lacks MADV_GUARD_INSTALL).
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_task_create(struct tacet_task **task, struct tacet_switcher *switcher,
                                                            const struct tacet_task_options *options);

/*
 * -EBUSY and nothing done unless the task is unattached or has exited: cancel it, run, destroy. NULL is fine. On another
 * thread than that of its last executor -EBUSY also means that a cancel sent to it has not arrived there yet.
 */
TACET_EXPORT tacet_result tacet_task_destroy(struct tacet_task *task);

/*
 * Destroys the task now, or, if that would be -EBUSY, cancels it and has it destroyed as soon as it has exited. NULL is
 * fine. For owners that go before what they own. A body that releases its own task, as the last that it does, has nobody to destroy it.
 */
TACET_EXPORT void tacet_task_release(struct tacet_task *task);

/* Both before attach; both stay for the next attach. */
TACET_EXPORT void tacet_task_set_body(struct tacet_task *task, tacet_task_body *body, void *arg);

/*
 * CPU level of the task, and I/O level of the operations it starts from now on (best-effort class of ioprio; needs no
 * privilege). A ready task moves with its next wait. -EINVAL: no such level; -EPERM: attached to another
 * thread's executor.
 */
TACET_EXPORT tacet_result tacet_task_set_priority(struct tacet_task *task, enum tacet_priority cpu,
                                                  enum tacet_priority io);

/*
 * Hands the task to an executor, which starts it from its run loop, in order of attachment within a priority. A task
 * that failed to attach stays the caller's. THREAD-SAFE: an executor that sleeps is woken, one that runs is not disturbed;
 * ASYNC-SIGNAL-SAFE, if the executor keeps no time accounts and the task has been with none that does. -EINVAL: NULL, or no
 * body; -EBUSY: attached already, or as with tacet_task_destroy(); -EPERM: in a forked child; -ENOMEM: no memory for its
 * time accounts; -ECANCELED: the executor is being destroyed.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_task_attach(struct tacet_executor *executor, struct tacet_task *task);

/* The same for many, with one clock reading; returns how many were attached, or the error of the first. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_task_attach_many(struct tacet_executor *executor,
                                                                 struct tacet_task *const *tasks, size_t count);

/*
 * Asks for the end of what the task waits for, now or at its next CANCELLATION POINT, which then returns -ECANCELED;
 * once. What it awaits may still succeed, and then does, and the wait after it returns -ECANCELED. 0; -EINVAL: NULL or
 * unattached; -ESRCH: it has exited; -EPERM: in a forked child.
 *
 * THREAD-SAFE and ASYNC-SIGNAL-SAFE: from another thread it is sent, and takes effect when the executor comes to it. The caller
 * sees to it that the task is neither destroyed nor started anew, nor an executor destroyed where it may be, before this
 * returns.
 */
TACET_EXPORT tacet_result tacet_task_cancel(struct tacet_task *task);
TACET_EXPORT bool tacet_task_cancel_requested(const struct tacet_task *task);

/*
 * The task's deadline, in nanoseconds of CLOCK_MONOTONIC (see tacet_now()), for all that it waits for; TACET_FOREVER: it has
 * none. When it passes, the wait that is under way is ended as by a cancel, but with -ETIME, and from then on each CANCELLATION
 * POINT returns -ETIME at once, until the deadline is put off; what has succeeded is not lost. A close is not ended. It goes
 * with the task from executor to executor, and ends when the task exits. So a part of a body gets a limit by
 *     before = tacet_task_deadline(task);
 *     r = tacet_task_set_deadline(task, limit < before ? limit : before);
 *     ...
 *     r = tacet_task_set_deadline(task, before);          this one does not fail
 * 0; -EINVAL: NULL, unattached; -EPERM: another thread's; -ENOMEM: the task has no deadline now.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_task_set_deadline(struct tacet_task *task, uint64_t deadline_ns);
TACET_EXPORT uint64_t tacet_task_deadline(const struct tacet_task *task);

/*
 * For what is to be done to its end though the task is cancelled, or late: a rollback, an unlink, a goodbye. Between the two,
 * called by the running task with the same struct, no cancel ends a wait, be it one that has not been delivered yet, and the task
 * has no deadline but one that it sets there; both are in force again after. Shields nest. What waits for ever in one can be ended
 * by nobody: set a deadline. An exit inside ends it.
 * 0; -EINVAL: NULL, or not the running task; -EPERM: another thread's. The second does not fail; where there is no memory for its
 * timer, the deadline has passed.
 */
struct tacet_shield {
    uint64_t deadline_ns; /* that was put aside */
    bool is_inner;        /* one is around it */
};
TACET_EXPORT TACET_NODISCARD tacet_result tacet_task_shield(struct tacet_task *task, struct tacet_shield *shield);
TACET_EXPORT void tacet_task_unshield(struct tacet_task *task, const struct tacet_shield *shield);

/*
 * SUSPENDS the running task self until other has exited; *result (may be NULL) is other's. other may be destroyed as
 * soon as it has exited. 0; -ECANCELED; -EINVAL: NULL, unattached; -EDEADLK: other is self; -EPERM: another executor's.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_task_wait(struct tacet_task *self, struct tacet_task *other,
                                                          tacet_result *result);

/* In a `stackless` body: the result of the task for which tacet_task_wait() returned TACET_PENDING. */
TACET_EXPORT tacet_result tacet_task_waited_result(const struct tacet_task *self);

/* For layers above C: the running task begins to wait for other, which has not exited. The refusals of tacet_task_wait();
 * another executor's task may be waited for if it is away from the executor of self. */
TACET_EXPORT tacet_result tacet_task_wait_check(const struct tacet_task *self, const struct tacet_task *other);
TACET_EXPORT void tacet_task_wait_park(struct tacet_task *self, struct tacet_task *other);

/*
 * For threads that run no executor, or another one: blocks until the task, which somebody attached before, has exited and is
 * its creator's again; *result (may be NULL) is its result. timeout NULL: without end. THREAD-SAFE. Its executor must be run
 * meanwhile, and not be destroyed before this returns. 0; -ETIME; -EINVAL: NULL, unattached, a wrong timeout; -EAGAIN: it waits in a dispatcher; -ENOMEM; -EDEADLK: from the thread
 * of its executor, while it has not exited; -EPERM: in a forked child; -ECANCELED: the executor is being destroyed.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_task_join(struct tacet_task *task, tacet_result *result,
                                                          const struct timespec *timeout);

TACET_EXPORT bool tacet_task_has_exited(const struct tacet_task *task);

/* What the body returned; -EINPROGRESS before. */
TACET_EXPORT tacet_result tacet_task_result(const struct tacet_task *task);
TACET_EXPORT const char *tacet_task_name(const struct tacet_task *task);

/* Readings of tacet_ticks(), the last of each kind; running is a sum. All 0 without time accounting. */
struct tacet_task_ticks {
    uint64_t attached, started, suspended, completed, resumed, exited;
    uint64_t running;
};
TACET_EXPORT struct tacet_task_ticks tacet_task_get_ticks(const struct tacet_task *task);

#ifdef __cplusplus
}
#endif

#endif
