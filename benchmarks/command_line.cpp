// Reading it, and the text of --help.
#include "command_line.hpp"

#include "cases/live_bytes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

namespace bench {
namespace {

constexpr std::uint64_t ring_tasks_max = 10'000; // the baseline nests its calls as deep
constexpr std::uint64_t rings_max = 100'000'000;
constexpr std::uint64_t rounds_max = 1'000'000'000'000;
constexpr std::uint64_t threads_max = 1'000;
constexpr std::uint64_t probed_tasks_max = 1'000'000'000;
constexpr std::uint64_t soaked_tasks_max = 1'000'000'000'000'000;
constexpr std::uint64_t workers_max = 1'000;
constexpr std::uint64_t producers_max = 64;

std::uint64_t parse_number(std::string_view what, std::string_view text, std::uint64_t least, std::uint64_t most)
{
    std::uint64_t number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || number < least || number > most)
        throw usage_error(fmt::format("{} {}: not a number from {} to {}", what, text, least, most));
    return number;
}

// A number, or one that is followed by `e` and how many zeros.
std::uint64_t parse_large_number(std::string_view what, std::string_view text, std::uint64_t most)
{
    const std::size_t e = text.find('e');
    if (e == std::string_view::npos)
        return parse_number(what, text, 1, most);
    std::uint64_t number = parse_number(what, text.substr(0, e), 1, most);
    for (std::uint64_t zeros = parse_number(what, text.substr(e + 1), 0, 18); zeros > 0 && number <= most; zeros--)
        number *= 10;
    if (number > most)
        throw usage_error(fmt::format("{} {}: more than {}", what, text, most));
    return number;
}

class parser {
public:
    explicit parser(const std::vector<std::string_view>& arguments) : arguments_(arguments) {}

    command_line parse()
    {
        while (at_ < arguments_.size()) {
            const std::string_view argument = arguments_[at_++];
            if (argument.starts_with("-"))
                take_option(argument);
            else
                add_case(argument);
        }
        finish();
        return std::move(line_);
    }

private:
    void take_option(std::string_view option);
    void add_case(std::string_view name);
    void take_memory_probe(std::string_view option);
    void take_ring_sizes();
    void add_all_cases();
    void finish();

    std::string_view value_of(std::string_view option)
    {
        if (at_ == arguments_.size())
            throw usage_error(fmt::format("{} needs a value", option));
        return arguments_[at_++];
    }
    std::uint64_t number_of(std::string_view option, std::uint64_t least, std::uint64_t most)
    {
        return parse_number(option, value_of(option), least, most);
    }

