// event: waiting, setting, resetting; from other threads, against cancels, and when one of the two goes away.
#include "races.hpp"

using namespace tests;

namespace {

// Waits and says so; its result.
tacet::task<> note_wait(tacet::event& awaited, int& woken)
{
    co_await awaited.wait();
    woken++;
}

}

TEST_CASE("who waits for an event goes on when it is set, and who comes later does not wait", "[cxx][event]")
{
    tacet::executor executor;
    tacet::event happened;
    int woken = 0;
    for (int i = 0; i < 3; i++)
        (void)executor.spawn(note_wait(happened, woken));
    let_settle(executor);
    CHECK(woken == 0);
    CHECK_FALSE(happened.is_set());
    happened.set();
    CHECK(happened.is_set());
    executor.run_until_idle();
    CHECK(woken == 3);
    executor.run(note_wait(happened, woken));
    CHECK(woken == 4);
}

TEST_CASE("a reset event is waited for again", "[cxx][event]")
{
    tacet::executor executor;
    tacet::event happened(true);
    int woken = 0;
    executor.run(note_wait(happened, woken));
    happened.reset();
    (void)executor.spawn(note_wait(happened, woken));
    let_settle(executor);
    CHECK(woken == 1);
    happened.set();
    happened.reset(); // who was woken stays so
    executor.run_until_idle();
    CHECK(woken == 2);
}

TEST_CASE("those who wait for an event go on in the order of their coming", "[cxx][event]")
{
    tacet::executor executor;
    tacet::event happened;
    std::vector<int> order;
    auto waiting = [&](int number) -> tacet::task<> {
        co_await happened.wait();
        order.push_back(number);
    };
    for (int i = 0; i < 5; i++)
        (void)executor.spawn(waiting(i));
    let_settle(executor);
    happened.set();
    executor.run_until_idle();
    CHECK(order == std::vector<int>{0, 1, 2, 3, 4});
}

TEST_CASE("waiting for a set event lets the others have their turn now and then", "[cxx][event]")
{
    tacet::executor executor;
    tacet::event happened(true);
    bool other_ran = false;
    auto selfish = [&]() -> tacet::task<> {
        while (!other_ran)
            co_await happened.wait();
    };
    auto other = [&]() -> tacet::task<> {
        other_ran = true;
        co_return;
    };
    (void)executor.spawn(selfish());
    (void)executor.spawn(other());
    executor.run_until_idle();
    CHECK(other_ran);
}

TEST_CASE("a cancel ends the wait for an event, and the others wait on", "[cxx][event]")
{
    tacet::executor executor;
    tacet::event happened;
    int woken = 0;
    tacet::join_handle<> first = executor.spawn(note_wait(happened, woken)),
                         second = executor.spawn(note_wait(happened, woken)),
                         third = executor.spawn(note_wait(happened, woken));
    let_settle(executor);
    second.cancel();
    let_settle(executor);
    CHECK(failure_of([&] { second.take(); }).what == "event wait: " + message_of(std::errc::operation_canceled));
    CHECK_FALSE(first.has_exited());
    happened.set();
    executor.run_until_idle();
    CHECK(woken == 2);
}

TEST_CASE("a cancel that is there before does not wait, though the event is set", "[cxx][event]")
{
    tacet::executor executor;
    tacet::event happened(true);
    int woken = 0;
    tacet::join_handle<> handle = executor.spawn(note_wait(happened, woken));
    handle.cancel();
    executor.run_until_idle();
    CHECK(failure_of([&] { handle.take(); }).code == std::errc::operation_canceled);
    CHECK(woken == 0);
}

TEST_CASE("a cancel that comes after the event was set is left to the next wait", "[cxx][event]")
{
    tacet::executor executor;
    tacet::event happened;
    int woken = 0;
    auto waiting = [&]() -> tacet::task<> {
        co_await happened.wait();
        woken++;
        co_await happened.wait();
        woken++;
    };
    tacet::join_handle<> handle = executor.spawn(waiting());
    let_settle(executor);
    happened.set();
    handle.cancel();
    executor.run_until_idle();
    CHECK(woken == 1);
    CHECK(failure_of([&] { handle.take(); }).code == std::errc::operation_canceled);
}

