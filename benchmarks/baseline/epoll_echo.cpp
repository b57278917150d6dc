// The loop of the baseline `epoll`.
#include "baseline/epoll_echo.hpp"

#include "harness/errors.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace bench::baseline {

epoll_echo::epoll_echo(const std::vector<int>& connections) : epoll_(epoll_create1(EPOLL_CLOEXEC))
{
    if (epoll_ < 0)
        throw unavailable(fmt::format("epoll_create1: {}", std::strerror(errno)));
    for (const int fd : connections) {
        epoll_event event = {};
        event.events = EPOLLIN;
        event.data.fd = fd;
        if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) < 0)
            throw unavailable(fmt::format("epoll_ctl: {}", std::strerror(errno)));
    }
}

epoll_echo::~epoll_echo()
{
    close(epoll_);
}

std::uint64_t epoll_echo::echo(int fd)
{
    const ssize_t received = recv(fd, buffer_.data(), buffer_.size(), 0);
    if (received <= 0)
        throw wrong_answer("epoll: a connection ended");
    if (send(fd, buffer_.data(), static_cast<std::size_t>(received), MSG_NOSIGNAL) != received)
        throw wrong_answer("epoll: an echo was short");
    return static_cast<std::uint64_t>(received);
}

void epoll_echo::run(std::uint64_t bytes)
{
    for (std::uint64_t done = 0; done < bytes;) {
        const int count = epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), -1);
        if (count < 0 && errno != EINTR)
            throw wrong_answer(fmt::format("epoll_wait: {}", std::strerror(errno)));
        for (int i = 0; i < count; i++)
            done += echo(events_[static_cast<std::size_t>(i)].data.fd);
    }
}

}
