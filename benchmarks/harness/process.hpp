// Whole programs as contestants: started, waited for, timed from outside.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

// Runs a program to its end with its standard output thrown away and returns the nanoseconds that this took. Throws
// unavailable where it cannot be started, wrong_answer where it fails, and interrupted after Ctrl-C, by when the
// program has been told to end and has done so.
std::uint64_t run_program(const std::vector<std::string>& command);

}
