// What is looked for in the bytes of a file, and how it is shown.
#pragma once

#include "options.hpp"

#include <string>

namespace grep {

// A file, read whole.
struct contents {
    std::string path;
    std::string bytes;
};

// What is to be printed of it; empty: nothing.
std::string search(const contents& file, const options& wanted);

}
