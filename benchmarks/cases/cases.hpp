// The cases of tacet-bench: one row each in the table at the end of cases.cpp, one file each beside it.
#pragma once

#include "harness/measure.hpp"
#include "harness/report.hpp"

#include <span>
#include <string>

namespace bench {

struct options {
    bool quick = false;
    std::string tacet_cp; // the program that the case `copy` measures
    bench::plan plan;
    int copy_repetitions = 5; // each takes seconds
};

struct bench_case {
    const char* name;
    const char* one_op;
    report (*run)(const options& options);
};

std::span<const bench_case> all_cases();

// nullptr where there is none of that name.
const bench_case* find_case(std::string_view name);

report run_single(const options& options);
report run_launch(const options& options);
report run_yield(const options& options);
report run_nop(const options& options);
report run_read(const options& options);
report run_copy(const options& options);

}
