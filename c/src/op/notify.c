/* What is taken by a plain call once a descriptor is readable: signals and counts; and pipes. None of these calls waits. */
#include "op/op.h"

#include "op/take.h"

#include <tacet/notify.h>
#include <tacet/signal.h>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* 0 or -errno, which the interrupted code of a signal handler's caller finds as it was. */
static tacet_result transferred(ssize_t bytes, int errno_before)
{
    tacet_result r = bytes < 0 ? -errno : 0;
    errno = errno_before;
    return r;
}

tacet_result tacet_pipe_open(struct tacet_file ends[2], unsigned flags)
{
    int fds[2];
    if (ends == NULL)
        return -EINVAL;
    if (pipe2(fds, (int)(flags | O_CLOEXEC)) < 0)
        return -errno;
    ends[0] = (struct tacet_file){.fd = fds[0], .flags = flags | O_RDONLY};
    ends[1] = (struct tacet_file){.fd = fds[1], .flags = flags | O_WRONLY};
    return 0;
}

tacet_result tacet_event_fd_open(struct tacet_file *counter, unsigned initial, int flags)
{
    if (counter == NULL)
        return -EINVAL;
    int fd = eventfd(initial, flags | EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    *counter = (struct tacet_file){.fd = fd, .flags = O_RDWR | O_NONBLOCK};
    return 0;
}

tacet_result tacet_event_fd_add(const struct tacet_file *counter, uint64_t count)
{
    if (counter == NULL)
        return -EINVAL;
    int before = errno;
    return transferred(write(counter->fd, &count, sizeof count), before);
}

tacet_result tacet_event_fd_take(const struct tacet_file *counter, uint64_t *count)
{
    if (counter == NULL || count == NULL)
        return -EINVAL;
    int before = errno;
    return transferred(read(counter->fd, count, sizeof *count), before);
}

static tacet_result take_count(const void *counter, void *count)
{
    return tacet_event_fd_take(counter, count);
}

tacet_result tacet_event_fd_wait(struct tacet_task *task, const struct tacet_file *counter, uint64_t *count)
{
    if (counter == NULL || count == NULL)
        return -EINVAL;
    return op_take(task, counter->fd, take_count, counter, count);
}

tacet_result tacet_signal_source_open(struct tacet_signal_source *source, const sigset_t *signals)
{
    if (source == NULL || signals == NULL)
        return -EINVAL;
    source->fd = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (source->fd < 0)
        return -errno;
    pthread_sigmask(SIG_BLOCK, signals, NULL);
    return 0;
}

void tacet_signal_source_close(struct tacet_signal_source *source)
{
    if (source->fd >= 0)
        close(source->fd);
    source->fd = -1;
}

tacet_result tacet_signal_take(const struct tacet_signal_source *source, struct signalfd_siginfo *info)
{
    struct signalfd_siginfo taken;
    if (source == NULL)
        return -EINVAL;
    if (read(source->fd, &taken, sizeof taken) < 0)
        return -errno;
    if (info != NULL)
        *info = taken;
    return taken.ssi_signo;
}

static tacet_result take_signal(const void *source, void *info)
{
    return tacet_signal_take(source, info);
}

tacet_result tacet_signal_wait(struct tacet_task *task, const struct tacet_signal_source *source,
                               struct signalfd_siginfo *info)
{
    if (source == NULL)
        return -EINVAL;
    return op_take(task, source->fd, take_signal, source, info);
}
