// with_scope: it ends when its body and all children have ended, whatever ends them.
#include "support.hpp"

using namespace tests;

namespace {

tacet::task<> counting(int& done, int turns)
{
    for (int i = 0; i < turns; i++)
        co_await tacet::yield();
    done++;
}

tacet::task<> failing(const char* what, int turns)
{
    for (int i = 0; i < turns; i++)
        co_await tacet::yield();
    throw std::runtime_error(what);
}

tacet::task<> sleeping(std::vector<std::string>& gone, std::string name)
{
    const mark here(gone, std::move(name));
    co_await tacet::sleep_for(for_ever);
}

template <class F>
std::string thrown_by(F f)
{
    try {
        f();
    } catch (const std::exception& thrown) {
        return thrown.what();
    }
    return "nothing";
}

}

TEST_CASE("a scope gives its body's value when all children have ended", "[cxx][scope]")
{
    tacet::executor executor;
    int done = 0;
    auto working = [&]() -> tacet::task<std::string> {
        auto body = [&](tacet::scope& scope) -> tacet::task<std::string> {
            for (int i = 0; i < 10; i++)
                scope.spawn(counting(done, i));
            co_return "value";
        };
        std::string value = co_await tacet::with_scope(body);
        CHECK(done == 10);
        co_return value;
    };
    CHECK(executor.run(working()) == "value");
}

TEST_CASE("a scope without children ends with its body", "[cxx][scope]")
{
    tacet::executor executor;
    auto body = [](tacet::scope&) -> tacet::task<std::unique_ptr<int>> {
        co_await tacet::nop();
        co_return std::make_unique<int>(4);
    };
    CHECK(*executor.run(tacet::with_scope(body)) == 4);
}

TEST_CASE("children may spawn siblings while the scope waits", "[cxx][scope]")
{
    tacet::executor executor;
    int done = 0;
    auto body = [&](tacet::scope& scope) -> tacet::task<> {
        auto spawning = [&](auto& self, int depth) -> tacet::task<> {
            co_await tacet::yield();
            if (depth > 0) {
                scope.spawn(self(self, depth - 1));
                scope.spawn(self(self, depth - 1));
            }
            done++;
        };
        scope.spawn(spawning(spawning, 5));
        while (done < 63)
            co_await tacet::yield();
    };
    executor.run(tacet::with_scope(body));
    CHECK(done == 63);
}

TEST_CASE("a child's exception cancels its siblings and is thrown when all have ended", "[cxx][scope]")
{
    tacet::executor executor;
    std::vector<std::string> gone;
    auto body = [&](tacet::scope& scope) -> tacet::task<> {
        scope.spawn(sleeping(gone, "one"));
        scope.spawn(failing("child", 3));
        scope.spawn(sleeping(gone, "two"));
        co_return;
    };
    CHECK(thrown_by([&] { executor.run(tacet::with_scope(body)); }) == "child");
    CHECK(gone.size() == 2);
    CHECK(executor.stats().attached == 0);
}

TEST_CASE("children spawned after a failure are born cancelled", "[cxx][scope]")
{
    tacet::executor executor;
    std::vector<std::string> gone;
    bool body_ended = false;
    auto failing_body = [&](tacet::scope& scope) -> tacet::task<> {
        scope.spawn(failing("child", 0));
        co_await tacet::yield();
        co_await tacet::yield();
        for (int i = 0; i < 10; i++)
            scope.spawn(sleeping(gone, "late"));
        body_ended = true;
    };
    CHECK(thrown_by([&] { executor.run(tacet::with_scope(failing_body)); }) == "child");
    CHECK(body_ended);
    CHECK(gone.size() == 10);
}

TEST_CASE("children that spawn on and on end with their scope's cancel", "[cxx][scope]")
{
    tacet::executor executor;
    int ended = 0;
    auto spawning = [&](auto& self, tacet::scope& scope) -> tacet::task<> {
        const tacet::result<void> slept = co_await tacet::as_result(tacet::sleep_for(for_ever));
        CHECK(slept.error() == std::errc::operation_canceled);
        if (++ended < 5)
            scope.spawn(self(self, scope));
    };
    auto body = [&](tacet::scope& scope) -> tacet::task<> {
        scope.spawn(spawning(spawning, scope));
        co_return;
    };
    tacet::join_handle<> handle = executor.spawn(tacet::with_scope(body));
    let_settle(executor);
    CHECK(ended == 0);
    handle.cancel();
    executor.run_for(1ms);
    CHECK(ended == 5);
    CHECK(handle.has_exited());
}

TEST_CASE("of several children's exceptions the first is thrown", "[cxx][scope]")
{
    tacet::executor executor;
    auto body = [&](tacet::scope& scope) -> tacet::task<> {
        scope.spawn(failing("late", 5));
        scope.spawn(failing("early", 1));
        co_return;
    };
    CHECK(thrown_by([&] { executor.run(tacet::with_scope(body)); }) == "early");
}

TEST_CASE("the body's exception cancels the children and is thrown when they have ended", "[cxx][scope]")
{
    tacet::executor executor;
    std::vector<std::string> gone;
    auto body = [&](tacet::scope& scope) -> tacet::task<> {
        scope.spawn(sleeping(gone, "child"));
        co_await tacet::yield();
        throw std::runtime_error("body");
    };
    auto whole = [&]() -> tacet::task<> {
        std::string what;
        try {
            co_await tacet::with_scope(body);
        } catch (const std::runtime_error& thrown) {
            what = thrown.what();
        }
        CHECK(what == "body");
        CHECK(gone.size() == 1);
    };
    executor.run(whole());
}

