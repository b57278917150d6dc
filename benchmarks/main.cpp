// tacet-bench: reads the command line, runs the chosen cases one after the other, prints a table for each and writes
// the JSON. Exit status: 0; 1 where a case could not run or computed something wrong; 2 for a command line that makes
// no sense; 130 after Ctrl-C.
#include "cases/cases.hpp"
#include "harness/errors.hpp"
#include "harness/interrupt.hpp"
#include "harness/machine.hpp"
#include "harness/output_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

namespace {

struct usage_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct command_line {
    std::vector<const bench::bench_case*> cases;
    bench::options options;
    std::string json_path;
    bool all = false;
    bool help = false;
    bool list = false;
};

void print_help()
{
    fmt::print("usage: tacet-bench CASE... [options]\n\n"
               "Measures tacet against baselines that run in the same process, turn by turn. The figure to look at\n"
               "is the ratio (ns_per_op to the baseline's, smaller is better): times differ between machines.\n\n"
               "cases:\n");
    for (const bench::bench_case& known : bench::all_cases())
        fmt::print("  {:<18}{}\n", known.name, known.one_op);
    fmt::print("  {:<18}every one of them\n\n"
               "options:\n"
               "  --json FILE       also write the figures to FILE (one document, or a list of them)\n"
               "  --quick           fewer and shorter repetitions, smaller files\n"
               "  --repetitions N   at least 5; default 9, with --quick and for `copy` 5\n"
               "  --tacet-cp PATH   the program that `copy` measures (default: ../docs/examples/tacet-cp, as seen\n"
               "                    from this program)\n"
               "  --list            the names of the cases, one a line\n"
               "  --help            this text\n",
               "all");
}

std::string known_case_names()
{
    std::string names;
    for (const bench::bench_case& known : bench::all_cases())
        names += fmt::format("{} ", known.name);
    return names + "all";
}

void add_case(command_line& line, std::string_view name)
{
    if (name == "all") {
        line.all = true;
        for (const bench::bench_case& known : bench::all_cases())
            add_case(line, known.name);
        return;
    }
    const bench::bench_case* found = bench::find_case(name);
    if (found == nullptr)
        throw usage_error(fmt::format("unknown case \"{}\"; known: {}", name, known_case_names()));
    if (std::find(line.cases.begin(), line.cases.end(), found) == line.cases.end())
        line.cases.push_back(found);
}

int parse_repetitions(std::string_view text)
{
    int number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || number < 5 || number > 1000)
        throw usage_error(fmt::format("--repetitions {}: not a number from 5 to 1000", text));
    return number;
}

command_line parse(const std::vector<std::string_view>& arguments)
{
    command_line line;
    std::optional<int> repetitions;
    for (std::size_t i = 0; i < arguments.size(); i++) {
        const std::string_view argument = arguments[i];
        const auto value = [&] {
            if (i + 1 == arguments.size())
                throw usage_error(fmt::format("{} needs a value", argument));
            return arguments[++i];
        };
        if (argument == "--help" || argument == "-h")
            line.help = true;
        else if (argument == "--list")
            line.list = true;
        else if (argument == "--quick")
            line.options.quick = true;
        else if (argument == "--json")
            line.json_path = value();
        else if (argument == "--repetitions")
            repetitions = parse_repetitions(value());
        else if (argument == "--tacet-cp")
            line.options.tacet_cp = value();
        else if (argument.starts_with("-"))
            throw usage_error(fmt::format("unknown option \"{}\"", argument));
        else
            add_case(line, argument);
    }
    if (line.options.quick)
        line.options.plan = bench::plan{.repetitions = 5, .slices = 8, .slice_ns = 1e6};
    line.options.plan.repetitions = repetitions.value_or(line.options.plan.repetitions);
    line.options.copy_repetitions = repetitions.value_or(line.options.copy_repetitions);
    return line;
}

std::string default_tacet_cp()
{
    std::error_code error;
    const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
    return error ? "tacet-cp" : self.parent_path().parent_path() / "docs" / "examples" / "tacet-cp";
}

// Returns whether every case gave its figures; with `all`, one that the machine cannot run is only reported.
bool run_cases(const command_line& line, std::vector<bench::report>& reports)
{
    bool complete = true;
    for (const bench::bench_case* chosen : line.cases) {
        try {
            reports.push_back(chosen->run(line.options));
            bench::print_table(stdout, reports.back());
            fmt::print("\n");
        } catch (const bench::unavailable& reason) {
            fmt::print(stderr, "tacet-bench: {}: skipped: {}\n", chosen->name, reason.what());
            complete &= line.all;
        } catch (const bench::wrong_answer& reason) {
            fmt::print(stderr, "tacet-bench: {}: wrong answer: {}\n", chosen->name, reason.what());
            complete = false;
        }
        std::fflush(stdout);
    }
    return complete;
}

int run(command_line line)
{
    if (line.help) {
        print_help();
        return 0;
    }
    if (line.list) {
        for (const bench::bench_case& known : bench::all_cases())
            fmt::print("{}\n", known.name);
        return 0;
    }
    if (line.cases.empty())
        throw usage_error(fmt::format("no case given; known: {}", known_case_names()));
    if (line.options.tacet_cp.empty())
        line.options.tacet_cp = default_tacet_cp();
    if (!bench::build_is_optimised())
        fmt::print(stderr, "tacet-bench: built without optimisation or with a sanitizer: the figures mean little\n");

    std::optional<bench::output_file> json;
    if (!line.json_path.empty())
        json.emplace(line.json_path);
    bench::install_interrupt_handler();
    std::vector<bench::report> reports;
    const bool complete = run_cases(line, reports);
    if (json && !reports.empty())
        json->commit(bench::to_json(reports));
    return complete ? 0 : 1;
}

}

int main(int argc, char** argv)
{
    try {
        return run(parse(std::vector<std::string_view>(argv + 1, argv + argc)));
    } catch (const usage_error& error) {
        fmt::print(stderr, "tacet-bench: {}\ntry: tacet-bench --help\n", error.what());
        return 2;
    } catch (const bench::interrupted&) {
        fmt::print(stderr, "tacet-bench: interrupted\n");
        return 130;
    } catch (const std::exception& error) {
        fmt::print(stderr, "tacet-bench: {}\n", error.what());
        return 1;
    }
}
