/*
 * As prepare.h, for waiting for other things than files: child processes and futexes. Layout is not API.
 */
#ifndef TACET_INLINE_PREPARE_WAIT_H
#define TACET_INLINE_PREPARE_WAIT_H

#include <tacet/inline/op.h>

#include <limits.h>
#include <linux/futex.h>
#include <sys/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the kernel writes to info, it writes before the completion: a zeroed si_pid says that it took nobody. */
static inline tacet_result tacet_prepare_waitid(struct io_uring_sqe *sqe, idtype_t kind, id_t id, siginfo_t *info,
                                                int options)
{
    if (info == NULL)
        return -EINVAL;
    memset(info, 0, sizeof *info);
    io_uring_prep_rw(TACET_OPCODE_WAITID, sqe, (int)id, NULL, (unsigned)kind, (uint64_t)(uintptr_t)info);
    sqe->file_index = (unsigned)options;
    return 0;
}

/* FUTEX2_... of 32-bit words, private to the process unless shared. */
static inline int tacet_futex_kernel_flags(bool shared)
{
    return shared ? TACET_FUTEX_U32 : TACET_FUTEX_U32 | TACET_FUTEX_PRIVATE;
}

static inline tacet_result tacet_prepare_futex_wait(struct io_uring_sqe *sqe, const uint32_t *word, uint32_t expected,
                                                    uint32_t mask, bool shared)
{
    if (word == NULL || mask == 0)
        return -EINVAL;
    io_uring_prep_rw(TACET_OPCODE_FUTEX_WAIT, sqe, tacet_futex_kernel_flags(shared), word, 0, expected);
    sqe->addr3 = mask;
    return 0;
}

static inline tacet_result tacet_prepare_futex_wake(struct io_uring_sqe *sqe, const uint32_t *word, uint32_t count,
                                                    uint32_t mask, bool shared)
{
    if (word == NULL || mask == 0)
        return -EINVAL;
    io_uring_prep_rw(TACET_OPCODE_FUTEX_WAKE, sqe, tacet_futex_kernel_flags(shared), word, 0,
                     count < INT_MAX ? count : INT_MAX);
    sqe->addr3 = mask;
    return 0;
}

static inline tacet_result tacet_prepare_futex_wait_any(struct io_uring_sqe *sqe, const struct futex_waitv *words,
                                                        size_t count)
{
    if (words == NULL || count == 0 || count > FUTEX_WAITV_MAX)
        return -EINVAL;
    io_uring_prep_rw(TACET_OPCODE_FUTEX_WAITV, sqe, 0, words, (unsigned)count, 0);
    return 0;
}

#ifdef __cplusplus
}
#endif

#endif
