/*
 * The kernel's ring. The only file that calls liburing's setup, register and enter functions.
 *
 * The best flags first (performance: DEFER_TASKRUN saves an interrupt per completion, the registered descriptor 30 ns an
 * enter), then a ladder down for older kernels; what the kernel has is found by trying, never by its version.
 *
 * The SQ's index array is filled once with the identity, so that submitting is one store of the tail.
 */
#include "base/clock.h"
#include "ring/message.h"
#include "ring/outstanding.h"
#include "ring/ring.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CQ_ENTRIES_MIN 1024u

/*
 * liburing maps and unmaps by bare system calls. ThreadSanitizer does not see these, and would take a ring that gets the
 * addresses of another thread's former one for a race: so it is told of the order that the kernel keeps.
 */
#if TACET_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
static char mappings;
static void mapped(void)
{
    __tsan_acquire(&mappings);
}
static void unmapping(void)
{
    __tsan_release(&mappings);
}
#else
static void mapped(void) {}
static void unmapping(void) {}
#endif

static const struct {
    unsigned flags;
    const char *names;
} ladder[] = {
    {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
     "single_issuer,defer_taskrun,taskrun_flag,submit_all"},
    {IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
     "coop_taskrun,taskrun_flag,submit_all"},
    {IORING_SETUP_SUBMIT_ALL, "submit_all"},
    {0, "none"},
};

static uint32_t next_power_of_two(uint32_t n)
{
    uint32_t power = 1;
    while (power < n)
        power *= 2;
    return power;
}

static void explain_refusal(const struct tacet_executor_options *options, tacet_result r)
{
    switch (-r) {
    case EPERM:
        message_set(options,
                    "io_uring is refused: it is switched off (sysctl kernel.io_uring_disabled; set it to 0), or "
                    "a seccomp filter forbids it (containers: allow io_uring_setup, io_uring_enter and "
                    "io_uring_register, e.g. --security-opt seccomp=...)");
        break;
    case ENOSYS:
        message_set(options,
                    "the kernel has no io_uring, or one too old (5.11 is needed), or a seccomp filter hides it");
        break;
    case ENOMEM:
        message_set(options,
                    "no memory for the ring: lower ring_entries, or raise the locked-memory limit (ulimit -l)");
        break;
    default:
        message_set(options, "io_uring_setup: %s", strerror((int)-r));
    }
}

static void close_ring(struct ring *ring)
{
    unmapping();
    io_uring_queue_exit(&ring->uring);
}

/* Opens a ring on the highest rung that the kernel takes. */
static tacet_result open_ring(struct ring *ring, const struct tacet_executor_options *options, size_t *rung)
{
    uint32_t sq_entries = next_power_of_two(options->ring_entries + RING_RESERVED_ENTRIES);
    uint32_t cq_entries = options->cq_entries != 0 ? options->cq_entries : 2 * sq_entries;
    if (options->cq_entries == 0 && cq_entries < CQ_ENTRIES_MIN)
        cq_entries = CQ_ENTRIES_MIN;
    tacet_result r = -EINVAL;
    for (*rung = 0; *rung < sizeof ladder / sizeof *ladder; ++*rung) {
        if (ladder[*rung].flags & options->setup_flags_forbidden)
            continue;
        struct io_uring_params params = {
            .flags = ladder[*rung].flags | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE,
            .cq_entries = cq_entries > sq_entries ? cq_entries : sq_entries,
        };
        r = io_uring_queue_init_params(sq_entries, &ring->uring, &params);
        if (r != -EINVAL)
            break;
    }
    if (r < 0) {
        explain_refusal(options, r);
        return r;
    }
    mapped();
    unsigned needed = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_SINGLE_MMAP;
    if ((ring->uring.features & needed) != needed) {
        close_ring(ring);
        explain_refusal(options, -ENOSYS);
        return -ENOSYS;
    }
    return 0;
}

/* A kernel that does not answer the probe is one that has no more than the baseline. */
static void probe_opcodes(struct ring *ring)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(&ring->uring);
    mapped();
    for (unsigned opcode = 0; opcode < 256; opcode++) {
        bool has = probe != NULL ? opcode <= probe->last_op && probe->ops[opcode].flags & IO_URING_OP_SUPPORTED
                                 : opcode <= TACET_OPCODE_BASELINE;
        ring->supported[opcode / 64] |= (uint64_t)has << opcode % 64;
    }
    unmapping(); /* the probe may have a mapping of its own */
    io_uring_free_probe(probe);
}

