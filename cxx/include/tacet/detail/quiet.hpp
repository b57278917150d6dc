// Plain calls that move bytes without a wait and without a signal: who writes to what nobody reads any more gets -EPIPE, and
// the process no SIGPIPE, whatever it has made of that.
//
// The signal of such a call is the calling thread's. It is blocked there meanwhile, and taken back where it has come.
#ifndef TACET_DETAIL_QUIET_HPP
#define TACET_DETAIL_QUIET_HPP

#include <tacet/base.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <ctime>
#include <span>

#include <fcntl.h>
#include <unistd.h>

namespace tacet::detail {

template <class Call>
tacet_result without_sigpipe(Call call) noexcept
{
    sigset_t broken_pipe, before, pending;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
    ::sigpending(&pending);
    const ssize_t done = call();
    const tacet_result r = done < 0 ? -errno : done;
    if (!sigismember(&pending, SIGPIPE)) { // also if it has moved some: a splice may do both
        const timespec no_time = {0, 0};
        (void)::sigtimedwait(&broken_pipe, nullptr, &no_time);
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return r;
}

// While it lives, plain calls on the open file do not wait. So they do for whoever else has it; the ring does not mind.
class no_waits {
public:
    explicit no_waits(int fd) noexcept : fd_(fd), flags_(::fcntl(fd, F_GETFL))
    {
        if (is_changed())
            (void)::fcntl(fd_, F_SETFL, flags_ | O_NONBLOCK);
    }
    no_waits(const no_waits&) = delete;
    no_waits& operator=(const no_waits&) = delete;
    ~no_waits()
    {
        if (is_changed())
            (void)::fcntl(fd_, F_SETFL, flags_);
    }

private:
    bool is_changed() const noexcept { return flags_ >= 0 && !(flags_ & O_NONBLOCK); }

    int fd_, flags_;
};

// From a pipe to a socket: the bytes that it takes now; -EAGAIN: none. (With SPLICE_F_NONBLOCK alone the call waits for the peer.)
inline tacet_result splice_now(int pipe, int socket, std::size_t bytes, bool is_last) noexcept
{
    const no_waits meanwhile(socket);
    const unsigned flags = SPLICE_F_NONBLOCK | (is_last ? 0u : unsigned{SPLICE_F_MORE});
    return without_sigpipe([&] { return ::splice(pipe, nullptr, socket, nullptr, bytes, flags); });
}

// Into a pipe, whose other end keeps its own flags.
inline tacet_result write_now(int pipe, std::span<const std::byte> from) noexcept
{
    const no_waits meanwhile(pipe);
    return without_sigpipe([&] { return ::write(pipe, from.data(), from.size()); });
}

} // namespace tacet::detail

#endif
