/* What is started, once, in which order, and where. */
#include "dispatcher/support.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <latch>
#include <memory>
#include <thread>

using namespace support;

TEST_CASE("from any number of producers to any number of executors, each task is executed exactly once", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    const unsigned producers = GENERATE(1u, 2u, 8u), executors = GENERATE(1u, 2u, 8u);
    const std::uint64_t spin_ns = GENERATE(0u, 20000u);
    CAPTURE(ring.name, producers, executors, spin_ns);
    const std::size_t count = TACET_THREAD_SANITIZER ? 500 : 3000;
    std::vector<std::atomic<int>> runs(producers * count);
    std::vector<jobs> tasks(producers);
    for (unsigned p = 0; p < producers; p++)
        for (std::size_t i = 0; i < count; i++)
            tasks[p].emplace_back([&run = runs[p * count + i]](tacet_task*) { return ++run; },
                                  static_cast<tacet_priority>(i % TACET_PRIORITY_COUNT));
    tacet_dispatcher_options options = {};
    options.spin_ns = spin_ns;
    dispatcher dispatcher(executors, ring, options);
    std::atomic<std::size_t> taken = 0;
    std::vector<std::thread> threads;
    for (unsigned p = 0; p < producers; p++)
        threads.emplace_back([&, all = all_of(tasks[p])] {
            for (std::size_t i = 0, n = 1; i < count; i += n, n = n % 97 + 1) {
                n = std::min(n, count - i);
                const tacet_result r = tacet_dispatcher_submit(dispatcher, &all[i], n);
                taken += r > 0 ? static_cast<std::size_t>(r) : 0;
            }
        });
    for (std::thread& thread : threads)
        thread.join();
    CHECK(taken == runs.size());
    dispatcher.wait_unexecuted();
    CHECK(std::count(runs.begin(), runs.end(), 1) == static_cast<std::ptrdiff_t>(runs.size()));
    CHECK(dispatcher.stats().executed == runs.size());
}

TEST_CASE("tasks are submitted again as soon as they have been waited for", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    const unsigned executors = GENERATE(1u, 2u, 3u);
    const switcher_kind& switcher = GENERATE(from_range(all_switchers()));
    CAPTURE(ring.name, executors, switcher.name);
    const int rounds = TACET_THREAD_SANITIZER ? 100 : 1000;
    std::vector<int> runs(7); /* not atomic: the wait orders them */
    jobs tasks;
    for (int& run : runs)
        tasks.emplace_back([&run](tacet_task*) { return ++run; }, TACET_PRIORITY_NORMAL, switcher.instance());
    dispatcher dispatcher(executors, ring);
    for (int round = 1; round <= rounds; round++) {
        dispatcher.submit(all_of(tasks));
        dispatcher.wait_unexecuted();
        REQUIRE(runs == std::vector<int>(runs.size(), round));
    }
}

TEST_CASE("tasks of every switcher wait and go on where they were started", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    CAPTURE(ring.name, switcher.name);
    const std::size_t count = 200;
    std::vector<std::thread::id> began(count), ended(count);
    std::vector<task> tasks;
    for (std::size_t i = 0; i < count; i++) {
        const call begin = [&, i](tacet_task*) { return began[i] = std::this_thread::get_id(), 1; };
        const call end = [&, i](tacet_task*) { return ended[i] = std::this_thread::get_id(), 2; };
        const call sleep = [i](tacet_task* self) { return tacet_sleep(self, i % 5 * 100000); };
        tasks.emplace_back(switcher, std::vector<call>{begin, tacet_yield, sleep, end});
    }
    dispatcher dispatcher(3, ring);
    dispatcher.submit({tasks.begin(), tasks.end()});
    dispatcher.wait_unexecuted();
    CHECK(began == ended);
    for (task& task : tasks) {
        CHECK(tacet_task_has_exited(task));
        CHECK(task.results() == std::vector<tacet_result>{1, 0, 0, 2});
    }
}

TEST_CASE("of what has not been started, higher priorities come first, and each in the order of its coming",
          "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    const bool many_are_laid_aside = GENERATE(false, true);
    CAPTURE(ring.name, many_are_laid_aside);
    std::vector<int> order;
    gate gate;
    jobs blocker, tasks;
    blocker.emplace_back([&](tacet_task*) { return gate.pass(), 0; });
    for (int i = 0; i < 600; i++)
        tasks.emplace_back([&order, i](tacet_task*) { return order.push_back(i), 0; },
                           static_cast<tacet_priority>((i * 7 + i / 3) % 3));
    dispatcher dispatcher(1, ring);
    if (many_are_laid_aside)
        run_short_tasks(dispatcher, 2000);
    dispatcher.submit(all_of(blocker));
    gate.wait_for(1);
    const std::vector<tacet_task*> all = all_of(tasks);
    dispatcher.submit({all.begin(), all.begin() + 100});
    dispatcher.submit({all.begin() + 100, all.end()});
    gate.open();
    dispatcher.wait_unexecuted();
    REQUIRE(order.size() == tasks.size());
    const auto level = [](int i) { return (i * 7 + i / 3) % 3; };
    CHECK(std::is_sorted(order.begin(), order.end(),
                         [&](int a, int b) { return std::pair(level(a), a) < std::pair(level(b), b); }));
}

