// The command line.
#pragma once

#include <string>
#include <vector>

namespace grep {

struct options {
    std::string text; // what is looked for
    std::vector<std::string> paths;
    unsigned jobs = 0; // threads that search; 0: one for each processor
    bool numbered = false;
    bool names_only = false;
    bool help = false;
    bool version = false;
};

extern const char help_text[];

// Throws usage_error.
options parse_options(int argc, char** argv);

}
