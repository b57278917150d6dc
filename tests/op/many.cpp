/* Many operations of one task: reaped as they complete, or awaited one by one. */
#include "support/support.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <numeric>
#include <random>

using namespace support;

namespace {

/* Reads from as many pipes as are wanted, each with an op of its own. */
struct reads {
    explicit reads(std::size_t count) : pipes(count), ops(count), bytes(count) {}

    call start_all()
    {
        return [this](tacet_task* self) -> tacet_result {
            for (std::size_t i = 0; i < pipes.size(); i++) {
                const tacet_file reader = pipes[i].reader();
                CHECK(tacet_file_read_start(&ops[i], self, &reader, &bytes[i], 1, 0) == 0);
            }
            return 0;
        };
    }
    /* Reaps one and notes which; a timeout or the like is noted as it is. */
    call reap_next(uint64_t timeout_ns)
    {
        return task::made_again([this, timeout_ns](tacet_task* self) {
            tacet_op* done = nullptr;
            const tacet_result r = tacet_task_next_completed(self, &done, timeout_ns);
            if (r == 1) {
                CHECK(done->request.state == TACET_OP_IDLE);
                CHECK(done->result == 1);
                order.push_back(static_cast<std::size_t>(done - ops.data()));
            } else if (r != TACET_PENDING) {
                CHECK(done == nullptr);
            }
            return r;
        });
    }

    std::vector<support::pipe> pipes;
    std::vector<tacet_op> ops;
    std::vector<char> bytes;
    std::vector<std::size_t> order;
};

}

