// block_on: a plain thread waits for a task of an executor that another thread runs.
#include "hosts.hpp"

using namespace tests;

namespace {

tacet::task<int> doubled_late(int number)
{
    for (int i = 0; i < 3; i++)
        co_await tacet::yield();
    co_return 2 * number;
}

tacet::task<> failing(const char* what)
{
    co_await tacet::yield();
    throw std::runtime_error(what);
}

tacet::task<> sleeping(std::atomic<int>& asleep)
{
    asleep++;
    co_await tacet::sleep_for(for_ever);
}

}

TEST_CASE("block_on returns what the task returns, and throws what it throws", "[cxx][block_on]")
{
    host other(options_of(ANY_EXECUTOR));
    auto where = []() -> tacet::task<std::thread::id> { co_return here(); };
    auto making = []() -> tacet::task<std::unique_ptr<int>> { co_return std::make_unique<int>(3); };
    CHECK(tacet::block_on(other, where()) == other.id());
    CHECK(tacet::block_on(other, doubled_late(21)) == 42);
    CHECK(*tacet::block_on(other, making()) == 3);
    CHECK(thrown_by([&] { tacet::block_on(other, failing("blocked on")); }) == "blocked on");
    other.stop();
    CHECK(other.thrown().empty());
}

TEST_CASE("block_on a future, under way or ready", "[cxx][block_on]")
{
    host other;
    tacet::future<int> number = tacet::spawn_on(other, doubled_late(1));
    CHECK(tacet::block_on(std::move(number)) == 2);
    tacet::future<int> ready = tacet::spawn_on(other, doubled_late(2));
    while (!ready.has_exited())
        std::this_thread::yield();
    CHECK(tacet::block_on(std::move(ready)) == 4);
}

TEST_CASE("many threads block on one executor", "[cxx][block_on][race]")
{
    host other(options_of(ANY_EXECUTOR));
    std::atomic<long> sum = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; t++)
        threads.emplace_back([&] {
            for (int i = 0; i < 300; i++)
                sum += tacet::block_on(other, doubled_late(i));
        });
    for (std::thread& each : threads)
        each.join();
    CHECK(sum == 8L * 299 * 300);
}

TEST_CASE("a thread that runs an executor may block on another one", "[cxx][block_on]")
{
    host other;
    tacet::executor executor;
    auto blocking = [&]() -> tacet::task<int> { co_return tacet::block_on(other, doubled_late(4)); };
    CHECK(executor.run(blocking()) == 8);
}

TEST_CASE("blocking on the own executor is refused", "[cxx][block_on]")
{
    tacet::executor executor;
    auto blocking = [&]() -> tacet::task<std::error_code> {
        co_return failure_of([&] { (void)tacet::block_on(executor, doubled_late(1)); }).code;
    };
    CHECK(executor.run(blocking()) == std::errc::resource_deadlock_would_occur);
    CHECK(executor.stats().attached == 0);

    tacet::future<int> number = tacet::spawn_on(executor, doubled_late(2));
    CHECK(failure_of([&] { (void)tacet::block_on(std::move(number)); }).code ==
          std::errc::resource_deadlock_would_occur);
    tacet::future<int> ready = tacet::spawn_on(executor, doubled_late(3));
    executor.run_until_idle();
    CHECK(tacet::block_on(std::move(ready)) == 6);
}

TEST_CASE("an empty future and an empty task are refused", "[cxx][block_on]")
{
    host other;
    CHECK(failure_of([] { (void)tacet::block_on(tacet::future<int>()); }).code == std::errc::invalid_argument);
    CHECK(failure_of([&] { (void)tacet::block_on(other, tacet::task<int>()); }).code == std::errc::invalid_argument);
}

TEST_CASE("a blocked thread goes on when the executor goes away", "[cxx][block_on][teardown]")
{
    host other(options_of(ANY_EXECUTOR));
    std::atomic<int> asleep = 0;
    std::vector<std::error_code> codes(4);
    std::vector<std::thread> threads;
    for (std::error_code& code : codes)
        threads.emplace_back([&] { code = failure_of([&] { tacet::block_on(other, sleeping(asleep)); }).code; });
    while (asleep < 4)
        std::this_thread::yield();
    other.stop();
    for (std::thread& each : threads)
        each.join();
    for (const std::error_code& code : codes)
        CHECK(code == std::errc::operation_canceled);
}

TEST_CASE("another thread cancels what a thread blocks on", "[cxx][block_on]")
{
    host other;
    std::atomic<int> asleep = 0;
    std::atomic<tacet_task*> sleeper = nullptr;
    auto telling = [&]() -> tacet::task<> {
        sleeper = co_await tacet::this_task();
        co_await sleeping(asleep);
    };
    auto cancelling = [&]() -> tacet::task<> {
        tacet_task_cancel(sleeper);
        co_return;
    };
    std::error_code code;
    std::thread blocked([&] { code = failure_of([&] { tacet::block_on(other, telling()); }).code; });
    while (asleep == 0)
        std::this_thread::yield();
    tacet::block_on(other, cancelling());
    blocked.join();
    CHECK(code == std::errc::operation_canceled);
}
