// executor: run, spawn, join, cancel, stop; what it says of itself; where it is refused.
#include "support.hpp"

#include <thread>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

using namespace tests;

namespace {

tacet::task<int> giving(int value)
{
    co_await tacet::yield();
    co_return value;
}

tacet::task<> failing(const char* what)
{
    co_await tacet::yield();
    throw std::runtime_error(what);
}

tacet::task<> sleeping(std::chrono::nanoseconds duration)
{
    co_await tacet::sleep_for(duration);
}

// What left f, as text.
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

TEST_CASE("run returns the task's value and throws what left it", "[cxx][executor]")
{
    tacet::executor executor;
    CHECK(executor.run(giving(3)) == 3);
    CHECK(thrown_by([&] { executor.run(failing("first")); }) == "first");
    CHECK(executor.run(giving(4)) == 4);
    CHECK(executor.stats().attached == 0);
}

TEST_CASE("run gives the spawned their turns and leaves them where they are when its own has ended", "[cxx][executor]")
{
    tacet::executor executor;
    int turns = 0;
    auto spinning = [&]() -> tacet::task<> {
        for (;;) {
            turns++;
            co_await tacet::yield();
        }
    };
    auto yielding = []() -> tacet::task<> {
        for (int i = 0; i < 10; i++)
            co_await tacet::yield();
    };
    (void)executor.spawn(spinning());
    executor.run(yielding());
    CHECK(turns >= 10);
    const int before = turns;
    executor.run(yielding());
    CHECK(turns >= before + 10);
    CHECK(executor.stats().attached == 1);
}

TEST_CASE("join returns the value of a spawned task, and throws what left it", "[cxx][executor]")
{
    tacet::executor executor;
    auto joining = [&]() -> tacet::task<int> {
        tacet::join_handle<int> later = executor.spawn(giving(5));
        tacet::join_handle<> failed = executor.spawn(failing("spawned"));
        CHECK_FALSE(later.has_exited());
        const int value = co_await tacet::join(std::move(later));
        std::string what;
        try {
            co_await tacet::join(std::move(failed));
        } catch (const std::runtime_error& thrown) {
            what = thrown.what();
        }
        CHECK(what == "spawned");
        co_return value;
    };
    CHECK(executor.run(joining()) == 5);
    CHECK(executor.stats().attached == 0);
}

TEST_CASE("join of a task that has ended already returns at once", "[cxx][executor]")
{
    tacet::executor executor;
    tacet::join_handle<int> ended = executor.spawn(giving(6));
    executor.run_until_idle();
    REQUIRE(ended.has_exited());
    auto joining = [](tacet::join_handle<int> handle) -> tacet::task<int> {
        const int value = co_await tacet::join(std::move(handle));
        co_return value;
    };
    CHECK(executor.run(joining(std::move(ended))) == 6);
}

TEST_CASE("a handle gives the value without a coroutine, too", "[cxx][executor]")
{
    tacet::executor executor;
    tacet::join_handle<int> value = executor.spawn(giving(8));
    tacet::join_handle<> failed = executor.spawn(failing("taken"));
    executor.run_until_idle();
    CHECK(value.take() == 8);
    CHECK(thrown_by([&] { failed.take(); }) == "taken");
}

TEST_CASE("several tasks may wait for one through the C interface's task", "[cxx][executor]")
{
    tacet::executor executor;
    const tacet::join_handle<> awaited = executor.spawn(sleeping(1ms));
    int woken = 0;
    auto waiting = [&]() -> tacet::task<> {
        (void)co_await tacet::join(awaited.get());
        CHECK(awaited.has_exited());
        woken++;
    };
    for (int i = 0; i < 5; i++)
        (void)executor.spawn(waiting());
    executor.run_until_idle();
    CHECK(woken == 5);
}

TEST_CASE("what leaves a task whose handle was dropped is thrown by the run under way, once", "[cxx][executor]")
{
    tacet::executor executor;
    (void)executor.spawn(failing("dropped"));
    CHECK(thrown_by([&] { executor.run_until_idle(); }) == "dropped");
    CHECK(thrown_by([&] { executor.run_until_idle(); }) == "nothing");
    (void)executor.spawn(failing("one"));
    (void)executor.spawn(failing("two"));
    CHECK(thrown_by([&] { executor.run_until_idle(); }) == "one");
    CHECK(executor.run(giving(1)) == 1);
}

TEST_CASE("run prefers what left its own task, and keeps a stranger's exception for the next run", "[cxx][executor]")
{
    tacet::executor executor;
    (void)executor.spawn(failing("stranger"));
    CHECK(thrown_by([&] { executor.run(failing("own")); }) == "own");
    CHECK(thrown_by([&] { (void)executor.run(giving(1)); }) == "stranger");
    CHECK(executor.run(giving(2)) == 2);
}

TEST_CASE("a task that is cancelled by its handle finds operation_canceled where it waits", "[cxx][executor]")
{
    tacet::executor executor;
    const pipe_ends pipe;
    borrowed reader(pipe.reader());
    tacet::semaphore closed(0);
    std::string buffer(16, '\0');
    auto sleeps = []() -> tacet::task<> { co_await tacet::sleep_for(for_ever); };
    auto reads = [&]() -> tacet::task<> { (void)co_await reader->read(bytes_of(buffer)); };
    auto acquires = [&]() -> tacet::task<> { co_await closed.acquire(); };
    auto yields = []() -> tacet::task<> {
        for (;;)
            co_await tacet::yield();
    };
    auto joins = [&]() -> tacet::task<> { co_await tacet::join(executor.spawn(sleeping(5ms))); };
    std::vector<tacet::join_handle<>> handles;
    handles.push_back(executor.spawn(sleeps()));
    handles.push_back(executor.spawn(reads()));
    handles.push_back(executor.spawn(acquires()));
    handles.push_back(executor.spawn(yields()));
    handles.push_back(executor.spawn(joins()));
    let_settle(executor);
    for (tacet::join_handle<>& handle : handles) {
        CHECK_FALSE(handle.has_exited());
        handle.cancel();
    }
    executor.run_until_idle();
    const std::vector<std::string> names = {"sleep", "read", "semaphore acquire", "yield", "join"};
    for (std::size_t i = 0; i < handles.size(); i++) {
        REQUIRE(handles[i].has_exited());
        const failure cancelled = failure_of([&] { handles[i].take(); });
        CHECK(cancelled.code == std::errc::operation_canceled);
        CHECK(cancelled.what.substr(0, names[i].size()) == names[i]);
    }
}

TEST_CASE("a cancel before the task waits is delivered once, at its first cancellation point", "[cxx][executor]")
{
    tacet::executor executor;
    std::vector<std::string> log;
    auto noting = [&]() -> tacet::task<> {
        log.emplace_back("started");
        try {
            co_await tacet::nop();
        } catch (const std::system_error& thrown) {
            log.emplace_back(thrown.what());
        }
        co_await tacet::nop();
        co_await tacet::sleep_for(0s);
        log.emplace_back("ended");
    };
    tacet::join_handle<> handle = executor.spawn(noting());
    handle.cancel();
    executor.run_until_idle();
    CHECK(log == std::vector<std::string>{"started", "nop: " + message_of(std::errc::operation_canceled), "ended"});
    handle.cancel();
    handle.take();
}

TEST_CASE("a cancelled joiner leaves the task that it joined running", "[cxx][executor]")
{
    tacet::executor executor;
    bool ended = false;
    auto working = [&]() -> tacet::task<> {
        co_await tacet::sleep_for(1ms);
        ended = true;
    };
    auto joining = [&]() -> tacet::task<> { co_await tacet::join(executor.spawn(working())); };
    tacet::join_handle<> joiner = executor.spawn(joining());
    executor.run_for(0s, 4);
    joiner.cancel();
    executor.run_until_idle();
    CHECK(failure_of([&] { joiner.take(); }).code == std::errc::operation_canceled);
    CHECK(ended);
}

TEST_CASE("as_result of a join gives the task's value, its error, or the joiner's cancel", "[cxx][executor]")
{
    tacet::executor executor;
    auto refused = []() -> tacet::task<int> {
        co_await tacet::yield();
        throw std::system_error(std::make_error_code(std::errc::no_space_on_device));
    };
    auto joining = [&]() -> tacet::task<> {
        const tacet::result<int> good = co_await tacet::as_result(tacet::join(executor.spawn(giving(9))));
        REQUIRE(good.has_value());
        CHECK(*good == 9);
        const tacet::result<int> bad = co_await tacet::as_result(tacet::join(executor.spawn(refused())));
        CHECK(bad.error() == std::errc::no_space_on_device);
        const tacet::result<void> late = co_await tacet::as_result(tacet::join(executor.spawn(sleeping(1ms))));
        CHECK(late.error() == std::errc::operation_canceled);
    };
    tacet::join_handle<> handle = executor.spawn(joining());
    while (executor.stats().timers == 0)
        executor.run_for(0s, 1);
    handle.cancel();
    executor.run_until_idle();
    handle.take();
}

TEST_CASE("run of a task that waits for what cannot come cancels it and says so", "[cxx][executor]")
{
    tacet::executor executor;
    tacet::semaphore closed(0);
    bool unwound = false;
    auto waiting = [&]() -> tacet::task<> {
        try {
            co_await closed.acquire();
        } catch (const std::system_error&) {
            unwound = true;
        }
    };
    const failure deadlock = failure_of([&] { executor.run(waiting()); });
    CHECK(deadlock.code == std::errc::resource_deadlock_would_occur);
    CHECK(unwound);
    CHECK(executor.stats().attached == 0);
}

TEST_CASE("a task that does not end when its deadlock is broken stays, and goes with the executor", "[cxx][executor]")
{
    {
        tacet::executor executor;
        tacet::semaphore closed(0);
        auto stubborn = [&](counted) -> tacet::task<> {
            for (;;)
                (void)co_await tacet::as_result(closed.acquire());
        };
        const failure deadlock = failure_of([&] { executor.run(stubborn(counted())); });
        CHECK(deadlock.code == std::errc::resource_deadlock_would_occur);
        CHECK(executor.stats().suspended == 1);
        CHECK(counted::alive == 1);
    }
    CHECK(counted::alive == 0);
}

TEST_CASE("a stop by another task does not disturb run's own, which waits for something that comes", "[cxx][executor]")
{
    tacet::executor executor;
    auto stopping = [&]() -> tacet::task<> {
        co_await tacet::yield();
        executor.stop();
    };
    auto waiting = [&]() -> tacet::task<int> {
        co_await tacet::sleep_for(2ms);
        co_return 1;
    };
    (void)executor.spawn(stopping());
    CHECK(executor.run(waiting()) == 1);
}

TEST_CASE("stop ends run_until_idle after the running task, and the rest goes on with the next run", "[cxx][executor]")
{
    tacet::executor executor;
    int turns = 0;
    auto stopping = [&]() -> tacet::task<> {
        turns++;
        executor.stop();
        co_return;
    };
    for (int i = 0; i < 3; i++)
        (void)executor.spawn(stopping());
    CHECK(executor.run_until_idle() == 1);
    CHECK(turns == 1);
    CHECK(executor.run_until_idle() == 1);
    CHECK(executor.run_until_idle() == 1);
    CHECK(executor.run_until_idle() == 0);
    CHECK(turns == 3);
}

TEST_CASE("run_for ends by its number of items or by its time", "[cxx][executor]")
{
    tacet::executor executor;
    auto spinning = []() -> tacet::task<> {
        for (;;)
            co_await tacet::yield();
    };
    tacet::join_handle<> spinner = executor.spawn(spinning());
    CHECK(executor.run_for(10s, 7) == 7);
    CHECK(executor.run_for(0s, 3) <= 3);
    CHECK(executor.run_for(-1s, 3) <= 3);
    CHECK(executor.run_for(std::chrono::hours::max(), 5) == 5);
    spinner.cancel();
    executor.run_until_idle();
    tacet::join_handle<> sleeper = executor.spawn(sleeping(for_ever));
    CHECK(executor.run_for(0s) == 1);
    CHECK(executor.run_for(100us) == 0);
    sleeper.cancel();
    CHECK(executor.run_for(for_ever) == 1);
    CHECK(failure_of([&] { executor.run_for(1s, 0); }).code == std::errc::invalid_argument);
}

TEST_CASE("a run inside of a run is refused, and the task given to it is not started", "[cxx][executor]")
{
    tacet::executor executor;
    bool started = false;
    auto inner = [&](counted) -> tacet::task<> {
        started = true;
        co_return;
    };
    auto outer = [&]() -> tacet::task<int> {
        const failure nested = failure_of([&] { executor.run(inner(counted())); });
        CHECK(nested.code == std::errc::resource_deadlock_would_occur);
        CHECK(counted::alive == 0);
        CHECK(failure_of([&] { executor.run_until_idle(); }).code == std::errc::resource_deadlock_would_occur);
        co_await tacet::sleep_for(1ms);
        co_return 1;
    };
    CHECK(executor.run(outer()) == 1);
    CHECK_FALSE(started);
}

TEST_CASE("one executor may be run from a task of another", "[cxx][executor]")
{
    tacet::executor outside, inside;
    auto outer = [&]() -> tacet::task<int> {
        co_await tacet::nop();
        const int value = inside.run(giving(11));
        co_await tacet::nop();
        co_return value;
    };
    CHECK(outside.run(outer()) == 11);
}

TEST_CASE("a task cannot join itself, nor a task of another executor", "[cxx][executor]")
{
    tacet::executor here, there;
    auto joining = [&](tacet_task* other) -> tacet::task<std::error_code> {
        if (other == nullptr)
            other = co_await tacet::this_task();
        try {
            (void)co_await tacet::join(other);
        } catch (const std::system_error& thrown) {
            co_return thrown.code();
        }
        co_return std::error_code();
    };
    CHECK(here.run(joining(nullptr)) == std::errc::resource_deadlock_would_occur);
    const tacet::join_handle<int> foreign = there.spawn(giving(1));
    CHECK(here.run(joining(foreign.get())) == std::errc::operation_not_permitted);
    auto joining_handle = [](tacet::join_handle<int> handle) -> tacet::task<int> {
        const int value = co_await tacet::join(std::move(handle));
        co_return value;
    };
    const failure refused = failure_of([&] { (void)here.run(joining_handle(there.spawn(giving(2)))); });
    CHECK(refused.code == std::errc::operation_not_permitted);
}

TEST_CASE("a handle that outlives its executor tells of the end", "[cxx][executor]")
{
    tacet::join_handle<int> ended, left;
    {
        tacet::executor executor;
        ended = executor.spawn(giving(12));
        executor.run_until_idle();
        auto waiting = []() -> tacet::task<int> {
            co_await tacet::sleep_for(for_ever);
            co_return 0;
        };
        left = executor.spawn(waiting());
        executor.run_for(0s);
    }
    CHECK(ended.has_exited());
    CHECK(left.has_exited());
    ended.cancel();
    left.cancel();
    left.set_priority(tacet::priority::low);
    CHECK(ended.take() == 12);
    const failure cancelled = failure_of([&] { (void)left.take(); });
    CHECK(cancelled.code == std::errc::operation_canceled);
}

TEST_CASE("cancel_all reaches every task", "[cxx][executor]")
{
    tacet::executor executor;
    std::vector<tacet::join_handle<>> handles;
    for (int i = 0; i < 100; i++)
        handles.push_back(executor.spawn(sleeping(for_ever)));
    executor.run_for(0s);
    executor.cancel_all();
    executor.run_until_idle();
    for (tacet::join_handle<>& handle : handles)
        CHECK(failure_of([&] { handle.take(); }).code == std::errc::operation_canceled);
}

TEST_CASE("an executor without a ring computes and sleeps, and says that it does no I/O", "[cxx][executor]")
{
    tacet::executor_options options;
    options.ring_entries = 0;
    tacet::executor executor(options);
    auto working = [&]() -> tacet::task<int> {
        co_await tacet::sleep_for(1ms);
        co_await tacet::yield();
        const int value = co_await tacet::join(executor.spawn(giving(13)));
        co_return value;
    };
    CHECK(executor.run(working()) == 13);
    auto opening = []() -> tacet::task<> { (void)co_await tacet::open("/dev/null", O_RDONLY); };
    const failure refused = failure_of([&] { executor.run(opening()); });
    CHECK(refused.code == std::errc::not_supported);
    CHECK(refused.what == "open \"/dev/null\": " + message_of(std::errc::not_supported));
    CHECK(executor.config().find("ring=none") != std::string_view::npos);
}

TEST_CASE("absurd options are refused with the limits in the message", "[cxx][executor]")
{
    tacet::executor_options options;
    options.ring_entries = 1U << 30;
    const failure refused = failure_of([&] { const tacet::executor executor(options); });
    CHECK(refused.code == std::errc::invalid_argument);
    CHECK(refused.what.find("at most 1048576 ring entries") != std::string::npos);
}

TEST_CASE("a ring of one entry carries a flood of operations", "[cxx][executor]")
{
    tacet::executor_options options;
    options.ring_entries = 1;
    tacet::executor executor(options);
    int done = 0;
    auto working = [&]() -> tacet::task<> {
        for (int i = 0; i < 10; i++)
            co_await tacet::nop();
        done++;
    };
    for (int i = 0; i < 1000; i++)
        (void)executor.spawn(working());
    executor.run_until_idle();
    CHECK(done == 1000);
    CHECK(executor.stats().completed == 10'000);
}

namespace {

// From here on this process gets `error` from io_uring_setup.
void forbid_io_uring(int error)
{
    sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program = {static_cast<unsigned short>(std::size(filter)), filter};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        throw std::system_error(errno, std::generic_category(), "seccomp");
}

std::string refusal(int error)
{
    std::string what = in_child([&] {
        forbid_io_uring(error);
        return failure_of([] { const tacet::executor executor; }).what;
    });
    if (what.find("exception: seccomp") == 0)
        SKIP("no seccomp filter may be installed here");
    return what;
}

}

TEST_CASE("where io_uring is refused the message says why and what to do", "[cxx][executor]")
{
    const std::string forbidden = refusal(EPERM);
    CHECK(forbidden.find("executor: io_uring is refused") == 0);
    CHECK(forbidden.find("kernel.io_uring_disabled") != std::string::npos);
    CHECK(forbidden.find("seccomp") != std::string::npos);
    CHECK(forbidden.find(message_of(std::errc::operation_not_permitted)) != std::string::npos);
    const std::string absent = refusal(ENOSYS);
    CHECK(absent.find("the kernel has no io_uring") != std::string::npos);
    const std::string starved = refusal(ENOMEM);
    CHECK(starved.find("locked-memory limit") != std::string::npos);
}

TEST_CASE("an executor without a ring works where io_uring is refused", "[cxx][executor]")
{
    const std::string value = in_child([] {
        forbid_io_uring(EPERM);
        tacet::executor_options options;
        options.ring_entries = 0;
        tacet::executor executor(options);
        return std::to_string(executor.run(giving(14)));
    });
    if (value.find("exception: seccomp") == 0)
        SKIP("no seccomp filter may be installed here");
    CHECK(value == "14");
}

TEST_CASE("in the child of a fork every use of the executor is refused", "[cxx][executor]")
{
    tacet::executor executor;
    CHECK(executor.run(giving(1)) == 1);
    CHECK(in_child([&] { return failure_of([&] { (void)executor.run(giving(1)); }).what; }) ==
          "run: " + message_of(std::errc::operation_not_permitted));
    CHECK(in_child([&] { return failure_of([&] { (void)executor.stats(); }).what; }) ==
          "executor stats: " + message_of(std::errc::operation_not_permitted));
    CHECK(executor.run(giving(2)) == 2);
}

TEST_CASE("another thread is refused, and what it wanted to run is destroyed unstarted", "[cxx][executor]")
{
    tacet::executor executor;
    bool started = false;
    auto body = [&](counted) -> tacet::task<> {
        started = true;
        co_return;
    };
    failure run, spawned;
    std::thread other([&] {
        run = failure_of([&] { executor.run(body(counted())); });
        spawned = failure_of([&] { (void)executor.spawn(body(counted())); });
    });
    other.join();
    CHECK(run.code == std::errc::operation_not_permitted);
    CHECK(spawned.code == std::errc::operation_not_permitted);
    CHECK(counted::alive == 0);
    CHECK_FALSE(started);
    executor.run_until_idle();
    CHECK_FALSE(started);
}

TEST_CASE("stats count tasks, operations and timers", "[cxx][executor]")
{
    tacet::executor executor;
    const pipe_ends pipe;
    borrowed reader(pipe.reader());
    std::string buffer(1, '\0');
    auto reads = [&]() -> tacet::task<> { (void)co_await reader->read(bytes_of(buffer)); };
    auto nops = []() -> tacet::task<> {
        for (int i = 0; i < 5; i++)
            co_await tacet::nop();
    };
    executor.run(nops());
    CHECK(executor.stats().completed == 5);
    CHECK(executor.stats().submitted == 5);
    CHECK(executor.stats().items == 6);
    (void)executor.spawn(reads());
    (void)executor.spawn(sleeping(for_ever));
    CHECK(executor.stats().pending_or_ready == 2);
    executor.run_for(0s);
    const tacet_executor_stats stats = executor.stats();
    CHECK(stats.attached == 2);
    CHECK(stats.suspended == 2);
    CHECK(stats.running == 0);
    CHECK(stats.in_flight == 1);
    CHECK(stats.timers == 1);
    CHECK(stats.ticks_in_tasks == 0);
}

TEST_CASE("with accounting on, tasks and executor have ticks", "[cxx][executor]")
{
    tacet::executor_options options;
    options.accounting = true;
    tacet::executor executor(options);
    const tacet::join_handle<> slept = executor.spawn(sleeping(1ms));
    auto scoped = []() -> tacet::task<> {
        auto body = [](tacet::scope& scope) -> tacet::task<> {
            for (int i = 0; i < 10; i++)
                scope.spawn(sleeping(10us));
            co_return;
        };
        co_await tacet::with_scope(body);
    };
    (void)executor.spawn(scoped());
    executor.run_until_idle();
    const tacet_task_ticks ticks = tacet_task_get_ticks(slept.get());
    CHECK(ticks.attached <= ticks.started);
    CHECK(ticks.started <= ticks.suspended);
    CHECK(ticks.suspended <= ticks.completed);
    CHECK(ticks.completed <= ticks.exited);
    CHECK(ticks.attached > 0);
    CHECK(ticks.running > 0);
    CHECK(executor.stats().ticks_in_tasks > 0);
    CHECK(executor.stats().ticks_asleep > 0);
}

TEST_CASE("the config line names version, ring and flags", "[cxx][executor]")
{
    const tacet::executor executor;
    const std::string config(executor.config());
    CHECK(config.find("tacet " TACET_VERSION " ring=io_uring") == 0);
    CHECK(config.find("setup=") != std::string::npos);
    tacet::executor_options options;
    options.setup_flags_forbidden = IORING_SETUP_DEFER_TASKRUN;
    tacet::executor older(options);
    CHECK(std::string(older.config()).find("defer_taskrun") == std::string::npos);
    CHECK(older.run(giving(15)) == 15);
}
