// The table of switchers.
#include "cases/switchers.hpp"

namespace bench {
namespace {

// Those that cannot suspend come first.
const switcher_kind kinds[] = {
    {"none", keeps::nothing, tacet_switcher_none},
    {"coroutine", keeps::frame, nullptr},
    {"stackless", keeps::state, tacet_switcher_stackless},
#if defined(__x86_64__)
    {"asm", keeps::stack, tacet_switcher_asm},
#endif
    {"setjmp", keeps::stack, tacet_switcher_setjmp},
#if defined(__x86_64__)
    {"copying", keeps::copy, tacet_switcher_copying},
#endif
};

}

std::span<const switcher_kind> all_switchers()
{
    return kinds;
}

std::span<const switcher_kind> suspending_switchers()
{
    return std::span(kinds).subspan(1);
}

}
