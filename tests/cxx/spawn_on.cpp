// spawn_on and its futures: values, errors and cancels across executors, and what ends when an executor does.
//
// Only the main thread checks: what is seen elsewhere is brought here first.
#include "hosts.hpp"

using namespace tests;

namespace {

tacet::task<int> doubled(int number)
{
    co_return 2 * number;
}

tacet::task<int> doubled_late(int number)
{
    for (int i = 0; i < 10; i++)
        co_await tacet::yield();
    co_return 2 * number;
}

tacet::task<> failing(const char* what)
{
    co_await tacet::yield();
    throw std::runtime_error(what);
}

tacet::task<> sleeping(std::atomic<int>& asleep, counted_anywhere)
{
    const counted_anywhere local;
    asleep++;
    co_await tacet::sleep_for(for_ever);
}

}

TEST_CASE("a task runs where it is spawned, its value comes to who awaits it", "[cxx][spawn_on]")
{
    const std::string kind = ANY_EXECUTOR;
    host other(options_of(kind));
    tacet::executor executor(options_of(kind));
    auto where = []() -> tacet::task<std::thread::id> { co_return here(); };
    auto awaiting = [&]() -> tacet::task<bool> {
        tacet::future<std::thread::id> seen = tacet::spawn_on(other, where());
        tacet::future<int> number = tacet::spawn_on(other, doubled_late(21));
        const int value = co_await number;
        const std::thread::id id = co_await seen;
        co_return value == 42 && id == other.id() && here() != other.id();
    };
    CHECK(executor.run(awaiting()));
    CHECK(executor.stats().external == 0);
}

TEST_CASE("what a remote task returns may only be movable, or nothing", "[cxx][spawn_on]")
{
    host other;
    tacet::executor executor;
    auto making = []() -> tacet::task<std::unique_ptr<std::string>> {
        co_return std::make_unique<std::string>("moved");
    };
    std::atomic<int> done = 0;
    auto nothing = [&]() -> tacet::task<> {
        done++;
        co_return;
    };
    auto awaiting = [&]() -> tacet::task<std::string> {
        co_await tacet::spawn_on(other, nothing());
        const std::unique_ptr<std::string> made = co_await tacet::spawn_on(other, making());
        co_return *made;
    };
    CHECK(executor.run(awaiting()) == "moved");
    CHECK(done == 1);
}

TEST_CASE("what a remote task throws is thrown where it is awaited", "[cxx][spawn_on]")
{
    host other;
    tacet::executor executor;
    auto awaiting = [&]() -> tacet::task<> { co_await tacet::spawn_on(other, failing("remote")); };
    CHECK(thrown_by([&] { executor.run(awaiting()); }) == "remote");
    auto refused = []() -> tacet::task<int> {
        (void)co_await tacet::open("/no/such/file", O_RDONLY);
        co_return 1;
    };
    auto as_result = [&]() -> tacet::task<bool> {
        const tacet::result<int> none = co_await tacet::as_result(tacet::spawn_on(other, refused()));
        const tacet::result<int> some = co_await tacet::as_result(tacet::spawn_on(other, doubled(4)));
        co_return none.error() == std::errc::no_such_file_or_directory&&* some == 8;
    };
    CHECK(executor.run(as_result()));
    other.stop();
    CHECK(other.thrown().empty());
}

TEST_CASE("a task may be spawned on the own executor: that costs no system call", "[cxx][spawn_on]")
{
    tacet::executor executor(options_of(ANY_EXECUTOR));
    auto awaiting = [&]() -> tacet::task<int> {
        int sum = 0;
        for (int i = 0; i < 100; i++)
            sum += co_await tacet::spawn_on(executor, doubled_late(i));
        co_return sum;
    };
    const tacet_executor_stats before = executor.stats();
    CHECK(executor.run(awaiting()) == 9900);
    const tacet_executor_stats after = executor.stats();
    CHECK(after.enters == before.enters);
    CHECK(after.wakes == before.wakes);
    CHECK(after.external == 0);
}

