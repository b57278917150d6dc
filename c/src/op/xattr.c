/* Extended attributes: by the ring, and by plain calls what it does not have. One line each, or two. */
#include "op/op.h"

#include <tacet/xattr.h>

#include <errno.h>
#include <sys/xattr.h>

static tacet_result prepare_get(struct io_uring_sqe *sqe, const struct tacet_file *file, const char *name, void *value,
                                size_t bytes)
{
    return file == NULL ? -EINVAL : tacet_prepare_get_xattr(sqe, file->fd, name, value, bytes);
}

tacet_result tacet_file_get_xattr_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *file,
                                        const char *name, void *value, size_t bytes)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, prepare_get(&sqe, file, name, value, bytes));
}

tacet_result tacet_file_get_xattr(struct tacet_task *task, const struct tacet_file *file, const char *name, void *value,
                                  size_t bytes)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, prepare_get(&sqe, file, name, value, bytes));
}

tacet_result tacet_path_get_xattr_start(struct tacet_op *op, struct tacet_task *task, const char *path,
                                        const char *name, void *value, size_t bytes)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, tacet_prepare_get_path_xattr(&sqe, path, name, value, bytes));
}

tacet_result tacet_path_get_xattr(struct tacet_task *task, const char *path, const char *name, void *value,
                                  size_t bytes)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, tacet_prepare_get_path_xattr(&sqe, path, name, value, bytes));
}

static tacet_result prepare_set(struct io_uring_sqe *sqe, const struct tacet_file *file, const char *name,
                                const void *value, size_t bytes, int flags)
{
    return file == NULL ? -EINVAL : tacet_prepare_set_xattr(sqe, file->fd, name, value, bytes, flags);
}

tacet_result tacet_file_set_xattr_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *file,
                                        const char *name, const void *value, size_t bytes, int flags)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, prepare_set(&sqe, file, name, value, bytes, flags));
}

tacet_result tacet_file_set_xattr(struct tacet_task *task, const struct tacet_file *file, const char *name,
                                  const void *value, size_t bytes, int flags)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, prepare_set(&sqe, file, name, value, bytes, flags));
}

tacet_result tacet_path_set_xattr_start(struct tacet_op *op, struct tacet_task *task, const char *path,
                                        const char *name, const void *value, size_t bytes, int flags)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, tacet_prepare_set_path_xattr(&sqe, path, name, value, bytes, flags));
}

tacet_result tacet_path_set_xattr(struct tacet_task *task, const char *path, const char *name, const void *value,
                                  size_t bytes, int flags)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, tacet_prepare_set_path_xattr(&sqe, path, name, value, bytes, flags));
}

/* The plain calls. The task says for whom; it is not suspended. */

static tacet_result result_of(long r)
{
    return r < 0 ? -errno : r;
}

tacet_result tacet_file_list_xattrs(struct tacet_task *task, const struct tacet_file *file, char *names, size_t bytes)
{
    (void)task;
    if (file == NULL || (names == NULL && bytes > 0))
        return -EINVAL;
    return result_of(flistxattr(file->fd, names, bytes));
}

tacet_result tacet_path_list_xattrs(struct tacet_task *task, const char *path, char *names, size_t bytes)
{
    (void)task;
    if (path == NULL || (names == NULL && bytes > 0))
        return -EINVAL;
    return result_of(listxattr(path, names, bytes));
}

tacet_result tacet_file_remove_xattr(struct tacet_task *task, const struct tacet_file *file, const char *name)
{
    (void)task;
    if (file == NULL || name == NULL)
        return -EINVAL;
    return result_of(fremovexattr(file->fd, name));
}

tacet_result tacet_path_remove_xattr(struct tacet_task *task, const char *path, const char *name)
{
    (void)task;
    if (path == NULL || name == NULL)
        return -EINVAL;
    return result_of(removexattr(path, name));
}
