// with_deadline: what it ends, what inherits it, that what it awaits gives its value as ever; with_stop.
#include "hosts.hpp"
#include "races.hpp"

using namespace tests;

namespace {

constexpr auto long_past = std::chrono::steady_clock::time_point(1ns);

tacet::task<int> five()
{
    co_await tacet::yield();
    co_return 5;
}

tacet::task<> sleep_on()
{
    co_await tacet::sleep_for(for_ever);
}

template <class Body>
std::error_code error_in(tacet::executor& executor, Body body)
{
    return failure_of([&] { executor.run(body()); }).code;
}

tacet::task<> short_sleep()
{
    co_await tacet::sleep_for(1us);
}

bool is_timeout(const std::error_code& code)
{
    return tacet::is_timeout(code);
}

}

TEST_CASE("an operation under a deadline gives its value, or throws when it passes", "[cxx][deadline]")
{
    tacet::executor executor;
    const pipe_ends pipe;
    auto body = [&]() -> tacet::task<> {
        std::byte byte[1];
        co_await tacet::with_deadline(1h, tacet::nop());
        borrowed reader(pipe.reader());
        bool timed_out = false;
        try {
            co_await tacet::with_deadline(1ms, reader->read(byte, 0));
        } catch (const std::system_error& failed) {
            timed_out = is_timeout(failed.code());
            CHECK(std::string(failed.what()).find("read") != std::string::npos);
        }
        CHECK(timed_out);
        CHECK(::write(pipe.writer(), "x", 1) == 1);
        const std::size_t read = co_await tacet::with_deadline(1h, reader->read(byte, 0));
        CHECK(read == 1);
    };
    executor.run(body());
}

TEST_CASE("a deadline that has passed ends every wait at once, and none after it", "[cxx][deadline]")
{
    tacet::executor executor;
    int ended = 0;
    auto inner = [&]() -> tacet::task<> {
        for (int i = 0; i < 3; i++) {
            const tacet::result<void> slept = co_await tacet::as_result(tacet::sleep_for(for_ever));
            ended += !slept && is_timeout(slept.error());
        }
        const tacet::result<void> yielded = co_await tacet::as_result(tacet::yield());
        ended += !yielded && is_timeout(yielded.error());
    };
    auto body = [&]() -> tacet::task<> {
        co_await tacet::with_deadline(long_past, inner());
        CHECK(ended == 4);
        co_await tacet::sleep_for(1us);
    };
    executor.run(body());
}

TEST_CASE("a deadline that counts as passed for want of a timer is over with its await", "[cxx][deadline]")
{
    tacet::executor executor;
    auto arriving = [&]() -> tacet::task<> { // where there is no memory
        tacet_task* const self = co_await tacet::this_task();
        CHECK(tacet_task_set_deadline(self, TACET_FOREVER) == 0);
        self->attention |= TACET_TASK_TIMED_OUT;
        co_await tacet::sleep_for(for_ever);
    };
    auto body = [&]() -> tacet::task<> {
        const auto late = co_await tacet::as_result(tacet::with_deadline(1h, arriving()));
        CHECK(tacet::is_timeout(late.error()));
        co_await tacet::sleep_for(1us);
    };
    executor.run(body());
}

TEST_CASE("a task under a deadline gives its value; as_result says what became of it", "[cxx][deadline]")
{
    tacet::executor executor;
    auto body = [&]() -> tacet::task<> {
        const int value = co_await tacet::with_deadline(1h, five());
        CHECK(value == 5);
        const tacet::result<int> had = co_await tacet::as_result(tacet::with_deadline(1h, five()));
        CHECK(had.value() == 5);
        const tacet::result<void> late = co_await tacet::as_result(tacet::with_deadline(100us, sleep_on()));
        CHECK(is_timeout(late.error()));
        co_await tacet::yield();
    };
    executor.run(body());
    CHECK(executor.stats().timers == 0);
}

