// Sleeping, yielding, priorities, and the task behind a coroutine.
#include "support.hpp"

#include <linux/ioprio.h>

using namespace tests;

TEST_CASE("sleeps end in the order of their deadlines", "[cxx][time]")
{
    tacet::executor executor;
    std::vector<int> order;
    auto sleeping = [&](int milliseconds) -> tacet::task<> {
        co_await tacet::sleep_for(std::chrono::milliseconds(milliseconds));
        order.push_back(milliseconds);
    };
    for (const int milliseconds : {7, 1, 5, 3})
        (void)executor.spawn(sleeping(milliseconds));
    executor.run_until_idle();
    CHECK(order == std::vector<int>{1, 3, 5, 7});
}

TEST_CASE("a sleep is not shorter than asked for, in whatever unit", "[cxx][time]")
{
    tacet::executor executor;
    const auto start = std::chrono::steady_clock::now();
    auto sleeping = []() -> tacet::task<> {
        co_await tacet::sleep_for(std::chrono::duration<double, std::milli>(1.5));
        co_await tacet::sleep_for(500us);
    };
    executor.run(sleeping());
    CHECK(std::chrono::steady_clock::now() - start >= 2ms);
}

TEST_CASE("a sleep lasts until a time of any clock, and is over at once when that has passed", "[cxx][time]")
{
    tacet::executor executor;
    const auto steady = std::chrono::steady_clock::now() + 2ms;
    const auto system = std::chrono::system_clock::now() + 2ms;
    auto sleeping = [&]() -> tacet::task<> {
        co_await tacet::sleep_until(steady);
        CHECK(std::chrono::steady_clock::now() >= steady);
        co_await tacet::sleep_until(system);
        co_await tacet::sleep_until(std::chrono::system_clock::time_point{});
        co_await tacet::sleep_until(std::chrono::steady_clock::time_point::min());
    };
    executor.run(sleeping());
}

TEST_CASE("a sleep of nothing, or of less, is over at once and lets the others have their turns", "[cxx][time]")
{
    tacet::executor executor;
    std::vector<std::string> order;
    auto sleeping = [&]() -> tacet::task<> {
        order.emplace_back("before");
        co_await tacet::sleep_for(0s);
        co_await tacet::sleep_for(-5s);
        co_await tacet::sleep_for(std::chrono::hours::min());
        order.emplace_back("after");
    };
    auto other = [&]() -> tacet::task<> {
        order.emplace_back("other");
        co_return;
    };
    (void)executor.spawn(sleeping());
    (void)executor.spawn(other());
    executor.run_until_idle();
    CHECK(order == std::vector<std::string>{"before", "other", "after"});
}

TEST_CASE("the longest sleep lasts until it is cancelled", "[cxx][time]")
{
    tacet::executor executor;
    auto sleeping = [](auto duration) -> tacet::task<> { co_await tacet::sleep_for(duration); };
    std::vector<tacet::join_handle<>> handles;
    handles.push_back(executor.spawn(sleeping(std::chrono::hours::max())));
    handles.push_back(executor.spawn(sleeping(std::chrono::nanoseconds::max())));
    handles.push_back(executor.spawn(sleeping(std::chrono::duration<double>::max())));
    CHECK(executor.run_for(1ms) == 3);
    CHECK(executor.stats().timers == 3);
    for (tacet::join_handle<>& handle : handles)
        handle.cancel();
    executor.run_until_idle();
    for (tacet::join_handle<>& handle : handles)
        CHECK(failure_of([&] { handle.take(); }).what == "sleep: " + message_of(std::errc::operation_canceled));
    CHECK(executor.stats().timers == 0);
}

