// A small generator, the same for a subject and its baseline, cheap beside what it picks for.
#pragma once

#include <cstdint>

namespace bench {

// A state to start from, another one for each contestant: two that drew the same numbers would find in the caches what
// the other has just read.
inline std::uint64_t next_seed() noexcept
{
    static std::uint64_t seeds = 0;
    return ++seeds * 0x9e3779b97f4a7c15u;
}

// Advances `state` (not 0) and returns a number in [0, bound). xorshift64 (Marsaglia 2003), scaled by its upper half.
inline std::uint64_t random_below(std::uint64_t& state, std::uint64_t bound) noexcept
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 32) * bound >> 32;
}

}