TEST_CASE("a task of higher priority is the next, whatever has been laid aside", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    const tacet_priority higher = GENERATE(TACET_PRIORITY_HIGH, TACET_PRIORITY_NORMAL);
    CAPTURE(ring.name, higher);
    std::vector<int> order;
    tacet_dispatcher* handle = nullptr;
    jobs urgent, tasks;
    urgent.emplace_back([&](tacet_task*) { return order.push_back(-1), 0; }, higher);
    for (int i = 0; i < 1000; i++)
        tasks.emplace_back(
            [&, i](tacet_task*) {
                order.push_back(i);
                return i == 777 ? tacet_dispatcher_submit(handle, all_of(urgent).data(), 1) : 0;
            },
            TACET_PRIORITY_LOW);
    dispatcher dispatcher(1, ring);
    handle = dispatcher;
    dispatcher.submit(all_of(tasks));
    dispatcher.wait_unexecuted();
    REQUIRE(order.size() == tasks.size() + 1);
    CHECK(order[778] == -1);
    CHECK(tacet_task_result(tasks[777]) == 1);
}

TEST_CASE("tasks that yield for ever keep no other from being started", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    const unsigned executors = GENERATE(1u, 2u);
    const tacet_priority priority = GENERATE(TACET_PRIORITY_HIGH, TACET_PRIORITY_NORMAL, TACET_PRIORITY_LOW);
    CAPTURE(ring.name, executors, priority);
    std::atomic<bool> stop = false;
    jobs yielding, others;
    for (unsigned i = 0; i < 2 * executors; i++)
        yielding.emplace_back([&](tacet_task*) { return stop ? 0 : TACET_PENDING; }, priority);
    for (int i = 0; i < 100; i++)
        others.emplace_back([](tacet_task*) { return 0; }, priority);
    dispatcher dispatcher(executors, ring);
    dispatcher.submit(all_of(yielding));
    dispatcher.wait_undispatched();
    dispatcher.submit(all_of(others));
    dispatcher.wait_unexecuted(yielding.size());
    stop = true;
    dispatcher.wait_unexecuted();
}

TEST_CASE("a long task does not hold up those that were pulled with it", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    const unsigned executors = GENERATE(2u, 5u);
    const std::size_t place = GENERATE(0u, 20u); /* of the long one */
    CAPTURE(ring.name, executors, place);
    for (int round = 0; round < 5; round++) {
        const std::size_t count = 40;
        std::latch others(count - 1);
        jobs tasks;
        for (std::size_t i = 0; i < count; i++)
            tasks.emplace_back([&others, i, place](tacet_task*) {
                i == place ? others.wait() : others.count_down();
                return 0;
            });
        dispatcher dispatcher(executors, ring);
        run_short_tasks(dispatcher);
        dispatcher.submit(all_of(tasks));
        dispatcher.wait_unexecuted();
        CHECK(dispatcher.stats().unexecuted == 0);
    }
}

TEST_CASE("as many tasks run at once as there are executors", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    const unsigned executors = GENERATE(2u, 7u);
    const bool were_short = GENERATE(false, true), one_by_one = GENERATE(false, true);
    const std::uint64_t spin_ns = GENERATE(0u, 1000000u);
    CAPTURE(ring.name, executors, were_short, one_by_one, spin_ns);
    tacet_dispatcher_options options = {};
    options.spin_ns = spin_ns;
    std::latch all(executors);
    jobs tasks;
    for (unsigned i = 0; i < executors; i++)
        tasks.emplace_back([&](tacet_task*) { return all.arrive_and_wait(), 0; });
    dispatcher dispatcher(executors, ring, options);
    if (were_short)
        run_short_tasks(dispatcher);
    if (one_by_one)
        for (tacet_task* task : all_of(tasks))
            dispatcher.submit(task);
    else
        dispatcher.submit(all_of(tasks));
    dispatcher.wait_unexecuted();
    for (unsigned i = 0; were_short == false && i < executors; i++)
        CHECK(dispatcher.stats(i).started == 1);
}

namespace {

/* Submits two of its kind until all are. */
struct tree {
    std::vector<std::unique_ptr<job>> nodes;
    std::atomic<int> runs = 0, failures = 0;
    tacet_dispatcher* dispatcher = nullptr;

