// The ring test in other people's runtimes: programs of benchmarks/compare/, which lie beside tacet-bench where they were
// built. `cycle-NAME N R M D P` runs the rule of the case `cycle` and prints `ok MESSAGES NANOSECONDS`.
#pragma once

#include "cases/cases.hpp"
#include "harness/measure.hpp"

#include <memory>
#include <span>
#include <string>

namespace bench {

struct program_kind {
    const char* name;
    std::size_t task_bytes; // of memory that a task takes at least
    std::size_t tasks_max;  // what it can hold
};

std::span<const program_kind> all_programs();

std::string program_path(const std::string& folder, const program_kind& kind);

// Throws unavailable, with what it says, where it cannot hold that many.
std::unique_ptr<contestant> make_program(const std::string& path, const cycle_sizes& sizes);

}
