/* At each point where a task can be suspended: cancelled, released, destroyed with its executor, moved; many at once. */
#include "support/waits.hpp"
#include "switcher/kinds.hpp"

#include <cerrno>
#include <cstring>
#include <memory>
#include <thread>

using namespace support;

namespace {

switcher_kind any_way()
{
    return GENERATE(from_range(suspending_ways()));
}

/* One task that waits, another for whose end it may wait. The executor is to go first: it may have an op in flight. */
struct waiting_pair {
    waits what;
    task never, waiter;

    waiting_pair(const switcher_kind& way, const std::string& name)
        : never(way, {[](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); }}),
          waiter(way, {what.make(name), [](tacet_task* self) { return tacet_yield(self); }})
    {
        what.never = never;
    }

    void start(tacet_executor* executor)
    {
        never.attach(executor);
        waiter.attach(executor);
        CHECK(tacet_executor_run(executor, 2, nullptr) == 2);
    }
};

/* Deep in its stack, with memory there that must stay, and a destructor that must run. */
struct guard {
    int* left;
    ~guard() { ++*left; }
};

[[gnu::noinline]] tacet_result wait_deep(tacet_task* self, const call& wait, int depth, int* left)
{
    const guard counts{left};
    volatile char frame[200];
    std::memset(const_cast<char*>(frame), depth, sizeof frame);
    const tacet_result r = depth > 0 ? wait_deep(self, wait, depth - 1, left) : wait(self);
    for (const volatile char& each : frame)
        if (each != depth)
            return -EILSEQ;
    return r;
}

}

TEST_CASE("a task is cancelled at every point of suspension, and goes on", "[switcher]")
{
    const ring_kind& ring = GENERATE(from_range(all_rings()));
    const switcher_kind way = any_way();
    for (const std::string& name : waits_on(ring)) {
        CAPTURE(ring.name, way.name, name);
        waiting_pair pair(way, name);
        executor executor(ring);
        pair.start(executor);
        CHECK(tacet_task_cancel(pair.waiter) == 0);
        CHECK(executor.run_until([&] { return tacet_task_has_exited(pair.waiter); }));
        REQUIRE(pair.waiter.results().size() == 2);
        CHECK(was_cancelled(pair.waiter.results()[0]));
        CHECK(pair.waiter.results()[1] == 0);
    }
}

TEST_CASE("a cancel unwinds a task from the depth of its stack", "[switcher]")
{
    const switcher_kind way = GENERATE(from_range(stackful_ways()));
    std::vector<std::string> names = waits_on(default_ring);
    for (const std::string& name : names) {
        CAPTURE(way.name, name);
        waits waits;
        executor executor;
        task never(way, {[](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); }});
        waits.never = never;
        int left = 0;
        const call wait = waits.make(name);
        task deep(way, {[&](tacet_task* self) { return wait_deep(self, wait, 100, &left); }});
        task shallow(way, std::vector<call>(10, [](tacet_task* self) { return tacet_yield(self); }));
        never.attach(executor);
        deep.attach(executor);
        shallow.attach(executor);
        CHECK(tacet_executor_run(executor, 5, nullptr) == 5);
        CHECK(left == 0);
        CHECK(tacet_task_cancel(deep) == 0);
        CHECK(executor.run_until([&] { return tacet_task_has_exited(deep); }));
        CHECK(was_cancelled(tacet_task_result(deep)));
        CHECK(left == 101);
    }
}

TEST_CASE("a task is not destroyed at any point of suspension, but when it is released it ends by itself", "[switcher]")
{
    const switcher_kind way = any_way();
    for (const std::string& name : waits_on(default_ring)) {
        CAPTURE(way.name, name);
        waiting_pair pair(way, name);
        executor executor;
        pair.start(executor);
        CHECK(tacet_task_destroy(pair.waiter) == -EBUSY);
        tacet_task_release(pair.waiter.give_away());
        CHECK(executor.stats().attached == 2);
        CHECK(executor.run_until([&] { return executor.stats().attached == 1; }));
        tacet_task_release(pair.never.give_away());
        pair.what.pipe.write("x"); /* an op of its own may still be in flight */
        CHECK(executor.run_until_idle() > 0);
        CHECK(executor.stats().attached == 0);
        CHECK(executor.stats().in_flight + executor.stats().timers == 0);
    }
}

TEST_CASE("an executor is destroyed with a task at every point of suspension, which runs again elsewhere", "[switcher]")
{
    const switcher_kind way = any_way();
    const bool released = GENERATE(false, true);
    for (const std::string& name : waits_on(default_ring)) {
        CAPTURE(way.name, name, released);
        waiting_pair pair(way, name);
        executor first, second;
        pair.start(first);
        if (released) {
            tacet_task_release(pair.waiter.give_away());
            tacet_task_release(pair.never.give_away());
            CHECK(first.destroy() == 0);
            continue;
        }
        CHECK(first.destroy() == 0);
        CHECK(tacet_task_result(pair.waiter) == -ECANCELED);
        pair.start(second);
        CHECK(tacet_task_cancel(pair.waiter) == 0);
        CHECK(second.run_until([&] { return tacet_task_has_exited(pair.waiter); }));
        CHECK(pair.waiter.results().size() == 2);
    }
}

