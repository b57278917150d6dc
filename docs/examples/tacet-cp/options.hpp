// The command line.
#pragma once

#include <string>
#include <vector>

namespace cp {

struct options {
    std::vector<std::string> sources;
    std::string target;
    unsigned jobs = 128; // files at once
    bool copy = true;
    bool verify = false;
    bool quiet = false;
    bool progress = false;
    bool unnamed = true; // make files without a name, and name them when they are whole
    bool help = false;
    bool version = false;
};

extern const char help_text[];

// Throws usage_error.
options parse_options(int argc, char** argv);

}