TEST_CASE("an inner deadline may be earlier, not later", "[cxx][deadline]")
{
    tacet::executor executor;
    auto inner_first = [&]() -> tacet::task<> {
        auto inner = [&]() -> tacet::task<> {
            const tacet::result<void> late = co_await tacet::as_result(tacet::with_deadline(100us, sleep_on()));
            CHECK(is_timeout(late.error()));
            co_await tacet::sleep_for(1us); // the outer one has time
        };
        co_await tacet::with_deadline(1h, inner());
    };
    executor.run(inner_first());
    auto outer_first = [&]() -> tacet::task<> {
        auto inner = [&]() -> tacet::task<> { co_await tacet::with_deadline(1h, sleep_on()); };
        co_await tacet::with_deadline(100us, inner());
    };
    CHECK(is_timeout(error_in(executor, outer_first)));
}

TEST_CASE("children have the deadline of the task beside which they run", "[cxx][deadline][scope]")
{
    tacet::executor executor;
    std::vector<bool> timed_out;
    auto child = [&]() -> tacet::task<> {
        try {
            co_await tacet::sleep_for(for_ever);
        } catch (const std::system_error& failed) {
            timed_out.push_back(is_timeout(failed.code()));
            throw;
        }
    };
    auto in_scope = [&]() -> tacet::task<> {
        auto inside = [&](tacet::scope& scope) -> tacet::task<> {
            scope.spawn(child());
            scope.spawn(child());
            co_return;
        };
        co_await tacet::with_deadline(200us, tacet::with_scope(inside));
    };
    CHECK(is_timeout(error_in(executor, in_scope)));
    auto all = [&]() -> tacet::task<> {
        co_await tacet::with_deadline(200us, tacet::when_all(child(), child(), child()));
    };
    CHECK(is_timeout(error_in(executor, all)));
    CHECK(timed_out == std::vector<bool>(5, true));
    auto outside = [&]() -> tacet::task<> {
        auto inside = [&](tacet::scope& scope) -> tacet::task<> {
            auto spawns = [&]() -> tacet::task<> {
                scope.spawn(short_sleep());
                co_return;
            };
            co_await tacet::with_deadline(long_past, spawns());
        };
        co_await tacet::with_scope(inside);
    };
    executor.run(outside()); // a child has the deadline that its scope was opened with: none
}

TEST_CASE("operations that are awaited together have the deadline each", "[cxx][deadline]")
{
    tacet::executor executor;
    const pipe_ends pipe;
    auto body = [&]() -> tacet::task<> {
        std::byte byte[1];
        borrowed reader(pipe.reader());
        auto both = tacet::as_result(tacet::with_deadline(1ms, tacet::when_all(reader->read(byte, 0), tacet::nop())));
        const auto results = co_await std::move(both);
        CHECK(is_timeout(std::get<0>(results).error()));
        CHECK(std::get<1>(results).has_value());
    };
    executor.run(body());
}

TEST_CASE("semaphores, events, channels and joins are left when the deadline passes", "[cxx][deadline]")
{
    tacet::executor executor;
    tacet::semaphore none(0);
    tacet::event never;
    tacet::channel<int> empty(1), full(1);
    auto body = [&]() -> tacet::task<> {
        co_await full.send(1);
        const tacet::join_handle<> other = executor.spawn(sleep_on());
        const auto acquired = co_await tacet::as_result(tacet::with_deadline(100us, none.acquire()));
        CHECK(is_timeout(acquired.error()));
        const auto waited = co_await tacet::as_result(tacet::with_deadline(100us, never.wait()));
        CHECK(is_timeout(waited.error()));
        const auto received = co_await tacet::as_result(tacet::with_deadline(100us, empty.receive()));
        CHECK(is_timeout(received.error()));
        const auto sent = co_await tacet::as_result(tacet::with_deadline(100us, full.send(2)));
        CHECK(is_timeout(sent.error()));
        none.release();
        co_await none.acquire(); // nobody stands before us
    };
    executor.run(body());
}

TEST_CASE("a deadline goes with its task to another executor, and what it awaits there ends",
          "[cxx][deadline][threads]")
{
    host other;
    tacet::executor executor;
    auto away = [&]() -> tacet::task<> {
        co_await tacet::resume_on(other.ref());
        co_await tacet::sleep_for(for_ever);
    };
    auto body = [&]() -> tacet::task<> {
        const tacet::result<void> late = co_await tacet::as_result(tacet::with_deadline(2ms, away()));
        CHECK(is_timeout(late.error()));
        co_await tacet::resume_on(executor);
        co_await tacet::sleep_for(1us);
    };
    executor.run(body());
    CHECK(executor.stats().timers == 0);
}

