// The table of cases.
#include "cases/cases.hpp"

#include <string_view>

namespace bench {
namespace {

const bench_case cases[] = {
    {"single", "one task at a time: its way from attach to exit, step by step", run_single},
    {"launch", "attach a reused task, run it, exit; spawn a coroutine, run, destroy", run_launch},
    {"yield", "one suspension and resumption through the ready queue", run_yield},
    {"nop", "one io_uring no-op, from suspension to resumption", run_nop},
    {"read", "one random 4 KiB read of a cached file", run_read},
    {"cycle", "one message of the ring test: [N R M], or a sweep over sizes", run_cycle},
    {"memory", "bytes a task that is suspended in a sleep", run_memory},
    {"create", "create and destroy a task whose stack is in the pool", run_create},
    {"post", "attach to another thread's executor: kept busy; asleep", run_post},
    {"dispatch", "submit a task to the dispatcher, run it, exit", run_dispatch},
    {"timers", "cancel a timer and start another; expire one; a million live", run_timers},
    {"priority", "how late a task of high priority is among many of low priority", run_priority},
    {"order", "one write of 64 that reach their file in the order of their start", run_order},
    {"echo", "one message of 64 bytes over TCP and back; 1 to 256 connections", run_echo},
    {"cancel", "from a cancel to the resumption, by kind of what is waited for", run_cancel},
    {"soak", "the same, a billion times, each checked to have run once", run_soak, true},
    {"copy", "tacet-cp against cp -r -p: small files, and one large file", run_copy},
};

}

std::span<const bench_case> all_cases()
{
    return cases;
}

const bench_case* find_case(std::string_view name)
{
    for (const bench_case& candidate : cases) {
        if (name == candidate.name)
            return &candidate;
    }
    return nullptr;
}

}
