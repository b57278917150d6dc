/*
 * The seam between an executor and what takes its operations.
 *
 * The executor fills SQEs in place (inline/op.h); a ring takes the filled ones, once a batch, and puts completions into
 * a completion queue of the kernel's layout. So everything above works on any ring, at no cost per operation.
 *
 * Owner thread only.
 */
#ifndef RING_RING_H
#define RING_RING_H

#include <tacet/executor.h>
#include <tacet/inline/compat.h>
#include <tacet/inline/executor.h>

/* Slots of the submission queue that users do not get: for cancellation and wake-up. */
#define RING_RESERVED_ENTRIES 7

struct ring;

struct ring_ops {
    const char *name;

    /* Opens the ring and sets up the submission queue for `options`. On failure the reason is in `message`. */
    tacet_result (*init)(struct ring *ring, const struct tacet_executor_options *options);
    void (*finish)(struct ring *ring);

    /* Submits all that is queued and waits until wait_nr completions are there, for timeout_ns at most. 0 (also after
     * a signal, or the time); -EAGAIN, -EBUSY: nothing was taken for want of memory or of room for completions. */
    tacet_result (*enter)(struct ring *ring, unsigned wait_nr, uint64_t timeout_ns);

    uint64_t (*now)(void);
};

struct ring {
    const struct ring_ops *ops;
    struct tacet_submission_queue *sq; /* the executor's */
    uint32_t sq_entries;
    uint32_t sq_users; /* those that users may fill */

    struct io_uring_cqe *cqes;
    uint32_t *cq_head, *cq_tail;
    uint32_t cq_mask;
    const uint32_t *sq_flags; /* IORING_SQ_TASKRUN, IORING_SQ_CQ_OVERFLOW */

    uint64_t enters, submitted, completed, cq_overflows, refused;
    uint64_t supported[4]; /* a bit an opcode */

    struct io_uring uring; /* of the kernel's ring */
    int enter_fd;
    unsigned enter_flags;
    int at_once; /* 0: submissions complete at once; below: waits until that is tried again */
    char description[256];
};

extern const struct ring_ops uring_ops;
extern const struct ring_ops no_ring_ops;

/* Operations given to the kernel, or queued for it, whose completion has not been collected. */
static inline uint64_t ring_in_flight(const struct ring *ring)
{
    return ring->submitted + (ring->sq->tail - ring->sq->submitted) - ring->completed;
}

/* Whether entering the kernel, or looking at the completion queue, would bring something. */
static inline bool ring_has_news(const struct ring *ring)
{
    return *ring->cq_head != __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE) ||
           __atomic_load_n(ring->sq_flags, __ATOMIC_RELAXED) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

/* After n queued SQEs were taken: moves the users' limit. */
static inline void ring_taken(struct ring *ring, uint32_t n)
{
    struct tacet_submission_queue *sq = ring->sq;
    sq->submitted += n;
    ring->submitted += n;
    uint32_t limit = sq->submitted + ring->sq_users;
    sq->limit = (int32_t)(sq->tail - limit) > 0 ? sq->tail : limit;
}

static inline bool ring_supports(const struct ring *ring, unsigned opcode)
{
    return opcode < 256 && ring->supported[opcode / 64] >> opcode % 64 & 1;
}

#endif
