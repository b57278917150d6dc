// Sockets: TCP, UDP, Unix. Connections to hosts by their names: connect.hpp.
//
//     tacet::socket listener = tacet::listen(tacet::address::parse("127.0.0.1:80"));
//     tacet::socket connection = co_await listener.accept();
//     const std::size_t got = co_await connection.receive(buffer);
//     co_await connection.send_all(answer);
//
// Memory that an operation names (the buffer, what vectors and messages point to) must live until its await has ended;
// addresses are kept by the operation itself. Values and errors are those of the system calls named; nothing raises SIGPIPE.
#ifndef TACET_SOCKET_HPP
#define TACET_SOCKET_HPP

#include <tacet/detail/socket_requests.hpp>

#include <algorithm>
#include <chrono>
#include <climits>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>

namespace tacet {

// When a peer that says nothing counts as gone: after `idle`, and `probes` questions without an answer.
struct keep_alive_options {
    std::chrono::seconds idle{60}, interval{10};
    int probes = 5;
};

// An open socket. Move-only; one that dies open is closed by an operation nobody waits for.
class socket {
public:
    socket() noexcept {}
    // Takes a descriptor over. executor: where it is closed if nobody does; null: by close(2).
    explicit socket(int fd, tacet_executor* executor = nullptr) noexcept : file_(fd, 0, executor) {}

    explicit operator bool() const noexcept { return static_cast<bool>(file_); }
    int fd() const noexcept { return file_.fd(); }
    tacet_file& get() noexcept { return file_.get(); }
    const tacet_file& get() const noexcept { return file_.get(); }
    int release() noexcept { return file_.release(); }

    // Plain calls: bind(2), listen(2), getsockname(2), getpeername(2), setsockopt(2), getsockopt(2). They do not block.
    void bind(const address& name)
    {
        check_call(tacet_socket_bind(nullptr, &get(), name.get(), name.length()), "bind", &name);
    }
    void listen(int backlog = SOMAXCONN) { check_call(tacet_socket_listen(nullptr, &get(), backlog), "listen"); }
    address name() const
    {
        address found;
        sockaddr* room = found.room();
        check_call(tacet_socket_get_name(nullptr, &get(), room, found.room_length()), "name of");
        return found;
    }
    address peer() const
    {
        address found;
        sockaddr* room = found.room();
        check_call(tacet_socket_get_peer(nullptr, &get(), room, found.room_length()), "peer of");
        return found;
    }
    template <class T>
    void set_option(int level, int option, const T& value)
    {
        check_call(tacet_socket_set_option(nullptr, &get(), level, option, &value, sizeof value), "set option of");
    }
    template <class T = int>
    T option(int level, int number) const
    {
        T value{};
        socklen_t bytes = sizeof value;
        check_call(tacet_socket_get_option(nullptr, &get(), level, number, &value, &bytes), "option of");
        return value;
    }
    // Of TCP: what is sent goes at once, also where it is little and the answer to the last has not come.
    void no_delay(bool on = true) { set_option(IPPROTO_TCP, TCP_NODELAY, int{on}); }
    // Of TCP: a peer that has gone without a word is noticed, as timed_out. invalid_argument: beyond what the kernel knows.
    void keep_alive(const keep_alive_options& options = {})
    {
        const auto seconds_of = [](std::chrono::seconds time) {
            return static_cast<int>(std::clamp<std::int64_t>(time.count(), 0, INT_MAX));
        };
        set_option(IPPROTO_TCP, TCP_KEEPIDLE, seconds_of(options.idle));
        set_option(IPPROTO_TCP, TCP_KEEPINTVL, seconds_of(options.interval));
        set_option(IPPROTO_TCP, TCP_KEEPCNT, options.probes);
        set_option(SOL_SOCKET, SO_KEEPALIVE, 1);
    }

    // accept4(2). A connection that nobody takes is closed.
    operation<accept_request> accept() const noexcept
    {
        return operation<accept_request>(accept_request(fd(), nullptr));
    }
    operation<accept_request> accept(address& peer) const noexcept
    {
        return operation<accept_request>(accept_request(fd(), &peer));
    }
    // One after the other, with at most results_max waiting here; the others wait in the kernel.
    accept_stream accept_all(unsigned results_max = 64) const { return accept_stream(accept_kind{get(), results_max}); }
    accept_peers_stream accept_all_peers(unsigned results_max = 64) const
    {
        return accept_peers_stream(accept_peers_kind{{get(), results_max}});
    }

    // connect(2).
    operation<connect_request> connect(const address& to) const noexcept
    {
        return operation<connect_request>(connect_request(fd(), to));
    }

