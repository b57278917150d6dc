// What memory there is, and what this process has of it.
#pragma once

#include <cstdint>

namespace bench {

// Bytes that could be taken without swapping, after /proc/meminfo; 0 where that cannot be read.
std::uint64_t available_memory_bytes();

// Bytes of this process in memory, counted page by page (the cheaper counters lag behind). Throws unavailable.
std::uint64_t resident_bytes();

// Lines of /proc/self/maps. Throws unavailable.
std::uint64_t mappings();

}
