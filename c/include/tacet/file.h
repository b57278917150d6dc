/*
 * Files.
 *
 * A `struct tacet_file` is a value: a descriptor and what belongs to it; opening allocates nothing. `dir` arguments are
 * open directories to which a relative path refers; NULL is the working directory. Paths end with a zero byte.
 *
 * Forms and errors common to all operations: op.h. An operation's own errors are those of the system call named.
 * Results are 0 unless said otherwise.
 */
#ifndef TACET_FILE_H
#define TACET_FILE_H

#include <tacet/op.h>

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iovec;
struct open_how;
struct statx;
struct timespec;

struct tacet_file {
    int fd;
    unsigned flags; /* as it was opened: O_... */
    int sync_error; /* a failed sync, negative: it stays failed */
};

/* A descriptor that is open already becomes a file; it is not duplicated. -EBADF: negative. */
TACET_EXPORT tacet_result tacet_file_from_fd(struct tacet_file *file, int fd, unsigned flags);

/* The descriptor of `dir` arguments. */
static inline int tacet_dir_fd(const struct tacet_file *dir)
{
    return dir != NULL ? dir->fd : AT_FDCWD;
}

/*
 * Nobody waits for it: through the ring, behind what was started before, or by close(2) where there is none. The file is then closed (fd -1).
 * THREAD-SAFE as to the executor, which may be NULL, another thread's, or gone already.
 */
TACET_EXPORT void tacet_file_close_detached(struct tacet_executor *executor, struct tacet_file *file);

/*
 * For layers above C: what a read or a write that the running task would await comes to without the ring; TACET_PENDING: it must
 * go there. Files opened with O_DIRECT, O_SYNC or O_DSYNC are not tried, as a thread would wait for the device.
 */
TACET_EXPORT tacet_result tacet_read_at_once(struct tacet_task *task, int fd, void *buffer, size_t bytes,
                                             uint64_t offset);
TACET_EXPORT tacet_result tacet_write_at_once(struct tacet_task *task, int fd, const void *buffer, size_t bytes,
                                              uint64_t offset);
static inline bool tacet_may_try_at_once(const struct tacet_executor *executor, unsigned file_flags)
{
    return executor->tries_at_once && !(file_flags & (__O_DIRECT | O_SYNC | O_DSYNC));
}

/* openat2(2). _start: the result is the descriptor, for tacet_file_from_fd(). */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_open_start(struct tacet_op *op, struct tacet_task *task,
                                                                const struct tacet_file *dir, const char *path,
                                                                const struct open_how *how);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_open(struct tacet_task *task, struct tacet_file *file,
                                                          const struct tacet_file *dir, const char *path,
                                                          const struct open_how *how);

/* close(2). Never cancelled. The file is closed from the start on, whatever the result. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_close_start(struct tacet_op *op, struct tacet_task *task,
                                                                 struct tacet_file *file);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_close(struct tacet_task *task, struct tacet_file *file);

/*
 * pread(2), pwrite(2), preadv(2), pwritev(2); an offset of UINT64_MAX is the file's own position. Result: bytes, short
 * counts are normal; a read at the end gives 0. The suspending
 * forms of the first two may do without the ring, and then do not suspend: see always_through_ring in executor.h. -EINVAL: more than INT_MAX bytes, or than TACET_VECTORS_MAX vectors.
 */
static inline TACET_NODISCARD tacet_result tacet_file_read_start(struct tacet_op *op, struct tacet_task *task,
                                                                 const struct tacet_file *file, void *buffer,
                                                                 size_t bytes, uint64_t offset)
{
    struct io_uring_sqe *sqe;
    tacet_result r = file == NULL ? -EINVAL : tacet_op_start_begin(op, task, IORING_OP_READ, &sqe);
    return r < 0 ? r
                 : tacet_op_start(op, task, IORING_OP_READ, sqe,
                                  tacet_prepare_read(sqe, file->fd, buffer, bytes, offset));
}
static inline TACET_NODISCARD tacet_result tacet_file_write_start(struct tacet_op *op, struct tacet_task *task,
                                                                  const struct tacet_file *file, const void *buffer,
                                                                  size_t bytes, uint64_t offset)
{
    struct io_uring_sqe *sqe;
    tacet_result r = file == NULL ? -EINVAL : tacet_op_start_begin(op, task, IORING_OP_WRITE, &sqe);
    return r < 0 ? r
                 : tacet_op_start(op, task, IORING_OP_WRITE, sqe,
                                  tacet_prepare_write(sqe, file->fd, buffer, bytes, offset));
}
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_readv_start(struct tacet_op *op, struct tacet_task *task,
                                                                 const struct tacet_file *file,
                                                                 const struct iovec *vectors, size_t count,
                                                                 uint64_t offset);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_writev_start(struct tacet_op *op, struct tacet_task *task,
                                                                  const struct tacet_file *file,
                                                                  const struct iovec *vectors, size_t count,
                                                                  uint64_t offset);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_read(struct tacet_task *task, const struct tacet_file *file,
                                                          void *buffer, size_t bytes, uint64_t offset);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_write(struct tacet_task *task, const struct tacet_file *file,
                                                           const void *buffer, size_t bytes, uint64_t offset);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_readv(struct tacet_task *task, const struct tacet_file *file,
                                                           const struct iovec *vectors, size_t count, uint64_t offset);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_writev(struct tacet_task *task, const struct tacet_file *file,
                                                            const struct iovec *vectors, size_t count, uint64_t offset);

