/* An executor: created, run within its budgets, stopped, asked; and who may not touch it. */
#include "support/support.hpp"

#include <cerrno>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <memory>
#include <thread>
#include <unistd.h>

using namespace support;

namespace {

tacet_result yield(tacet_task* task)
{
    return tacet_yield(task);
}

call count_to(int& counter)
{
    return [&counter](tacet_task*) -> tacet_result { return ++counter; };
}

std::vector<task> none_tasks(tacet_executor* executor, std::size_t count, int& counter)
{
    std::vector<task> tasks;
    for (std::size_t i = 0; i < count; i++) {
        tasks.emplace_back(tacet_switcher_none(), std::vector<call>{count_to(counter)});
        tasks.back().attach(executor);
    }
    return tasks;
}

const timespec no_time = {0, 0};
const timespec a_millisecond = {0, 1000000};

}

TEST_CASE("creation without options gives a ring of 256 entries and no accounts", "[executor]")
{
    tacet_executor* created = nullptr;
    REQUIRE(tacet_executor_create(&created, nullptr) == 0);
    const std::string config = tacet_executor_config(created);
    CAPTURE(config);
    CHECK(config.find(TACET_VERSION) != std::string::npos);
    CHECK(config.find("ring=io_uring") != std::string::npos);
    CHECK(config.find("users=256") != std::string::npos);
    CHECK(config.find("accounting=off") != std::string::npos);
    CHECK(tacet_executor_destroy(created) == 0);
}

TEST_CASE("an executor that has nothing to do runs no item and says so with 0", "[executor]")
{
    executor executor(GENERATE(from_range(all_rings())));
    CHECK(executor.run_until_idle() == 0);
    CHECK(tacet_executor_run(executor, 1, nullptr) == 0);
    CHECK(tacet_executor_run(executor, 1, &no_time) == 0);
    CHECK(executor.stats().items == 0);
}

TEST_CASE("run does exactly as many items as it is allowed, and no more", "[executor]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const int64_t items_max = GENERATE(1, 2, 7, 127, 128, 129, 300, 1000);
    CAPTURE(items_max);
    int counter = 0;
    const std::vector<task> tasks = none_tasks(executor, 1000, counter);
    CHECK(tacet_executor_run(executor, items_max, nullptr) == items_max);
    CHECK(counter == items_max);
    CHECK(executor.stats().items == static_cast<uint64_t>(items_max));
    CHECK(executor.run_until_idle() == 1000 - items_max);
    CHECK(counter == 1000);
}

TEST_CASE("an item is one resumption or one callback", "[executor]")
{
    executor executor;
    int called = 0;
    static int* counter;
    counter = &called;
    const auto callback = [](tacet_op*) { ++*counter; };
    tacet_op ops[3] = {};
    for (tacet_op& op : ops) {
        REQUIRE(tacet_op_init_callback(&op, executor, callback, TACET_PRIORITY_NORMAL) == 0);
        REQUIRE(tacet_nop_start(&op, nullptr) == 0);
    }
    CHECK(tacet_executor_run(executor, 2, nullptr) == 2);
    CHECK(called == 2);
    CHECK(executor.run_until_idle() == 1);

    task yields(GENERATE(from_range(suspending_switchers())), {yield, yield, yield});
    yields.attach(executor);
    CHECK(executor.run_until_idle() == 4);
    CHECK(executor.stats().items == 7);
}

TEST_CASE("a budget below 1 or a malformed timeout is -EINVAL", "[executor]")
{
    executor executor(GENERATE(from_range(all_rings())));
    CHECK(tacet_executor_run(executor, 0, nullptr) == -EINVAL);
    CHECK(tacet_executor_run(executor, -1, nullptr) == -EINVAL);
    const timespec wrong[] = {{-1, 0}, {0, -1}, {0, 1000000000}};
    for (const timespec& timeout : wrong)
        CHECK(tacet_executor_run(executor, 1, &timeout) == -EINVAL);
}

TEST_CASE("run returns -ETIME when the time went by without an item", "[executor]")
{
    executor executor(GENERATE(from_range(all_rings())));
    task sleeper(GENERATE(from_range(suspending_switchers())),
                 {[](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER - 1); }});
    sleeper.attach(executor);
    CHECK(tacet_executor_run(executor, TACET_UNTIL_IDLE, &no_time) == 1); /* its start */
    CHECK(tacet_executor_run(executor, TACET_UNTIL_IDLE, &no_time) == -ETIME);
    CHECK(tacet_executor_run(executor, 1, &a_millisecond) == -ETIME);
    CHECK(executor.stats().timers == 1);
}

