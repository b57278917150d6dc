/*
 * An operation as the inlined paths see it, and the one way in which an SQE is filled and queued. Layout is not API.
 *
 *     begin      room in the submission queue, or a refusal; the zeroed SQE
 *     prepare    one inline function per operation fills it (prepare.h)
 *     commit     user_data, the request's state; the tail moves on
 *
 * Between begin and commit nothing else may be started on the executor. Invariant: an op is in exactly one of IDLE,
 * IN_FLIGHT, COMPLETED (and not yet reaped). The user_data is the address of its request with a tag in the low bits.
 *
 * A task that awaits one operation needs no op: its own request serves.
 */
#ifndef TACET_INLINE_OP_H
#define TACET_INLINE_OP_H

#include <tacet/inline/buffer.h>
#include <tacet/inline/compat.h>
#include <tacet/inline/executor.h>

#include <errno.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tacet_op_state {
    TACET_OP_IDLE,
    TACET_OP_IN_FLIGHT,
    TACET_OP_COMPLETED,
};

/* The low bits of user_data: to whom a completion belongs. */
enum tacet_tag {
    TACET_TAG_AWAIT,     /* a task's own request */
    TACET_TAG_TASK,      /* an op of a task */
    TACET_TAG_CALLBACK,  /* an op whose completion is a callback */
    TACET_TAG_GROUP,     /* an op of a group, which wakes its task when its last one has completed */
    TACET_TAG_CANCEL,    /* the request to cancel the op */
    TACET_TAG_DETACHED,  /* no op: a close nobody waits for; above the tag, the descriptor */
    TACET_TAG_WAKE,      /* no op: a request of the executor's own */
    TACET_TAG_MULTISHOT, /* a request with many completions: see tacet/multishot.h */
    TACET_TAG_MASK = 7,
};

/* Of no operation: the timer of a deadline. And of an OPENAT2 whose result is a place in the executor's table. */
#define TACET_OPCODE_DEADLINE 255
#define TACET_OPCODE_OPEN_REGISTERED 254

/* From here on descriptors are registered ones: see tacet/descriptor.h. */
#define TACET_DESCRIPTOR_REGISTERED (1 << 30)

struct tacet_op_ticks {
    uint64_t initiated, completed, reaped;
};

struct tacet_op_group {
    struct tacet_wait_hook hook; /* first: its task waits for it */
    struct tacet_task *task;
    struct tacet_op **ops; /* valid while any is in flight */
    uint32_t count;
    uint32_t remaining;
};

struct tacet_op {
    struct tacet_runnable runnable; /* a callback's place in the ready queue; next: in the task's completed ring */
    union {
        struct tacet_task *task;
        struct tacet_executor *executor;
        struct tacet_op_group *group;
    } owner;
    void (*callback)(struct tacet_op *op);
    tacet_result result;
    struct tacet_request request;
    struct tacet_request deadline; /* its timer, valid where the request's attention says so */
    struct tacet_op_ticks ticks;
    uint16_t buffer;  /* with TACET_OP_BUFFER: its number */
    uint8_t priority; /* of a callback */
};

enum tacet_op_attention {
    TACET_OP_CANCEL_IN_FLIGHT = 1, /* the cancel's own completion is still to come; the op waits for it */
    TACET_OP_TERMINAL_SEEN = 2,    /* the op's own has come */
    TACET_OP_ACCOUNTED = 4,        /* its times are kept */
    TACET_OP_DESCRIPTOR = 8,       /* it opens or closes one, which is not to be lost */
    TACET_OP_BUFFER = 8,           /* of a read or a write: it uses a buffer of the executor's pool */
    TACET_OP_FOR_FILE = 16,        /* of a task's own: its end means something for the task's `file` */
    TACET_OP_HAS_DEADLINE = 16,    /* of an op: see tacet_op_set_deadline() */
    TACET_OP_LIMITED = 32,         /* it counts among those that the executor's options limit */
    TACET_OP_CANCEL_ASKED = 64,    /* it may not have ended of itself */
    TACET_OP_BY_FLAGS = 128,       /* the flags of its completions say which is its end, or name a buffer */
};

/* The slow way to room: submits, collects, backs off. 0, or one of the refusals of op.h. */
TACET_EXPORT TACET_COLD tacet_result tacet_executor_make_room(struct tacet_executor *executor);
TACET_EXPORT bool tacet_executor_supports(const struct tacet_executor *executor, unsigned opcode);
TACET_EXPORT TACET_COLD void tacet_op_note_initiated(struct tacet_op *op);

