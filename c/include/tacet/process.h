/*
 * Child processes: waited for, and, by their pidfds, without waiting taken and sent signals to. Starting them is
 * posix_spawn(3)'s business; signals are best unblocked in them.
 *
 * Forms and errors common to all operations: op.h.
 */
#ifndef TACET_PROCESS_H
#define TACET_PROCESS_H

#include <tacet/inline/prepare_wait.h>
#include <tacet/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * waitid(2), with its arguments and errors. Result 0, and *info, which is zeroed at the start, says what became of whom. A
 * cancelled wait has taken nobody's status: info->si_pid is 0. That also holds where nobody gets the result any more, as
 * when the executor is destroyed, if only info outlives it. With WNOWAIT nothing is ever taken.
 *
 * Through the ring since Linux 6.7. Before, tacet_process_wait() waits on a pidfd for the exit (WEXITED) of one child (P_PID,
 * P_PIDFD); anything else, _start, and a `stackless` body are -EOPNOTSUPP there: they poll a pidfd, and take.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_process_wait_start(struct tacet_op *op, struct tacet_task *task,
                                                                   idtype_t kind, id_t id, siginfo_t *info,
                                                                   int options);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_process_wait(struct tacet_task *task, idtype_t kind, id_t id,
                                                             siginfo_t *info, int options);

/*
 * pidfd_open(2): the descriptor of a process, close-on-exec, which poll(2) finds readable when it has exited. -ESRCH: there is
 * none. These calls do not wait. THREAD-SAFE.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_process_open(pid_t pid);

/* Takes the exit status of a child, if it has exited. 0; -EAGAIN: it runs; -ECHILD: no child of ours, or taken. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_process_take(int pidfd, siginfo_t *info);

/* pidfd_send_signal(2). -ESRCH: it has been waited for. */
TACET_EXPORT tacet_result tacet_process_send(int pidfd, int signal);

#ifdef __cplusplus
}
#endif

#endif