TEST_CASE("a timeout of centuries is not cut to a short one", "[executor]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const time_t seconds = GENERATE(time_t{1} << 33, time_t{1} << 55, INT64_MAX);
    task sleeper(tacet_switcher_stackless(), {[](tacet_task* self) { return tacet_sleep(self, 2000000); }});
    sleeper.attach(executor);
    const timespec timeout = {seconds, 0};
    CHECK(tacet_executor_run(executor, TACET_UNTIL_IDLE, &timeout) == 2);
    CHECK(tacet_task_has_exited(sleeper));
}

TEST_CASE("runs of no time, repeated until -ETIME or idle, do all that can be done", "[executor]")
{
    executor executor(GENERATE(from_range(all_rings())));
    int counter = 0;
    const std::vector<task> tasks = none_tasks(executor, 1000, counter);
    task sleeper(tacet_switcher_stackless(), {[](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); }});
    sleeper.attach(executor);
    tacet_result r = 0;
    int64_t items = 0;
    while ((r = tacet_executor_run(executor, TACET_UNTIL_IDLE, &no_time)) > 0)
        items += r;
    CHECK(r == -ETIME);
    CHECK(items == 1001);
    CHECK(counter == 1000);
}

TEST_CASE("run until idle leaves tasks that wait for each other, and returns", "[executor]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    tacet_task* handles[2];
    task first(switcher, {[&](tacet_task* self) { return tacet_task_wait(self, handles[1], nullptr); }});
    task second(switcher, {[&](tacet_task* self) { return tacet_task_wait(self, handles[0], nullptr); }});
    handles[0] = first;
    handles[1] = second;
    first.attach(executor);
    second.attach(executor);
    CHECK(executor.run_until_idle() == 2);
    CHECK(executor.stats().suspended == 2);
    CHECK(executor.stats().attached == 2);
}

TEST_CASE("a nested run is -EDEADLK, and destroying from inside -EBUSY", "[executor]")
{
    executor executor(GENERATE(from_range(all_rings())));
    task nests(GENERATE(from_range(all_switchers())),
               {[&](tacet_task*) { return tacet_executor_run(executor, 1, &no_time); },
                [&](tacet_task*) { return tacet_executor_destroy(executor); }});
    nests.attach(executor);
    CHECK(executor.run_until_idle() == 1);
    CHECK(nests.results() == std::vector<tacet_result>{-EDEADLK, -EBUSY});
    CHECK(executor.run_until_idle() == 0);
}

TEST_CASE("stop makes run return when the task has given up the processor", "[executor]")
{
    executor executor(GENERATE(from_range(all_rings())));
    int counter = 0;
    const bool by_callback = GENERATE(false, true);
    task stops(tacet_switcher_none(), {[&](tacet_task*) -> tacet_result {
                   tacet_executor_stop(executor);
                   tacet_executor_stop(executor);
                   return 0;
               }});
    tacet_op op = {};
    REQUIRE(tacet_op_init_callback(
                &op, executor, [](tacet_op* self) { tacet_executor_stop(self->owner.executor); },
                TACET_PRIORITY_NORMAL) == 0);
    if (by_callback)
        REQUIRE(tacet_sleep_start(&op, nullptr, 0) == 0);
    else
        stops.attach(executor);
    const std::vector<task> after = none_tasks(executor, 5, counter);
    if (by_callback)
        CHECK(tacet_executor_run(executor, TACET_UNTIL_IDLE, nullptr) == 6); /* tasks were ready before it expired */
    else
        CHECK(tacet_executor_run(executor, TACET_UNTIL_IDLE, nullptr) == 1);
    CHECK(executor.stats().items == (by_callback ? 6u : 1u));
    CHECK(executor.run_until_idle() == (by_callback ? 0 : 5));
    CHECK(counter == 5);
}