TEST_CASE("as_result of a wait says that it was cancelled", "[cxx][event]")
{
    tacet::executor executor;
    tacet::event happened(true);
    std::vector<bool> went_on;
    auto waiting = [&]() -> tacet::task<> {
        const tacet::result<void> set = co_await tacet::as_result(happened.wait());
        went_on.push_back(set.has_value());
        happened.reset();
        const tacet::result<void> cancelled = co_await tacet::as_result(happened.wait());
        went_on.push_back(cancelled.has_value());
        CHECK(cancelled.error() == std::errc::operation_canceled);
    };
    tacet::join_handle<> handle = executor.spawn(waiting());
    let_settle(executor);
    handle.cancel();
    executor.run_until_idle();
    CHECK(went_on == std::vector<bool>{true, false});
}

TEST_CASE("who waits for an event that goes waits until it is cancelled", "[cxx][event]")
{
    tacet::executor executor;
    auto happened = std::make_unique<tacet::event>();
    int woken = 0;
    tacet::join_handle<> first = executor.spawn(note_wait(*happened, woken));
    const tacet::join_handle<> second = executor.spawn(note_wait(*happened, woken));
    let_settle(executor);
    happened.reset();
    first.cancel();
    let_settle(executor);
    CHECK(failure_of([&] { first.take(); }).code == std::errc::operation_canceled);
    CHECK_FALSE(second.has_exited()); // and goes with the executor
}

TEST_CASE("an executor that goes takes those who wait out of the event", "[cxx][event]")
{
    tacet::event happened;
    std::vector<std::string> gone;
    auto waiting = [&]() -> tacet::task<> {
        const mark here(gone, "waiter");
        co_await happened.wait();
    };
    {
        tacet::executor executor;
        (void)executor.spawn(waiting());
        (void)executor.spawn(waiting());
        let_settle(executor);
    }
    CHECK(gone.size() == 2);
    happened.set(); // finds nobody
    CHECK(happened.is_set());
}

TEST_CASE("a plain thread wakes executors that sleep, and what it wrote before is there", "[cxx][event][threads]")
{
    tacet::event happened, ready[3];
    int written = 0;
    std::atomic<int> seen = 0;
    auto waiting = [&](tacet::event& here) -> tacet::task<> {
        here.set();
        co_await happened.wait();
        seen += written;
    };
    std::thread setter([&] {
        for (const tacet::event& each : ready)
            while (!each.is_set())
                std::this_thread::yield();
        written = 7;
        happened.set();
    });
    run_on_threads(
        {[&] { return waiting(ready[0]); }, [&] { return waiting(ready[1]); }, [&] { return waiting(ready[2]); }});
    setter.join();
    CHECK(seen == 21);
}

TEST_CASE("two executors pass a turn to and fro", "[cxx][event][threads]")
{
    const int turns = race_rounds;
    tacet::event first, second;
    int shared = 0; // whose turn it is changes it
    auto serving = [&]() -> tacet::task<> {
        for (int i = 0; i < turns; i++) {
            shared++;
            first.set();
            co_await second.wait();
            second.reset();
        }
    };
    auto answering = [&]() -> tacet::task<> {
        for (int i = 0; i < turns; i++) {
            co_await first.wait();
            first.reset();
            shared++;
            second.set();
        }
    };
    run_on_threads({serving, answering});
    CHECK(shared == 2 * turns);
}

TEST_CASE("an event may go as soon as who waited for it goes on", "[cxx][event][threads]")
{
    tacet::executor executor;
    std::atomic<tacet::event*> current = nullptr;
    racers racers({[&](int) {
        while (current == nullptr)
            std::this_thread::yield();
        current.exchange(nullptr)->set();
    }});
    int woken = 0;
    auto rounds = [&]() -> tacet::task<> {
        for (int i = 0; i < race_rounds; i++) {
            auto happened = std::make_unique<tacet::event>();
            racers.begin();
            current = happened.get();
            co_await happened->wait();
            happened.reset();
            woken++;
            racers.await_all();
        }
    };
    executor.run(rounds());
    CHECK(woken == race_rounds);
}

