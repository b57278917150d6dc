/* Wakes that come when the rings are full: of completions that nobody has taken, of submissions, and a ring of one. */
#include "support/threads.hpp"

#include <cerrno>
#include <poll.h>
#include <unistd.h>

using namespace support;

namespace {

std::vector<wake_way> ways_with_rings(unsigned entries)
{
    std::vector<wake_way> ways;
    for (const wake_way& way : wake_ways())
        if (way.ring.entries > 0) {
            ways.push_back(way);
            ways.back().ring.entries = entries;
        }
    return ways;
}

struct polls {
    std::vector<tacet_op> ops;
    static inline int ended;

    polls(tacet_executor* executor, std::size_t count) : ops(count)
    {
        ended = 0;
        for (tacet_op& op : ops)
            REQUIRE(tacet_op_init_callback(
                        &op, executor, [](tacet_op*) { ended++; }, TACET_PRIORITY_LOW) == 0);
    }
    void start(int fd)
    {
        for (tacet_op& op : ops)
            REQUIRE(tacet_poll_start(&op, nullptr, fd, POLLIN) == 0);
    }
};

}

TEST_CASE("an executor is woken after the completion queue has run over, again and again", "[floods]")
{
    const unsigned entries = GENERATE(1u, 8u);
    const wake_way way = any_of(ways_with_rings(entries));
    CAPTURE(way.name, entries);
    const std::size_t descriptors = open_descriptors();
    {
        tacet_executor_options options = options_of(way);
        options.cq_entries = 16;
        executor executor(options);
        support::pipe pipe;
        polls polls(executor, 200);
        int ran = 0;
        task counts(suspending_switchers()[0], {[&](tacet_task*) -> tacet_result { return ++ran; }});
        for (int round = 1; round <= 30; round++) {
            polls.ended = 0;
            counts.begin_anew();
            polls.start(pipe.fds[0]);
            {
                const std::jthread waker = other_thread(way, [&] {
                    wait_until_asleep(executor);
                    if (::write(pipe.fds[1], "x", 1) != 1 || tacet_task_attach(executor, counts) != 0)
                        std::abort();
                });
                /* It is idle where the polls have ended and the task has not come yet. */
                wait_until([&] {
                    return tacet_executor_run(executor, 1, nullptr) < 0 || (polls.ended == 200 && ran == round);
                });
            }
            char byte;
            REQUIRE(::read(pipe.fds[0], &byte, 1) == 1);
            {
                const std::jthread waker = other_thread(way, [&] {
                    wait_until_asleep(executor);
                    if (tacet_executor_wake(executor, round) != 0)
                        std::abort();
                });
                REQUIRE(tacet_executor_run(executor, TACET_UNTIL_STOPPED, nullptr) == round);
            }
        }
        CHECK(ran == 30);
        CHECK(executor.stats().cq_overflows > 0);
        CHECK(executor.stats().in_flight == 0);
    }
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("an executor is woken while its submission queue is full, of operations and of their cancels", "[floods]")
{
    const unsigned entries = GENERATE(1u, 2u, 256u);
    const wake_way way = any_of(ways_with_rings(entries));
    CAPTURE(way.name, entries);
    executor executor(options_of(way));
    support::pipe pipe;
    polls polls(executor, entries);
    for (int round = 1; round <= 20; round++) {
        polls.ended = 0;
        polls.start(pipe.fds[0]);
        if (round % 2 == 0)
            for (tacet_op& op : polls.ops)
                CHECK(tacet_op_cancel(&op) == 0);
        if (round % 3 == 0)
            CHECK(elsewhere(way, [&] { return tacet_executor_wake(executor, round); }) == 0);
        {
            const std::jthread waker = other_thread(way, [&] {
                if (round % 3 == 0)
                    return;
                wait_until([&] { return is_asleep(executor); });
                if (tacet_executor_wake(executor, round) != 0)
                    std::abort();
            });
            CHECK(tacet_executor_run(executor, TACET_UNTIL_STOPPED, nullptr) == round);
        }
        for (tacet_op& op : polls.ops)
            (void)tacet_op_cancel(&op);
        CHECK(executor.run_until([&] { return polls.ended == static_cast<int>(entries); }));
    }
    CHECK(executor.stats().in_flight == 0);
}

TEST_CASE("wakes and completions come at the same time through a ring of one, and none is lost", "[floods]")
{
    const wake_way way = any_of(ways_with_rings(1));
    CAPTURE(way.name);
    executor executor(options_of(way));
    const std::size_t rounds = TACET_THREAD_SANITIZER || TACET_ADDRESS_SANITIZER ? 300 : 3000;
    support::pipe pipe;
    const tacet_file reader = pipe.reader();
    char byte = 0;
    std::atomic<std::size_t> read = 0, ran = 0;
    std::vector<call> calls;
    for (std::size_t i = 0; i < rounds; i++) {
        calls.push_back([&](tacet_task* self) { return tacet_file_read(self, &reader, &byte, 1, 0); });
        calls.push_back([&](tacet_task* self) {
            read++;
            return tacet_yield(self);
        });
    }
    task reads(suspending_switchers()[0], calls);
    task counts(suspending_switchers()[0], {[&](tacet_task*) -> tacet_result {
                    ran++;
                    return 0;
                }});
    reads.attach(executor);
    std::atomic<std::size_t> failed = 0;
    {
        const std::jthread writer([&] {
            random_pauses pauses(11);
            for (std::size_t i = 0; i < rounds; i++) {
                failed += ::write(pipe.fds[1], "x", 1) != 1;
                pauses.pause();
                if (i % 8 == 0)
                    wait_until([&] { return read == i + 1; });
            }
        });
        const std::jthread attacher = other_thread(way, [&] {
            random_pauses pauses(12);
            for (std::size_t i = 0; i < rounds; i++) {
                counts.begin_anew();
                failed += tacet_task_attach(executor, counts) != 0;
                failed += tacet_task_join(counts, nullptr, nullptr) != 0;
                pauses.pause();
                count_progress();
            }
            wait_until([&] { return read == rounds; });
            failed += tacet_executor_wake(executor, 5) != 0;
        });
        CHECK(tacet_executor_run(executor, TACET_UNTIL_STOPPED, nullptr) == 5);
    }
    CHECK(executor.run_until_idle() >= 0);
    CHECK(failed == 0);
    CHECK(ran == rounds);
    CHECK(tacet_task_has_exited(reads));
}
