/* See bounce.h. What each operation's request points to is a table; an operation that is not in it is refused. */
#include "op/bounce.h"

#include "base/list.h"
#include "executor/report.h"
#include "op/op.h"
#include "switcher/switcher.h"

#include <tacet/op.h>

#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum target {
    NOTHING,
    STRING,        /* a path */
    BYTES_READ,    /* sqe->len bytes that the kernel reads */
    BYTES_WRITTEN, /* sqe->len bytes that it writes, as many as the result says */
    VECTORS_READ,  /* sqe->len vectors, and what they describe */
    VECTORS_WRITTEN,
    STATUS, /* a struct statx that it writes */
    SIGINFO,
    WORD,        /* a futex: a copy would not be what others change */
    WORDS,       /* sqe->len struct futex_waitv */
    PEER,        /* the name of a socket that it writes, of the length to which addr2 points */
    PEER_LENGTH, /* that length: it is read and written */
    NAME,        /* the name of a socket, of sqe->addr2 bytes */
    DESTINATION, /* the same, of sqe->addr_len bytes */
    MESSAGE,     /* a struct msghdr: it and what it points to must not lie there */
};

struct pointers {
    const char *name;
    uint8_t addr, addr2, addr3; /* enum target: what these fields point to */
};

static const struct pointers operations[] = {
    [IORING_OP_NOP] = {"nop", NOTHING, NOTHING, NOTHING},
    [IORING_OP_READ] = {"read", BYTES_WRITTEN, NOTHING, NOTHING},
    [IORING_OP_WRITE] = {"write", BYTES_READ, NOTHING, NOTHING},
    [IORING_OP_READ_FIXED] = {"read buffer", NOTHING, NOTHING, NOTHING},
    [IORING_OP_WRITE_FIXED] = {"write buffer", NOTHING, NOTHING, NOTHING},
    [IORING_OP_READV] = {"readv", VECTORS_WRITTEN, NOTHING, NOTHING},
    [IORING_OP_WRITEV] = {"writev", VECTORS_READ, NOTHING, NOTHING},
    [IORING_OP_OPENAT2] = {"open", STRING, BYTES_READ, NOTHING},
    [IORING_OP_CLOSE] = {"close", NOTHING, NOTHING, NOTHING},
    [IORING_OP_FSYNC] = {"sync", NOTHING, NOTHING, NOTHING},
    [IORING_OP_STATX] = {"stat", STRING, STATUS, NOTHING},
    [IORING_OP_FALLOCATE] = {"allocate", NOTHING, NOTHING, NOTHING},
    [TACET_OPCODE_FTRUNCATE] = {"truncate", NOTHING, NOTHING, NOTHING},
    [IORING_OP_SYNC_FILE_RANGE] = {"sync range", NOTHING, NOTHING, NOTHING},
    [IORING_OP_FADVISE] = {"advise", NOTHING, NOTHING, NOTHING},
    [IORING_OP_MADVISE] = {"advise memory", NOTHING, NOTHING,
                           NOTHING}, /* a range of addresses: nothing is read or written there */
    [IORING_OP_SPLICE] = {"splice", NOTHING, NOTHING, NOTHING},
    [IORING_OP_TEE] = {"tee", NOTHING, NOTHING, NOTHING},
    [IORING_OP_FGETXATTR] = {"get xattr", STRING, BYTES_WRITTEN, NOTHING},
    [IORING_OP_FSETXATTR] = {"set xattr", STRING, BYTES_READ, NOTHING},
    [IORING_OP_GETXATTR] = {"get xattr", STRING, BYTES_WRITTEN, STRING},
    [IORING_OP_SETXATTR] = {"set xattr", STRING, BYTES_READ, STRING},
    [IORING_OP_RENAMEAT] = {"rename", STRING, STRING, NOTHING},
    [IORING_OP_UNLINKAT] = {"unlink", STRING, NOTHING, NOTHING},
    [IORING_OP_MKDIRAT] = {"mkdir", STRING, NOTHING, NOTHING},
    [IORING_OP_SYMLINKAT] = {"symlink", STRING, STRING, NOTHING},
    [IORING_OP_LINKAT] = {"link", STRING, STRING, NOTHING},
    [IORING_OP_POLL_ADD] = {"poll", NOTHING, NOTHING, NOTHING},
    [IORING_OP_SOCKET] = {"socket", NOTHING, NOTHING, NOTHING},
    [IORING_OP_ACCEPT] = {"accept", PEER, PEER_LENGTH, NOTHING},
    [IORING_OP_CONNECT] = {"connect", NAME, NOTHING, NOTHING},
    [IORING_OP_SEND] = {"send", BYTES_READ, DESTINATION, NOTHING},
    [IORING_OP_SEND_ZC] = {"send", BYTES_READ, DESTINATION, NOTHING},
    [IORING_OP_RECV] = {"receive", BYTES_WRITTEN, NOTHING, NOTHING},
    [IORING_OP_SENDMSG] = {"send message", MESSAGE, NOTHING, NOTHING},
    [IORING_OP_SENDMSG_ZC] = {"send message", MESSAGE, NOTHING, NOTHING},
    [IORING_OP_RECVMSG] = {"receive message", MESSAGE, NOTHING, NOTHING},
    [IORING_OP_SHUTDOWN] = {"shutdown", NOTHING, NOTHING, NOTHING},
    [TACET_OPCODE_WAITID] = {"process wait", NOTHING, SIGINFO, NOTHING},
    [TACET_OPCODE_FUTEX_WAIT] = {"futex wait", WORD, NOTHING, NOTHING},
    [TACET_OPCODE_FUTEX_WAKE] = {"futex wake", WORD, NOTHING, NOTHING},
    [TACET_OPCODE_FUTEX_WAITV] = {"futex wait any", WORDS, NOTHING, NOTHING},
};

