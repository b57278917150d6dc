/*
 * A task made by tacet_task_create(): the scheduling unit with a body, a context for those that have a stack, and the op
 * of its suspending calls.
 *
 * A suspending form is the two lines
 *     call_await(task, tacet_X_start(call_op(task), task, ...))
 * where call_op() gives NULL, which no start takes, if the task may not suspend here; call_await() then says why.
 */
#ifndef TASK_C_TASK_H
#define TASK_C_TASK_H

#include "executor/executor.h"

#include <tacet/op.h>
#include <tacet/switcher_interface.h>
#include <tacet/task.h>

struct c_task {
    struct tacet_task task; /* first: see c_task_of() */
    tacet_task_body *body;
    void *arg;
    struct tacet_switcher *switcher;
    const char *name;
    void (*destroy_arg)(void *arg);
    bool released; /* to be destroyed when it has exited */
    struct tacet_context context;
    struct tacet_op op;
    struct tacet_file *file; /* what the end of the suspending call means something for, or NULL */
};

static inline struct c_task *c_task_of(const struct tacet_task *task)
{
    return (struct c_task *)task;
}

TACET_COLD tacet_result call_refuse_not_running(const struct tacet_task *task);

/* 0 if the task, which must be the running one, may suspend here. */
static inline tacet_result call_check_may_suspend(const struct tacet_task *task)
{
    if (TACET_UNLIKELY(task == NULL || task->state != TACET_TASK_RUNNING))
        return call_refuse_not_running(task);
    if (TACET_UNLIKELY(!executor_is_mine(executor_of(task->executor))))
        return -EPERM;
    if (TACET_UNLIKELY(task->switcher_ops->flags & (TACET_SWITCHER_CANNOT_SUSPEND | TACET_SWITCHER_FOREIGN)))
        return -ENOTSUP;
    if (TACET_UNLIKELY(task->switcher_ops->reserve != NULL))
        return task->switcher_ops->reserve(&c_task_of(task)->context);
    return 0;
}

/* The same at a cancellation point: delivers a pending cancel. */
static inline tacet_result call_check(struct tacet_task *task)
{
    tacet_result r = call_check_may_suspend(task);
    return r < 0 ? r : tacet_task_take_cancel(task) ? -ECANCELED : 0;
}

struct tacet_op *call_op(struct tacet_task *task);
tacet_result call_await(struct tacet_task *task, tacet_result started);

/* The same for an open or a sync, whose end means something for the file: also where a body that suspends by returning
 * asks for it later. */
tacet_result call_await_for_file(struct tacet_task *task, struct tacet_file *file, tacet_result started);

/* The same for what is never cancelled. */
struct tacet_op *call_op_uncancelled(struct tacet_task *task);
tacet_result call_await_uncancelled(struct tacet_task *task, tacet_result started);

/* The last act of a `run` after the task has exited, and of the last op that it left in flight: a released one is
 * destroyed. */
void task_settle(struct c_task *task);

/* The end of a task that its executor, which goes away, will not resume again. */
void task_abandon(struct tacet_task *task);

/* Leaves the processor, in the way of the task's switcher. TACET_PENDING, or what the wait ended with. */
static inline tacet_result task_give_up(struct tacet_task *task)
{
    if (task->switcher_ops->flags & TACET_SWITCHER_SUSPENDS_BY_RETURNING)
        return TACET_PENDING;
    return task->switcher_ops->suspend(&c_task_of(task)->context);
}

#endif
