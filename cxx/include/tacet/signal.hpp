// signal_set: signals, awaited.
//
//     tacet::signal_set signals{SIGINT, SIGTERM};      // blocks them in this thread: before others are made
//     int signal = co_await signals.wait();
//
// Several tasks may wait; each signal is one's. It is taken by who is resumed with it, so a cancel, a deadline or the end of
// the executor lose none. See tacet/signal.h.
#ifndef TACET_SIGNAL_HPP
#define TACET_SIGNAL_HPP

#include <tacet/poll.hpp>
#include <tacet/signal.h>

#include <initializer_list>

namespace tacet {

class signal_set {
public:
    // Throws: there is no such signal, or it cannot be taken (SIGKILL, SIGSTOP); no descriptor is left.
    signal_set(std::initializer_list<int> signals)
    {
        sigset_t set;
        sigemptyset(&set);
        for (const int signal : signals)
            if (signal == SIGKILL || signal == SIGSTOP || sigaddset(&set, signal) < 0)
                throw_error(-EINVAL, "signal set");
        check(tacet_signal_source_open(&source_, &set), "signal set");
    }
    explicit signal_set(const sigset_t& signals) { check(tacet_signal_source_open(&source_, &signals), "signal set"); }
    signal_set(signal_set&& other) noexcept : source_(std::exchange(other.source_, {-1})) {}
    signal_set& operator=(signal_set&& other) noexcept
    {
        std::swap(source_, other.source_);
        return *this;
    }
    // They stay blocked, and what is pending stays pending.
    ~signal_set() { tacet_signal_source_close(&source_); }

    // The number of a signal that has come. CANCELLATION POINT.
    task<int> wait()
    {
        const signalfd_siginfo info = co_await wait_info();
        co_return static_cast<int>(info.ssi_signo);
    }

    // The same, with all that is known of it.
    task<signalfd_siginfo> wait_info()
    {
        signalfd_siginfo info;
        tacet_result r = -EAGAIN;
        while (r == -EAGAIN) {
            co_await detail::until_readable(source_.fd, "wait for a signal");
            r = tacet_signal_take(&source_, &info);
        }
        check(r, "take a signal");
        co_return info;
    }

    // Without waiting: its number, or 0. THREAD-SAFE.
    int take() noexcept
    {
        const tacet_result r = tacet_signal_take(&source_, nullptr);
        return r < 0 ? 0 : static_cast<int>(r);
    }

private:
    tacet_signal_source source_{-1};
};

} // namespace tacet

#endif