TEST_CASE("a future that is ready is awaited at once", "[cxx][spawn_on]")
{
    host other;
    tacet::executor executor;
    tacet::future<int> ready = tacet::spawn_on(other, doubled(1));
    wait_until([&] { return ready.has_exited(); });
    bool other_ran = false;
    auto running = [&]() -> tacet::task<> {
        other_ran = true;
        co_return;
    };
    auto awaiting = [&]() -> tacet::task<bool> {
        (void)executor.spawn(running());
        const int value = co_await ready;
        co_return value == 2 && !other_ran;
    };
    CHECK(executor.run(awaiting()));
}

TEST_CASE("a future is awaited on another executor than it was spawned from", "[cxx][spawn_on]")
{
    host one, two;
    tacet::executor executor;
    auto passing_on = [&](tacet::future<int> given) -> tacet::task<int> { co_return co_await given; };
    auto awaiting = [&]() -> tacet::task<int> {
        tacet::future<int> number = tacet::spawn_on(one, doubled_late(5));
        co_return co_await tacet::spawn_on(two, passing_on(std::move(number)));
    };
    CHECK(executor.run(awaiting()) == 10);
}

TEST_CASE("remote tasks come from many plain threads to one executor", "[cxx][spawn_on]")
{
    host other(options_of(ANY_EXECUTOR));
    std::atomic<long> sum = 0;
    auto adding = [&](int number) -> tacet::task<> {
        sum += number;
        co_return;
    };
    std::vector<std::thread> threads;
    std::vector<tacet::future<>> last(4);
    for (tacet::future<>& newest : last)
        threads.emplace_back([&] {
            for (int i = 0; i < 2000; i++)
                newest = tacet::spawn_on(other, adding(i));
        });
    for (std::thread& each : threads)
        each.join();
    for (tacet::future<>& each : last)
        tacet::block_on(std::move(each)); // each thread's tasks run in their order
    CHECK(sum == 4 * 1999 * 1000);
}

TEST_CASE("priorities hold for remote tasks", "[cxx][spawn_on]")
{
    host other;
    std::vector<char> order;
    std::atomic<bool> all_there = false;
    auto blocking = [&]() -> tacet::task<> {
        wait_until([&] { return all_there.load(); });
        co_return;
    };
    auto noting = [&](char name) -> tacet::task<> {
        order.push_back(name);
        co_return;
    };
    (void)tacet::spawn_on(other, blocking());
    tacet::future<> low = tacet::spawn_on(other, noting('l'), tacet::priority::low);
    (void)tacet::spawn_on(other, noting('n'));
    (void)tacet::spawn_on(other, noting('h'), tacet::priority::high);
    all_there = true;
    tacet::block_on(std::move(low));
    CHECK(order == std::vector<char>{'h', 'n', 'l'});
}

TEST_CASE("a future's cancel reaches its task, from any thread", "[cxx][spawn_on]")
{
    host other(options_of(ANY_EXECUTOR));
    tacet::executor executor;
    const long before = counted_anywhere::alive;
    std::atomic<int> asleep = 0;
    auto awaiting = [&]() -> tacet::task<std::error_code> {
        tacet::future<> sleeper = tacet::spawn_on(other, sleeping(asleep, counted_anywhere()));
        while (asleep == 0)
            co_await tacet::sleep_for(100us);
        sleeper.cancel();
        std::error_code code;
        try {
            co_await sleeper;
        } catch (const std::system_error& thrown) {
            code = thrown.code();
        }
        co_return code;
    };
    CHECK(executor.run(awaiting()) == std::errc::operation_canceled);
    CHECK(counted_anywhere::alive == before);
}

