// What is in a regular file: copied, or compared.
#pragma once

#include "job.hpp"
#include "step.hpp"

#include <tacet/tacet.hpp>

#include <cstdint>
#include <optional>

namespace cp {

// A source and its target, both open.
struct file_pair {
    const tacet::file& source;
    const tacet::file& target;
    const struct statx& status; // the source's
    place source_place;
    place target_place;
};

// Holes stay holes. Throws failure, or stopped when that is requested in the middle of a large file.
tacet::task<void> copy_contents(job& job, const file_pair& files);

// The offset of the first byte that differs, or at which one of them ends. Throws failure, stopped.
tacet::task<std::optional<std::uint64_t>> compare_contents(job& job, const file_pair& files);

}
