// semaphore: order, permits, cancels; with tasks of the C interface, too.
#include "support.hpp"

using namespace tests;

TEST_CASE("a semaphore bounds how many are inside", "[cxx][sync]")
{
    tacet::executor executor;
    tacet::semaphore slots(3);
    int inside = 0, most = 0, done = 0;
    auto working = [&]() -> tacet::task<> {
        const tacet::semaphore::permit permit = co_await slots.acquire_permit();
        most = std::max(most, ++inside);
        for (int i = 0; i < 5; i++)
            co_await tacet::yield();
        inside--;
        done++;
    };
    for (int i = 0; i < 100; i++)
        (void)executor.spawn(working());
    executor.run_until_idle();
    CHECK(done == 100);
    CHECK(most == 3);
    CHECK(slots.get()->available == 3);
}

TEST_CASE("those who wait for a semaphore are served in the order of their coming", "[cxx][sync]")
{
    tacet::executor executor;
    tacet::semaphore closed(0);
    std::vector<int> order;
    auto waiting = [&](int number) -> tacet::task<> {
        co_await closed.acquire();
        order.push_back(number);
    };
    for (int i = 0; i < 5; i++)
        (void)executor.spawn(waiting(i));
    executor.run_until_idle();
    CHECK(order.empty());
    closed.release();
    executor.run_until_idle();
    CHECK(order == std::vector<int>{0});
    closed.release(10);
    executor.run_until_idle();
    CHECK(order == std::vector<int>{0, 1, 2, 3, 4});
    CHECK(closed.get()->available == 6);
}

TEST_CASE("who comes when one is free does not overtake those who wait", "[cxx][sync]")
{
    tacet::executor executor;
    tacet::semaphore one(0);
    std::vector<int> order;
    auto waiting = [&](int number) -> tacet::task<> {
        co_await one.acquire();
        order.push_back(number);
    };
    (void)executor.spawn(waiting(1));
    executor.run_until_idle();
    one.release();
    CHECK_FALSE(one.try_acquire());
    (void)executor.spawn(waiting(2));
    executor.run_until_idle();
    CHECK(order == std::vector<int>{1});
    one.release();
    executor.run_until_idle();
    CHECK(order == std::vector<int>{1, 2});
}

TEST_CASE("try_acquire takes what is there and never waits", "[cxx][sync]")
{
    tacet::semaphore two(2);
    CHECK(two.try_acquire());
    CHECK(two.try_acquire());
    CHECK_FALSE(two.try_acquire());
    two.release();
    CHECK(two.try_acquire());
}

TEST_CASE("a permit moves, and is given back once", "[cxx][sync]")
{
    tacet::executor executor;
    tacet::semaphore slots(2);
    auto working = [&]() -> tacet::task<> {
        tacet::semaphore::permit first = co_await slots.acquire_permit();
        tacet::semaphore::permit second = co_await slots.acquire_permit();
        CHECK(slots.get()->available == 0);
        {
            const tacet::semaphore::permit moved = std::move(first);
            CHECK(slots.get()->available == 0);
        }
        CHECK(slots.get()->available == 1);
        first = std::move(second);
        CHECK(slots.get()->available == 1);
    };
    executor.run(working());
    CHECK(slots.get()->available == 2);
}

TEST_CASE("a permit is given back before its end, once, or kept for good", "[cxx][sync]")
{
    tacet::executor executor;
    tacet::semaphore slots(2);
    auto working = [&]() -> tacet::task<> {
        tacet::semaphore::permit first = co_await slots.acquire_permit();
        first.release();
        CHECK(slots.get()->available == 2);
        first.release();
        CHECK(slots.get()->available == 2);
        tacet::semaphore::permit second = co_await slots.acquire_permit();
        second.keep();
    };
    executor.run(working());
    CHECK(slots.get()->available == 1);
}

TEST_CASE("as_result of a permit gives the permit, which gives back", "[cxx][sync]")
{
    tacet::executor executor;
    tacet::semaphore slots(1);
    auto working = [&]() -> tacet::task<> {
        {
            const auto permit = co_await tacet::as_result(slots.acquire_permit());
            CHECK(permit.has_value());
            CHECK(slots.get()->available == 0);
        }
        CHECK(slots.get()->available == 1);
        const tacet::result<void> plain = co_await tacet::as_result(slots.acquire());
        CHECK(plain.has_value());
        const auto cancelled = co_await tacet::as_result(slots.acquire_permit());
        CHECK(cancelled.error() == std::errc::operation_canceled);
    };
    tacet::join_handle<> handle = executor.spawn(working());
    executor.run_until_idle();
    CHECK(slots.get()->available == 0);
    handle.cancel();
    executor.run_until_idle();
    handle.take();
    CHECK(slots.get()->available == 0);
}