TEST_CASE("a cancel of the awaiting task goes to the remote one, whose end is waited for", "[cxx][spawn_on]")
{
    host other;
    tacet::executor executor;
    std::atomic<int> asleep = 0;
    std::atomic<bool> ended = false;
    auto slow_to_end = [&]() -> tacet::task<int> {
        asleep++;
        const tacet::result<void> slept = co_await tacet::as_result(tacet::sleep_for(for_ever));
        for (int i = 0; i < 100; i++)
            co_await tacet::sleep_for(10us);
        ended = true;
        co_return slept.has_value() ? 0 : 7;
    };
    auto awaiting = [&]() -> tacet::task<int> {
        const int value = co_await tacet::spawn_on(other, slow_to_end());
        co_return ended ? value : -1;
    };
    tacet::join_handle<int> handle = executor.spawn(awaiting());
    run_until(executor, [&] { return asleep == 1; });
    handle.cancel();
    executor.run_until_idle();
    REQUIRE(handle.has_exited());
    CHECK(handle.take() == 7);
}

TEST_CASE("each cancel of the awaiting task is handed on", "[cxx][spawn_on]")
{
    host other;
    tacet::executor executor;
    std::atomic<int> asleep = 0;
    auto sleeping_twice = [&]() -> tacet::task<int> {
        int cancelled = 0;
        for (int i = 0; i < 2; i++) {
            asleep++;
            const tacet::result<void> slept = co_await tacet::as_result(tacet::sleep_for(for_ever));
            cancelled += slept.error() == std::errc::operation_canceled;
        }
        co_return cancelled;
    };
    auto awaiting = [&]() -> tacet::task<int> { co_return co_await tacet::spawn_on(other, sleeping_twice()); };
    tacet::join_handle<int> handle = executor.spawn(awaiting());
    run_until(executor, [&] { return asleep == 1; });
    handle.cancel();
    run_until(executor, [&] { return asleep == 2; });
    handle.cancel();
    executor.run_until_idle();
    REQUIRE(handle.has_exited());
    CHECK(handle.take() == 2);
}

TEST_CASE("a task that was cancelled before it awaits a future hands the cancel on", "[cxx][spawn_on]")
{
    host other;
    tacet::executor executor;
    std::atomic<int> asleep = 0;
    auto awaiting = [&]() -> tacet::task<std::error_code> {
        tacet_task_cancel(co_await tacet::this_task());
        const tacet::result<void> r = co_await tacet::as_result(
            tacet::spawn_on(other, sleeping(asleep, counted_anywhere())));
        co_return r.error();
    };
    CHECK(executor.run(awaiting()) == std::errc::operation_canceled);
}

TEST_CASE("a cancel that comes when the remote task has ended stays for the next wait", "[cxx][spawn_on][race]")
{
    host other;
    tacet::executor executor;
    auto quick = [](std::atomic<bool>& go) -> tacet::task<int> {
        wait_until([&] { return go.load(); });
        co_return 1;
    };
    // Whoever gets the cancel: the remote task, which has no cancellation point, or the next wait.
    auto awaiting = [&](std::atomic<bool>& go, std::atomic<bool>& waits) -> tacet::task<int> {
        tacet::future<int> number = tacet::spawn_on(other, quick(go));
        waits = true;
        co_return co_await number;
    };
    int ended = 0;
    for (int round = 0; round < 500; round++) {
        std::atomic<bool> go = false, waits = false;
        tacet::join_handle<int> handle = executor.spawn(awaiting(go, waits));
        run_until(executor, [&] { return waits.load(); });
        std::thread releasing([&] { go = true; });
        handle.cancel();
        executor.run_until_idle();
        releasing.join();
        REQUIRE(handle.has_exited());
        ended += handle.take();
    }
    CHECK(ended == 500);
}

