// Baseline `epoll`: an echo server in one thread, level-triggered, which reads and writes with plain system calls.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <sys/epoll.h>

namespace bench::baseline {

class epoll_echo {
public:
    // The descriptors stay the caller's. Throws unavailable.
    explicit epoll_echo(const std::vector<int>& connections);
    epoll_echo(const epoll_echo&) = delete;
    epoll_echo& operator=(const epoll_echo&) = delete;
    ~epoll_echo();

    // Until so many further bytes have been echoed. Throws wrong_answer where a connection fails.
    void run(std::uint64_t bytes);

private:
    std::uint64_t echo(int fd);

    int epoll_;
    std::array<epoll_event, 256> events_;
    std::array<std::byte, 4096> buffer_;
};

}
