// Whole programs: as contestants, timed from outside, or asked for what they measured themselves.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

// Runs a program to its end with its standard output thrown away and returns the nanoseconds that this took. Throws
// unavailable where it cannot be started, wrong_answer where it fails, and interrupted after Ctrl-C, by when the
// program has been told to end and has done so.
std::uint64_t run_program(const std::vector<std::string>& command);

struct program_answer {
    int status = 0; // what it exited with
    std::string output;
    std::string errors; // what it wrote to standard error
};

// The same, but keeps what the program says, and leaves it to the caller what its exit status means.
program_answer ask_program(const std::vector<std::string>& command);

}