TEST_CASE("a task runs on one executor after the other, and on those of other threads", "[switcher]")
{
    const switcher_kind way = any_way();
    const auto yield = [](tacet_task* self) { return tacet_yield(self); };
    task moves(way, {yield, yield, yield});
    const auto run_once = [&] {
        executor executor(ring_kind{"no ring", 0, 0});
        moves.attach(executor);
        return executor.run_until_idle();
    };
    for (int i = 0; i < 4; i++) {
        CHECK(run_once() == 4);
        tacet_result elsewhere = 0;
        std::thread([&] { elsewhere = run_once(); }).join();
        CHECK(elsewhere == 4);
        CHECK(moves.results() == std::vector<tacet_result>{0, 0, 0});
    }
}

TEST_CASE("tasks made on one thread run on a second, and are destroyed on a third", "[switcher]")
{
    const switcher_kind way = any_way();
    const bool finished = GENERATE(true, false);
    const auto yield = [](tacet_task* self) { return tacet_yield(self); };
    std::vector<task> tasks;
    for (int i = 0; i < 20; i++)
        tasks.emplace_back(way, std::vector<call>{yield, yield});
    tacet_result done = 0;
    std::thread([&] {
        executor executor(ring_kind{"no ring", 0, 0});
        for (task& each : tasks)
            each.attach(executor);
        done = finished ? executor.run_until_idle() : tacet_executor_run(executor, 30, nullptr);
    }).join();
    CHECK(done == (finished ? 60 : 30));
    for (const task& each : tasks)
        CHECK(tacet_task_result(each) == (finished ? 0 : -ECANCELED));
    std::thread([&] { tasks.clear(); }).join();
}

TEST_CASE("tasks of a higher priority go first, turn after turn, whatever suspends them", "[switcher]")
{
    const switcher_kind way = any_way();
    executor executor(GENERATE(from_range(all_rings())));
    std::string order;
    std::vector<task> tasks;
    for (const char name : {'l', 'n', 'h'}) {
        tasks.emplace_back(way, std::vector<call>(3, [&order, name](tacet_task* self) {
                               order += name;
                               return tacet_yield(self);
                           }));
        CHECK(tacet_task_set_priority(tasks.back(),
                                      name == 'h'   ? TACET_PRIORITY_HIGH
                                      : name == 'n' ? TACET_PRIORITY_NORMAL
                                                    : TACET_PRIORITY_LOW,
                                      TACET_PRIORITY_NORMAL) == 0);
        tasks.back().attach(executor);
    }
    CHECK(executor.run_until_idle() == 12);
    CHECK(order == "hhhnnnlll");
}

namespace {

/* Fills so much of the stack, and looks whether it is as it was after each turn. */
template <std::size_t Bytes>
[[gnu::noinline]] tacet_result keep_live(tacet_task* self, int number)
{
    volatile char live[Bytes];
    for (std::size_t i = 0; i < Bytes; i++)
        live[i] = static_cast<char>(i * 31 + static_cast<std::size_t>(number));
    for (int turn = 0; turn < 5; turn++) {
        const tacet_result r = turn % 2 == 0 ? tacet_yield(self) : tacet_sleep(self, 1000);
        if (r < 0)
            return r;
        for (std::size_t i = 0; i < Bytes; i++)
            if (live[i] != static_cast<char>(i * 31 + static_cast<std::size_t>(number)))
                return -EILSEQ;
    }
    return 0;
}

}

TEST_CASE("tasks have tens of KiB live on their stacks, side by side", "[switcher]")
{
    const switcher_kind way = GENERATE(from_range(stackful_ways()));
    executor executor(ring_kind{"no ring", 0, 0});
    std::vector<task> tasks;
    for (int i = 0; i < 12; i++) {
        tasks.emplace_back(way, std::vector<call>{[i](tacet_task* self) {
                               return i % 3 == 0   ? keep_live<32768>(self, i)
                                      : i % 3 == 1 ? keep_live<100>(self, i)
                                                   : keep_live<200000>(self, i);
                           }});
        tasks.back().attach(executor);
    }
    CHECK(executor.run_until_idle() == 12 * 6);
    for (const task& each : tasks)
        CHECK(tacet_task_result(each) == 0);
}

TEST_CASE("very many tasks of a kind are suspended at once, and each is where it was", "[switcher]")
{
    const switcher_kind way = any_way();
    struct one {
        tacet_task* task;
        bool yielded;
        std::size_t number, *sum;
    };
    const auto body = [](tacet_task* self, void* arg) -> tacet_result {
        one* own = static_cast<one*>(arg);
        const std::size_t on_stack = own->number;
        if (!own->yielded) {
            own->yielded = true;
            const tacet_result r = tacet_yield(self);
            if (r != 0)
                return r;
        }
        *own->sum += on_stack;
        return 0;
    };
    executor executor(ring_kind{"no ring", 0, 0});
    const std::size_t count = tasks_at_once();
    std::vector<one> all(count);
    std::size_t sum = 0;
    for (std::size_t i = 0; i < count; i++) {
        all[i] = {nullptr, false, i, &sum};
        tacet_task_options options = {};
        options.stack_bytes = 16384;
        REQUIRE(tacet_task_create(&all[i].task, way.instance(), &options) == 0);
        tacet_task_set_body(all[i].task, body, &all[i]);
        REQUIRE(tacet_task_attach(executor, all[i].task) == 0);
    }
    CHECK(tacet_executor_run(executor, static_cast<std::int64_t>(count), nullptr) == static_cast<tacet_result>(count));
    CHECK(sum == 0);
    CHECK(executor.stats().pending_or_ready == count);
    CHECK(executor.run_until_idle() == static_cast<tacet_result>(count));
    CHECK(sum == count * (count - 1) / 2);
    for (const one& each : all)
        REQUIRE(tacet_task_destroy(each.task) == 0);
}
