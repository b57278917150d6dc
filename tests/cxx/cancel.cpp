// check_cancel() and shielded().
#include "support.hpp"

#include <catch2/generators/catch_generators.hpp>

using namespace tests;

namespace {

constexpr auto long_past = std::chrono::steady_clock::time_point(1ns);

tacet::task<> cancel_this_task()
{
    CHECK(tacet_task_cancel(co_await tacet::this_task()) == 0);
}

tacet::task<int> five_after(int turns)
{
    for (int i = 0; i < turns; i++)
        co_await tacet::yield();
    co_return 5;
}

template <class Body>
std::error_code error_in(tacet::executor& executor, Body body)
{
    return failure_of([&] { executor.run(body()); }).code;
}

}

TEST_CASE("check_cancel suspends nobody, and throws a cancel once", "[cxx][cancel]")
{
    tacet::executor executor;
    std::vector<std::string> order;
    auto other = [&]() -> tacet::task<> {
        order.push_back("other");
        co_return;
    };
    auto body = [&]() -> tacet::task<> {
        tacet::join_handle<> beside = executor.spawn(other());
        for (int i = 0; i < 200; i++)
            co_await tacet::check_cancel();
        order.push_back("checked");
        co_await cancel_this_task();
        const tacet::result<void> checked = co_await tacet::as_result(tacet::check_cancel());
        CHECK(checked.error() == std::errc::operation_canceled);
        co_await tacet::check_cancel();
        co_await cancel_this_task();
        co_await tacet::check_cancel();
    };
    const failure thrown = failure_of([&] { executor.run(body()); });
    CHECK(thrown.code == std::errc::operation_canceled);
    CHECK(order.front() == "checked");
}

TEST_CASE("check_cancel throws at a deadline that has passed, each time", "[cxx][cancel]")
{
    tacet::executor executor;
    int late = 0;
    auto computing = [&]() -> tacet::task<> {
        for (int i = 0; i < 3; i++) {
            const tacet::result<void> checked = co_await tacet::as_result(tacet::check_cancel());
            late += !checked && tacet::is_timeout(checked.error());
        }
    };
    auto body = [&]() -> tacet::task<> {
        co_await tacet::with_deadline(long_past, computing());
        co_await tacet::check_cancel();
    };
    executor.run(body());
    CHECK(late == 3);
}