/* What is copied back. */
struct part {
    void *to;
    const void *from;
    size_t bytes;
};

struct bounce {
    struct tacet_list_node node; /* in the executor's list */
    struct tacet_context *context;
    size_t part_count;
    bool by_result; /* as many bytes as the result says, over the parts in their order; else all */
    struct part *parts;
    char *free; /* of the copies' room, while captured */
};

static bool holds(const struct tacet_context *context, const void *address)
{
    return context->switcher->ops->holds(context, address);
}

static const struct pointers *pointers_of(unsigned opcode)
{
    static const struct pointers unknown = {NULL, BYTES_READ, BYTES_READ, BYTES_READ};
    bool known = opcode < sizeof operations / sizeof *operations && operations[opcode].name != NULL;
    return known ? &operations[opcode] : &unknown;
}

static size_t aligned(size_t bytes)
{
    return (bytes + 15) / 16 * 16;
}

static struct iovec *vectors_of(const struct io_uring_sqe *sqe)
{
    return (struct iovec *)(uintptr_t)sqe->addr;
}

/* Vectors are copied with all that they describe as soon as any of it lies on the stack. */
static bool vectors_touch(const struct tacet_context *context, const struct io_uring_sqe *sqe)
{
    if (vectors_of(sqe) == NULL) /* the kernel says what it thinks of that */
        return false;
    if (holds(context, vectors_of(sqe)))
        return true;
    for (unsigned i = 0; i < sqe->len; i++)
        if (holds(context, vectors_of(sqe)[i].iov_base))
            return true;
    return false;
}

static bool words_touch(const struct tacet_context *context, const struct io_uring_sqe *sqe)
{
    const struct futex_waitv *words = (const struct futex_waitv *)(uintptr_t)sqe->addr;
    if (holds(context, words))
        return true;
    for (unsigned i = 0; i < sqe->len; i++)
        if (holds(context, (const void *)(uintptr_t)words[i].uaddr))
            return true;
    return false;
}

/* Of one field of a request: the bytes that lie on the stack, and the room that their copies take. room 0: nothing is copied. */
struct need {
    size_t bytes;
    size_t room; /* valid if bytes are no more than BYTES_MAX */
};

#define BYTES_MAX ((size_t)INT_MAX)

static size_t sum(size_t first, size_t second)
{
    size_t sum;
    return __builtin_add_overflow(first, second, &sum) ? SIZE_MAX : sum;
}