    // send(2), recv(2): the number of bytes, short counts are normal; of a stream, 0 received is its end. At most INT_MAX
    // bytes, else invalid_argument.
    operation<send_request> send(std::span<const std::byte> from, int flags = 0) const noexcept
    {
        return operation<send_request>(send_request(fd(), from, flags));
    }
    operation<receive_request> receive(std::span<std::byte> into, int flags = 0) const noexcept
    {
        return operation<receive_request>(receive_request(fd(), into, flags));
    }
    // For 10 KiB and more. It ends when the kernel does not need the bytes any more; where it cannot, it copies. What a peer that
    // reads nothing does not acknowledge is ended by no cancel and no deadline, and holds up the executor's end: TCP_USER_TIMEOUT
    // bounds that.
    operation<send_zero_copy_request> send_zero_copy(std::span<const std::byte> from, int flags = 0) const noexcept
    {
        return operation<send_zero_copy_request>(send_zero_copy_request(fd(), from, flags));
    }
    // Into a buffer that the kernel chooses when there is something to receive; none is left: no_buffer_space; the ring is another
    // executor's: operation_not_permitted.
    operation<receive_selected_request> receive(buffer_ring& buffers, int flags = 0) const noexcept
    {
        return operation<receive_selected_request>(receive_selected_request(fd(), buffers.get(), flags));
    }
    // Piece by piece; at most results_max wait here, the rest in the kernel.
    receive_stream receive_all(buffer_ring& buffers, unsigned results_max = 16) const
    {
        return receive_stream(receive_kind{get(), buffers.get(), results_max});
    }

    // Several buffers, in their order; datagrams, with their addresses.
    operation<send_parts_request> send(std::span<const iovec> parts, int flags = 0) const noexcept
    {
        return operation<send_parts_request>(send_parts_request(fd(), parts, address(), flags));
    }
    operation<receive_parts_request> receive(std::span<const iovec> parts, int flags = 0) const noexcept
    {
        return operation<receive_parts_request>(receive_parts_request(fd(), parts, nullptr, flags));
    }
    operation<send_to_request> send_to(std::span<const std::byte> from, const address& to, int flags = 0) const noexcept
    {
        return operation<send_to_request>(send_to_request(fd(), from, to, flags));
    }
    operation<receive_from_request> receive_from(std::span<std::byte> into, address& peer, int flags = 0) const noexcept
    {
        return operation<receive_from_request>(receive_from_request(fd(), into, &peer, flags));
    }

    // sendmsg(2), recvmsg(2). Descriptors that came with a message which nobody takes any more are closed.
    operation<send_message_request> send_message(const msghdr& message, int flags = 0) const noexcept
    {
        return operation<send_message_request>(send_message_request(fd(), &message, flags));
    }
    operation<receive_message_request> receive_message(msghdr& message, int flags = 0) const noexcept
    {
        return operation<receive_message_request>(receive_message_request(fd(), &message, flags));
    }

    // All of it, however short the counts. fill() receives until the buffer is full or the stream ends, and gives the bytes
    // received; receive_exactly() throws no_message_available if it ends before. After a failure, a cancel or a deadline nobody
    // knows how much of it has gone or come: the stream is of no more use but to be closed.
    task<void> send_all(std::span<const std::byte> from) const { return send_all_to(fd(), from); }
    task<std::size_t> fill(std::span<std::byte> into) const { return fill_from(fd(), into); }
    task<void> receive_exactly(std::span<std::byte> into) const { return receive_exactly_from(fd(), into); }

    // shutdown(2).
    operation<shutdown_request> shutdown(int how = SHUT_WR) const noexcept
    {
        return operation<shutdown_request>(shutdown_request(fd(), how));
    }
    // Never cancelled; the socket is closed from then on, whatever comes of it.
    operation<close_request> close() noexcept { return file_.close(); }

private:
    [[noreturn, gnu::noinline, gnu::cold]] void throw_failed(tacet_result r, const char* what,
                                                             const address* name) const
    {
        throw_error(r,
                    name != nullptr ? std::string(what) + ' ' + name->text() : detail::describe_descriptor(what, fd()));
    }
    void check_call(tacet_result r, const char* what, const address* name = nullptr) const
    {
        if (r < 0) [[unlikely]]
            throw_failed(r, what, name);
    }

    static task<void> send_all_to(int to, std::span<const std::byte> from)
    {
        while (!from.empty()) {
            const std::span<const std::byte> some = from.first(std::min<std::size_t>(from.size(), INT_MAX));
            const std::size_t sent = co_await operation<send_request>(send_request(to, some, 0));
            from = from.subspan(sent);
        }
    }
    static task<void> receive_exactly_from(int from, std::span<std::byte> into)
    {
        const std::size_t filled = co_await fill_from(from, into);
        if (filled < into.size())
            throw_error(-ENODATA, detail::describe_descriptor("receive", from) + ": it ends too early");
    }
    static task<std::size_t> fill_from(int from, std::span<std::byte> into)
    {
        std::size_t received = 0;
        while (received < into.size()) {
            const std::span<std::byte> some = into.subspan(received,
                                                           std::min<std::size_t>(into.size() - received, INT_MAX));
            const std::size_t bytes = co_await operation<receive_request>(receive_request(from, some, 0));
            if (bytes == 0)
                break;
            received += bytes;
        }
        co_return received;
    }

