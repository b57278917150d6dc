/*
 * Tasks that wait for tasks. For the tasks of one executor; nothing here is a lock between threads.
 */
#ifndef TACET_SYNC_H
#define TACET_SYNC_H

#include <tacet/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A counting semaphore; waiters are served in the order of their coming. Initialised by tacet_semaphore_init(); it owns
 * nothing, and must not go away while a task waits for it, but by tacet_semaphore_finish(). Invariant: available > 0 only
 * if nobody waits.
 */
struct tacet_semaphore {
    uint64_t available;
    struct tacet_list_node waiters;
};

TACET_EXPORT void tacet_semaphore_init(struct tacet_semaphore *semaphore, uint64_t available);

/* Before it goes while tasks may wait for it: they wait on, for nothing, until they are cancelled. */
TACET_EXPORT void tacet_semaphore_finish(struct tacet_semaphore *semaphore);

/* Takes one if there is one; never waits. */
TACET_EXPORT bool tacet_semaphore_try_acquire(struct tacet_semaphore *semaphore);

/* SUSPENDS, CANCELLATION POINT. 0: taken; -ECANCELED: not taken; -ENOTSUP: a `none` task would have to wait. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_semaphore_acquire(struct tacet_task *task,
                                                                  struct tacet_semaphore *semaphore);

/* Gives count back; as many waiters become ready. */
TACET_EXPORT void tacet_semaphore_release(struct tacet_semaphore *semaphore, uint64_t count);

/* For layers above C: the running task begins to wait for the semaphore, which has none available. */
TACET_EXPORT void tacet_semaphore_park(struct tacet_task *task, struct tacet_semaphore *semaphore);

#ifdef __cplusplus
}
#endif

#endif
