/* See subjects.hpp. Sockets: Unix ones, so that all that is sent lies in the other end at once. */
#include "support/subjects.hpp"

#include <cstring>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace support {

namespace {

struct on_pair : subject {
    on_pair()
    {
        CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        file.fd = ends[0];
    }
    ~on_pair() override
    {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    static int bytes_in(int fd)
    {
        int bytes = 0;
        CHECK(::ioctl(fd, FIONREAD, &bytes) == 0);
        return bytes;
    }

    int ends[2];
    tacet_file file = {-1, 0, 0};
};

/* A byte that comes is in the socket or in the buffer, never in both or neither. */
struct receives : on_pair {
    receives() { writes_to(byte); }
    void provoke() override
    {
        CHECK(::send(ends[1], "x", 1, 0) == 1);
        sent++;
    }
    bool is_own(tacet_result r) const override { return r == 1; }
    void settle(tacet_result r, bool) override
    {
        CHECK((byte == 'x') == (r == 1));
        settle_untold();
    }
    void settle_untold() override { CHECK(bytes_in(ends[0]) + (byte == 'x') == sent); }
    char byte = 0;
    int sent = 0;
};

struct receive : receives {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_socket_receive_start(op, task, &file, &byte, 1, 0);
    }
    tacet_result await(tacet_task* task) override { return tacet_socket_receive(task, &file, &byte, 1, 0); }
};

struct receive_message : receives {
    receive_message()
    {
        message.msg_iov = &vector;
        message.msg_iovlen = 1;
    }
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_socket_receive_message_start(op, task, &file, &message, 0);
    }
    tacet_result await(tacet_task* task) override { return tacet_socket_receive_message(task, &file, &message, 0); }
    iovec vector = {&byte, 1};
    msghdr message = {};
};

/* A descriptor by a message: whoever is told has it, else nobody. */
struct receive_descriptor : receive_message {
    receive_descriptor()
    {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
    }
    void provoke() override
    {
        alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {};
        char text = 'x';
        iovec part = {&text, 1};
        msghdr sends = {};
        sends.msg_iov = &part;
        sends.msg_iovlen = 1;
        sends.msg_control = room;
        sends.msg_controllen = sizeof room;
        cmsghdr* header = CMSG_FIRSTHDR(&sends);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(header), &ends[1], sizeof(int));
        CHECK(::sendmsg(ends[1], &sends, 0) == 1);
        sent++;
    }
    /* One that nobody was told of is in the message still, or was closed. */
    void settle_untold() override
    {
        receive_message::settle_untold();
        const cmsghdr* header = byte == 'x' ? CMSG_FIRSTHDR(&message) : nullptr;
        if (header == nullptr || header->cmsg_len != CMSG_LEN(sizeof(int)))
            return;
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
        CHECK(::close(fd) == 0);
    }
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
};

/* What is sent is there, or it was not sent. */
struct sends : on_pair {
    bool is_own(tacet_result r) const override { return r == 1; }
    void settle(tacet_result r, bool) override { CHECK(bytes_in(ends[1]) == (r == 1 ? 1 : 0)); }
    char byte = 'w';
};

struct send : sends {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_socket_send_start(op, task, &file, &byte, 1, 0);
    }
    tacet_result await(tacet_task* task) override { return tacet_socket_send(task, &file, &byte, 1, 0); }
};

struct send_message : sends {
    send_message()
    {
        message.msg_iov = &vector;
        message.msg_iovlen = 1;
    }
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_socket_send_message_start(op, task, &file, &message, 0);
    }
    tacet_result await(tacet_task* task) override { return tacet_socket_send_message(task, &file, &message, 0); }
    iovec vector = {&byte, 1};
    msghdr message = {};
};

/* No room, until the other end takes what is there. */
struct send_to_full : send {
    send_to_full()
    {
        const std::string much(1 << 12, 'f');
        while (::send(ends[0], much.data(), much.size(), MSG_DONTWAIT) > 0)
            filled = bytes_in(ends[1]);
    }
    void provoke() override
    {
        char drained[1 << 12];
        while (filled > 0)
            filled -= static_cast<int>(::recv(ends[1], drained,
                                              sizeof drained < unsigned(filled) ? sizeof drained : unsigned(filled),
                                              MSG_DONTWAIT));
        CHECK(filled == 0);
    }
    void settle(tacet_result r, bool) override { CHECK(bytes_in(ends[1]) == filled + (r == 1 ? 1 : 0)); }
    int filled = 0;
};