TEST_CASE("operations are reaped in the order of their completion", "[many]")
{
    const ring_kind& ring = GENERATE(from_range(kernel_rings()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    reads reads(20);
    executor executor(ring);
    std::vector<call> calls = {reads.start_all()};
    calls.insert(calls.end(), 20, reads.reap_next(GENERATE(TACET_FOREVER, TACET_FOREVER - 1)));
    calls.push_back(reads.reap_next(TACET_FOREVER)); /* there is none left */
    task reaper(switcher, calls);
    reaper.attach(executor);
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    std::vector<std::size_t> expected(20);
    std::iota(expected.begin(), expected.end(), 0);
    std::shuffle(expected.begin(), expected.end(), std::mt19937(3));
    for (std::size_t i = 0; i < expected.size(); i++) {
        reads.pipes[expected[i]].write("x");
        CHECK(executor.run_until([&] { return reads.order.size() == i + 1; }));
    }
    CHECK(reads.order == expected);
    CHECK(tacet_task_result(reaper) == 0);
}

TEST_CASE("what completes while the task does not look is reaped without suspending", "[many]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    reads reads(5);
    executor executor;
    const auto yield = [](tacet_task* self) { return tacet_yield(self); };
    std::vector<call> calls = {reads.start_all(), reads.reap_next(0)};
    calls.insert(calls.end(), 50, yield);
    calls.insert(calls.end(), 6, reads.reap_next(0));
    task reaper(switcher, calls);
    reaper.attach(executor);
    CHECK(tacet_executor_run(executor, 10, nullptr) == 10);
    for (const std::size_t i : {2, 0, 1})
        reads.pipes[i].write("x");
    CHECK(executor.run_until([&] { return tacet_task_has_exited(reaper); }));
    CHECK(reaper.results()[1] == -ETIME);
    const std::vector<tacet_result> last(reaper.results().end() - 6, reaper.results().end());
    CHECK(last == std::vector<tacet_result>{1, 1, 1, -ETIME, -ETIME, -ETIME});
    std::sort(reads.order.begin(), reads.order.end()); /* they completed together */
    CHECK(reads.order == std::vector<std::size_t>{0, 1, 2});
}

TEST_CASE("a wait for any op ends with -ETIME when its time is up, and the ops go on", "[many]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    reads reads(2);
    executor executor(GENERATE(from_range(kernel_rings())));
    task reaper(switcher, {reads.start_all(), reads.reap_next(1000000), reads.reap_next(1),
                           [&](tacet_task*) -> tacet_result {
                               reads.pipes[1].write("x");
                               return 0;
                           },
                           reads.reap_next(TACET_FOREVER - 1), reads.reap_next(1)});
    reaper.attach(executor);
    CHECK(executor.run_until([&] { return tacet_task_has_exited(reaper); }));
    CHECK(reaper.results() == std::vector<tacet_result>{0, -ETIME, -ETIME, 0, 1, -ETIME});
    CHECK(executor.stats().timers == 0);
}

TEST_CASE("a task without operations has none to reap", "[many]")
{
    reads reads(0);
    caller caller(GENERATE(from_range(suspending_switchers())), GENERATE(from_range(all_rings())));
    CHECK(caller(reads.reap_next(TACET_FOREVER)) == 0);
    CHECK(caller(reads.reap_next(0)) == 0);
    CHECK(caller(reads.reap_next(1000)) == 0);
    CHECK(caller([](tacet_task* self) { return tacet_task_next_completed(self, nullptr, 0); }) == -EINVAL);
}

TEST_CASE("a cancel of the wait for any op leaves the ops alone", "[many]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const uint64_t timeout = GENERATE(TACET_FOREVER, TACET_FOREVER - 1);
    reads reads(3);
    executor executor(GENERATE(from_range(kernel_rings())));
    task reaper(switcher, {reads.start_all(), reads.reap_next(timeout), reads.reap_next(timeout)});
    reaper.attach(executor);
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    CHECK(tacet_task_cancel(reaper) == 0);
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    for (const tacet_op& op : reads.ops)
        CHECK(op.request.state == TACET_OP_IN_FLIGHT);
    reads.pipes[1].write("x");
    CHECK(executor.run_until([&] { return tacet_task_has_exited(reaper); }));
    CHECK(reaper.results() == std::vector<tacet_result>{0, -ECANCELED, 1});
    CHECK(reads.order == std::vector<std::size_t>{1});
    CHECK(executor.stats().timers == 0);
}

TEST_CASE("a task that awaits one op is not woken by the others", "[many]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    reads reads(10);
    executor executor(GENERATE(from_range(kernel_rings())));
    std::vector<call> calls = {reads.start_all(),
                               [&](tacet_task* self) { return tacet_task_await(self, &reads.ops[7]); }};
    calls.insert(calls.end(), 10, reads.reap_next(TACET_FOREVER));
    task awaits(switcher, calls);
    awaits.attach(executor);
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    for (const std::size_t i : {0, 1, 2, 3, 4, 5, 6, 8, 9}) {
        reads.pipes[i].write("x");
        while (reads.ops[i].request.state == TACET_OP_IN_FLIGHT) {
            const timespec no_time = {0, 0};
            CHECK(tacet_executor_run(executor, 1, &no_time) == -ETIME);
        }
        CHECK(reads.ops[i].request.state == TACET_OP_COMPLETED);
        tacet_op& op = reads.ops[i];
        const tacet_file reader = reads.pipes[i].reader();
        CHECK(tacet_file_read_start(&op, awaits, &reader, &reads.bytes[i], 1, 0) == -EBUSY);
        CHECK(tacet_op_cancel(&op) == -ENOENT);
    }
    reads.pipes[7].write("x");
    CHECK(executor.run_until_idle() == 1);
    CHECK(awaits.results()[1] == 1);
    CHECK(awaits.results().back() == 0);
    CHECK(reads.order == std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 6, 8, 9});
}

TEST_CASE("ops are awaited in any order, completed or not", "[many]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    executor executor(GENERATE(from_range(kernel_rings())));
    std::vector<tacet_op> ops(30);
    std::vector<call> calls = {[&](tacet_task* self) -> tacet_result {
        for (std::size_t i = 0; i < ops.size(); i++)
            CHECK((i % 3 == 0 ? tacet_sleep_start(&ops[i], self, i * 1000) : tacet_nop_start(&ops[i], self)) == 0);
        return 0;
    }};
    std::vector<std::size_t> order(ops.size());
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), std::mt19937(GENERATE(1u, 2u, 3u)));
    for (const std::size_t i : order)
        calls.push_back([&ops, i](tacet_task* self) { return tacet_task_await(self, &ops[i]); });
    task awaits(switcher, calls);
    awaits.attach(executor);
    CHECK(executor.run_until_idle() > 0);
    CHECK(awaits.results() == std::vector<tacet_result>(31, 0));
    for (const tacet_op& op : ops)
        CHECK(op.request.state == TACET_OP_IDLE);
}

TEST_CASE("awaiting what is idle, somebody else's or nothing is -EINVAL", "[many]")
{
    executor executor;
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    tacet_op others = {}, idle = {}, callback_op = {};
    REQUIRE(tacet_op_init_callback(
                &callback_op, executor, [](tacet_op*) {}, TACET_PRIORITY_LOW) == 0);
    REQUIRE(tacet_sleep_start(&callback_op, nullptr, 1) == 0);
    task other(switcher, {[&](tacet_task* self) { return tacet_sleep_start(&others, self, 1000); },
                          [&](tacet_task* self) { return tacet_task_await(self, &others); }});
    task awaits(switcher, {[&](tacet_task* self) { return tacet_task_await(self, &others); },
                           [&](tacet_task* self) { return tacet_task_await(self, &idle); },
                           [&](tacet_task* self) { return tacet_task_await(self, &callback_op); },
                           [&](tacet_task* self) { return tacet_task_await(self, nullptr); }});
    other.attach(executor);
    awaits.attach(executor);
    CHECK(executor.run_until_idle() == 4);
    CHECK(awaits.results() == std::vector<tacet_result>(4, -EINVAL));
    CHECK(other.results() == std::vector<tacet_result>{0, 0});
}

