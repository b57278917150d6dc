#include "options.hpp"

#include "../usage.hpp"

namespace grep {

const char help_text[] = R"(usage: tacet-grep [option]... TEXT PATH...

Prints the lines that hold TEXT, of files and of all that is below directories, like `grep -r -F`: files are read by one
thread, searched by several. The files come in no particular order, the lines of a file in theirs. Of a file with a byte
of 0 only the name is told. Symbolic links are followed where they are a PATH, not below one.

  -j N           N threads search, 1 to 256 (default: one for each processor)
  -n             show the numbers of the lines
  -l             only the names of files that hold TEXT
  -h, --help     show this text
  -V, --version  show the version

Ctrl-C (SIGINT) and SIGTERM stop it.

Exit status: 0: there are such lines; 1: there are none; 2: something could not be read or written, the messages say
what, or wrong usage; 130, 143: stopped by SIGINT, SIGTERM.
)";

namespace {

constexpr unsigned jobs_max = 256;

const char short_options[] = ":j:nlhV";

const option long_options[] = {
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
    case 'n':
        options.numbered = true;
        break;
    case 'l':
        options.names_only = true;
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
        throw usage_error(operands.empty() ? "TEXT and PATH are missing" : "PATH is missing");
    options.text = std::move(operands.front());
    operands.erase(operands.begin());
    if (options.text.empty() || options.text.find('\n') != std::string::npos)
        throw usage_error("TEXT is part of one line, and not empty");
    options.paths = std::move(operands);
}

}

options parse_options(int argc, char** argv)
{
    options options;
    opterr = 0;
    int option;
    while ((option = getopt_long(argc, argv, short_options, long_options, nullptr)) != -1)
        apply(options, option, argv);
    if (!options.help && !options.version)
        take_operands(options, {argv + optind, argv + argc});
    return options;
}

}
