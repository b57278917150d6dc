// What all that takes part in one run of the program shares.
#pragma once

#include "buffers.hpp"
#include "options.hpp"
#include "report.hpp"
#include "stop.hpp"

#include <unistd.h>

namespace cp {

// Up to small_bytes a file is read and written in one piece. Pieces of larger ones are so large because on memory file
// systems each is a trip to a kernel thread: of 64 KiB they took twice as long.
inline constexpr std::size_t small_bytes = 64 << 10;
inline constexpr std::size_t piece_bytes = 1 << 20;
inline constexpr unsigned pieces_at_once = 4; // of one file: some are read while one is written
inline constexpr unsigned pieces_in_memory_max = 16;

struct job {
    const options& wanted;
    report said;
    stop_request stop;
    buffer_pool small;
    buffer_pool pieces{piece_bytes, pieces_in_memory_max};
    const uid_t user = geteuid();

    explicit job(const options& options) : wanted(options), small(small_bytes, options.jobs) {}
};

}
