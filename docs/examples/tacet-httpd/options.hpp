// The command line.
#pragma once

#include <tacet/address.hpp>

#include <chrono>
#include <string>

namespace httpd {

struct options {
    tacet::address address;
    std::string folder;
    unsigned threads = 1;
    unsigned connections_max = 1000;     // of each thread
    std::chrono::seconds head_limit{10}; // for a request's head to come
    std::chrono::seconds idle_limit{30}; // between two requests
    std::chrono::seconds send_limit{30}; // for 64 KiB of an answer, or its rest, to go
    bool quiet = false;
    bool help = false;
    bool version = false;
};

extern const char help_text[];

// Throws usage_error.
options parse_options(int argc, char** argv);

}
