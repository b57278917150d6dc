/* CPU priorities are strict; the order within one is that of becoming ready. */
#include "support/support.hpp"

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <random>
#include <unistd.h>

using namespace support;

namespace {

const tacet_priority priorities[] = {TACET_PRIORITY_HIGH, TACET_PRIORITY_NORMAL, TACET_PRIORITY_LOW};

void set_cpu(tacet_task* task, tacet_priority priority)
{
    CHECK(tacet_task_set_priority(task, priority, TACET_PRIORITY_NORMAL) == 0);
}

struct recorded {
    int priority, number;
    bool operator==(const recorded&) const = default;
};

}

TEST_CASE("ready tasks run by priority, and in order of attachment within one", "[priority]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind& switcher = GENERATE(from_range(all_switchers()));
    std::mt19937 random(5);
    std::vector<recorded> order, expected;
    std::vector<task> tasks;
    for (int i = 0; i < 400; i++) {
        const int priority = static_cast<int>(random() % TACET_PRIORITY_COUNT);
        expected.push_back({priority, i});
        tasks.emplace_back(switcher, std::vector<call>{[&order, priority, i](tacet_task*) -> tacet_result {
                               order.push_back({priority, i});
                               return 0;
                           }});
        set_cpu(tasks.back(), priorities[priority]);
        tasks.back().attach(executor);
    }
    std::stable_sort(expected.begin(), expected.end(),
                     [](const recorded& a, const recorded& b) { return a.priority < b.priority; });
    CHECK(executor.run_until_idle() == 400);
    CHECK(order == expected);
}

TEST_CASE("a task of a higher priority goes before all of a lower one, turn after turn", "[priority]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    std::string log;
    const auto turns_of = [&log](char letter) {
        std::vector<call> calls;
        for (int i = 0; i < 3; i++) {
            calls.push_back([&log, letter](tacet_task*) -> tacet_result {
                log += letter;
                return 0;
            });
            calls.push_back([](tacet_task* self) { return tacet_yield(self); });
        }
        return calls;
    };
    task low(switcher, turns_of('l')), low2(switcher, turns_of('m')), high(switcher, turns_of('h')),
        normal(switcher, turns_of('n'));
    set_cpu(low, TACET_PRIORITY_LOW);
    set_cpu(low2, TACET_PRIORITY_LOW);
    set_cpu(high, TACET_PRIORITY_HIGH);
    for (task* each : {&low, &low2, &normal, &high})
        each->attach(executor);
    CHECK(executor.run_until_idle() == 16);
    CHECK(log == "hhhnnnlmlmlm");
}