TEST_CASE("cancels from two threads race with the task's end and its await", "[cxx][spawn_on][race]")
{
    host other(options_of(ANY_EXECUTOR));
    tacet::executor executor;
    const long before = counted_anywhere::alive;
    auto dozing = [](int turns, counted_anywhere) -> tacet::task<int> {
        for (int i = 0; i < turns; i++)
            co_await tacet::yield();
        co_return 1;
    };
    std::atomic<tacet::future<int>*> shared = nullptr;
    std::atomic<bool> stop = false;
    std::atomic<int> inside = 0;
    std::thread cancelling([&] {
        while (!stop) {
            inside = 1;
            if (tacet::future<int>* each = shared)
                each->cancel();
            inside = 0;
        }
    });
    auto awaiting = [&]() -> tacet::task<int> {
        int ended = 0;
        for (int round = 0; round < 2000; round++) {
            tacet::future<int> one = tacet::spawn_on(other, dozing(round % 5, counted_anywhere()));
            shared = &one;
            if (round % 3 == 0)
                one.cancel();
            bool right = true;
            try {
                right = co_await one == 1;
            } catch (const std::system_error& thrown) {
                right = thrown.code() == std::errc::operation_canceled;
            }
            ended += right;
            shared = nullptr;
            wait_until([&] { return inside == 0; }); // it is not cancelled while it goes
        }
        co_return ended;
    };
    CHECK(executor.run(awaiting()) == 2000);
    stop = true;
    cancelling.join();
    CHECK(counted_anywhere::alive == before);
}

TEST_CASE("a dropped future leaves its task running", "[cxx][spawn_on]")
{
    host other;
    std::atomic<int> done = 0;
    auto counting = [&]() -> tacet::task<> {
        for (int i = 0; i < 10; i++)
            co_await tacet::yield();
        done++;
    };
    for (int i = 0; i < 50; i++)
        (void)tacet::spawn_on(other, counting());
    wait_until([&] { return done == 50; });
}

TEST_CASE("what a dropped task throws is thrown by its executor's run", "[cxx][spawn_on]")
{
    host other;
    (void)tacet::spawn_on(other, failing("first"));
    tacet::block_on(other, doubled_late(1));
    (void)tacet::spawn_on(other, failing("second"));
    tacet::block_on(other, doubled_late(1));
    other.stop();
    CHECK(other.thrown() == std::vector<std::string>{"first"});
}

TEST_CASE("so is what nobody takes from a future that was kept for a while", "[cxx][spawn_on]")
{
    host other;
    tacet::future<> kept = tacet::spawn_on(other, failing("kept"));
    wait_until([&] { return kept.has_exited(); });
    kept = {};
    other.stop();
    CHECK(other.thrown() == std::vector<std::string>{"kept"});

    host another;
    tacet::future<> survivor = tacet::spawn_on(another, failing("nobody is left to throw it"));
    wait_until([&] { return survivor.has_exited(); });
    another.stop();
    CHECK(another.thrown().empty());
}

TEST_CASE("who cancels a task and drops its future hears no more of it", "[cxx][spawn_on]")
{
    host other;
    std::atomic<int> asleep = 0;
    tacet::future<> sleeper = tacet::spawn_on(other, sleeping(asleep, counted_anywhere()));
    sleeper.cancel();
    const bool ends_before = GENERATE(false, true);
    while (ends_before && !sleeper.has_exited())
        std::this_thread::yield();
    sleeper = {};
    tacet::block_on(other, doubled_late(1));
    other.stop();
    CHECK(other.thrown().empty());
}

TEST_CASE("an executor of the C interface reports what a dropped task throws", "[cxx][spawn_on]")
{
    std::vector<std::string> lines;
    tacet_executor_options options = {};
    options.report = [](void* arg, const char* line) { static_cast<std::vector<std::string>*>(arg)->push_back(line); };
    options.report_arg = &lines;
    tacet_executor* executor = nullptr;
    REQUIRE(tacet_executor_create(&executor, &options) == 0);
    auto throwing = []() -> tacet::task<> {
        throw 5;
        co_return;
    };
    (void)tacet::spawn_on(tacet::executor_ref(executor), failing("nobody waits"));
    (void)tacet::spawn_on(tacet::executor_ref(executor), throwing());
    CHECK(tacet_executor_run(executor, TACET_UNTIL_IDLE, nullptr) >= 0);
    CHECK(tacet_executor_destroy(executor) == 0);
    const std::string said = "an exception left a task that nobody waits for: ";
    CHECK(lines == std::vector<std::string>{said + "of an unknown type", said + "nobody waits"});
}

