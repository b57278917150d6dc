/*
 * Copies between files, on a helper thread: io_uring has no copy_file_range(2), and splicing through a pipe takes two
 * operations for each 64 KiB.
 */
#include "op/steps.h"

#include <tacet/blocking.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PORTION_BYTES_MAX ((size_t)64 << 20) /* a cancel waits for no more than that */
#define BUFFER_BYTES ((size_t)128 << 10)

/* Whether the kernel copies between other files, but not between these. */
static bool is_refused(int error)
{
    return error == EXDEV || error == EINVAL || error == ENOSYS || error == EOPNOTSUPP || error == EBADF ||
           error == EPERM || error == ETXTBSY;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* What is there at the start is copied: else what has just been written would be, and the copy never end. */
tacet_result tacet_copy_range_limit(int from, uint64_t from_offset, int to, uint64_t to_offset, uint64_t bytes)
{
    struct stat first, second;
    if (bytes > INT64_MAX)
        bytes = INT64_MAX;
    if (fstat(from, &first) < 0 || fstat(to, &second) < 0 || !is_same_file(&first, &second))
        return (tacet_result)bytes;
    uint64_t size = S_ISREG(first.st_mode) ? (uint64_t)first.st_size : UINT64_MAX;
    uint64_t there = size > from_offset ? size - from_offset : 0;
    uint64_t limit = bytes < there ? bytes : there;
    uint64_t apart = from_offset < to_offset ? to_offset - from_offset : from_offset - to_offset;
    return apart < limit ? -EINVAL : (tacet_result)limit;
}

static tacet_result write_whole(int to, const char *from, size_t bytes, uint64_t offset)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t r = pwrite(to, from + done, bytes - done, (off_t)(offset + done));
        if (r < 0 && errno != EINTR)
            return -errno;
        done += r > 0 ? (size_t)r : 0;
    }
    return (tacet_result)bytes;
}

/* By reading and writing. Bytes, or the error that came before any. */
static tacet_result copy_by_hand(int from, uint64_t from_offset, int to, uint64_t to_offset, size_t bytes)
{
    char *buffer = malloc(BUFFER_BYTES);
    tacet_result r = buffer != NULL ? 0 : -ENOMEM;
    size_t done = 0;
    while (r >= 0 && done < bytes) {
        size_t portion = bytes - done < BUFFER_BYTES ? bytes - done : BUFFER_BYTES;
        ssize_t read = pread(from, buffer, portion, (off_t)(from_offset + done));
        if (read < 0 && errno == EINTR)
            continue;
        r = read < 0 ? -errno : write_whole(to, buffer, (size_t)read, to_offset + done);
        if (r <= 0)
            break;
        done += (size_t)r;
    }
    free(buffer);
    return done > 0 ? (tacet_result)done : r;
}

tacet_result tacet_copy_range_blocking(int from, uint64_t from_offset, int to, uint64_t to_offset, size_t bytes)
{
    if (bytes > INT_MAX || from_offset > INT64_MAX || to_offset > INT64_MAX)
        return -EINVAL;
    tacet_result limit = tacet_copy_range_limit(from, from_offset, to, to_offset, bytes);
    if (limit < 0)
        return limit;
    off_t in = (off_t)from_offset, out = (off_t)to_offset;
    size_t done = 0;
    bytes = (size_t)limit;
    while (done < bytes) {
        ssize_t r = copy_file_range(from, &in, to, &out, bytes - done, 0);
        if (r > 0) {
            done += (size_t)r;
        } else if (r == 0 || is_refused(errno)) { /* 0: the end; or a file of /proc, whose size is not known */
            tacet_result more = copy_by_hand(from, from_offset + done, to, to_offset + done, bytes - done);
            return more >= 0 ? (tacet_result)done + more : done > 0 ? (tacet_result)done : more;
        } else if (errno != EINTR) {
            return done > 0 ? (tacet_result)done : -errno;
        }
    }
    return (tacet_result)done;
}

static tacet_result copy_portion(void *arg)
{
    struct tacet_steps *steps = arg;
    const int *fds = steps->descriptors;
    const uint64_t *offsets = steps->offsets;
    if (steps->bytes == 0) {
        tacet_result r = tacet_copy_range_limit(fds[0], offsets[0], fds[1], offsets[1], steps->limit);
        if (r < 0)
            return r;
        steps->limit = (uint64_t)r;
    }
    uint64_t left = steps->limit - steps->bytes;
    size_t portion = left < PORTION_BYTES_MAX ? (size_t)left : PORTION_BYTES_MAX;
    return tacet_copy_range_blocking(fds[0], offsets[0] + steps->bytes, fds[1], offsets[1] + steps->bytes, portion);
}

static tacet_result begin_copy(const struct steps_call *call)
{
    return tacet_run_blocking(call->task, copy_portion, call->steps);
}

static uint8_t end_copy(const struct steps_call *call, tacet_result r)
{
    struct tacet_steps *steps = call->steps;
    if (r < 0)
        return steps_end(call, r);
    steps->bytes += (uint64_t)r;
    return r > 0 && steps->bytes < steps->limit ? 0 : steps_end(call, (tacet_result)steps->bytes);
}

tacet_result tacet_file_copy(struct tacet_task *task, const struct tacet_file *from, uint64_t from_offset,
                             const struct tacet_file *to, uint64_t to_offset, uint64_t bytes, struct tacet_steps *steps)
{
    static const struct steps_phase copies = {begin_copy, end_copy};
    if (task == NULL || from == NULL || to == NULL || steps == NULL)
        return -EINVAL;
    const struct steps_call call = {.task = task, .steps = steps};
    if (!steps->under_way) {
        steps->limit = bytes;
        steps->descriptors[0] = from->fd;
        steps->descriptors[1] = to->fd;
        steps->offsets[0] = from_offset;
        steps->offsets[1] = to_offset;
    }
    return steps_run(&call, &copies);
}
