/* Waiting for the tasks of a dispatcher, and what it tells of itself. */
#include "dispatcher/support.hpp"

#include <atomic>
#include <cerrno>
#include <latch>
#include <thread>

using namespace support;

namespace {

const timespec no_time = {0, 0}, some_time = {0, 5000000};

}

TEST_CASE("a wait ends when few enough tasks are left, though others run on", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    const unsigned executors = GENERATE(1u, 2u, 6u);
    const std::size_t left = GENERATE(1u, 3u), count = GENERATE(0u, 1u, 7u, 2000u);
    CAPTURE(ring.name, executors, left, count);
    gate gate;
    jobs tasks, blockers;
    for (std::size_t i = 0; i < count; i++)
        tasks.emplace_back([](tacet_task*) { return 0; });
    for (std::size_t i = 0; i < left; i++)
        blockers.emplace_back([&](tacet_task*) { return gate.pass(), 0; }, TACET_PRIORITY_LOW);
    dispatcher dispatcher(executors, ring);
    dispatcher.submit(all_of(tasks));
    if (executors == 1)
        dispatcher.wait_unexecuted(); /* else a blocker may be in the way */
    dispatcher.submit(all_of(blockers));
    if (executors > left || executors == 1)
        dispatcher.wait_unexecuted(left);
    dispatcher.wait_undispatched(executors < left ? left - executors : 0);
    CHECK(tacet_dispatcher_wait_unexecuted(dispatcher, left - 1, &no_time) == -ETIME);
    CHECK(tacet_dispatcher_wait_unexecuted(dispatcher, 0, &some_time) == -ETIME);
    gate.open();
    dispatcher.wait_unexecuted();
    dispatcher.wait_undispatched();
}

TEST_CASE("many wait at once, for different counts, while tasks come and go", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    const unsigned executors = GENERATE(1u, 2u, 5u);
    CAPTURE(ring.name, executors);
    const std::size_t count = TACET_THREAD_SANITIZER ? 2000 : 20000;
    std::atomic<std::size_t> runs = 0;
    jobs tasks;
    for (std::size_t i = 0; i < count; i++)
        tasks.emplace_back([&](tacet_task*) { return ++runs, 0; });
    dispatcher dispatcher(executors, ring);
    std::latch submitted(1);
    std::atomic<int> failures = 0;
    std::vector<std::thread> waiters;
    for (std::size_t at_most : {count - 1, count / 2, count / 3, std::size_t{100}, std::size_t{1}, std::size_t{0}})
        for (bool for_start : {false, true})
            waiters.emplace_back([&, at_most, for_start] {
                submitted.wait();
                const auto wait = for_start ? tacet_dispatcher_wait_undispatched : tacet_dispatcher_wait_unexecuted;
                failures += wait(dispatcher, at_most, nullptr) != 0;
                failures += !for_start && runs < count - at_most;
                tacet_dispatcher_stats stats = {};
                failures += tacet_dispatcher_get_stats(dispatcher, &stats) != 0;
                failures += (for_start ? stats.undispatched : stats.unexecuted) > at_most;
            });
    dispatcher.submit(all_of(tasks));
    submitted.count_down();
    for (std::thread& waiter : waiters)
        waiter.join();
    CHECK(failures == 0);
    CHECK(runs == count);
}

TEST_CASE("a wait counts what its thread has submitted before", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    CAPTURE(ring.name);
    const int rounds = TACET_THREAD_SANITIZER ? 200 : 2000;
    dispatcher dispatcher(2, ring);
    std::vector<std::thread> threads;
    std::atomic<int> failures = 0;
    std::vector<jobs> own(4);
    std::vector<int> runs(own.size());
    for (std::size_t i = 0; i < own.size(); i++)
        own[i].emplace_back([&run = runs[i]](tacet_task*) { return ++run, 0; });
    for (std::size_t i = 0; i < own.size(); i++)
        threads.emplace_back([&, i] {
            for (int round = 1; round <= rounds; round++) {
                failures += tacet_dispatcher_submit(dispatcher, all_of(own[i]).data(), 1) != 1;
                failures += tacet_dispatcher_wait_unexecuted(dispatcher, 0, nullptr) != 0;
                failures += runs[i] != round;
            }
        });
    for (std::thread& thread : threads)
        thread.join();
    CHECK(failures == 0);
}

