/* Operations with many results: none is lost, however they are taken, paused, cancelled or stopped. */
#include "support/altered_ring.h"
#include "support/support.hpp"

#include <cerrno>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

using namespace support;

namespace {

const timespec no_time = {0, 0};

/* What becomes readable as often as it is told to. */
struct bell {
    bell() : fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { REQUIRE(fd >= 0); }
    bell(const bell&) = delete;
    ~bell() { ::close(fd); }
    void ring() const { REQUIRE(::eventfd_write(fd, 1) == 0); }
    void silence() const
    {
        eventfd_t rung;
        REQUIRE(::eventfd_read(fd, &rung) == 0);
    }
    int fd;
};

void settle(tacet_executor* executor)
{
    for (int round = 0; round < 4; round++)
        CHECK(tacet_executor_run(executor, TACET_UNTIL_STOPPED, &no_time) >= -ETIME);
}

call next(tacet_multishot& multishot)
{
    return task::made_again([&](tacet_task* self) { return tacet_multishot_next(self, &multishot); });
}

call stop(tacet_multishot& multishot)
{
    return [&](tacet_task* self) { return tacet_multishot_stop(self, &multishot); };
}

}

TEST_CASE("a multishot poll gives its events one after the other, and is stopped", "[multishot]")
{
    const ring_kind& ring = GENERATE(from_range(kernel_rings()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    CAPTURE(ring.name, switcher.name);
    const bell bell;
    executor executor(ring);
    tacet_multishot multishot = {};
    const call start = [&](tacet_task* self) {
        return tacet_poll_multishot_start(&multishot, tacet_task_executor(self), bell.fd, POLLIN, 4);
    };
    task task(switcher, {start, next(multishot), next(multishot), stop(multishot), next(multishot)});
    task.attach(executor);
    settle(executor);
    CHECK(task.results() == std::vector<tacet_result>{0});
    CHECK(executor.stats().in_flight == 1);
    bell.ring();
    settle(executor);
    CHECK(task.results() == std::vector<tacet_result>{0, POLLIN});
    bell.ring();
    CHECK(executor.run_until_idle() > 0);
    CHECK(task.results() == std::vector<tacet_result>{0, POLLIN, POLLIN, 0, -EINVAL});
    CHECK(executor.stats().in_flight == 0);
}

TEST_CASE("a multishot of which nobody takes the results pauses, and goes on when they are taken", "[multishot]")
{
    const unsigned results_max = GENERATE(1u, 2u, 3u, 8u);
    const ring_kind& ring = GENERATE(from_range(kernel_rings()));
    CAPTURE(ring.name, results_max);
    const bell bell;
    executor executor(ring);
    tacet_multishot multishot = {};
    REQUIRE(tacet_poll_multishot_start(&multishot, executor, bell.fd, POLLIN, results_max) == 0);
    for (int round = 0; round < 3; round++) {
        settle(executor);
        CHECK(executor.stats().in_flight == 1);
        while (executor.stats().in_flight == 1) {
            REQUIRE(multishot.count <= results_max);
            bell.ring();
            settle(executor);
        }
        CHECK(multishot.count == results_max);
        bell.silence();
        for (unsigned i = 0; i < results_max; i++)
            CHECK(tacet_multishot_take(&multishot) == POLLIN);
    }
    task stopping(suspending_switchers()[0], {stop(multishot)});
    stopping.attach(executor);
    CHECK(executor.run_until_idle() > 0);
    CHECK(stopping.results() == std::vector<tacet_result>{0});
    CHECK(executor.stats().in_flight == 0);
}

TEST_CASE("the cancel of a task that waits for a multishot's result leaves the multishot as it is", "[multishot]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    CAPTURE(switcher.name);
    const bell bell;
    executor executor;
    tacet_multishot multishot = {};
    REQUIRE(tacet_poll_multishot_start(&multishot, executor, bell.fd, POLLIN, 4) == 0);
    task waits(switcher, {next(multishot), next(multishot)});
    waits.attach(executor);
    settle(executor);
    SECTION("while it waits")
    {
        CHECK(tacet_task_cancel(waits) == 0);
        settle(executor);
        CHECK(waits.results() == std::vector<tacet_result>{-ECANCELED});
        bell.ring();
    }
    SECTION("by its deadline")
    {
        CHECK(tacet_task_set_deadline(waits, 1) == 0);
        settle(executor);
        CHECK(waits.results() == std::vector<tacet_result>{-ETIME, -ETIME});
        CHECK(executor.stats().in_flight == 1);
        CHECK(executor.destroy() == 0);
        return;
    }
    SECTION("when the result is there")
    {
        bell.ring();
        CHECK(tacet_task_cancel(waits) == 0);
    }
    settle(executor);
    REQUIRE(waits.results().size() == 2);
    CHECK(waits.results()[0] + waits.results()[1] == POLLIN - ECANCELED);
    CHECK(executor.stats().in_flight == 1);
    CHECK(executor.destroy() == 0);
}

TEST_CASE("a cancel and a deadline go before the results that lie there", "[multishot]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    CAPTURE(switcher.name);
    const bell bell;
    executor executor;
    tacet_multishot multishot = {};
    REQUIRE(tacet_poll_multishot_start(&multishot, executor, bell.fd, POLLIN, 4) == 0);
    bell.ring();
    settle(executor);
    task takes(switcher, {next(multishot), next(multishot)}), late(switcher, {next(multishot)});
    late.attach(executor);
    CHECK(tacet_task_set_deadline(late, 1) == 0);
    settle(executor);
    CHECK(late.results() == std::vector<tacet_result>{-ETIME});
    takes.attach(executor);
    CHECK(tacet_task_cancel(takes) == 0);
    settle(executor);
    CHECK(takes.results() == std::vector<tacet_result>{-ECANCELED, POLLIN});
    CHECK(executor.stats().in_flight == 1);
    CHECK(executor.destroy() == 0);
}

TEST_CASE("one task at a time waits for a multishot, and only one of its executor", "[multishot]")
{
    const bell bell;
    executor here, there;
    tacet_multishot multishot = {};
    REQUIRE(tacet_poll_multishot_start(&multishot, here, bell.fd, POLLIN, 4) == 0);
    task first(suspending_switchers()[1], {next(multishot)}), second(suspending_switchers()[1], {next(multishot)});
    task stranger(suspending_switchers()[1], {next(multishot), stop(multishot)});
    first.attach(here);
    second.attach(here);
    stranger.attach(there);
    settle(here);
    settle(there);
    CHECK(second.results() == std::vector<tacet_result>{-EBUSY});
    CHECK(stranger.results() == std::vector<tacet_result>{-EPERM, -EPERM});
    bell.ring();
    settle(here);
    CHECK(first.results() == std::vector<tacet_result>{POLLIN});
    CHECK(here.destroy() == 0);
}

TEST_CASE("a multishot that fails says so once, and is started anew by the next call", "[multishot]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    executor executor;
    tacet_multishot multishot = {};
    REQUIRE(tacet_poll_multishot_start(&multishot, executor, 1 << 20, POLLIN, 4) == 0);
    task task(switcher, {next(multishot), next(multishot), stop(multishot)});
    task.attach(executor);
    CHECK(executor.run_until_idle() > 0);
    CHECK(task.results() == std::vector<tacet_result>{-EBADF, -EBADF, 0});
    CHECK(executor.stats().submitted == 2);
}

TEST_CASE("the cancel of a multishot that the kernel does not find for a moment is made again", "[multishot]")
{
    static int stopped;
    stopped = 0;
    const bool full = GENERATE(false, true);
    const bell bell;
    support::executor executor(GENERATE(from_range(kernel_rings())));
    tacet_multishot multishot = {};
    REQUIRE(tacet_poll_multishot_start(&multishot, executor, bell.fd, POLLIN, 1) == 0);
    settle(executor);
    altered_ring_misdirect_cancels(executor, 1);
    if (full)
        bell.ring();
    else
        tacet_multishot_abandon(&multishot, [](tacet_multishot*) { stopped++; });
    settle(executor);
    settle(executor);
    CHECK(executor.stats().in_flight == 0);
    CHECK(stopped == (full ? 0 : 1));
    if (full)
        CHECK(tacet_multishot_take(&multishot) == POLLIN);
    CHECK(executor.destroy() == 0);
}

TEST_CASE("a multishot is not started twice, but when it was stopped", "[multishot]")
{
    const bell bell;
    support::executor executor;
    tacet_multishot multishot = {};
    const auto start = [&] { return tacet_poll_multishot_start(&multishot, executor, bell.fd, POLLIN, 4); };
    REQUIRE(start() == 0);
    CHECK(start() == -EBUSY);
    task stops(suspending_switchers()[0], {stop(multishot)});
    stops.attach(executor);
    CHECK(executor.run_until_idle() > 0);
    CHECK(executor.stats().submitted <= 2); /* the poll and its cancel */
    CHECK(start() == 0);
    CHECK(executor.destroy() == 0);
}

TEST_CASE("in the child of a fork a multishot is abandoned at once, and the parent's goes on", "[multishot]")
{
    static int stopped;
    stopped = 0;
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const bool waited_for = GENERATE(false, true);
    const bell bell;
    support::executor executor;
    tacet_multishot multishot = {};
    REQUIRE(tacet_poll_multishot_start(&multishot, executor, bell.fd, POLLIN, 4) == 0);
    task waits(switcher, {next(multishot), next(multishot)});
    if (waited_for)
        waits.attach(executor);
    settle(executor);
    const auto in_the_child = [&] {
        tacet_multishot copy = {};
        if (tacet_poll_multishot_start(&copy, executor, bell.fd, POLLIN, 4) != -EPERM)
            return 1;
        tacet_multishot_abandon(&multishot, [](tacet_multishot*) { stopped++; });
        return stopped == 1 ? 0 : 2;
    };
    CHECK(in_child(in_the_child) == 0);
    CHECK(stopped == 0);
    bell.ring();
    settle(executor);
    if (waited_for)
        CHECK(waits.results() == std::vector<tacet_result>{POLLIN});
    else
        CHECK(tacet_multishot_take(&multishot) == POLLIN);
    CHECK(executor.destroy() == 0);
}

TEST_CASE("a task that forks cannot stop a multishot in the child", "[multishot]")
{
    const bell bell;
    support::executor executor;
    tacet_multishot multishot = {};
    REQUIRE(tacet_poll_multishot_start(&multishot, executor, bell.fd, POLLIN, 4) == 0);
    const call forks = [&](tacet_task* self) -> tacet_result {
        return in_child([&] {
            const bool refused = tacet_multishot_stop(self, &multishot) == -EPERM &&
                                 tacet_multishot_next(self, &multishot) == -EPERM;
            return refused ? 0 : 1;
        });
    };
    task task(suspending_switchers()[1], {forks, stop(multishot)});
    task.attach(executor);
    CHECK(executor.run_until_idle() > 0);
    CHECK(task.results() == std::vector<tacet_result>{0, 0});
}

TEST_CASE("arguments that cannot be are refused, and nothing is started", "[multishot]")
{
    executor executor, without_ring(ring_kind{"no ring", 0, 0});
    tacet_multishot multishot = {};
    CHECK(tacet_poll_multishot_start(nullptr, executor, 0, POLLIN, 1) == -EINVAL);
    CHECK(tacet_poll_multishot_start(&multishot, nullptr, 0, POLLIN, 1) == -EINVAL);
    CHECK(tacet_poll_multishot_start(&multishot, executor, 0, POLLIN, 0) == -EINVAL);
    CHECK(tacet_poll_multishot_start(&multishot, without_ring, 0, POLLIN, 1) == -ENOTSUP);
    CHECK(executor.stats().in_flight == 0);
}

TEST_CASE("an abandoned multishot tells when its memory is free, whatever it was about", "[multishot]")
{
    static int stopped;
    stopped = 0;
    const bool runs = GENERATE(false, true);
    const auto count = [](tacet_multishot*) { stopped++; };
    const bell bell;
    support::executor executor(GENERATE(from_range(kernel_rings())));
    tacet_multishot multishot = {};
    REQUIRE(tacet_poll_multishot_start(&multishot, executor, bell.fd, POLLIN, 1) == 0);
    SECTION("before it was submitted")
    {
        tacet_multishot_abandon(&multishot, count);
        CHECK(stopped == 0);
    }
    SECTION("in flight")
    {
        settle(executor);
        tacet_multishot_abandon(&multishot, count);
        CHECK(stopped == 0);
    }
    SECTION("full, before it pauses")
    {
        settle(executor);
        bell.ring();
        CHECK(tacet_executor_run(executor, 1, &no_time) >= -ETIME);
        tacet_multishot_abandon(&multishot, count);
    }
    SECTION("paused")
    {
        settle(executor);
        bell.ring();
        settle(executor);
        CHECK(executor.stats().in_flight == 0);
        tacet_multishot_abandon(&multishot, count);
        CHECK(stopped == 1);
    }
    if (runs)
        CHECK(executor.run_until_idle() >= 0);
    CHECK(executor.destroy() == 0);
    CHECK(stopped == 1);
}

TEST_CASE("a multishot outlives its executor, and is abandoned then", "[multishot]")
{
    static int stopped;
    stopped = 0;
    const bell bell;
    tacet_multishot multishot = {};
    {
        executor executor;
        REQUIRE(tacet_poll_multishot_start(&multishot, executor, bell.fd, POLLIN, 1) == 0);
        task waits(GENERATE(from_range(suspending_switchers())), {next(multishot)});
        waits.attach(executor);
        settle(executor);
        bell.ring();
    }
    tacet_multishot_abandon(&multishot, [](tacet_multishot*) { stopped++; });
    CHECK(stopped == 1);
}
