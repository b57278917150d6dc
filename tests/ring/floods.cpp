/* More operations than the queues hold: none is lost, none waits for room in the completion queue. */
#include "support/support.hpp"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

using namespace support;

namespace {

int ended, cancelled;
std::uint64_t bytes_read;

void count(tacet_op* op)
{
    ended++;
    cancelled += op->result == -ECANCELED || op->result == -EINTR;
    bytes_read += op->result > 0 ? static_cast<std::uint64_t>(op->result) : 0;
}

void reset_counts()
{
    ended = cancelled = 0;
    bytes_read = 0;
}

/* A small ring, with a completion queue as small as the kernel makes it. */
tacet_executor_options scarce(unsigned entries)
{
    tacet_executor_options options = {};
    options.ring_entries = entries;
    options.cq_entries = 1;
    return options;
}

/* Reads of one byte each, all of one pipe. */
struct pending_reads {
    pending_reads(tacet_executor* executor, std::size_t count) : ops(count), bytes(count)
    {
        const tacet_file reader = pipe.reader();
        for (std::size_t i = 0; i < count; i++) {
            REQUIRE(tacet_op_init_callback(&ops[i], executor, ::count, TACET_PRIORITY_NORMAL) == 0);
            REQUIRE(tacet_file_read_start(&ops[i], nullptr, &reader, &bytes[i], 1, 0) == 0);
        }
    }
    support::pipe pipe;
    std::vector<tacet_op> ops;
    std::vector<char> bytes;
};

const timespec no_time = {0, 0};

}

TEST_CASE("ten thousand no-ops go through a small ring", "[flood]")
{
    reset_counts();
    const unsigned entries = GENERATE(1u, 2u, 8u);
    executor executor(scarce(entries));
    CAPTURE(entries, tacet_executor_config(executor));
    std::vector<tacet_op> ops(10000);
    SECTION("by callbacks")
    {
        for (tacet_op& op : ops) {
            REQUIRE(tacet_op_init_callback(&op, executor, count, TACET_PRIORITY_NORMAL) == 0);
            REQUIRE(tacet_nop_start(&op, nullptr) == 0);
        }
        CHECK(executor.run_until_idle() == 10000);
        CHECK(ended == 10000);
    }
    SECTION("by a task that reaps them")
    {
        std::size_t started = 0, reaped = 0;
        tacet_op* done = nullptr;
        const auto start = [&](tacet_task* self) -> tacet_result {
            for (; started < ops.size(); started++)
                if (tacet_nop_start(&ops[started], self) != 0)
                    return -1;
            return 0;
        };
        const auto reap = [&](tacet_task* self) {
            tacet_result r;
            while ((r = tacet_task_next_completed(self, &done, TACET_FOREVER)) == 1)
                reaped++;
            return r;
        };
        task worker(GENERATE(from_range(suspending_switchers())), {start, task::made_again(reap)});
        worker.attach(executor);
        CHECK(executor.run_until_idle() > 0);
        CHECK(worker.results() == std::vector<tacet_result>{0, 0});
        CHECK(reaped == 10000);
    }
    CHECK(executor.stats().submitted == 10000);
    CHECK(executor.stats().completed == 10000);
    CHECK(executor.stats().in_flight == 0);
}

TEST_CASE("two thousand pending reads that complete at once overflow the completion queue, and none is lost", "[flood]")
{
    reset_counts();
    const unsigned entries = GENERATE(1u, 2u, 8u);
    const unsigned forbidden = GENERATE(0u, unsigned{IORING_SETUP_DEFER_TASKRUN});
    tacet_executor_options options = scarce(entries);
    options.setup_flags_forbidden = forbidden;
    executor executor(options);
    CAPTURE(entries, tacet_executor_config(executor));
    pending_reads reads(executor, 2000);
    CHECK(tacet_executor_run(executor, TACET_UNTIL_IDLE, &no_time) == -ETIME);
    CHECK(executor.stats().in_flight == 2000);
    reads.pipe.write(std::string(2000, 'x'));
    CHECK(executor.run_until_idle() == 2000);
    CHECK(ended == 2000);
    CHECK(bytes_read == 2000);
    CHECK(executor.stats().cq_overflows > 0);
    CHECK(executor.stats().in_flight == 0);
}

TEST_CASE("two thousand pending reads are cancelled, one by one or with their executor", "[flood]")
{
    reset_counts();
    const unsigned entries = GENERATE(1u, 2u, 8u, 256u);
    support::executor executor(scarce(entries));
    CAPTURE(entries, tacet_executor_config(executor));
    {
        pending_reads reads(executor, 2000);
        if (GENERATE(false, true)) {
            for (tacet_op& op : reads.ops)
                CHECK(tacet_op_cancel(&op) == 0);
            CHECK(executor.run_until_idle() == 2000);
            CHECK(executor.stats().in_flight == 0);
        }
        CHECK(executor.destroy() == 0);
    }
    CHECK(ended == 2000);
    CHECK(cancelled == 2000);
}