TEST_CASE("10,000 sleeps, half of them cancelled, all end once", "[cxx][time]")
{
    tacet::executor executor;
    int slept = 0, cancelled = 0;
    auto sleeping = [&](int i) -> tacet::task<> {
        const tacet::result<void> r = co_await tacet::as_result(
            tacet::sleep_for(std::chrono::microseconds(i * 7 % 999)));
        r.has_value() ? slept++ : cancelled++;
    };
    std::vector<tacet::join_handle<>> handles;
    for (int i = 0; i < 10'000; i++)
        handles.push_back(executor.spawn(sleeping(i)));
    executor.run_for(0s, 5'000);
    for (std::size_t i = 0; i < handles.size(); i += 2)
        handles[i].cancel();
    executor.run_until_idle();
    CHECK(slept + cancelled == 10'000);
    CHECK(cancelled > 0);
    CHECK(slept >= 5'000);
}

TEST_CASE("yielding tasks take turns", "[cxx][time]")
{
    tacet::executor executor;
    std::string turns;
    auto yielding = [&](char name) -> tacet::task<> {
        for (int i = 0; i < 3; i++) {
            turns += name;
            co_await tacet::yield();
        }
    };
    for (const char name : {'a', 'b', 'c'})
        (void)executor.spawn(yielding(name));
    executor.run_until_idle();
    CHECK(turns == "abcabcabc");
}

TEST_CASE("a yield is a cancellation point, in both its forms", "[cxx][time]")
{
    tacet::executor executor;
    auto yielding = []() -> tacet::task<> {
        tacet_task* self = co_await tacet::this_task();
        tacet_task_cancel(self);
        const tacet::result<void> first = co_await tacet::as_result(tacet::yield());
        CHECK(first.error() == std::errc::operation_canceled);
        const tacet::result<void> second = co_await tacet::as_result(tacet::yield());
        CHECK(second.has_value());
        CHECK(tacet_task_cancel_requested(self));
        tacet_task_cancel(self);
        co_await tacet::yield();
    };
    const failure cancelled = failure_of([&] { executor.run(yielding()); });
    CHECK(cancelled.what == "yield: " + message_of(std::errc::operation_canceled));
}

TEST_CASE("a ready task of a higher priority always goes before one of a lower", "[cxx][time]")
{
    tacet::executor executor;
    std::string turns;
    auto yielding = [&](char name) -> tacet::task<> {
        for (int i = 0; i < 3; i++) {
            turns += name;
            co_await tacet::yield();
        }
    };
    (void)executor.spawn(yielding('l'), tacet::priority::low);
    (void)executor.spawn(yielding('n'));
    (void)executor.spawn(yielding('h'), tacet::priority::high);
    (void)executor.spawn(yielding('H'), tacet::priority::high);
    executor.run_until_idle();
    CHECK(turns == "hHhHhHnnnlll");
}

TEST_CASE("set_priority works from the task's next wait on, and by its handle", "[cxx][time]")
{
    tacet::executor executor;
    std::string turns;
    auto changing = [&]() -> tacet::task<> {
        turns += 'c';
        co_await tacet::set_priority(tacet::priority::low);
        turns += 'c';
        co_await tacet::yield();
        turns += 'c';
    };
    auto yielding = [&](char name) -> tacet::task<> {
        for (int i = 0; i < 3; i++) {
            turns += name;
            co_await tacet::yield();
        }
    };
    (void)executor.spawn(changing());
    (void)executor.spawn(yielding('n'));
    executor.run_until_idle();
    CHECK(turns == "ccnnnc");
    turns.clear();
    tacet::join_handle<> first = executor.spawn(yielding('1'));
    const tacet::join_handle<> second = executor.spawn(yielding('2'));
    executor.run_for(0s, 2);
    first.set_priority(tacet::priority::low);
    executor.run_until_idle();
    CHECK(turns == "121221");
    CHECK(executor.stats().attached == 0);
}

TEST_CASE("the I/O priority reaches the task's operations", "[cxx][time]")
{
    const scratch folder;
    const std::string path = folder.make("a", "text");
    tacet::executor executor;
    auto reading = [&]() -> tacet::task<> {
        tacet_task* self = co_await tacet::this_task();
        tacet::file in = co_await tacet::open(path, O_RDONLY);
        std::string buffer(4, '\0');
        for (const tacet::priority io : {tacet::priority::high, tacet::priority::low, tacet::priority::normal}) {
            co_await tacet::set_priority(tacet::priority::normal, io);
            const unsigned level = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, io == tacet::priority::high ? 0 : 7);
            CHECK(self->ioprio == (io == tacet::priority::normal ? 0 : level));
            const std::size_t n = co_await in.read(bytes_of(buffer), 0);
            CHECK(n == 4);
            auto both = co_await tacet::when_all(in.read(bytes_of(buffer), 0), in.read(bytes_of(buffer), 2));
            CHECK(std::get<1>(both) == 2);
        }
    };
    executor.run(reading());
}

TEST_CASE("this_task is the task of the root, wherever it is asked for", "[cxx][time]")
{
    tacet::executor executor;
    auto inner = []() -> tacet::task<tacet_task*> {
        tacet_task* self = co_await tacet::this_task();
        co_return self;
    };
    auto outer = [&]() -> tacet::task<bool> {
        tacet_task* self = co_await tacet::this_task();
        tacet_task* below = co_await inner();
        CHECK(tacet_executor_current(executor.get()) == self);
        co_return self == below;
    };
    tacet::join_handle<bool> handle = executor.spawn(outer());
    tacet_task* task = handle.get();
    CHECK(std::string(tacet_task_name(task)) == "coroutine");
    executor.run_until_idle();
    CHECK(handle.take());
    CHECK(tacet_executor_current(executor.get()) == nullptr);
}
