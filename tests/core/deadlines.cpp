/* Deadlines, of tasks and of ops: what they end, what they leave, and that nothing stays behind. */
#include "support/support.hpp"
#include "support/waits.hpp"

#include <tacet/time.h>

#include <cerrno>
#include <poll.h>

using namespace support;

namespace {

constexpr std::uint64_t long_past = 1, far_off = TACET_FOREVER - 1;

std::uint64_t soon()
{
    return tacet_now() + 500'000;
}

call set_deadline(std::uint64_t (*when)())
{
    return [when](tacet_task* self) { return tacet_task_set_deadline(self, when()); };
}

const call forget_deadline = [](tacet_task* self) { return tacet_task_set_deadline(self, TACET_FOREVER); };
const call yield = [](tacet_task* self) { return tacet_yield(self); };

}

TEST_CASE("a deadline ends whatever the task waits for, and each wait after it, until it is put off", "[deadline]")
{
    const ring_kind& ring = GENERATE(from_range(all_rings()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const bool passed = GENERATE(false, true);
    for (const std::string& name : waits_on(ring)) {
        CAPTURE(ring.name, switcher.name, passed, name);
        waits waits;
        executor executor(ring);
        task never(switcher, {[](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); }});
        waits.never = never;
        task waiter(switcher, {set_deadline(passed ? [] { return long_past; } : soon), waits.make(name), yield,
                               [](tacet_task* self) { return tacet_sleep(self, 1); }, forget_deadline,
                               [](tacet_task* self) { return tacet_sleep(self, 1000); }, yield});
        never.attach(executor);
        waiter.attach(executor);
        CHECK(executor.run_until([&] { return tacet_task_has_exited(waiter); }));
        CHECK(waiter.results() == std::vector<tacet_result>{0, -ETIME, -ETIME, -ETIME, 0, 0, 0});
        CHECK_FALSE(tacet_task_cancel_requested(waiter));
        if (name == "any" || name == "any, timed") /* it ends the wait and none of the ops */
            CHECK(waits.op.request.state == TACET_OP_IN_FLIGHT);
        CHECK(executor.destroy() == 0);
    }
}

TEST_CASE("a wait that ends before the deadline is as ever, and the deadline goes when the task exits", "[deadline]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    std::uint64_t seen = 0, seen_at_start = 0;
    task waiter(switcher, {[&](tacet_task* self) -> tacet_result {
                               seen_at_start = tacet_task_deadline(self);
                               return tacet_task_set_deadline(self, far_off);
                           },
                           [](tacet_task* self) { return tacet_sleep(self, 1000); },
                           [&](tacet_task* self) -> tacet_result {
                               seen = tacet_task_deadline(self);
                               return 0;
                           }});
    for (int life = 0; life < 2; life++) {
        waiter.attach(executor);
        CHECK(executor.run_until_idle() > 0);
        CHECK(waiter.results() == std::vector<tacet_result>{0, 0, 0});
        CHECK(seen_at_start == TACET_FOREVER);
        CHECK(seen == far_off);
        CHECK(executor.stats().timers == 0);
    }
}

TEST_CASE("a close is not ended by a deadline", "[deadline]")
{
    executor executor(GENERATE(from_range(kernel_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const std::size_t descriptors = open_descriptors();
    int fds[2];
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    tacet_file files[2];
    for (int i = 0; i < 2; i++)
        CHECK(tacet_file_from_fd(&files[i], fds[i], 0) == 0);
    task closes(switcher, {set_deadline([] { return long_past; }),
                           [&](tacet_task* self) { return tacet_file_close(self, &files[0]); },
                           [&](tacet_task* self) { return tacet_file_close(self, &files[1]); }});
    closes.attach(executor);
    executor.run_until_idle();
    CHECK(closes.results() == std::vector<tacet_result>{0, 0, 0});
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("what has succeeded when the deadline passes is reported", "[deadline]")
{
    executor executor(GENERATE(from_range(kernel_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    support::pipe pipe;
    const tacet_file reader = pipe.reader();
    char bytes[3] = {};
    std::uint64_t deadline = 0;
    task reads(switcher, {[&](tacet_task* self) { return tacet_task_set_deadline(self, deadline = soon()); },
                          [&](tacet_task* self) { return tacet_file_read(self, &reader, bytes, 3, 0); }, yield});
    reads.attach(executor);
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    pipe.write("abc");
    while (tacet_now() < deadline)
        continue;
    executor.run_until_idle();
    REQUIRE(reads.results().size() == 3);
    const tacet_result read = reads.results()[1];
    CHECK((read == 3 || read == -ETIME));
    CHECK(reads.results()[2] == -ETIME);
    if (read == -ETIME) /* then nothing was taken from the pipe */
        CHECK(::read(pipe.fds[0], bytes, 3) == 3);
    CHECK(std::string(bytes, 3) == "abc");
}

TEST_CASE("a cancel before the deadline is a cancel, and the deadline comes after it", "[deadline]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const call sleep = [](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); };
    task waiter(switcher, {set_deadline([] { return far_off; }), sleep, set_deadline([] { return long_past; }), sleep});
    waiter.attach(executor);
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    CHECK(tacet_task_cancel(waiter) == 0);
    executor.run_until_idle();
    CHECK(waiter.results() == std::vector<tacet_result>{0, -ECANCELED, 0, -ETIME});
}

TEST_CASE("deadlines of many tasks pass in any order, are put off and taken away, and leave no timer", "[deadline]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    std::vector<task> tasks;
    for (std::uint64_t i = 0; i < 200; i++)
        tasks.emplace_back(switcher, std::vector<call>{
                                         [i](tacet_task* self) { return tacet_task_set_deadline(self, far_off - i); },
                                         [i](tacet_task* self) {
                                             return tacet_task_set_deadline(self,
                                                                            i % 3 == 0 ? long_past : soon() + i * 1000);
                                         },
                                         [](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); },
                                         [i](tacet_task* self) {
                                             return tacet_task_set_deadline(self, i % 2 == 0 ? far_off : TACET_FOREVER);
                                         },
                                         [](tacet_task* self) { return tacet_sleep(self, 1); },
                                     });
    for (task& each : tasks)
        each.attach(executor);
    executor.run_until_idle();
    for (const task& each : tasks)
        CHECK(each.results() == std::vector<tacet_result>{0, 0, -ETIME, 0, 0});
    CHECK(executor.stats().timers == 0);
}

TEST_CASE("an executor is destroyed with deadlines that have passed and that have not", "[deadline]")
{
    const ring_kind& ring = GENERATE(from_range(all_rings()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const std::uint64_t when = GENERATE(long_past, far_off);
    const call wait_on = [](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); };
    task waiter(switcher, {[when](tacet_task* self) { return tacet_task_set_deadline(self, when); }, wait_on,
                           forget_deadline, wait_on});
    executor executor(ring);
    waiter.attach(executor);
    const timespec no_time = {0, 0};
    (void)!tacet_executor_run(executor, 100, &no_time);
    CHECK(executor.destroy() == 0);
    CHECK(tacet_task_result(waiter) == -ECANCELED);
    support::executor next(ring);
    waiter.attach(next);
    CHECK(tacet_task_deadline(waiter) == TACET_FOREVER);
}

TEST_CASE("a deadline is refused to tasks that are nobody's, and to those of another thread", "[deadline]")
{
    executor executor;
    task idle(all_switchers()[0], {[](tacet_task*) -> tacet_result { return 0; }});
    CHECK(tacet_task_set_deadline(nullptr, far_off) == -EINVAL);
    CHECK(tacet_task_set_deadline(idle, far_off) == -EINVAL);
    CHECK(tacet_task_deadline(nullptr) == TACET_FOREVER);
    CHECK(tacet_task_deadline(idle) == TACET_FOREVER);
    idle.attach(executor);
    CHECK(tacet_task_set_deadline(idle, far_off) == 0);
    CHECK(tacet_task_deadline(idle) == far_off);
    CHECK(in_child([&] { return tacet_task_set_deadline(idle, far_off) == -EPERM ? 0 : 1; }) == 0);
    executor.run_until_idle();
    CHECK(tacet_task_set_deadline(idle, far_off) == -EINVAL);
}

TEST_CASE("an op that is started ends with -ETIME at its deadline, others go on", "[deadline][op]")
{
    executor executor(GENERATE(from_range(kernel_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const bool passed = GENERATE(false, true);
    support::pipe pipe;
    const tacet_file reader = pipe.reader();
    tacet_op polled = {}, read = {}, slept = {};
    char byte = 0;
    task waiter(switcher, {[&](tacet_task* self) -> tacet_result {
                               CHECK(tacet_poll_start(&polled, self, pipe.fds[0], POLLIN) == 0);
                               CHECK(tacet_file_read_start(&read, self, &reader, &byte, 1, 0) == 0);
                               CHECK(tacet_sleep_start(&slept, self, TACET_FOREVER - 1) == 0);
                               CHECK(tacet_op_set_deadline(&read, far_off) == 0);
                               CHECK(tacet_op_set_deadline(&slept, passed ? long_past : soon()) == 0);
                               return tacet_op_set_deadline(&polled, passed ? long_past : soon());
                           },
                           [&](tacet_task* self) { return tacet_task_await(self, &polled); },
                           [&](tacet_task* self) { return tacet_task_await(self, &slept); },
                           [&](tacet_task*) -> tacet_result {
                               pipe.write("x");
                               return tacet_op_set_deadline(&read, far_off - 1);
                           },
                           [&](tacet_task* self) { return tacet_task_await(self, &read); }});
    waiter.attach(executor);
    executor.run_until_idle();
    CHECK(waiter.results() == std::vector<tacet_result>{0, -ETIME, -ETIME, 0, 1});
    CHECK(executor.stats().timers == 0);
}

TEST_CASE("a callback's op has deadlines too, which can be put off and taken away", "[deadline][op]")
{
    executor executor(GENERATE(from_range(kernel_rings())));
    struct counted {
        tacet_op op; /* first */
        int calls;
    } counted = {};
    support::pipe pipe;
    CHECK(tacet_op_set_deadline(nullptr, long_past) == -EINVAL);
    CHECK(tacet_op_set_deadline(&counted.op, long_past) == -ENOENT);
    CHECK(tacet_op_init_callback(
              &counted.op, executor, [](tacet_op* op) { reinterpret_cast<struct counted*>(op)->calls++; },
              TACET_PRIORITY_NORMAL) == 0);
    const timespec no_time = {0, 0};
    for (int round = 1; round <= 3; round++) {
        CHECK(tacet_poll_start(&counted.op, nullptr, pipe.fds[0], POLLIN) == 0);
        CHECK(tacet_op_set_deadline(&counted.op, soon()) == 0);
        CHECK(tacet_op_set_deadline(&counted.op, TACET_FOREVER) == 0);
        CHECK(executor.stats().timers == 0);
        CHECK(tacet_executor_run(executor, TACET_UNTIL_STOPPED, &no_time) == -ETIME);
        CHECK(tacet_op_set_deadline(&counted.op, far_off) == 0);
        CHECK(tacet_op_set_deadline(&counted.op, soon()) == 0);
        CHECK(executor.run_until_idle() == 1);
        CHECK(counted.calls == round);
        CHECK(counted.op.result == -ETIME);
        CHECK(tacet_op_set_deadline(&counted.op, long_past) == -ENOENT);
    }
}

TEST_CASE("a close that was started takes no deadline", "[deadline][op]")
{
    executor executor(GENERATE(from_range(kernel_rings())));
    int fds[2];
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    tacet_op op = {};
    CHECK(tacet_op_init_callback(
              &op, executor, [](tacet_op*) {}, TACET_PRIORITY_NORMAL) == 0);
    for (const int fd : fds) {
        tacet_file file;
        CHECK(tacet_file_from_fd(&file, fd, 0) == 0);
        CHECK(tacet_file_close_start(&op, nullptr, &file) == 0);
        CHECK(tacet_op_set_deadline(&op, long_past) == -EALREADY);
        executor.run_until_idle();
        CHECK(op.result == 0);
    }
}