static struct need vectors_need(const struct tacet_context *context, const struct io_uring_sqe *sqe)
{
    const struct iovec *vectors = vectors_of(sqe);
    struct need need = {0, aligned(sqe->len * sizeof(struct iovec)) + aligned(sqe->len * sizeof(struct part))};
    if (holds(context, vectors))
        need.bytes = sqe->len * sizeof(struct iovec);
    for (unsigned i = 0; i < sqe->len; i++) {
        if (holds(context, vectors[i].iov_base)) {
            need.bytes = sum(need.bytes, vectors[i].iov_len);
            need.room += aligned(vectors[i].iov_len);
        }
    }
    return need;
}

/* What the kernel takes or gives in one piece. */
static size_t bytes_of(enum target target, const void *pointer, const struct io_uring_sqe *sqe)
{
    switch (target) {
    case STRING:
        return strlen(pointer) + 1;
    case STATUS:
        return sizeof(struct statx);
    case SIGINFO:
        return sizeof(siginfo_t);
    case WORD:
        return sizeof(uint32_t);
    case PEER:
        return sqe->addr2 != 0 ? *(const socklen_t *)(uintptr_t)sqe->addr2 : 0;
    case PEER_LENGTH:
        return sizeof(socklen_t);
    case NAME:
        return sqe->addr2;
    case DESTINATION:
        return sqe->addr_len;
    default:
        return sqe->len;
    }
}

static struct need need_of(const struct tacet_context *context, enum target target, uint64_t address,
                           const struct io_uring_sqe *sqe)
{
    static const struct need none;
    if (target == VECTORS_READ || target == VECTORS_WRITTEN)
        return vectors_touch(context, sqe) ? vectors_need(context, sqe) : none;
    if (target == WORDS)
        return words_touch(context, sqe) ? (struct need){.room = sizeof(uint32_t)} : none;
    const void *pointer = (const void *)(uintptr_t)address;
    if (target == NOTHING || target == MESSAGE || !holds(context, pointer))
        return none;
    size_t bytes = bytes_of(target, pointer, sqe);
    return (struct need){bytes, aligned(bytes) + aligned(2 * sizeof(struct part))};
}

/* Messages are not copied: too much belongs to them. */
static const char a_message[] = "a struct msghdr, or what it points to,";

static bool message_touches(const struct tacet_context *context, const struct io_uring_sqe *sqe)
{
    const struct msghdr *message = (const struct msghdr *)(uintptr_t)sqe->addr;
    if (pointers_of(sqe->opcode)->addr != MESSAGE || message == NULL)
        return false;
    if (holds(context, message) || holds(context, message->msg_name) || holds(context, message->msg_control) ||
        holds(context, message->msg_iov))
        return true;
    for (size_t i = 0; message->msg_iov != NULL && i < message->msg_iovlen; i++)
        if (holds(context, message->msg_iov[i].iov_base))
            return true;
    return false;
}

struct needs {
    struct need addr, addr2, addr3;
    size_t bytes, room;
};

static struct needs needs_of(const struct tacet_context *context, const struct pointers *pointers,
                             const struct io_uring_sqe *sqe)
{
    struct needs needs = {
        .addr = need_of(context, pointers->addr, sqe->addr, sqe),
        .addr2 = need_of(context, pointers->addr2, sqe->addr2, sqe),
        .addr3 = need_of(context, pointers->addr3, sqe->addr3, sqe),
    };
    needs.bytes = sum(sum(needs.addr.bytes, needs.addr2.bytes), needs.addr3.bytes);
    needs.room = needs.addr.room + needs.addr2.room + needs.addr3.room;
    return needs;
}

static void *take_room(struct bounce *bounce, size_t bytes)
{
    void *taken = bounce->free;
    bounce->free += aligned(bytes);
    return taken;
}

static void *copy_of(struct bounce *bounce, const void *from, size_t bytes)
{
    void *copy = take_room(bounce, bytes);
    return memcpy(copy, from, bytes);
}

/* Room that the kernel writes to; it is copied back to where it stands for. */
static void *room_back(struct bounce *bounce, void *to, size_t bytes)
{
    void *room = take_room(bounce, bytes);
    bounce->parts[bounce->part_count++] = (struct part){to, room, bytes};
    return room;
}

