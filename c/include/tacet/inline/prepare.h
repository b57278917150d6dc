/*
 * What each operation is: one function that checks the arguments and fills a zeroed SQE. 0 or a negative errno.
 * Layout is not API.
 */
#ifndef TACET_INLINE_PREPARE_H
#define TACET_INLINE_PREPARE_H

#include <tacet/inline/op.h>

#include <fcntl.h>
#include <limits.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iovec;
struct open_how;
struct statx;

#define TACET_VECTORS_MAX 1024 /* UIO_MAXIOV */

/* A length that io_uring would cut to 32 bits, or the kernel refuse. */
static inline bool tacet_length_fits(size_t bytes)
{
    return bytes <= INT_MAX;
}

static inline tacet_result tacet_prepare_nop(struct io_uring_sqe *sqe)
{
    io_uring_prep_nop(sqe);
    return 0;
}

static inline tacet_result tacet_prepare_read(struct io_uring_sqe *sqe, int fd, void *buffer, size_t bytes,
                                              uint64_t offset)
{
    if (TACET_UNLIKELY(!tacet_length_fits(bytes)))
        return -EINVAL;
    io_uring_prep_read(sqe, fd, buffer, (unsigned)bytes, offset);
    return 0;
}

static inline tacet_result tacet_prepare_write(struct io_uring_sqe *sqe, int fd, const void *buffer, size_t bytes,
                                               uint64_t offset)
{
    if (TACET_UNLIKELY(!tacet_length_fits(bytes)))
        return -EINVAL;
    io_uring_prep_write(sqe, fd, buffer, (unsigned)bytes, offset);
    return 0;
}

/* fixed, plain: the opcodes for a buffer that the kernel has, and for one that it has not. */
static inline tacet_result tacet_prepare_buffer(struct io_uring_sqe *sqe, const struct tacet_executor *executor,
                                                unsigned fixed, unsigned plain, int fd,
                                                const struct tacet_buffer *buffer, size_t at, size_t bytes,
                                                uint64_t offset)
{
    if (TACET_UNLIKELY(!tacet_buffer_fits(buffer, at, bytes)))
        return -EINVAL;
    if (TACET_UNLIKELY(buffer->executor != executor))
        return -EPERM;
    io_uring_prep_rw(executor->has_registered_buffers ? (int)fixed : (int)plain, sqe, fd, (char *)buffer->data + at,
                     (unsigned)bytes, offset);
    sqe->buf_index = buffer->number; /* see tacet_request_takes_buffer() */
    return 0;
}

static inline tacet_result tacet_prepare_read_buffer(struct io_uring_sqe *sqe, const struct tacet_executor *executor,
                                                     int fd, const struct tacet_buffer *buffer, size_t at, size_t bytes,
                                                     uint64_t offset)
{
    return tacet_prepare_buffer(sqe, executor, IORING_OP_READ_FIXED, IORING_OP_READ, fd, buffer, at, bytes, offset);
}

static inline tacet_result tacet_prepare_write_buffer(struct io_uring_sqe *sqe, const struct tacet_executor *executor,
                                                      int fd, const struct tacet_buffer *buffer, size_t at,
                                                      size_t bytes, uint64_t offset)
{
    return tacet_prepare_buffer(sqe, executor, IORING_OP_WRITE_FIXED, IORING_OP_WRITE, fd, buffer, at, bytes, offset);
}

static inline tacet_result tacet_prepare_readv(struct io_uring_sqe *sqe, int fd, const struct iovec *vectors,
                                               size_t count, uint64_t offset)
{
    if (count > TACET_VECTORS_MAX)
        return -EINVAL;
    io_uring_prep_readv(sqe, fd, vectors, (unsigned)count, offset);
    return 0;
}

static inline tacet_result tacet_prepare_writev(struct io_uring_sqe *sqe, int fd, const struct iovec *vectors,
                                                size_t count, uint64_t offset)
{
    if (count > TACET_VECTORS_MAX)
        return -EINVAL;
    io_uring_prep_writev(sqe, fd, vectors, (unsigned)count, offset);
    return 0;
}

