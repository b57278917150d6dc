// The clock that every slice of measurement is timed with. 26 ns a reading: always around many operations, never one.
#pragma once

#include <cstdint>
#include <ctime>

namespace bench {

inline std::uint64_t now_ns() noexcept
{
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

}