/* As old as these flags, so with every rung that has one of them: to cancel all that is in flight by one request (Linux 5.19). */
static tacet_result keep_outstanding(struct ring *ring, const struct tacet_executor_options *options, size_t rung)
{
    if (ladder[rung].flags & (IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN))
        return 0;
    ring->outstanding = outstanding_create();
    if (ring->outstanding != NULL)
        return 0;
    message_set(options, "no memory to note what is in flight");
    return -ENOMEM;
}

static void map_queues(struct ring *ring, unsigned users)
{
    struct io_uring *uring = &ring->uring;
    ring->sq_entries = *uring->sq.kring_entries;
    ring->sq_users = users < ring->sq_entries - RING_RESERVED_ENTRIES ? users
                                                                      : ring->sq_entries - RING_RESERVED_ENTRIES;
    if (uring->sq.array != NULL) /* a newer liburing does without it where the kernel can */
        for (uint32_t i = 0; i < ring->sq_entries; i++)
            uring->sq.array[i] = i;
    ring->sq->sqes = uring->sq.sqes;
    ring->sq->mask = ring->sq_entries - 1;
    ring->sq_flags = uring->sq.kflags;
    ring->cqes = uring->cq.cqes;
    ring->cq_head = uring->cq.khead;
    ring->cq_tail = uring->cq.ktail;
    ring->cq_mask = *uring->cq.kring_mask;
    ring_taken(ring, 0);
}

static void describe(struct ring *ring, size_t rung, bool registered)
{
    static const struct {
        unsigned opcode;
        const char *name;
    } newer[] = {{IORING_OP_MKDIRAT, " mkdirat"},
                 {IORING_OP_SYMLINKAT, " symlinkat"},
                 {IORING_OP_LINKAT, " linkat"},
                 {TACET_OPCODE_FTRUNCATE, " ftruncate"}};
    char lacks[64] = "";
    for (size_t i = 0; i < sizeof newer / sizeof *newer; i++)
        if (!ring_supports(ring, newer[i].opcode))
            strcat(lacks, newer[i].name);
    snprintf(ring->description, sizeof ring->description,
             "ring=io_uring sq=%u users=%u cq=%u setup=%s registered_fd=%s no_iowait=%s woken_by=%s lacks=%s",
             ring->sq_entries, ring->sq_users, ring->cq_mask + 1, ladder[rung].names, registered ? "yes" : "no",
             ring->enter_flags & TACET_ENTER_NO_IOWAIT ? "yes" : "no", ring->has_messages ? "message" : "eventfd",
             lacks[0] != '\0' ? lacks + 1 : "nothing");
}

/* --- Waking --- */

/* A message to a ring needs no ring of the sender's. */
static bool send_message(int ring_fd)
{
    struct io_uring_sqe message = {
        .opcode = IORING_OP_MSG_RING, .fd = ring_fd, .off = TACET_TAG_WAKE, /* the user_data there */
    };
    return syscall(__NR_io_uring_register, -1, TACET_REGISTER_SEND_MSG_RING, &message, 1) == 0;
}

/* A kernel that can would not find the ring. */
static bool can_send_messages(void)
{
    return !send_message(-1) && errno == EBADF;
}

/* A handler of a signal must leave errno as it was. */
static void wake(struct ring *ring)
{
    int error = errno;
    if (!ring->has_messages || !send_message(ring->uring.ring_fd))
        (void)!eventfd_write(ring->wake_fd, 1); /* full: it is signalled already */
    errno = error;
}

/* Queues the poll of the eventfd. false: there is no room. */
static bool poll_wake_fd(struct ring *ring)
{
    struct tacet_submission_queue *sq = ring->sq;
    if (sq->tail - sq->submitted == ring->sq_entries)
        return false;
    struct io_uring_sqe *sqe = &sq->sqes[sq->tail & sq->mask];
    memset(sqe, 0, sizeof *sqe);
    sqe->opcode = IORING_OP_POLL_ADD;
    sqe->fd = ring->wake_fd;
    sqe->poll32_events = POLLIN;
    sqe->len = ring->wake_poll_flags;
    sqe->user_data = TACET_TAG_WAKE | RING_WAKE_FD;
    ring_commit_own(ring);
    ring->must_poll_wake_fd = false;
    return true;
}

