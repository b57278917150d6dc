/*
 * See tacet/multishot.h. Completions are collected in multishot_completed(), where nothing may be started or cancelled; that is
 * left to attend(), which the run loop calls as it calls other callbacks.
 *
 *     idle --arm--> in flight --full: cancel--> pausing --terminal--> idle --half empty, or somebody waits: arm--> ...
 *
 * A result is kept in the queue until a task takes it, also while a task is on its way to it: who does not come any more takes
 * nothing along.
 */
#include "op/multishot.h"

#include "op/bounce.h"
#include "op/buffer_ring.h"
#include "op/op.h"
#include "task/c_task.h"

#include <tacet/handover.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM_MIN 8u

static struct tacet_multishot *multishot_of(struct tacet_request *request)
{
    return TACET_CONTAINER_OF(request, struct tacet_multishot, request);
}

static bool is_in_flight(const struct tacet_multishot *multishot)
{
    return multishot->request.state == TACET_OP_IN_FLIGHT;
}

static void call_attend(struct tacet_multishot *multishot)
{
    if (multishot->attending)
        return;
    multishot->attending = true;
    tacet_level_push(&multishot->executor->ready.levels[TACET_PRIORITY_HIGH], &multishot->attend.runnable);
}

/* Nobody takes it. */
static void give_back(const struct tacet_multishot *multishot, struct tacet_multishot_result result)
{
    if (multishot->request.opcode == IORING_OP_ACCEPT)
        close(result.value);
    else if (result.flags & IORING_CQE_F_BUFFER)
        tacet_buffer_ring_give(multishot->buffers, result.flags >> IORING_CQE_BUFFER_SHIFT);
}

static tacet_result arm(struct tacet_multishot *multishot)
{
    struct io_uring_sqe filled, *sqe;
    _Static_assert(sizeof filled == sizeof multishot->sqe, "room for it");
    memcpy(&filled, multishot->sqe, sizeof filled);
    tacet_result r = tacet_op_begin(multishot->executor, filled.opcode, &sqe);
    if (r < 0)
        return r;
    *sqe = filled;
    tacet_request_commit(multishot->executor, &multishot->request, TACET_TAG_MULTISHOT, sqe->opcode, sqe);
    multishot->request.attention = 0; /* its completions come here anyway */
    return 0;
}

/* The task looks again at what there is. */
static void wake(struct tacet_multishot *multishot, tacet_result result)
{
    struct tacet_task *waiting = multishot->waiting;
    multishot->waiting = NULL;
    if (waiting != NULL)
        tacet_task_unpark(waiting, result);
}

static tacet_result make_room(struct tacet_multishot *multishot)
{
    uint32_t room = multishot->room != 0 ? 2 * multishot->room : ROOM_MIN;
    struct tacet_multishot_result *results = malloc(room * sizeof *results);
    if (results == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < multishot->count; i++)
        results[i] = multishot->results[(multishot->first + i) & (multishot->room - 1)];
    free(multishot->results);
    multishot->results = results;
    multishot->room = room;
    multishot->first = 0;
    return 0;
}

static void keep_result(struct tacet_multishot *multishot, struct tacet_multishot_result result)
{
    if (multishot->count == multishot->room && make_room(multishot) < 0) {
        give_back(multishot, result);
        multishot->error = -ENOMEM;
        return;
    }
    multishot->results[(multishot->first + multishot->count++) & (multishot->room - 1)] = result;
}

/* Of a multishot that is being stopped, or whose executor is. */
static void discard_results(struct tacet_multishot *multishot)
{
    for (; multishot->count > 0; multishot->count--)
        give_back(multishot, multishot->results[multishot->first++ & (multishot->room - 1)]);
    free(multishot->results);
    multishot->results = NULL;
    multishot->room = multishot->first = 0;
}

/* That it was asked to pause is no failure; nor that there is no buffer, while those to be taken have some. */
static bool is_failure(const struct tacet_multishot *multishot, int32_t result)
{
    if (multishot->pausing && tacet_is_cancelled(result))
        return false;
    return result < 0 && (result != -ENOBUFS || multishot->count == 0);
}

/* Its request and its cancel have ended. */
static void ended(struct tacet_request *request)
{
    struct tacet_multishot *multishot = multishot_of(request);
    request->state = TACET_OP_IDLE;
    request->attention = 0;
    multishot->pausing = false;
    if (multishot->stopped != NULL || multishot->waiting != NULL)
        call_attend(multishot);
}

