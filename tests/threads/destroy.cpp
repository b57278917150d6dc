/* Executors that are destroyed while others have sent them tasks: those count as exited, and nothing is left behind. */
#include "support/threads.hpp"

#include <tacet/blocking.h>

#include <cerrno>
#include <memory>
#include <poll.h>

using namespace support;

namespace {

const timespec no_time = {0, 0};

}

TEST_CASE("tasks that lie in the inbox of an executor that is destroyed count as exited", "[destroy]")
{
    const wake_way way = any_of(wake_ways());
    const switcher_kind kind = GENERATE(from_range(all_switchers()));
    const bool accounting = GENERATE(false, true);
    CAPTURE(way.name, kind.name, accounting);
    std::vector<task> tasks;
    bool ran = false;
    for (int i = 0; i < 20; i++)
        tasks.emplace_back(kind, std::vector<call>{[&](tacet_task*) -> tacet_result {
                               ran = true;
                               return 0;
                           }});
    executor executor(options_of(way, accounting));
    std::atomic<int> failed = 0;
    {
        std::vector<std::jthread> senders;
        for (std::size_t thread = 0; thread < 4; thread++)
            senders.push_back(other_thread(way, [&, thread] {
                for (std::size_t i = 0; i < 5; i++)
                    failed += tacet_task_attach(executor, tasks[5 * thread + i]) != 0;
            }));
    }
    CHECK(failed == 0);
    CHECK(executor.destroy() == 0);
    CHECK_FALSE(ran);
    for (const task& each : tasks)
        CHECK(tacet_task_result(each) == -ECANCELED);
    support::executor next(options_of(way, accounting));
    for (task& each : tasks)
        each.attach(next);
    CHECK(next.run_until_idle() == 20);
    CHECK(ran);
}

TEST_CASE("an executor is destroyed at once when the last sender has returned, wherever what it sent has got to",
          "[destroy]")
{
    const wake_way way = any_of(all_wake_ways());
    CAPTURE(way.name, way.ring.name);
    const std::size_t descriptors = open_descriptors();
    const int rounds = TACET_THREAD_SANITIZER ? 20 : 100;
    for (int round = 0; round < rounds; round++) {
        std::vector<task> tasks;
        int ran = 0;
        const auto count = [&](tacet_task*) -> tacet_result { return ++ran; };
        for (std::size_t i = 0; i < 32; i++)
            tasks.emplace_back(all_switchers()[i % all_switchers().size()], std::vector<call>{count});
        executor executor(options_of(way));
        std::atomic<int> failed = 0, sent_all = 0, ended = 0;
        std::vector<std::jthread> senders;
        for (std::size_t thread = 0; thread < 2; thread++)
            senders.push_back(other_thread(way, [&, thread, round] {
                random_pauses pauses(static_cast<std::uint64_t>(round) * 2 + thread);
                for (std::size_t i = 0; i < 16; i++) {
                    failed += tacet_task_attach(executor, tasks[16 * thread + i]) != 0;
                    pauses.pause();
                }
                if (++sent_all == 2 && tacet_executor_wake(executor, 99) != 0)
                    failed++;
                ended++;
            }));
        tacet_result r = 0;
        if (round % 3 == 0) {
            while (ended < 2)
                failed += tacet_executor_run(executor, 1, &no_time) == -EINVAL;
        } else if (round % 3 == 1) {
            r = tacet_executor_run(executor, TACET_UNTIL_STOPPED, nullptr);
            CHECK(r == 99);
        }
        senders.clear();
        CHECK(executor.destroy() == 0);
        CHECK(failed == 0);
        int exited = 0;
        for (const task& each : tasks)
            exited += tacet_task_result(each) > 0;
        CHECK(exited == ran);
        count_progress();
    }
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("released tasks in the inbox are destroyed with their executor", "[destroy]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    static std::atomic<int> destroyed;
    destroyed = 0;
    {
        executor executor(options_of(way));
        std::vector<tacet_task*> tasks(5);
        for (tacet_task*& task : tasks) {
            tacet_task_options options = {};
            options.destroy_arg = [](void*) { destroyed++; };
            REQUIRE(tacet_task_create(&task, tacet_switcher_stackless(), &options) == 0);
            tacet_task_set_body(
                task, [](tacet_task*, void*) -> tacet_result { return 0; }, nullptr);
        }
        CHECK(elsewhere(way, [&] { return tacet_task_attach_many(executor, tasks.data(), 5); }) == 5);
        for (tacet_task* each : tasks)
            tacet_task_release(each);
        CHECK(destroyed == 0);
    }
    CHECK(destroyed == 5);
}

TEST_CASE("threads come and go, each with an executor that others have sent to", "[destroy]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    const std::size_t descriptors = open_descriptors();
    for (int round = 0; round < 30; round++) {
        executor_thread executor(way);
        task yields(suspending_switchers()[static_cast<std::size_t>(round) % suspending_switchers().size()],
                    {[](tacet_task* self) { return tacet_yield(self); }});
        CHECK(elsewhere(way, [&] { return tacet_task_attach(executor, yields); }) == 0);
        CHECK(tacet_task_join(yields, nullptr, nullptr) == 0);
        CHECK(executor.end(round) == round);
    }
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("executors come and go on several threads at once, one with the addresses of another's ring", "[destroy]")
{
    const wake_way way = any_of(all_wake_ways());
    CAPTURE(way.name, way.ring.name);
    const std::size_t descriptors = open_descriptors();
    std::atomic<int> failed = 0;
    {
        std::vector<std::jthread> owners;
        for (int thread = 0; thread < 4; thread++)
            owners.push_back(other_thread(way, [&] {
                for (int round = 0; round < 50; round++) {
                    tacet_executor* own = nullptr;
                    const tacet_executor_options options = options_of(way);
                    failed += tacet_executor_create(&own, &options) != 0;
                    failed += tacet_executor_run(own, TACET_UNTIL_IDLE, nullptr) != 0;
                    failed += tacet_executor_destroy(own) != 0;
                }
            }));
    }
    CHECK(failed == 0);
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("an executor that is destroyed is still woken when all that it had in flight has been cancelled", "[destroy]")
{
    const wake_way way = any_of(all_wake_ways());
    CAPTURE(way.name, way.ring.name);
    if (way.ring.entries == 0)
        SKIP("nothing is in flight without a ring");
    static std::atomic<bool> cancelled;
    cancelled = false;
    support::pipe pipe;
    tacet_op polled = {};
    executor executor(options_of(way));
    task blocked(own_stack_switchers().front(), {[](tacet_task* self) {
                     return tacet_run_blocking(
                         self,
                         [](void*) -> tacet_result {
                             while (!cancelled)
                                 std::this_thread::yield();
                             return 0;
                         },
                         nullptr);
                 }});
    CHECK(tacet_op_init_callback(
              &polled, executor, [](tacet_op*) { cancelled = true; }, TACET_PRIORITY_NORMAL) == 0);
    CHECK(tacet_poll_start(&polled, nullptr, pipe.fds[0], POLLIN) == 0);
    blocked.attach(executor);
    (void)!tacet_executor_run(executor, 1, &no_time);
    CHECK(executor.destroy() == 0);
    CHECK(polled.result == -ECANCELED);
}