static void capture_vectors(struct bounce *bounce, struct io_uring_sqe *sqe, bool written)
{
    struct iovec *vectors = copy_of(bounce, vectors_of(sqe), sqe->len * sizeof *vectors);
    bounce->parts = take_room(bounce, sqe->len * sizeof *bounce->parts);
    for (unsigned i = 0; i < sqe->len; i++) {
        struct iovec *vector = &vectors[i];
        if (!holds(bounce->context, vector->iov_base)) {
            if (written) /* it takes its share of the result */
                bounce->parts[bounce->part_count++] = (struct part){vector->iov_base, vector->iov_base,
                                                                    vector->iov_len};
        } else if (written) {
            vector->iov_base = room_back(bounce, vector->iov_base, vector->iov_len);
        } else {
            vector->iov_base = copy_of(bounce, vector->iov_base, vector->iov_len);
        }
    }
    bounce->by_result = written;
    sqe->addr = (uintptr_t)vectors;
}

/* What replaces address. */
static uint64_t capture_bytes(struct bounce *bounce, enum target target, uint64_t address,
                              const struct io_uring_sqe *sqe)
{
    void *pointer = (void *)(uintptr_t)address;
    if (target == STRING)
        return (uintptr_t)copy_of(bounce, pointer, strlen(pointer) + 1);
    size_t bytes = bytes_of(target, pointer, sqe);
    if (target == BYTES_READ || target == NAME || target == DESTINATION)
        return (uintptr_t)copy_of(bounce, pointer, bytes);
    if (bounce->parts == NULL)
        bounce->parts = take_room(bounce, 2 * sizeof *bounce->parts); /* there may be one for each field */
    bounce->by_result = target == BYTES_WRITTEN;
    void *room = room_back(bounce, pointer, bytes);
    return (uintptr_t)(target == PEER_LENGTH ? memcpy(room, pointer, bytes) : room);
}

static TACET_COLD tacet_result refuse_size(const struct tacet_task *task, const char *operation, size_t bytes,
                                           size_t bytes_max)
{
    executor_report(
        executor_of(tacet_task_executor(task)),
        "task \"%s\": %s: %zu bytes of its arguments lie on the task's stack, and the copying switcher takes %zu "
        "at most; put them into memory that does not move, or raise bounce_bytes_max",
        tacet_task_name(task), operation, bytes, bytes_max);
    return -EFAULT;
}

static TACET_COLD tacet_result refuse_place(const struct tacet_task *task, const char *what)
{
    executor_report(
        executor_of(tacet_task_executor(task)),
        "task \"%s\": %s lies on the task's stack, which the copying switcher moves away while the task waits; "
        "put it into memory that does not move",
        tacet_task_name(task), what);
    return -EFAULT;
}

tacet_result bounce_check(const struct tacet_task *task, const void *address, const char *what)
{
    return holds(&c_task_of(task)->context, address) ? refuse_place(task, what) : 0;
}

static void replace(struct bounce *bounce, const struct pointers *pointers, const struct needs *needs,
                    struct io_uring_sqe *sqe)
{
    if (needs->addr.room > 0 && (pointers->addr == VECTORS_READ || pointers->addr == VECTORS_WRITTEN))
        capture_vectors(bounce, sqe, pointers->addr == VECTORS_WRITTEN);
    else if (needs->addr.room > 0)
        sqe->addr = capture_bytes(bounce, pointers->addr, sqe->addr, sqe);
    if (needs->addr2.room > 0)
        sqe->addr2 = capture_bytes(bounce, pointers->addr2, sqe->addr2, sqe);
    if (needs->addr3.room > 0)
        sqe->addr3 = capture_bytes(bounce, pointers->addr3, sqe->addr3, sqe);
}

/*
 * Replaces what the prepared request points to on the stack of the running task. *bounce is NULL if there is no such thing.
 * -EFAULT: it is more than the switcher's bounce_bytes_max; -ENOMEM.
 */
