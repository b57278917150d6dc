#include "options.hpp"

#include "../usage.hpp"

#include <unistd.h>

namespace cp {

const char help_text[] = R"(usage: tacet-cp [option]... SOURCE... TARGET

Copies files and directory trees like `cp -r -p`, many files at once. Keeps modes, times, symbolic links and holes, and
owners where that is permitted; not hard links, extended attributes and access control lists. A file appears under its
name in TARGET when it is whole, not before, and replaces what has that name. Where TARGET is a directory, the copies
are made in it; more than one SOURCE needs that.

  -j N              N files at once, 1 to 4096 (default: 128)
      --verify      then read back both sides and compare types, modes, times, link targets and contents
      --verify-only copy nothing, only compare
  -q, --quiet       no progress, no summary; errors only
      --progress    show the progress even where standard error is no terminal
      --no-tmpfile  make files under a temporary name, not without one
  -h, --help        show this text
  -V, --version     show the version

Ctrl-C (SIGINT) and SIGTERM stop it: what is begun is finished if it is small and undone if it is large.

Exit status: 0: all is copied (and alike); 1: something is not, the messages say what; 2: wrong usage; 130, 143: stopped
by SIGINT, SIGTERM.
)";

namespace {

constexpr unsigned jobs_max = 4096;

enum long_option { verify = 256, verify_only, progress, no_tmpfile };

const char short_options[] = ":j:qhV";

const option long_options[] = {
    {"jobs", required_argument, nullptr, 'j'},
    {"verify", no_argument, nullptr, verify},
    {"verify-only", no_argument, nullptr, verify_only},
    {"quiet", no_argument, nullptr, 'q'},
    {"progress", no_argument, nullptr, progress},
    {"no-tmpfile", no_argument, nullptr, no_tmpfile},
    {"help", no_argument, nullptr, 'h'},
    {"version", no_argument, nullptr, 'V'},
    {},
};

void apply(options& options, int option, char** argv)
{
    switch (option) {
    case 'j':
        options.jobs = parse_number("-j", optarg, 1, jobs_max);
        break;
    case verify_only:
        options.copy = false;
        [[fallthrough]];
    case verify:
        options.verify = true;
        break;
    case 'q':
        options.quiet = true;
        break;
    case progress:
        options.progress = true;
        break;
    case no_tmpfile:
        options.unnamed = false;
        break;
    case 'h':
        options.help = true;
        break;
    case 'V':
        options.version = true;
        break;
    default:
        refuse_option(option, argv, short_options);
    }
}

void take_operands(options& options, std::vector<std::string> operands)
{
    if (operands.size() < 2)
        throw usage_error(operands.empty() ? "SOURCE and TARGET are missing" : "TARGET is missing");
    for (const std::string& operand : operands) {
        if (operand.empty())
            throw usage_error("an empty name");
    }
    options.target = std::move(operands.back());
    operands.pop_back();
    options.sources = std::move(operands);
}

}

options parse_options(int argc, char** argv)
{
    options options;
    options.progress = isatty(STDERR_FILENO) == 1;
    opterr = 0;
    int option;
    while ((option = getopt_long(argc, argv, short_options, long_options, nullptr)) != -1)
        apply(options, option, argv);
    if (options.quiet)
        options.progress = false;
    if (!options.help && !options.version)
        take_operands(options, {argv + optind, argv + argc});
    return options;
}

}
