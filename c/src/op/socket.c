/* Operations on sockets. One line each, or two. */
#include "op/buffer_ring.h"
#include "op/multishot.h"
#include "op/op.h"
#include "ring/completion.h"
#include "task/c_task.h"

#include <tacet/blocking.h>
#include <tacet/socket.h>

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

/* Where the ring does not have it the plain call is made, which does not block, and the request has ended when it begins. */
static void end_with_socket(struct tacet_executor *executor, struct tacet_request *request, int domain, int type,
                            int protocol)
{
    int fd = socket(domain, type | SOCK_CLOEXEC, protocol);
    completion_terminal(executor_of(executor), request, fd < 0 ? -errno : fd);
}

static struct tacet_request request_for_socket(enum tacet_tag tag, unsigned more_attention)
{
    return (struct tacet_request){.state = TACET_OP_IN_FLIGHT,
                                  .tag = (uint8_t)tag,
                                  .opcode = IORING_OP_SOCKET,
                                  .attention = (uint8_t)(tacet_opcode_attention(IORING_OP_SOCKET) | more_attention)};
}

static void make_and_park(struct tacet_task *task, int domain, int type, int protocol, unsigned more_attention)
{
    struct tacet_executor *executor = tacet_task_executor(task);
    if (executor->accounting)
        more_attention |= TACET_OP_ACCOUNTED;
    task->request = request_for_socket(TACET_TAG_AWAIT, more_attention);
    tacet_task_park_request(task, TACET_WAIT_REQUEST);
    end_with_socket(executor, &task->request, domain, type, protocol);
}

void tacet_socket_make_and_park(struct tacet_task *task, int domain, int type, int protocol)
{
    make_and_park(task, domain, type, protocol, 0);
}

static tacet_result make_and_await(struct tacet_task *task, struct tacet_file *opened, int domain, int type,
                                   int protocol)
{
    tacet_result r = call_check_may_suspend(task); /* from here, too: the stack may have to be longer */
    if (r < 0)
        return r;
    task->file = opened;
    make_and_park(task, domain, type, protocol, TACET_OP_FOR_FILE);
    r = task_give_up(task);
    return r == TACET_PENDING ? r : tacet_task_call_result(task);
}

/* That is what the error says, and not that there is no ring: it has the same number, but there is no room either then. */
static bool lacks_operation(const struct tacet_executor *executor)
{
    return tacet_submission_has_room(executor);
}

/* All that can be refused was not. */
static tacet_result make_and_start(struct tacet_op *op, struct tacet_task *task, int domain, int type, int protocol)
{
    struct tacet_executor *executor = tacet_op_start_on(op, task);
    tacet_result r = executor->has_moving_stacks ? tacet_op_check_stack(executor, op, NULL) : 0;
    if (r < 0)
        return r;
    if (task != NULL) {
        op->owner.task = task;
        task->extra->ops_initiated++;
    }
    op->request = request_for_socket(task != NULL ? TACET_TAG_TASK : TACET_TAG_CALLBACK, 0);
    if (executor->accounting)
        tacet_op_note_initiated(op);
    end_with_socket(executor, &op->request, domain, type, protocol);
    return 0;
}

tacet_result tacet_socket_open_start(struct tacet_op *op, struct tacet_task *task, int domain, int type, int protocol)
{
    struct io_uring_sqe sqe = {0};
    tacet_result r = op_start(op, task, &sqe, tacet_prepare_socket(&sqe, domain, type, protocol));
    if (r != -EOPNOTSUPP || !lacks_operation(tacet_op_start_on(op, task)))
        return r;
    return make_and_start(op, task, domain, type, protocol);
}

tacet_result tacet_socket_open(struct tacet_task *task, struct tacet_file *opened, int domain, int type, int protocol)
{
    struct io_uring_sqe sqe = {0};
    if (opened == NULL)
        return -EINVAL;
    *opened = (struct tacet_file){.fd = -1};
    tacet_result r = op_await_for_file(task, opened, &sqe, tacet_prepare_socket(&sqe, domain, type, protocol));
    if (r != -EOPNOTSUPP || !lacks_operation(tacet_task_executor(task)))
        return r;
    return make_and_await(task, opened, domain, type, protocol);
}

tacet_result tacet_socket_accept_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *listener,
                                       struct sockaddr *name, socklen_t *length, int flags)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe,
                    listener == NULL ? -EINVAL : tacet_prepare_accept(&sqe, listener->fd, name, length, flags));
}

tacet_result tacet_socket_accept(struct tacet_task *task, const struct tacet_file *listener,
                                 struct tacet_file *accepted, struct sockaddr *name, socklen_t *length, int flags)
{
    struct io_uring_sqe sqe = {0};
    if (listener == NULL || accepted == NULL)
        return -EINVAL;
    tacet_result r = tacet_prepare_accept(&sqe, listener->fd, name, length, flags);
    *accepted = (struct tacet_file){.fd = -1};
    return op_await_for_file(task, accepted, &sqe, r);
}