TEST_CASE("a wait ends once, be it by set or by a cancel, and no cancel is lost", "[cxx][event][threads]")
{
    tacet::executor executor;
    tacet::event happened, never, round_over;
    target cancelled = nullptr;
    racers racers({[&](int) { happened.set(); }, [&](int) { cancel(cancelled); }});
    int set = 0, cancels = 0;
    auto waiting = [&]() -> tacet::task<> {
        const tacet::result<void> r = co_await tacet::as_result(happened.wait());
        (r ? set : cancels)++;
        if (r) {
            const tacet::result<void> kept = co_await tacet::as_result(never.wait());
            cancels += !kept;
        }
        racers.await_all();
        round_over.set();
    };
    auto rounds = [&]() -> tacet::task<> {
        for (int i = 0; i < race_rounds; i++) {
            happened.reset();
            round_over.reset();
            const tacet::join_handle<> handle = executor.spawn(waiting());
            cancelled = handle.get();
            if (i % 2 == 0)
                co_await tacet::yield(); // it waits already
            racers.begin();
            co_await round_over.wait();
            while (!handle.has_exited())
                co_await tacet::yield();
        }
    };
    executor.run(rounds());
    CHECK(cancels == race_rounds);
    CHECK(set > 0);
    CHECK(set < race_rounds);
}

TEST_CASE("a cancel and a set that come together: who was set goes on, and then is cancelled", "[cxx][event][threads]")
{
    for (const bool cancel_first : {true, false}) {
        CAPTURE(cancel_first);
        tacet::executor executor;
        tacet::event happened, never;
        int woken = 0;
        auto waiting = [&]() -> tacet::task<> {
            co_await happened.wait();
            woken++;
            co_await never.wait();
        };
        tacet::join_handle<> handle = executor.spawn(waiting());
        let_settle(executor);
        const auto both = [&] {
            if (cancel_first)
                (void)tacet_task_cancel(handle.get());
            happened.set();
            if (!cancel_first)
                (void)tacet_task_cancel(handle.get());
        };
        (void)executor.spawn(meanwhile(both));
        executor.run_until_idle();
        CHECK(woken == 1);
        CHECK(failure_of([&] { handle.take(); }).code == std::errc::operation_canceled);
    }
}

TEST_CASE("set and reset race with many who wait: nobody is forgotten", "[cxx][event][threads]")
{
    tacet::event happened;
    std::atomic<int> waits_done = 0;
    std::atomic<bool> over = false;
    auto waiting = [&]() -> tacet::task<> {
        for (int i = 0; i < race_rounds; i++) {
            co_await happened.wait();
            waits_done++;
        }
    };
    auto several = [&]() -> tacet::task<> { co_await tacet::when_all(waiting(), waiting(), waiting()); };
    std::thread setter([&] {
        while (!over) {
            happened.set();
            happened.reset();
            std::this_thread::yield();
        }
    });
    run_on_threads({several, several});
    over = true;
    setter.join();
    CHECK(waits_done == 6 * race_rounds);
}

TEST_CASE("an executor is destroyed while another thread sets what its tasks wait for", "[cxx][event][threads]")
{
    tacet::event happened;
    std::atomic<int> gone = 0;
    racers racers({[&](int) { happened.set(); }});
    auto waiting = [&]() -> tacet::task<> {
        struct leaving {
            explicit leaving(std::atomic<int>& count) : gone(count) {}
            ~leaving() { gone++; }
            std::atomic<int>& gone;
        } const here(gone);
        co_await happened.wait();
    };
    const int rounds = race_rounds / 10;
    for (int i = 0; i < rounds; i++) {
        happened.reset();
        {
            const tacet::executor_options no_ring = {.ring_entries = i % 2 == 0 ? 0u : 8u};
            tacet::executor executor(no_ring);
            for (int j = 0; j < 4; j++)
                (void)executor.spawn(waiting());
            executor.run_for(0s);
            racers.begin();
        }
        racers.await_all();
    }
    CHECK(gone == 4 * rounds);
}
