/* Cancellation of tasks: in every state, in every kind of wait, delivered exactly once. */
#include "support/support.hpp"
#include "support/waits.hpp"

#include <cerrno>
#include <memory>
#include <poll.h>
#include <unistd.h>

using namespace support;

TEST_CASE("a cancel ends what the task waits for, once, and stays requested", "[cancel]")
{
    const ring_kind& ring = GENERATE(from_range(all_rings()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    for (const std::string& name : waits_on(ring)) {
        CAPTURE(ring.name, switcher.name, name);
        waits waits;
        executor executor(ring);
        task never(switcher, {[](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); }});
        waits.never = never;
        tacet_task* handle = nullptr;
        bool requested = false;
        task waiter(switcher, {waits.make(name), [](tacet_task* self) { return tacet_sleep(self, 1000); },
                               [&](tacet_task*) -> tacet_result {
                                   requested = tacet_task_cancel_requested(handle);
                                   return 5;
                               }});
        handle = waiter;
        never.attach(executor);
        waiter.attach(executor);
        CHECK(tacet_executor_run(executor, 2, nullptr) == 2);
        CHECK(waiter.results().empty());
        CHECK_FALSE(tacet_task_cancel_requested(waiter));
        CHECK(tacet_task_cancel(waiter) == 0);
        CHECK(executor.run_until([&] { return tacet_task_has_exited(waiter); }));
        REQUIRE(waiter.results().size() == 3);
        CHECK(was_cancelled(waiter.results()[0]));
        CHECK(waiter.results()[1] == 0);
        CHECK(waiter.results()[2] == 5);
        CHECK(requested);
        CHECK(tacet_task_cancel(waiter) == -ESRCH);
        if (name == "any" || name == "any, timed") /* a cancel ends the wait and none of the ops */
            CHECK(waits.op.request.state == TACET_OP_IN_FLIGHT);
        CHECK(executor.destroy() == 0);
    }
}

TEST_CASE("a second cancel, while the first ends a wait, is for the next cancellation point", "[cancel]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const auto sleep = [](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); };
    task waiter(switcher, {sleep, sleep, [](tacet_task* self) { return tacet_yield(self); }});
    waiter.attach(executor);
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    for (int i = 0; i < 3; i++)
        CHECK(tacet_task_cancel(waiter) == 0);
    CHECK(executor.run_until_idle() == 2);
    CHECK(waiter.results() == std::vector<tacet_result>{-ECANCELED, -ECANCELED, 0});
}

TEST_CASE("a cancel that has been delivered is not delivered again", "[cancel]")
{
    const ring_kind& ring = GENERATE(from_range(all_rings()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    executor executor(ring);
    task waiter(switcher, {[](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); },
                           [](tacet_task* self) { return tacet_sleep(self, 1000); },
                           [](tacet_task* self) { return tacet_yield(self); }});
    waiter.attach(executor);
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    CHECK(tacet_task_cancel(waiter) == 0);
    CHECK(executor.run_until_idle() == 3);
    CHECK(waiter.results() == std::vector<tacet_result>{-ECANCELED, 0, 0});
    CHECK(tacet_task_cancel_requested(waiter));
    waiter.attach(executor);
    CHECK_FALSE(tacet_task_cancel_requested(waiter)); /* a new life */
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    CHECK(tacet_task_cancel(waiter) == 0);
    CHECK(executor.run_until_idle() == 3);
}

TEST_CASE("a task that is cancelled before it starts gets it at its first cancellation point", "[cancel]")
{
    const ring_kind& ring = GENERATE(from_range(all_rings()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    for (const std::string& name : waits_on(ring)) {
        CAPTURE(ring.name, switcher.name, name);
        waits waits;
        executor executor(ring);
        task never(switcher, {[](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); }});
        waits.never = never;
        bool started = false;
        task waiter(switcher, {[&](tacet_task*) -> tacet_result { return started = true; }, waits.make(name),
                               [](tacet_task* self) { return tacet_yield(self); }});
        never.attach(executor);
        waiter.attach(executor);
        CHECK(tacet_task_cancel(waiter) == 0);
        CHECK(executor.run_until([&] { return tacet_task_has_exited(waiter); }));
        CHECK(started);
        REQUIRE(waiter.results().size() == 3);
        CHECK(was_cancelled(waiter.results()[1]));
        CHECK(waiter.results()[2] == 0);
    }
}

TEST_CASE("a cancel of a running or a ready task is delivered at its next cancellation point", "[cancel]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const bool running = GENERATE(false, true);
    tacet_task* handle = nullptr;
    task waiter(switcher, {[](tacet_task* self) { return tacet_yield(self); },
                           [&](tacet_task*) { return running ? tacet_task_cancel(handle) : 0; },
                           [](tacet_task* self) { return tacet_yield(self); },
                           [](tacet_task* self) { return tacet_yield(self); }});
    handle = waiter;
    waiter.attach(executor);
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    if (!running)
        CHECK(tacet_task_cancel(waiter) == 0);
    CHECK(executor.run_until_idle() == 2);
    CHECK(waiter.results() == std::vector<tacet_result>{0, 0, -ECANCELED, 0});
}

TEST_CASE("what succeeded before the cancel was delivered is reported, and the cancel comes next", "[cancel]")
{
    executor executor(GENERATE(from_range(kernel_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    support::pipe pipe;
    const tacet_file reader = pipe.reader();
    char bytes[3] = {};
    tacet_semaphore semaphore;
    tacet_semaphore_init(&semaphore, 0);
    task reads(switcher, {[&](tacet_task* self) { return tacet_file_read(self, &reader, bytes, 3, 0); },
                          [&](tacet_task* self) { return tacet_yield(self); }});
    task acquires(switcher, {[&](tacet_task* self) { return tacet_semaphore_acquire(self, &semaphore); },
                             [&](tacet_task* self) { return tacet_semaphore_acquire(self, &semaphore); }});
    reads.attach(executor);
    acquires.attach(executor);
    CHECK(tacet_executor_run(executor, 2, nullptr) == 2);
    tacet_semaphore_release(&semaphore, 2);
    CHECK(tacet_task_cancel(acquires) == 0);
    pipe.write("abc");
    while (executor.stats().completed == 0) {
        const timespec no_time = {0, 0};
        task runs(tacet_switcher_none(), {[](tacet_task*) -> tacet_result { return 0; }});
        CHECK(tacet_task_set_priority(runs, TACET_PRIORITY_HIGH, TACET_PRIORITY_NORMAL) == 0);
        runs.attach(executor);
        CHECK(tacet_executor_run(executor, 1, &no_time) == 1);
    }
    CHECK(tacet_task_cancel(reads) == 0);
    CHECK(executor.run_until_idle() == 2);
    CHECK(reads.results() == std::vector<tacet_result>{3, -ECANCELED});
    CHECK(std::string(bytes, 3) == "abc");
    CHECK(acquires.results() == std::vector<tacet_result>{0, -ECANCELED});
    CHECK(semaphore.available == 1); /* what was not taken is still there */
}

TEST_CASE("a close is never cancelled", "[cancel]")
{
    executor executor(GENERATE(from_range(kernel_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const std::size_t before = open_descriptors();
    support::pipe pipe;
    tacet_file writer = {::dup(pipe.fds[1]), O_WRONLY, 0};
    task closes(switcher, {[&](tacet_task* self) { return tacet_file_close(self, &writer); },
                           [](tacet_task* self) { return tacet_yield(self); }});
    closes.attach(executor);
    SECTION("asked for before")
    {
        CHECK(tacet_task_cancel(closes) == 0);
    }
    SECTION("asked for while it is in flight")
    {
        CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
        CHECK(tacet_task_cancel(closes) == 0);
    }
    CHECK(executor.run_until_idle() > 0);
    CHECK(closes.results() == std::vector<tacet_result>{0, -ECANCELED});
    CHECK(writer.fd == -1);
    CHECK(open_descriptors() == before + 2);
}

TEST_CASE("cancelling NULL or an unattached task is -EINVAL, an exited one -ESRCH", "[cancel]")
{
    task task(GENERATE(from_range(all_switchers())), {[](tacet_task*) -> tacet_result { return 0; }});
    CHECK(tacet_task_cancel(nullptr) == -EINVAL);
    CHECK(tacet_task_cancel(task) == -EINVAL);
    executor executor;
    task.attach(executor);
    CHECK(executor.run_until_idle() == 1);
    CHECK(tacet_task_cancel(task) == -ESRCH);
    CHECK(executor.destroy() == 0);
    CHECK(tacet_task_cancel(task) == -ESRCH); /* its executor has gone: it is not asked */
}

TEST_CASE("a none task is told of its cancel", "[cancel]")
{
    executor executor;
    bool requested = false;
    task none(tacet_switcher_none(), {[&](tacet_task* self) -> tacet_result {
                  requested = tacet_task_cancel_requested(self);
                  return 1;
              }});
    none.attach(executor);
    CHECK(tacet_task_cancel(none) == 0);
    CHECK(executor.run_until_idle() == 1);
    CHECK(requested);
    CHECK(tacet_task_result(none) == 1);
}
