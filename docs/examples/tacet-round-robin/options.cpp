#include "options.hpp"

#include "../usage.hpp"

#include <fmt/format.h>

#include <string_view>

const char help_text[] = R"(usage: tacet-round-robin [option]...

Finds all ways to place N queens that do not attack each other, by many recursive searches that take turns: contexts,
resumed round-robin by a dispatcher on each thread, without an executor. Checks each find, and their number.

  -s, --switcher KIND  setjmp, asm or copying (default: asm)
  -t, --threads N      1 to 64 threads, a dispatcher each (default: 2)
  -c, --contexts N     1 to 100000 contexts, divided among the threads (default: 12)
  -q, --queens N       4 to 12 (default: 8)
  -p, --preallocated   stacks and save buffers from one block of memory a thread, taken before anything runs
  -h, --help           show this text

Exit status: 0: the number is right; 1: it is not, or something failed, the message says what; 2: wrong usage.
)";

namespace {

const char short_options[] = ":s:t:c:q:ph";

const option long_options[] = {
    {"switcher", required_argument, nullptr, 's'},
    {"threads", required_argument, nullptr, 't'},
    {"contexts", required_argument, nullptr, 'c'},
    {"queens", required_argument, nullptr, 'q'},
    {"preallocated", no_argument, nullptr, 'p'},
    {"help", no_argument, nullptr, 'h'},
    {},
};

switcher_kind parse_kind(std::string_view name)
{
    const switcher_kind kinds[] = {{"setjmp", &tacet_setjmp_ops},
                                   {"asm", &tacet_asm_ops},
                                   {"copying", &tacet_copying_ops}};
    for (const switcher_kind& kind : kinds) {
        if (name == kind.name)
            return kind;
    }
    throw usage_error(fmt::format("--switcher {}: there are setjmp, asm and copying", name));
}

void apply(options& options, int option, char** argv)
{
    switch (option) {
    case 's':
        options.kind = parse_kind(optarg);
        break;
    case 't':
        options.threads = parse_number("--threads", optarg, 1, 64);
        break;
    case 'c':
        options.contexts = parse_number("--contexts", optarg, 1, 100000);
        break;
    case 'q':
        options.queens = parse_number("--queens", optarg, 4, 12);
        break;
    case 'p':
        options.preallocated = true;
        break;
    case 'h':
        options.help = true;
        break;
    default:
        refuse_option(option, argv, short_options);
    }
}

}

options parse_options(int argc, char** argv)
{
    options options;
    opterr = 0;
    int option;
    while ((option = getopt_long(argc, argv, short_options, long_options, nullptr)) != -1)
        apply(options, option, argv);
    if (optind < argc)
        throw usage_error(fmt::format("{} is no option", argv[optind]));
    return options;
}
