/*
 * Which operations are limited: a table by opcode, and what the opcode does not tell. Only what ends of itself is: a read of a
 * pipe may wait for ever, so a descriptor is looked at, but only where that decides something.
 */
#include "ring/admission/parts.h"

#include <fcntl.h>
#include <linux/openat2.h>

static const uint8_t kinds[256] = {
    [IORING_OP_READ] = DATA,
    [IORING_OP_WRITE] = DATA,
    [IORING_OP_READV] = DATA,
    [IORING_OP_WRITEV] = DATA,
    [IORING_OP_READ_FIXED] = DATA,
    [IORING_OP_WRITE_FIXED] = DATA,
    [IORING_OP_FSYNC] = WORKER,
    [IORING_OP_FALLOCATE] = WORKER,
    [IORING_OP_STATX] = WORKER,
    [IORING_OP_FADVISE] = WORKER,
    [IORING_OP_MADVISE] = WORKER,
    [IORING_OP_OPENAT2] = WORKER,
    [TACET_OPCODE_OPEN_REGISTERED] = WORKER, /* as it ends */
    [IORING_OP_SYNC_FILE_RANGE] = WORKER,
    [IORING_OP_RENAMEAT] = WORKER,
    [IORING_OP_UNLINKAT] = WORKER,
    [IORING_OP_MKDIRAT] = WORKER,
    [IORING_OP_SYMLINKAT] = WORKER,
    [IORING_OP_LINKAT] = WORKER,
    [IORING_OP_FSETXATTR] = WORKER,
    [IORING_OP_SETXATTR] = WORKER,
    [IORING_OP_FGETXATTR] = WORKER,
    [IORING_OP_GETXATTR] = WORKER,
    [TACET_OPCODE_FTRUNCATE] = WORKER,
};

static const uint8_t descriptors[256] = {
    [IORING_OP_READ] = 1,       [IORING_OP_WRITE] = 1,       [IORING_OP_READV] = 1,     [IORING_OP_WRITEV] = 1,
    [IORING_OP_READ_FIXED] = 1, [IORING_OP_WRITE_FIXED] = 1, [IORING_OP_FSYNC] = 1,     [IORING_OP_FALLOCATE] = 1,
    [IORING_OP_STATX] = 1,      [IORING_OP_FADVISE] = 1,     [IORING_OP_OPENAT2] = 1,   [IORING_OP_SYNC_FILE_RANGE] = 1,
    [IORING_OP_RENAMEAT] = 2,   [IORING_OP_UNLINKAT] = 1,    [IORING_OP_MKDIRAT] = 1,   [IORING_OP_SYMLINKAT] = 1,
    [IORING_OP_LINKAT] = 2,     [IORING_OP_FSETXATTR] = 1,   [IORING_OP_FGETXATTR] = 1, [TACET_OPCODE_FTRUNCATE] = 1,
};

enum kind kind_of_opcode(unsigned opcode)
{
    return (enum kind)kinds[opcode];
}

unsigned descriptors_of_opcode(unsigned opcode)
{
    return descriptors[opcode];
}

/* An open that ends of itself: not that of a fifo that is there already. */
static bool makes_a_file(const struct io_uring_sqe *sqe)
{
    const struct open_how *how = (const struct open_how *)(uintptr_t)sqe->off;
    return (how->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL) || (how->flags & O_TMPFILE) == O_TMPFILE;
}

bool is_ordered(const struct admission *admission, const struct io_uring_sqe *sqe)
{
    return admission->orders_writes &&
           (sqe->opcode == IORING_OP_WRITE || sqe->opcode == IORING_OP_WRITEV || sqe->opcode == IORING_OP_WRITE_FIXED);
}

enum kind kind_of(const struct admission *admission, const struct io_uring_sqe *sqe, struct stat *status)
{
    const enum kind kind = kind_of_opcode(sqe->opcode);
    const unsigned passes = IOSQE_IO_LINK | IOSQE_IO_HARDLINK | IOSQE_BUFFER_SELECT | /* the buffers limit these */
                            IOSQE_FIXED_FILE; /* which file it is cannot be asked */
    if (sqe->flags & passes || (!admission->is_limited[kind] && !is_ordered(admission, sqe)))
        return NOT_LIMITED;
    if (sqe->opcode == IORING_OP_OPENAT2)
        return makes_a_file(sqe) ? WORKER : NOT_LIMITED;
    if (kind != DATA)
        return kind;
    bool is_regular = fstat(sqe->fd, status) == 0 && S_ISREG(status->st_mode);
    return is_regular ? DATA : NOT_LIMITED;
}
