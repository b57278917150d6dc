// The switchers that exist, one row each, for all cases: what a case measures of one it measures of all.
#pragma once

#include <tacet/switcher.h>

#include <cstddef>
#include <span>

namespace bench {

// What is left of a task while it is suspended; by that its body is written.
enum class keeps {
    nothing, // it cannot suspend
    frame,   // a C++ coroutine's
    state,   // what the body wrote down before it returned
    stack,   // its own
    copy,    // of its part of a stack that it shares; the body is written as for one of its own
};

struct switcher_kind {
    const char* name;
    keeps suspended;
    tacet_switcher* (*instance)(); // nullptr for coroutines, which the C++ layer runs
};

// What a suspended task takes at the least, roughly: for telling what will not fit.
std::size_t task_bytes_min(const switcher_kind& kind);

// With those that cannot suspend, and without.
std::span<const switcher_kind> all_switchers();
std::span<const switcher_kind> suspending_switchers();

}