static tacet_result capture(struct bounce **bounce, const struct tacet_task *task, struct io_uring_sqe *sqe)
{
    struct tacet_context *context = &c_task_of(task)->context;
    const struct pointers *pointers = pointers_of(sqe->opcode);
    const struct needs needs = needs_of(context, pointers, sqe);
    size_t bytes_max = tacet_switcher_get_options(context->switcher)->bounce_bytes_max;
    *bounce = NULL;
    if (message_touches(context, sqe))
        return refuse_place(task, a_message);
    if (TACET_LIKELY(needs.room == 0))
        return 0;
    if (pointers->name == NULL)
        return refuse_place(task, "an argument of an unknown operation");
    if (pointers->addr == WORD || pointers->addr == WORDS)
        return refuse_place(task, "a futex");
    if (needs.bytes > bytes_max || needs.bytes > BYTES_MAX)
        return refuse_size(task, pointers->name, needs.bytes, bytes_max);
    struct bounce *made = malloc(aligned(sizeof *made) + needs.room);
    if (made == NULL)
        return -ENOMEM;
    *made = (struct bounce){.context = context, .free = (char *)made + aligned(sizeof *made)};
    replace(made, pointers, &needs, sqe);
    struct executor *executor = executor_of(tacet_task_executor(task));
    list_push_back(&executor->bounces, &made->node);
    *bounce = made;
    return 0;
}

static void copy_back(const struct bounce *bounce, size_t bytes)
{
    for (size_t i = 0; i < bounce->part_count && bytes > 0; i++) {
        const struct part *part = &bounce->parts[i];
        size_t share = part->bytes < bytes ? part->bytes : bytes;
        if (part->to != part->from)
            memcpy(part->to, part->from, share);
        bytes -= share;
    }
}

/* The operation has ended with result, which is returned: on the task's stack again. */
static tacet_result end(struct bounce *bounce, tacet_result result)
{
    if (result >= 0)
        copy_back(bounce, bounce->by_result ? (size_t)result : SIZE_MAX);
    list_remove(&bounce->node);
    free(bounce);
    return result;
}

void bounce_forget(struct executor *executor, const struct tacet_task *task)
{
    if (!(tacet_task_ops(task)->flags & TACET_SWITCHER_STACK_NOT_STABLE))
        return;
    for (struct tacet_list_node *node = executor->bounces.prev; node != &executor->bounces; node = node->prev) {
        struct bounce *bounce = TACET_CONTAINER_OF(node, struct bounce, node);
        if (bounce->context == &c_task_of(task)->context) {
            list_remove(&bounce->node);
            free(bounce);
            return; /* a task waits for one operation at a time */
        }
    }
}

tacet_result call_await_bounced(struct tacet_task *task, unsigned opcode, struct io_uring_sqe *sqe, unsigned attention)
{
    struct bounce *bounce;
    tacet_result r = capture(&bounce, task, sqe);
    if (r < 0)
        return r;
    call_commit(task, opcode, sqe, attention);
    r = task_give_up(task);
    return bounce != NULL ? end(bounce, r) : r;
}

/* An op of the caller's is started from a task whose stack moves, for whomever: nobody waits for it here, so nothing could be
 * copied back. */
tacet_result tacet_op_check_stack(const struct tacet_executor *executor, const struct tacet_op *op,
                                  const struct io_uring_sqe *sqe)
{
    const struct tacet_task *task = (const struct tacet_task *)executor->current;
    if (task == NULL || task->runnable.kind == &callback_kind ||
        !(tacet_task_ops(task)->flags & TACET_SWITCHER_STACK_NOT_STABLE))
        return 0;
    tacet_result r = bounce_check(task, op, "a struct tacet_op");
    if (r < 0 || sqe == NULL)
        return r;
    const struct tacet_context *context = &c_task_of(task)->context;
    const struct pointers *pointers = pointers_of(sqe->opcode);
    if (message_touches(context, sqe))
        return refuse_place(task, a_message);
    if (needs_of(context, pointers, sqe).room == 0)
        return 0;
    char what[64];
    snprintf(what, sizeof what, "an argument of %s", pointers->name != NULL ? pointers->name : "an unknown operation");
    return refuse_place(task, what);
}
