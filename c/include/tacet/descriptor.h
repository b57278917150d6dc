/*
 * Registered descriptors: open files in a table that an executor shares with the kernel (io_uring_register_files(3)). An operation
 * finds its file there without the process's own table, and without counting references.
 *
 * A registered descriptor is a number as any other, from TACET_DESCRIPTOR_REGISTERED on, and stands wherever an operation takes the
 * descriptor of a file, a pipe or a socket: reads, writes, syncs, allocate, truncate, splice, send, receive, accept, poll, close ...
 * It is no descriptor of the process's: system calls, what is relative to a directory, stat, and what io_uring does not have
 * answer -EBADF. Nor is it inherited. Limits and order (ops_max, ordered_writes) do not hold for it.
 *
 * Close it when what was started on it has ended: the kernel looks up the file of a sync, an allocate or another operation for its
 * worker threads when that begins, and may find the place empty (-EBADF), or taken by another.
 *
 * It is good on its executor only: elsewhere operations end with -EBADF, but for a close, which is passed on. Forms and errors
 * common to all operations: op.h.
 */
#ifndef TACET_DESCRIPTOR_H
#define TACET_DESCRIPTOR_H

#include <tacet/file.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TACET_DESCRIPTORS_MAX 16384 /* of an executor */

static inline bool tacet_descriptor_is_registered(int fd)
{
    return fd >= TACET_DESCRIPTOR_REGISTERED;
}

/*
 * Moves an open file, or socket, to the executor's table: its own descriptor is closed. On failure it stays what it was. Owner
 * thread only, and with nothing under way that names the descriptor. -ENFILE: one half of the table is for this, and is full; -EBADF: not open, or
 * registered already; -EOPNOTSUPP: no ring, or before Linux 5.15; -EPERM; -ENOMEM; -EINVAL: NULL; or an error of
 * io_uring_register_files(3).
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_register(struct tacet_executor *executor, struct tacet_file *file);

/*
 * openat2(2), into the table. _start: the result is the descriptor, for tacet_file_from_fd(). -ENFILE: the other half of the
 * table is for this, and is full; -EINVAL: O_CLOEXEC is among the flags; -EOPNOTSUPP: before Linux 6.0.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_open_registered_start(struct tacet_op *op, struct tacet_task *task,
                                                                           const struct tacet_file *dir,
                                                                           const char *path,
                                                                           const struct open_how *how);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_open_registered(struct tacet_task *task, struct tacet_file *file,
                                                                     const struct tacet_file *dir, const char *path,
                                                                     const struct open_how *how);

/* For layers above C: the executor's table is there, and the kernel finds places in it. 0, or a refusal as above. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_executor_opens_registered(struct tacet_executor *executor);

#ifdef __cplusplus
}
#endif

#endif