tacet_result tacet_socket_connect_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *socket,
                                        const struct sockaddr *name, socklen_t length)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, socket == NULL ? -EINVAL : tacet_prepare_connect(&sqe, socket->fd, name, length));
}

tacet_result tacet_socket_connect(struct tacet_task *task, const struct tacet_file *socket, const struct sockaddr *name,
                                  socklen_t length)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, socket == NULL ? -EINVAL : tacet_prepare_connect(&sqe, socket->fd, name, length));
}

tacet_result tacet_socket_send(struct tacet_task *task, const struct tacet_file *socket, const void *buffer,
                               size_t bytes, int flags)
{
    struct io_uring_sqe *sqe;
    tacet_result r = socket == NULL ? -EINVAL : call_begin(task, IORING_OP_SEND, &sqe);
    return r < 0 ? r : call_await(task, IORING_OP_SEND, sqe, tacet_prepare_send(sqe, socket->fd, buffer, bytes, flags));
}

tacet_result tacet_socket_receive(struct tacet_task *task, const struct tacet_file *socket, void *buffer, size_t bytes,
                                  int flags)
{
    struct io_uring_sqe *sqe;
    tacet_result r = socket == NULL ? -EINVAL : call_begin(task, IORING_OP_RECV, &sqe);
    return r < 0 ? r
                 : call_await(task, IORING_OP_RECV, sqe, tacet_prepare_receive(sqe, socket->fd, buffer, bytes, flags));
}

tacet_result tacet_socket_send_to_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *socket,
                                        const void *buffer, size_t bytes, int flags, const struct sockaddr *name,
                                        socklen_t length)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe,
                    socket == NULL ? -EINVAL
                                   : tacet_prepare_send_to(&sqe, socket->fd, buffer, bytes, flags, name, length));
}

tacet_result tacet_socket_send_to(struct tacet_task *task, const struct tacet_file *socket, const void *buffer,
                                  size_t bytes, int flags, const struct sockaddr *name, socklen_t length)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe,
                    socket == NULL ? -EINVAL
                                   : tacet_prepare_send_to(&sqe, socket->fd, buffer, bytes, flags, name, length));
}

tacet_result tacet_socket_send_message_start(struct tacet_op *op, struct tacet_task *task,
                                             const struct tacet_file *socket, const struct msghdr *message, int flags)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe,
                    socket == NULL ? -EINVAL : tacet_prepare_send_message(&sqe, socket->fd, message, flags));
}

tacet_result tacet_socket_send_message(struct tacet_task *task, const struct tacet_file *socket,
                                       const struct msghdr *message, int flags)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe,
                    socket == NULL ? -EINVAL : tacet_prepare_send_message(&sqe, socket->fd, message, flags));
}

tacet_result tacet_socket_receive_message_start(struct tacet_op *op, struct tacet_task *task,
                                                const struct tacet_file *socket, struct msghdr *message, int flags)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe,
                    socket == NULL ? -EINVAL : tacet_prepare_receive_message(&sqe, socket->fd, message, flags));
}

/* That the task has taken it must be known: as with an open, though no file changes. */
tacet_result tacet_socket_receive_message(struct tacet_task *task, const struct tacet_file *socket,
                                          struct msghdr *message, int flags)
{
    struct io_uring_sqe sqe = {0};
    return op_await_for_file(task, NULL, &sqe,
                             socket == NULL ? -EINVAL
                                            : tacet_prepare_receive_message(&sqe, socket->fd, message, flags));
}

void tacet_message_discard(struct msghdr *message)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            close(fd);
        }
    }
    message->msg_controllen = 0;
}

static int option_of(int fd, int option)
{
    int value = -1;
    socklen_t bytes = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &bytes) == 0 ? value : -1;
}

bool tacet_socket_has_zero_copy(const struct tacet_executor *executor, int fd)
{
    if (!tacet_executor_supports(executor, IORING_OP_SEND_ZC))
        return false;
    int domain = option_of(fd, SO_DOMAIN), protocol = option_of(fd, SO_PROTOCOL);
    return (domain == AF_INET || domain == AF_INET6) && (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP);
}

/* A plain send, that does not copy if it can. */
static void drop_copy(struct io_uring_sqe *sqe, const struct tacet_executor *executor)
{
    if (tacet_socket_has_zero_copy(executor, sqe->fd))
        sqe->opcode = IORING_OP_SEND_ZC;
}

tacet_result tacet_socket_send_zero_copy_start(struct tacet_op *op, struct tacet_task *task,
                                               const struct tacet_file *socket, const void *buffer, size_t bytes,
                                               int flags)
{
    struct io_uring_sqe sqe = {0};
    tacet_result r = socket == NULL ? -EINVAL : tacet_prepare_send(&sqe, socket->fd, buffer, bytes, flags);
    struct tacet_executor *executor = tacet_op_start_on(op, task);
    if (r == 0 && executor != NULL)
        drop_copy(&sqe, executor);
    r = op_start(op, task, &sqe, r);
    if (r == 0 && sqe.opcode == IORING_OP_SEND_ZC)
        tacet_zero_copy_started(executor, &op->request);
    return r;
}

