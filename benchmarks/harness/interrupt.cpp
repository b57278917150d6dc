// The signal handler behind interrupt.hpp: one flag, set asynchronously, read by any thread.
#include "harness/interrupt.hpp"

#include <atomic>
#include <csignal>
#include <signal.h>

namespace bench {
namespace {

std::atomic<bool> signal_seen = false;
static_assert(std::atomic<bool>::is_always_lock_free);

void remember_signal(int)
{
    signal_seen.store(true, std::memory_order_relaxed);
}

}

void install_interrupt_handler()
{
    struct sigaction action = {};
    action.sa_handler = remember_signal;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
}

bool interrupt_requested() noexcept
{
    return signal_seen.load(std::memory_order_relaxed);
}

void throw_if_interrupted()
{
    if (interrupt_requested())
        throw interrupted();
}

}
