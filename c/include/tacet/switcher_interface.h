/*
 * The interface behind switcher.h and context.h, for those who write a switcher.
 *
 * A kind is one table. `kind.run` resumes a task, called by the run loop with the task's runnable on the scheduler's
 * stack. A kind whose tasks have stacks sets it to tacet_stackful_run and works on contexts, which know nothing of tasks
 * and executors:
 *
 *     prepare(context, entry)     the next resumption calls entry(context)
 *     resume(context, value)      on the resumer's stack; returns when the context suspends, or has finished
 *     suspend(context)            on the context's; returns the value that it is resumed with
 *     exit(context)               on the context's; does not return. The kind calls it itself when entry has returned
 *
 * The words stack_pointer, resumer_stack_pointer, memory and bytes of a context are the kind's own. The callers keep
 * `state`, except that exit sets TACET_CONTEXT_FINISHED. Whatever `suspend` may need memory for is taken by `reserve`, which
 * is called earlier, from the same function or a deeper one, and may fail; `suspend` itself cannot.
 */
#ifndef TACET_SWITCHER_INTERFACE_H
#define TACET_SWITCHER_INTERFACE_H

#include <tacet/context.h>
#include <tacet/inline/task.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tacet_switcher_flags {
    TACET_SWITCHER_CANNOT_SUSPEND = 1 << 0,
    TACET_SWITCHER_SUSPENDS_BY_RETURNING = 1 << 1,
    /* While a context is suspended its stack's memory is another's: what others follow must not point there. */
    TACET_SWITCHER_STACK_NOT_STABLE = 1 << 2,
    /* The task was not made by tacet_task_create(): a layer above has its own. Suspending C calls return -ENOTSUP. */
    TACET_SWITCHER_FOREIGN = 1 << 3,
};

struct tacet_switcher_ops {
    struct tacet_runnable_kind kind; /* first: what the tasks' runnables point to, and by it a task finds its table */
    const char *name;
    unsigned flags;

    /* Contexts; NULL for kinds without. */
    tacet_result (*create)(struct tacet_context *context, size_t stack_bytes);
    void (*prepare)(struct tacet_context *context, tacet_context_entry *entry);
    tacet_result (*resume)(struct tacet_context *context, int64_t value); /* below 0: it was not */
    int64_t (*suspend)(struct tacet_context *context);
    void (*exit)(struct tacet_context *context) __attribute__((noreturn));
    void (*destroy)(struct tacet_context *context);

    /* NULL: suspend never needs memory. */
    tacet_result (*reserve)(struct tacet_context *context);

    /* Of kinds whose stacks move: whether address is in memory that is another's while the context is away. */
    bool (*holds)(const struct tacet_context *context, const void *address);

    /* The executor goes away: the task, which is not running and has no op in flight, is never resumed again. May be
     * NULL. It may free the task. */
    void (*abandon)(struct tacet_task *task);
};

/*
 * The end of the running task: its waiters become ready, it is the creator's again. The last that its `run`, or a body
 * on its behalf, does with it.
 */
TACET_EXPORT void tacet_task_exit(struct tacet_task *task, tacet_result result);

/* For layers that embed tasks: frees what an attachment may have allocated. The task has exited or was never attached. */
TACET_EXPORT void tacet_task_finish(struct tacet_task *task);

static inline const struct tacet_switcher_ops *tacet_task_ops(const struct tacet_task *task)
{
    return (const struct tacet_switcher_ops *)task->runnable.kind;
}

/* A `run` for every kind that has contexts. */
TACET_EXPORT void tacet_stackful_run(struct tacet_runnable *runnable);

/* The options that an instance was made with; what was 0 is the default. */
TACET_EXPORT const struct tacet_switcher_options *tacet_switcher_get_options(const struct tacet_switcher *switcher);

#ifdef __cplusplus
}
#endif

#endif
