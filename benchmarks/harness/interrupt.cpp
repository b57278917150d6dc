// The signal handler behind interrupt.hpp: one flag, set asynchronously, read by the main thread only.
#include "harness/interrupt.hpp"

#include <csignal>
#include <signal.h>

namespace bench {
namespace {

volatile std::sig_atomic_t signal_seen = 0;

void remember_signal(int)
{
    signal_seen = 1;
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
    return signal_seen != 0;
}

void throw_if_interrupted()
{
    if (interrupt_requested())
        throw interrupted();
}

}