TEST_CASE("a future of a task whose executor ended finds operation_canceled", "[cxx][spawn_on][teardown]")
{
    host other(options_of(ANY_EXECUTOR));
    tacet::executor executor;
    const long before = counted_anywhere::alive;
    std::atomic<int> asleep = 0;
    auto awaiting = [&](tacet::future<> sleeper) -> tacet::task<std::string> {
        std::string what;
        try {
            co_await sleeper;
        } catch (const std::system_error& thrown) {
            what = thrown.what();
        }
        co_return what;
    };
    tacet::future<> held = tacet::spawn_on(other, sleeping(asleep, counted_anywhere()));
    tacet::join_handle<std::string> waiter = executor.spawn(
        awaiting(tacet::spawn_on(other, sleeping(asleep, counted_anywhere()))));
    (void)tacet::spawn_on(other, sleeping(asleep, counted_anywhere()));
    run_until(executor, [&] { return asleep == 3; });
    other.stop();
    CHECK(held.has_exited());
    CHECK(failure_of([&] { held.take(); }).code == std::errc::operation_canceled);
    executor.run_until_idle();
    REQUIRE(waiter.has_exited());
    CHECK(waiter.take() == "future: " + message_of(std::errc::operation_canceled));
    held.cancel(); // its executor is gone
    CHECK(counted_anywhere::alive == before);
}

TEST_CASE("an executor that goes away waits for the remote tasks that its own wait for", "[cxx][spawn_on][teardown]")
{
    host other;
    const long before = counted_anywhere::alive;
    std::atomic<int> asleep = 0;
    auto awaiting = [&](counted_anywhere) -> tacet::task<> {
        counted_anywhere local;
        auto referring = [&]() -> tacet::task<> {
            const tacet::result<void> slept = co_await tacet::as_result(sleeping(asleep, local));
            for (int i = 0; i < 10; i++)
                co_await tacet::yield();
            local = counted_anywhere(); // it is still there
            slept.value();
        };
        co_await tacet::spawn_on(other, referring());
    };
    {
        tacet::executor executor;
        for (int i = 0; i < 10; i++)
            (void)executor.spawn(awaiting(counted_anywhere()));
        run_until(executor, [&] { return asleep == 10; });
    }
    CHECK(counted_anywhere::alive == before);
}

TEST_CASE("executors whose tasks wait for each other's go away at once", "[cxx][spawn_on][teardown]")
{
    const std::string kind = ANY_EXECUTOR;
    const long before = counted_anywhere::alive;
    for (int round = 0; round < 20; round++) {
        std::atomic<int> asleep = 0;
        host one(options_of(kind)), two(options_of(kind));
        auto nesting = [&](auto& self, int depth) -> tacet::task<> {
            const counted_anywhere local;
            if (depth == 0)
                co_await sleeping(asleep, counted_anywhere());
            else
                co_await tacet::spawn_on(depth % 2 == 0 ? one : two, self(self, depth - 1));
        };
        std::vector<tacet::future<>> futures;
        for (int i = 0; i < 4; i++)
            futures.push_back(tacet::spawn_on(i % 2 == 0 ? one : two, nesting(nesting, 6)));
        wait_until([&] { return asleep == 4; });
        std::thread first([&] { one.stop(); });
        two.stop();
        first.join();
        for (tacet::future<>& each : futures) {
            REQUIRE(each.has_exited());
            REQUIRE(failure_of([&] { each.take(); }).code == std::errc::operation_canceled);
        }
    }
    CHECK(counted_anywhere::alive == before);
}