/* It was not to be found for a moment, or the cancel did not get to the kernel: who asked for it asks again. */
static void cancel_failed(struct tacet_multishot *multishot)
{
    multishot->pausing = false;
    call_attend(multishot);
}

void multishot_cancel_ended(struct tacet_request *request, int32_t result)
{
    if (request->attention & TACET_OP_TERMINAL_SEEN)
        ended(request);
    else if (result < 0 && result != -EALREADY) /* which means that it is ending */
        cancel_failed(multishot_of(request));
}

void multishot_completed(struct executor *executor, struct tacet_request *request, int32_t result, uint32_t flags)
{
    struct tacet_multishot *multishot = multishot_of(request);
    bool more = flags & IORING_CQE_F_MORE;
    if (is_failure(multishot, result))
        multishot->error = result;
    else if (result >= 0)
        keep_result(multishot, (struct tacet_multishot_result){result, flags});
    if (multishot->stopped != NULL || executor->closing)
        discard_results(multishot);
    if (multishot->stopped == NULL && (multishot->count > 0 || multishot->error < 0))
        wake(multishot, 0);
    if (more) {
        executor->ring.completed--; /* the terminal one counts */
        if (multishot->count >= multishot->results_max && !multishot->pausing)
            call_attend(multishot);
    } else if (request->attention & TACET_OP_CANCEL_IN_FLIGHT) {
        request->attention |= TACET_OP_TERMINAL_SEEN;
    } else {
        ended(request);
    }
}

static void finish(struct tacet_multishot *multishot)
{
    void (*stopped)(struct tacet_multishot *) = multishot->stopped;
    discard_results(multishot);
    tacet_buffer_ring_destroy(multishot->buffers); /* held since it was abandoned */
    multishot->executor = NULL;
    multishot->stopped = NULL;
    stopped(multishot);
}

static void attend(struct tacet_op *op)
{
    struct tacet_multishot *multishot = TACET_CONTAINER_OF(op, struct tacet_multishot, attend);
    multishot->attending = false;
    bool stops = multishot->stopped != NULL;
    if (is_in_flight(multishot)) {
        if ((stops || multishot->count >= multishot->results_max) && !multishot->pausing) {
            multishot->pausing = true;
            request_cancel(executor_of(multishot->executor), &multishot->request);
        }
    } else if (stops) {
        finish(multishot);
    } else if (multishot->waiting != NULL) {
        tacet_result r = arm(multishot);
        if (r < 0) {
            multishot->error = (int32_t)r;
            wake(multishot, 0);
        }
    }
}

tacet_result multishot_start(struct tacet_multishot *multishot, struct tacet_executor *executor,
                             const struct io_uring_sqe *filled, tacet_result prepared, unsigned results_max,
                             struct tacet_buffer_ring *buffers)
{
    if (prepared < 0 || multishot == NULL || executor == NULL || results_max == 0)
        return prepared < 0 ? prepared : -EINVAL;
    if (!executor_is_mine(executor_of(executor)))
        return -EPERM;
    if (multishot->executor != NULL)
        return -EBUSY;
    const struct tacet_task *current = tacet_executor_current(executor);
    if (executor->has_moving_stacks && current != NULL &&
        tacet_task_ops(current)->flags & TACET_SWITCHER_STACK_NOT_STABLE) {
        tacet_result r = bounce_check(current, multishot, "a struct tacet_multishot");
        if (r < 0)
            return r;
    }
    *multishot = (struct tacet_multishot){.executor = executor, .results_max = results_max, .buffers = buffers};
    memcpy(multishot->sqe, filled, sizeof *filled);
    tacet_result r = tacet_op_init_callback(&multishot->attend, executor, attend, TACET_PRIORITY_HIGH);
    r = r < 0 ? r : arm(multishot);
    if (r < 0)
        multishot->executor = NULL; /* as it was */
    return r;
}

