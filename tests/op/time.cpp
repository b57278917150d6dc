/* Sleeping and yielding. No ring is needed for that. */
#include "support/support.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <random>

using namespace support;

namespace {

uint64_t now_ns()
{
    timespec now;
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

}

TEST_CASE("a sleep is never shorter than asked for", "[time]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    uint64_t start = 0;
    const uint64_t duration = GENERATE(1u, 1000u, 3000000u);
    task sleeper(switcher, {[&](tacet_task* self) {
                                start = now_ns();
                                return tacet_sleep(self, duration);
                            },
                            [&](tacet_task*) -> tacet_result {
                                CHECK(now_ns() - start >= duration);
                                return 0;
                            }});
    sleeper.attach(executor);
    CHECK(executor.run_until_idle() == 2);
    CHECK(sleeper.results() == std::vector<tacet_result>{0, 0});
}

TEST_CASE("sleeps end in the order of their deadlines", "[time]")
{
    struct sleep {
        tacet_op op = {}; /* first: the callback gets its address */
        uint64_t deadline_min = 0, deadline_max = 0;
    };
    executor executor(GENERATE(from_range(all_rings())));
    static std::vector<const sleep*> order;
    order.clear();
    std::mt19937 random(4);
    std::vector<sleep> sleeps(200);
    for (sleep& each : sleeps) {
        const auto callback = [](tacet_op* op) { order.push_back(reinterpret_cast<const sleep*>(op)); };
        REQUIRE(tacet_op_init_callback(&each.op, executor, callback, TACET_PRIORITY_NORMAL) == 0);
        const uint64_t duration = random() % 5000000;
        each.deadline_min = now_ns() + duration;
        REQUIRE(tacet_sleep_start(&each.op, nullptr, duration) == 0);
        each.deadline_max = now_ns() + duration;
    }
    CHECK(executor.run_until_idle() == 200);
    REQUIRE(order.size() == 200);
    bool inverted = false;
    for (std::size_t i = 1; i < order.size(); i++)
        inverted |= order[i - 1]->deadline_min > order[i]->deadline_max;
    CHECK_FALSE(inverted);
}

TEST_CASE("a sleep of no time is a yield: behind the ready ones, and without a timer", "[time]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    std::string log;
    const auto turn = [&log](char letter, bool by_sleep) {
        std::vector<call> calls;
        for (int i = 0; i < 3; i++) {
            calls.push_back([&log, letter](tacet_task*) -> tacet_result {
                log += letter;
                return 0;
            });
            calls.push_back(
                [by_sleep](tacet_task* self) { return by_sleep ? tacet_sleep(self, 0) : tacet_yield(self); });
        }
        return calls;
    };
    task a(switcher, turn('a', true)), b(switcher, turn('b', false));
    a.attach(executor);
    b.attach(executor);
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    CHECK(executor.stats().timers == 0);
    CHECK(executor.run_until_idle() == 7);
    CHECK(log == "ababab");
}

TEST_CASE("a cancelled sleep returns -ECANCELED and leaves no timer behind", "[time]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    std::vector<task> tasks;
    for (uint64_t i = 0; i < 50; i++) {
        tasks.emplace_back(switcher, std::vector<call>{[i](tacet_task* self) {
                               return tacet_sleep(self, TACET_FOREVER - i * 1000);
                           }});
        tasks.back().attach(executor);
    }
    CHECK(tacet_executor_run(executor, 50, nullptr) == 50);
    CHECK(executor.stats().timers == 50);
    for (std::size_t i = 0; i < tasks.size(); i++) {
        CHECK(tacet_task_cancel(tasks[(i * 7) % 50]) == 0);
        CHECK(executor.stats().timers == 49 - i);
    }
    CHECK(executor.run_until_idle() == 50);
    for (const task& each : tasks)
        CHECK(tacet_task_result(each) == -ECANCELED);
}

TEST_CASE("more timers than were reserved are no trouble", "[time]")
{
    tacet_executor_options options = {};
    options.timers_reserved = 1;
    executor executor(options);
    std::vector<tacet_op> ops(3000);
    static int called;
    called = 0;
    for (std::size_t i = 0; i < ops.size(); i++) {
        REQUIRE(tacet_op_init_callback(
                    &ops[i], executor, [](tacet_op*) { called++; }, TACET_PRIORITY_LOW) == 0);
        REQUIRE(tacet_sleep_start(&ops[i], nullptr, (i * 7919) % 3000) == 0);
    }
    CHECK(executor.stats().timers == 3000);
    CHECK(executor.run_until_idle() == 3000);
    CHECK(called == 3000);
}
