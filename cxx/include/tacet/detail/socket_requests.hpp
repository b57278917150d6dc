// What is asked of sockets: the requests behind the operations of socket.hpp, and the kinds of their streams. Their values are
// sockets, which socket.hpp defines.
#ifndef TACET_DETAIL_SOCKET_REQUESTS_HPP
#define TACET_DETAIL_SOCKET_REQUESTS_HPP

#include <tacet/address.hpp>
#include <tacet/buffer_ring.hpp>
#include <tacet/file.hpp>
#include <tacet/multishot.hpp>
#include <tacet/socket.h>

#include <span>
#include <string>

namespace tacet {

class socket;

namespace detail {

// Room that was made for a name, and got none.
inline void name_nobody(address* peer) noexcept
{
    if (peer != nullptr)
        peer->set_length(0);
}

} // namespace detail

struct open_socket_request {
    using value_type = socket;
    static constexpr unsigned opcode = IORING_OP_SOCKET;
    int domain, type, protocol;
    tacet_executor* executor = nullptr;

    open_socket_request(int domain_, int type_, int protocol_) noexcept
        : domain(domain_), type(type_), protocol(protocol_)
    {
    }
    void bind(tacet_executor* on) noexcept { executor = on; }
    tacet_result prepare(io_uring_sqe* sqe) const noexcept { return tacet_prepare_socket(sqe, domain, type, protocol); }
    void park_without_ring(tacet_task* task) const noexcept
    {
        tacet_socket_make_and_park(task, domain, type, protocol);
    }
    tacet_result call_without_ring() const noexcept
    {
        const int fd = ::socket(domain, type | SOCK_CLOEXEC, protocol);
        return fd < 0 ? -errno : fd;
    }
    socket value(tacet_result r) const noexcept;
    void discard(tacet_result r) const noexcept { ::close(static_cast<int>(r)); }
    std::string describe() const { return "socket"; }
};

struct accept_request {
    using value_type = socket;
    static constexpr unsigned opcode = IORING_OP_ACCEPT;
    int fd;
    address* peer;
    tacet_executor* executor = nullptr;

    accept_request(int fd_, address* peer_) noexcept : fd(fd_), peer(peer_) {}
    void bind(tacet_executor* on) noexcept { executor = on; }
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        return peer != nullptr ? tacet_prepare_accept(sqe, fd, peer->room(), peer->room_length(), 0)
                               : tacet_prepare_accept(sqe, fd, nullptr, nullptr, 0);
    }
    socket value(tacet_result r) const noexcept;
    void failed(tacet_result) const noexcept { detail::name_nobody(peer); }
    void discard(tacet_result r) const noexcept { ::close(static_cast<int>(r)); }
    std::string describe() const { return detail::describe_descriptor("accept", fd); }
};

struct connect_request : detail::void_value {
    static constexpr unsigned opcode = IORING_OP_CONNECT;
    int fd;
    address to;

    connect_request(int fd_, const address& to_) noexcept : fd(fd_), to(to_) {}
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        return tacet_prepare_connect(sqe, fd, to.get(), to.length());
    }
    std::string describe() const { return "connect " + to.text(); }
};

struct send_request : detail::size_value {
    static constexpr unsigned opcode = IORING_OP_SEND;
    int fd;
    std::span<const std::byte> buffer;
    int flags;

    send_request(int fd_, std::span<const std::byte> from, int flags_) noexcept : fd(fd_), buffer(from), flags(flags_)
    {
    }
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        return tacet_prepare_send(sqe, fd, buffer.data(), buffer.size(), flags);
    }
    std::string describe() const { return detail::describe_descriptor("send", fd); }
};

struct send_zero_copy_request : send_request {
    tacet_executor* executor = nullptr;
    bool drops_copy = false;

    using send_request::send_request;
    void bind(tacet_executor* on) noexcept
    {
        executor = on;
        drops_copy = tacet_socket_has_zero_copy(on, fd);
    }
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        const tacet_result r = send_request::prepare(sqe);
        if (drops_copy)
            sqe->opcode = IORING_OP_SEND_ZC;
        return r;
    }
    void started(tacet_request& request) const noexcept
    {
        if (!drops_copy)
            return;
        request.attention |= TACET_OP_BY_FLAGS;
        tacet_zero_copy_started(executor, &request);
    }
};

struct receive_request : detail::size_value {
    static constexpr unsigned opcode = IORING_OP_RECV;
    int fd;
    std::span<std::byte> buffer;
    int flags;

    receive_request(int fd_, std::span<std::byte> into, int flags_) noexcept : fd(fd_), buffer(into), flags(flags_) {}
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        return tacet_prepare_receive(sqe, fd, buffer.data(), buffer.size(), flags);
    }
    std::string describe() const { return detail::describe_descriptor("receive", fd); }
};

struct receive_selected_request : selected_value {
    static constexpr unsigned opcode = IORING_OP_RECV;
    int fd;
    int flags;

    receive_selected_request(int fd_, tacet_buffer_ring* buffers_, int flags_) noexcept
        : selected_value(buffers_), fd(fd_), flags(flags_)
    {
    }
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        const tacet_result r = tacet_prepare_receive(sqe, fd, nullptr, 0, flags);
        return r < 0 ? r : select(sqe);
    }
    std::string describe() const { return detail::describe_descriptor("receive", fd); }
};

struct send_message_request : detail::size_value {
    static constexpr unsigned opcode = IORING_OP_SENDMSG;
    int fd;
    const msghdr* message;
    int flags;

    send_message_request(int fd_, const msghdr* message_, int flags_) noexcept
        : fd(fd_), message(message_), flags(flags_)
    {
    }
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        return tacet_prepare_send_message(sqe, fd, message, flags);
    }
    std::string describe() const { return detail::describe_descriptor("send message", fd); }
};