TEST_CASE("waits are refused with wrong arguments, and on a thread of the dispatcher", "[dispatcher]")
{
    dispatcher dispatcher(2);
    const timespec wrong = {0, 1000000000};
    CHECK(tacet_dispatcher_wait_unexecuted(nullptr, 0, nullptr) == -EINVAL);
    CHECK(tacet_dispatcher_wait_unexecuted(dispatcher, 0, &wrong) == -EINVAL);
    CHECK(tacet_dispatcher_wait_undispatched(dispatcher, 0, &no_time) == 0);
    std::vector<tacet_result> results;
    jobs tasks;
    tasks.emplace_back([&](tacet_task*) {
        results.push_back(tacet_dispatcher_wait_unexecuted(dispatcher, 0, nullptr));
        results.push_back(tacet_dispatcher_wait_undispatched(dispatcher, 0, &no_time));
        results.push_back(tacet_dispatcher_destroy(dispatcher));
        return 0;
    });
    dispatcher.submit(all_of(tasks));
    dispatcher.wait_unexecuted();
    CHECK(results == std::vector<tacet_result>(3, -EDEADLK));
}

TEST_CASE("a dispatcher counts its tasks and its executors", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    CAPTURE(ring.name);
    gate gate;
    jobs blockers;
    for (int i = 0; i < 5; i++)
        blockers.emplace_back([&](tacet_task*) { return gate.pass(), 0; });
    dispatcher dispatcher(3, ring);
    CHECK(dispatcher.stats().executors == 3);
    dispatcher.submit(all_of(blockers));
    gate.wait_for(3);
    tacet_dispatcher_stats stats = dispatcher.stats();
    CHECK(stats.executors == 3);
    CHECK(stats.working == 3);
    CHECK(stats.idle == 0);
    CHECK(stats.undispatched == 2);
    CHECK(stats.unexecuted == 5);
    CHECK(stats.executed == 0);
    for (unsigned i = 0; i < 3; i++) {
        const tacet_dispatcher_executor_stats each = dispatcher.stats(i);
        CHECK(each.exists);
        CHECK(each.working);
        CHECK(each.started == 1);
        CHECK(each.executed == 0);
        CHECK(each.processor_ns > 0);
        CHECK(tacet_dispatcher_executor(dispatcher, i) != nullptr);
    }
    gate.open();
    dispatcher.wait_unexecuted();
    do
        stats = dispatcher.stats();
    while (stats.idle < 3);
    CHECK(stats.working == 0);
    CHECK(stats.undispatched == 0);
    CHECK(stats.unexecuted == 0);
    CHECK(stats.executed == 5);
    std::uint64_t executed = 0;
    for (unsigned i = 0; i < 3; i++)
        executed += dispatcher.stats(i).executed;
    CHECK(executed == 5);

    tacet_dispatcher_executor_stats none;
    CHECK(tacet_dispatcher_get_executor_stats(dispatcher, 3, &none) == -EINVAL);
    CHECK(tacet_dispatcher_get_executor_stats(dispatcher, 0, nullptr) == -EINVAL);
    CHECK(tacet_dispatcher_get_executor_stats(nullptr, 0, &none) == -EINVAL);
    CHECK(tacet_dispatcher_get_stats(dispatcher, nullptr) == -EINVAL);
    CHECK(tacet_dispatcher_executor(dispatcher, 3) == nullptr);
    CHECK(tacet_dispatcher_executor(nullptr, 0) == nullptr);
}

TEST_CASE("an executor whose tasks all wait is idle, and takes others", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    CAPTURE(ring.name, switcher.name);
    const call sleep = [](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); };
    std::vector<task> sleepers;
    for (int i = 0; i < 20; i++)
        sleepers.emplace_back(switcher, std::vector<call>{sleep});
    dispatcher dispatcher(2, ring);
    dispatcher.submit({sleepers.begin(), sleepers.end()});
    dispatcher.wait_undispatched();
    while (dispatcher.stats().idle < 2) {
    }
    CHECK(dispatcher.stats().unexecuted == 20);
    jobs others;
    others.emplace_back([](tacet_task*) { return 0; });
    dispatcher.submit(all_of(others));
    dispatcher.wait_unexecuted(20);
    for (task& sleeper : sleepers)
        CHECK(tacet_task_cancel(sleeper) == 0);
    dispatcher.wait_unexecuted();
}

TEST_CASE("tasks that another thread attaches to a dispatcher's executor run there", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    CAPTURE(ring.name);
    jobs tasks;
    std::latch done(100);
    for (int i = 0; i < 100; i++)
        tasks.emplace_back([&](tacet_task*) { return done.count_down(), 0; });
    dispatcher dispatcher(2, ring);
    for (unsigned i = 0; i < 100; i++)
        REQUIRE(tacet_task_attach(tacet_dispatcher_executor(dispatcher, i % 2), tasks[i]) == 0);
    done.wait();
    CHECK(dispatcher.stats().executed == 0);
    CHECK(dispatcher.destroy() == 0); /* after which the tasks are ours */
}
