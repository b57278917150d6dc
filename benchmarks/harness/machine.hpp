// The machine and the build that figures come from: without them a time in nanoseconds says little.
#pragma once

#include <string>

namespace bench {

struct machine {
    std::string cpu;
    long cores = 0;
    std::string kernel;
    std::string compiler;
    std::string liburing;
};

machine describe_machine();

// Built without optimisation or with a sanitizer: times are then meaningless, and main says so.
bool build_is_optimised() noexcept;

}
