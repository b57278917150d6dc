/*
 * Threads that wait for a task: a task of theirs that does the waiting at the other's executor, and a futex that says when.
 *
 * The joiner's task becomes ready when the other exits, and is resumed after the other's stack has been left: then the other
 * is its creator's. The joiner's memory is freed by the thread, or, if that did not wait to the end, by the executor when it
 * has both been told so and has done with the joiner.
 */
#include "base/clock.h"
#include "executor/executor.h"
#include "task/c_task.h"

#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum joiner_state {
    JOINER_WAITS,
    JOINER_LOOKS, /* the executor does, at the other task, which the thread must not leave meanwhile */
    JOINER_HAS_ENDED,
    JOINER_WAS_LEFT, /* by its thread */
};

struct joiner {
    struct tacet_task task;      /* first */
    struct tacet_runnable leave; /* the message that says that it was left */
    struct tacet_task *other;
    tacet_result result; /* of the wait */
    tacet_result others_result;
    uint32_t state; /* enum joiner_state */
    bool waits;
    bool left; /* the message has come */
};

static void end(struct joiner *joiner, tacet_result result, tacet_result others_result)
{
    tacet_task_finish(&joiner->task);
    joiner->result = result;
    joiner->others_result = others_result;
    bool left = joiner->left;
    uint32_t *state = &joiner->state;
    /* release: pairs with the acquire in wait_for(), after which the memory may be gone */
    if (__atomic_exchange_n(state, JOINER_HAS_ENDED, __ATOMIC_ACQ_REL) != JOINER_WAS_LEFT)
        syscall(__NR_futex, state, FUTEX_WAKE_PRIVATE, 1);
    else if (left)
        free(joiner);
}

static void exit_joined(struct joiner *joiner, tacet_result result, tacet_result others_result)
{
    tacet_task_exit(&joiner->task, 0);
    end(joiner, result, others_result);
}

/* The thread has left if it is not JOINER_WAITS any more, and the other may be gone. */
static bool begin_to_look(struct joiner *joiner)
{
    uint32_t waits = JOINER_WAITS;
    return __atomic_compare_exchange_n(&joiner->state, &waits, JOINER_LOOKS, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static void wait_for_exit(struct joiner *joiner)
{
    joiner->waits = true;
    tacet_task_wait_park(&joiner->task, joiner->other);
    /* release: pairs with the acquire in leave() */
    __atomic_store_n(&joiner->state, JOINER_WAITS, __ATOMIC_RELEASE);
}

static void run(struct tacet_runnable *runnable)
{
    struct joiner *joiner = (struct joiner *)tacet_task_resume(runnable);
    struct tacet_task *self = &joiner->task, *other = joiner->other;
    if (joiner->waits)
        exit_joined(joiner, self->result, self->result == 0 ? self->waited : 0);
    else if (!begin_to_look(joiner))
        exit_joined(joiner, -ECANCELED, 0);
    else if (other->state == TACET_TASK_EXITED)
        exit_joined(joiner, 0, other->result);
    else
        wait_for_exit(joiner);
}

static void abandon(struct tacet_task *task)
{
    end((struct joiner *)task, -ECANCELED, 0);
}

/* The thread's right to the other task ends when it leaves; the joiner's wait, if it has begun, is in the other's list. */
static void accept_leave(struct tacet_executor *executor, struct tacet_runnable *message)
{
    (void)executor;
    struct joiner *joiner = TACET_CONTAINER_OF(message, struct joiner, leave);
    joiner->left = true;
    if (joiner->task.state == TACET_TASK_EXITED)
        free(joiner);
    else
        task_cancel(&joiner->task);
}

static const struct tacet_runnable_kind leave_kind = {.accept = accept_leave};

static const struct tacet_switcher_ops joiner_ops = {
    .kind = {.run = run},
    .name = "join",
    .flags = TACET_SWITCHER_SUSPENDS_BY_RETURNING | TACET_SWITCHER_FOREIGN,
    .abandon = abandon,
};

/* Until the deadline. */
static void wait_for(struct joiner *joiner, uint64_t deadline_ns)
{
    /* acquire: pairs with the release in end() */
    while (__atomic_load_n(&joiner->state, __ATOMIC_ACQUIRE) != JOINER_HAS_ENDED) {
        uint64_t now = clock_ns();
        if (now >= deadline_ns)
            return;
        struct timespec left = clock_timespec(deadline_ns - now);
        syscall(__NR_futex, &joiner->state, FUTEX_WAIT_PRIVATE, JOINER_WAITS,
                deadline_ns != TACET_FOREVER ? &left : NULL);
    }
}

/* false: the wait has ended. */
static bool leave(struct joiner *joiner)
{
    uint32_t state = JOINER_WAITS;
    while (!__atomic_compare_exchange_n(&joiner->state, &state, JOINER_WAS_LEFT, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE)) {
        if (state == JOINER_HAS_ENDED)
            return false;
        sched_yield(); /* to the executor, which looks */
        state = JOINER_WAITS;
    }
    return true;
}

static tacet_result join_from_afar(struct executor *executor, struct joiner *joiner, uint64_t deadline_ns,
                                   tacet_result *result)
{
    tacet_task_init(&joiner->task, &joiner_ops.kind);
    tacet_result r = tacet_task_attach(&executor->shared, &joiner->task);
    if (r == 0) {
        wait_for(joiner, deadline_ns);
        if (leave(joiner)) {
            executor_post(executor, &joiner->leave);
            return -ETIME;
        }
        r = joiner->result;
        if (result != NULL && r == 0)
            *result = joiner->others_result;
    }
    free(joiner);
    return r;
}

static tacet_result check(const struct tacet_task *task, const struct timespec *timeout)
{
    if (task == NULL || __atomic_load_n(&task->state, __ATOMIC_RELAXED) == TACET_TASK_IDLE)
        return -EINVAL;
    if (!clock_is_timeout(timeout))
        return -EINVAL;
    if (__atomic_load_n(&task->level, __ATOMIC_RELAXED) == NULL)
        return -EAGAIN;
    const struct executor *executor = task_find_executor(task);
    if (executor == NULL)
        return -EPERM;
    return executor_is_mine(executor) && task->state != TACET_TASK_EXITED ? -EDEADLK : 0;
}

tacet_result tacet_task_join(struct tacet_task *task, tacet_result *result, const struct timespec *timeout)
{
    tacet_result r = check(task, timeout);
    if (r < 0)
        return r;
    struct executor *executor = task_find_executor(task);
    if (executor_is_mine(executor)) {
        if (result != NULL)
            *result = task->result;
        return 0;
    }
    struct joiner *joiner = calloc(1, sizeof *joiner);
    if (joiner == NULL)
        return -ENOMEM;
    joiner->leave.kind = &leave_kind;
    joiner->other = task;
    return join_from_afar(executor, joiner, clock_deadline(clock_ns(), timeout), result);
}