    explicit tree(std::size_t count)
    {
        for (std::size_t i = 0; i < count; i++)
            nodes.push_back(std::make_unique<job>([this, i](tacet_task*) { return grow(i); }));
    }

    tacet_result grow(std::size_t i)
    {
        runs++;
        for (std::size_t child : {2 * i + 1, 2 * i + 2}) {
            if (child >= nodes.size())
                continue;
            tacet_task* task = *nodes[child];
            failures += tacet_dispatcher_submit(dispatcher, &task, 1) != 1;
        }
        return 0;
    }
};

}

TEST_CASE("tasks submit tasks", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    const unsigned executors = GENERATE(1u, 2u, 4u);
    CAPTURE(ring.name, executors);
    tree tree(TACET_THREAD_SANITIZER ? 1000 : 10000);
    dispatcher dispatcher(executors, ring);
    tree.dispatcher = dispatcher;
    dispatcher.submit(*tree.nodes[0]);
    dispatcher.wait_unexecuted();
    CHECK(tree.runs == static_cast<int>(tree.nodes.size()));
    CHECK(tree.failures == 0);
}

TEST_CASE("a task that is cancelled before it is started finds that out when it is", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    CAPTURE(ring.name, switcher.name);
    gate gate;
    jobs blocker;
    blocker.emplace_back([&](tacet_task*) { return gate.pass(), 0; });
    const call sleep = [](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); };
    task sleeper(switcher, {sleep});
    dispatcher dispatcher(1, ring);
    dispatcher.submit(all_of(blocker));
    gate.wait_for(1);
    dispatcher.submit(sleeper);
    CHECK(tacet_task_cancel(sleeper) == 0);
    CHECK(tacet_task_cancel(sleeper) == 0);
    gate.open();
    dispatcher.wait_unexecuted();
    CHECK(tacet_task_cancel_requested(sleeper));
    CHECK(sleeper.results() == std::vector<tacet_result>{-ECANCELED});
}

TEST_CASE("tasks are cancelled from another thread, however far they have come", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    CAPTURE(ring.name, switcher.name);
    const call sleep = [](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); };
    std::vector<task> tasks;
    for (int i = 0; i < 500; i++)
        tasks.emplace_back(switcher, std::vector<call>{sleep});
    dispatcher dispatcher(2, ring);
    std::size_t cancelled = 0;
    for (task& task : tasks) {
        dispatcher.submit(task);
        cancelled += tacet_task_cancel(task) == 0;
    }
    CHECK(cancelled == tasks.size());
    dispatcher.wait_unexecuted();
    for (const task& task : tasks)
        CHECK(task.results() == std::vector<tacet_result>{-ECANCELED});
}

TEST_CASE("what cannot be submitted stays its creator's", "[dispatcher]")
{
    gate gate;
    jobs tasks;
    for (int i = 0; i < 3; i++)
        tasks.emplace_back([&](tacet_task*) { return gate.pass(), 0; });
    tacet_task* bodiless = nullptr;
    REQUIRE(tacet_task_create(&bodiless, tacet_switcher_none(), nullptr) == 0);
    executor executor;
    dispatcher dispatcher(1);
    tacet_task *first = tasks[0], *second = tasks[1], *third = tasks[2], *none = nullptr;
    CHECK(tacet_dispatcher_submit(nullptr, &first, 1) == -EINVAL);
    CHECK(tacet_dispatcher_submit(dispatcher, nullptr, 1) == -EINVAL);
    CHECK(tacet_dispatcher_submit(dispatcher, nullptr, 0) == 0);
    CHECK(tacet_dispatcher_submit(dispatcher, &none, 1) == -EINVAL);
    CHECK(tacet_dispatcher_submit(dispatcher, &bodiless, 1) == -EINVAL);

    tacet_task* const mixed[] = {first, second, bodiless, third};
    CHECK(tacet_dispatcher_submit(dispatcher, mixed, 4) == 2);
    CHECK(tacet_dispatcher_submit(dispatcher, &first, 1) == -EBUSY);
    CHECK(tacet_dispatcher_submit(dispatcher, &second, 1) == -EBUSY);
    CHECK(tacet_task_attach(executor, second) == -EBUSY);
    CHECK(tacet_task_destroy(second) == -EBUSY);
    CHECK(tacet_task_attach(executor, third) == 0);
    CHECK(tacet_dispatcher_submit(dispatcher, &third, 1) == -EBUSY);
    gate.open();
    CHECK(executor.run_until_idle() == 1);
    dispatcher.wait_unexecuted();
    CHECK(tacet_task_result(second) == 0);
    CHECK(tacet_task_destroy(bodiless) == 0);
}
