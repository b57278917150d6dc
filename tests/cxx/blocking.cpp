// run_blocking: values, exceptions, cancels, and executors that go away meanwhile.
#include "races.hpp"

#include <latch>
#include <numeric>

using namespace tests;

TEST_CASE("run_blocking returns what the function returns, from another thread", "[cxx][blocking]")
{
    tacet::executor executor;
    auto asking = []() -> tacet::task<bool> {
        const std::thread::id there = co_await tacet::run_blocking(std::this_thread::get_id);
        co_return there != std::this_thread::get_id();
    };
    CHECK(executor.run(asking()));
}

TEST_CASE("the function may return nothing, or what can only be moved, and change what it refers to", "[cxx][blocking]")
{
    tacet::executor executor({.ring_entries = 0});
    auto working = []() -> tacet::task<std::string> {
        std::string local = "a";
        auto append = [&] { local += "b"; };
        co_await tacet::run_blocking(append);
        auto make = [&, own = std::make_unique<std::string>("c")] {
            return std::make_unique<std::string>(local + *own);
        };
        const std::unique_ptr<std::string> made = co_await tacet::run_blocking(std::move(make));
        co_return *made;
    };
    CHECK(executor.run(working()) == "abc");
}

TEST_CASE("what leaves the function is thrown where it is awaited", "[cxx][blocking]")
{
    tacet::executor executor;
    auto failing = []() -> tacet::task<> {
        auto throwing = []() -> int { throw std::runtime_error("from a helper"); };
        (void)co_await tacet::run_blocking(throwing);
    };
    std::string what;
    try {
        executor.run(failing());
    } catch (const std::runtime_error& thrown) {
        what = thrown.what();
    }
    CHECK(what == "from a helper");
}

TEST_CASE("as_result of run_blocking: a system_error becomes the error", "[cxx][blocking]")
{
    tacet::executor executor;
    auto trying = []() -> tacet::task<> {
        auto good = [] { return 5; };
        const tacet::result<int> value = co_await tacet::as_result(tacet::run_blocking(good));
        CHECK(value.value() == 5);
        auto bad = []() -> int { tacet::throw_error(-ENOENT, "nothing"); };
        const tacet::result<int> error = co_await tacet::as_result(tacet::run_blocking(bad));
        CHECK(error.error() == std::errc::no_such_file_or_directory);
    };
    executor.run(trying());
}

TEST_CASE("a cancel before the function has begun takes it back", "[cxx][blocking]")
{
    REQUIRE(tacet_blocking_set_threads_max(1) == 0);
    tacet::executor executor;
    std::latch gate(1);
    bool called = false;
    auto wait_for_gate = [&] { gate.wait(); };
    auto note = [&] { called = true; };
    auto blocked = [&]() -> tacet::task<> { co_await tacet::run_blocking(wait_for_gate); };
    auto queued = [&](counted) -> tacet::task<> { co_await tacet::run_blocking(note); };
    (void)executor.spawn(blocked());
    tacet::join_handle<> handle = executor.spawn(queued(counted()));
    let_settle(executor);
    handle.cancel();
    let_settle(executor);
    CHECK(failure_of([&] { handle.take(); }).what == "run_blocking: " + message_of(std::errc::operation_canceled));
    gate.count_down();
    executor.run_until_idle();
    CHECK_FALSE(called);
    REQUIRE(tacet_blocking_set_threads_max(TACET_BLOCKING_THREADS_DEFAULT) == 0);
}

TEST_CASE("a function under way is not cancelled: its value comes, then the cancel", "[cxx][blocking]")
{
    tacet::executor executor;
    std::latch begun(1), gate(1);
    int got = 0;
    auto waiting = [&] {
        begun.count_down();
        gate.wait();
        return 3;
    };
    auto working = [&]() -> tacet::task<> {
        got = co_await tacet::run_blocking(waiting);
        co_await tacet::sleep_for(for_ever);
    };
    tacet::join_handle<> handle = executor.spawn(working());
    let_settle(executor);
    begun.wait();
    handle.cancel();
    let_settle(executor);
    CHECK_FALSE(handle.has_exited());
    gate.count_down();
    executor.run_until_idle();
    CHECK(got == 3);
    CHECK(failure_of([&] { handle.take(); }).code == std::errc::operation_canceled);
}

TEST_CASE("an executor that goes waits for the function, which finds all that it refers to", "[cxx][blocking]")
{
    std::latch begun(1);
    std::atomic<bool> going = false;
    std::string seen;
    std::vector<std::string> gone;
    auto working = [&]() -> tacet::task<> {
        const mark here(gone, "frame");
        const std::string local(100, 'x');
        auto reading = [&] {
            begun.count_down();
            while (!going)
                std::this_thread::yield();
            for (int i = 0; i < 1000; i++)
                std::this_thread::yield();
            seen = local;
        };
        co_await tacet::run_blocking(reading);
    };
    {
        tacet::executor executor;
        (void)executor.spawn(working());
        let_settle(executor);
        begun.wait();
        going = true;
    }
    CHECK(seen == std::string(100, 'x'));
    CHECK(gone.size() == 1);
}

TEST_CASE("many functions for several executors at once", "[cxx][blocking][threads]")
{
    const int each = race_rounds / 10;
    std::atomic<std::int64_t> sum = 0;
    auto one = [&](int number) -> tacet::task<> {
        auto square = [number] { return std::int64_t{number} * number; };
        sum += co_await tacet::run_blocking(square);
    };
    auto all = [&]() -> tacet::task<> {
        std::vector<tacet::task<>> tasks;
        for (int i = 0; i < each; i++)
            tasks.push_back(one(i));
        co_await tacet::when_all(std::move(tasks));
    };
    run_on_threads({all, all, all});
    const std::int64_t n = each;
    CHECK(sum == 3 * ((n - 1) * n * (2 * n - 1) / 6));
}

TEST_CASE("executors are destroyed in the middle of run_blocking", "[cxx][blocking][threads]")
{
    std::atomic<int> begun = 0, ended = 0;
    auto working = [&](int delay) -> tacet::task<> {
        std::vector<int> local(100, 1);
        auto adding = [&] {
            begun++;
            dawdle(static_cast<unsigned>(delay));
            const int sum = std::accumulate(local.begin(), local.end(), 0);
            ended += sum == 100;
        };
        for (;;)
            co_await tacet::run_blocking(adding);
    };
    for (int i = 0; i < race_rounds / 20; i++) {
        tacet::executor executor({.ring_entries = i % 2 == 0 ? 0u : 8u});
        for (int j = 0; j < 4; j++)
            (void)executor.spawn(working(j * 50 + i % 37));
        executor.run_for(std::chrono::microseconds(i % 50));
    }
    CHECK(begun == ended);
}