struct shut_down : on_pair {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_socket_shutdown_start(op, task, &file, SHUT_WR);
    }
    tacet_result await(tacet_task* task) override { return tacet_socket_shutdown(task, &file, SHUT_WR); }
    void settle(tacet_result r, bool) override
    {
        char byte = 0;
        CHECK((::recv(ends[1], &byte, 1, MSG_DONTWAIT) == 0) == (r == 0));
    }
};

/* ---- Descriptors that come ---- */

struct gives_socket : subject {
    bool is_own(tacet_result r) const override { return r >= 0; }
    void settle(tacet_result r, bool awaited) override
    {
        const int fd = awaited ? file.fd : static_cast<int>(r);
        CHECK((fd >= 0) == (r >= 0));
        if (fd >= 0)
            CHECK(::close(fd) == 0);
    }
    tacet_file file = {-1, 0, 0};
};

struct open_socket : gives_socket {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_socket_open_start(op, task, AF_UNIX, SOCK_STREAM, 0);
    }
    tacet_result await(tacet_task* task) override { return tacet_socket_open(task, &file, AF_UNIX, SOCK_STREAM, 0); }
};

/* A listening socket with a name that the kernel chooses. */
struct listening {
    explicit listening(int backlog)
    {
        listener.fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr* any = reinterpret_cast<sockaddr*>(&name);
        name.sun_family = AF_UNIX;
        CHECK(::bind(listener.fd, any, sizeof(sa_family_t)) == 0);
        CHECK(::getsockname(listener.fd, any, &length) == 0);
        CHECK(::listen(listener.fd, backlog) == 0);
    }
    ~listening()
    {
        ::close(listener.fd);
        for (const int fd : clients)
            ::close(fd);
    }
    const sockaddr* address() const { return reinterpret_cast<const sockaddr*>(&name); }
    void connect()
    {
        clients.push_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        CHECK(::connect(clients.back(), address(), length) == 0);
    }

    tacet_file listener = {-1, 0, 0};
    sockaddr_un name = {};
    socklen_t length = sizeof name;
    std::vector<int> clients;
};

struct accept_one : gives_socket {
    accept_one() { writes_to(peer); }
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_socket_accept_start(op, task, &listens.listener, any(), &peer_length, 0);
    }
    tacet_result await(tacet_task* task) override
    {
        return tacet_socket_accept(task, &listens.listener, &file, any(), &peer_length, 0);
    }
    void provoke() override { listens.connect(); }
    sockaddr* any() { return reinterpret_cast<sockaddr*>(&peer); }
    listening listens{8};
    sockaddr_un peer = {};
    socklen_t peer_length = sizeof peer;
};

struct connect_to : subject {
    connect_to() { file.fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }
    ~connect_to() override { ::close(file.fd); }
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_socket_connect_start(op, task, &file, listens.address(), listens.length);
    }
    tacet_result await(tacet_task* task) override
    {
        return tacet_socket_connect(task, &file, listens.address(), listens.length);
    }
    void settle(tacet_result r, bool) override
    {
        sockaddr_un peer = {};
        socklen_t bytes = sizeof peer;
        CHECK((::getpeername(file.fd, reinterpret_cast<sockaddr*>(&peer), &bytes) == 0) == (r == 0));
    }
    listening listens{8};
    tacet_file file = {-1, 0, 0};
};

}

std::vector<operation_row> socket_rows()
{
    return {
        row<receive>("receive", IORING_OP_RECV, waits),
        row<receive_message>("receive message", IORING_OP_RECVMSG, waits),
        row<receive_descriptor>("receive message, with a descriptor", IORING_OP_RECVMSG, waits),
        row<send>("send", IORING_OP_SEND, ends_at_once),
        row<send_message>("send message", IORING_OP_SENDMSG, ends_at_once),
        row<send_to_full>("send, without room", IORING_OP_SEND, waits),
        row<shut_down>("shutdown", IORING_OP_SHUTDOWN, ends_at_once),
        row<open_socket>("socket", IORING_OP_SOCKET, gives_descriptor),
        row<accept_one>("accept", IORING_OP_ACCEPT, gives_descriptor | waits),
        row<connect_to>("connect", IORING_OP_CONNECT, ends_at_once),
    };
}

}
