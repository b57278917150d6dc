/*
 * The ring of an executor without one (ring_entries = 0): takes nothing, and waits on a futex. Its submission queue has
 * no room, ever, which is how a start learns that there is no ring.
 */
#include "base/clock.h"
#include "ring/ring.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint32_t nothing;

static tacet_result init(struct ring *ring, const struct tacet_executor_options *options)
{
    (void)options;
    ring->cq_head = ring->cq_tail = &nothing;
    ring->sq_flags = &nothing;
    snprintf(ring->description, sizeof ring->description, "ring=none");
    return 0;
}

static void finish(struct ring *ring)
{
    (void)ring;
}

static tacet_result enter(struct ring *ring, unsigned wait_nr, uint64_t timeout_ns)
{
    ring->enters++;
    if (wait_nr > 0 && timeout_ns > 0) {
        struct timespec duration = clock_timespec(timeout_ns);
        syscall(__NR_futex, ring->sleep_word, FUTEX_WAIT_PRIVATE, 1, timeout_ns != TACET_FOREVER ? &duration : NULL);
    }
    return 0;
}

static bool submit_at_once(struct ring *ring)
{
    (void)ring;
    return false;
}

/* The word has changed already: who is about to sleep does not. */
static void wake(struct ring *ring)
{
    syscall(__NR_futex, ring->sleep_word, FUTEX_WAKE_PRIVATE, INT_MAX);
}

static tacet_result add_buffers(struct ring *ring, struct io_uring_buf_ring *entries, unsigned count, uint16_t group)
{
    (void)ring;
    (void)entries;
    (void)count;
    (void)group;
    return -ENOTSUP;
}

static tacet_result register_buffers(struct ring *ring, const struct iovec *buffers, unsigned count)
{
    (void)ring;
    (void)buffers;
    (void)count;
    return -ENOTSUP;
}

static tacet_result add_files(struct ring *ring, unsigned count, bool *finds_places)
{
    (void)ring;
    (void)count;
    (void)finds_places;
    return -ENOTSUP;
}

const struct ring_ops no_ring_ops = {
    .name = "none",
    .init = init,
    .finish = finish,
    .enter = enter,
    .submit_at_once = submit_at_once,
    .wake = wake,
    .add_buffers = add_buffers,
    .register_buffers = register_buffers,
    .add_files = add_files,
    .now = clock_ns,
};
