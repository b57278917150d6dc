/* See altered_ring.h. In the place of the ring's table stands one whose enters look at what goes and what has come. */
#include "support/altered_ring.h"

#include "executor/executor.h"
#include "op/op.h"

static struct ring_ops replaced;
static const struct ring_ops *real;
static uint32_t looked_at; /* the completions before that */
static unsigned wanted_opcode, left, seen;
static int wanted_result;
static unsigned misdirected; /* cancels to come */
static bool refuses_flags;

static bool is_wanted(const struct io_uring_cqe *cqe)
{
    return (cqe->user_data & TACET_TAG_MASK) <= TACET_TAG_GROUP && request_of(cqe->user_data)->opcode == wanted_opcode;
}

static void look(struct ring *ring)
{
    if ((int32_t)(*ring->cq_head - looked_at) > 0)
        looked_at = *ring->cq_head;
    uint32_t tail = __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE);
    for (; looked_at != tail; looked_at++) {
        struct io_uring_cqe *cqe = &ring->cqes[looked_at & ring->cq_mask];
        if (!is_wanted(cqe))
            continue;
        seen++;
        if (left > 0) {
            left--;
            cqe->res = wanted_result;
        }
    }
}

static void alter_cancel(struct io_uring_sqe *sqe)
{
    if (refuses_flags && sqe->cancel_flags != 0)
        sqe->cancel_flags = UINT32_MAX;
    if (misdirected == 0)
        return;
    misdirected--;
    sqe->addr = 1;
    sqe->cancel_flags = 0;
}

static void alter_queued(const struct tacet_submission_queue *sq)
{
    for (uint32_t i = sq->submitted; i != sq->tail; i++)
        if (sq->sqes[i & sq->mask].opcode == IORING_OP_ASYNC_CANCEL)
            alter_cancel(&sq->sqes[i & sq->mask]);
}

static tacet_result enter(struct ring *ring, unsigned wait_nr, uint64_t timeout_ns)
{
    alter_queued(ring->sq);
    tacet_result r = real->enter(ring, wait_nr, timeout_ns);
    look(ring);
    return r;
}

static bool submit_at_once(struct ring *ring)
{
    alter_queued(ring->sq);
    bool completed = real->submit_at_once(ring);
    look(ring);
    return completed;
}

static void alter(struct ring *ring)
{
    if (ring->ops == &replaced)
        return;
    real = ring->ops;
    replaced = *real;
    replaced.enter = enter;
    replaced.submit_at_once = submit_at_once;
    ring->ops = &replaced;
    looked_at = *ring->cq_head;
    left = misdirected = 0;
    refuses_flags = false;
}

void altered_ring_end(struct tacet_executor *executor, unsigned opcode, int result, unsigned count)
{
    alter(&executor_of(executor)->ring);
    wanted_opcode = opcode;
    wanted_result = result;
    left = count;
    seen = 0;
}

unsigned altered_ring_ended(void)
{
    return seen;
}

void altered_ring_misdirect_cancels(struct tacet_executor *executor, unsigned count)
{
    alter(&executor_of(executor)->ring);
    misdirected = count;
}

void altered_ring_refuse_cancel_flags(struct tacet_executor *executor)
{
    alter(&executor_of(executor)->ring);
    refuses_flags = true;
}
