// resume_on: a coroutine goes on at another executor, comes home to end, and is cancelled wherever it is.
//
// Only the main thread checks: what is seen elsewhere is brought home first.
#include "hosts.hpp"

using namespace tests;

namespace {

tacet::task<std::thread::id> seen_from(tacet::executor_ref on)
{
    co_await tacet::resume_on(on);
    co_return here();
}

tacet::task<> sleep_at(tacet::executor_ref on, std::atomic<int>& asleep, counted_anywhere)
{
    co_await tacet::resume_on(on);
    const counted_anywhere local;
    asleep++;
    co_await tacet::sleep_for(for_ever);
}

}

TEST_CASE("resume_on takes the coroutine and what awaits it to the other thread", "[cxx][resume_on]")
{
    host other(options_of(ANY_EXECUTOR));
    tacet::executor executor;
    std::vector<std::thread::id> seen;
    auto inner = [&]() -> tacet::task<> {
        seen.push_back(here());
        co_await tacet::resume_on(other);
        seen.push_back(here());
    };
    auto outer = [&]() -> tacet::task<tacet::executor_ref> {
        co_await inner();
        seen.push_back(here());
        co_return co_await tacet::this_executor();
    };
    const tacet::executor_ref at_the_end = executor.run(outer());
    CHECK(seen == std::vector<std::thread::id>{here(), other.id(), other.id()});
    CHECK(at_the_end == other.ref());
    CHECK(executor.stats().attached == 0);
}

TEST_CASE("a coroutine goes to and fro as often as it likes", "[cxx][resume_on]")
{
    const std::string kind = ANY_EXECUTOR;
    host one(options_of(kind)), two(options_of(kind));
    tacet::executor executor(options_of(kind));
    auto travelling = [&](int rounds) -> tacet::task<int> {
        const tacet::executor_ref home = co_await tacet::this_executor();
        int right = 0;
        for (int i = 0; i < rounds; i++) {
            co_await tacet::resume_on(one);
            right += here() == one.id();
            co_await tacet::resume_on(two);
            right += here() == two.id();
            co_await tacet::resume_on(home);
            right += here() != one.id() && here() != two.id();
        }
        co_return right;
    };
    CHECK(executor.run(travelling(1000)) == 3000);
}

TEST_CASE("resume_on to where the coroutine is goes on at once", "[cxx][resume_on]")
{
    tacet::executor executor;
    int turns = 0;
    auto other = [&]() -> tacet::task<> {
        turns++;
        co_return;
    };
    auto staying = [&]() -> tacet::task<int> {
        (void)executor.spawn(other());
        co_await tacet::resume_on(executor);
        co_return turns;
    };
    CHECK(executor.run(staying()) == 0);
}

TEST_CASE("an executor of the same thread is refused, and the coroutine stays", "[cxx][resume_on]")
{
    tacet::executor executor, second;
    auto going = [&]() -> tacet::task<bool> {
        const tacet::result<void> r = co_await tacet::as_result(tacet::resume_on(second));
        const tacet::executor_ref now = co_await tacet::this_executor();
        co_return r.error() == std::errc::resource_deadlock_would_occur&& now == tacet::executor_ref(executor);
    };
    CHECK(executor.run(going()));
}

TEST_CASE("a task that has moved ends at home: value and exception come to who joins it", "[cxx][resume_on]")
{
    host other;
    tacet::executor executor;
    auto failing = [&]() -> tacet::task<> {
        co_await tacet::resume_on(other);
        throw std::runtime_error("thrown away from home");
    };
    auto joining = [&]() -> tacet::task<std::string> {
        tacet::join_handle<std::thread::id> good = executor.spawn(seen_from(other));
        tacet::join_handle<> bad = executor.spawn(failing());
        if (co_await tacet::join(std::move(good)) != other.id())
            co_return "another thread";
        std::string what;
        try {
            co_await tacet::join(std::move(bad));
        } catch (const std::runtime_error& thrown) {
            what = thrown.what();
        }
        co_return here() == other.id() ? "joined on the wrong thread" : what;
    };
    CHECK(executor.run(joining()) == "thrown away from home");
}

TEST_CASE("an exception of a dropped task that has moved is thrown by its home's run", "[cxx][resume_on]")
{
    host other;
    tacet::executor executor;
    auto failing = [&]() -> tacet::task<> {
        co_await tacet::resume_on(other);
        throw std::runtime_error("nobody joins me");
    };
    (void)executor.spawn(failing());
    std::string what;
    try {
        executor.run_until_idle();
    } catch (const std::runtime_error& thrown) {
        what = thrown.what();
    }
    CHECK(what == "nobody joins me");
    other.stop();
    CHECK(other.thrown().empty());
}

