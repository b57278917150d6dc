/*
 * Deadlines: of a task, for all that it awaits; of an op in flight.
 *
 * Each is a timer in the executor's heap: a request with TACET_OPCODE_DEADLINE, whose tag tells whose it is. Its state is
 * IDLE where there is no deadline, IN_FLIGHT while it is in the heap, COMPLETED when it has passed. Then the heap keeps its
 * slot, so that it can be put off without memory: who leaves the scope of a deadline must not fail.
 *
 * While a task is in transit between executors its timer is COMPLETED and no heap's.
 */
#include "task/deadline.h"

#include "base/clock.h"
#include "op/op.h"
#include "task/c_task.h"

#include <tacet/time.h>

static struct tacet_op *op_of(struct tacet_request *timer)
{
    return TACET_CONTAINER_OF(timer, struct tacet_op, deadline);
}

void deadline_pass(struct executor *executor, struct tacet_request *timer)
{
    timer->state = TACET_OP_COMPLETED;
    executor->timers.held++; /* the slot that it had */
    if (timer->tag == TACET_TAG_AWAIT)
        task_time_out(TACET_CONTAINER_OF(timer, struct tacet_task_extra, deadline)->task);
    else
        request_cancel(executor, &op_of(timer)->request);
}

void deadline_stop(struct executor *executor, struct tacet_request *timer)
{
    if (timer->tag != TACET_TAG_AWAIT) {
        deadline_disarm(executor, timer);
        return;
    }
    timers_remove(&executor->timers, timer);
    timer->state = TACET_OP_COMPLETED; /* it goes with its task, if that goes home */
    executor->timers.held++;
}

void deadline_disarm(struct executor *executor, struct tacet_request *timer)
{
    if (timer->state == TACET_OP_IN_FLIGHT)
        timers_remove(&executor->timers, timer);
    else if (timer->state == TACET_OP_COMPLETED)
        executor->timers.held--;
    timer->state = TACET_OP_IDLE;
}

/* It replaces the one that there was. One that has passed already does so at once. */
static tacet_result arm(struct executor *executor, struct tacet_request *timer, enum tacet_tag tag,
                        uint64_t deadline_ns)
{
    deadline_disarm(executor, timer);
    if (deadline_ns == TACET_FOREVER)
        return 0;
    tacet_result r = timers_add(&executor->timers, deadline_ns, timer);
    if (r < 0)
        return r;
    timer->state = TACET_OP_IN_FLIGHT;
    timer->tag = (uint8_t)tag;
    timer->opcode = TACET_OPCODE_DEADLINE;
    if (deadline_ns <= executor->ring.ops->now()) {
        timers_remove(&executor->timers, timer);
        deadline_pass(executor, timer);
    }
    return 0;
}

/* --- Of a task --- */

uint64_t tacet_task_deadline(const struct tacet_task *task)
{
    if (task == NULL || task->extra == NULL || task->extra->deadline.state == TACET_OP_IDLE)
        return TACET_FOREVER;
    return task->extra->deadline_ns;
}

tacet_result tacet_task_set_deadline(struct tacet_task *task, uint64_t deadline_ns)
{
    if (task == NULL || task->state == TACET_TASK_IDLE || task->state == TACET_TASK_EXITED)
        return -EINVAL;
    const struct executor *here = task_find_executor_here(task);
    if (here == NULL || !executor_is_mine(here))
        return -EPERM; /* another thread's, or on its way */
    struct executor *executor = executor_of(tacet_task_executor(task));
    tacet_result r = task->extra == NULL ? tacet_task_make_extra(task) : 0;
    if (r < 0)
        return r;
    task->attention &= (uint8_t)~TACET_TASK_TIMED_OUT;
    task->extra->deadline_ns = deadline_ns;
    return arm(executor, &task->extra->deadline, TACET_TAG_AWAIT, deadline_ns);
}

void deadline_end(struct tacet_task *task)
{
    deadline_disarm(executor_of(tacet_task_executor(task)), &task->extra->deadline);
}

void deadline_depart(struct executor *from, struct tacet_task *task)
{
    struct tacet_request *timer = &task->extra->deadline;
    bool has_one = timer->state != TACET_OP_IDLE;
    deadline_disarm(from, timer);
    timer->state = has_one ? TACET_OP_COMPLETED : TACET_OP_IDLE;
}

/* Without memory for its timer the deadline counts as passed. */
void deadline_arrive(struct executor *executor, struct tacet_task *task)
{
    struct tacet_request *timer = &task->extra->deadline;
    if (timer->state == TACET_OP_IDLE)
        return;
    timer->state = TACET_OP_IDLE;
    if (arm(executor, timer, TACET_TAG_AWAIT, task->extra->deadline_ns) < 0)
        task_time_out(task);
}

/* --- Of an op --- */

tacet_result tacet_op_set_deadline(struct tacet_op *op, uint64_t deadline_ns)
{
    if (op == NULL)
        return -EINVAL;
    if (op->request.state != TACET_OP_IN_FLIGHT)
        return -ENOENT;
    struct executor *executor = executor_of_op(op);
    if (!executor_is_mine(executor))
        return -EPERM;
    if (op->request.opcode == IORING_OP_CLOSE)
        return -EALREADY;
    if (!(op->request.attention & TACET_OP_HAS_DEADLINE))
        op->deadline.state = TACET_OP_IDLE;
    op->request.attention |= TACET_OP_HAS_DEADLINE;
    return arm(executor, &op->deadline, TACET_TAG_TASK, deadline_ns);
}

tacet_result deadline_end_of_op(struct executor *executor, struct tacet_op *op, tacet_result result)
{
    bool passed = op->deadline.state == TACET_OP_COMPLETED;
    deadline_disarm(executor, &op->deadline);
    return passed && tacet_is_cancelled(result) ? -ETIME : result;
}
