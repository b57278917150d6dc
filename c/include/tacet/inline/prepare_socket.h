/*
 * What each operation on sockets is: see prepare.h. Nothing that is sent raises SIGPIPE, and descriptors that come with a
 * message are closed on exec. Layout is not API.
 */
#ifndef TACET_INLINE_PREPARE_SOCKET_H
#define TACET_INLINE_PREPARE_SOCKET_H

#include <tacet/inline/prepare.h>

#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline tacet_result tacet_prepare_socket(struct io_uring_sqe *sqe, int domain, int type, int protocol)
{
    io_uring_prep_rw(IORING_OP_SOCKET, sqe, domain, NULL, (unsigned)protocol,
                     (uint64_t)(unsigned)(type | SOCK_CLOEXEC));
    return 0;
}

static inline tacet_result tacet_prepare_accept(struct io_uring_sqe *sqe, int fd, struct sockaddr *name,
                                                socklen_t *length, int flags)
{
    if ((name == NULL) != (length == NULL))
        return -EINVAL;
    io_uring_prep_accept(sqe, fd, name, length, flags | SOCK_CLOEXEC);
    return 0;
}

static inline tacet_result tacet_prepare_connect(struct io_uring_sqe *sqe, int fd, const struct sockaddr *name,
                                                 socklen_t length)
{
    if (name == NULL)
        return -EINVAL;
    io_uring_prep_connect(sqe, fd, name, length);
    return 0;
}

static inline tacet_result tacet_prepare_send(struct io_uring_sqe *sqe, int fd, const void *buffer, size_t bytes,
                                              int flags)
{
    if (TACET_UNLIKELY(!tacet_length_fits(bytes)))
        return -EINVAL;
    io_uring_prep_send(sqe, fd, buffer, bytes, flags | MSG_NOSIGNAL);
    return 0;
}

/* A kernel whose ring cannot says -EINVAL. */
static inline tacet_result tacet_prepare_send_to(struct io_uring_sqe *sqe, int fd, const void *buffer, size_t bytes,
                                                 int flags, const struct sockaddr *name, socklen_t length)
{
    tacet_result r = name == NULL || length > UINT16_MAX ? -EINVAL : tacet_prepare_send(sqe, fd, buffer, bytes, flags);
    if (r == 0)
        io_uring_prep_send_set_addr(sqe, name, (uint16_t)length);
    return r;
}

static inline tacet_result tacet_prepare_receive(struct io_uring_sqe *sqe, int fd, void *buffer, size_t bytes,
                                                 int flags)
{
    if (TACET_UNLIKELY(!tacet_length_fits(bytes)))
        return -EINVAL;
    io_uring_prep_recv(sqe, fd, buffer, bytes, flags);
    return 0;
}

static inline tacet_result tacet_prepare_send_message(struct io_uring_sqe *sqe, int fd, const struct msghdr *message,
                                                      int flags)
{
    if (message == NULL)
        return -EINVAL;
    io_uring_prep_sendmsg(sqe, fd, message, (unsigned)(flags | MSG_NOSIGNAL));
    return 0;
}

static inline tacet_result tacet_prepare_receive_message(struct io_uring_sqe *sqe, int fd, struct msghdr *message,
                                                         int flags)
{
    if (message == NULL)
        return -EINVAL;
    io_uring_prep_recvmsg(sqe, fd, message, (unsigned)(flags | MSG_CMSG_CLOEXEC));
    return 0;
}

static inline tacet_result tacet_prepare_shutdown(struct io_uring_sqe *sqe, int fd, int how)
{
    io_uring_prep_shutdown(sqe, fd, how);
    return 0;
}

/* The kernel takes a buffer of that group for what is read or received. */
static inline void tacet_prepare_select_buffer(struct io_uring_sqe *sqe, uint16_t group)
{
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = group;
}

#ifdef __cplusplus
}
#endif

#endif