    file file_;
};

inline socket open_socket_request::value(tacet_result r) const noexcept
{
    return socket(static_cast<int>(r), executor);
}
inline socket accept_request::value(tacet_result r) const noexcept
{
    return socket(static_cast<int>(r), executor);
}
// A connection, and whose it is. No peer (false): it has gone already.
struct accepted {
    socket connection;
    address peer;
};

inline accepted accept_peers_kind::value(const tacet_multishot* multishot, tacet_result r) const noexcept
{
    accepted made{accept_kind::value(multishot, r), address()};
    sockaddr* room = made.peer.room();
    if (::getpeername(made.connection.fd(), room, made.peer.room_length()) < 0)
        made.peer = address();
    return made;
}
inline socket accept_kind::value(const tacet_multishot* multishot, tacet_result r) const noexcept
{
    return socket(static_cast<int>(r), multishot->executor);
}

// socket(2). A plain call before Linux 5.19.
inline operation<open_socket_request> open_socket(int domain, int type, int protocol = 0)
{
    return operation<open_socket_request>(open_socket_request(domain, type, protocol));
}

// What is said of a socket before it has a name. Connections inherit the sizes of buffers.
struct listen_options {
    int backlog = SOMAXCONN;
    bool reuse_port = false;       // several listen at the same port, and the kernel shares out what comes
    std::optional<bool> v6_only{}; // whether an IPv6 address is not for IPv4 too; not given: as the system has it
    int send_buffer_bytes = 0, receive_buffer_bytes = 0; // 0: as the system has them, and grows them
};

namespace detail {

inline socket open_now(const address& name, int type, const char* what)
{
    const int fd = ::socket(name.family(), type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        throw_error(-errno, std::string(what) + ' ' + name.text());
    return socket(fd);
}

inline const char* path_of(const address& name) noexcept
{
    return reinterpret_cast<const sockaddr_un*>(name.get())->sun_path;
}

// Whether it is the file of a socket that is no more: whose it was ended without taking it away. A datagram socket asks: one that
// is there, listening already or not, refuses it for its type, and sees no connection.
inline bool is_left_behind(const address& name) noexcept
{
    struct stat found;
    if (name.family() != AF_UNIX || ::lstat(path_of(name), &found) < 0 || !S_ISSOCK(found.st_mode))
        return false;
    const socket asks(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    return ::connect(asks.fd(), name.get(), name.length()) < 0 && errno == ECONNREFUSED;
}

inline void bind_listener(socket& made, const address& name)
{
    if (::bind(made.fd(), name.get(), name.length()) == 0)
        return;
    if (errno == EADDRINUSE && is_left_behind(name))
        ::unlink(path_of(name));
    made.bind(name);
}

} // namespace detail

// Listens for connections to the address, whose port may be 0 (any: see name()). Plain calls, which do not block. The file of a
// Unix socket stays when its listener goes; one whose socket is no more is replaced here. (Of two that start at the same time the
// later may replace the earlier's: a lock is their business.)
inline socket listen(const address& name, const listen_options& options = {})
{
    socket made = detail::open_now(name, SOCK_STREAM, "listen");
    if (name.family() != AF_UNIX)
        made.set_option(SOL_SOCKET, SO_REUSEADDR, 1);
    if (options.reuse_port)
        made.set_option(SOL_SOCKET, SO_REUSEPORT, 1);
    if (options.v6_only && name.family() == AF_INET6)
        made.set_option(IPPROTO_IPV6, IPV6_V6ONLY, int{*options.v6_only});
    if (options.send_buffer_bytes > 0)
        made.set_option(SOL_SOCKET, SO_SNDBUF, options.send_buffer_bytes);
    if (options.receive_buffer_bytes > 0)
        made.set_option(SOL_SOCKET, SO_RCVBUF, options.receive_buffer_bytes);
    detail::bind_listener(made, name);
    made.listen(options.backlog);
    return made;
}

// A socket for datagrams to and from the address.
inline socket bind_datagram(const address& name)
{
    socket made = detail::open_now(name, SOCK_DGRAM, "bind");
    made.bind(name);
    return made;
}

// A socket for datagrams to that address and from there alone: send(), receive(). That nobody is there may come as
// connection_refused, with the next of them. Plain calls, which do not block.
inline socket connect_datagram(const address& to)
{
    socket made = detail::open_now(to, SOCK_DGRAM, "connect");
    if (::connect(made.fd(), to.get(), to.length()) < 0)
        throw_error(-errno, "connect " + to.text());
    return made;
}

// socketpair(2): two Unix sockets, connected to each other. Does not block.
inline std::pair<socket, socket> socket_pair(int type = SOCK_STREAM)
{
    int fds[2];
    if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) < 0)
        throw_error(-errno, "socket pair");
    return {socket(fds[0]), socket(fds[1])};
}

} // namespace tacet

#endif
