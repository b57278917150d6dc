/* See subjects.hpp. Sockets. */
#include "support/subject_kinds.hpp"

#include <cstring>
#include <netinet/in.h>
#include <poll.h>

namespace support {

namespace {

/* A byte that comes is in the socket or in the buffer, never in both or neither. */
struct receives : on_pair {
    receives() { writes_to(byte); }
    void provoke() override
    {
        CHECK(::send(ends[1], "x", 1, 0) == 1);
        sent++;
    }
    bool is_own(tacet_result r) const override { return r == 1; }
    void settle(tacet_result r) override
    {
        CHECK((byte == 'x') == (r == 1));
        settle_untold();
    }
    void settle_untold() override { CHECK(bytes_in(ends[0]) + (byte == 'x') == sent); }
    char byte = 0;
    int sent = 0;
};

struct receive : receives {
    auto arguments() { return std::tuple(&file, &byte, 1, 0); }
};

struct receive_message : receives {
    receive_message()
    {
        message.msg_iov = &vector;
        message.msg_iovlen = 1;
    }
    auto arguments() { return std::tuple(&file, &message, 0); }
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
    void settle(tacet_result r) override { CHECK(bytes_in(ends[1]) == (r == 1 ? 1 : 0)); }
    char byte = 'w';
};

struct send : sends {
    auto arguments() { return std::tuple(&file, &byte, 1, 0); }
};

struct send_message : sends {
    send_message()
    {
        message.msg_iov = &vector;
        message.msg_iovlen = 1;
    }
    auto arguments() { return std::tuple(&file, &message, 0); }
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
    void settle(tacet_result r) override { CHECK(bytes_in(ends[1]) == filled + (r == 1 ? 1 : 0)); }
    int filled = 0;
};

/* Over loopback, where what was sent lies in the other end soon, and the buffer is free when it has been taken out of there. */
struct send_by_network : subject {
    send_by_network()
    {
        sockaddr_in name = {};
        socklen_t length = sizeof name;
        sockaddr* any = reinterpret_cast<sockaddr*>(&name);
        name.sin_family = AF_INET;
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(::bind(listener, any, length) == 0);
        CHECK(::listen(listener, 1) == 0);
        CHECK(::getsockname(listener, any, &length) == 0);
        file.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(::connect(file.fd, any, length) == 0);
        other_end = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        CHECK(other_end >= 0);
        ::close(listener);
    }
    ~send_by_network() override
    {
        ::close(file.fd);
        ::close(other_end);
    }
    auto arguments() { return std::tuple(&file, text.data(), text.size(), 0); }
    bool is_own(tacet_result r) const override { return r == static_cast<tacet_result>(text.size()); }
    void settle(tacet_result r) override
    {
        std::string got(r > 0 ? static_cast<std::size_t>(r) : 0, '\0');
        if (!got.empty())
            CHECK(::recv(other_end, got.data(), got.size(), MSG_WAITALL) == r);
        CHECK((got == text.substr(0, got.size())));
        CHECK(bytes_in(other_end) == 0);
    }
    std::string text = std::string(1 << 14, 'z');
    tacet_file file = {-1, 0, 0};
    int other_end = -1;
};

struct send_to_name : subject {
    send_to_name()
    {
        sockaddr* any = reinterpret_cast<sockaddr*>(&name);
        name.sun_family = AF_UNIX;
        CHECK(::bind(there, any, sizeof(sa_family_t)) == 0);
        CHECK(::getsockname(there, any, &length) == 0);
    }
    ~send_to_name() override
    {
        ::close(here.fd);
        ::close(there);
    }
    auto arguments() { return std::tuple(&here, &byte, 1, 0, reinterpret_cast<const sockaddr*>(&name), length); }
    bool is_own(tacet_result r) const override { return r == 1; }
    void settle(tacet_result r) override { CHECK(bytes_in(there) == (r == 1 ? 1 : 0)); }
    char byte = 'w';
    tacet_file here = {::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), 0, 0};
    int there = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un name = {};
    socklen_t length = sizeof name;
};

struct shut_down : on_pair {
    auto arguments() { return std::tuple(&file, SHUT_WR); }
    void settle(tacet_result r) override
    {
        char byte = 0;
        CHECK((::recv(ends[1], &byte, 1, MSG_DONTWAIT) == 0) == (r == 0));
    }
};

/* ---- Descriptors that come ---- */

struct gives_socket : subject {
    bool is_own(tacet_result r) const override { return r >= 0; }
    void settle(tacet_result r) override
    {
        const int fd = form == form_kind::awaited ? file.fd : static_cast<int>(r);
        CHECK((fd >= 0) == (r >= 0));
        if (fd >= 0)
            CHECK(::close(fd) == 0);
    }
    tacet_file file = {-1, 0, 0};
};

struct open_socket : gives_socket {
    auto arguments() { return std::tuple(AF_UNIX, SOCK_STREAM, 0); }
    auto awaited_arguments() { return std::tuple(&file, AF_UNIX, SOCK_STREAM, 0); }
};

struct accept_one : gives_socket {
    accept_one() { writes_to(peer); }
    auto arguments() { return std::tuple(&listens.listener, any(), &peer_length, 0); }
    auto awaited_arguments() { return std::tuple(&listens.listener, &file, any(), &peer_length, 0); }
    void provoke() override { listens.connect(); }
    sockaddr* any() { return reinterpret_cast<sockaddr*>(&peer); }
    listening listens{8};
    sockaddr_un peer = {};
    socklen_t peer_length = sizeof peer;
};

struct connects : subject {
    explicit connects(int backlog) : listens(backlog) {}
    ~connects() override { ::close(file.fd); }
    auto arguments() { return std::tuple(&file, listens.address(), listens.length); }
    void settle(tacet_result r) override
    {
        sockaddr_un peer = {};
        socklen_t bytes = sizeof peer;
        CHECK((::getpeername(file.fd, reinterpret_cast<sockaddr*>(&peer), &bytes) == 0) == (r == 0));
    }
    listening listens;
    tacet_file file = {::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), 0, 0};
};

