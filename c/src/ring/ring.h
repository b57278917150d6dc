/*
 * The seam between an executor and what takes its operations.
 *
 * The executor fills SQEs in place (inline/op.h); a ring takes the filled ones, once a batch, and puts completions into
 * a completion queue of the kernel's layout. So everything above works on any ring, at no cost per operation.
 *
 * Owner thread only, but for `wake`.
 */
#ifndef RING_RING_H
#define RING_RING_H

#include <tacet/executor.h>
#include <tacet/inline/op.h>

/* Slots of the submission queue that users do not get: for cancellation and wake-up. */
#define RING_RESERVED_ENTRIES 7

/* In the user_data of completions with TACET_TAG_WAKE: that of the eventfd, not of a message. */
#define RING_WAKE_FD ((uint64_t)TACET_TAG_MASK + 1)

struct ring;

struct ring_ops {
    const char *name;

    /* Opens the ring and sets up the submission queue for `options`. On failure the reason is in `message`. */
    tacet_result (*init)(struct ring *ring, const struct tacet_executor_options *options);
    void (*finish)(struct ring *ring);

    /* Submits all that is queued and waits until wait_nr completions are there, for timeout_ns at most. 0 (also after
     * a signal, or the time); -EAGAIN, -EBUSY: nothing was taken for want of memory or of room for completions. */
    tacet_result (*enter)(struct ring *ring, unsigned wait_nr, uint64_t timeout_ns);

    /* Submits without waiting, where that lately sufficed: whether completions are there. */
    bool (*submit_at_once)(struct ring *ring);

    /* From any thread, also from the handler of a signal: the enter that waits now, or the next that would, returns. */
    void (*wake)(struct ring *ring);

    /* The completion of what it uses for that. */
    void (*woken)(struct ring *ring, const struct io_uring_cqe *cqe);

    /* Buffers that the kernel may choose from, and the end of that; entries: pages of the caller's. */
    tacet_result (*add_buffers)(struct ring *ring, struct io_uring_buf_ring *entries, unsigned count, uint16_t group);
    void (*remove_buffers)(struct ring *ring, uint16_t group);

    /* The kernel pins the buffers, and knows them by their places from now on. Once, and without operations that use them; the
     * same for the end of it. */
    tacet_result (*register_buffers)(struct ring *ring, const struct iovec *buffers, unsigned count);
    void (*unregister_buffers)(struct ring *ring);

    /* A table of files, empty; whether the kernel can find places in its upper half. One of them: fd is put into its place; -1:
     * what is there is closed. The end of it, which closes all. */
    tacet_result (*add_files)(struct ring *ring, unsigned count, bool *finds_places);
    tacet_result (*update_file)(struct ring *ring, uint32_t place, int fd);
    void (*remove_files)(struct ring *ring);

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
    const uint32_t *sq_flags;        /* IORING_SQ_TASKRUN, IORING_SQ_CQ_OVERFLOW */
    struct outstanding *outstanding; /* where the kernel cannot be told to cancel all that it has; else NULL */

    uint64_t enters, submitted, completed, cq_overflows, refused;
    uint64_t supported[4]; /* a bit an opcode */

    uint32_t *sleep_word; /* of the executor's: it is 1 while it sleeps or is about to */

    struct io_uring uring; /* of the kernel's ring */
    int enter_fd;
    unsigned enter_flags;
    int at_once; /* 0: submissions complete at once; below: waits until that is tried again */
    int wake_fd; /* an eventfd that is polled always */
    unsigned wake_poll_flags;
    bool has_messages; /* it is woken by them where that works */
    bool must_poll_wake_fd;
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

/* The SQE at the tail is one of those that users do not get. Their room never lies behind the tail. */
static inline void ring_commit_reserved(struct ring *ring)
{
    struct tacet_submission_queue *sq = ring->sq;
    if (sq->tail == sq->limit)
        sq->limit++;
    sq->tail++;
}

/* The same, and nobody waits for its completion, which has TACET_TAG_WAKE and is not counted, no more than the SQE. */
static inline void ring_commit_own(struct ring *ring)
{
    ring_commit_reserved(ring);
    ring->submitted--;
}

static inline bool ring_supports(const struct ring *ring, unsigned opcode)
{
    return opcode < 256 && ring->supported[opcode / 64] >> opcode % 64 & 1;
}

#endif