static void woken(struct ring *ring, const struct io_uring_cqe *cqe)
{
    if (!(cqe->user_data & RING_WAKE_FD))
        return;
    eventfd_t ignored;
    (void)!eventfd_read(ring->wake_fd, &ignored);
    if (cqe->flags & IORING_CQE_F_MORE)
        return;
    if (cqe->res == -EINVAL)
        ring->wake_poll_flags = 0; /* a kernel without multishot polls */
    ring->must_poll_wake_fd = true;
}

static tacet_result init_wake(struct ring *ring, const struct tacet_executor_options *options)
{
    ring->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (ring->wake_fd < 0) {
        tacet_result r = -errno;
        message_set(options, "no eventfd to be woken by: %s", strerror(errno));
        return r;
    }
    ring->wake_poll_flags = IORING_POLL_ADD_MULTI;
    ring->must_poll_wake_fd = true;
    ring->has_messages = !options->woken_by_eventfd && can_send_messages();
    return 0;
}

static tacet_result bind_workers(struct ring *ring, const struct tacet_executor_options *options)
{
    if (options->worker_cpus == NULL)
        return 0;
    int r = io_uring_register_iowq_aff(&ring->uring, options->worker_cpus_bytes, options->worker_cpus);
    if (r < 0)
        message_set(options, "processors for the kernel's worker threads: %s", strerror(-r));
    return r;
}

static tacet_result init(struct ring *ring, const struct tacet_executor_options *options)
{
    size_t rung;
    tacet_result r = open_ring(ring, options, &rung);
    if (r < 0)
        return r;
    /* A forked child must not reach into its parent's ring. */
    io_uring_ring_dontfork(&ring->uring);
    bool registered = io_uring_register_ring_fd(&ring->uring) == 1;
    ring->enter_fd = ring->uring.enter_ring_fd;
    ring->enter_flags = IORING_ENTER_GETEVENTS | (registered ? IORING_ENTER_REGISTERED_RING : 0) |
                        (ring->uring.features & TACET_FEAT_NO_IOWAIT ? TACET_ENTER_NO_IOWAIT : 0);
    map_queues(ring, options->ring_entries);
    probe_opcodes(ring);
    r = keep_outstanding(ring, options, rung);
    if (r == 0)
        r = bind_workers(ring, options);
    if (r == 0)
        r = init_wake(ring, options);
    if (r < 0) {
        outstanding_destroy(ring->outstanding);
        close_ring(ring);
        return r;
    }
    describe(ring, rung, registered);
    return 0;
}

static void finish(struct ring *ring)
{
    close_ring(ring);
    close(ring->wake_fd);
    outstanding_destroy(ring->outstanding);
}

/* Waits that go the usual way before another attempt to do without. */
#define AT_ONCE_PAUSE 64

static inline tacet_result enter_with(struct ring *ring, unsigned wait_nr, unsigned flags, void *argument,
                                      size_t argument_bytes)
{
    struct tacet_submission_queue *sq = ring->sq;
    if (TACET_UNLIKELY(ring->outstanding != NULL) && !outstanding_reserve(ring->outstanding, sq))
        return -EAGAIN;
    if (__atomic_load_n(ring->sq_flags, __ATOMIC_RELAXED) & IORING_SQ_CQ_OVERFLOW)
        ring->cq_overflows++;
    ring->enters++;
    /* release: pairs with the kernel's acquire of the tail */
    __atomic_store_n(ring->uring.sq.ktail, sq->tail, __ATOMIC_RELEASE);
    int r = io_uring_enter2((unsigned)ring->enter_fd, sq->tail - sq->submitted, wait_nr, flags, argument,
                            argument_bytes);
    if (TACET_LIKELY(r >= 0)) {
        if (TACET_UNLIKELY(ring->outstanding != NULL))
            outstanding_add(ring->outstanding, sq, (uint32_t)r);
        ring_taken(ring, (uint32_t)r);
        return 0;
    }
    if (r == -EINTR || r == -ETIME)
        return 0;
    ring->refused += r == -EAGAIN || r == -EBUSY;
    return r;
}

static TACET_NOINLINE tacet_result enter_timed(struct ring *ring, unsigned wait_nr, uint64_t timeout_ns)
{
    struct __kernel_timespec timeout = {.tv_sec = (long long)(timeout_ns / NS_PER_S),
                                        .tv_nsec = (long long)(timeout_ns % NS_PER_S)};
    struct io_uring_getevents_arg arg = {.sigmask_sz = _NSIG / 8, .ts = (uint64_t)(uintptr_t)&timeout};
    return enter_with(ring, wait_nr, ring->enter_flags | IORING_ENTER_EXT_ARG, &arg, sizeof arg);
}