static inline tacet_result tacet_prepare_open(struct io_uring_sqe *sqe, int dir, const char *path,
                                              const struct open_how *how)
{
    if (path == NULL || how == NULL)
        return -EINVAL;
    io_uring_prep_openat2(sqe, dir, path, (struct open_how *)how);
    return 0;
}

/* The executor opens registered ones: tacet_executor_opens_registered(). The kernel refuses O_CLOEXEC. */
static inline tacet_result tacet_prepare_open_registered(struct io_uring_sqe *sqe, int dir, const char *path,
                                                         const struct open_how *how)
{
    tacet_result r = tacet_prepare_open(sqe, dir, path, how);
    sqe->file_index = IORING_FILE_INDEX_ALLOC;
    return r;
}

static inline tacet_result tacet_prepare_close(struct io_uring_sqe *sqe, int fd)
{
    io_uring_prep_close(sqe, fd);
    return 0;
}

/* flags: 0, or IORING_FSYNC_DATASYNC */
static inline tacet_result tacet_prepare_fsync(struct io_uring_sqe *sqe, int fd, unsigned flags)
{
    io_uring_prep_fsync(sqe, fd, flags);
    return 0;
}

static inline tacet_result tacet_prepare_statx(struct io_uring_sqe *sqe, int dir, const char *path, int flags,
                                               unsigned mask, struct statx *status)
{
    if (path == NULL || status == NULL)
        return -EINVAL;
    io_uring_prep_statx(sqe, dir, path, flags, mask, status);
    return 0;
}

static inline tacet_result tacet_prepare_fallocate(struct io_uring_sqe *sqe, int fd, int mode, uint64_t offset,
                                                   uint64_t bytes)
{
    if (offset > INT64_MAX || bytes > INT64_MAX)
        return -EINVAL;
    io_uring_prep_fallocate(sqe, fd, mode, 0, 0);
    sqe->off = offset; /* liburing 2.3 declares both as off_t, which is 32 bits wide on some targets */
    sqe->addr = bytes;
    return 0;
}

static inline tacet_result tacet_prepare_ftruncate(struct io_uring_sqe *sqe, int fd, uint64_t bytes)
{
    if (bytes > INT64_MAX)
        return -EINVAL;
    io_uring_prep_rw(TACET_OPCODE_FTRUNCATE, sqe, fd, NULL, 0, bytes);
    return 0;
}

/* flags: SYNC_FILE_RANGE_... */
static inline tacet_result tacet_prepare_sync_range(struct io_uring_sqe *sqe, int fd, uint64_t offset, size_t bytes,
                                                    unsigned flags)
{
    if (!tacet_length_fits(bytes))
        return -EINVAL;
    io_uring_prep_sync_file_range(sqe, fd, (unsigned)bytes, offset, (int)flags);
    return 0;
}

/* advice: POSIX_FADV_... */
static inline tacet_result tacet_prepare_advise(struct io_uring_sqe *sqe, int fd, uint64_t offset, size_t bytes,
                                                int advice)
{
    if (!tacet_length_fits(bytes) || offset > INT64_MAX)
        return -EINVAL;
    io_uring_prep_fadvise(sqe, fd, offset, (off_t)bytes, advice);
    return 0;
}

/* advice: MADV_... */
static inline tacet_result tacet_prepare_advise_memory(struct io_uring_sqe *sqe, void *memory, size_t bytes, int advice)
{
    if (!tacet_length_fits(bytes))
        return -EINVAL;
    io_uring_prep_madvise(sqe, memory, (off_t)bytes, advice);
    return 0;
}

/* flags: SPLICE_F_...; an offset of UINT64_MAX is the file's own position, or that of a pipe, which has none */
static inline tacet_result tacet_prepare_splice(struct io_uring_sqe *sqe, int from, uint64_t from_offset, int to,
                                                uint64_t to_offset, size_t bytes, unsigned flags)
{
    if (!tacet_length_fits(bytes))
        return -EINVAL;
    io_uring_prep_splice(sqe, from, (int64_t)from_offset, to, (int64_t)to_offset, (unsigned)bytes, flags);
    return 0;
}

