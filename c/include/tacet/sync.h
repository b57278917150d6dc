/*
 * Tasks that wait for tasks. For the tasks of one executor; nothing here is a lock between threads.
 *
 * The inline functions are for layers above C, as those in inline/ are: taking, giving and parking without a call.
 */
#ifndef TACET_SYNC_H
#define TACET_SYNC_H

#include <tacet/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A counting semaphore; waiters are served in the order of their coming. Initialised by tacet_semaphore_init(); it owns
 * nothing, and must not go away while a task waits for it, but by tacet_semaphore_finish().
 *
 * The waiters' nodes are linked both ways, but a link beyond either end is not valid, so that the node of a sole waiter is
 * not touched. Invariants: last is NULL exactly if nobody waits, and only else is first valid; available > 0 only if nobody
 * waits.
 */
struct tacet_semaphore {
    uint64_t available;
    struct tacet_list_node *first, *last;
};

TACET_EXPORT void tacet_semaphore_init(struct tacet_semaphore *semaphore, uint64_t available);

/* Before it goes while tasks may wait for it: they wait on, for nothing, until they are cancelled. */
TACET_EXPORT void tacet_semaphore_finish(struct tacet_semaphore *semaphore);

/* Takes one if there is one; never waits. */
TACET_EXPORT bool tacet_semaphore_try_acquire(struct tacet_semaphore *semaphore);

/* SUSPENDS, CANCELLATION POINT. 0: taken; -ECANCELED: not taken; -ENOTSUP: a `none` task would have to wait; -EFAULT: it
 * lies on the stack of a `copying` task that would have to wait. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_semaphore_acquire(struct tacet_task *task,
                                                                  struct tacet_semaphore *semaphore);

/* Gives count back; as many waiters become ready. */
TACET_EXPORT void tacet_semaphore_release(struct tacet_semaphore *semaphore, uint64_t count);

/* tacet_semaphore_try_acquire() */
static inline bool tacet_semaphore_take(struct tacet_semaphore *semaphore)
{
    TACET_ASSERT(semaphore->available == 0 || semaphore->last == NULL);
    if (semaphore->available == 0)
        return false;
    semaphore->available--;
    return true;
}

/* The running task begins to wait for the semaphore, which has none available. */
static inline void tacet_semaphore_park(struct tacet_task *task, struct tacet_semaphore *semaphore)
{
    struct tacet_list_node *node = &task->wait_node, *last = semaphore->last;
    TACET_ASSERT(semaphore->available == 0);
    semaphore->last = node;
    if (last != NULL) {
        last->next = node;
        node->prev = last;
    } else {
        semaphore->first = node;
    }
    tacet_task_park(task, semaphore, TACET_WAIT_SEMAPHORE);
}

/* tacet_semaphore_release() of one. */
static inline void tacet_semaphore_give(struct tacet_semaphore *semaphore)
{
    struct tacet_list_node *last = semaphore->last;
    if (last == NULL) {
        semaphore->available++;
        return;
    }
    struct tacet_list_node *node = semaphore->first;
    if (node == last)
        semaphore->last = NULL;
    else
        semaphore->first = node->next;
    tacet_task_unpark(TACET_CONTAINER_OF(node, struct tacet_task, wait_node), 0);
}

#ifdef __cplusplus
}
#endif

#endif
