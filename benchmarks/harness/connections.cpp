// Connected one after the other: the listener's backlog is short.
#include "harness/connections.hpp"

#include "harness/errors.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace bench {
namespace {

int require_fd(int fd, const char* what)
{
    if (fd < 0)
        throw unavailable(fmt::format("{}: {}", what, std::strerror(errno)));
    return fd;
}

// As many as may be had without privilege.
void raise_descriptor_limit()
{
    rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void send_at_once(int fd)
{
    const int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

}

int listen_on_loopback()
{
    const int fd = require_fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 || listen(fd, 16) < 0) {
        const int error = errno;
        close(fd);
        throw unavailable(fmt::format("listen on the loopback: {}", std::strerror(error)));
    }
    return fd;
}

connections::connections(std::size_t count)
{
    raise_descriptor_limit();
    const int listener = listen_on_loopback();
    try {
        for (std::size_t i = 0; i < count; i++)
            connect_one(listener);
    } catch (...) {
        close(listener);
        close_all();
        throw;
    }
    close(listener);
}

connections::~connections()
{
    close_all();
}

void connections::connect_one(int listener)
{
    sockaddr_in address = {};
    socklen_t length = sizeof address;
    getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
    clients_.push_back(require_fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
    require_fd(connect(clients_.back(), reinterpret_cast<sockaddr*>(&address), length), "connect");
    servers_.push_back(require_fd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC), "accept"));
    send_at_once(clients_.back());
    send_at_once(servers_.back());
}

void connections::close_all()
{
    for (const int fd : clients_)
        close(fd);
    for (const int fd : servers_)
        close(fd);
}

}