TEST_CASE("the current task is the running one, and none in a callback and outside of run", "[executor]")
{
    executor executor;
    static tacet_task* seen;
    seen = nullptr;
    tacet_op op = {};
    const auto callback = [](tacet_op* self) { seen = tacet_executor_current(self->owner.executor); };
    REQUIRE(tacet_op_init_callback(&op, executor, callback, TACET_PRIORITY_NORMAL) == 0);
    bool is_self = false;
    const auto look = [&](tacet_task* self) -> tacet_result {
        is_self = tacet_executor_current(executor) == self;
        return 0;
    };
    task looks(GENERATE(from_range(suspending_switchers())), {look, yield, look});
    CHECK(tacet_executor_current(executor) == nullptr);
    looks.attach(executor);
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    CHECK(is_self);
    CHECK(tacet_executor_current(executor) == nullptr);
    seen = looks;
    REQUIRE(tacet_nop_start(&op, nullptr) == 0);
    CHECK(executor.run_until_idle() == 2);
    CHECK(seen == nullptr);
    CHECK(tacet_executor_current(nullptr) == nullptr);
}

TEST_CASE("the states of the tasks add up to the attached ones", "[executor]")
{
    executor executor;
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const auto look = [&](tacet_task*) -> tacet_result {
        const tacet_executor_stats stats = executor.stats();
        CHECK(stats.running == 1);
        CHECK(stats.attached == stats.pending_or_ready + stats.running + stats.suspended);
        return 0;
    };
    const auto sleep = [](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); };
    task sleeper(switcher, {look, sleep}), yielder(switcher, {look, yield, look, yield, look}), once(switcher, {look});
    for (task* each : {&sleeper, &yielder, &once})
        each->attach(executor);
    CHECK(executor.stats().pending_or_ready == 3);
    CHECK(tacet_executor_run(executor, 3, nullptr) == 3);
    CHECK(executor.stats().attached == 2);
    CHECK(executor.stats().suspended == 1);
    CHECK(executor.stats().pending_or_ready == 1);
    CHECK(executor.stats().running == 0);
    CHECK(tacet_executor_run(executor, 2, nullptr) == 2);
    CHECK(executor.stats().attached == 1);
}

TEST_CASE("the stats count what the kernel was given and gave back", "[executor]")
{
    executor executor(GENERATE(from_range(kernel_rings())));
    std::vector<call> nops(50, [](tacet_task* self) { return tacet_nop(self); });
    task worker(GENERATE(from_range(suspending_switchers())), nops);
    worker.attach(executor);
    CHECK(executor.run_until_idle() == 51);
    const tacet_executor_stats stats = executor.stats();
    CHECK(stats.submitted == 50);
    CHECK(stats.completed == 50);
    CHECK(stats.in_flight == 0);
    CHECK(stats.enters >= 50);
    CHECK(stats.cq_overflows == 0);
    CHECK(stats.submissions_refused == 0);
}

TEST_CASE("cancel_all cancels every attached task", "[executor]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const auto sleep = [](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); };
    std::vector<task> tasks;
    for (int i = 0; i < 10; i++) {
        tasks.emplace_back(switcher, std::vector<call>{sleep});
        tasks.back().attach(executor);
    }
    CHECK(tacet_executor_run(executor, 6, nullptr) == 6);
    CHECK(tacet_executor_cancel_all(executor) == 0);
    CHECK(executor.run_until_idle() == 10);
    for (const task& each : tasks)
        CHECK(tacet_task_result(each) == -ECANCELED);
}

TEST_CASE("NULL where it must not be is -EINVAL", "[executor]")
{
    executor executor;
    tacet_executor_stats stats;
    CHECK(tacet_executor_create(nullptr, nullptr) == -EINVAL);
    CHECK(tacet_executor_run(nullptr, 1, nullptr) == -EINVAL);
    CHECK(tacet_executor_cancel_all(nullptr) == -EINVAL);
    CHECK(tacet_executor_get_stats(nullptr, &stats) == -EINVAL);
    CHECK(tacet_executor_get_stats(executor, nullptr) == -EINVAL);
    CHECK(std::string(tacet_executor_config(nullptr)).empty());
    CHECK(tacet_executor_destroy(nullptr) == 0);
}