tacet_result tacet_socket_send_zero_copy(struct tacet_task *task, const struct tacet_file *socket, const void *buffer,
                                         size_t bytes, int flags)
{
    struct io_uring_sqe sqe = {0};
    tacet_result r = call_check_may_suspend(task);
    if (r == 0)
        r = socket == NULL ? -EINVAL : tacet_prepare_send(&sqe, socket->fd, buffer, bytes, flags);
    if (r == 0)
        drop_copy(&sqe, tacet_task_executor(task));
    return op_await(task, &sqe, r);
}

tacet_result tacet_socket_receive_selected_start(struct tacet_op *op, struct tacet_task *task,
                                                 const struct tacet_file *socket, struct tacet_buffer_ring *buffers,
                                                 int flags)
{
    struct io_uring_sqe sqe = {0};
    tacet_result r = socket == NULL ? -EINVAL : tacet_prepare_receive(&sqe, socket->fd, NULL, 0, flags);
    return buffer_ring_start(op, task, &sqe, r, buffers);
}

tacet_result tacet_socket_receive_selected(struct tacet_task *task, const struct tacet_file *socket,
                                           struct tacet_buffer_ring *buffers, int flags)
{
    struct io_uring_sqe sqe = {0};
    tacet_result r = socket == NULL ? -EINVAL : tacet_prepare_receive(&sqe, socket->fd, NULL, 0, flags);
    return buffer_ring_await(task, &sqe, r, buffers);
}

tacet_result tacet_socket_shutdown_start(struct tacet_op *op, struct tacet_task *task, const struct tacet_file *socket,
                                         int how)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, socket == NULL ? -EINVAL : tacet_prepare_shutdown(&sqe, socket->fd, how));
}

tacet_result tacet_socket_shutdown(struct tacet_task *task, const struct tacet_file *socket, int how)
{
    struct io_uring_sqe sqe = {0};
    return op_await(task, &sqe, socket == NULL ? -EINVAL : tacet_prepare_shutdown(&sqe, socket->fd, how));
}

tacet_result tacet_accept_multishot_start(struct tacet_multishot *multishot, struct tacet_executor *executor,
                                          const struct tacet_file *listener, int flags, unsigned results_max)
{
    struct io_uring_sqe sqe = {0};
    tacet_result r = listener == NULL ? -EINVAL : tacet_prepare_accept(&sqe, listener->fd, NULL, NULL, flags);
    sqe.ioprio |= IORING_ACCEPT_MULTISHOT;
    return multishot_start(multishot, executor, &sqe, r, results_max, NULL);
}

tacet_result tacet_receive_multishot_start(struct tacet_multishot *multishot, struct tacet_executor *executor,
                                           const struct tacet_file *socket, struct tacet_buffer_ring *buffers,
                                           int flags, unsigned results_max)
{
    struct io_uring_sqe sqe = {0};
    if (buffers != NULL && executor != NULL && !tacet_buffer_ring_is_of(buffers, executor))
        return -EPERM;
    if (socket == NULL || buffers == NULL)
        return -EINVAL;
    tacet_result r = tacet_prepare_receive(&sqe, socket->fd, NULL, 0, flags);
    sqe.ioprio |= IORING_RECV_MULTISHOT;
    tacet_prepare_select_buffer(&sqe, tacet_buffer_ring_group(buffers));
    return multishot_start(multishot, executor, &sqe, r, results_max, buffers);
}

/* --- Plain calls --- */

static tacet_result result_of(long r)
{
    return r < 0 ? -errno : r;
}

tacet_result tacet_socket_bind(struct tacet_task *task, const struct tacet_file *socket, const struct sockaddr *name,
                               socklen_t length)
{
    (void)task;
    return socket == NULL ? -EINVAL : result_of(bind(socket->fd, name, length));
}

tacet_result tacet_socket_listen(struct tacet_task *task, const struct tacet_file *socket, int backlog)
{
    (void)task;
    return socket == NULL ? -EINVAL : result_of(listen(socket->fd, backlog));
}

tacet_result tacet_socket_get_name(struct tacet_task *task, const struct tacet_file *socket, struct sockaddr *name,
                                   socklen_t *length)
{
    (void)task;
    return socket == NULL ? -EINVAL : result_of(getsockname(socket->fd, name, length));
}

tacet_result tacet_socket_get_peer(struct tacet_task *task, const struct tacet_file *socket, struct sockaddr *name,
                                   socklen_t *length)
{
    (void)task;
    return socket == NULL ? -EINVAL : result_of(getpeername(socket->fd, name, length));
}

tacet_result tacet_socket_set_option(struct tacet_task *task, const struct tacet_file *socket, int level, int option,
                                     const void *value, socklen_t bytes)
{
    (void)task;
    return socket == NULL ? -EINVAL : result_of(setsockopt(socket->fd, level, option, value, bytes));
}

tacet_result tacet_socket_get_option(struct tacet_task *task, const struct tacet_file *socket, int level, int option,
                                     void *value, socklen_t *bytes)
{
    (void)task;
    return socket == NULL ? -EINVAL : result_of(getsockopt(socket->fd, level, option, value, bytes));
}
