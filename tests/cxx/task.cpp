// task<T>: values, exceptions, life, the bounded native stack, and the turns of others.
#include "support.hpp"

#include <memory>
#include <stdexcept>

using namespace tests;

namespace {

template <class T>
tacet::task<T> giving(T value)
{
    co_return std::move(value);
}

tacet::task<> nothing()
{
    co_return;
}

class no_default {
public:
    explicit no_default(int n) : number(n) {}
    no_default(no_default&&) noexcept = default;
    no_default& operator=(no_default&&) noexcept = default;
    int number;
};

tacet::task<std::pair<int, std::string>> braces()
{
    co_return {7, "seven"};
}

tacet::task<std::string> chained(int depth)
{
    if (depth == 0)
        co_return "bottom";
    std::string below = co_await chained(depth - 1);
    co_return below + '.' + std::to_string(depth);
}

tacet::task<std::uint64_t> count_down(std::uint64_t depth)
{
    if (depth == 0)
        co_return 0;
    const std::uint64_t below = co_await count_down(depth - 1);
    co_return below + 1;
}

class own_error : public std::runtime_error {
public:
    explicit own_error(int code_) : std::runtime_error("own error"), code(code_) {}
    int code;
};

tacet::task<int> failing_at(int depth, std::vector<std::string>& gone)
{
    const mark here(gone, std::to_string(depth));
    if (depth == 0)
        throw own_error(42);
    co_await tacet::yield();
    const int below = co_await failing_at(depth - 1, gone);
    co_return below;
}

tacet::task<int> mending(std::vector<std::string>& gone)
{
    int code = 0;
    try {
        (void)co_await failing_at(3, gone);
    } catch (const own_error& thrown) {
        code = thrown.code;
    }
    co_await tacet::yield();
    co_return code + 1;
}

}

TEST_CASE("a task returns what it co_returns", "[cxx][task]")
{
    tacet::executor executor;
    CHECK(executor.run(giving(17)) == 17);
    CHECK(executor.run(giving(std::string(1000, 'x'))) == std::string(1000, 'x'));
    CHECK(*executor.run(giving(std::make_unique<int>(5))) == 5);
    CHECK(executor.run(giving(no_default(9))).number == 9);
    CHECK(executor.run(braces()).second == "seven");
    executor.run(nothing());
}

TEST_CASE("an awaited task hands its value to the one that awaits it", "[cxx][task]")
{
    tacet::executor executor;
    CHECK(executor.run(chained(5)) == "bottom.1.2.3.4.5");
    auto outer = []() -> tacet::task<int> {
        std::unique_ptr<int> inner = co_await giving(std::make_unique<int>(3));
        co_await nothing();
        co_return *inner;
    };
    CHECK(executor.run(outer()) == 3);
}

TEST_CASE("an exception passes through every task on its way and unwinds each", "[cxx][task]")
{
    tacet::executor executor;
    std::vector<std::string> gone;
    int code = 0;
    try {
        (void)executor.run(failing_at(3, gone));
    } catch (const own_error& thrown) {
        code = thrown.code;
    }
    CHECK(code == 42);
    CHECK(gone == std::vector<std::string>{"0", "1", "2", "3"});
}

TEST_CASE("an exception that is caught on its way does not stop the task", "[cxx][task]")
{
    tacet::executor executor;
    std::vector<std::string> gone;
    CHECK(executor.run(mending(gone)) == 43);
    CHECK(gone.size() == 4);
}

TEST_CASE("what is no std::exception passes too", "[cxx][task]")
{
    tacet::executor executor;
    auto throwing = []() -> tacet::task<> {
        co_await tacet::yield();
        throw 5;
    };
    CHECK_THROWS_AS(executor.run(throwing()), int);
}

namespace {

tacet::task<> holding(counted argument, bool& started)
{
    started = true;
    const counted local;
    co_await tacet::yield();
    (void)argument;
}

}

TEST_CASE("a task that nobody started dies with its arguments and never runs", "[cxx][task]")
{
    bool started = false;
    {
        const tacet::task<> never = holding(counted(), started);
        CHECK(counted::alive == 1);
        CHECK(never);
    }
    CHECK(counted::alive == 0);
    CHECK_FALSE(started);
}

TEST_CASE("a task that ran has destroyed its locals and its arguments once each", "[cxx][task]")
{
    tacet::executor executor;
    bool started = false;
    executor.run(holding(counted(), started));
    CHECK(started);
    CHECK(counted::alive == 0);
}

TEST_CASE("a task moves: the source is empty, the target runs", "[cxx][task]")
{
    tacet::executor executor;
    tacet::task<int> first = giving(1);
    tacet::task<int> second = std::move(first);
    CHECK_FALSE(first);
    CHECK(second);
    first = giving(2);
    second = std::move(first);
    CHECK(executor.run(std::move(second)) == 2);
    CHECK_FALSE(second);
}

