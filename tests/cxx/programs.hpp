// Programs drawn at random: each from a seed, which a failure names. TACET_SEED=n runs one program, TACET_PROGRAMS=n so many.
#ifndef TESTS_CXX_PROGRAMS_HPP
#define TESTS_CXX_PROGRAMS_HPP

#include <tacet/tacet.hpp>

#include <catch2/catch_test_macros.hpp>

#include <cstdlib>
#include <random>

namespace tests {

inline std::int64_t result_of(std::int64_t r)
{
    return r < 0 ? -errno : r;
}

template <class T>
std::int64_t number_of(const tacet::result<T>& result)
{
    if (!result)
        return -result.error().value();
    if constexpr (std::is_void_v<T>)
        return 0;
    else
        return static_cast<std::int64_t>(*result);
}

inline std::uint32_t number_in_environment(const char* name, std::uint32_t otherwise)
{
    const char* text = std::getenv(name);
    return text != nullptr ? static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10)) : otherwise;
}

// Calls run(seed, executor), over rings of several sizes, always through the ring or not.
template <class Run>
void run_programs(std::uint32_t count, Run run)
{
    const std::uint32_t first = number_in_environment("TACET_SEED", std::random_device()());
    count = std::getenv("TACET_SEED") != nullptr ? 1 : number_in_environment("TACET_PROGRAMS", count);
    for (std::uint32_t i = 0; i < count; i++) {
        const std::uint32_t seed = first + i;
        CAPTURE(seed);
        tacet::executor_options options;
        options.ring_entries = seed % 3 == 0 ? 1 : 64;
        options.always_through_ring = seed % 2 == 0;
        tacet::executor executor(options);
        run(seed, executor);
        executor.run_until_idle();
        CHECK(executor.stats().in_flight == 0);
    }
}

}

#endif
