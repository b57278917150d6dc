// nops KIND ROUNDS: what count_instructions.py runs under callgrind. Prints the compiler, how many no-ops it did and how
// many allocations it made.
#include "nops.h"

#include <tacet/tacet.hpp>

#include <fmt/core.h>

#include <cstdlib>
#include <cstring>
#include <string_view>
#include <system_error>

namespace {

tacet::task<void> nops(std::uint64_t left)
{
    while (left-- > 0)
        co_await tacet::nop();
}

void run_coroutines(tacet::executor& executor, std::uint64_t rounds)
{
    for (int i = 0; i < COST_TASKS; i++)
        (void)executor.spawn(nops(rounds));
    executor.run_until_idle();
}

tacet_result run(std::string_view kind, tacet::executor& executor, std::uint64_t rounds)
{
    if (kind == "stackless")
        return run_stackless(executor.get(), rounds);
    if (kind == "inlined")
        return run_inlined(executor.get(), rounds);
    if (kind != "coroutine")
        return -EINVAL;
    run_coroutines(executor, rounds);
    return 0;
}

constexpr const char* compiler =
#if !defined(__OPTIMIZE__)
    "unoptimised";
#elif defined(__clang__)
    "clang";
#else
    "gcc";
#endif

int count(std::string_view kind, std::uint64_t rounds)
{
    tacet::executor executor;
    const std::uint64_t before = executor.stats().completed;
    const tacet_result r = run(kind, executor, rounds);
    if (r < 0) {
        fmt::print(stderr, "nops {}: {}\n", kind, std::strerror(static_cast<int>(-r)));
        return 1;
    }
    fmt::print("compiler {} operations {} allocations {}\n", compiler, executor.stats().completed - before,
               allocations());
    return 0;
}

}

int main(int argc, char** argv)
{
    if (argc != 3) {
        fmt::print(stderr, "usage: nops stackless|inlined|coroutine ROUNDS\n");
        return 2;
    }
    try {
        return count(argv[1], std::strtoull(argv[2], nullptr, 10));
    } catch (const std::system_error& refused) {
        fmt::print("SKIP: {}\n", refused.what());
        return 77;
    }
}