TEST_CASE("a cancelled await cancels the op that it awaits, and no other", "[many]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const bool asked_before = GENERATE(false, true);
    reads reads(2);
    executor executor(GENERATE(from_range(kernel_rings())));
    tacet_op sleep = {};
    task awaits(switcher,
                {reads.start_all(), [&](tacet_task* self) { return asked_before ? tacet_task_cancel(self) : 0; },
                 [&](tacet_task* self) { return tacet_task_await(self, &reads.ops[0]); },
                 [&](tacet_task* self) { return tacet_sleep_start(&sleep, self, TACET_FOREVER); },
                 [&](tacet_task* self) { return tacet_task_cancel(self); },
                 [&](tacet_task* self) { return tacet_task_await(self, &sleep); }});
    awaits.attach(executor);
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    if (!asked_before)
        CHECK(tacet_task_cancel(awaits) == 0);
    CHECK(executor.run_until([&] { return tacet_task_has_exited(awaits); }));
    CHECK((awaits.results()[2] == -ECANCELED || awaits.results()[2] == -EINTR));
    CHECK(awaits.results()[5] == -ECANCELED);
    CHECK(reads.ops[1].request.state == TACET_OP_IN_FLIGHT);
    CHECK(executor.destroy() == 0);
    CHECK(reads.ops[1].request.state == TACET_OP_IDLE);
}

TEST_CASE("ops that a task never reaped are idle when it has exited and they have ended", "[many]")
{
    const switcher_kind& switcher = GENERATE(from_range(all_switchers()));
    reads reads(3);
    executor executor(GENERATE(from_range(kernel_rings())));
    task starts(switcher, {reads.start_all()});
    starts.attach(executor);
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    CHECK(tacet_task_has_exited(starts));
    CHECK(tacet_task_destroy(starts) == -EBUSY); /* operations are on their way to it */
    CHECK(tacet_task_attach(executor, starts) == -EBUSY);
    for (support::pipe& pipe : reads.pipes)
        pipe.write("x");
    CHECK(executor.run_until_idle() == 0);
    for (const tacet_op& op : reads.ops)
        CHECK(op.request.state == TACET_OP_IDLE);
    starts.attach(executor);
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    CHECK(reads.ops[0].request.state == TACET_OP_IN_FLIGHT);
}

TEST_CASE("a callback may start its op again, and may free it", "[many]")
{
    executor executor(GENERATE(from_range(kernel_rings())));
    struct chain {
        tacet_op op = {};
        int left = 100;
    };
    static int freed;
    freed = 0;
    chain* chain = new struct chain;
    const auto callback = [](tacet_op* op) {
        struct chain* self = reinterpret_cast<struct chain*>(op);
        CHECK(op->request.state == TACET_OP_IDLE);
        if (--self->left > 0) {
            CHECK((self->left % 2 == 0 ? tacet_nop_start(op, nullptr) : tacet_sleep_start(op, nullptr, 0)) == 0);
            return;
        }
        delete self;
        freed++;
    };
    REQUIRE(tacet_op_init_callback(&chain->op, executor, callback, TACET_PRIORITY_NORMAL) == 0);
    REQUIRE(tacet_nop_start(&chain->op, nullptr) == 0);
    CHECK(executor.run_until_idle() == 100);
    CHECK(freed == 1);
}

TEST_CASE("a none task's callback operations outlive it", "[many]")
{
    executor executor(GENERATE(from_range(kernel_rings())));
    static int called;
    called = 0;
    tacet_op op = {};
    task none(tacet_switcher_none(), {[&](tacet_task*) {
                  CHECK(tacet_op_init_callback(
                            &op, executor, [](tacet_op*) { called++; }, TACET_PRIORITY_LOW) == 0);
                  return tacet_nop_start(&op, nullptr);
              }});
    none.attach(executor);
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    CHECK(tacet_task_has_exited(none));
    CHECK(called == 0);
    CHECK(executor.run_until_idle() == 1);
    CHECK(called == 1);
}