TEST_CASE("a future that is awaited under a deadline ends its task, and says that it was late",
          "[cxx][deadline][threads]")
{
    host other;
    tacet::executor executor;
    auto body = [&]() -> tacet::task<> {
        tacet::future<> asleep = tacet::spawn_on(other.ref(), sleep_on());
        const tacet::result<void> late = co_await tacet::as_result(tacet::with_deadline(1ms, std::move(asleep)));
        CHECK(is_timeout(late.error()));
        tacet::future<int> in_time = tacet::spawn_on(other.ref(), five());
        const int value = co_await tacet::with_deadline(1h, std::move(in_time));
        CHECK(value == 5);
    };
    executor.run(body());
}

TEST_CASE("a stop that is requested cancels what is awaited, before and while it is", "[cxx][stop]")
{
    tacet::executor executor;
    std::stop_source source;
    auto body = [&]() -> tacet::task<> {
        const int value = co_await tacet::with_stop(source.get_token(), five());
        CHECK(value == 5);
        std::thread stopper([&] { source.request_stop(); });
        const tacet::result<void> stopped = co_await tacet::as_result(tacet::with_stop(source.get_token(), sleep_on()));
        CHECK(stopped.error() == std::errc::operation_canceled);
        stopper.join();
        const tacet::result<void> again = co_await tacet::as_result(
            tacet::with_stop(source.get_token(), tacet::sleep_for(for_ever)));
        CHECK(again.error() == std::errc::operation_canceled);
        co_await tacet::sleep_for(1us);
    };
    executor.run(body());
}

TEST_CASE("a stop inside of a shield ends nothing there; of another child it does", "[cxx][stop]")
{
    tacet::executor executor;
    tacet::event goes_on, stopped;
    std::stop_source source;
    bool goodbye_said = false;
    auto body = [&]() -> tacet::task<> {
        auto first = co_await tacet::shielded(tacet::when_any(tacet::sleep_for(for_ever), stopped.wait()));
        CHECK(first.index == 1);
        co_await tacet::shielded(tacet::with_stop(source.get_token(), goes_on.wait()));
        goodbye_said = true;
        co_await tacet::check_cancel();
    };
    tacet::join_handle<> handle = executor.spawn(body());
    let_settle(executor);
    stopped.set();
    let_settle(executor);
    source.request_stop();
    let_settle(executor);
    CHECK_FALSE(goodbye_said);
    goes_on.set();
    let_settle(executor);
    CHECK(goodbye_said);
    CHECK(failure_of([&] { handle.take(); }).code == std::errc::operation_canceled);
}

TEST_CASE("an executor that goes takes back what it would be stopped by", "[cxx][stop]")
{
    std::stop_source source;
    auto body = [&]() -> tacet::task<> { co_await tacet::with_stop(source.get_token(), sleep_on()); };
    {
        tacet::executor executor;
        (void)executor.spawn(body());
        let_settle(executor);
    }
    CHECK(source.request_stop()); // finds nobody
}

TEST_CASE("stops race with the end of what is awaited: it succeeds or is cancelled, once", "[cxx][stop][threads]")
{
    tacet::executor executor;
    tacet::event happened;
    std::optional<std::stop_source> source;
    racers racers({[&](int) { happened.set(); }, [&](int) { source->request_stop(); }});
    int succeeded = 0, cancelled = 0;
    auto rounds = [&]() -> tacet::task<> {
        for (int i = 0; i < race_rounds; i++) {
            happened.reset();
            source.emplace();
            racers.begin();
            const tacet::result<void> r = co_await tacet::as_result(
                tacet::with_stop(source->get_token(), happened.wait()));
            (r ? succeeded : cancelled)++;
            racers.await_all();
            if (r)
                (void)co_await tacet::as_result(tacet::yield()); // takes the cancel that came too late
        }
    };
    executor.run(rounds());
    CHECK(succeeded + cancelled == race_rounds);
}