/*
 * No-ops, cached reads and their like complete while they are submitted, and to wait for what is there costs a seventh of
 * a lone round trip. So where that was the case last time, only submit; where it was not, wait as usual for a while.
 * Completions that the kernel holds back come with a wait only: they must not starve.
 */
static bool submit_at_once(struct ring *ring)
{
    uint32_t held = __atomic_load_n(ring->sq_flags, __ATOMIC_RELAXED) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
    if (held != 0 || ring->sq->tail == ring->sq->submitted || ++ring->at_once <= 0)
        return false;
    unsigned flags = ring->enter_flags & ~(unsigned)IORING_ENTER_GETEVENTS;
    bool entered = enter_with(ring, 0, flags, NULL, _NSIG / 8) == 0;
    bool completed = *ring->cq_head != __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE);
    ring->at_once = completed ? 0 : -AT_ONCE_PAUSE;
    return entered && completed;
}

static tacet_result enter(struct ring *ring, unsigned wait_nr, uint64_t timeout_ns)
{
    if (TACET_UNLIKELY(ring->must_poll_wake_fd) && !poll_wake_fd(ring))
        wait_nr = 0; /* nobody could wake it */
    if (TACET_UNLIKELY(wait_nr > 0 && timeout_ns != TACET_FOREVER))
        return enter_timed(ring, wait_nr, timeout_ns);
    return enter_with(ring, wait_nr, ring->enter_flags, NULL, _NSIG / 8);
}

/* A kernel without them takes the registration for one of a later kernel's. */
static tacet_result add_buffers(struct ring *ring, struct io_uring_buf_ring *entries, unsigned count, uint16_t group)
{
    struct io_uring_buf_reg registration = {.ring_addr = (uint64_t)(uintptr_t)entries,
                                            .ring_entries = count,
                                            .bgid = group};
    int r = io_uring_register_buf_ring(&ring->uring, &registration, 0);
    return r == -EINVAL ? -EOPNOTSUPP : r;
}

static void remove_buffers(struct ring *ring, uint16_t group)
{
    io_uring_unregister_buf_ring(&ring->uring, group);
}

/* Before Linux 5.13 (whose mark this feature is) that waited for the end of all that is in flight. */
static tacet_result register_buffers(struct ring *ring, const struct iovec *buffers, unsigned count)
{
    if (!(ring->uring.features & IORING_FEAT_RSRC_TAGS))
        return -ENOSYS;
    return io_uring_register_buffers(&ring->uring, buffers, count);
}

static void unregister_buffers(struct ring *ring)
{
    io_uring_unregister_buffers(&ring->uring);
}

/*
 * Kernels before 5.19 know no empty table but one of places that are said to be empty. Those before 5.15 (which has this opcode, too)
 * cannot close a place, and would close descriptor 0 instead.
 */
static tacet_result add_files(struct ring *ring, unsigned count, bool *finds_places)
{
    if (!ring_supports(ring, IORING_OP_MKDIRAT))
        return -EOPNOTSUPP;
    int *nothing = malloc(count * sizeof *nothing);
    if (nothing == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++)
        nothing[i] = -1;
    int r = io_uring_register_files(&ring->uring, nothing, count);
    free(nothing);
    if (r < 0)
        return r;
    *finds_places = io_uring_register_file_alloc_range(&ring->uring, count / 2, count - count / 2) == 0;
    return 0;
}

static tacet_result update_file(struct ring *ring, uint32_t place, int fd)
{
    int r = io_uring_register_files_update(&ring->uring, place, &fd, 1);
    return r < 0 ? r : 0;
}

static void remove_files(struct ring *ring)
{
    io_uring_unregister_files(&ring->uring);
}

const struct ring_ops uring_ops = {
    .name = "io_uring",
    .init = init,
    .finish = finish,
    .enter = enter,
    .submit_at_once = submit_at_once,
    .wake = wake,
    .woken = woken,
    .add_buffers = add_buffers,
    .remove_buffers = remove_buffers,
    .register_buffers = register_buffers,
    .unregister_buffers = unregister_buffers,
    .add_files = add_files,
    .update_file = update_file,
    .remove_files = remove_files,
    .now = clock_ns,
};
