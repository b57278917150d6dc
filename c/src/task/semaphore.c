/* See tacet/sync.h. */
#include "op/bounce.h"
#include "task/c_task.h"

#include <tacet/sync.h>

void tacet_semaphore_init(struct tacet_semaphore *semaphore, uint64_t available)
{
    semaphore->available = available;
    semaphore->first = semaphore->last = NULL;
}

static struct tacet_task *waiter_of(struct tacet_list_node *node)
{
    return TACET_CONTAINER_OF(node, struct tacet_task, wait_node);
}

void tacet_semaphore_finish(struct tacet_semaphore *semaphore)
{
    if (semaphore->last == NULL)
        return;
    for (struct tacet_list_node *node = semaphore->first; node != semaphore->last; node = node->next)
        waiter_of(node)->waiting_for = NULL;
    waiter_of(semaphore->last)->waiting_for = NULL;
    semaphore->last = NULL;
}

bool tacet_semaphore_try_acquire(struct tacet_semaphore *semaphore)
{
    return tacet_semaphore_take(semaphore);
}

static void remove_waiter(struct tacet_semaphore *semaphore, struct tacet_list_node *node)
{
    bool is_first = semaphore->first == node, is_last = semaphore->last == node;
    if (is_first && is_last)
        semaphore->last = NULL;
    else if (is_first)
        semaphore->first = node->next;
    else if (is_last)
        semaphore->last = node->prev;
    if (!is_first && !is_last) {
        node->prev->next = node->next;
        node->next->prev = node->prev;
    }
}

/* It waits for nothing if the semaphore has gone. */
void semaphore_cancel_wait(struct tacet_task *task)
{
    if (task->waiting_for != NULL)
        remove_waiter(task->waiting_for, &task->wait_node);
    tacet_task_unpark(task, -ECANCELED);
}

tacet_result tacet_semaphore_acquire(struct tacet_task *task, struct tacet_semaphore *semaphore)
{
    if (semaphore == NULL || task == NULL)
        return -EINVAL;
    if (!(task->attention & TACET_TASK_CANCEL_PENDING)) {
        if (tacet_semaphore_take(semaphore))
            return 0;
    }
    tacet_result r = call_check(task);
    if (r == 0 && tacet_task_ops(task)->flags & TACET_SWITCHER_STACK_NOT_STABLE)
        r = bounce_check(task, semaphore, "a struct tacet_semaphore");
    if (r < 0)
        return r;
    tacet_semaphore_park(task, semaphore);
    return task_give_up(task);
}

void tacet_semaphore_release(struct tacet_semaphore *semaphore, uint64_t count)
{
    for (; count > 0 && semaphore->last != NULL; count--)
        tacet_semaphore_give(semaphore);
    semaphore->available += count;
}
