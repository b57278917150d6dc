// Bytes that a body holds live while it is suspended: filled before, looked at after. Where they lie is the body's affair
// (its stack, its frame, its state), but for those on a stack that must be made there.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bench {

// Others for each owner, so that one that was swapped with another's is noticed.
inline unsigned char live_byte(std::uint64_t owner, std::size_t i) noexcept
{
    return static_cast<unsigned char>(owner * 151 + i * 31 + (i >> 8));
}

inline void fill_live(unsigned char* live, std::size_t bytes, std::uint64_t owner) noexcept
{
    for (std::size_t i = 0; i < bytes; i++)
        live[i] = live_byte(owner, i);
}

inline bool live_is_intact(const unsigned char* live, std::size_t bytes, std::uint64_t owner) noexcept
{
    for (std::size_t i = 0; i < bytes; i++) {
        if (live[i] != live_byte(owner, i))
            return false;
    }
    return true;
}

}
