// Baseline of `memory`: a coroutine that is suspended in a sleep, and nothing else: its frame comes from operator new,
// its awaiter holds the deadline. Nobody will resume it.
#pragma once

#include <coroutine>
#include <cstdint>

namespace bench::baseline {

std::coroutine_handle<> suspend_in_sleep(std::uint64_t deadline_ns);

}