TEST_CASE("an op cancel says whether there was something to cancel", "[many]")
{
    executor executor(GENERATE(from_range(kernel_rings())));
    reads reads(1);
    tacet_op idle = {}, sleep = {}, read = {};
    CHECK(tacet_op_cancel(nullptr) == -EINVAL);
    CHECK(tacet_op_cancel(&idle) == -ENOENT);
    for (tacet_op* op : {&sleep, &read})
        REQUIRE(tacet_op_init_callback(
                    op, executor, [](tacet_op*) {}, TACET_PRIORITY_NORMAL) == 0);
    const tacet_file reader = reads.pipes[0].reader();
    REQUIRE(tacet_sleep_start(&sleep, nullptr, TACET_FOREVER) == 0);
    REQUIRE(tacet_file_read_start(&read, nullptr, &reader, reads.bytes.data(), 1, 0) == 0);
    CHECK(tacet_op_cancel(&sleep) == 0);
    CHECK(tacet_op_cancel(&read) == 0);
    CHECK(tacet_op_cancel(&read) == -EALREADY);
    CHECK(executor.run_until_idle() == 2);
    CHECK(sleep.result == -ECANCELED);
    CHECK((read.result == -ECANCELED || read.result == -EINTR));
    CHECK(tacet_op_cancel(&sleep) == -ENOENT);
    CHECK(tacet_op_cancel(&read) == -ENOENT);
    CHECK(executor.stats().in_flight == 0);
}

TEST_CASE("a cancel can be queued when the user's room in the ring is used up", "[many]")
{
    executor executor(GENERATE(from_range(kernel_rings())));
    static int ended;
    ended = 0;
    reads reads(12);
    std::vector<tacet_op> nops(300);
    for (std::size_t i = 0; i < reads.ops.size(); i++) {
        const tacet_file reader = reads.pipes[i].reader();
        REQUIRE(tacet_op_init_callback(
                    &reads.ops[i], executor, [](tacet_op*) { ended++; }, TACET_PRIORITY_LOW) == 0);
        REQUIRE(tacet_file_read_start(&reads.ops[i], nullptr, &reader, &reads.bytes[i], 1, 0) == 0);
    }
    for (tacet_op& nop : nops) {
        REQUIRE(tacet_op_init_callback(
                    &nop, executor, [](tacet_op*) { ended++; }, TACET_PRIORITY_LOW) == 0);
        REQUIRE(tacet_nop_start(&nop, nullptr) == 0);
    }
    for (tacet_op& op : reads.ops)
        CHECK(tacet_op_cancel(&op) == 0);
    CHECK(executor.run_until_idle() == 312);
    CHECK(ended == 312);
    CHECK(executor.stats().in_flight == 0);
}

TEST_CASE("a wait that timed out while an op completed says nothing of it to the next wait", "[many]")
{
    executor executor(ring_kind{"no ring", 0, 0});
    tacet_op early = {}, late = {};
    tacet_op* done[2] = {};
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
    const auto start = [&](tacet_task* self) -> tacet_result {
        return tacet_sleep_start(&early, self, 2'000'000) + tacet_sleep_start(&late, self, 60'000'000);
    };
    const auto first = [&](tacet_task* self) { return tacet_task_next_completed(self, &done[0], 1'000'000); };
    const auto second = [&](tacet_task* self) { return tacet_task_next_completed(self, &done[1], TACET_FOREVER); };
    task waits(switcher_kind{"setjmp", tacet_switcher_setjmp}, {start, first, second});
    task computes(switcher_kind{"none", tacet_switcher_none}, {[&](tacet_task*) -> tacet_result {
                      while (std::chrono::steady_clock::now() < deadline)
                          continue;
                      return 0;
                  }});
    waits.attach(executor);
    computes.attach(executor);
    CHECK(executor.run_until_idle() > 0);
    CHECK(waits.results() == std::vector<tacet_result>{0, 1, 1});
    CHECK(done[0] == &early);
    CHECK(done[1] == &late);
}

TEST_CASE("a released task with an op in flight is destroyed once", "[many]")
{
    static int destroyed;
    destroyed = 0;
    executor executor;
    support::pipe pipe;
    static char byte; /* outlives the task's stack */
    static tacet_op op;
    op = {};
    const tacet_file reader = pipe.reader();
    tacet_task_options options = {};
    options.destroy_arg = [](void*) { destroyed++; };
    tacet_task* released = nullptr;
    REQUIRE(tacet_task_create(&released, tacet_switcher_setjmp(), &options) == 0);
    tacet_task_set_body(
        released,
        [](tacet_task* self, void* file) -> tacet_result {
            const tacet_result r = tacet_file_read_start(&op, self, static_cast<const tacet_file*>(file), &byte, 1, 0);
            tacet_task_release(self);
            return r;
        },
        const_cast<tacet_file*>(&reader));
    REQUIRE(tacet_task_attach(executor, released) == 0);
    CHECK(executor.run_until([&] { return op.request.state == TACET_OP_IN_FLIGHT; }));
    pipe.write("x");
    CHECK(executor.run_until_idle() >= 0);
    CHECK(destroyed == 1);
}