TEST_CASE("a completion for a high task is not left lying behind a batch of low ones", "[priority]")
{
    executor executor(GENERATE(from_range(kernel_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    int lows = 0, seen = -1;
    support::pipe pipe;
    const tacet_file reader = pipe.reader();
    char byte;
    task reads(switcher, {[&](tacet_task* self) { return tacet_file_read(self, &reader, &byte, 1, 0); },
                          [&](tacet_task*) -> tacet_result {
                              seen = lows;
                              return 0;
                          }});
    set_cpu(reads, TACET_PRIORITY_HIGH);
    reads.attach(executor);
    const timespec no_time = {0, 0};
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    CHECK(tacet_executor_run(executor, 1, &no_time) == -ETIME);
    std::vector<task> writers;
    for (int i = 0; i < 100; i++) {
        writers.emplace_back(switcher, std::vector<call>{[&](tacet_task*) -> tacet_result {
                                 if (lows == 10)
                                     pipe.write("x");
                                 return ++lows;
                             }});
        set_cpu(writers.back(), TACET_PRIORITY_LOW);
        writers.back().attach(executor);
    }
    CHECK(executor.run_until_idle() == 101);
    CHECK(lows == 100);
    CHECK(seen == 11);
}

TEST_CASE("a high task whose sleep is over does not wait for a batch of low ones", "[priority]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    int lows = 0, seen = -1;
    const uint64_t duration = 100'000'000;
    uint64_t due = 0;
    task sleeps(switcher, {[&](tacet_task* self) { return tacet_sleep(self, duration); },
                           [&](tacet_task*) -> tacet_result {
                               seen = lows;
                               return 0;
                           }});
    set_cpu(sleeps, TACET_PRIORITY_HIGH);
    sleeps.attach(executor);
    std::vector<task> others;
    for (int i = 0; i < 100; i++) {
        others.emplace_back(switcher, std::vector<call>{[&](tacet_task*) -> tacet_result {
                                if (lows == 0)
                                    due = tacet_now() + duration; /* it sleeps already */
                                while (lows == 10 && tacet_now() <= due)
                                    continue;
                                return ++lows;
                            }});
        set_cpu(others.back(), TACET_PRIORITY_LOW);
        others.back().attach(executor);
    }
    CHECK(executor.run_until_idle() == 102);
    CHECK(lows == 100);
    CHECK(seen == 11);
}

TEST_CASE("what a high task starts goes to the kernel before low ones run", "[priority]")
{
    executor executor(GENERATE(from_range(kernel_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    int lows = 0, seen = -1;
    task starts(switcher, {[&](tacet_task* self) { return tacet_nop(self); },
                           [&](tacet_task*) -> tacet_result {
                               seen = lows;
                               return 0;
                           }});
    set_cpu(starts, TACET_PRIORITY_HIGH);
    starts.attach(executor);
    std::vector<task> others;
    for (int i = 0; i < 100; i++) {
        others.emplace_back(switcher, std::vector<call>{[&](tacet_task*) -> tacet_result { return ++lows; }});
        set_cpu(others.back(), TACET_PRIORITY_LOW);
        others.back().attach(executor);
    }
    CHECK(executor.run_until_idle() == 102);
    CHECK(lows == 100);
    CHECK(seen <= 1); /* a kernel without DEFER_TASKRUN may tell a little later */
}

TEST_CASE("a new priority holds from the task's next wait on", "[priority]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    std::string log;
    const auto write = [&log](char letter) -> call {
        return [&log, letter](tacet_task*) -> tacet_result {
            log += letter;
            return 0;
        };
    };
    tacet_semaphore semaphore;
    tacet_semaphore_init(&semaphore, 0);
    const auto acquire = [&](tacet_task* self) { return tacet_semaphore_acquire(self, &semaphore); };
    task a(switcher, {acquire, write('a')}), b(switcher, {acquire, write('b')}), c(switcher, {acquire, write('c')});
    for (task* each : {&a, &b, &c})
        each->attach(executor);
    CHECK(executor.run_until_idle() == 3);
    set_cpu(a, TACET_PRIORITY_LOW); /* while they wait */
    set_cpu(c, TACET_PRIORITY_HIGH);
    tacet_semaphore_release(&semaphore, 3);
    CHECK(executor.run_until_idle() == 3);
    CHECK(log == "cba");

    log.clear();
    for (task* each : {&a, &b, &c})
        each->attach(executor);
    set_cpu(b, TACET_PRIORITY_HIGH); /* ready: it keeps its place */
    CHECK(executor.run_until_idle() == 3);
    tacet_semaphore_release(&semaphore, 3);
    CHECK(executor.run_until_idle() == 3);
    CHECK(log == "cba");
    CHECK(executor.stats().attached == 0);
}

TEST_CASE("callbacks run at the priority that they were given", "[priority]")
{
    executor executor(GENERATE(from_range(all_rings())));
    static std::string log;
    log.clear();
    std::vector<tacet_op> ops(6);
    tacet_op_callback* const callbacks[] = {[](tacet_op*) { log += 'h'; }, [](tacet_op*) { log += 'n'; },
                                            [](tacet_op*) { log += 'l'; }};
    for (std::size_t i = 0; i < ops.size(); i++) {
        const std::size_t priority = 2 - i % 3;
        REQUIRE(tacet_op_init_callback(&ops[i], executor, callbacks[priority], priorities[priority]) == 0);
        REQUIRE(tacet_sleep_start(&ops[i], nullptr, 0) == 0);
    }
    CHECK(executor.run_until_idle() == 6);
    CHECK(log == "hhnnll");
}

TEST_CASE("a priority that does not exist is -EINVAL", "[priority]")
{
    executor executor;
    task task(tacet_switcher_none());
    const auto none = static_cast<tacet_priority>(TACET_PRIORITY_COUNT);
    tacet_op op = {};
    CHECK(tacet_task_set_priority(task, none, TACET_PRIORITY_LOW) == -EINVAL);
    CHECK(tacet_task_set_priority(task, TACET_PRIORITY_LOW, none) == -EINVAL);
    CHECK(tacet_op_init_callback(
              &op, executor, [](tacet_op*) {}, none) == -EINVAL);
    CHECK(tacet_task_set_priority(nullptr, TACET_PRIORITY_LOW, TACET_PRIORITY_LOW) == -EINVAL);
}

TEST_CASE("reads and writes work at every I/O priority, without privilege", "[priority]")
{
    executor executor;
    temporary_directory directory;
    directory.write("file", "contents");
    const int fd = ::open((directory / "file").c_str(), O_RDWR);
    const tacet_file file = {fd, O_RDWR, 0};
    const tacet_priority io = GENERATE(TACET_PRIORITY_HIGH, TACET_PRIORITY_NORMAL, TACET_PRIORITY_LOW);
    char buffer[8];
    const iovec vector = {buffer, sizeof buffer};
    const auto set = [&](tacet_task* self) { return tacet_task_set_priority(self, TACET_PRIORITY_NORMAL, io); };
    task task(GENERATE(from_range(suspending_switchers())),
              {set, [&](tacet_task* self) { return tacet_file_read(self, &file, buffer, 8, 0); },
               [&](tacet_task* self) { return tacet_file_write(self, &file, buffer, 8, 0); },
               [&](tacet_task* self) { return tacet_file_readv(self, &file, &vector, 1, 0); },
               [&](tacet_task* self) { return tacet_file_writev(self, &file, &vector, 1, 0); },
               [&](tacet_task* self) { return tacet_poll(self, fd, POLLIN); },
               [&](tacet_task* self) { return tacet_file_sync(self, const_cast<tacet_file*>(&file)); }});
    task.attach(executor);
    CHECK(executor.run_until_idle() > 0);
    CHECK(task.results()[1] == 8);
    CHECK(task.results()[2] == 8);
    CHECK(task.results()[3] == 8);
    CHECK(task.results()[4] == 8);
    CHECK(task.results()[6] == 0);
    ::close(fd);
}
