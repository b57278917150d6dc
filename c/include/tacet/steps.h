/*
 * File operations of several steps: whole transfers, durable writes, copies.
 *
 * Each SUSPENDS at every step, and keeps what it needs from one to the next in a `struct tacet_steps`: the caller's, zeroed
 * before its first use, for one call at a time, and with the arguments there until the call has ended. After the call
 * `bytes` says how much was done, also where the call failed. In the body of a `stackless` task the body returns
 * TACET_PENDING as ever, and then makes the same call again, instead of tacet_task_call_result(), until it gives another
 * result.
 *
 * Errors are those of the steps (op.h, file.h), and -EINVAL (a NULL that must not be). A step that was interrupted is made
 * again. A cancel ends the call at the step where it is: -ECANCELED.
 */
#ifndef TACET_STEPS_H
#define TACET_STEPS_H

#include <tacet/file.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tacet_steps {
    uint64_t bytes; /* done so far */
    /* What follows is not API. */
    struct tacet_op ops[2];
    struct tacet_file file;
    tacet_result result; /* of a call that is putting away what it made */
    int descriptors[2];
    uint64_t offsets[2];
    uint64_t limit;   /* of a copy */
    int64_t position; /* of the file, before the step; -1 */
    uint8_t phase, progress;
    bool under_way, waits, chained;
    char name[40];
    uint64_t how[3]; /* a struct open_how */
};

/*
 * Reads until the buffer is full or the file ends. Result: bytes; fewer only at the end. An offset of UINT64_MAX is the
 * file's own position, which makes sense for pipes, too. Any length.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_read_all(struct tacet_task *task, const struct tacet_file *file,
                                                              void *buffer, size_t bytes, uint64_t offset,
                                                              struct tacet_steps *steps);

/* Writes all of it. Result: bytes. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_write_all(struct tacet_task *task, const struct tacet_file *file,
                                                               const void *buffer, size_t bytes, uint64_t offset,
                                                               struct tacet_steps *steps);

/*
 * Writes all of it and makes it durable: the data, then fdatasync(2), chained, so that both are one submission. Result:
 * bytes. A sync that failed stays failed: see tacet_file_sync(); nothing more is written then. steps must not lie on a
 * `copying` task's stack (-EFAULT).
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_write_durable(struct tacet_task *task, struct tacet_file *file,
                                                                   const void *buffer, size_t bytes, uint64_t offset,
                                                                   struct tacet_steps *steps);

enum tacet_durable_flags {
    TACET_DURABLE_REPLACE = 1, /* a file of that name is replaced, atomically; else it is -EEXIST */
};

/*
 * A file with these contents, which is there whole or not at all, whatever crashes: it is written under another name
 * (".tacet-..."), synced, renamed or linked to its own, and the directory is synced. Result: bytes.
 *
 * dir is the open directory, not with O_PATH; name has no slash in it (-EINVAL). On failure there is no file, or the former
 * one; only where the sync of the directory fails the new one is there, and may be gone after a crash. What an executor
 * that was destroyed, or a crash, leaves behind has the other name.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_create_durable(struct tacet_task *task, struct tacet_file *dir,
                                                                    const char *name, mode_t mode, const void *contents,
                                                                    size_t bytes, unsigned flags,
                                                                    struct tacet_steps *steps);

/*
 * Copies up to so many bytes from file to file on a helper thread: copy_file_range(2), where that is refused (across
 * file systems, special files) by reading and writing. Result: bytes, fewer only at the end of `from`; within one file that is
 * its end when the copy starts, and ranges that overlap are -EINVAL. Both offsets are explicit. Holes may be filled. steps must
 * not lie on a `copying` task's stack (-EFAULT). A cancel takes effect between portions of 64 MiB.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_copy(struct tacet_task *task, const struct tacet_file *from,
                                                          uint64_t from_offset, const struct tacet_file *to,
                                                          uint64_t to_offset, uint64_t bytes,
                                                          struct tacet_steps *steps);

/*
 * The same without a task: BLOCKS, for at most INT_MAX bytes. THREAD-SAFE. For a function that runs on a helper thread.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_copy_range_blocking(int from, uint64_t from_offset, int to,
                                                                    uint64_t to_offset, size_t bytes);

/*
 * How much of so many bytes is to be copied, for who copies in portions: all, but within one file only what is there before the
 * first portion. -EINVAL: the ranges overlap. THREAD-SAFE.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_copy_range_limit(int from, uint64_t from_offset, int to,
                                                                 uint64_t to_offset, uint64_t bytes);

#ifdef __cplusplus
}
#endif

#endif
