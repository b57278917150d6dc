// The part of the case `post` that is about executors that sleep.
#pragma once

#include "cases/cases.hpp"
#include "harness/crew.hpp"

namespace bench {

// A row for each way in which an executor can be woken; the crew is of two.
void add_idle_wakes(const options& options, report& report, crew& crew);

}