TEST_CASE("run_until_idle waits for the tasks that are away", "[cxx][resume_on]")
{
    host other(options_of(ANY_EXECUTOR));
    tacet::executor executor;
    std::atomic<int> ended = 0;
    auto busy = [&]() -> tacet::task<> {
        co_await tacet::resume_on(other);
        for (int i = 0; i < 100; i++)
            co_await tacet::yield();
        ended++;
    };
    for (int i = 0; i < 10; i++)
        (void)executor.spawn(busy());
    executor.run_until_idle();
    CHECK(ended == 10);
    CHECK(executor.stats().external == 0);
}

TEST_CASE("operations of a coroutine that has moved are its new executor's", "[cxx][resume_on]")
{
    host other;
    tacet::executor executor(without_ring());
    const scratch folder;
    const std::string path = folder.make("file", "content");
    auto reading = [&]() -> tacet::task<std::string> {
        co_await tacet::resume_on(other);
        tacet::file file = co_await tacet::open(path, O_RDONLY);
        std::string text(16, '\0');
        text.resize(co_await file.read(bytes_of(text), 0));
        co_await file.close();
        co_return text;
    };
    const std::ptrdiff_t descriptors = open_descriptors();
    CHECK(executor.run(reading()) == "content");
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("resume_on is a cancellation point: a cancelled task stays where it is", "[cxx][resume_on]")
{
    host other;
    tacet::executor executor;
    auto going = [&]() -> tacet::task<std::string> {
        tacet_task_cancel(co_await tacet::this_task());
        std::string what;
        try {
            co_await tacet::resume_on(other);
        } catch (const std::system_error& thrown) {
            what = thrown.what();
        }
        co_return here() == other.id() ? "it went" : what;
    };
    CHECK(executor.run(going()) == "resume_on: " + message_of(std::errc::operation_canceled));
}

TEST_CASE("a cancel reaches a task that is away, in whatever it waits for", "[cxx][resume_on]")
{
    host other(options_of(ANY_EXECUTOR));
    tacet::executor executor;
    const long before = counted_anywhere::alive;
    std::atomic<int> asleep = 0;
    tacet::join_handle<> handle = executor.spawn(sleep_at(other, asleep, counted_anywhere()));
    run_until(executor, [&] { return asleep == 1; });
    CHECK(!handle.has_exited());
    handle.cancel();
    executor.run_until_idle();
    REQUIRE(handle.has_exited());
    CHECK(failure_of([&] { handle.take(); }).code == std::errc::operation_canceled);
    handle = {};
    CHECK(counted_anywhere::alive == before);
}

TEST_CASE("a cancel finds a task that hops from executor to executor", "[cxx][resume_on][race]")
{
    host one, two;
    tacet::executor executor;
    auto hopping = [&](std::atomic<int>& hops) -> tacet::task<bool> {
        try {
            for (;;) {
                co_await tacet::resume_on(one);
                co_await tacet::resume_on(two);
                hops++;
            }
        } catch (const std::system_error& thrown) {
            co_return thrown.code() == std::errc::operation_canceled;
        }
    };
    for (int round = 0; round < 300; round++) {
        std::atomic<int> hops = 0;
        tacet::join_handle<bool> handle = executor.spawn(hopping(hops));
        while (hops <= round % 7)
            executor.run_for(100us);
        handle.cancel();
        executor.run_until_idle();
        REQUIRE(handle.has_exited());
        REQUIRE(handle.take());
    }
}

TEST_CASE("a cancelled joiner leaves a task that is away running", "[cxx][resume_on]")
{
    host other;
    tacet::executor executor;
    std::atomic<int> asleep = 0;
    tacet::join_handle<> away = executor.spawn(sleep_at(other, asleep, counted_anywhere()));
    tacet_task* task = away.get();
    auto joining = [&]() -> tacet::task<std::error_code> {
        const tacet::result<tacet_result> r = co_await tacet::as_result(tacet::join(task));
        co_return r.error();
    };
    tacet::join_handle<std::error_code> joiner = executor.spawn(joining());
    run_until(executor, [&] { return asleep == 1; });
    joiner.cancel();
    run_until(executor, [&] { return joiner.has_exited(); });
    CHECK(joiner.take() == std::errc::operation_canceled);
    CHECK(!away.has_exited());
    away.cancel();
    executor.run_until_idle();
    CHECK(away.has_exited());
}

TEST_CASE("children may end away from home: when_all and with_scope wait for them at home", "[cxx][resume_on]")
{
    host one, two;
    tacet::executor executor;
    auto scoped = [&]() -> tacet::task<bool> {
        std::vector<std::thread::id> seen(20);
        auto child = [&](int i, tacet::executor_ref on) -> tacet::task<> {
            co_await tacet::resume_on(on);
            seen[static_cast<std::size_t>(i)] = here();
        };
        auto body = [&](tacet::scope& scope) -> tacet::task<> {
            for (int i = 0; i < 20; i++)
                scope.spawn(child(i, i % 2 == 0 ? one : two));
            co_return;
        };
        co_await tacet::with_scope(body);
        std::size_t right = 0;
        for (std::size_t i = 0; i < seen.size(); i++)
            right += seen[i] == (i % 2 == 0 ? one : two).id();
        std::vector<tacet::task<std::thread::id>> more;
        more.push_back(seen_from(one));
        more.push_back(seen_from(two));
        const std::vector<std::thread::id> both = co_await tacet::when_all(std::move(more));
        co_return right == 20 && both[0] == one.id() && both[1] == two.id() && here() != one.id();
    };
    CHECK(executor.run(scoped()));
}

TEST_CASE("a child's error cancels its siblings that are away", "[cxx][resume_on]")
{
    host other;
    tacet::executor executor;
    std::atomic<int> asleep = 0;
    const long before = counted_anywhere::alive;
    auto failing = [&]() -> tacet::task<> {
        while (asleep < 3)
            co_await tacet::sleep_for(1ms);
        throw std::runtime_error("child");
    };
    auto body = [&](tacet::scope& scope) -> tacet::task<> {
        for (int i = 0; i < 3; i++)
            scope.spawn(sleep_at(other, asleep, counted_anywhere()));
        scope.spawn(failing());
        co_return;
    };
    CHECK(thrown_by([&] { executor.run(tacet::with_scope(body)); }) == "child");
    CHECK(counted_anywhere::alive == before);
}

TEST_CASE("a scope whose body has moved waits where it was opened", "[cxx][resume_on]")
{
    host other;
    tacet::executor executor;
    auto whole = [&](bool fails) -> tacet::task<bool> {
        bool body_was_away = false, child_ended = false;
        auto child = [&]() -> tacet::task<> {
            for (int i = 0; i < 50; i++)
                co_await tacet::yield();
            child_ended = true;
        };
        auto body = [&](tacet::scope& scope) -> tacet::task<> {
            scope.spawn(child());
            co_await tacet::resume_on(other);
            body_was_away = here() == other.id();
            if (fails)
                throw std::runtime_error("body");
        };
        std::string what;
        try {
            co_await tacet::with_scope(body);
        } catch (const std::runtime_error& thrown) {
            what = thrown.what();
        }
        co_return body_was_away && (child_ended || fails) && here() != other.id() && (what == "body") == fails;
    };
    CHECK(executor.run(whole(false)));
    CHECK(executor.run(whole(true)));
}

TEST_CASE("a scope that was opened away from home holds its task there until it has ended", "[cxx][resume_on]")
{
    host one, two;
    tacet::executor executor;
    auto whole = [&]() -> tacet::task<bool> {
        std::vector<std::thread::id> seen;
        std::error_code refused;
        auto child = [&]() -> tacet::task<> {
            co_await tacet::yield();
            seen.push_back(here());
        };
        auto body = [&](tacet::scope& scope) -> tacet::task<> {
            scope.spawn(child());
            scope.spawn(child());
            try {
                co_await tacet::resume_on(two);
            } catch (const std::system_error& error) {
                refused = error.code();
            }
        };
        co_await tacet::resume_on(one);
        co_await tacet::with_scope(body);
        const bool held = refused == std::errc::device_or_resource_busy && here() == one.id();
        co_await tacet::resume_on(two);
        co_return held&& seen == std::vector<std::thread::id>{one.id(), one.id()} && here() == two.id();
    };
    CHECK(executor.run(whole()));
}

TEST_CASE("scope.spawn is refused on another executor than the opener's", "[cxx][resume_on]")
{
    host other;
    tacet::executor executor;
    auto nothing = []() -> tacet::task<> { co_return; };
    auto body = [&](tacet::scope& scope) -> tacet::task<std::string> {
        co_await tacet::resume_on(other);
        co_return failure_of([&] { scope.spawn(nothing()); }).what;
    };
    CHECK(executor.run(tacet::with_scope(body)) == "spawn: " + message_of(std::errc::operation_not_permitted));
}

TEST_CASE("executor.spawn and join are refused on another thread", "[cxx][resume_on]")
{
    host other;
    tacet::executor executor;
    auto nothing = []() -> tacet::task<> { co_return; };
    auto away = [&]() -> tacet::task<bool> {
        tacet::join_handle<> left = executor.spawn(nothing());
        co_await tacet::yield();
        co_await tacet::yield();
        co_await tacet::resume_on(other);
        const bool spawn_refused = failure_of([&] { (void)executor.spawn(nothing()); }).code ==
                                   std::errc::operation_not_permitted;
        co_await tacet::resume_on(executor);
        co_return spawn_refused&& left.has_exited();
    };
    CHECK(executor.run(away()));
}

// ---- Executors that go away ----

namespace {

// What a guest is doing when its host goes away. It ends with operation_canceled, at home.
using guest_body = tacet::task<> (*)(int reader, std::atomic<int>& there);

tacet::task<> sleeping_guest(int, std::atomic<int>& there)
{
    const counted_anywhere local;
    there++;
    co_await tacet::sleep_for(for_ever);
}
tacet::task<> reading_guest(int reader, std::atomic<int>& there)
{
    const counted_anywhere local;
    borrowed file(reader);
    std::string text(16, '\0');
    there++;
    (void)co_await file->read(bytes_of(text));
}
tacet::task<> yielding_guest(int, std::atomic<int>& there)
{
    const counted_anywhere local;
    there++;
    for (;;)
        co_await tacet::yield();
}
tacet::task<> acquiring_guest(int, std::atomic<int>& there)
{
    const counted_anywhere local;
    tacet::semaphore closed(0);
    there++;
    co_await closed.acquire();
}
tacet::task<> nursing_guest(int reader, std::atomic<int>& there)
{
    const counted_anywhere local;
    std::vector<tacet::task<>> children;
    std::atomic<int> ignored = 0;
    children.push_back(sleeping_guest(reader, ignored));
    children.push_back(reading_guest(reader, ignored));
    there++;
    (void)co_await tacet::when_all(std::move(children));
}
tacet::task<> scoped_guest(int reader, std::atomic<int>& there)
{
    const counted_anywhere local;
    std::atomic<int> ignored = 0;
    auto body = [&](tacet::scope& scope) -> tacet::task<> {
        scope.spawn(sleeping_guest(reader, ignored));
        scope.spawn(yielding_guest(reader, ignored));
        there++;
        co_await tacet::sleep_for(for_ever);
    };
    co_await tacet::with_scope(body);
}
tacet::task<> grouping_guest(int reader, std::atomic<int>& there)
{
    const counted_anywhere local;
    borrowed file(reader);
    std::string one(16, '\0'), two(16, '\0');
    there++;
    (void)co_await tacet::when_all(file->read(bytes_of(one)), file->read(bytes_of(two)));
}

const std::pair<std::string, guest_body> guests[] = {
    {"sleeping", sleeping_guest},   {"reading", reading_guest}, {"yielding", yielding_guest},
    {"acquiring", acquiring_guest}, {"nursing", nursing_guest}, {"scoped", scoped_guest},
    {"grouping", grouping_guest},
};

}

TEST_CASE("an executor that goes away sends its guests home, cancelled", "[cxx][resume_on][teardown]")
{
    const auto [name, body] = GENERATE(from_range(std::begin(guests), std::end(guests)));
    CAPTURE(name);
    const guest_body doing = body;
    host other;
    tacet::executor executor;
    pipe_ends pipe;
    const long before = counted_anywhere::alive;
    std::atomic<int> there = 0;
    auto away = [&]() -> tacet::task<bool> {
        co_await tacet::resume_on(other);
        std::error_code code;
        try {
            co_await doing(pipe.reader(), there);
        } catch (const std::system_error& thrown) {
            code = thrown.code();
        }
        const tacet::executor_ref now = co_await tacet::this_executor();
        const tacet::result<void> again = co_await tacet::as_result(tacet::resume_on(other));
        co_return code == std::errc::operation_canceled&& now == tacet::executor_ref(executor) &&
            again.error() == std::errc::operation_canceled;
    };
    std::vector<tacet::join_handle<bool>> handles;
    for (int i = 0; i < 3; i++)
        handles.push_back(executor.spawn(away()));
    run_until(executor, [&] { return there == 3; });
    other.stop();
    executor.run_until_idle();
    for (tacet::join_handle<bool>& each : handles) {
        REQUIRE(each.has_exited());
        CHECK(each.take());
    }
    CHECK(counted_anywhere::alive == before);
}

TEST_CASE("a scope at home outlives the host to which its body has gone", "[cxx][resume_on][teardown]")
{
    host other;
    tacet::executor executor;
    std::atomic<int> there = 0;
    bool child_ended = false;
    auto child = [&]() -> tacet::task<> {
        (void)co_await tacet::as_result(tacet::sleep_for(for_ever));
        child_ended = true;
    };
    auto body = [&](tacet::scope& scope) -> tacet::task<> {
        scope.spawn(child());
        co_await tacet::resume_on(other);
        co_await sleeping_guest(-1, there);
    };
    tacet::join_handle<> handle = executor.spawn(tacet::with_scope(body));
    run_until(executor, [&] { return there == 1; });
    other.stop();
    executor.run_until_idle();
    CHECK(child_ended);
    CHECK(failure_of([&] { handle.take(); }).code == std::errc::operation_canceled);
}

TEST_CASE("an executor that goes away waits for its tasks that are away", "[cxx][resume_on][teardown]")
{
    const auto [name, body] = GENERATE(from_range(std::begin(guests), std::end(guests)));
    CAPTURE(name);
    const guest_body doing = body;
    host other;
    pipe_ends pipe;
    const long before = counted_anywhere::alive;
    std::atomic<int> there = 0;
    auto away = [&](counted_anywhere) -> tacet::task<> {
        co_await tacet::resume_on(other);
        co_await doing(pipe.reader(), there);
    };
    {
        tacet::executor executor;
        for (int i = 0; i < 5; i++)
            (void)executor.spawn(away(counted_anywhere()));
        run_until(executor, [&] { return there == 5; });
    }
    CHECK(counted_anywhere::alive == before);
}

TEST_CASE("executors that are each other's guests' homes go away at once", "[cxx][resume_on][teardown]")
{
    const long before = counted_anywhere::alive;
    for (int round = 0; round < 20; round++) {
        std::optional<host> one(std::in_place), two(std::in_place);
        std::atomic<int> there = 0;
        auto visiting = [&](tacet::executor_ref to) -> tacet::task<> {
            co_await tacet::resume_on(to);
            co_await sleeping_guest(-1, there);
        };
        tacet::executor executor;
        auto starting = [&](tacet::executor_ref from, tacet::executor_ref to) -> tacet::task<> {
            co_await tacet::resume_on(from);
            std::vector<tacet::task<>> visits;
            for (int i = 0; i < 4; i++)
                visits.push_back(visiting(to));
            (void)co_await tacet::when_all(std::move(visits));
        };
        tacet::join_handle<> a = executor.spawn(starting(*one, *two)), b = executor.spawn(starting(*two, *one));
        run_until(executor, [&] { return there == 8; });
        std::thread first([&] { one->stop(); });
        two->stop();
        first.join();
        executor.run_until_idle();
        REQUIRE(a.has_exited());
        REQUIRE(b.has_exited());
    }
    CHECK(counted_anywhere::alive == before);
}

TEST_CASE("many coroutines travel among many executors, and none is lost", "[cxx][resume_on][race]")
{
    const std::string kind = ANY_EXECUTOR;
    std::vector<std::unique_ptr<host>> hosts;
    for (int i = 0; i < 4; i++)
        hosts.push_back(std::make_unique<host>(options_of(kind)));
    tacet::executor executor(options_of(kind));
    auto travelling = [&](unsigned seed, int hops) -> tacet::task<int> {
        int right = 0;
        for (int i = 0; i < hops; i++) {
            seed = seed * 1664525 + 1013904223;
            const host& next = *hosts[seed >> 20 & 3];
            co_await tacet::resume_on(next);
            if ((seed >> 24 & 1) != 0)
                co_await tacet::yield();
            right += here() == next.id();
        }
        co_return right;
    };
    std::vector<tacet::join_handle<int>> handles;
    for (unsigned i = 0; i < 100; i++)
        handles.push_back(executor.spawn(travelling(i, 100)));
    executor.run_until_idle();
    int right = 0;
    for (tacet::join_handle<int>& each : handles)
        right += each.take();
    CHECK(right == 100 * 100);
}