struct receive_message_request : detail::size_value {
    static constexpr unsigned opcode = IORING_OP_RECVMSG;
    int fd;
    msghdr* message;
    int flags;

    receive_message_request(int fd_, msghdr* message_, int flags_) noexcept : fd(fd_), message(message_), flags(flags_)
    {
    }
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        return tacet_prepare_receive_message(sqe, fd, message, flags);
    }
    void discard(tacet_result) const noexcept { tacet_message_discard(message); }
    std::string describe() const { return detail::describe_descriptor("receive message", fd); }
};

// Several buffers, or an address besides: a message of the operation's own.
struct send_parts_request : detail::size_value {
    static constexpr unsigned opcode = IORING_OP_SENDMSG;
    int fd;
    std::span<const iovec> parts;
    address to;
    int flags;
    msghdr message{};

    send_parts_request(int fd_, std::span<const iovec> parts_, const address& to_, int flags_) noexcept
        : fd(fd_), parts(parts_), to(to_), flags(flags_)
    {
    }
    tacet_result prepare(io_uring_sqe* sqe) noexcept
    {
        message.msg_iov = const_cast<iovec*>(parts.data());
        message.msg_iovlen = parts.size();
        message.msg_name = to ? const_cast<sockaddr*>(to.get()) : nullptr;
        message.msg_namelen = to.length();
        return tacet_prepare_send_message(sqe, fd, &message, flags);
    }
    std::string describe() const { return to ? "send to " + to.text() : detail::describe_descriptor("send", fd); }
};

struct send_to_request : send_parts_request {
    iovec part;

    send_to_request(int fd_, std::span<const std::byte> from, const address& to_, int flags_) noexcept
        : send_parts_request(fd_, {}, to_, flags_), part{const_cast<std::byte*>(from.data()), from.size()}
    {
    }
    tacet_result prepare(io_uring_sqe* sqe) noexcept
    {
        parts = std::span<const iovec>(&part, 1);
        return send_parts_request::prepare(sqe);
    }
};

struct receive_parts_request : detail::size_value {
    static constexpr unsigned opcode = IORING_OP_RECVMSG;
    int fd;
    std::span<const iovec> parts;
    address* peer;
    int flags;
    msghdr message{};

    receive_parts_request(int fd_, std::span<const iovec> parts_, address* peer_, int flags_) noexcept
        : fd(fd_), parts(parts_), peer(peer_), flags(flags_)
    {
    }
    tacet_result prepare(io_uring_sqe* sqe) noexcept
    {
        message.msg_iov = const_cast<iovec*>(parts.data());
        message.msg_iovlen = parts.size();
        message.msg_name = peer != nullptr ? peer->room() : nullptr;
        message.msg_namelen = peer != nullptr ? peer->length() : 0;
        return tacet_prepare_receive_message(sqe, fd, &message, flags);
    }
    std::size_t value(tacet_result r) const noexcept
    {
        if (peer != nullptr)
            peer->set_length(message.msg_namelen);
        return static_cast<std::size_t>(r);
    }
    void failed(tacet_result) const noexcept { detail::name_nobody(peer); }
    void discard(tacet_result) const noexcept {} // no descriptors: there is no room for them
    std::string describe() const { return detail::describe_descriptor("receive", fd); }
};

struct receive_from_request : receive_parts_request {
    iovec part;

    receive_from_request(int fd_, std::span<std::byte> into, address* peer_, int flags_) noexcept
        : receive_parts_request(fd_, {}, peer_, flags_), part{into.data(), into.size()}
    {
    }
    tacet_result prepare(io_uring_sqe* sqe) noexcept
    {
        parts = std::span<const iovec>(&part, 1);
        return receive_parts_request::prepare(sqe);
    }
};

struct shutdown_request : detail::void_value {
    static constexpr unsigned opcode = IORING_OP_SHUTDOWN;
    int fd;
    int how;

    shutdown_request(int fd_, int how_) noexcept : fd(fd_), how(how_) {}
    tacet_result prepare(io_uring_sqe* sqe) const noexcept { return tacet_prepare_shutdown(sqe, fd, how); }
    std::string describe() const { return detail::describe_descriptor("shutdown", fd); }
};

// What comes one after the other: see multishot.hpp.
struct accept_kind {
    using value_type = socket;
    static constexpr const char* what = "accept";
    tacet_file listener;
    unsigned results_max;

    tacet_result start(tacet_multishot* multishot, tacet_executor* executor) const noexcept
    {
        return tacet_accept_multishot_start(multishot, executor, &listener, 0, results_max);
    }
    socket value(const tacet_multishot* multishot, tacet_result r) const noexcept;
};
using accept_stream = multishot_stream<accept_kind>;

struct accepted;

// The same with who has connected. The kernel's multishot has room for no name: each is asked for when it is taken.
struct accept_peers_kind : accept_kind {
    using value_type = accepted;
    accepted value(const tacet_multishot* multishot, tacet_result r) const noexcept;
};
using accept_peers_stream = multishot_stream<accept_peers_kind>;

struct receive_kind {
    using value_type = received;
    static constexpr const char* what = "receive";
    tacet_file from;
    tacet_buffer_ring* buffers;
    unsigned results_max;

    tacet_result start(tacet_multishot* multishot, tacet_executor* executor) const noexcept
    {
        return tacet_receive_multishot_start(multishot, executor, &from, buffers, 0, results_max);
    }
    received value(const tacet_multishot* multishot, tacet_result r) const noexcept
    {
        return received(buffers, tacet_multishot_buffer(multishot), static_cast<std::size_t>(r));
    }
};
using receive_stream = multishot_stream<receive_kind>;

} // namespace tacet

#endif