/* Gives the task its extra part, which it lacks. 0 or -ENOMEM. */
TACET_EXPORT TACET_COLD tacet_result tacet_task_make_extra(struct tacet_task *task);

/*
 * A chain of two: the operations that are started between the two calls, if nothing was refused. begin makes room for both,
 * submit links and submits them. Whether the second now begins when the first has succeeded in full, and only then; if not,
 * they are on their way without order.
 */
TACET_EXPORT tacet_result tacet_chain_begin(struct tacet_executor *executor, uint32_t *first);
TACET_EXPORT bool tacet_chain_submit(struct tacet_executor *executor, uint32_t first);

/* For layers above C: the running task sleeps by its own request. Below 0: it does not, and was not parked. */
TACET_EXPORT tacet_result tacet_sleep_park(struct tacet_task *task, uint64_t duration_ns);

/* What its request brought, to be given back if nobody takes it, the task has taken. */
static inline void tacet_task_note_taken(struct tacet_task *task)
{
    task->request.attention = 0;
}

/* The SQE, which names a registered descriptor, is told where the kernel finds it; -1 if that is not the executor's. */
TACET_EXPORT TACET_COLD void tacet_sqe_use_registered(struct tacet_executor *executor, struct io_uring_sqe *sqe);
TACET_EXPORT TACET_COLD void tacet_sqe_splice_from_registered(struct tacet_executor *executor,
                                                              struct io_uring_sqe *sqe);

/* 0, or -EFAULT: op, or what its request points to, lies on the stack of a task that runs and whose stack moves. */
TACET_EXPORT TACET_COLD tacet_result tacet_op_check_stack(const struct tacet_executor *executor,
                                                          const struct tacet_op *op, const struct io_uring_sqe *sqe);

static inline bool tacet_submission_has_room(const struct tacet_executor *executor)
{
    return executor->sq.tail != executor->sq.limit;
}

/* The next SQE, zeroed. There must be room. */
static inline struct io_uring_sqe *tacet_submission_sqe(struct tacet_executor *executor)
{
    struct io_uring_sqe *sqe = &executor->sq.sqes[executor->sq.tail & executor->sq.mask];
    memset(sqe, 0, sizeof *sqe);
    return sqe;
}

static inline tacet_result tacet_op_begin(struct tacet_executor *executor, unsigned opcode, struct io_uring_sqe **sqe)
{
    if (TACET_UNLIKELY(!tacet_submission_has_room(executor))) {
        tacet_result r = tacet_executor_make_room(executor);
        if (r < 0)
            return r;
    }
    if (opcode > TACET_OPCODE_BASELINE && !tacet_executor_supports(executor, opcode))
        return -EOPNOTSUPP;
    *sqe = tacet_submission_sqe(executor);
    return 0;
}

/* What is not to be overlooked in the completions of an operation. */
static inline uint8_t tacet_opcode_attention(unsigned opcode)
{
    switch (opcode) {
    case IORING_OP_OPENAT2:
    case IORING_OP_CLOSE:
    case IORING_OP_ACCEPT:
    case IORING_OP_SOCKET:
    case IORING_OP_RECVMSG:
        return TACET_OP_DESCRIPTOR;
    case IORING_OP_READ_FIXED:
    case IORING_OP_WRITE_FIXED:
        return TACET_OP_BUFFER;
    case IORING_OP_SEND_ZC:
    case IORING_OP_SENDMSG_ZC:
        return TACET_OP_BY_FLAGS;
    default:
        return 0;
    }
}

static inline bool tacet_opcode_uses_buffer(unsigned opcode)
{
    return opcode == IORING_OP_READ_FIXED || opcode == IORING_OP_WRITE_FIXED;
}

/* The request, which is committed, uses the buffer whose number the SQE has. Where that is not registered the kernel gets a plain
 * read or write, and an older one refuses a number there. */
static inline void tacet_request_takes_buffer(struct tacet_executor *executor, struct tacet_request *request,
                                              enum tacet_tag tag, struct io_uring_sqe *sqe)
{
    uint16_t number = sqe->buf_index;
    if (!executor->has_registered_buffers)
        sqe->buf_index = 0;
    executor->buffers[number].in_flight++;
    if (tag == TACET_TAG_AWAIT)
        TACET_CONTAINER_OF(request, struct tacet_task, request)->buffer = number;
    else
        TACET_CONTAINER_OF(request, struct tacet_op, request)->buffer = number;
}