TEST_CASE("a cancelled op may be freed by its callback, however the two completions are spread", "[flood]")
{
    reset_counts();
    executor executor(scarce(GENERATE(1u, 2u, 8u)));
    support::pipe pipe;
    const tacet_file reader = pipe.reader();
    char byte;
    std::vector<tacet_op*> reads;
    const auto count_and_free = [](tacet_op* op) {
        count(op);
        delete op;
    };
    const auto make = [&] {
        tacet_op* op = new tacet_op();
        REQUIRE(tacet_op_init_callback(op, executor, count_and_free, TACET_PRIORITY_NORMAL) == 0);
        return op;
    };
    for (int i = 0; i < 500; i++) {
        reads.push_back(make());
        REQUIRE(tacet_file_read_start(reads.back(), nullptr, &reader, &byte, 1, 0) == 0);
    }
    for (std::size_t i = 0; i < reads.size(); i++) {
        CHECK(tacet_op_cancel(reads[i]) == 0);
        if (i % 3 == 0) /* so that a full queue ends now here, now there */
            REQUIRE(tacet_nop_start(make(), nullptr) == 0);
        if (i % 7 == 0)
            CHECK(tacet_executor_run(executor, 1, &no_time) >= -ETIME);
    }
    CHECK(executor.run_until_idle() > 0);
    CHECK(ended == 667);
    CHECK(cancelled == 500);
}

TEST_CASE("an op that ended before its cancel is not delivered before the cancel has ended too", "[flood]")
{
    reset_counts();
    tacet_executor_options options = scarce(1);
    options.setup_flags_forbidden = IORING_SETUP_DEFER_TASKRUN; /* completions come of themselves */
    executor executor(options);
    support::pipe pipe;
    const tacet_file reader = pipe.reader();
    char byte;
    std::vector<tacet_op*> reads(8); /* as many as the completion queue holds: their cancels overflow */
    for (tacet_op*& op : reads) {
        op = new tacet_op();
        const auto count_and_free = [](tacet_op* self) {
            count(self);
            delete self;
        };
        REQUIRE(tacet_op_init_callback(op, executor, count_and_free, TACET_PRIORITY_NORMAL) == 0);
        REQUIRE(tacet_file_read_start(op, nullptr, &reader, &byte, 1, 0) == 0);
    }
    CHECK(tacet_executor_run(executor, 1, &no_time) == -ETIME);
    for (std::size_t i = 0; i < reads.size(); i++)
        pipe.write("x");
    for (tacet_op* op : reads)
        CHECK(tacet_op_cancel(op) == 0);
    CHECK(executor.run_until_idle() == 8);
    CHECK(ended == 8);
    CHECK(bytes_read == 8);
}

TEST_CASE("a task that does nothing but yield keeps no completion away, not even an overflowed one", "[flood]")
{
    reset_counts();
    tacet_executor_options options = scarce(1);
    options.setup_flags_forbidden = GENERATE(0u, unsigned{IORING_SETUP_DEFER_TASKRUN});
    executor executor(options);
    pending_reads reads(executor, 100);
    CHECK(tacet_executor_run(executor, 1, &no_time) == -ETIME);
    task yields(suspending_switchers()[0],
                std::vector<call>(20000, [](tacet_task* self) { return ended < 100 ? tacet_yield(self) : 0; }));
    yields.attach(executor);
    reads.pipe.write(std::string(100, 'x'));
    CHECK(executor.run_until([] { return ended == 100; }));
    CHECK_FALSE(tacet_task_has_exited(yields));
}

TEST_CASE("tasks by the thousand wait on a ring of one, and are cancelled", "[flood]")
{
    executor executor(scarce(1));
    support::pipe pipe;
    const tacet_file reader = pipe.reader();
    char byte;
    std::vector<task> tasks;
    for (std::size_t i = 0; i < 1000; i++) {
        tasks.emplace_back(suspending_switchers()[0], std::vector<call>{[&](tacet_task* self) {
                               return tacet_file_read(self, &reader, &byte, 1, 0);
                           }});
        tasks.back().attach(executor);
    }
    CHECK(tacet_executor_run(executor, 1000, nullptr) == 1000);
    CHECK(executor.stats().suspended == 1000);
    CHECK(tacet_executor_cancel_all(executor) == 0);
    CHECK(executor.run_until_idle() == 1000);
    for (const task& each : tasks)
        CHECK((tacet_task_result(each) == -ECANCELED || tacet_task_result(each) == -EINTR));
}

TEST_CASE("operations are submitted in the order of their start, however small the ring", "[flood]")
{
    reset_counts();
    executor executor(scarce(GENERATE(1u, 2u, 8u, 256u)));
    support::pipe pipe;
    const tacet_file writer = pipe.writer();
    std::vector<std::uint32_t> numbers(4000), seen(4000);
    std::vector<tacet_op> ops(numbers.size());
    for (std::uint32_t i = 0; i < numbers.size(); i++) {
        numbers[i] = i;
        REQUIRE(tacet_op_init_callback(&ops[i], executor, count, TACET_PRIORITY_NORMAL) == 0);
        REQUIRE(tacet_file_write_start(&ops[i], nullptr, &writer, &numbers[i], 4, 0) == 0);
    }
    CHECK(executor.run_until_idle() == 4000);
    REQUIRE(::read(pipe.fds[0], seen.data(), 16000) == 16000);
    CHECK(seen == numbers);
}
