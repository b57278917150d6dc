/*
 * Descriptors that carry bytes and news between tasks, threads and processes: pipes and eventfds.
 *
 * Both are files: read, written and closed like others. A pipe is read and written at the file's own position (UINT64_MAX). Who
 * writes to a pipe that nobody reads gets -EPIPE, and the process SIGPIPE, which it should ignore.
 *
 * An eventfd(2) is a counter. A wait polls it, and the task that is resumed takes the count by a plain read: so a cancel, a
 * deadline or the end of the executor lose none.
 */
#ifndef TACET_NOTIFY_H
#define TACET_NOTIFY_H

#include <tacet/file.h>

#ifdef __cplusplus
extern "C" {
#endif

/* pipe2(2): what is written to ends[1] is read from ends[0]. flags: O_..., O_CLOEXEC is added. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_pipe_open(struct tacet_file ends[2], unsigned flags);

/* eventfd(2). flags: 0, or EFD_SEMAPHORE: one is taken at a time. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_event_fd_open(struct tacet_file *counter, unsigned initial, int flags);

/* Adds count. Never waits: -EAGAIN if the counter would pass 2^64 - 2. THREAD-SAFE, ASYNC-SIGNAL-SAFE. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_event_fd_add(const struct tacet_file *counter, uint64_t count);

/* Takes the count, or one of a semaphore, without waiting. -EAGAIN: it is 0. THREAD-SAFE, ASYNC-SIGNAL-SAFE. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_event_fd_take(const struct tacet_file *counter, uint64_t *count);

/*
 * SUSPENDS until the counter is not 0, and takes it. CANCELLATION POINT. A `stackless` body for which it has returned
 * TACET_PENDING looks at tacet_task_call_result(): if that is negative, the wait has ended with it, else it calls again.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_event_fd_wait(struct tacet_task *task, const struct tacet_file *counter,
                                                              uint64_t *count);

#ifdef __cplusplus
}
#endif

#endif
