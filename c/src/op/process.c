/* The exit of child processes, see tacet/process.h. */
#include "op/op.h"

#include "op/take.h"

#include <tacet/process.h>

#include <sys/pidfd.h>
#include <unistd.h>

tacet_result tacet_process_wait_start(struct tacet_op *op, struct tacet_task *task, idtype_t kind, id_t id,
                                      siginfo_t *info, int options)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, tacet_prepare_waitid(&sqe, kind, id, info, options));
}

tacet_result tacet_process_open(pid_t pid)
{
    int fd = pidfd_open(pid, 0);
    return fd < 0 ? -errno : fd;
}

tacet_result tacet_process_send(int pidfd, int signal)
{
    return pidfd_send_signal(pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

struct child {
    int pidfd;
    int options;
};

static tacet_result take_status(const void *from, void *info)
{
    const struct child *child = from;
    siginfo_t *status = info;
    status->si_pid = 0;
    if (waitid(P_PIDFD, (id_t)child->pidfd, status, child->options | WNOHANG) < 0)
        return -errno;
    return status->si_pid != 0 ? 0 : -EAGAIN;
}

tacet_result tacet_process_take(int pidfd, siginfo_t *info)
{
    const struct child child = {.pidfd = pidfd, .options = WEXITED};
    return info == NULL ? -EINVAL : take_status(&child, info);
}

/* For kernels whose ring does not have it. */
static TACET_COLD tacet_result wait_on_pidfd(struct tacet_task *task, idtype_t kind, id_t id, siginfo_t *info,
                                             int options)
{
    bool polls = kind == P_PID || kind == P_PIDFD, exits = (options & ~WNOWAIT) == WEXITED;
    if (!polls || !exits || tacet_task_ops(task)->flags & TACET_SWITCHER_SUSPENDS_BY_RETURNING)
        return -EOPNOTSUPP;
    struct child child = {.pidfd = kind == P_PIDFD ? (int)id : pidfd_open((pid_t)id, 0), .options = options};
    if (child.pidfd < 0)
        return errno == ESRCH ? -ECHILD : -errno;
    tacet_result r = op_take(task, child.pidfd, take_status, &child, info);
    if (kind != P_PIDFD)
        close(child.pidfd);
    return r;
}

tacet_result tacet_process_wait(struct tacet_task *task, idtype_t kind, id_t id, siginfo_t *info, int options)
{
    struct io_uring_sqe sqe = {0};
    tacet_result r = op_await(task, &sqe, tacet_prepare_waitid(&sqe, kind, id, info, options));
    return r == -EOPNOTSUPP ? wait_on_pidfd(task, kind, id, info, options) : r;
}
