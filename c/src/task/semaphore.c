/* See tacet/sync.h. */
#include "base/list.h"
#include "task/c_task.h"

#include <tacet/sync.h>

void tacet_semaphore_init(struct tacet_semaphore *semaphore, uint64_t available)
{
    semaphore->available = available;
    list_init(&semaphore->waiters);
}

void tacet_semaphore_finish(struct tacet_semaphore *semaphore)
{
    list_remove(&semaphore->waiters);
    list_init(&semaphore->waiters);
}

bool tacet_semaphore_try_acquire(struct tacet_semaphore *semaphore)
{
    TACET_ASSERT(semaphore->available == 0 || list_empty(&semaphore->waiters));
    if (semaphore->available == 0)
        return false;
    semaphore->available--;
    return true;
}

void semaphore_cancel_wait(struct tacet_task *task)
{
    list_remove(&task->wait_node);
    tacet_task_unpark(task, -ECANCELED);
}

void tacet_semaphore_park(struct tacet_task *task, struct tacet_semaphore *semaphore)
{
    list_push_back(&semaphore->waiters, &task->wait_node);
    tacet_task_park(task, semaphore, TACET_WAIT_SEMAPHORE);
}

tacet_result tacet_semaphore_acquire(struct tacet_task *task, struct tacet_semaphore *semaphore)
{
    if (semaphore == NULL)
        return -EINVAL;
    if (task == NULL || !(task->attention & TACET_TASK_CANCEL_PENDING)) {
        if (tacet_semaphore_try_acquire(semaphore))
            return 0;
    }
    tacet_result r = call_check(task);
    if (r < 0)
        return r;
    tacet_semaphore_park(task, semaphore);
    return task_give_up(task);
}

void tacet_semaphore_release(struct tacet_semaphore *semaphore, uint64_t count)
{
    while (count > 0 && !list_empty(&semaphore->waiters)) {
        struct tacet_task *task = TACET_CONTAINER_OF(semaphore->waiters.next, struct tacet_task, wait_node);
        list_remove(&task->wait_node);
        tacet_task_unpark(task, 0);
        count--;
    }
    semaphore->available += count;
}
