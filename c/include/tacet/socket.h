/*
 * Sockets.
 *
 * A socket is a `struct tacet_file` (file.h), which closes it too: tacet_file_close(). Forms and errors common to all operations:
 * op.h; an operation's own errors are those of the system call named. Nothing raises SIGPIPE: -EPIPE. All descriptors are closed
 * on exec. Names of sockets are struct sockaddr, as ever.
 *
 * Memory that an operation names (buffer, name, message and what it points to) is not touched before its end. In a task of the
 * copying switcher messages must not lie on its stack, nor point to it: -EFAULT.
 */
#ifndef TACET_SOCKET_H
#define TACET_SOCKET_H

#include <tacet/file.h>
#include <tacet/inline/prepare_socket.h>
#include <tacet/multishot.h>

#ifdef __cplusplus
extern "C" {
#endif

struct addrinfo;

/* socket(2). _start: the result is the descriptor, for tacet_file_from_fd(). A plain call before Linux 5.19. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_open_start(struct tacet_op *op, struct tacet_task *task,
                                                                  int domain, int type, int protocol);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_open(struct tacet_task *task, struct tacet_file *opened,
                                                            int domain, int type, int protocol);

/* For layers above C, where tacet_op_begin() says -EOPNOTSUPP: the running task waits for its own request, which has ended. */
TACET_EXPORT TACET_COLD void tacet_socket_make_and_park(struct tacet_task *task, int domain, int type, int protocol);

/*
 * accept4(2); name and length may be NULL, length is set to that of the name; on failure they stay as they are. _start: the result
 * is the descriptor. One that nobody takes, since the task or the executor goes away, is closed.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_accept_start(struct tacet_op *op, struct tacet_task *task,
                                                                    const struct tacet_file *listener,
                                                                    struct sockaddr *name, socklen_t *length,
                                                                    int flags);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_accept(struct tacet_task *task,
                                                              const struct tacet_file *listener,
                                                              struct tacet_file *accepted, struct sockaddr *name,
                                                              socklen_t *length, int flags);

/* connect(2). */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_connect_start(struct tacet_op *op, struct tacet_task *task,
                                                                     const struct tacet_file *socket,
                                                                     const struct sockaddr *name, socklen_t length);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_connect(struct tacet_task *task, const struct tacet_file *socket,
                                                               const struct sockaddr *name, socklen_t length);

/* send(2), recv(2): bytes, short counts are normal; of a stream, 0 received is its end. -EINVAL: more than INT_MAX bytes. */
static inline TACET_NODISCARD tacet_result tacet_socket_send_start(struct tacet_op *op, struct tacet_task *task,
                                                                   const struct tacet_file *socket, const void *buffer,
                                                                   size_t bytes, int flags)
{
    struct io_uring_sqe *sqe;
    tacet_result r = socket == NULL ? -EINVAL : tacet_op_start_begin(op, task, IORING_OP_SEND, &sqe);
    return r < 0 ? r
                 : tacet_op_start(op, task, IORING_OP_SEND, sqe,
                                  tacet_prepare_send(sqe, socket->fd, buffer, bytes, flags));
}
static inline TACET_NODISCARD tacet_result tacet_socket_receive_start(struct tacet_op *op, struct tacet_task *task,
                                                                      const struct tacet_file *socket, void *buffer,
                                                                      size_t bytes, int flags)
{
    struct io_uring_sqe *sqe;
    tacet_result r = socket == NULL ? -EINVAL : tacet_op_start_begin(op, task, IORING_OP_RECV, &sqe);
    return r < 0 ? r
                 : tacet_op_start(op, task, IORING_OP_RECV, sqe,
                                  tacet_prepare_receive(sqe, socket->fd, buffer, bytes, flags));
}
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_send(struct tacet_task *task, const struct tacet_file *socket,
                                                            const void *buffer, size_t bytes, int flags);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_receive(struct tacet_task *task, const struct tacet_file *socket,
                                                               void *buffer, size_t bytes, int flags);

/* sendto(2). -EINVAL also on older kernels, whose ring has only send(2): send a message there. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_send_to_start(struct tacet_op *op, struct tacet_task *task,
                                                                     const struct tacet_file *socket,
                                                                     const void *buffer, size_t bytes, int flags,
                                                                     const struct sockaddr *name, socklen_t length);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_send_to(struct tacet_task *task, const struct tacet_file *socket,
                                                               const void *buffer, size_t bytes, int flags,
                                                               const struct sockaddr *name, socklen_t length);

/*
 * sendmsg(2), recvmsg(2): several buffers, names, ancillary data. Descriptors that came with a message which the task is not there
 * to take any more are closed; those of an op that nobody reaps are in its message.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_send_message_start(struct tacet_op *op, struct tacet_task *task,
                                                                          const struct tacet_file *socket,
                                                                          const struct msghdr *message, int flags);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_receive_message_start(struct tacet_op *op,
                                                                             struct tacet_task *task,
                                                                             const struct tacet_file *socket,
                                                                             struct msghdr *message, int flags);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_send_message(struct tacet_task *task,
                                                                    const struct tacet_file *socket,
                                                                    const struct msghdr *message, int flags);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_receive_message(struct tacet_task *task,
                                                                       const struct tacet_file *socket,
                                                                       struct msghdr *message, int flags);

/* Closes the descriptors that a received message has brought, and takes them out of it. */
TACET_EXPORT void tacet_message_discard(struct msghdr *message);

/*
 * send(2) that does not copy, for long buffers (10 KiB and more): it ends when the kernel does not need the buffer any more, which
 * over a network is when the other side has acknowledged the bytes. No cancel and no deadline ends that, and the
 * executor's destruction waits for it; TCP_USER_TIMEOUT bounds it. Where the socket or the kernel
 * cannot, or the limit of locked memory (ulimit -l) leaves no room, it is a plain send.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_send_zero_copy_start(struct tacet_op *op,
                                                                            struct tacet_task *task,
                                                                            const struct tacet_file *socket,
                                                                            const void *buffer, size_t bytes,
                                                                            int flags);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_send_zero_copy(struct tacet_task *task,
                                                                      const struct tacet_file *socket,
                                                                      const void *buffer, size_t bytes, int flags);

/* For layers above C, right after such an operation was committed, so that it is made again where the kernel has no memory. */
TACET_EXPORT TACET_COLD void tacet_zero_copy_started(struct tacet_executor *executor, struct tacet_request *request);

/* Whether a zero-copy send on this socket is one. Two system calls. */
TACET_EXPORT bool tacet_socket_has_zero_copy(const struct tacet_executor *executor, int fd);

/* recv(2) into a buffer that the kernel chooses; which, tacet_task_buffer() or tacet_op_buffer() tells. See buffer_ring.h. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_receive_selected_start(struct tacet_op *op,
                                                                              struct tacet_task *task,
                                                                              const struct tacet_file *socket,
                                                                              struct tacet_buffer_ring *buffers,
                                                                              int flags);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_receive_selected(struct tacet_task *task,
                                                                        const struct tacet_file *socket,
                                                                        struct tacet_buffer_ring *buffers, int flags);

/* shutdown(2). */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_shutdown_start(struct tacet_op *op, struct tacet_task *task,
                                                                      const struct tacet_file *socket, int how);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_shutdown(struct tacet_task *task,
                                                                const struct tacet_file *socket, int how);

/*
 * One connection after the other; results: descriptors, which are closed if nobody takes them. See multishot.h. A kernel before
 * Linux 5.19 says -EINVAL when the first is asked for.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_accept_multishot_start(struct tacet_multishot *multishot,
                                                                       struct tacet_executor *executor,
                                                                       const struct tacet_file *listener, int flags,
                                                                       unsigned results_max);

/*
 * What comes, piece by piece, in buffers that the kernel chooses; results: bytes, of the buffer that tacet_multishot_buffer()
 * tells. 0 is the end of a stream. -ENOBUFS: none is left; give some back and ask again. buffers, of the same executor (-EPERM), must be
 * there until the multishot is stopped or abandoned. A kernel before Linux 6.0 says -EINVAL when the first is asked for.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_receive_multishot_start(struct tacet_multishot *multishot,
                                                                        struct tacet_executor *executor,
                                                                        const struct tacet_file *socket,
                                                                        struct tacet_buffer_ring *buffers, int flags,
                                                                        unsigned results_max);

/*
 * What io_uring does not have, or not everywhere, and what does not block: plain system calls, that do not suspend. bind(2),
 * listen(2), getsockname(2), getpeername(2), setsockopt(2), getsockopt(2).
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_bind(struct tacet_task *task, const struct tacet_file *socket,
                                                            const struct sockaddr *name, socklen_t length);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_listen(struct tacet_task *task, const struct tacet_file *socket,
                                                              int backlog);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_get_name(struct tacet_task *task,
                                                                const struct tacet_file *socket, struct sockaddr *name,
                                                                socklen_t *length);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_get_peer(struct tacet_task *task,
                                                                const struct tacet_file *socket, struct sockaddr *name,
                                                                socklen_t *length);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_set_option(struct tacet_task *task,
                                                                  const struct tacet_file *socket, int level,
                                                                  int option, const void *value, socklen_t bytes);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_socket_get_option(struct tacet_task *task,
                                                                  const struct tacet_file *socket, int level,
                                                                  int option, void *value, socklen_t *bytes);

/*
 * getaddrinfo(3) on a helper thread (blocking.h). host or service may be NULL; hints too. What the three point to is copied at the
 * start. Zero it, fill the first three.
 */
struct tacet_lookup {
    const char *host, *service;
    const struct addrinfo *hints;
    struct addrinfo *found; /* for tacet_lookup_finish() */
    int error;              /* of getaddrinfo(), 0 or EAI_... */
};

/*
 * SUSPENDS, CANCELLATION POINT. 0; -ENOENT: there is no such host or service; -EAGAIN: not now; -EIO: the name server failed;
 * -EAFNOSUPPORT, -EINVAL, -ENOMEM, or what EAI_SYSTEM stands for. And those of tacet_run_blocking(). A cancel, a deadline or the end
 * of the executor ends the wait at once: the lookup goes on, on its helper thread, for nobody. At most half of the process's helper
 * threads (tacet_blocking_set_threads_max()) are with lookups, those that were left included: further ones wait, in the order of their
 * coming. One that has succeeded when its task is not there to take it stays in `found`.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_look_up(struct tacet_task *task, struct tacet_lookup *lookup);
/* For layers above C: the running task, which has no cancel pending, begins to wait for it. 0; -ENOMEM; -EAGAIN. */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_look_up_park(struct tacet_task *task, struct tacet_lookup *lookup);
TACET_EXPORT void tacet_lookup_finish(struct tacet_lookup *lookup);

/* The errno, negative, of an error of getaddrinfo(). */
TACET_EXPORT tacet_result tacet_lookup_error(int error);

#ifdef __cplusplus
}
#endif

#endif
