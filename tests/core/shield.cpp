/* Shields: inside of one no cancel and no deadline ends a wait; after it both are in force again. */
#include "support/support.hpp"

#include <tacet/sync.h>
#include <tacet/time.h>

#include <cerrno>

using namespace support;

namespace {

constexpr std::uint64_t long_past = 1, far_off = TACET_FOREVER - 1;

const call yield = [](tacet_task* self) { return tacet_yield(self); };

call raise(tacet_shield& shield)
{
    return [&shield](tacet_task* self) { return tacet_task_shield(self, &shield); };
}

call lower(const tacet_shield& shield)
{
    return [&shield](tacet_task* self) -> tacet_result {
        tacet_task_unshield(self, &shield);
        return 0;
    };
}

call set_deadline(std::uint64_t deadline_ns)
{
    return [deadline_ns](tacet_task* self) { return tacet_task_set_deadline(self, deadline_ns); };
}

call expect_deadline(std::uint64_t deadline_ns)
{
    return [deadline_ns](tacet_task* self) -> tacet_result {
        CHECK(tacet_task_deadline(self) == deadline_ns);
        return 0;
    };
}

const call cancel_self = [](tacet_task* self) { return tacet_task_cancel(self); };

}

TEST_CASE("a cancel inside of a shield ends no wait, and the first wait after it", "[shield]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    tacet_semaphore semaphore;
    tacet_semaphore_init(&semaphore, 0);
    tacet_shield shield;
    task waiter(switcher, {raise(shield), [&](tacet_task* self) { return tacet_semaphore_acquire(self, &semaphore); },
                           yield, lower(shield), yield, yield});
    waiter.attach(executor);
    let_settle(executor);
    CHECK(tacet_task_cancel(waiter) == 0);
    CHECK(tacet_task_cancel(waiter) == 0);
    CHECK(tacet_task_cancel_requested(waiter));
    let_settle(executor);
    CHECK_FALSE(tacet_task_has_exited(waiter));
    CHECK(waiter.results().size() == 1);
    tacet_semaphore_release(&semaphore, 1);
    executor.run_until_idle();
    CHECK(waiter.results() == std::vector<tacet_result>{0, 0, 0, 0, -ECANCELED, 0});
}

TEST_CASE("an operation in flight inside of a shield is not ended by a cancel", "[shield]")
{
    executor executor(GENERATE(from_range(kernel_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    support::pipe pipe;
    const tacet_file reader = pipe.reader();
    char bytes[3] = {};
    tacet_shield shield;
    task reads(switcher,
               {raise(shield), [&](tacet_task* self) { return tacet_file_read(self, &reader, bytes, 3, 0); },
                lower(shield), [&](tacet_task* self) { return tacet_file_read(self, &reader, bytes, 3, 0); }});
    reads.attach(executor);
    let_settle(executor);
    CHECK(tacet_task_cancel(reads) == 0);
    let_settle(executor);
    CHECK(reads.results().size() == 1);
    pipe.write("abc");
    executor.run_until_idle();
    CHECK(reads.results() == std::vector<tacet_result>{0, 3, 0, -ECANCELED});
}

TEST_CASE("a cancel that has come before a shield is delivered after it", "[shield]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    tacet_shield outer, inner;
    task waiter(switcher, {cancel_self, raise(outer), yield, raise(inner), yield, cancel_self, lower(inner), yield,
                           lower(outer), yield, yield});
    waiter.attach(executor);
    executor.run_until_idle();
    CHECK(waiter.results() == std::vector<tacet_result>{0, 0, 0, 0, 0, 0, 0, 0, 0, -ECANCELED, 0});
}

TEST_CASE("a deadline is put aside by a shield, and in force again after it", "[shield]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    tacet_shield shield;
    SECTION("one that has passed")
    {
        task waiter(switcher, {set_deadline(long_past), yield, raise(shield), expect_deadline(TACET_FOREVER), yield,
                               [](tacet_task* self) { return tacet_sleep(self, 1000); }, lower(shield), yield, yield});
        waiter.attach(executor);
        executor.run_until_idle();
        CHECK(waiter.results() == std::vector<tacet_result>{0, -ETIME, 0, 0, 0, 0, 0, -ETIME, -ETIME});
    }
    SECTION("one that has not")
    {
        task waiter(switcher, {set_deadline(far_off), raise(shield), yield, lower(shield), expect_deadline(far_off),
                               yield, cancel_self, yield});
        waiter.attach(executor);
        executor.run_until_idle();
        CHECK(waiter.results() == std::vector<tacet_result>{0, 0, 0, 0, 0, 0, 0, -ECANCELED});
    }
    CHECK(executor.stats().timers == 0);
}

TEST_CASE("a deadline that is set inside of a shield holds there, and goes with it", "[shield]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const bool has_outer = GENERATE(false, true);
    const std::uint64_t outer_ns = has_outer ? far_off : TACET_FOREVER;
    tacet_shield outer, inner;
    task waiter(switcher,
                {set_deadline(outer_ns), raise(outer), set_deadline(long_past), yield, raise(inner), yield,
                 expect_deadline(TACET_FOREVER), lower(inner), yield, lower(outer), expect_deadline(outer_ns), yield});
    waiter.attach(executor);
    executor.run_until_idle();
    CHECK(waiter.results() == std::vector<tacet_result>{0, 0, 0, -ETIME, 0, 0, 0, 0, -ETIME, 0, 0, 0});
    CHECK(executor.stats().timers == 0);
}

TEST_CASE("a task that ends inside of a shield has none when it is attached anew", "[shield]")
{
    executor executor;
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    tacet_shield shield;
    task waiter(switcher, {yield, raise(shield), yield});
    waiter.attach(executor);
    executor.run_until_idle();
    CHECK(waiter.results() == std::vector<tacet_result>{0, 0, 0});
    waiter.begin_anew();
    waiter.attach(executor);
    CHECK(tacet_task_cancel(waiter) == 0);
    executor.run_until_idle();
    CHECK(waiter.results() == std::vector<tacet_result>{-ECANCELED, 0, 0});
}

TEST_CASE("a shield is for the running task alone", "[shield]")
{
    executor executor;
    tacet_shield shield;
    task waiter(all_switchers().front(), {[](tacet_task* self) { return tacet_task_shield(self, nullptr); }});
    CHECK(tacet_task_shield(nullptr, &shield) == -EINVAL);
    CHECK(tacet_task_shield(waiter, &shield) == -EINVAL);
    waiter.attach(executor);
    CHECK(tacet_task_shield(waiter, &shield) == -EINVAL);
    executor.run_until_idle();
    CHECK(waiter.results() == std::vector<tacet_result>{-EINVAL});
}
