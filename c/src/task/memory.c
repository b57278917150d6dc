/*
 * Tasks are cut from slabs and kept in a free list; slabs are not given back. A million of them is what this is for:
 * malloc would take 16 bytes more for each. Under AddressSanitizer tasks come from the heap, so that it sees them.
 *
 * Invariant, under the mutex: what lies in [cut_next, cut_end) was never a task; what is in the free list is none now.
 */
#include "task/memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#if TACET_ADDRESS_SANITIZER

struct c_task *task_memory_take(void)
{
    return calloc(1, sizeof(struct c_task));
}

void task_memory_give(struct c_task *task)
{
    free(task);
}

#else

#define SLAB_TASKS 400

static struct {
    pthread_mutex_t mutex;
    struct tacet_runnable *free; /* by `next` */
    struct c_task *cut_next, *cut_end;
} pool = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static struct c_task *cut(void)
{
    if (pool.cut_next == pool.cut_end) {
        struct c_task *slab = malloc(SLAB_TASKS * sizeof *slab);
        if (slab == NULL)
            return NULL;
        pool.cut_next = slab;
        pool.cut_end = slab + SLAB_TASKS;
    }
    return pool.cut_next++;
}

struct c_task *task_memory_take(void)
{
    pthread_mutex_lock(&pool.mutex);
    struct c_task *task = (struct c_task *)pool.free;
    if (task != NULL)
        pool.free = pool.free->next;
    else
        task = cut();
    pthread_mutex_unlock(&pool.mutex);
    return task != NULL ? memset(task, 0, sizeof *task) : NULL;
}

void task_memory_give(struct c_task *task)
{
    pthread_mutex_lock(&pool.mutex);
    task->task.runnable.next = pool.free;
    pool.free = &task->task.runnable;
    pthread_mutex_unlock(&pool.mutex);
}

#endif