static inline void tacet_request_commit(struct tacet_executor *executor, struct tacet_request *request,
                                        enum tacet_tag tag, unsigned opcode, struct io_uring_sqe *sqe)
{
    const int fd = sqe->fd; /* read before all else is written, where the compiler often knows it */
    sqe->user_data = (uint64_t)(uintptr_t)request | tag;
    executor->sq.tail++;
    request->state = TACET_OP_IN_FLIGHT;
    request->tag = (uint8_t)tag;
    request->opcode = (uint8_t)opcode;
    request->attention = tacet_opcode_attention(opcode);
    if (opcode == IORING_OP_CLOSE)
        request->closes = fd;
    if (opcode == IORING_OP_OPENAT2 && sqe->file_index != 0)
        request->opcode = TACET_OPCODE_OPEN_REGISTERED;
    if ((opcode == IORING_OP_SPLICE || opcode == IORING_OP_TEE) && sqe->splice_fd_in >= TACET_DESCRIPTOR_REGISTERED)
        tacet_sqe_splice_from_registered(executor, sqe);
    if (TACET_UNLIKELY(fd >= TACET_DESCRIPTOR_REGISTERED))
        tacet_sqe_use_registered(executor, sqe);
    if (tacet_opcode_uses_buffer(opcode))
        tacet_request_takes_buffer(executor, request, tag, sqe);
}

/* Whether the operation takes an I/O priority in its SQE. Others use the field for flags, or refuse it. */
static inline bool tacet_opcode_has_ioprio(unsigned opcode)
{
    return opcode == IORING_OP_READ || opcode == IORING_OP_WRITE || opcode == IORING_OP_READV ||
           opcode == IORING_OP_WRITEV || tacet_opcode_uses_buffer(opcode);
}

/* What co_await does: commits the running task's own request; the task waits for it and for nothing else. */
static inline void tacet_task_commit_and_park(struct tacet_executor *executor, struct tacet_task *task, unsigned opcode,
                                              struct io_uring_sqe *sqe, bool cancellable)
{
    if (tacet_opcode_has_ioprio(opcode))
        sqe->ioprio = task->ioprio;
    if (opcode == IORING_OP_RECVMSG)
        task->message = (struct msghdr *)(uintptr_t)sqe->addr;
    tacet_request_commit(executor, &task->request, TACET_TAG_AWAIT, opcode, sqe);
    tacet_task_park_request(task, cancellable ? TACET_WAIT_REQUEST : TACET_WAIT_TO_THE_END);
}

/* Whose executor a start with this task (or NULL, for a callback op) goes to; NULL if the arguments are not fit. */
static inline struct tacet_executor *tacet_op_start_on(struct tacet_op *op, struct tacet_task *task)
{
    if (op == NULL || op->request.state != TACET_OP_IDLE)
        return NULL;
    if (task == NULL)
        return op->callback != NULL ? op->owner.executor : NULL;
    return task->level != NULL ? tacet_task_executor(task) : NULL;
}

/* The end of every C start: commits the op for a task or for its callback, unless prepare found it wanting. */
static inline tacet_result tacet_op_start(struct tacet_op *op, struct tacet_task *task, unsigned opcode,
                                          struct io_uring_sqe *sqe, tacet_result prepared)
{
    if (prepared < 0)
        return prepared;
    struct tacet_executor *executor = task != NULL ? tacet_task_executor(task) : op->owner.executor;
    if (TACET_UNLIKELY(executor->has_moving_stacks)) {
        tacet_result r = tacet_op_check_stack(executor, op, sqe);
        if (r < 0)
            return r;
    }
    if (task != NULL) {
        if (tacet_opcode_has_ioprio(opcode))
            sqe->ioprio = task->ioprio;
        op->owner.task = task;
        task->extra->ops_initiated++;
    }
    tacet_request_commit(executor, &op->request, task != NULL ? TACET_TAG_TASK : TACET_TAG_CALLBACK, opcode, sqe);
    if (TACET_UNLIKELY(executor->accounting))
        tacet_op_note_initiated(op);
    return 0;
}

/* Begin for a C start. */
static inline tacet_result tacet_op_start_begin(struct tacet_op *op, struct tacet_task *task, unsigned opcode,
                                                struct io_uring_sqe **sqe)
{
    struct tacet_executor *executor = tacet_op_start_on(op, task);
    if (TACET_UNLIKELY(executor == NULL))
        return op != NULL && op->request.state != TACET_OP_IDLE ? -EBUSY : -EINVAL;
    if (TACET_UNLIKELY(task != NULL && task->extra == NULL)) {
        tacet_result r = tacet_task_make_extra(task);
        if (r < 0)
            return r;
    }
    return tacet_op_begin(executor, opcode, sqe);
}

#ifdef __cplusplus
}
#endif

#endif
