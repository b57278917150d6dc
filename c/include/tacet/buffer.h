/*
 * Registered buffers: memory that the kernel has pinned and looked up once, and not again at each transfer. That pays where a
 * transfer goes to the memory itself (O_DIRECT); what is copied out of the page cache gains little.
 *
 * An executor has one pool of them at most, of two sizes, all of whole pages. Where memory may not be locked, or the kernel
 * refuses, the pool works all the same, with plain reads and writes: see tacet_buffer_pool_is_registered(). Buffers that the
 * kernel chooses are another thing: buffer_ring.h.
 *
 * A buffer is claimed, used, released. Released while an operation uses it, it comes back when that has ended: nobody else
 * gets memory that the kernel may still write to. All on the executor's thread, else -EPERM.
 */
#ifndef TACET_BUFFER_H
#define TACET_BUFFER_H

#include <tacet/file.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TACET_BUFFERS_REGISTERED_MAX 16384 /* of a pool */

struct tacet_buffer_pool_options {
    unsigned small_count, large_count; /* 0: none of that size */
    size_t small_bytes, large_bytes;   /* rounded up to whole pages; 0: 16 KiB, 128 KiB; at most 1 GiB */
    bool not_registered;               /* plain reads and writes, for diagnosis */
};

/*
 * options NULL: 64 small ones, 16 large ones. EXPENSIVE; the memory is zeroed. -EINVAL: NULL, no buffer at all, too many or too large ones;
 * -EBUSY: the executor has a pool; -ENOMEM; -EPERM. Not to be able to register them is no error.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_buffer_pool_create(struct tacet_buffer_pool **pool,
                                                                   struct tacet_executor *executor,
                                                                   const struct tacet_buffer_pool_options *options);

/*
 * EXPENSIVE. NULL is fine. -EBUSY: a buffer is claimed or in use, or a task waits for one. When the executor has been
 * destroyed, all have come back, and nobody waits; their memory is there until this call.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_buffer_pool_destroy(struct tacet_buffer_pool *pool);

/*
 * The same as soon as it can be: at once, or when the last buffer has come back, or with the executor. Who waits gets
 * -ECANCELED, and so does who claims one from now on.
 */
TACET_EXPORT void tacet_buffer_pool_abandon(struct tacet_buffer_pool *pool);

/* Whether the kernel has them, and why (not): a text that lives as long as the pool. */
TACET_EXPORT bool tacet_buffer_pool_is_registered(const struct tacet_buffer_pool *pool);
TACET_EXPORT const char *tacet_buffer_pool_why(const struct tacet_buffer_pool *pool);

/* How many of this size nobody has; how many tasks wait for one. */
TACET_EXPORT unsigned tacet_buffer_pool_available(const struct tacet_buffer_pool *pool, enum tacet_buffer_size size);
TACET_EXPORT unsigned tacet_buffer_pool_waiting(const struct tacet_buffer_pool *pool, enum tacet_buffer_size size);

/* A claimed buffer by its number; NULL: it is not claimed. */
TACET_EXPORT struct tacet_buffer *tacet_buffer_at(const struct tacet_buffer_pool *pool, tacet_result number);

/*
 * Result: the number of a buffer, which is the caller's until tacet_buffer_release(). SUSPENDS where none is left; who waits is
 * served by the I/O priority of the tasks, and in the order of their coming. CANCELLATION POINT. -EINVAL: the pool has none of this
 * size; -EPERM: the task is another executor's; -ECANCELED; -ETIME; -ENOTSUP: a `none` task would have to wait.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_buffer_claim(struct tacet_task *task, struct tacet_buffer_pool *pool,
                                                             enum tacet_buffer_size size);

/* Never waits: -EAGAIN. Also from a callback. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_buffer_try_claim(struct tacet_buffer_pool *pool,
                                                                 enum tacet_buffer_size size);

/* Also from a callback. 0; -EINVAL: NULL, or it is not claimed; -EPERM. */
TACET_EXPORT tacet_result tacet_buffer_release(struct tacet_buffer *buffer);

/*
 * pread(2), pwrite(2), as tacet_file_read() and tacet_file_write(), of `bytes` bytes from `at` in the buffer on. -EINVAL: that is
 * beyond its end, or it is not claimed; -EPERM: it is another executor's.
 */
static inline TACET_NODISCARD tacet_result tacet_file_read_buffer_start(struct tacet_op *op, struct tacet_task *task,
                                                                        const struct tacet_file *file,
                                                                        const struct tacet_buffer *buffer, size_t at,
                                                                        size_t bytes, uint64_t offset)
{
    struct io_uring_sqe *sqe;
    tacet_result r = file == NULL ? -EINVAL : tacet_op_start_begin(op, task, IORING_OP_READ_FIXED, &sqe);
    return r < 0 ? r
                 : tacet_op_start(op, task, IORING_OP_READ_FIXED, sqe,
                                  tacet_prepare_read_buffer(sqe, tacet_op_start_on(op, task), file->fd, buffer, at,
                                                            bytes, offset));
}
static inline TACET_NODISCARD tacet_result tacet_file_write_buffer_start(struct tacet_op *op, struct tacet_task *task,
                                                                         const struct tacet_file *file,
                                                                         const struct tacet_buffer *buffer, size_t at,
                                                                         size_t bytes, uint64_t offset)
{
    struct io_uring_sqe *sqe;
    tacet_result r = file == NULL ? -EINVAL : tacet_op_start_begin(op, task, IORING_OP_WRITE_FIXED, &sqe);
    return r < 0 ? r
                 : tacet_op_start(op, task, IORING_OP_WRITE_FIXED, sqe,
                                  tacet_prepare_write_buffer(sqe, tacet_op_start_on(op, task), file->fd, buffer, at,
                                                             bytes, offset));
}
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_read_buffer(struct tacet_task *task, const struct tacet_file *file,
                                                                 const struct tacet_buffer *buffer, size_t at,
                                                                 size_t bytes, uint64_t offset);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_write_buffer(struct tacet_task *task,
                                                                  const struct tacet_file *file,
                                                                  const struct tacet_buffer *buffer, size_t at,
                                                                  size_t bytes, uint64_t offset);

/* For layers above C: tacet_read_at_once(), tacet_write_at_once() with a buffer. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_read_buffer_at_once(struct tacet_task *task, int fd,
                                                                    const struct tacet_buffer *buffer, size_t at,
                                                                    size_t bytes, uint64_t offset);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_write_buffer_at_once(struct tacet_task *task, int fd,
                                                                     const struct tacet_buffer *buffer, size_t at,
                                                                     size_t bytes, uint64_t offset);

/*
 * For layers above C: the running task, which has no interrupt to take, begins to wait for a buffer; its number is what the wait
 * ends with. 0; or why it does not wait: tacet_buffer_try_claim() has one, or fails for another reason than -EAGAIN.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_buffer_park(struct tacet_task *task, struct tacet_buffer_pool *pool,
                                                            enum tacet_buffer_size size);

#ifdef __cplusplus
}
#endif

#endif
