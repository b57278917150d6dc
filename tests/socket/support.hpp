/* What the tests of sockets share: listening and connected sockets made by plain calls, of each kind of stream. */
#ifndef SOCKET_SUPPORT_HPP
#define SOCKET_SUPPORT_HPP

#include "support/support.hpp"

#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace support {

const timespec no_time = {0, 0};

struct stream_kind {
    const char* name;
    int domain;
};

/* Whether this machine speaks it with itself. */
inline bool has_ipv6()
{
    const int fd = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in6 name = {};
    name.sin6_family = AF_INET6;
    name.sin6_addr = in6addr_loopback;
    const bool has = ::bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0;
    ::close(fd);
    return has;
}

inline const std::vector<stream_kind>& stream_kinds()
{
    static const std::vector<stream_kind> kinds = [] {
        std::vector<stream_kind> all = {{"TCP", AF_INET}, {"Unix", AF_UNIX}};
        if (has_ipv6())
            all.push_back({"TCP over IPv6", AF_INET6});
        return all;
    }();
    return kinds;
}

/* The name of a socket. */
struct socket_name {
    sockaddr_storage storage = {};
    socklen_t length = sizeof storage;
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

/* Of a socket to be bound: any port of this machine; of the Unix kind, what the kernel finds. */
inline socket_name any_name(int domain)
{
    socket_name any;
    any.storage.ss_family = static_cast<sa_family_t>(domain);
    any.length = sizeof(sa_family_t);
    if (domain == AF_INET) {
        reinterpret_cast<sockaddr_in*>(&any.storage)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        any.length = sizeof(sockaddr_in);
    }
    if (domain == AF_INET6) {
        reinterpret_cast<sockaddr_in6*>(&any.storage)->sin6_addr = in6addr_loopback;
        any.length = sizeof(sockaddr_in6);
    }
    return any;
}

/* A descriptor that goes with its scope. */
class descriptor {
public:
    explicit descriptor(int fd = -1) : fd_(fd) {}
    descriptor(descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
    descriptor& operator=(descriptor&& other) noexcept
    {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~descriptor() { close(); }
    void close()
    {
        if (fd_ >= 0)
            ::close(fd_);
        fd_ = -1;
    }
    int get() const { return fd_; }
    tacet_file file() const { return {fd_, 0, 0}; }

private:
    int fd_;
};

inline descriptor bound(int domain, int type)
{
    descriptor made(::socket(domain, type | SOCK_CLOEXEC, 0));
    socket_name any = any_name(domain);
    REQUIRE(::bind(made.get(), any.get(), any.length) == 0);
    return made;
}

inline socket_name name_of(const descriptor& socket)
{
    socket_name found;
    REQUIRE(::getsockname(socket.get(), found.get(), &found.length) == 0);
    return found;
}

inline descriptor listener(int domain, int backlog = 64)
{
    descriptor made = bound(domain, SOCK_STREAM);
    REQUIRE(::listen(made.get(), backlog) == 0);
    return made;
}

inline descriptor connected_to(const descriptor& listening, int flags = 0)
{
    socket_name found = name_of(listening);
    descriptor made(::socket(found.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
    REQUIRE(made.get() >= 0);
    const int r = ::connect(made.get(), found.get(), found.length);
    REQUIRE((r == 0 || errno == EINPROGRESS));
    return made;
}

/* Two ends of a stream. */
struct stream_pair {
    explicit stream_pair(int domain)
    {
        const descriptor listening = listener(domain);
        ends[0] = connected_to(listening);
        ends[1] = descriptor(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
        REQUIRE(ends[1].get() >= 0);
    }
    descriptor ends[2];
};

/* A few rounds: what was started is with the kernel, what completed was resumed. */
inline void settle(tacet_executor* executor)
{
    for (int round = 0; round < 6; round++)
        CHECK(tacet_executor_run(executor, TACET_UNTIL_STOPPED, &no_time) >= -ETIME);
}

}

#endif
