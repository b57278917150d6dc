/*
 * The interface behind switcher.h, for those who write a switcher.
 *
 * A kind is one table. `run` resumes a task: it is the `run` of the task's runnable, called by the run loop on the
 * scheduler's stack. Kinds that suspend by switching stacks work on a context, which knows nothing of tasks and
 * executors:
 *
 *     resume(context, value)   called on the resumer's stack; returns when the context suspends or its entry has returned
 *     suspend(context)         called on the context's stack; returns the value that it is resumed with
 *
 * A context that an exception is in flight or being handled in may suspend: the C++ runtime's state of it goes with the
 * context.
 */
#ifndef TACET_SWITCHER_INTERFACE_H
#define TACET_SWITCHER_INTERFACE_H

#include <tacet/inline/task.h>
#include <tacet/switcher.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tacet_switcher_flags {
    TACET_SWITCHER_CANNOT_SUSPEND = 1 << 0,
    TACET_SWITCHER_SUSPENDS_BY_RETURNING = 1 << 1,
    TACET_SWITCHER_STACK_NOT_STABLE = 1 << 2,
    /* The task was not made by tacet_task_create(): a layer above has its own. Suspending C calls return -ENOTSUP. */
    TACET_SWITCHER_FOREIGN = 1 << 3,
};

/* The usable bytes are [base, base + bytes); the page below base is the guard. base == NULL: none. */
struct tacet_stack {
    char *base;
    size_t bytes;
};

struct tacet_context {
    void *stack_pointer;         /* valid while suspended */
    void *resumer_stack_pointer; /* valid while it runs */
    void **exception_globals;    /* the C++ runtime's {caught, uncaught} of this thread; since the first resumption */
    void *exceptions[2];         /* the context's own, while suspended */
    bool has_exceptions;         /* they are not both zero */
    bool finished;
    struct tacet_switcher *switcher;
    struct tacet_stack stack;
    struct tacet_stack resumer_stack; /* its bounds; only kept under AddressSanitizer */
    void (*entry)(void *argument);    /* runs on the context's stack; the context is finished when it returns */
    void (*after)(void *argument);    /* then runs on the resumer's, as the last that is done with the context */
    void *argument;
};

struct tacet_switcher_ops {
    const char *name;
    unsigned flags;

    void (*run)(struct tacet_runnable *runnable);

    /* Contexts; NULL for kinds without. create takes memory; prepare makes a context ready for its first resumption,
     * and may be called again when it has finished, or when it is to be forgotten where it stands. */
    tacet_result (*create)(struct tacet_context *context, struct tacet_switcher *switcher, size_t stack_bytes);
    void (*prepare)(struct tacet_context *context, void (*entry)(void *argument), void (*after)(void *argument),
                    void *argument);
    void (*resume)(struct tacet_context *context, int64_t value);
    int64_t (*suspend)(struct tacet_context *context);
    void (*destroy)(struct tacet_context *context);

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

/* A `run` for every kind that switches stacks. */
TACET_EXPORT void tacet_stackful_run(struct tacet_runnable *runnable);

#ifdef __cplusplus
}
#endif

#endif
