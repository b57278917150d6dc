// A small generator, the same for a subject and its baseline, cheap beside what it picks for.
#pragma once

#include <cstdint>

namespace bench {

// Advances `state` (not 0) and returns a number in [0, bound). xorshift64 (Marsaglia 2003), scaled by its upper half.
inline std::uint64_t random_below(std::uint64_t& state, std::uint64_t bound) noexcept
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 32) * bound >> 32;
}

}
