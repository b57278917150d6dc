/* Futexes, see tacet/futex.h. */
#include "op/op.h"

#include <tacet/futex.h>

tacet_result tacet_futex_wait_start(struct tacet_op *op, struct tacet_task *task, const uint32_t *word,
                                    uint32_t expected, uint32_t mask, bool shared)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, tacet_prepare_futex_wait(&sqe, word, expected, mask, shared));
}

tacet_result tacet_futex_wait(struct tacet_task *task, const uint32_t *word, uint32_t expected, uint32_t mask,
                              bool shared)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, tacet_prepare_futex_wait(&sqe, word, expected, mask, shared));
}

tacet_result tacet_futex_wait_any_start(struct tacet_op *op, struct tacet_task *task, const struct futex_waitv *words,
                                        size_t count)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, tacet_prepare_futex_wait_any(&sqe, words, count));
}

tacet_result tacet_futex_wait_any(struct tacet_task *task, const struct futex_waitv *words, size_t count)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, tacet_prepare_futex_wait_any(&sqe, words, count));
}

tacet_result tacet_futex_wake_start(struct tacet_op *op, struct tacet_task *task, const uint32_t *word, uint32_t count,
                                    uint32_t mask, bool shared)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, tacet_prepare_futex_wake(&sqe, word, count, mask, shared));
}

tacet_result tacet_futex_wake(struct tacet_task *task, const uint32_t *word, uint32_t count, uint32_t mask, bool shared)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, tacet_prepare_futex_wake(&sqe, word, count, mask, shared));
}
