// What the servers share: where they listen, and what they do with signals. The first lets what is under way end, the
// second ends that too, and the third ends the process, whatever it hangs on.
#ifndef TACET_EXAMPLES_SERVING_HPP
#define TACET_EXAMPLES_SERVING_HPP

#include "usage.hpp"

#include <tacet/tacet.hpp>

#include <csignal>
#include <functional>

// What --listen names.
inline tacet::address parse_address(const std::string& text)
{
    try {
        return tacet::address::parse(text);
    } catch (const std::system_error&) {
        throw usage_error("--listen " + text + ": needed is such as 127.0.0.1:8080, [::1]:8080, or unix:PATH");
    }
}

// As if nobody had waited for the signal. Of this thread, in which it is blocked.
inline void end_process_by(int signal)
{
    std::signal(signal, SIG_DFL);
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, signal);
    (void)std::raise(signal);
    (void)::pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
}

// Until it is cancelled, as there is nobody left to be told.
inline tacet::task<void> obey(tacet::signal_set& signals, std::function<void()> end_gently,
                              std::function<void()> end_at_once)
{
    const tacet::result<int> first = co_await tacet::as_result(signals.wait());
    if (!first)
        co_return;
    end_gently();
    const tacet::result<int> second = co_await tacet::as_result(signals.wait());
    if (!second)
        co_return;
    end_at_once();
    const tacet::result<int> third = co_await tacet::as_result(signals.wait());
    if (third)
        end_process_by(*third);
}

#endif
