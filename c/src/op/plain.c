/*
 * What io_uring does not have: plain system calls, behind the interface of the other operations. The task says for whom;
 * it is not suspended.
 */
#include <tacet/file.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static tacet_result result_of(long r)
{
    return r < 0 ? -errno : r;
}

tacet_result tacet_path_readlink(struct tacet_task *task, const struct tacet_file *dir, const char *path, char *buffer,
                                 size_t bytes)
{
    (void)task;
    if (path == NULL || buffer == NULL)
        return -EINVAL;
    return result_of(readlinkat(tacet_dir_fd(dir), path, buffer, bytes));
}

tacet_result tacet_directory_read(struct tacet_task *task, const struct tacet_file *dir, void *buffer, size_t bytes)
{
    (void)task;
    if (dir == NULL || buffer == NULL)
        return -EINVAL;
    return result_of(syscall(SYS_getdents64, dir->fd, buffer, bytes));
}

tacet_result tacet_file_seek(struct tacet_task *task, const struct tacet_file *file, int64_t offset, int whence)
{
    (void)task;
    if (file == NULL)
        return -EINVAL;
    return result_of(lseek(file->fd, offset, whence));
}

int64_t tacet_position_note(const struct tacet_file *file, uint64_t offset)
{
    return offset == UINT64_MAX && !(file->flags & O_APPEND) ? lseek(file->fd, 0, SEEK_CUR) : -1;
}

void tacet_position_settle(const struct tacet_file *file, int64_t noted, tacet_result done, size_t asked)
{
    if (noted >= 0 && done > 0 && (size_t)done < asked)
        lseek(file->fd, noted + done, SEEK_SET);
}

/* An empty path names the open file itself. */
static bool names_itself(const struct tacet_file *dir, const char *path)
{
    return dir != NULL && path[0] == '\0';
}

tacet_result tacet_path_chmod(struct tacet_task *task, const struct tacet_file *dir, const char *path, mode_t mode,
                              int flags)
{
    (void)task;
    if (path == NULL)
        return -EINVAL;
    if (names_itself(dir, path))
        return result_of(fchmod(dir->fd, mode));
    return result_of(fchmodat(tacet_dir_fd(dir), path, mode, flags));
}

tacet_result tacet_path_chown(struct tacet_task *task, const struct tacet_file *dir, const char *path, uid_t owner,
                              gid_t group, int flags)
{
    (void)task;
    if (path == NULL)
        return -EINVAL;
    if (names_itself(dir, path))
        flags |= AT_EMPTY_PATH;
    return result_of(fchownat(tacet_dir_fd(dir), path, owner, group, flags));
}

tacet_result tacet_path_set_times(struct tacet_task *task, const struct tacet_file *dir, const char *path,
                                  const struct timespec times[2], int flags)
{
    (void)task;
    if (path == NULL || times == NULL)
        return -EINVAL;
    if (names_itself(dir, path))
        return result_of(futimens(dir->fd, times));
    return result_of(utimensat(tacet_dir_fd(dir), path, times, flags));
}