TEST_CASE("what is shielded runs to its end though the task has been cancelled", "[cxx][cancel]")
{
    const scratch folder;
    const std::string path = folder.make("half", "written");
    tacet::executor executor;
    auto body = [&]() -> tacet::task<> {
        co_await cancel_this_task();
        co_await tacet::shielded(tacet::unlink(path));
        const int value = co_await tacet::shielded(five_after(3));
        CHECK(value == 5);
        const tacet::result<int> again = co_await tacet::as_result(tacet::shielded(five_after(200)));
        CHECK(again.value() == 5);
        co_await tacet::shielded(tacet::yield());
        co_await tacet::shielded(tacet::check_cancel());
        const tacet::result<void> later = co_await tacet::as_result(tacet::yield());
        CHECK(later.error() == std::errc::operation_canceled);
        co_await tacet::yield();
    };
    executor.run(body());
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a cancel that comes while something is shielded is delivered after it", "[cxx][cancel]")
{
    const pipe_ends pipe;
    borrowed reader(pipe.reader());
    tacet::executor executor;
    std::size_t got = 0;
    auto body = [&]() -> tacet::task<> {
        std::byte byte[1];
        got = co_await tacet::shielded(reader->read(byte));
        co_await tacet::check_cancel();
    };
    tacet::join_handle<> handle = executor.spawn(body());
    let_settle(executor);
    handle.cancel();
    let_settle(executor);
    CHECK_FALSE(handle.has_exited());
    CHECK(::write(pipe.writer(), "x", 1) == 1);
    executor.run_until_idle();
    CHECK(got == 1);
    CHECK(failure_of([&] { handle.take(); }).code == std::errc::operation_canceled);
}

TEST_CASE("a deadline that has passed does not end what is shielded, and one inside does", "[cxx][cancel]")
{
    tacet::executor executor;
    bool was_late = false, done = false;
    auto late = [&]() -> tacet::task<> {
        const int value = co_await tacet::shielded(five_after(2));
        CHECK(value == 5);
        const tacet::result<void> limited = co_await tacet::as_result(
            tacet::shielded(tacet::with_deadline(100us, tacet::sleep_for(for_ever))));
        was_late = !limited && tacet::is_timeout(limited.error());
        co_await tacet::shielded(tacet::sleep_for(1us));
        done = true;
        co_await tacet::yield();
    };
    auto body = [&]() -> tacet::task<> { co_await tacet::with_deadline(long_past, late()); };
    CHECK(tacet::is_timeout(error_in(executor, body)));
    CHECK(was_late);
    CHECK(done);
    CHECK(executor.stats().timers == 0);
}

TEST_CASE("what is thrown inside of a shield comes out of it, and the shield is gone", "[cxx][cancel]")
{
    const scratch folder;
    tacet::executor executor;
    auto body = [&]() -> tacet::task<> {
        co_await cancel_this_task();
        bool absent = false;
        try {
            co_await tacet::shielded(tacet::unlink(folder / "absent"));
        } catch (const std::system_error& failed) {
            absent = failed.code() == std::errc::no_such_file_or_directory;
        }
        CHECK(absent);
        co_await tacet::yield();
    };
    CHECK(error_in(executor, body) == std::errc::operation_canceled);
}

TEST_CASE("children of what is shielded end as they please", "[cxx][cancel]")
{
    tacet::executor executor;
    auto both = [&]() -> tacet::task<int> {
        auto values = co_await tacet::when_all(five_after(3), five_after(9));
        co_return std::get<0>(values) + std::get<1>(values);
    };
    auto late = [&]() -> tacet::task<> {
        const int sum = co_await tacet::shielded(both());
        CHECK(sum == 10);
    };
    auto body = [&]() -> tacet::task<> {
        co_await cancel_this_task();
        co_await tacet::with_deadline(long_past, late());
        co_await tacet::check_cancel();
    };
    CHECK(error_in(executor, body) == std::errc::operation_canceled);
}

TEST_CASE("an executor that goes ends a shielded wait for another thread", "[cxx][cancel]")
{
    tacet::event never;
    bool went_on = false;
    {
        tacet::executor executor;
        auto waits = [&]() -> tacet::task<> {
            co_await tacet::shielded(tacet::with_deadline(std::chrono::hours(1), never.wait()));
            went_on = true;
        };
        executor.spawn(waits());
        executor.run_for(0s);
    }
    CHECK(!went_on);
}

TEST_CASE("a deadline around a shield is over with it", "[cxx][cancel]")
{
    tacet::executor executor;
    auto body = [&]() -> tacet::task<> {
        const auto soon = std::chrono::milliseconds(1);
        co_await tacet::with_deadline(soon, tacet::shielded(tacet::sleep_for(2 * soon)));
        auto outcome = co_await tacet::as_result(
            tacet::with_deadline(soon, tacet::shielded(tacet::sleep_for(2 * soon))));
        CHECK(outcome);
        co_await tacet::sleep_for(2 * soon);
        co_await tacet::check_cancel();
    };
    CHECK(error_in(executor, body) == std::error_code());
}

TEST_CASE("a cancel that all children succeed in spite of is for what their waiter does next", "[cxx][cancel]")
{
    const bool in_scope = GENERATE(true, false);
    tacet::executor executor;
    tacet::event goes_on;
    bool ended = false;
    auto child = [&]() -> tacet::task<> { co_await tacet::shielded(goes_on.wait()); };
    auto spawning = [&](tacet::scope& scope) -> tacet::task<> {
        scope.spawn(child());
        co_return;
    };
    auto body = [&]() -> tacet::task<> {
        if (in_scope)
            co_await tacet::with_scope(spawning);
        else
            co_await tacet::when_all(child(), child());
        ended = true;
        co_await tacet::check_cancel();
    };
    tacet::join_handle<void> waiter = executor.spawn(body());
    executor.run_for(0s);
    waiter.cancel();
    executor.run_for(0s);
    CHECK(!ended);
    goes_on.set();
    executor.run_for(0s);
    CHECK(ended);
    CHECK(failure_of([&] { waiter.take(); }).code == std::errc::operation_canceled);
}

TEST_CASE("a cancel that a child has taken is over when the child has ended well", "[cxx][cancel]")
{
    tacet::executor executor;
    tacet::event never;
    auto child = [&]() -> tacet::task<> {
        const auto waited = co_await tacet::as_result(never.wait());
        CHECK(waited.error() == std::errc::operation_canceled);
    };
    auto spawning = [&](tacet::scope& scope) -> tacet::task<> {
        scope.spawn(child());
        co_return;
    };
    auto body = [&]() -> tacet::task<> {
        co_await tacet::with_scope(spawning);
        co_await tacet::check_cancel();
    };
    tacet::join_handle<void> waiter = executor.spawn(body());
    executor.run_for(0s);
    waiter.cancel();
    executor.run_for(0s);
    CHECK(failure_of([&] { waiter.take(); }).code == std::error_code());
}

TEST_CASE("a cancel that a child has taken is not delivered again, and one that comes after that is", "[cxx][cancel]")
{
    const bool in_scope = GENERATE(true, false), is_twice = GENERATE(true, false);
    tacet::executor executor;
    tacet::event goes_on, never;
    bool ended = false;
    auto taking = [&]() -> tacet::task<> { (void)co_await tacet::as_result(never.wait()); };
    auto staying = [&]() -> tacet::task<> { co_await tacet::shielded(goes_on.wait()); };
    auto spawning = [&](tacet::scope& scope) -> tacet::task<> {
        scope.spawn(taking());
        scope.spawn(staying());
        co_return;
    };
    auto body = [&]() -> tacet::task<> {
        if (in_scope)
            co_await tacet::with_scope(spawning);
        else
            co_await tacet::when_all(taking(), staying());
        ended = true;
        co_await tacet::check_cancel();
    };
    tacet::join_handle<void> waiter = executor.spawn(body());
    for (int i = 0; i <= int{is_twice}; i++) {
        executor.run_for(0s);
        waiter.cancel();
    }
    executor.run_for(0s);
    CHECK(!ended);
    goes_on.set();
    executor.run_for(0s);
    CHECK(ended);
    const std::error_code thrown = failure_of([&] { waiter.take(); }).code;
    CHECK((is_twice ? thrown == std::errc::operation_canceled : thrown == std::error_code()));
}
