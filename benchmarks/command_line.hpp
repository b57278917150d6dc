// The command line of tacet-bench.
#pragma once

#include "cases/cases.hpp"

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

// It makes no sense; what() says why.
struct usage_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct command_line {
    std::vector<const bench_case*> cases;
    bench::options options;
    std::string json_path;
    bool all = false;
    bool help = false;
    bool list = false;
    std::string memory_probe; // --probe-memory, for the children of the case `memory`: the name of a switcher
    std::size_t memory_probe_tasks = 0;
};

// Throws usage_error.
command_line parse(const std::vector<std::string_view>& arguments);

void print_help();

// The names of all cases, and `all`.
std::string known_case_names();

}