TEST_CASE("scope.cancel ends the children, and the body goes on", "[cxx][scope]")
{
    tacet::executor executor;
    std::vector<std::string> gone;
    bool went_on = false;
    auto body = [&](tacet::scope& scope) -> tacet::task<> {
        auto quiet = [&]() -> tacet::task<> { (void)co_await tacet::as_result(sleeping(gone, "child")); };
        scope.spawn(quiet());
        scope.spawn(quiet());
        co_await tacet::yield();
        scope.cancel();
        co_await tacet::yield();
        CHECK(gone.size() == 2);
        went_on = true;
    };
    executor.run(tacet::with_scope(body));
    CHECK(went_on);
}

TEST_CASE("a cancel reaches the body where it waits, and then the children", "[cxx][scope]")
{
    tacet::executor executor;
    std::vector<std::string> gone;
    tacet::semaphore closed(0);
    auto body = [&](tacet::scope& scope) -> tacet::task<> {
        const mark here(gone, "body");
        scope.spawn(sleeping(gone, "child"));
        co_await closed.acquire();
    };
    tacet::join_handle<> handle = executor.spawn(tacet::with_scope(body));
    executor.run_for(0s);
    handle.cancel();
    executor.run_until_idle();
    CHECK(gone == std::vector<std::string>{"body", "child"});
    CHECK(failure_of([&] { handle.take(); }).what == "semaphore acquire: " + message_of(std::errc::operation_canceled));
}

TEST_CASE("a cancel while the scope waits for its children ends them", "[cxx][scope]")
{
    tacet::executor executor;
    std::vector<std::string> gone;
    auto body = [&](tacet::scope& scope) -> tacet::task<> {
        scope.spawn(sleeping(gone, "one"));
        scope.spawn(sleeping(gone, "two"));
        co_return;
    };
    tacet::join_handle<> handle = executor.spawn(tacet::with_scope(body));
    executor.run_for(0s);
    CHECK(gone.empty());
    handle.cancel();
    executor.run_until_idle();
    CHECK(gone.size() == 2);
    CHECK(failure_of([&] { handle.take(); }).code == std::errc::operation_canceled);
}

TEST_CASE("scopes nest: an inner one ends in itself", "[cxx][scope]")
{
    tacet::executor executor;
    std::vector<std::string> gone;
    int done = 0;
    auto inner = [&](tacet::scope& scope) -> tacet::task<> {
        scope.spawn(sleeping(gone, "inner"));
        scope.spawn(failing("inner", 1));
        co_return;
    };
    auto guarding = [&]() -> tacet::task<> {
        const tacet::result<void> r = co_await tacet::as_result(tacet::sleep_for(0s));
        CHECK(r.has_value());
        try {
            co_await tacet::with_scope(inner);
        } catch (const std::runtime_error&) {
            done++;
        }
    };
    auto outer = [&](tacet::scope& scope) -> tacet::task<> {
        scope.spawn(guarding());
        scope.spawn(counting(done, 20));
        co_return;
    };
    executor.run(tacet::with_scope(outer));
    CHECK(done == 2);
    CHECK(gone.size() == 1);
}

TEST_CASE("a scope carries 100,000 children", "[cxx][scope]")
{
    tacet::executor executor;
    int done = 0;
    auto child = [&](counted) -> tacet::task<> {
        co_await tacet::nop();
        done++;
    };
    auto body = [&](tacet::scope& scope) -> tacet::task<> {
        for (int i = 0; i < 100'000; i++)
            scope.spawn(child(counted()));
        co_return;
    };
    executor.run(tacet::with_scope(body));
    CHECK(done == 100'000);
    CHECK(counted::alive == 0);
}

TEST_CASE("one failure among 10,000 children ends them all", "[cxx][scope]")
{
    tacet::executor executor;
    std::vector<std::string> gone;
    auto body = [&](tacet::scope& scope) -> tacet::task<> {
        for (int i = 0; i < 10'000; i++)
            scope.spawn(sleeping(gone, "child"));
        scope.spawn(failing("one of many", 2));
        co_return;
    };
    CHECK(thrown_by([&] { executor.run(tacet::with_scope(body)); }) == "one of many");
    CHECK(gone.size() == 10'000);
}

TEST_CASE("children have the priority of the task that opened the scope", "[cxx][scope]")
{
    tacet::executor executor;
    std::vector<std::string> order;
    auto noting = [&](std::string name) -> tacet::task<> {
        order.push_back(std::move(name));
        co_return;
    };
    auto body = [&](tacet::scope& scope) -> tacet::task<> {
        scope.spawn(noting("low"));
        (void)executor.spawn(noting("normal"));
        co_return;
    };
    auto whole = [&]() -> tacet::task<> {
        co_await tacet::set_priority(tacet::priority::low);
        co_await tacet::with_scope(body);
    };
    executor.run(whole());
    CHECK(order == std::vector<std::string>{"normal", "low"});
}

TEST_CASE("an empty task is refused by a scope", "[cxx][scope]")
{
    tacet::executor executor;
    auto body = [](tacet::scope& scope) -> tacet::task<> {
        scope.spawn(tacet::task<>());
        co_return;
    };
    CHECK(failure_of([&] { executor.run(tacet::with_scope(body)); }).code == std::errc::invalid_argument);
}