/*
 * fsync(2), fdatasync(2). The suspending forms keep a failure of the sync itself in file->sync_error and return it ever
 * after.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_sync_start(struct tacet_op *op, struct tacet_task *task,
                                                                const struct tacet_file *file);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_datasync_start(struct tacet_op *op, struct tacet_task *task,
                                                                    const struct tacet_file *file);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_sync(struct tacet_task *task, struct tacet_file *file);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_datasync(struct tacet_task *task, struct tacet_file *file);

/*
 * A transfer at a file's own position that comes out short, because what was left of it failed, does not move the position
 * (io_uring, up to Linux 6.18 at least): who goes on there would overwrite what was written, and believe all is well. So who
 * wants the rest notes the position before, and settles it after. -1: there is none, or another offset was given.
 */
TACET_EXPORT int64_t tacet_position_note(const struct tacet_file *file, uint64_t offset);
TACET_EXPORT void tacet_position_settle(const struct tacet_file *file, int64_t noted, tacet_result done, size_t asked);

/*
 * Whether a sync that gave this has failed, so that it stays failed: the kernel marks pages clean then, and a later one that
 * succeeds would be a lie. One that was given up has not.
 */
static inline bool tacet_sync_has_failed(tacet_result r)
{
    return r < 0 && r != -ECANCELED && r != -ETIME && r != -EINTR;
}

/* statx(2); flags AT_... (AT_EMPTY_PATH and path "": dir itself), mask STATX_... */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_path_stat_start(struct tacet_op *op, struct tacet_task *task,
                                                                const struct tacet_file *dir, const char *path,
                                                                int flags, unsigned mask, struct statx *status);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_path_stat(struct tacet_task *task, const struct tacet_file *dir,
                                                          const char *path, int flags, unsigned mask,
                                                          struct statx *status);

/* fallocate(2). */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_allocate_start(struct tacet_op *op, struct tacet_task *task,
                                                                    const struct tacet_file *file, int mode,
                                                                    uint64_t offset, uint64_t bytes);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_allocate(struct tacet_task *task, const struct tacet_file *file,
                                                              int mode, uint64_t offset, uint64_t bytes);

/* ftruncate(2); through the ring since Linux 6.9, before that -EOPNOTSUPP. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_truncate_start(struct tacet_op *op, struct tacet_task *task,
                                                                    const struct tacet_file *file, uint64_t bytes);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_truncate(struct tacet_task *task, const struct tacet_file *file,
                                                              uint64_t bytes);

/*
 * sync_file_range(2): writes dirty pages back, or waits for that. NOT DURABLE: neither the file's metadata nor the disk's
 * own cache are written; after a power failure the data may be missing. For durability: tacet_file_datasync().
 * bytes at most INT_MAX, 0: to the end. -EINVAL: unknown flags; -ESPIPE: no file of a file system.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_sync_range_start(struct tacet_op *op, struct tacet_task *task,
                                                                      const struct tacet_file *file, uint64_t offset,
                                                                      size_t bytes, unsigned flags);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_sync_range(struct tacet_task *task, const struct tacet_file *file,
                                                                uint64_t offset, size_t bytes, unsigned flags);

/*
 * posix_fadvise(2): how the file will be used. POSIX_FADV_WILLNEED is readahead: it begins to read what is not cached.
 * bytes at most INT_MAX, 0: to the end.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_advise_start(struct tacet_op *op, struct tacet_task *task,
                                                                  const struct tacet_file *file, uint64_t offset,
                                                                  size_t bytes, int advice);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_advise(struct tacet_task *task, const struct tacet_file *file,
                                                            uint64_t offset, size_t bytes, int advice);

/* madvise(2): the same for mapped memory. bytes at most INT_MAX. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_memory_advise_start(struct tacet_op *op, struct tacet_task *task,
                                                                    void *memory, size_t bytes, int advice);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_memory_advise(struct tacet_task *task, void *memory, size_t bytes,
                                                              int advice);

/*
 * splice(2): moves bytes between two files of which one is a pipe, without copying them where that can be; the kernel does
 * it on a worker thread. An offset of UINT64_MAX is the file's own position; for a pipe it must be that. Result: bytes,
 * short counts are normal; 0: the end. tee(2): the same from pipe to pipe, and the bytes stay in the first, too.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_splice_start(struct tacet_op *op, struct tacet_task *task,
                                                                  const struct tacet_file *from, uint64_t from_offset,
                                                                  const struct tacet_file *to, uint64_t to_offset,
                                                                  size_t bytes, unsigned flags);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_splice(struct tacet_task *task, const struct tacet_file *from,
                                                            uint64_t from_offset, const struct tacet_file *to,
                                                            uint64_t to_offset, size_t bytes, unsigned flags);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_tee_start(struct tacet_op *op, struct tacet_task *task,
                                                               const struct tacet_file *from,
                                                               const struct tacet_file *to, size_t bytes,
                                                               unsigned flags);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_tee(struct tacet_task *task, const struct tacet_file *from,
                                                         const struct tacet_file *to, size_t bytes, unsigned flags);

/*
 * What memory, offsets and lengths must be multiples of where the file is open with O_DIRECT; powers of two. From the
 * status by tacet_path_stat(task, file, "", AT_EMPTY_PATH, TACET_STATX_DIOALIGN, &status). Where the kernel does not tell
 * (before Linux 6.1, or some file systems): 4096. Both 0: the file has no direct I/O.
 */
