// tacet-bench: runs the chosen cases one after the other, prints a table for each and writes
// the JSON. Exit status: 0; 1 where a case could not run or computed something wrong; 2 for a command line that makes
// no sense; 130 after Ctrl-C.
#include "cases/cases.hpp"
#include "command_line.hpp"
#include "harness/errors.hpp"
#include "harness/interrupt.hpp"
#include "harness/machine.hpp"
#include "harness/output_file.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

// Where another program or folder of the build lies, as seen from the folder of this one; empty if that is unknown.
std::string beside_this_program(const char* relative)
{
    std::error_code error;
    const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
    return error ? "" : (self.parent_path() / relative).lexically_normal();
}

// Returns whether every case gave its figures; with `all`, one that the machine cannot run is only reported.
bool run_cases(const bench::command_line& line, std::vector<bench::report>& reports)
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

int run(bench::command_line line)
{
    if (line.help) {
        bench::print_help();
        return 0;
    }
    if (line.list) {
        for (const bench::bench_case& known : bench::all_cases()) {
            if (!known.takes_minutes || line.options.quick)
                fmt::print("{}\n", known.name);
        }
        return 0;
    }
    if (!line.memory_probe.empty())
        bench::probe_memory(line.memory_probe, line.memory_probe_tasks);
    if (line.cases.empty())
        throw bench::usage_error(fmt::format("no case given; known: {}", bench::known_case_names()));
    if (line.options.tacet_cp.empty())
        line.options.tacet_cp = beside_this_program("../docs/examples/tacet-cp");
    if (line.options.compare_folder.empty())
        line.options.compare_folder = beside_this_program("compare");
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
        return run(bench::parse(std::vector<std::string_view>(argv + 1, argv + argc)));
    } catch (const bench::usage_error& error) {
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
