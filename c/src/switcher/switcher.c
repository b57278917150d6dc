/* Instances, the default ones, and what all kinds with stacks share. */
#include "switcher/switcher.h"

#if SWITCHED_BY_ASSEMBLY
#include "switcher/copying.h"
#endif
#include "task/c_task.h"

#include <errno.h>
#include <stdlib.h>

#define STACK_BYTES_DEFAULT (64 * 1024)
#define POOLED_BYTES_DEFAULT (64 * 1024 * 1024)
#define BOUNCE_BYTES_DEFAULT (16 * 1024)

#define OPTIONS_DEFAULT                                                                                                \
    {                                                                                                                  \
        .stack_bytes = STACK_BYTES_DEFAULT, .pooled_bytes_max = POOLED_BYTES_DEFAULT,                                  \
        .bounce_bytes_max = BOUNCE_BYTES_DEFAULT                                                                       \
    }

#define DEFAULT_INSTANCE(kind)                                                                                         \
    struct tacet_switcher *tacet_switcher_##kind(void)                                                                 \
    {                                                                                                                  \
        static struct tacet_switcher instance = {                                                                      \
            .ops = &tacet_##kind##_ops,                                                                                \
            .options = OPTIONS_DEFAULT,                                                                                \
            .stacks.mutex = PTHREAD_MUTEX_INITIALIZER,                                                                 \
            .is_default = true,                                                                                        \
        };                                                                                                             \
        return &instance;                                                                                              \
    }

DEFAULT_INSTANCE(none)
DEFAULT_INSTANCE(stackless)
DEFAULT_INSTANCE(setjmp)
#if SWITCHED_BY_ASSEMBLY
DEFAULT_INSTANCE(asm)
DEFAULT_INSTANCE(copying)
#else
struct tacet_switcher *tacet_switcher_asm(void)
{
    return NULL;
}

struct tacet_switcher *tacet_switcher_copying(void)
{
    return NULL;
}
#endif

static struct tacet_switcher_options with_defaults(const struct tacet_switcher_options *options)
{
    static const struct tacet_switcher_options defaults = OPTIONS_DEFAULT;
    struct tacet_switcher_options chosen = options != NULL ? *options : defaults;
    if (chosen.stack_bytes == 0)
        chosen.stack_bytes = defaults.stack_bytes;
    if (chosen.pooled_bytes_max == 0)
        chosen.pooled_bytes_max = defaults.pooled_bytes_max;
    if (chosen.bounce_bytes_max == 0)
        chosen.bounce_bytes_max = defaults.bounce_bytes_max;
    return chosen;
}

tacet_result tacet_switcher_create(struct tacet_switcher **switcher, const struct tacet_switcher_ops *ops,
                                   const struct tacet_switcher_options *options)
{
    if (switcher == NULL || ops == NULL || ops->kind.run == NULL)
        return -EINVAL;
    if (options != NULL && ((options->allocate == NULL) != (options->deallocate == NULL) ||
                            options->save_bytes_reserved > STACK_BYTES_MAX))
        return -EINVAL;
    static uint64_t made;
    *switcher = malloc(sizeof **switcher);
    if (*switcher == NULL)
        return -ENOMEM;
    **switcher = (struct tacet_switcher){.ops = ops, .options = with_defaults(options)};
    (*switcher)->serial = __atomic_add_fetch(&made, 1, __ATOMIC_RELAXED);
    pthread_mutex_init(&(*switcher)->stacks.mutex, NULL);
    return 0;
}

const struct tacet_switcher_options *tacet_switcher_get_options(const struct tacet_switcher *switcher)
{
    return &switcher->options;
}

tacet_result tacet_switcher_destroy(struct tacet_switcher *switcher)
{
    if (switcher == NULL)
        return 0;
    if (switcher->is_default)
        return -EPERM;
    if (__atomic_load_n(&switcher->users, __ATOMIC_ACQUIRE) > 0) /* acquire: pairs with switcher_release() */
        return -EBUSY;
#if SWITCHED_BY_ASSEMBLY
    copying_finish(switcher);
#endif
    stack_pool_finish(&switcher->stacks);
    free(switcher);
    return 0;
}

const char *tacet_switcher_explain(struct tacet_switcher *switcher)
{
    return switcher != NULL ? stack_pool_explain(&switcher->stacks) : "";
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

/* A task that nobody owns any more is destroyed when its stack has been left; with ops in flight the last of them does it. */
static TACET_NOINLINE void end_task(struct c_task *task, tacet_result result)
{
    struct executor *executor = executor_of(tacet_task_executor(&task->task));
    tacet_task_exit(&task->task, result);
    if (TACET_UNLIKELY(task->task.flags & TACET_TASK_RELEASED) && !task_has_ops_in_flight(&task->task))
        executor_bury(executor, &task->task);
}

/* Its frame is part of every suspended stack, which `copying` copies: so it keeps nothing but the context. */
void stackful_entry(struct tacet_context *context)
{
    struct c_task *task = TACET_CONTAINER_OF(context, struct c_task, context);
    end_task(task, task->body(&task->task, task->task.context));
}

/* Where the stack of an evicted task finds no place (`copying`: no memory for the one that is in its way) it tries again. */
void tacet_stackful_run(struct tacet_runnable *runnable)
{
    struct tacet_task *task = tacet_task_resume(runnable);
    tacet_result r = tacet_task_ops(task)->resume(&c_task_of(task)->context, task->result);
    if (TACET_UNLIKELY(r < 0))
        tacet_task_requeue(task);
}
