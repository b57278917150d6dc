#include "stop.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <system_error>

namespace cp {
namespace {

sigset_t stop_signals()
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    return signals;
}

}

void stop_request::block_signals()
{
    const sigset_t signals = stop_signals();
    if (const int error = pthread_sigmask(SIG_BLOCK, &signals, nullptr); error != 0)
        throw std::system_error(error, std::generic_category(), "pthread_sigmask");
}

tacet::task<void> stop_request::watch()
{
    const sigset_t signals = stop_signals();
    const int fd = signalfd(-1, &signals, SFD_CLOEXEC);
    if (fd < 0)
        throw std::system_error(errno, std::generic_category(), "signalfd");
    const tacet::file signals_file(fd, O_RDONLY, nullptr);

    std::array<std::byte, sizeof(signalfd_siginfo)> buffer;
    co_await tacet::poll(fd, POLLIN);
    co_await signals_file.read(buffer);
    signalfd_siginfo info;
    std::memcpy(&info, buffer.data(), sizeof info);
    signal_ = static_cast<int>(info.ssi_signo);
}

}