TEST_CASE("a cancel while waiting takes no permit, and the next in line gets it", "[cxx][sync]")
{
    tacet::executor executor;
    tacet::semaphore closed(0);
    int got = 0;
    auto waiting = [&]() -> tacet::task<> {
        co_await closed.acquire();
        got++;
    };
    tacet::join_handle<> first = executor.spawn(waiting()), second = executor.spawn(waiting());
    executor.run_until_idle();
    first.cancel();
    closed.release();
    executor.run_until_idle();
    CHECK(failure_of([&] { first.take(); }).code == std::errc::operation_canceled);
    CHECK(got == 1);
    CHECK(second.has_exited());
    CHECK(closed.get()->available == 0);
}

TEST_CASE("a cancel that comes after the release leaves the permit with its task", "[cxx][sync]")
{
    tacet::executor executor;
    tacet::semaphore closed(0);
    int got = 0;
    auto waiting = [&]() -> tacet::task<> {
        const tacet::semaphore::permit permit = co_await closed.acquire_permit();
        got++;
        co_await tacet::yield();
    };
    tacet::join_handle<> handle = executor.spawn(waiting());
    executor.run_until_idle();
    closed.release();
    handle.cancel();
    executor.run_until_idle();
    CHECK(got == 1);
    CHECK(failure_of([&] { handle.take(); }).what == "yield: " + message_of(std::errc::operation_canceled));
    CHECK(closed.get()->available == 1);
}

TEST_CASE("a cancelled task does not take what is free", "[cxx][sync]")
{
    tacet::executor executor;
    tacet::semaphore open(1);
    auto acquiring = [&]() -> tacet::task<> { co_await open.acquire(); };
    tacet::join_handle<> handle = executor.spawn(acquiring());
    handle.cancel();
    executor.run_until_idle();
    CHECK(failure_of([&] { handle.take(); }).what == "semaphore acquire: " + message_of(std::errc::operation_canceled));
    CHECK(open.get()->available == 1);
}

TEST_CASE("who waits for a semaphore that goes waits until it is cancelled", "[cxx][sync]")
{
    tacet::executor executor;
    auto closed = std::make_unique<tacet::semaphore>(0);
    auto acquiring = [&]() -> tacet::task<> { co_await closed->acquire(); };
    tacet::join_handle<> first = executor.spawn(acquiring());
    const tacet::join_handle<> second = executor.spawn(acquiring()), third = executor.spawn(acquiring());
    executor.run_until_idle();
    closed.reset();
    first.cancel();
    executor.run_until_idle();
    CHECK(failure_of([&] { first.take(); }).code == std::errc::operation_canceled);
    CHECK_FALSE(second.has_exited());
    CHECK_FALSE(third.has_exited()); // and go with the executor
}

TEST_CASE("coroutines and tasks with stacks share a semaphore", "[cxx][sync]")
{
    tacet::executor executor;
    tacet::semaphore turn(1);
    int inside = 0, done = 0;
    std::vector<std::unique_ptr<tacet::native_task>> natives;
    auto native_work = [&](tacet_task* self) -> tacet_result {
        for (int i = 0; i < 50; i++) {
            if (tacet_semaphore_acquire(self, turn.get()) < 0)
                return -EIO;
            CHECK(++inside == 1);
            CHECK(tacet_yield(self) == 0);
            inside--;
            turn.release();
        }
        done++;
        return 0;
    };
    auto coroutine_work = [&]() -> tacet::task<> {
        for (int i = 0; i < 50; i++) {
            const tacet::semaphore::permit permit = co_await turn.acquire_permit();
            CHECK(++inside == 1);
            co_await tacet::yield();
            inside--;
        }
        done++;
    };
    for (int i = 0; i < 4; i++) {
        natives.push_back(std::make_unique<tacet::native_task>(tacet_switcher_asm(), native_work));
        natives.back()->attach(executor);
        (void)executor.spawn(coroutine_work());
    }
    executor.run_until_idle();
    CHECK(done == 8);
    CHECK(turn.get()->available == 1);
}