TEST_CASE("an empty task is refused with invalid_argument", "[cxx][task]")
{
    tacet::executor executor;
    const failure run = failure_of([&] { executor.run(tacet::task<>()); });
    CHECK(run.code == std::errc::invalid_argument);
    const failure spawned = failure_of([&] { (void)executor.spawn(tacet::task<>()); });
    CHECK(spawned.code == std::errc::invalid_argument);
    CHECK(executor.stats().attached == 0);
}

TEST_CASE("a chain of 100,000 tasks that await each other ends", "[cxx][task]")
{
    tacet::executor executor;
    CHECK(executor.run(count_down(100'000)) == 100'000);
}

namespace {

// The lowest and highest address of the native stack at the places where it is noted.
class stack_depth {
public:
    [[gnu::noinline]] void note()
    {
        const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
        lowest_ = std::min(lowest_, here);
        highest_ = std::max(highest_, here);
    }
    std::size_t bytes() const { return highest_ - lowest_; }

private:
    std::uintptr_t lowest_ = UINTPTR_MAX, highest_ = 0;
};

// 64 transfers that are no tail calls, with a sanitizer's frames: far from what 10^6 would take.
constexpr std::size_t depth_max = 256 * 1024;

tacet::task<int> noting(stack_depth& depth, int value)
{
    depth.note();
    co_return value;
}

tacet::task<> failing_at_once(stack_depth& depth)
{
    depth.note();
    throw std::system_error(std::make_error_code(std::errc::io_error));
    co_return;
}

}

TEST_CASE("a million awaits that complete at once do not grow the native stack", "[cxx][task]")
{
    tacet::executor executor;
    stack_depth depth;
    auto looping = [&]() -> tacet::task<long> {
        long sum = 0;
        for (int i = 0; i < 1'000'000; i++) {
            sum += co_await noting(depth, 1);
            depth.note();
        }
        co_return sum;
    };
    CHECK(executor.run(looping()) == 1'000'000);
    CHECK(depth.bytes() < depth_max);
}

TEST_CASE("awaits of every kind that complete at once do not grow the native stack", "[cxx][task]")
{
    tacet::executor executor;
    stack_depth depth;
    tacet::semaphore plenty(1'000'000);
    auto looping = [&]() -> tacet::task<> {
        for (int i = 0; i < 100'000; i++) {
            co_await plenty.acquire();
            depth.note();
            (void)co_await tacet::as_result(noting(depth, 1));
            depth.note();
            tacet_task* self = co_await tacet::this_task();
            depth.note();
            co_await tacet::set_priority(tacet::priority::normal);
            REQUIRE(self != nullptr);
        }
    };
    executor.run(looping());
    CHECK(depth.bytes() < depth_max);
}

TEST_CASE("tasks that fail at once, again and again, do not grow the native stack", "[cxx][task]")
{
    tacet::executor executor;
    stack_depth depth;
    int failures = 0;
    auto looping = [&]() -> tacet::task<> {
        for (int i = 0; i < 20'000; i++) {
            const tacet::result<void> r = co_await tacet::as_result(failing_at_once(depth));
            failures += !r.has_value();
        }
    };
    executor.run(looping());
    CHECK(failures == 20'000);
    CHECK(depth.bytes() < depth_max);
}

TEST_CASE("who awaits what completes at once lets the others have their turns", "[cxx][task]")
{
    tacet::executor executor;
    bool over = false;
    int turns = 0;
    auto watching = [&]() -> tacet::task<> {
        while (!over) {
            turns++;
            co_await tacet::yield();
        }
    };
    stack_depth depth;
    tacet::semaphore plenty(1000);
    auto awaiting_tasks = [&]() -> tacet::task<> {
        for (int i = 0; i < 1000; i++)
            (void)co_await noting(depth, i);
        over = true;
    };
    auto awaiting_permits = [&]() -> tacet::task<> {
        for (int i = 0; i < 1000; i++)
            co_await plenty.acquire();
        over = true;
    };
    auto awaiting_calls = [&]() -> tacet::task<> {
        for (int i = 0; i < 1000; i++)
            (void)co_await tacet::as_result(tacet::readlink("/proc/self/exe"));
        over = true;
    };
    SECTION("tasks")
    {
        (void)executor.spawn(awaiting_tasks());
    }
    SECTION("permits")
    {
        (void)executor.spawn(awaiting_permits());
    }
    SECTION("plain calls")
    {
        (void)executor.spawn(awaiting_calls());
    }
    (void)executor.spawn(watching());
    executor.run_until_idle();
    CHECK(over);
    CHECK(turns >= 10);
}
