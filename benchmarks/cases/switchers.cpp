// The table of switchers.
#include "cases/switchers.hpp"

namespace bench {
namespace {

// Those that cannot suspend come first.
const switcher_kind kinds[] = {
    {"none", keeps::nothing, tacet_switcher_none},         {"coroutine", keeps::frame, nullptr},
    {"stackless", keeps::state, tacet_switcher_stackless}, {"asm", keeps::stack, tacet_switcher_asm},
    {"setjmp", keeps::stack, tacet_switcher_setjmp},       {"copying", keeps::copy, tacet_switcher_copying},
};

}

std::size_t task_bytes_min(const switcher_kind& kind)
{
    switch (kind.suspended) {
    case keeps::stack:
        return 4096 + 128;
    case keeps::copy:
        return 448;
    default:
        return 256;
    }
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
