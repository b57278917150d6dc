/*
 * A task made by tacet_task_create(): the scheduling unit with a body, and a context for those that have a stack.
 *
 * A suspending call awaits the task's own request:
 *     r = call_begin(task, opcode, &sqe);
 *     return r < 0 ? r : call_await(task, opcode, sqe, tacet_prepare_X(sqe, ...));
 */
#ifndef TASK_C_TASK_H
#define TASK_C_TASK_H

#include "base/list.h"
#include "executor/executor.h"
#include "switcher/thread.h"

#include <tacet/op.h>
#include <tacet/socket.h>
#include <tacet/switcher_interface.h>
#include <tacet/task.h>

#include <linux/ioprio.h>

struct c_task {
    struct tacet_task task; /* first: see c_task_of(); its context is the body's argument */
    tacet_task_body *body;
    struct tacet_context context; /* of kinds without contexts: the switcher */
};

/* The whole of a task's extra part. */
struct task_extra {
    struct tacet_task_extra shared; /* first: see task_extra_of() */
    struct tacet_task_ticks ticks;
    const char *name;
    void (*destroy_arg)(void *arg);
};

static inline struct c_task *c_task_of(const struct tacet_task *task)
{
    return (struct c_task *)task;
}

/* The task has one. */
static inline struct task_extra *task_extra_of(const struct tacet_task *task)
{
    return (struct task_extra *)task->extra;
}

static inline bool task_has_ops_in_flight(const struct tacet_task *task)
{
    /* acquire: pairs with the release in completion.c: the end of an op that an exited task left in flight */
    return task->extra != NULL && __atomic_load_n(&task->extra->ops_initiated, __ATOMIC_ACQUIRE) > 0;
}

/* The I/O priority that tacet_task_set_priority() has put into `ioprio`. */
static inline enum tacet_priority task_io_level(const struct tacet_task *task)
{
    if (task->ioprio == 0)
        return TACET_PRIORITY_NORMAL;
    return IOPRIO_PRIO_DATA(task->ioprio) == 0 ? TACET_PRIORITY_HIGH : TACET_PRIORITY_LOW;
}

TACET_COLD tacet_result call_refuse_not_running(const struct tacet_task *task);

/* 0 if the task, which must be the running one, may suspend here. */
static inline tacet_result call_check_may_suspend(const struct tacet_task *task)
{
    if (TACET_UNLIKELY(task == NULL || task->state != TACET_TASK_RUNNING))
        return call_refuse_not_running(task);
    if (TACET_UNLIKELY(!executor_is_mine(executor_of(tacet_task_executor(task)))))
        return -EPERM;
    if (TACET_UNLIKELY(tacet_task_ops(task)->flags & (TACET_SWITCHER_CANNOT_SUSPEND | TACET_SWITCHER_FOREIGN)))
        return -ENOTSUP;
    if (TACET_UNLIKELY(thread_state.context != NULL)) /* the task resumed it: this is not the task's stack */
        return -ENOTSUP;
    if (TACET_UNLIKELY(tacet_task_ops(task)->reserve != NULL))
        return tacet_task_ops(task)->reserve(&c_task_of(task)->context);
    return 0;
}

/* The same at a cancellation point. */
static inline tacet_result call_check(struct tacet_task *task)
{
    tacet_result r = call_check_may_suspend(task);
    return r < 0 ? r : tacet_task_take_interrupt(task);
}

/* Room for an operation that the running task is to await. A close is never cancelled. */
static inline tacet_result call_begin(struct tacet_task *task, unsigned opcode, struct io_uring_sqe **sqe)
{
    tacet_result r = opcode == IORING_OP_CLOSE ? call_check_may_suspend(task) : call_check(task);
    return r < 0 ? r : tacet_op_begin(tacet_task_executor(task), opcode, sqe);
}

/* attention: bits of enum tacet_op_attention, for the request. */
static inline void call_commit(struct tacet_task *task, unsigned opcode, struct io_uring_sqe *sqe, unsigned attention)
{
    struct tacet_executor *executor = tacet_task_executor(task);
    tacet_task_commit_and_park(executor, task, opcode, sqe, opcode != IORING_OP_CLOSE);
    if (TACET_UNLIKELY(executor->accounting))
        attention |= TACET_OP_ACCOUNTED;
    task->request.attention |= (uint8_t)attention;
    if (opcode == IORING_OP_SEND_ZC)
        tacet_zero_copy_started(executor, &task->request);
}

/* Leaves the processor, in the way of the task's switcher. TACET_PENDING, or what the wait ended with. */
static inline tacet_result task_give_up(struct tacet_task *task)
{
    if (tacet_task_ops(task)->flags & TACET_SWITCHER_SUSPENDS_BY_RETURNING)
        return TACET_PENDING;
    return tacet_task_ops(task)->suspend(&c_task_of(task)->context);
}

