// thread_pool: what is spawned runs once, on whichever thread; and a pool that goes ends all that is in it.
//
// Only the main thread checks: what is seen elsewhere is brought here first.
#include "hosts.hpp"

#include <mutex>
#include <set>

#include <sched.h>

using namespace tests;

namespace {

tacet::thread_pool_options pool_of(unsigned threads, const std::string& kind = "ring")
{
    tacet::thread_pool_options options;
    options.threads = threads;
    options.executor = options_of(kind);
    return options;
}

tacet::task<int> doubled(int number)
{
    co_await tacet::yield();
    co_return 2 * number;
}

tacet::task<> failing(const char* what)
{
    co_await tacet::yield();
    throw std::runtime_error(what);
}

}

TEST_CASE("what a pool's task returns or throws comes to who waits for it", "[cxx][thread_pool]")
{
    tacet::thread_pool pool(pool_of(2, ANY_EXECUTOR));
    tacet::executor executor;
    CHECK(tacet::block_on(pool.spawn(doubled(4))) == 8);
    CHECK(thrown_by([&] { tacet::block_on(pool.spawn(failing("in a pool"))); }) == "in a pool");
    auto awaiting = [&]() -> tacet::task<long> {
        std::vector<tacet::future<int>> futures;
        for (int i = 0; i < 1000; i++)
            futures.push_back(pool.spawn(doubled(i)));
        long sum = 0;
        for (tacet::future<int>& each : futures)
            sum += co_await each;
        co_return sum;
    };
    CHECK(executor.run(awaiting()) == 999'000);
    pool.wait();
}

TEST_CASE("a pool has a thread for each processor that this one may use, each pinned", "[cxx][thread_pool]")
{
    cpu_set_t mine;
    REQUIRE(::sched_getaffinity(0, sizeof mine, &mine) == 0);
    tacet::thread_pool pool;
    CHECK(pool.size() == static_cast<unsigned>(CPU_COUNT(&mine)));
    auto processors = []() -> tacet::task<cpu_set_t> {
        cpu_set_t set;
        CPU_ZERO(&set);
        (void)::sched_getaffinity(0, sizeof set, &set);
        co_return set;
    };
    cpu_set_t all;
    CPU_ZERO(&all);
    for (unsigned i = 0; i < pool.size(); i++) {
        const cpu_set_t one = tacet::block_on(pool[i], processors());
        CHECK(CPU_COUNT(&one) == 1);
        CPU_OR(&all, &all, &one);
    }
    CHECK(CPU_EQUAL(&all, &mine));
}

TEST_CASE("threads that are not pinned may run where this one may", "[cxx][thread_pool]")
{
    cpu_set_t mine, its;
    REQUIRE(::sched_getaffinity(0, sizeof mine, &mine) == 0);
    tacet::thread_pool_options options = pool_of(1);
    options.pinned = false;
    tacet::thread_pool pool(options);
    auto processors = [&]() -> tacet::task<int> { co_return ::sched_getaffinity(0, sizeof its, &its); };
    REQUIRE(tacet::block_on(pool.spawn(processors())) == 0);
    CHECK(CPU_EQUAL(&its, &mine));
}

TEST_CASE("wait returns when all have ended, those too that others have spawned", "[cxx][thread_pool]")
{
    tacet::thread_pool pool(pool_of(3, ANY_EXECUTOR));
    std::atomic<int> ended = 0;
    auto spawning = [&](auto& self, int depth) -> tacet::task<> {
        co_await tacet::yield();
        if (depth > 0) {
            (void)pool.spawn(self(self, depth - 1));
            (void)pool.spawn(self(self, depth - 1));
        }
        ended++;
    };
    for (int round = 0; round < 5; round++) {
        ended = 0;
        (void)pool.spawn(spawning(spawning, 8));
        pool.wait();
        CHECK(ended == 511);
    }
    const tacet_dispatcher_stats stats = pool.stats();
    CHECK(stats.unexecuted == 0);
    CHECK(stats.executed == 5 * 511);
    std::uint64_t executed = 0;
    for (unsigned i = 0; i < pool.size(); i++)
        executed += pool.stats(i).executed;
    CHECK(executed == 5 * 511);
}

TEST_CASE("wait throws the first exception of a task whose future was dropped, once", "[cxx][thread_pool]")
{
    tacet::thread_pool pool(pool_of(2));
    for (int i = 0; i < 10; i++)
        (void)pool.spawn(failing("dropped"));
    CHECK(thrown_by([&] { pool.wait(); }) == "dropped");
    pool.wait();
    tacet::future<> held = pool.spawn(failing("held"));
    pool.wait();
    CHECK(thrown_by([&] { held.take(); }) == "held");
}

TEST_CASE("a pool's task that waits for the pool is refused", "[cxx][thread_pool]")
{
    tacet::thread_pool pool(pool_of(2));
    auto waiting = [&]() -> tacet::task<std::error_code> { co_return failure_of([&] { pool.wait(); }).code; };
    auto blocking = [&]() -> tacet::task<std::error_code> {
        co_return failure_of([&] { (void)tacet::block_on(pool.spawn(doubled(1))); }).code;
    };
    CHECK(tacet::block_on(pool.spawn(waiting())) == std::errc::resource_deadlock_would_occur);
    CHECK(tacet::block_on(pool.spawn(blocking())) == std::errc::resource_deadlock_would_occur);
}

TEST_CASE("of the tasks not started yet those of higher priority go first", "[cxx][thread_pool]")
{
    tacet::thread_pool pool(pool_of(1));
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
    (void)pool.spawn(blocking());
    (void)pool.spawn(noting('l'), tacet::priority::low);
    (void)pool.spawn(noting('n'));
    (void)pool.spawn(noting('h'), tacet::priority::high);
    all_there = true;
    pool.wait();
    CHECK(order == std::vector<char>{'h', 'n', 'l'});
}

TEST_CASE("a pool's executors are there by name: coroutines go to and fro", "[cxx][thread_pool]")
{
    tacet::thread_pool pool(pool_of(2));
    tacet::executor executor;
    CHECK(pool[0] != pool[1]);
    auto travelling = [&]() -> tacet::task<bool> {
        const std::thread::id home = here();
        co_await tacet::resume_on(pool[0]);
        const std::thread::id first = here();
        co_await tacet::resume_on(pool[1]);
        const std::thread::id second = here();
        const int value = co_await pool.spawn(doubled(2));
        co_await tacet::resume_on(executor);
        co_return here() == home&& first != second&& first != home&& value == 4;
    };
    CHECK(executor.run(travelling()));
}

TEST_CASE("a pool that cannot be made says why, and leaves nothing", "[cxx][thread_pool]")
{
    const std::ptrdiff_t descriptors = open_descriptors();
    CHECK(failure_of([] { tacet::thread_pool pool(pool_of(1'000'000)); }).what.starts_with("thread_pool: "));
    tacet::thread_pool_options refused = pool_of(2);
    refused.executor.ring_entries = 1u << 30;
    const failure failed = failure_of([&] { tacet::thread_pool pool(refused); });
    CHECK(failed.code == std::errc::invalid_argument);
    CHECK(failed.what.find("ring entries") != std::string::npos);
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("cancels by many threads race with dispatch and end", "[cxx][thread_pool][race]")
{
    const long before = counted_anywhere::alive;
    std::atomic<long> outcomes = 0;
    {
        tacet::thread_pool pool(pool_of(2, ANY_EXECUTOR));
        auto dozing = [](int turns, counted_anywhere) -> tacet::task<int> {
            for (int i = 0; i < turns; i++)
                co_await tacet::yield();
            co_return 1;
        };
        std::vector<std::thread> threads;
        for (int t = 0; t < 3; t++)
            threads.emplace_back([&] {
                for (int round = 0; round < 1000; round++) {
                    tacet::future<int> one = pool.spawn(dozing(round % 4, counted_anywhere()));
                    one.cancel();
                    if (round % 2 == 0)
                        one.cancel();
                    if (round % 5 == 0)
                        continue; // dropped with the cancel on its way
                    const failure failed = failure_of([&] { (void)tacet::block_on(std::move(one)); });
                    outcomes += !failed.code || failed.code == std::errc::operation_canceled;
                }
            });
        for (std::thread& each : threads)
            each.join();
        std::string thrown;
        try {
            pool.wait();
        } catch (const std::system_error& error) { // of one that was dropped
            thrown = error.what();
        }
        CHECK((thrown.empty() || thrown == "yield: " + message_of(std::errc::operation_canceled)));
    }
    CHECK(outcomes == 3 * 800);
    CHECK(counted_anywhere::alive == before);
}

// ---- A pool that goes in the middle of it all ----

namespace {

struct surroundings {
    explicit surroundings(tacet::thread_pool& in) : pool(in) {}

    tacet::thread_pool& pool;
    pipe_ends pipe;
    scratch folder;
    std::atomic<int> begun{0};
    std::atomic<int> inside{0};
};

using inhabitant = tacet::task<> (*)(surroundings& around, counted_anywhere);

tacet::task<> sleeper(surroundings& around, counted_anywhere)
{
    const counted_anywhere local;
    around.begun++;
    co_await tacet::sleep_for(for_ever);
}
tacet::task<> reader(surroundings& around, counted_anywhere)
{
    const counted_anywhere local;
    borrowed file(around.pipe.reader());
    std::string text(16, '\0');
    around.begun++;
    (void)co_await file->read(bytes_of(text));
}
tacet::task<> copier(surroundings& around, counted_anywhere)
{
    const counted_anywhere local;
    around.begun++;
    std::string text(1 << 16, 'x');
    for (;;) {
        tacet::file from = co_await tacet::open("/proc/self/exe", O_RDONLY);
        tacet::file to = co_await tacet::open(around.folder.root(), O_RDWR | O_TMPFILE, 0600);
        for (std::uint64_t offset = 0;;) {
            const std::size_t bytes = co_await from.read(bytes_of(text), offset);
            if (bytes == 0)
                break;
            offset += co_await to.write(bytes_of(text).first(bytes), offset);
        }
        co_await to.close();
        co_await from.close();
    }
}
tacet::task<> spinner(surroundings& around, counted_anywhere)
{
    const counted_anywhere local;
    around.begun++;
    for (;;)
        co_await tacet::yield();
}
tacet::task<> stubborn(surroundings& around, counted_anywhere)
{
    const counted_anywhere local;
    around.begun++;
    for (;;)
        (void)co_await tacet::as_result(tacet::sleep_for(for_ever));
}
tacet::task<> traveller(surroundings& around, counted_anywhere)
{
    const counted_anywhere local;
    around.begun++;
    for (unsigned i = 0;; i++)
        co_await tacet::resume_on(around.pool[i % around.pool.size()]);
}
tacet::task<> guest(surroundings& around, counted_anywhere)
{
    const counted_anywhere local;
    const tacet::executor_ref home = co_await tacet::this_executor();
    for (unsigned i = 0; i < around.pool.size(); i++)
        if (around.pool[i] != home)
            co_await tacet::resume_on(around.pool[i]);
    co_await sleeper(around, counted_anywhere());
}
tacet::task<> asker(surroundings& around, counted_anywhere)
{
    const counted_anywhere local;
    for (unsigned i = 0;; i++) {
        auto answer = [&](counted_anywhere) -> tacet::task<> {
            around.inside++;
            co_return;
        };
        co_await tacet::spawn_on(around.pool[i % around.pool.size()], answer(counted_anywhere()));
        if (i == 0)
            around.begun++;
    }
}
tacet::task<> waiter(surroundings& around, counted_anywhere)
{
    const counted_anywhere local;
    std::vector<tacet::future<>> futures;
    for (unsigned i = 0; i < around.pool.size(); i++)
        futures.push_back(tacet::spawn_on(around.pool[i], stubborn(around, counted_anywhere())));
    for (tacet::future<>& each : futures)
        co_await each;
}
tacet::task<> scoped(surroundings& around, counted_anywhere)
{
    const counted_anywhere local;
    auto body = [&](tacet::scope& scope) -> tacet::task<> {
        scope.spawn(sleeper(around, counted_anywhere()));
        scope.spawn(guest(around, counted_anywhere()));
        scope.spawn(reader(around, counted_anywhere()));
        co_await tacet::resume_on(around.pool[0]);
        co_await tacet::sleep_for(for_ever);
    };
    co_await tacet::with_scope(body);
}

const std::pair<std::string, std::vector<inhabitant>> populations[] = {
    {"sleepers", {sleeper}},
    {"readers", {reader}},
    {"copiers", {copier}},
    {"spinners", {spinner}},
    {"stubborn ones", {stubborn}},
    {"travellers", {traveller}},
    {"guests", {guest}},
    {"askers", {asker}},
    {"waiters", {waiter}},
    {"scopes", {scoped}},
    {"all of them", {sleeper, reader, copier, spinner, stubborn, traveller, guest, asker, waiter, scoped}},
};

}

TEST_CASE("a pool stops in the middle of all that its tasks do", "[cxx][thread_pool][teardown]")
{
    const auto [name, population] = GENERATE(from_range(std::begin(populations), std::end(populations)));
    const bool unwinds = GENERATE(false, true);
    CAPTURE(name, unwinds);
    const std::ptrdiff_t descriptors = open_descriptors();
    const long before = counted_anywhere::alive;
    for (int round = 0; round < 5; round++) {
        tacet::thread_pool_options options = pool_of(3);
        if (unwinds)
            options.cleanup = 10ms;
        std::optional<tacet::thread_pool> pool(std::in_place, options);
        surroundings around(*pool);
        std::vector<tacet::future<>> futures;
        for (int i = 0; i < 5; i++)
            for (const inhabitant each : population)
                if (i % 2 == 0)
                    futures.push_back(pool->spawn(each(around, counted_anywhere())));
                else
                    (void)pool->spawn(each(around, counted_anywhere()));
        wait_until([&] { return around.begun >= 5; });
        pool.reset();
        for (tacet::future<>& each : futures) {
            REQUIRE(each.has_exited());
            REQUIRE(failure_of([&] { each.take(); }).code == std::errc::operation_canceled);
        }
    }
    CHECK(counted_anywhere::alive == before);
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("tasks that no thread has started are destroyed with the pool", "[cxx][thread_pool][teardown]")
{
    const long before = counted_anywhere::alive;
    std::optional<tacet::thread_pool> pool(std::in_place, pool_of(1));
    std::atomic<bool> begun = false, go_on = false;
    std::atomic<int> started = 0;
    auto blocking = [&]() -> tacet::task<> {
        begun = true;
        wait_until([&] { return go_on.load(); });
        co_return;
    };
    auto never = [&](counted_anywhere) -> tacet::task<> {
        started++;
        co_return;
    };
    (void)pool->spawn(blocking());
    wait_until([&] { return begun.load(); });
    std::vector<tacet::future<>> futures;
    for (int i = 0; i < 100; i++)
        futures.push_back(pool->spawn(never(counted_anywhere())));
    std::thread releasing([&] {
        std::this_thread::sleep_for(1ms);
        go_on = true;
    });
    pool.reset();
    releasing.join();
    int cancelled = 0;
    for (tacet::future<>& each : futures) {
        REQUIRE(each.has_exited());
        cancelled += failure_of([&] { each.take(); }).code == std::errc::operation_canceled;
    }
    CHECK(cancelled + started == 100);
    futures.clear();
    CHECK(counted_anywhere::alive == before);
}

TEST_CASE("a pool goes while its tasks wait for others that nobody has started", "[cxx][thread_pool][teardown]")
{
    for (int round = 0; round < 200; round++) {
        std::atomic<bool> under_way = false;
        std::optional<tacet::thread_pool> pool(pool_of(1, round % 2 == 0 ? "ring" : "no ring"));
        auto for_ever = [&]() -> tacet::task<> {
            for (;;) {
                tacet::future<int> child = pool->spawn(doubled(1));
                under_way = true;
                co_await child;
            }
        };
        tacet::future<> parent = pool->spawn(for_ever());
        while (!under_way)
            std::this_thread::yield();
        pool.reset();
        CHECK(parent.has_exited());
    }
}

TEST_CASE("a pool's task that blocks on another of the pool is refused", "[cxx][thread_pool]")
{
    tacet::thread_pool pool(pool_of(2));
    auto blocking = [&]() -> tacet::task<std::string> {
        co_return failure_of([&] { (void)tacet::block_on(pool[1], doubled(1)); }).what;
    };
    CHECK(tacet::block_on(pool[0], blocking()) == "block_on: " + message_of(std::errc::resource_deadlock_would_occur));
}

TEST_CASE("a coroutine of another executor is sent home when the pool goes", "[cxx][thread_pool][teardown]")
{
    tacet::executor executor;
    std::optional<tacet::thread_pool> pool(std::in_place, pool_of(2));
    std::atomic<int> there = 0;
    auto away = [&](unsigned where) -> tacet::task<bool> {
        co_await tacet::resume_on((*pool)[where]);
        there++;
        const tacet::result<void> slept = co_await tacet::as_result(tacet::sleep_for(for_ever));
        const tacet::executor_ref now = co_await tacet::this_executor();
        co_return slept.error() == std::errc::operation_canceled&& now == tacet::executor_ref(executor);
    };
    tacet::join_handle<bool> one = executor.spawn(away(0)), two = executor.spawn(away(1));
    while (there < 2)
        executor.run_for(100us);
    pool.reset();
    executor.run_until_idle();
    CHECK(one.take());
    CHECK(two.take());
}