struct connect_to : connects {
    connect_to() : connects(8) {}
};

/* As many as have room wait to be accepted, till one is. */
struct connect_to_full : connects {
    connect_to_full() : connects(0) { listens.connect(); }
    void provoke() override
    {
        if (listens.clients.size() == 1)
            listens.clients.push_back(::accept4(listens.listener.fd, nullptr, nullptr, SOCK_CLOEXEC));
    }
};

}

std::vector<operation_row> socket_rows()
{
    return {
        STARTED(tacet_socket_receive, receive, "", IORING_OP_RECV, waits),
        STARTED(tacet_socket_receive_message, receive_message, "", IORING_OP_RECVMSG, waits),
        STARTED(tacet_socket_receive_message, receive_descriptor, "with a descriptor", IORING_OP_RECVMSG, waits),
        STARTED(tacet_socket_send, send, "", IORING_OP_SEND, ends_at_once),
        STARTED(tacet_socket_send, send_to_full, "without room", IORING_OP_SEND, waits),
        STARTED(tacet_socket_send_message, send_message, "", IORING_OP_SENDMSG, ends_at_once),
        STARTED(tacet_socket_send_to, send_to_name, "", IORING_OP_SEND, ends_at_once),
        STARTED(tacet_socket_send_zero_copy, send_by_network, "", IORING_OP_SEND_ZC, ends_at_once),
        STARTED(tacet_socket_send_zero_copy, send, "copied all the same", IORING_OP_SEND, ends_at_once),
        STARTED(tacet_socket_shutdown, shut_down, "", IORING_OP_SHUTDOWN, ends_at_once),
        STARTED(tacet_socket_open, open_socket, "", IORING_OP_SOCKET, gives_descriptor),
        STARTED(tacet_socket_accept, accept_one, "", IORING_OP_ACCEPT, gives_descriptor | waits),
        STARTED(tacet_socket_connect, connect_to, "", IORING_OP_CONNECT, ends_at_once),
        STARTED(tacet_socket_connect, connect_to_full, "full backlog", IORING_OP_CONNECT, waits),
    };
}

}
