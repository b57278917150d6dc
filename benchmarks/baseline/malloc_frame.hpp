// Baseline `malloc_frame`: create, resume once and destroy a bare coroutine whose frame comes from operator new. What
// any C++20 program pays for a coroutine of its own before a library is involved.
#pragma once

#include <cstdint>

namespace bench::baseline {

// Returns how many coroutines ran to their end.
std::uint64_t run_malloc_frames(std::uint64_t coroutines);

}