#define TACET_STATX_DIOALIGN 0x2000u /* STATX_DIOALIGN */
struct tacet_direct_alignment {
    uint32_t memory, offset;
};
TACET_EXPORT struct tacet_direct_alignment tacet_direct_alignment_of(const struct statx *status);

/* renameat2(2), unlinkat(2), mkdirat(2), symlinkat(2), linkat(2). */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_path_rename_start(struct tacet_op *op, struct tacet_task *task,
                                                                  const struct tacet_file *old_dir,
                                                                  const char *old_path,
                                                                  const struct tacet_file *new_dir,
                                                                  const char *new_path, unsigned flags);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_path_unlink_start(struct tacet_op *op, struct tacet_task *task,
                                                                  const struct tacet_file *dir, const char *path,
                                                                  int flags);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_path_mkdir_start(struct tacet_op *op, struct tacet_task *task,
                                                                 const struct tacet_file *dir, const char *path,
                                                                 mode_t mode);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_path_symlink_start(struct tacet_op *op, struct tacet_task *task,
                                                                   const char *target, const struct tacet_file *dir,
                                                                   const char *path);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_path_link_start(struct tacet_op *op, struct tacet_task *task,
                                                                const struct tacet_file *old_dir, const char *old_path,
                                                                const struct tacet_file *new_dir, const char *new_path,
                                                                int flags);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_path_rename(struct tacet_task *task, const struct tacet_file *old_dir,
                                                            const char *old_path, const struct tacet_file *new_dir,
                                                            const char *new_path, unsigned flags);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_path_unlink(struct tacet_task *task, const struct tacet_file *dir,
                                                            const char *path, int flags);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_path_mkdir(struct tacet_task *task, const struct tacet_file *dir,
                                                           const char *path, mode_t mode);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_path_symlink(struct tacet_task *task, const char *target,
                                                             const struct tacet_file *dir, const char *path);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_path_link(struct tacet_task *task, const struct tacet_file *old_dir,
                                                          const char *old_path, const struct tacet_file *new_dir,
                                                          const char *new_path, int flags);

/*
 * What io_uring does not have: plain system calls on the executor's thread, with the arguments and errors of the
 * others. They do not suspend, and so may be called with any task, a `none` one too. All touch metadata only; directory
 * reading and data seeking may wait for a disk that has not been read yet.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_path_readlink(struct tacet_task *task, const struct tacet_file *dir,
                                                              const char *path, char *buffer, size_t bytes);
/* getdents64(2): fills buffer with struct linux_dirent64 records. Result: bytes; 0 at the end. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_directory_read(struct tacet_task *task, const struct tacet_file *dir,
                                                               void *buffer, size_t bytes);
/* lseek(2) with SEEK_DATA, SEEK_HOLE ... Result: the offset; -ENXIO: no data behind it. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_seek(struct tacet_task *task, const struct tacet_file *file,
                                                          int64_t offset, int whence);
/* fchmodat(2), fchownat(2), utimensat(2); path "": dir itself. flags: 0 or AT_SYMLINK_NOFOLLOW. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_path_chmod(struct tacet_task *task, const struct tacet_file *dir,
                                                           const char *path, mode_t mode, int flags);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_path_chown(struct tacet_task *task, const struct tacet_file *dir,
                                                           const char *path, uid_t owner, gid_t group, int flags);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_path_set_times(struct tacet_task *task, const struct tacet_file *dir,
                                                               const char *path, const struct timespec times[2],
                                                               int flags);

#ifdef __cplusplus
}
#endif

#endif
