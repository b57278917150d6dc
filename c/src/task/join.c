/*
 * Threads that wait for a task: a task on their stack that does the waiting at the other's executor, and a futex that says when.
 *
 * The joiner's task becomes ready when the other exits, and is resumed after the other's stack has been left: then the other
 * is its creator's. It touches nothing of itself after the futex is set.
 */
#include "base/clock.h"
#include "executor/executor.h"
#include "task/c_task.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Between two looks whether a cancel has arrived. */
#define PAUSE_NS (100 * 1000)

struct joiner {
    struct tacet_task task; /* first */
    struct tacet_task *other;
    bool waits;
    tacet_result result; /* of the wait */
    tacet_result others_result;
    uint32_t done;
};

static void finish(struct joiner *joiner, tacet_result result, tacet_result others_result)
{
    joiner->result = result;
    joiner->others_result = others_result;
    uint32_t *word = &joiner->done;
    /* release: pairs with the acquire in wait_for() */
    __atomic_store_n(word, 1, __ATOMIC_RELEASE);
    syscall(__NR_futex, word, FUTEX_WAKE_PRIVATE, 1);
}

static void exit_joined(struct joiner *joiner, tacet_result result, tacet_result others_result)
{
    tacet_task_exit(&joiner->task, 0);
    tacet_task_finish(&joiner->task);
    finish(joiner, result, others_result);
}

static void wait_for_exit(struct joiner *joiner)
{
    joiner->waits = true;
    tacet_task_wait_park(&joiner->task, joiner->other);
}

static void run(struct tacet_runnable *runnable)
{
    struct joiner *joiner = (struct joiner *)tacet_task_resume(runnable);
    struct tacet_task *self = &joiner->task, *other = joiner->other;
    if (joiner->waits)
        exit_joined(joiner, self->result, self->result == 0 ? self->waited : 0);
    else if (other->state == TACET_TASK_EXITED)
        exit_joined(joiner, 0, other->result);
    else if (tacet_task_take_cancel(self))
        exit_joined(joiner, -ECANCELED, 0);
    else
        wait_for_exit(joiner);
}

static void abandon(struct tacet_task *task)
{
    tacet_task_finish(task);
    finish((struct joiner *)task, -ECANCELED, 0);
}

static const struct tacet_switcher_ops joiner_ops = {
    .kind = {.run = run},
    .name = "join",
    .flags = TACET_SWITCHER_SUSPENDS_BY_RETURNING | TACET_SWITCHER_FOREIGN,
    .abandon = abandon,
};

/* false: the time is over. */
static bool wait_for(struct joiner *joiner, uint64_t deadline_ns)
{
    /* acquire: pairs with the release in finish() */
    while (__atomic_load_n(&joiner->done, __ATOMIC_ACQUIRE) == 0) {
        uint64_t now = clock_ns();
        if (now >= deadline_ns)
            return false;
        struct timespec left = clock_timespec(deadline_ns - now);
        syscall(__NR_futex, &joiner->done, FUTEX_WAIT_PRIVATE, 0, deadline_ns != TACET_FOREVER ? &left : NULL);
    }
    return true;
}

/* The executor may find that the task has exited before it finds the cancel: so that is awaited too. */
static tacet_result give_up(struct joiner *joiner)
{
    tacet_task_cancel(&joiner->task);
    wait_for(joiner, TACET_FOREVER);
    while (__atomic_load_n(&joiner->task.signals, __ATOMIC_ACQUIRE) != 0) {
        struct timespec pause = clock_timespec(PAUSE_NS);
        nanosleep(&pause, NULL);
    }
    return joiner->result == -ECANCELED ? -ETIME : joiner->result;
}

static tacet_result check(const struct tacet_task *task, const struct timespec *timeout)
{
    if (task == NULL || __atomic_load_n(&task->state, __ATOMIC_RELAXED) == TACET_TASK_IDLE)
        return -EINVAL;
    if (timeout != NULL && (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= (long)NS_PER_S))
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
    struct joiner joiner = {.other = task};
    if (executor_is_mine(executor)) {
        joiner.others_result = task->result;
    } else {
        tacet_task_init(&joiner.task, &joiner_ops.kind);
        r = tacet_task_attach(&executor->shared, &joiner.task);
        if (r < 0)
            return r;
        uint64_t deadline_ns = timeout != NULL ? clock_add(clock_ns(), clock_duration(timeout)) : TACET_FOREVER;
        r = wait_for(&joiner, deadline_ns) ? joiner.result : give_up(&joiner);
    }
    if (r == 0 && result != NULL)
        *result = joiner.others_result;
    return r;
}