TEST_CASE("a remote task that has moved on is cancelled and ends at home", "[cxx][spawn_on]")
{
    host one, two;
    tacet::executor executor;
    std::atomic<int> asleep = 0;
    auto moving = [&]() -> tacet::task<> {
        co_await tacet::resume_on(two);
        co_await sleeping(asleep, counted_anywhere());
    };
    auto awaiting = [&]() -> tacet::task<std::error_code> {
        tacet::future<> mover = tacet::spawn_on(one, moving());
        while (asleep == 0)
            co_await tacet::sleep_for(100us);
        mover.cancel();
        std::error_code code;
        try {
            co_await mover;
        } catch (const std::system_error& thrown) {
            code = thrown.code();
        }
        co_return code;
    };
    CHECK(executor.run(awaiting()) == std::errc::operation_canceled);
}

TEST_CASE("an empty task and an executor that does not take it are refused", "[cxx][spawn_on]")
{
    host other;
    CHECK(failure_of([&] { (void)tacet::spawn_on(other, tacet::task<int>()); }).what ==
          "spawn_on: an empty task: " + message_of(std::errc::invalid_argument));
    const long before = counted_anywhere::alive;
    const std::string refused = in_child([&] {
        auto idle = [](counted_anywhere) -> tacet::task<> { co_return; };
        const failure failed = failure_of([&] { (void)tacet::spawn_on(other, idle(counted_anywhere())); });
        return failed.what + (counted_anywhere::alive == before ? "" : ", and something is left");
    });
    CHECK(refused == "spawn_on: " + message_of(std::errc::operation_not_permitted));
}

TEST_CASE("nothing is taken from a task that has not ended", "[cxx][spawn_on]")
{
    tacet::executor executor;
    auto nothing = []() -> tacet::task<int> { co_return 1; };
    tacet::future<int> remote = tacet::spawn_on(executor, nothing());
    tacet::join_handle<int> local = executor.spawn(nothing());
    const std::string in_progress = message_of(std::errc::operation_in_progress);
    CHECK(failure_of([&] { (void)remote.take(); }).what == "future: " + in_progress);
    CHECK(failure_of([&] { (void)local.take(); }).what == "join: the task has not ended: " + in_progress);
    executor.run_until_idle();
    CHECK(remote.take() == 1);
    CHECK(local.take() == 1);
}

TEST_CASE("who awaits a task that its own thread would have to run elsewhere is refused", "[cxx][spawn_on]")
{
    tacet::executor first, second;
    auto nothing = []() -> tacet::task<> { co_return; };
    auto awaiting = [&]() -> tacet::task<> {
        tacet::future<> never = tacet::spawn_on(second, nothing());
        co_await never;
    };
    const std::string what = failure_of([&] { first.run(awaiting()); }).what;
    CHECK(what.find(message_of(std::errc::resource_deadlock_would_occur)) != std::string::npos);
    second.run_until_idle();
}

TEST_CASE("executors ask each other in circles, and every answer comes", "[cxx][spawn_on][race]")
{
    const std::string kind = ANY_EXECUTOR;
    std::vector<std::unique_ptr<host>> hosts;
    for (int i = 0; i < 3; i++)
        hosts.push_back(std::make_unique<host>(options_of(kind)));
    auto summing = [&](auto& self, int depth, unsigned seed) -> tacet::task<int> {
        if (depth == 0)
            co_return 1;
        seed = seed * 1664525 + 1013904223;
        tacet::future<int> left = tacet::spawn_on(*hosts[(seed >> 16) % 3], self(self, depth - 1, seed));
        tacet::future<int> right = tacet::spawn_on(*hosts[(seed >> 20) % 3], self(self, depth - 1, seed + 1));
        const int sum = co_await left;
        co_return sum + co_await right;
    };
    tacet::executor executor(options_of(kind));
    for (unsigned round = 0; round < 10; round++)
        CHECK(executor.run(summing(summing, 9, round)) == 512);
}