tacet_result tacet_multishot_take(struct tacet_multishot *multishot)
{
    if (multishot->count > 0) {
        multishot->taken = multishot->results[multishot->first++ & (multishot->room - 1)];
        multishot->count--;
        bool may_arm = !is_in_flight(multishot) && multishot->error == 0 && !executor_of(multishot->executor)->closing;
        if (may_arm && multishot->count <= multishot->results_max / 2)
            (void)!arm(multishot); /* if not now, then by who finds nothing to take */
        return multishot->taken.value;
    }
    int32_t error = multishot->error;
    multishot->error = 0;
    return error < 0 ? error : TACET_PENDING;
}

/* Nothing is lost: the next that takes a result finds what has come. */
static void cancel_wait(struct tacet_task *task)
{
    struct tacet_multishot *multishot = task->waiting_for; /* its hook is its first member */
    tacet_task_keep_cancel(task);                          /* for the body that is called again */
    wake(multishot, -ECANCELED);
}

tacet_result tacet_multishot_park(struct tacet_task *task, struct tacet_multishot *multishot)
{
    if (multishot->executor != tacet_task_executor(task))
        return -EPERM;
    if (multishot->waiting != NULL)
        return -EBUSY;
    tacet_result r = is_in_flight(multishot) ? 0 : arm(multishot);
    if (r < 0)
        return r;
    multishot->hook.on_cancel = cancel_wait;
    multishot->waiting = task;
    tacet_task_park(task, multishot, TACET_WAIT_HOOK);
    return 0;
}

tacet_result tacet_multishot_next(struct tacet_task *task, struct tacet_multishot *multishot)
{
    tacet_result r = call_check_may_suspend(task);
    if (r < 0 || multishot == NULL || multishot->executor == NULL || multishot->stopped != NULL)
        return r < 0 ? r : -EINVAL;
    do {
        r = tacet_task_take_interrupt(task); /* first: else who is slower than the results would never end */
        if (r < 0)
            return r;
        r = tacet_multishot_take(multishot);
        if (r != TACET_PENDING)
            return r;
        r = tacet_multishot_park(task, multishot);
        if (r == 0)
            r = task_give_up(task);
    } while (r == 0);
    if (r == TACET_PENDING)
        return r;
    tacet_result interrupt = tacet_task_take_interrupt(task);
    return interrupt < 0 ? interrupt : r;
}

/* In a forked child: what is in flight, and who waits, is the parent's. An executor that is gone has left neither. */
static bool is_of_parent(const struct tacet_multishot *multishot)
{
    bool is_its = is_in_flight(multishot) || multishot->attending || multishot->waiting != NULL;
    return is_its && !executor_is_there(executor_of(multishot->executor));
}

void tacet_multishot_abandon(struct tacet_multishot *multishot, void (*stopped)(struct tacet_multishot *multishot))
{
    TACET_ASSERT(multishot->stopped == NULL);
    multishot->stopped = stopped;
    if (multishot->buffers != NULL)
        buffer_ring_hold(multishot->buffers); /* what is in flight may still take one of them */
    if (is_of_parent(multishot)) {
        finish(multishot);
        return;
    }
    wake(multishot, -ECANCELED);
    if (is_in_flight(multishot))
        call_attend(multishot);
    else if (!multishot->attending)
        finish(multishot);
}

static void end_stop(struct tacet_multishot *multishot)
{
    wake(multishot, 0);
}

tacet_result tacet_multishot_stop(struct tacet_task *task, struct tacet_multishot *multishot)
{
    tacet_result r = call_check_may_suspend(task);
    if (r < 0 || multishot == NULL || multishot->stopped != NULL)
        return r < 0 ? r : -EINVAL;
    if (multishot->executor == NULL) /* it has been stopped, or was never started */
        return 0;
    if (multishot->executor != tacet_task_executor(task))
        return -EPERM;
    tacet_multishot_abandon(multishot, end_stop);
    if (multishot->stopped == NULL)
        return 0;
    multishot->waiting = task;
    tacet_task_park(task, multishot, TACET_WAIT_TO_THE_END);
    return task_give_up(task);
}

tacet_result tacet_poll_multishot_start(struct tacet_multishot *multishot, struct tacet_executor *executor, int fd,
                                        unsigned events, unsigned results_max)
{
    struct io_uring_sqe sqe = {0};
    tacet_result r = tacet_prepare_poll(&sqe, fd, events);
    sqe.len |= IORING_POLL_ADD_MULTI;
    return multishot_start(multishot, executor, &sqe, r, results_max, NULL);
}