    const std::vector<std::string_view>& arguments_;
    std::size_t at_ = 0;
    command_line line_;
    std::optional<int> repetitions_;
    std::optional<std::size_t> dead_bytes_, threads_;
};

void parser::take_option(std::string_view option)
{
    if (option == "--help" || option == "-h")
        line_.help = true;
    else if (option == "--list")
        line_.list = true;
    else if (option == "--quick")
        line_.options.quick = true;
    else if (option == "--json")
        line_.json_path = value_of(option);
    else if (option == "--repetitions")
        repetitions_ = static_cast<int>(number_of(option, 5, 1000));
    else if (option == "--tacet-cp")
        line_.options.tacet_cp = value_of(option);
    else if (option == "--compare-folder")
        line_.options.compare_folder = value_of(option);
    else if (option == "--dead")
        dead_bytes_ = number_of(option, 0, live_bytes_max);
    else if (option == "--threads")
        threads_ = number_of(option, 1, threads_max);
    else if (option == "--workers")
        line_.options.workers = number_of(option, 1, workers_max);
    else if (option == "--producers")
        line_.options.producers = number_of(option, 1, producers_max);
    else if (option == "--tasks")
        line_.options.tasks = parse_large_number(option, value_of(option), soaked_tasks_max);
    else if (option == "--probe-memory")
        take_memory_probe(option);
    else
        throw usage_error(fmt::format("unknown option \"{}\"", option));
}

void parser::take_memory_probe(std::string_view option)
{
    line_.memory_probe = value_of(option);
    line_.memory_probe_tasks = number_of(option, 1, probed_tasks_max);
}

void parser::add_case(std::string_view name)
{
    if (name == "all") {
        line_.all = true;
        return;
    }
    const bench_case* found = find_case(name);
    if (found == nullptr)
        throw usage_error(fmt::format("unknown case \"{}\"; known: {}", name, known_case_names()));
    if (std::find(line_.cases.begin(), line_.cases.end(), found) == line_.cases.end())
        line_.cases.push_back(found);
    if (name == "cycle" && at_ < arguments_.size() && std::isdigit(static_cast<unsigned char>(arguments_[at_][0])))
        take_ring_sizes();
}

void parser::take_ring_sizes()
{
    cycle_sizes sizes;
    sizes.n = number_of("cycle N", 1, ring_tasks_max);
    sizes.r = number_of("cycle R", 1, rings_max);
    sizes.m = number_of("cycle M", 1, rounds_max);
    line_.options.cycle = sizes;
}

// Now that it is known whether they are to be quick.
void parser::add_all_cases()
{
    for (const bench_case& known : all_cases()) {
        if (!known.takes_minutes || line_.options.quick)
            add_case(known.name);
    }
}

void parser::finish()
{
    if (line_.all)
        add_all_cases();
    std::optional<cycle_sizes>& cycle = line_.options.cycle;
    if ((dead_bytes_ || threads_) && !cycle)
        throw usage_error("--dead and --threads go with: cycle N R M");
    if (cycle) {
        cycle->dead_bytes = dead_bytes_.value_or(0);
        cycle->threads = threads_.value_or(1);
        if (cycle->threads > cycle->r)
            throw usage_error("cycle N R M: R is to be as many as the threads at least");
    }
    if (line_.options.quick)
        line_.options.plan = plan{.repetitions = 5, .slices = 8, .slice_ns = 1e6};
    line_.options.plan.repetitions = repetitions_.value_or(line_.options.plan.repetitions);
    line_.options.copy_repetitions = repetitions_.value_or(line_.options.copy_repetitions);
}

}

std::string known_case_names()
{
    std::string names;
    for (const bench_case& known : all_cases())
        names += fmt::format("{} ", known.name);
    return names + "all";
}

command_line parse(const std::vector<std::string_view>& arguments)
{
    return parser(arguments).parse();
}

void print_help()
{
    fmt::print("usage: tacet-bench CASE... [options]\n"
               "       tacet-bench cycle N R M [--dead D] [--threads P] [options]\n"
               "       tacet-bench soak [--tasks 1e9] [--workers N] [--json FILE]\n\n"
               "Measures tacet against baselines that run in the same process, turn by turn. The figure to look at\n"
               "is the ratio (ns_per_op to the baseline's, smaller is better): times differ between machines.\n\n"
               "cases:\n");
    for (const bench_case& known : all_cases())
        fmt::print("  {:<18}{}\n", known.name, known.one_op);
    fmt::print("  {:<18}every one of them; `soak` only with --quick\n\n"
               "options:\n"
               "  --json FILE       also write the figures to FILE (one document, or a list of them)\n"
               "  --quick           fewer and shorter repetitions, smaller files\n"
               "  --repetitions N   at least 5; default 9, with --quick and for `copy` 5\n"
               "  --tacet-cp PATH   the program that `copy` measures (default: ../docs/examples/tacet-cp, as seen\n"
               "                    from this program)\n"
               "  --compare-folder FOLDER\n"
               "                    where the programs lie that `cycle` measures beside ours (default: compare, as\n"
               "                    seen from this program)\n"
               "  --dead D          with `cycle N R M`: each task holds D more bytes live, at most {}\n"
               "  --threads P       with `cycle N R M`: the R rings divided among P threads\n"
               "  --workers N       threads of the dispatcher (default: of `dispatch` 2 and 64, of `soak` 2)\n"
               "  --producers N     threads that submit in `dispatch` (default: 1)\n"
               "  --tasks N         of `soak`; 5e8 is understood (default: 1e9, with --quick 1e6)\n"
               "  --list            the names of the cases that are part of `all`, one a line\n"
               "  --help            this text\n\n"
               "cycle N R M: rings of N tasks, R of them, M rounds; without, a sweep over sizes of some minutes.\n",
               "all", live_bytes_max);
}

}
