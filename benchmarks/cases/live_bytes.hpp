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

inline constexpr std::size_t live_bytes_max = 32768; // fits a stack of the usual size

// Bytes in a frame, whose size is fixed when the program is built: returns what make.template operator()<room>() does,
// room being the next of a few sizes that holds `bytes`, which are live_bytes_max at most.
template <class Make>
auto with_room_for(std::size_t bytes, const Make& make)
{
    if (bytes == 0)
        return make.template operator()<0>();
    if (bytes <= 256)
        return make.template operator()<256>();
    if (bytes <= 1000)
        return make.template operator()<1000>();
    if (bytes <= 10000)
        return make.template operator()<10000>();
    return make.template operator()<live_bytes_max>();
}

}
