/*
 * Extended attributes of files, xattr(7).
 *
 * A path is relative to the working directory: the system calls take no other. Links are followed. Through the ring since
 * Linux 5.19, before that -EOPNOTSUPP. Forms and errors common to all operations: op.h; others are those of the system
 * calls: -ENODATA (there is none of that name), -ERANGE (it does not fit), -EOPNOTSUPP (the file system has none) ...
 */
#ifndef TACET_XATTR_H
#define TACET_XATTR_H

#include <tacet/file.h>

#ifdef __cplusplus
extern "C" {
#endif

/* fgetxattr(2), getxattr(2). Result: the bytes of the value; with room for 0 bytes: how many there are. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_get_xattr_start(struct tacet_op *op, struct tacet_task *task,
                                                                     const struct tacet_file *file, const char *name,
                                                                     void *value, size_t bytes);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_get_xattr(struct tacet_task *task, const struct tacet_file *file,
                                                               const char *name, void *value, size_t bytes);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_path_get_xattr_start(struct tacet_op *op, struct tacet_task *task,
                                                                     const char *path, const char *name, void *value,
                                                                     size_t bytes);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_path_get_xattr(struct tacet_task *task, const char *path,
                                                               const char *name, void *value, size_t bytes);

/* fsetxattr(2), setxattr(2). flags: 0, XATTR_CREATE or XATTR_REPLACE. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_set_xattr_start(struct tacet_op *op, struct tacet_task *task,
                                                                     const struct tacet_file *file, const char *name,
                                                                     const void *value, size_t bytes, int flags);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_set_xattr(struct tacet_task *task, const struct tacet_file *file,
                                                               const char *name, const void *value, size_t bytes,
                                                               int flags);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_path_set_xattr_start(struct tacet_op *op, struct tacet_task *task,
                                                                     const char *path, const char *name,
                                                                     const void *value, size_t bytes, int flags);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_path_set_xattr(struct tacet_task *task, const char *path,
                                                               const char *name, const void *value, size_t bytes,
                                                               int flags);

/*
 * What io_uring does not have: plain calls, with any task. flistxattr(2), listxattr(2): the names, each with its zero
 * byte; result: bytes, or, with room for 0, how many there are. fremovexattr(2), removexattr(2).
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_list_xattrs(struct tacet_task *task, const struct tacet_file *file,
                                                                 char *names, size_t bytes);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_path_list_xattrs(struct tacet_task *task, const char *path, char *names,
                                                                 size_t bytes);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_file_remove_xattr(struct tacet_task *task,
                                                                  const struct tacet_file *file, const char *name);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_path_remove_xattr(struct tacet_task *task, const char *path,
                                                                  const char *name);

#ifdef __cplusplus
}
#endif

#endif
