// The cases of tacet-bench: one row each in the table at the end of cases.cpp, one file each beside it.
#pragma once

#include "harness/measure.hpp"
#include "harness/report.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace bench {

struct cycle_sizes {
    std::size_t n = 2;   // tasks in a ring
    std::size_t r = 1;   // rings
    std::uint64_t m = 0; // rounds a slice; 0: as many as make a good measurement
    std::size_t dead_bytes = 0;
    std::size_t threads = 1;
};

struct options {
    bool quick = false;
    std::string tacet_cp; // the program that the case `copy` measures
    bench::plan plan;
    int copy_repetitions = 5;           // each takes seconds
    std::optional<cycle_sizes> cycle;   // none: the standard sweep
    std::size_t producers = 1;          // threads that submit, in the case `dispatch`
    std::optional<std::size_t> workers; // of the dispatcher; none: what the case is about
    std::optional<std::uint64_t> tasks; // of the case `soak`; none: a billion, or a million with `quick`
    std::string compare_folder;         // with the programs that the case `cycle` measures beside ours
};

struct bench_case {
    const char* name;
    const char* one_op;
    report (*run)(const options& options);
    bool takes_minutes = false; // not part of `all`, but with `quick`
};

std::span<const bench_case> all_cases();

// nullptr where there is none of that name.
const bench_case* find_case(std::string_view name);

report run_single(const options& options);
report run_launch(const options& options);
report run_yield(const options& options);
report run_nop(const options& options);
report run_read(const options& options);
report run_cycle(const options& options);
report run_memory(const options& options);
report run_create(const options& options);
report run_copy(const options& options);
report run_post(const options& options);
report run_dispatch(const options& options);
report run_soak(const options& options);
report run_timers(const options& options);
report run_cancel(const options& options);
report run_echo(const options& options);
report run_priority(const options& options);
report run_order(const options& options);

// What a child of the case `memory` does: prints bytes grown, bytes that a task's body needs itself, and mappings, and
// ends the process.
[[noreturn]] void probe_memory(const std::string& name, std::size_t tasks);

}
