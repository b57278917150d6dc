// The command line of tacet-round-robin.
#ifndef TACET_ROUND_ROBIN_OPTIONS_HPP
#define TACET_ROUND_ROBIN_OPTIONS_HPP

#include <tacet/switcher.h>

struct switcher_kind {
    const char* name;
    const tacet_switcher_ops* ops;
};

struct options {
    switcher_kind kind = {"asm", &tacet_asm_ops};
    unsigned threads = 2;
    unsigned contexts = 12;
    unsigned queens = 8;
    bool preallocated = false;
    bool help = false;
};

extern const char help_text[];

// Throws usage_error.
options parse_options(int argc, char** argv);

#endif
