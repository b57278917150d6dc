/*
 * Futexes: waiting for a 32-bit word that another task, thread or process changes.
 *
 * Through the ring, since Linux 6.7; before that -EOPNOTSUPP. The word is the caller's, and outlives the wait. `mask` chooses
 * among waiters: a wake reaches those whose mask has a bit in common with its own; TACET_FUTEX_ANYBODY is every bit.
 * `shared`: the word is in memory shared between processes.
 *
 * Forms and errors common to all operations: op.h. -EFAULT: what others must see lies on the stack of a `copying` task.
 */
#ifndef TACET_FUTEX_H
#define TACET_FUTEX_H

#include <tacet/inline/prepare_wait.h>
#include <tacet/op.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TACET_FUTEX_ANYBODY UINT32_MAX

/* Waits as long as nobody wakes it, if the word is as expected. 0: woken; -EAGAIN: it is not. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_futex_wait_start(struct tacet_op *op, struct tacet_task *task,
                                                                 const uint32_t *word, uint32_t expected, uint32_t mask,
                                                                 bool shared);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_futex_wait(struct tacet_task *task, const uint32_t *word,
                                                           uint32_t expected, uint32_t mask, bool shared);

/* The same for up to FUTEX_WAITV_MAX words, each with what is expected of it and its flags, of futex_waitv(2). Result: the
 * index of one that was woken. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_futex_wait_any_start(struct tacet_op *op, struct tacet_task *task,
                                                                     const struct futex_waitv *words, size_t count);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_futex_wait_any(struct tacet_task *task, const struct futex_waitv *words,
                                                               size_t count);

/* Wakes count waiters at most, tasks or threads. Result: how many. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_futex_wake_start(struct tacet_op *op, struct tacet_task *task,
                                                                 const uint32_t *word, uint32_t count, uint32_t mask,
                                                                 bool shared);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_futex_wake(struct tacet_task *task, const uint32_t *word,
                                                           uint32_t count, uint32_t mask, bool shared);

#ifdef __cplusplus
}
#endif

#endif
