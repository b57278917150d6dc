/* See at_once.h. */
#include "op/at_once.h"

#include "executor/executor.h"
#include "ring/admission.h"
#include "ring/descriptors.h"
#include "switcher/switcher.h"
#include "task/c_task.h"

#include <sys/uio.h>

#define CREDIT_MAX 4
#define MISS_COSTS 3
#define PENALTY_MIN 2
#define PENALTY_MAX 127
#define IN_A_ROW_MAX 64 /* then the others have their turn */

static bool is_worth_trying(struct at_once_slot *slot)
{
    if (slot->pause == 0)
        return true;
    slot->pause--;
    return false;
}

static void learn(struct at_once_slot *slot, bool hit)
{
    if (hit) {
        slot->credit = slot->credit < CREDIT_MAX ? slot->credit + 1 : CREDIT_MAX;
        if (slot->credit == CREDIT_MAX)
            slot->penalty = 0;
    } else if (slot->credit >= MISS_COSTS) {
        slot->credit -= MISS_COSTS;
    } else {
        slot->credit = 0;
        slot->penalty = slot->penalty < PENALTY_MAX / 2 ? 2 * slot->penalty + PENALTY_MIN : PENALTY_MAX;
        slot->pause = slot->penalty;
    }
}

typedef ssize_t transfer(int fd, const struct iovec *vectors, int count, off_t offset, int flags);

/* Whatever goes wrong is said by the ring, which alone knows registered descriptors. */
static tacet_result try_at_once(struct tacet_task *task, transfer *transfer, int fd, const struct iovec *vector,
                                uint64_t offset)
{
    struct executor *executor = executor_of(tacet_task_executor(task));
    struct at_once_slot *slot = &executor->at_once.slots[(unsigned)fd % AT_ONCE_SLOTS];
    if (task->attention & (TACET_TASK_CANCEL_PENDING | TACET_TASK_TIMED_OUT) || !tacet_length_fits(vector->iov_len) ||
        tacet_descriptor_is_registered(fd) || ++task->at_once % IN_A_ROW_MAX == 0 || !is_worth_trying(slot))
        return TACET_PENDING;
    executor->at_once.tried++;
    ssize_t bytes = transfer(fd, vector, 1, (off_t)offset, RWF_NOWAIT);
    learn(slot, bytes >= 0);
    executor->at_once.done += bytes >= 0;
    return bytes >= 0 ? bytes : TACET_PENDING;
}

tacet_result tacet_read_at_once(struct tacet_task *task, int fd, void *buffer, size_t bytes, uint64_t offset)
{
    const struct iovec vector = {buffer, bytes};
    return try_at_once(task, preadv2, fd, &vector, offset);
}

tacet_result tacet_write_at_once(struct tacet_task *task, int fd, const void *buffer, size_t bytes, uint64_t offset)
{
    const struct iovec vector = {(void *)buffer, bytes};
    if (admission_orders_writes(executor_of(tacet_task_executor(task))->admission))
        return TACET_PENDING; /* others may be on their way to the file */
    return try_at_once(task, pwritev2, fd, &vector, offset);
}

/* A buffer on a stack that moves is refused where it is large: not only where the page cache lacks something. */
static bool is_on_moving_stack(const struct tacet_task *task, const void *buffer)
{
    return tacet_task_ops(task)->flags & TACET_SWITCHER_STACK_NOT_STABLE &&
           tacet_task_ops(task)->holds(&c_task_of(task)->context, buffer);
}

/* A body that suspends by returning counts on it that a call which succeeds has suspended. */
static bool may_try(const struct tacet_task *task, const struct tacet_file *file, const void *buffer)
{
    if (file == NULL || task == NULL || task->state != TACET_TASK_RUNNING ||
        !tacet_may_try_at_once(tacet_task_executor(task), file->flags))
        return false;
    return !(tacet_task_ops(task)->flags & TACET_SWITCHER_SUSPENDS_BY_RETURNING) && call_check_may_suspend(task) == 0 &&
           !is_on_moving_stack(task, buffer);
}

tacet_result at_once_read(struct tacet_task *task, const struct tacet_file *file, void *buffer, size_t bytes,
                          uint64_t offset)
{
    return may_try(task, file, buffer) ? tacet_read_at_once(task, file->fd, buffer, bytes, offset) : TACET_PENDING;
}

tacet_result at_once_write(struct tacet_task *task, const struct tacet_file *file, const void *buffer, size_t bytes,
                           uint64_t offset)
{
    return may_try(task, file, buffer) ? tacet_write_at_once(task, file->fd, buffer, bytes, offset) : TACET_PENDING;
}
