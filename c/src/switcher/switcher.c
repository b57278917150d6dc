/* Instances, the default ones, and what all kinds with stacks share. */
#include "switcher/switcher.h"

#include "task/c_task.h"

#include <errno.h>
#include <stdlib.h>

#define STACK_BYTES_DEFAULT (64 * 1024)
#define POOLED_BYTES_DEFAULT (64 * 1024 * 1024)

#define DEFAULT_INSTANCE(kind)                                                                                         \
    struct tacet_switcher *tacet_switcher_##kind(void)                                                                 \
    {                                                                                                                  \
        static struct tacet_switcher instance = {                                                                      \
            .ops = &tacet_##kind##_ops,                                                                                \
            .stacks = STACK_POOL_INIT(STACK_BYTES_DEFAULT, POOLED_BYTES_DEFAULT),                                      \
            .is_default = true,                                                                                        \
        };                                                                                                             \
        return &instance;                                                                                              \
    }

DEFAULT_INSTANCE(none)
DEFAULT_INSTANCE(stackless)
DEFAULT_INSTANCE(asm)

tacet_result tacet_switcher_create(struct tacet_switcher **switcher, const struct tacet_switcher_ops *ops,
                                   const struct tacet_switcher_options *options)
{
    if (switcher == NULL || ops == NULL || ops->run == NULL)
        return -EINVAL;
    *switcher = malloc(sizeof **switcher);
    if (*switcher == NULL)
        return -ENOMEM;
    size_t stack_bytes = options != NULL ? options->stack_bytes : 0;
    size_t pooled_bytes = options != NULL ? options->pooled_bytes_max : 0;
    **switcher = (struct tacet_switcher){
        .ops = ops,
        .stacks = STACK_POOL_INIT(stack_bytes > 0 ? stack_bytes : STACK_BYTES_DEFAULT,
                                  pooled_bytes > 0 ? pooled_bytes : POOLED_BYTES_DEFAULT),
    };
    return 0;
}

tacet_result tacet_switcher_destroy(struct tacet_switcher *switcher)
{
    if (switcher == NULL)
        return 0;
    if (switcher->is_default)
        return -EPERM;
    if (__atomic_load_n(&switcher->users, __ATOMIC_ACQUIRE) > 0) /* acquire: pairs with switcher_release() */
        return -EBUSY;
    stack_pool_finish(&switcher->stacks);
    free(switcher);
    return 0;
}

const char *tacet_switcher_name(const struct tacet_switcher *switcher)
{
    return switcher != NULL ? switcher->ops->name : "";
}

void switcher_use(struct tacet_switcher *switcher)
{
    __atomic_fetch_add(&switcher->users, 1, __ATOMIC_RELAXED);
}

void switcher_release(struct tacet_switcher *switcher)
{
    /* release: the instance may be destroyed by who sees 0 */
    __atomic_fetch_sub(&switcher->users, 1, __ATOMIC_RELEASE);
}

void stackful_entry(void *task)
{
    struct c_task *c_task = c_task_of(task);
    tacet_task_exit(task, c_task->body(task, c_task->arg));
}

void stackful_after(void *task)
{
    task_settle(c_task_of(task));
}

void tacet_stackful_run(struct tacet_runnable *runnable)
{
    struct tacet_task *task = tacet_task_resume(runnable);
    task->switcher_ops->resume(&c_task_of(task)->context, task->wake_result);
}