static inline tacet_result tacet_prepare_tee(struct io_uring_sqe *sqe, int from, int to, size_t bytes, unsigned flags)
{
    if (!tacet_length_fits(bytes))
        return -EINVAL;
    io_uring_prep_tee(sqe, from, to, (unsigned)bytes, flags);
    return 0;
}

static inline bool tacet_xattr_is_fit(const char *name, const void *value, size_t bytes)
{
    return name != NULL && (value != NULL || bytes == 0) && tacet_length_fits(bytes);
}

static inline tacet_result tacet_prepare_get_xattr(struct io_uring_sqe *sqe, int fd, const char *name, void *value,
                                                   size_t bytes)
{
    if (!tacet_xattr_is_fit(name, value, bytes))
        return -EINVAL;
    io_uring_prep_fgetxattr(sqe, fd, name, (char *)value, (unsigned)bytes);
    return 0;
}

/* flags: 0, XATTR_CREATE or XATTR_REPLACE */
static inline tacet_result tacet_prepare_set_xattr(struct io_uring_sqe *sqe, int fd, const char *name,
                                                   const void *value, size_t bytes, int flags)
{
    if (!tacet_xattr_is_fit(name, value, bytes))
        return -EINVAL;
    io_uring_prep_fsetxattr(sqe, fd, name, (const char *)value, flags, (unsigned)bytes);
    return 0;
}

static inline tacet_result tacet_prepare_get_path_xattr(struct io_uring_sqe *sqe, const char *path, const char *name,
                                                        void *value, size_t bytes)
{
    if (path == NULL || !tacet_xattr_is_fit(name, value, bytes))
        return -EINVAL;
    io_uring_prep_getxattr(sqe, name, (char *)value, path, (unsigned)bytes);
    return 0;
}

static inline tacet_result tacet_prepare_set_path_xattr(struct io_uring_sqe *sqe, const char *path, const char *name,
                                                        const void *value, size_t bytes, int flags)
{
    if (path == NULL || !tacet_xattr_is_fit(name, value, bytes))
        return -EINVAL;
    io_uring_prep_setxattr(sqe, name, (const char *)value, path, flags, (unsigned)bytes);
    return 0;
}

static inline tacet_result tacet_prepare_rename(struct io_uring_sqe *sqe, int old_dir, const char *old_path,
                                                int new_dir, const char *new_path, unsigned flags)
{
    if (old_path == NULL || new_path == NULL)
        return -EINVAL;
    io_uring_prep_renameat(sqe, old_dir, old_path, new_dir, new_path, flags);
    return 0;
}

static inline tacet_result tacet_prepare_unlink(struct io_uring_sqe *sqe, int dir, const char *path, int flags)
{
    if (path == NULL)
        return -EINVAL;
    io_uring_prep_unlinkat(sqe, dir, path, flags);
    return 0;
}

static inline tacet_result tacet_prepare_mkdir(struct io_uring_sqe *sqe, int dir, const char *path, mode_t mode)
{
    if (path == NULL)
        return -EINVAL;
    io_uring_prep_mkdirat(sqe, dir, path, mode);
    return 0;
}

static inline tacet_result tacet_prepare_symlink(struct io_uring_sqe *sqe, const char *target, int dir,
                                                 const char *path)
{
    if (target == NULL || path == NULL)
        return -EINVAL;
    io_uring_prep_symlinkat(sqe, target, dir, path);
    return 0;
}

static inline tacet_result tacet_prepare_link(struct io_uring_sqe *sqe, int old_dir, const char *old_path, int new_dir,
                                              const char *new_path, int flags)
{
    if (old_path == NULL || new_path == NULL)
        return -EINVAL;
    io_uring_prep_linkat(sqe, old_dir, old_path, new_dir, new_path, flags);
    return 0;
}

static inline tacet_result tacet_prepare_poll(struct io_uring_sqe *sqe, int fd, unsigned events)
{
    io_uring_prep_poll_add(sqe, fd, events);
    return 0;
}

#ifdef __cplusplus
}
#endif

#endif
