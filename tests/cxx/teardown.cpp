// An executor that is destroyed with coroutines in it, in every state: what they hold is destroyed once, children before
// their parents' locals, and nothing leaks.
#include "support.hpp"

#include <functional>
#include <set>

#include <poll.h>

using namespace tests;

namespace {

// What the coroutines of these tests use; it outlives the executor.
struct surroundings {
    pipe_ends pipe;
    borrowed reader{pipe.reader()};
    tacet::semaphore closed{0};
    std::string buffer = std::string(64, '\0');
    std::vector<std::string> gone;
};

using starter = std::function<tacet::task<>(tacet::executor&, surroundings&)>;

tacet::task<> read_for_ever(surroundings& around, counted)
{
    const counted local;
    (void)co_await around.reader->read(bytes_of(around.buffer));
}

tacet::task<int> sleep_for_ever(counted)
{
    const counted local;
    co_await tacet::sleep_for(for_ever);
    co_return 0;
}

tacet::task<> ready(tacet::executor&, surroundings&)
{
    const counted local;
    for (;;)
        co_await tacet::yield();
}
tacet::task<> sleeping(tacet::executor&, surroundings&)
{
    (void)co_await sleep_for_ever(counted());
}
tacet::task<> sleeping_as_result(tacet::executor&, surroundings&)
{
    const counted local;
    (void)co_await tacet::as_result(sleep_for_ever(counted()));
}
tacet::task<> reading(tacet::executor&, surroundings& around)
{
    co_await read_for_ever(around, counted());
}
tacet::task<> reading_as_result(tacet::executor&, surroundings& around)
{
    const counted local;
    (void)co_await tacet::as_result(around.reader->read(bytes_of(around.buffer)));
}
tacet::task<> polling(tacet::executor&, surroundings& around)
{
    const counted local;
    (void)co_await tacet::poll(around.pipe.reader(), POLLIN);
}
tacet::task<> acquiring(tacet::executor&, surroundings& around)
{
    const counted local;
    co_await around.closed.acquire();
}
tacet::task<> acquiring_a_permit(tacet::executor&, surroundings& around)
{
    const counted local;
    const tacet::semaphore::permit permit = co_await around.closed.acquire_permit();
}
tacet::task<> holding_a_permit(tacet::executor&, surroundings&)
{
    tacet::semaphore one(1);
    const counted local;
    const tacet::semaphore::permit permit = co_await one.acquire_permit();
    co_await one.acquire();
}
tacet::task<> joining(tacet::executor& executor, surroundings& around)
{
    const counted local;
    co_await tacet::join(executor.spawn(read_for_ever(around, counted())));
}
tacet::task<> holding_a_handle(tacet::executor& executor, surroundings&)
{
    const counted local;
    const tacet::join_handle<int> handle = executor.spawn(sleep_for_ever(counted()));
    co_await tacet::sleep_for(for_ever);
}
tacet::task<> in_the_body_of_a_scope(tacet::executor&, surroundings& around)
{
    const counted local;
    auto body = [&](tacet::scope& scope) -> tacet::task<> {
        const counted inside;
        scope.spawn(read_for_ever(around, counted()));
        scope.spawn(sleep_for_ever(counted()));
        co_await around.closed.acquire();
    };
    co_await tacet::with_scope(body);
}
tacet::task<> at_the_end_of_a_scope(tacet::executor&, surroundings& around)
{
    const counted local;
    auto body = [&](tacet::scope& scope) -> tacet::task<> {
        for (int i = 0; i < 10; i++)
            scope.spawn(read_for_ever(around, counted()));
        co_return;
    };
    co_await tacet::with_scope(body);
}
tacet::task<> in_nested_scopes(tacet::executor& executor, surroundings& around)
{
    const counted local;
    auto body = [&](tacet::scope& scope) -> tacet::task<> {
        scope.spawn(at_the_end_of_a_scope(executor, around));
        scope.spawn(in_the_body_of_a_scope(executor, around));
        co_return;
    };
    co_await tacet::with_scope(body);
}
tacet::task<> awaiting_operations_at_once(tacet::executor&, surroundings& around)
{
    const counted local;
    (void)co_await tacet::when_all(around.reader->read(bytes_of(around.buffer)), tacet::nop(),
                                   tacet::poll(around.pipe.reader(), POLLIN));
}
tacet::task<> awaiting_a_vector_of_operations(tacet::executor&, surroundings& around)
{
    const counted local;
    std::vector<tacet::operation<tacet::poll_request>> polls;
    for (int i = 0; i < 1000; i++)
        polls.push_back(tacet::poll(around.pipe.reader(), POLLIN));
    (void)co_await tacet::when_all(std::move(polls));
}
tacet::task<> awaiting_tasks_at_once(tacet::executor&, surroundings& around)
{
    const counted local;
    (void)co_await tacet::when_all(read_for_ever(around, counted()), sleep_for_ever(counted()),
                                   sleep_for_ever(counted()));
}
tacet::task<> joining_a_native_task(tacet::executor& executor, surroundings&)
{
    const counted local;
    tacet::native_task native(tacet_switcher_asm(), [](tacet_task* self) { return tacet_sleep(self, UINT64_MAX); });
    native.attach(executor);
    (void)co_await tacet::join(native);
}
tacet::task<> handling_an_exception(tacet::executor&, surroundings&)
{
    const counted local;
    bool caught = false;
    try {
        throw counted();
    } catch (const counted&) {
        caught = true;
    }
    if (caught)
        (void)co_await sleep_for_ever(counted());
}
tacet::task<> deep(tacet::executor& executor, surroundings& around, int depth)
{
    const counted local;
    if (depth > 0)
        co_await deep(executor, around, depth - 1);
    else
        (void)co_await around.reader->read(bytes_of(around.buffer));
}

const std::pair<const char*, starter> states[] = {
    {"ready", ready},
    {"sleeping", sleeping},
    {"sleeping, as_result of a task", sleeping_as_result},
    {"reading", reading},
    {"reading, as_result", reading_as_result},
    {"polling", polling},
    {"acquiring", acquiring},
    {"acquiring a permit", acquiring_a_permit},
    {"holding a permit", holding_a_permit},
    {"joining", joining},
    {"holding a handle", holding_a_handle},
    {"in the body of a scope", in_the_body_of_a_scope},
    {"at the end of a scope", at_the_end_of_a_scope},
    {"in nested scopes", in_nested_scopes},
    {"awaiting operations at once", awaiting_operations_at_once},
    {"awaiting a vector of operations", awaiting_a_vector_of_operations},
    {"awaiting tasks at once", awaiting_tasks_at_once},
    {"joining a native task", joining_a_native_task},
    {"after an exception", handling_an_exception},
    {"deep", [](tacet::executor& executor, surroundings& around) { return deep(executor, around, 1000); }},
};

// Runs until nothing more happens of itself, or for so many items.
void let_run(tacet::executor& executor, int items)
{
    for (int i = 0; i < items; i++)
        executor.run_for(std::chrono::nanoseconds(0), 1);
}

}

