/* Time accounts: monotone, summed, and absent where they are off. */
#include "support/support.hpp"

#include <cerrno>
#include <cstring>

using namespace support;

namespace {

bool is_zero(const tacet_task_ticks& ticks)
{
    const tacet_task_ticks zero = {};
    return std::memcmp(&ticks, &zero, sizeof zero) == 0;
}

}

TEST_CASE("with accounts on, a task's readings follow its life", "[accounting]")
{
    executor executor(GENERATE(from_range(kernel_rings())), true);
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    task worker(switcher,
                {[](tacet_task* self) { return tacet_yield(self); }, [](tacet_task* self) { return tacet_nop(self); }});
    const uint64_t before = tacet_ticks();
    worker.attach(executor);
    tacet_task_ticks ticks = tacet_task_get_ticks(worker);
    CHECK(ticks.attached >= before);
    CHECK(ticks.started == 0);
    CHECK(ticks.running == 0);

    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    ticks = tacet_task_get_ticks(worker);
    CHECK(ticks.started >= ticks.attached);
    CHECK(ticks.resumed == ticks.started);
    CHECK(ticks.suspended >= ticks.resumed);
    CHECK(ticks.running == ticks.suspended - ticks.started);
    CHECK(ticks.exited == 0);

    const tacet_task_ticks first = ticks;
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    ticks = tacet_task_get_ticks(worker);
    CHECK(ticks.started == first.started);
    CHECK(ticks.resumed >= first.suspended);
    CHECK(ticks.suspended >= ticks.resumed);
    CHECK(ticks.running == first.running + (ticks.suspended - ticks.resumed));
    CHECK(ticks.completed == 0);

    const tacet_task_ticks second = ticks;
    CHECK(executor.run_until_idle() == 1);
    ticks = tacet_task_get_ticks(worker);
    CHECK(ticks.completed >= second.suspended);
    CHECK(ticks.resumed >= ticks.completed);
    CHECK(ticks.exited >= ticks.resumed);
    CHECK(ticks.running == second.running + (ticks.exited - ticks.resumed));
    CHECK(ticks.exited <= tacet_ticks());

    const tacet_executor_stats stats = executor.stats();
    CHECK(stats.ticks_in_tasks >= ticks.running);
    CHECK(stats.ticks_in_ring + stats.ticks_asleep > 0);
    CHECK(stats.ticks_in_tasks + stats.ticks_in_ring + stats.ticks_asleep <= tacet_ticks() - before);
}

TEST_CASE("the end of one resumption is the start of the next", "[accounting]")
{
    executor executor(default_ring, true);
    std::vector<task> tasks;
    for (int i = 0; i < 5; i++) {
        tasks.emplace_back(all_switchers()[static_cast<std::size_t>(i) % all_switchers().size()],
                           std::vector<call>{[](tacet_task*) -> tacet_result { return 0; }});
        tasks.back().attach(executor);
    }
    CHECK(executor.run_until_idle() == 5);
    uint64_t sum = 0;
    for (std::size_t i = 0; i < tasks.size(); i++) {
        const tacet_task_ticks ticks = tacet_task_get_ticks(tasks[i]);
        if (i > 0)
            CHECK(ticks.started == tacet_task_get_ticks(tasks[i - 1]).exited);
        sum += ticks.running;
    }
    CHECK(executor.stats().ticks_in_tasks == sum);
}

TEST_CASE("tasks attached together have one reading, which each new life starts anew", "[accounting]")
{
    executor executor(default_ring, true);
    std::vector<task> tasks;
    std::vector<tacet_task*> handles;
    for (int i = 0; i < 10; i++) {
        tasks.emplace_back(tacet_switcher_none(), std::vector<call>{[](tacet_task*) -> tacet_result { return 0; }});
        handles.push_back(tasks.back());
    }
    REQUIRE(tacet_task_attach_many(executor, handles.data(), handles.size()) == 10);
    const uint64_t attached = tacet_task_get_ticks(tasks[0]).attached;
    for (const task& each : tasks)
        CHECK(tacet_task_get_ticks(each).attached == attached);
    CHECK(executor.run_until_idle() == 10);
    tasks[0].attach(executor);
    const tacet_task_ticks again = tacet_task_get_ticks(tasks[0]);
    CHECK(again.attached > attached);
    CHECK(again.started == 0);
    CHECK(again.exited == 0);
    CHECK(again.running == 0);
    CHECK(executor.run_until_idle() == 1);
}

TEST_CASE("an operation is initiated, completed and reaped in this order", "[accounting]")
{
    executor executor(GENERATE(from_range(kernel_rings())), true);
    tacet_op op = {}, sleep = {};
    tacet_op* done = nullptr;
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const auto next = task::made_again(
        [&](tacet_task* self) { return tacet_task_next_completed(self, &done, TACET_FOREVER); });
    task worker(switcher, {[&](tacet_task* self) { return tacet_nop_start(&op, self); }, next,
                           [&](tacet_task* self) { return tacet_sleep_start(&sleep, self, 1); }, next});
    worker.attach(executor);
    CHECK(executor.run_until_idle() == 3);
    for (const tacet_op* each : {&op, &sleep}) {
        const tacet_op_ticks ticks = tacet_op_get_ticks(each);
        CHECK(ticks.initiated > 0);
        CHECK(ticks.completed >= ticks.initiated);
        CHECK(ticks.reaped >= ticks.completed);
    }
    tacet_op callback_op = {};
    REQUIRE(tacet_op_init_callback(
                &callback_op, executor, [](tacet_op*) {}, TACET_PRIORITY_NORMAL) == 0);
    REQUIRE(tacet_nop_start(&callback_op, nullptr) == 0);
    CHECK(executor.run_until_idle() == 1);
    const tacet_op_ticks ticks = tacet_op_get_ticks(&callback_op);
    CHECK(ticks.initiated > 0);
    CHECK(ticks.completed >= ticks.initiated);
    CHECK(ticks.reaped >= ticks.completed);
}

TEST_CASE("with accounts off, every reading is 0, also of a task that had accounts elsewhere", "[accounting]")
{
    executor off(GENERATE(from_range(kernel_rings())), false);
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    tacet_op op = {};
    task worker(switcher, {[&](tacet_task* self) { return tacet_nop_start(&op, self); },
                           [&](tacet_task* self) { return tacet_task_await(self, &op); }});
    if (GENERATE(false, true)) {
        executor on(default_ring, true);
        worker.attach(on);
        CHECK(on.run_until_idle() == 2);
        CHECK_FALSE(is_zero(tacet_task_get_ticks(worker)));
        op = {};
    }
    worker.attach(off);
    CHECK(is_zero(tacet_task_get_ticks(worker)));
    CHECK(off.run_until_idle() == 2);
    CHECK(is_zero(tacet_task_get_ticks(worker)));
    const tacet_op_ticks ticks = tacet_op_get_ticks(&op);
    CHECK(ticks.initiated + ticks.completed + ticks.reaped == 0);
    CHECK(off.stats().ticks_in_tasks + off.stats().ticks_in_ring + off.stats().ticks_asleep == 0);
}