TEST_CASE("what is not thread-safe is refused to another thread with -EPERM and changes nothing", "[executor]")
{
    executor executor(GENERATE(from_range(all_rings())));
    task attached(tacet_switcher_stackless(), {[](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); }});
    attached.attach(executor);
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    const tacet_executor_stats before = executor.stats();

    tacet_op callback_op = {};
    REQUIRE(tacet_op_init_callback(
                &callback_op, executor, [](tacet_op*) {}, TACET_PRIORITY_NORMAL) == 0);
    std::vector<tacet_result> results;
    std::thread([&] {
        tacet_executor_stats stats;
        tacet_op op = {};
        results = {
            tacet_executor_run(executor, 1, nullptr),
            tacet_executor_destroy(executor),
            tacet_executor_cancel_all(executor),
            tacet_executor_get_stats(executor, &stats),
            tacet_task_set_priority(attached, TACET_PRIORITY_HIGH, TACET_PRIORITY_HIGH),
            tacet_sleep_start(&op, attached, 0),
            tacet_sleep_start(&callback_op, nullptr, 0),
            tacet_sleep(attached, 1),
            tacet_yield(attached),
            tacet_nop(attached),
        };
    }).join();
    for (std::size_t i = 0; i < results.size(); i++) {
        CAPTURE(i);
        CHECK(results[i] == -EPERM);
    }
    CHECK_FALSE(tacet_task_cancel_requested(attached));
    const tacet_executor_stats after = executor.stats();
    CHECK(std::memcmp(&before, &after, sizeof before) == 0);
}

TEST_CASE("in the child of a fork every call returns -EPERM, and the parent goes on", "[executor]")
{
    const ring_kind& ring = GENERATE(from_range(all_rings()));
    executor executor(ring);
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    task sleeper(switcher, {[](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); }});
    task idle(switcher, {yield});
    sleeper.attach(executor);
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);

    tacet_op callback_op = {};
    REQUIRE(tacet_op_init_callback(
                &callback_op, executor, [](tacet_op*) {}, TACET_PRIORITY_NORMAL) == 0);
    const int failed_at = in_child([&] {
        tacet_executor_stats stats;
        tacet_op ops[4] = {};
        const tacet_file file = {0, O_RDONLY, 0};
        char byte;
        const tacet_result results[] = {
            tacet_executor_run(executor, 1, &no_time),
            tacet_executor_cancel_all(executor),
            tacet_executor_get_stats(executor, &stats),
            tacet_task_cancel(sleeper),
            tacet_task_set_priority(sleeper, TACET_PRIORITY_HIGH, TACET_PRIORITY_HIGH),
            tacet_nop_start(&ops[0], sleeper),
            tacet_nop_start(&callback_op, nullptr),
            tacet_sleep_start(&ops[1], sleeper, 0),
            tacet_file_read_start(&ops[2], sleeper, &file, &byte, 1, 0),
            tacet_file_truncate_start(&ops[3], sleeper, &file, 0),
            tacet_nop(sleeper),
            tacet_yield(sleeper),
            tacet_executor_destroy(executor),
        };
        int at = 0;
        for (const tacet_result r : results) {
            ++at;
            if (r != -EPERM)
                return at;
        }
        tacet_file closed = {::open("/dev/null", O_RDONLY), O_RDONLY, 0};
        const int fd = closed.fd;
        tacet_file_close_detached(executor, &closed);
        return ::fcntl(fd, F_GETFD) < 0 && closed.fd == -1 ? 0 : 100;
    });
    CHECK(failed_at == 0);

    const bool has_ring = ring.entries > 0;
    task worker(switcher, {[](tacet_task* self) { return tacet_nop(self); }});
    worker.attach(executor);
    CHECK(tacet_executor_run(executor, has_ring ? 2 : 1, nullptr) == (has_ring ? 2 : 1));
    CHECK(tacet_task_result(worker) == (has_ring ? 0 : -ENOTSUP));
    CHECK(tacet_task_cancel(sleeper) == 0);
    CHECK(executor.run_until_idle() == 1);
    CHECK(tacet_task_result(sleeper) == -ECANCELED);
}

TEST_CASE("many executors live side by side on one thread", "[executor]")
{
    std::vector<std::unique_ptr<executor>> executors;
    std::vector<task> tasks;
    for (int i = 0; i < 20; i++) {
        executors.push_back(std::make_unique<executor>());
        tasks.emplace_back(tacet_switcher_stackless(),
                           std::vector<call>{[](tacet_task* self) { return tacet_nop(self); }});
        tasks.back().attach(*executors.back());
    }
    for (const auto& each : executors)
        CHECK(each->run_until_idle() == 2);
    for (const task& each : tasks)
        CHECK(tacet_task_result(each) == 0);
}

TEST_CASE("the library tells its version", "[executor]")
{
    CHECK(std::string(tacet_version()) == TACET_VERSION);
    CHECK(tacet_ticks_per_second() > 1e6);
}