TEST_CASE("an executor destroyed with a coroutine in any state destroys what it holds, once", "[cxx][teardown]")
{
    const std::ptrdiff_t before = open_descriptors();
    for (const auto& [name, start] : states) {
        for (const int items : {0, 1, 2, 3, 5, 100}) {
            INFO(name << " after " << items << " items");
            surroundings around;
            {
                tacet::executor executor;
                (void)executor.spawn(start(executor, around));
                let_run(executor, items);
            }
            CHECK(counted::alive == 0);
        }
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("an executor destroyed with coroutines in all states at once destroys what they hold", "[cxx][teardown]")
{
    const std::ptrdiff_t before = open_descriptors();
    for (const int items : {0, 10, 20, 50, 1000}) {
        surroundings around;
        {
            tacet::executor executor;
            for (int copies = 0; copies < 3; copies++)
                for (const auto& [name, start] : states)
                    (void)executor.spawn(start(executor, around));
            let_run(executor, items);
        }
        CHECK(counted::alive == 0);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("a coroutine in any state that is cancelled ends", "[cxx][teardown]")
{
    for (const auto& [name, start] : states) {
        for (const int items : {0, 1, 2, 3, 5, 100}) {
            INFO(name << " after " << items << " items");
            surroundings around;
            tacet::executor executor;
            tacet::join_handle<> handle = executor.spawn(start(executor, around));
            let_run(executor, items);
            handle.cancel();
            const failure stray = failure_of([&] {
                while (!handle.has_exited())
                    executor.run_for(std::chrono::seconds(10), 1);
                handle.take();
            });
            CHECK(handle.has_exited());
            CHECK((stray.code == std::errc::operation_canceled || !stray.code));
            executor.cancel_all();
            (void)failure_of([&] { executor.run_until_idle(); });
        }
        CHECK(counted::alive == 0);
    }
}

TEST_CASE("what an awaited task holds goes before what holds it", "[cxx][teardown]")
{
    std::vector<std::string> gone;
    auto inner = [&](std::string name) -> tacet::task<> {
        const mark here(gone, std::move(name));
        co_await tacet::sleep_for(for_ever);
    };
    auto outer = [&]() -> tacet::task<> {
        const mark first(gone, "first"), second(gone, "second");
        co_await inner("inner");
    };
    {
        tacet::executor executor;
        (void)executor.spawn(outer());
        executor.run_for(0s);
        CHECK(gone.empty());
    }
    CHECK(gone == std::vector<std::string>{"inner", "second", "first"});
}

TEST_CASE("children go before the locals of their parents, which their destructors use", "[cxx][teardown]")
{
    std::set<std::string> all_gone;
    auto parent = [&]() -> tacet::task<> {
        std::vector<std::string> gone; // the children write into it when they go
        auto child = [&](std::string name) -> tacet::task<> {
            const mark here(gone, std::move(name));
            co_await tacet::sleep_for(for_ever);
        };
        struct collector {
            ~collector() { into.insert(names.begin(), names.end()); }
            std::vector<std::string>& names;
            std::set<std::string>& into;
        };
        const collector at_end{gone, all_gone};
        auto body = [&](tacet::scope& scope) -> tacet::task<> {
            scope.spawn(child("one"));
            scope.spawn(child("two"));
            (void)co_await tacet::when_all(child("three"), child("four"));
        };
        co_await tacet::with_scope(body);
    };
    {
        tacet::executor executor;
        (void)executor.spawn(parent());
        executor.run_for(0s);
    }
    CHECK(all_gone == std::set<std::string>{"one", "two", "three", "four"});
}

TEST_CASE("coroutines spawned later go first", "[cxx][teardown]")
{
    std::vector<std::string> gone;
    auto waiting = [&](std::string name) -> tacet::task<> {
        const mark here(gone, std::move(name));
        co_await tacet::sleep_for(for_ever);
    };
    {
        tacet::executor executor;
        for (const char* name : {"a", "b", "c"})
            (void)executor.spawn(waiting(name));
        executor.run_for(0s);
    }
    CHECK(gone == std::vector<std::string>{"c", "b", "a"});
}

TEST_CASE("destructors that use the executor while it ends find it closed", "[cxx][teardown]")
{
    tacet::semaphore closed(0);
    std::vector<std::error_code> refused;
    {
        tacet::executor executor;
        auto nothing = []() -> tacet::task<> { co_return; };
        struct spawner {
            ~spawner()
            {
                closed.release(3);
                refused.push_back(failure_of([this] { (void)executor.spawn(make()); }).code);
                executor.cancel_all();
            }
            tacet::executor& executor;
            tacet::semaphore& closed;
            std::vector<std::error_code>& refused;
            std::function<tacet::task<>()> make;
        };
        auto waiting = [&]() -> tacet::task<> {
            const spawner at_end{executor, closed, refused, nothing};
            co_await closed.acquire();
        };
        for (int i = 0; i < 3; i++)
            (void)executor.spawn(waiting());
        executor.run_for(0s);
    }
    REQUIRE(refused.size() == 3);
    for (const std::error_code& code : refused)
        CHECK(code == std::errc::operation_canceled);
}

TEST_CASE("an executor may end with 100,000 coroutines in it", "[cxx][teardown]")
{
    surroundings around;
    {
        tacet::executor executor;
        for (int i = 0; i < 100'000; i++)
            (void)executor.spawn(i % 10 == 0 ? reading(executor, around) : sleeping(executor, around));
        while (executor.stats().suspended < 100'000)
            executor.run_for(0s);
        CHECK(counted::alive == 300'000);
    }
    CHECK(counted::alive == 0);
}

TEST_CASE("a chain of 2,000 tasks that await each other is destroyed with its executor", "[cxx][teardown]")
{
    surroundings around;
    {
        tacet::executor executor;
        (void)executor.spawn(deep(executor, around, 2000));
        executor.run_for(0s);
        CHECK(counted::alive == 2001);
    }
    CHECK(counted::alive == 0);
}

TEST_CASE("an executor ended by an exception that leaves run takes everything with it", "[cxx][teardown]")
{
    surroundings around;
    const std::ptrdiff_t before = open_descriptors();
    auto failing = [&](tacet::executor& executor) -> tacet::task<> {
        for (const auto& [name, start] : states)
            (void)executor.spawn(start(executor, around));
        for (int i = 0; i < 20; i++)
            co_await tacet::yield();
        throw std::runtime_error("failed");
    };
    auto whole = [&] {
        tacet::executor executor;
        executor.run(failing(executor));
    };
    CHECK_THROWS_AS(whole(), std::runtime_error);
    CHECK(counted::alive == 0);
    CHECK(open_descriptors() == before);
}