/* The same for a task whose stack moves: arguments that lie there are replaced by copies. See op/bounce.h. */
tacet_result call_await_bounced(struct tacet_task *task, unsigned opcode, struct io_uring_sqe *sqe, unsigned attention);

static inline tacet_result call_await_with(struct tacet_task *task, unsigned opcode, struct io_uring_sqe *sqe,
                                           unsigned attention)
{
    if (TACET_UNLIKELY(tacet_task_ops(task)->flags & TACET_SWITCHER_STACK_NOT_STABLE))
        return call_await_bounced(task, opcode, sqe, attention);
    call_commit(task, opcode, sqe, attention);
    return task_give_up(task);
}

static inline tacet_result call_await(struct tacet_task *task, unsigned opcode, struct io_uring_sqe *sqe,
                                      tacet_result prepared)
{
    return prepared < 0 ? prepared : call_await_with(task, opcode, sqe, 0);
}

/* The same for an open or a sync, whose end means something for the file: also where a body that suspends by returning
 * asks for it later. */
tacet_result call_await_for_file(struct tacet_task *task, struct tacet_file *file, unsigned opcode,
                                 struct io_uring_sqe *sqe, tacet_result prepared);

/* A timer that is the task's own request. */
tacet_result task_add_timer(struct tacet_task *task, uint64_t duration_ns);

/* Ends a wait for any op, and its timer, if it has one. */
void task_end_wait_for_any(struct tacet_task *task, tacet_result result);

/* Ends a wait for a semaphore with -ECANCELED. */
void semaphore_cancel_wait(struct tacet_task *task);

/* Whose executor the task is with, or on its way to. From any thread; NULL in a forked child. */
static inline struct executor *task_find_executor(const struct tacet_task *task)
{
    /* acquire: pairs with the release in task_set_level(); what was done to the task before it came there is seen */
    struct tacet_level *level = __atomic_load_n(&task->level, __ATOMIC_ACQUIRE);
    return level->ready != NULL ? executor_of(TACET_CONTAINER_OF(level->ready, struct tacet_executor, ready)) : NULL;
}

/*
 * Whether it is with that executor, or on its way there. Nothing of the executor where it is is looked at: that may be a host
 * which goes away at this moment, having sent it home.
 */
static inline bool task_is_at(const struct tacet_task *task, const struct executor *executor)
{
    /* acquire: pairs with the release in task_set_level(); who is on the way here has its signal_depart() behind it */
    uintptr_t level = (uintptr_t)__atomic_load_n(&task->level, __ATOMIC_ACQUIRE);
    return level - (uintptr_t)executor->shared.ready.levels < sizeof executor->shared.ready.levels;
}

/* The one of this thread that the task is with, or NULL, also while it is on its way there; executor_is_mine() is false of
 * it in a forked child. */
const struct executor *task_find_executor_here(const struct tacet_task *task);

static inline void task_set_level(struct tacet_task *task, struct tacet_level *level)
{
    __atomic_store_n(&task->level, level, __ATOMIC_RELEASE);
}

/* It is not one of the executor's tasks any more. */
static inline void task_leave(struct tacet_executor *executor, struct tacet_task *task)
{
    executor->attached[task->priority]--;
    list_remove(&task->attached_node);
}

/* A task that was posted to the executor becomes one of its own, and ready. */
void task_start(struct executor *executor, struct tacet_task *task);

/* The task is in transit, to be started by whoever takes it: by task_start_submitted(). -EBUSY, -EINVAL, -ENOMEM: it stays
 * its creator's. accounted: the executors keep time accounts. */
tacet_result task_submit(struct tacet_task *task, bool accounted);
void task_start_submitted(struct executor *executor, struct tacet_task *task);

/* A submitted task that nobody will start: it exits with -ECANCELED. */
void task_end_submitted(struct tacet_task *task);

/* A task that moves has come to the executor. */
void task_arrive(struct executor *executor, struct tacet_task *task);

/* A task that is away from home goes on there, since the executor where it is has drained its operations and goes away. It
 * is not in the ready queue. */
void task_send_home(struct tacet_task *task);

/* The end of a wait for another thread. Owner thread. */
static inline void task_end_external(struct executor *executor, struct tacet_task *task, tacet_result result)
{
    executor->shared.external--;
    task->flags &= (uint8_t)~TACET_TASK_EXTERNAL;
    tacet_task_unpark(task, tacet_task_take_end(task, result));
}

/* tacet_task_cancel() on the owner's thread. */
void task_cancel(struct tacet_task *task);

/* Its deadline has passed: the wait that is under way ends, and none begins. */
void task_time_out(struct tacet_task *task);

/* The last act of a `run` after the task has exited, and of the last op that it left in flight: a released one is
 * destroyed. */
void task_settle(struct c_task *task);

/* The end of a task that its executor, which goes away, will not resume again. */
void task_abandon(struct tacet_task *task);

#endif
