/* Functions that block, on helper threads: where they run, cancels, limits, forks, executors that go away. */
#include "support/support.hpp"

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <pthread.h>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

using namespace support;

namespace {

const timespec no_time = {0, 0};

/* Whoever passes waits until it is open. */
class gate {
public:
    void open()
    {
        const std::lock_guard lock(mutex_);
        open_ = true;
        opened_.notify_all();
    }
    void pass()
    {
        std::unique_lock lock(mutex_);
        arrived_++;
        while (!open_)
            opened_.wait(lock);
    }
    void await_arrivals(int count)
    {
        while (arrived() < count)
            std::this_thread::yield();
    }
    int arrived()
    {
        const std::lock_guard lock(mutex_);
        return arrived_;
    }

private:
    std::mutex mutex_;
    std::condition_variable opened_;
    bool open_ = false;
    int arrived_ = 0;
};

/* The argument of a blocking function that calls a C++ one. It lies still. */
using function = std::function<tacet_result()>;

call blocking(function& calls)
{
    return [&calls](tacet_task* self) {
        return tacet_run_blocking(
            self, [](void* arg) { return (*static_cast<function*>(arg))(); }, &calls);
    };
}

class threads_max {
public:
    explicit threads_max(unsigned most) { REQUIRE(tacet_blocking_set_threads_max(most) == 0); }
    threads_max(const threads_max&) = delete;
    ~threads_max() { CHECK(tacet_blocking_set_threads_max(TACET_BLOCKING_THREADS_DEFAULT) == 0); }
};

std::string name_of_thread(const std::string& thread = "self")
{
    std::string name;
    std::ifstream(thread == "self" ? "/proc/thread-self/comm" : "/proc/self/task/" + thread + "/comm") >> name;
    return name;
}

int helper_threads()
{
    int count = 0;
    for (const auto& each : std::filesystem::directory_iterator("/proc/self/task"))
        count += name_of_thread(each.path().filename()) == "tacet-blocking";
    return count;
}

const std::vector<ring_kind> ring_or_none = {default_ring, {"no ring", 0, 0}};

}

TEST_CASE("a function that blocks runs on a helper thread, and its result is the call's", "[blocking]")
{
    executor executor(GENERATE(from_range(ring_or_none)));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    CAPTURE(switcher.name);
    std::string name;
    bool elsewhere = false;
    sigset_t mask;
    const std::thread::id here = std::this_thread::get_id();
    function first = [&] {
        name = name_of_thread();
        elsewhere = std::this_thread::get_id() != here;
        pthread_sigmask(SIG_SETMASK, nullptr, &mask);
        return 42;
    };
    function second = [] { return -ENOENT; };
    task task(switcher, {blocking(first), blocking(second)});
    task.attach(executor);
    CHECK(executor.run_until_idle() == 3);
    CHECK(task.results() == std::vector<tacet_result>{42, -ENOENT});
    CHECK(elsewhere);
    CHECK(name == "tacet-blocking");
    CHECK(sigismember(&mask, SIGINT) == 1);
    CHECK(sigismember(&mask, SIGALRM) == 1);
    CHECK(sigismember(&mask, SIGSEGV) == 0);
    sigset_t own;
    pthread_sigmask(SIG_SETMASK, nullptr, &own);
    CHECK(sigismember(&own, SIGINT) == 0);
}

TEST_CASE("the others of the executor run while a function blocks", "[blocking]")
{
    executor executor(GENERATE(from_range(ring_or_none)));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    gate gate;
    function waits = [&] {
        gate.pass();
        return 1;
    };
    task blocked(switcher, {blocking(waits)});
    task other(switcher, {[](tacet_task* self) { return tacet_sleep(self, 1000); },
                          [&](tacet_task*) -> tacet_result {
                              gate.open();
                              return 0;
                          }});
    blocked.attach(executor);
    other.attach(executor);
    CHECK(executor.run_until_idle() > 0);
    CHECK(blocked.results() == std::vector<tacet_result>{1});
}

TEST_CASE("run_blocking refuses what cannot be", "[blocking]")
{
    executor executor;
    bool called = false;
    function notes = [&] {
        called = true;
        return 0;
    };
    const call no_function = [](tacet_task* self) { return tacet_run_blocking(self, nullptr, nullptr); };
    for (const switcher_kind& switcher : all_switchers()) {
        CAPTURE(switcher.name);
        caller call(switcher);
        CHECK(call(no_function) == -EINVAL);
    }
    caller cannot_wait({"none", tacet_switcher_none});
    CHECK(cannot_wait(blocking(notes)) == -ENOTSUP);
    CHECK(blocking(notes)(nullptr) == -EINVAL);
    task idle(suspending_switchers().front(), {});
    CHECK(blocking(notes)(idle) == -EINVAL);
    CHECK(tacet_blocking_set_threads_max(0) == -EINVAL);
    CHECK_FALSE(called);
}

TEST_CASE("TACET_PENDING is no result of a function", "[blocking]")
{
    function pending = [] { return TACET_PENDING; };
    for (const switcher_kind& switcher : suspending_switchers()) {
        caller call(switcher);
        CHECK(call(blocking(pending)) == -EINVAL);
    }
}

TEST_CASE("an argument on a stack that moves is refused, and said so; on others it is right", "[blocking]")
{
    const switcher_kind& switcher = GENERATE(from_range(own_stack_switchers()));
    CAPTURE(switcher.name);
    const bool moves = std::string(switcher.name) == "copying";
    std::string lines;
    tacet_executor_options options = {};
    options.report = [](void* arg, const char* line) { *static_cast<std::string*>(arg) += line; };
    options.report_arg = &lines;
    executor executor(options);
    task task(switcher, {[](tacet_task* self) {
                  int number = 5;
                  const tacet_result r = tacet_run_blocking(
                      self, [](void* arg) -> tacet_result { return ++*static_cast<int*>(arg); }, &number);
                  return r < 0 ? r : r * 10 + number;
              }});
    task.attach(executor);
    CHECK(executor.run_until_idle() > 0);
    CHECK(task.results() == std::vector<tacet_result>{moves ? tacet_result{-EFAULT} : 66});
    CHECK((lines.find("the argument of a blocking function") != std::string::npos) == moves);
}

TEST_CASE("a cancel takes back what has not begun, and the others keep their order", "[blocking]")
{
    executor executor(GENERATE(from_range(ring_or_none)));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    CAPTURE(switcher.name);
    const threads_max one(1);
    gate gate;
    std::vector<int> called;
    function waits = [&] {
        gate.pass();
        return 0;
    };
    std::vector<function> notes;
    for (int i = 0; i < 3; i++)
        notes.push_back([&called, i] {
            called.push_back(i);
            return i;
        });
    task first(switcher, {blocking(waits)});
    std::vector<task> queued;
    first.attach(executor);
    for (function& each : notes) {
        queued.emplace_back(switcher, std::vector<call>{blocking(each)});
        queued.back().attach(executor);
    }
    CHECK(tacet_executor_run(executor, 4, nullptr) == 4);
    gate.await_arrivals(1);
    CHECK(tacet_task_cancel(queued[1]) == 0);
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    CHECK(queued[1].results() == std::vector<tacet_result>{-ECANCELED});
    gate.open();
    CHECK(executor.run_until_idle() > 0);
    CHECK(called == std::vector<int>{0, 2});
    CHECK(queued[0].results() == std::vector<tacet_result>{0});
    CHECK(queued[2].results() == std::vector<tacet_result>{2});
}

TEST_CASE("what has begun runs to its end, and the cancel is kept for the next call", "[blocking]")
{
    executor executor(GENERATE(from_range(ring_or_none)));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    CAPTURE(switcher.name);
    gate gate;
    bool called_again = false;
    function waits = [&] {
        gate.pass();
        return 7;
    };
    function again = [&] {
        called_again = true;
        return 0;
    };
    task task(switcher, {blocking(waits), blocking(again)});
    task.attach(executor);
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    gate.await_arrivals(1);
    CHECK(tacet_task_cancel(task) == 0);
    CHECK(tacet_executor_run(executor, 1, &no_time) == -ETIME);
    gate.open();
    CHECK(executor.run_until_idle() > 0);
    CHECK(task.results() == std::vector<tacet_result>{7, -ECANCELED});
    CHECK_FALSE(called_again);
}

TEST_CASE("a task that is cancelled before calls nothing", "[blocking]")
{
    executor executor;
    bool called = false;
    function notes = [&] {
        called = true;
        return 0;
    };
    for (const switcher_kind& switcher : suspending_switchers()) {
        task task(switcher, {blocking(notes)});
        task.attach(executor);
        CHECK(tacet_task_cancel(task) == 0);
        CHECK(executor.run_until_idle() > 0);
        CHECK(task.results() == std::vector<tacet_result>{-ECANCELED});
    }
    CHECK_FALSE(called);
}

TEST_CASE("an executor that is destroyed waits for functions under way, and takes back the others", "[blocking]")
{
    const ring_kind& ring = GENERATE(from_range(ring_or_none));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    CAPTURE(ring.name, switcher.name);
    const threads_max two(2);
    gate gate;
    std::atomic<bool> destroying = false;
    std::atomic<int> begun = 0, ended = 0;
    function waits = [&] {
        begun++;
        gate.pass();
        ended++;
        return 0;
    };
    std::thread opener([&] {
        while (!destroying)
            std::this_thread::yield();
        gate.open();
    });
    std::vector<task> tasks;
    executor executor(ring);
    for (int i = 0; i < 4; i++) {
        tasks.emplace_back(switcher, std::vector<call>{blocking(waits)});
        tasks.back().attach(executor);
    }
    CHECK(tacet_executor_run(executor, 4, nullptr) == 4);
    gate.await_arrivals(2);
    destroying = true;
    CHECK(executor.destroy() == 0);
    CHECK(ended == begun);
    CHECK(begun >= 2);
    opener.join();
    for (const task& each : tasks)
        CHECK(tacet_task_result(each) == -ECANCELED);
}

TEST_CASE("no more functions run at once than there may be threads", "[blocking]")
{
    executor executor;
    const threads_max three(3);
    std::atomic<int> inside = 0, most = 0;
    function counts = [&] {
        const int now = ++inside;
        int before = most;
        while (before < now && !most.compare_exchange_weak(before, now)) {
        }
        for (int i = 0; i < 100; i++)
            std::this_thread::yield();
        inside--;
        return 0;
    };
    std::vector<task> tasks;
    for (int i = 0; i < 200; i++) {
        tasks.emplace_back(suspending_switchers()[0], std::vector<call>{blocking(counts), blocking(counts)});
        tasks.back().attach(executor);
    }
    CHECK(executor.run_until_idle() == 600);
    CHECK(most <= 3);
    for (const task& each : tasks)
        CHECK(each.results() == std::vector<tacet_result>{0, 0});
}

TEST_CASE("as many functions run at once as there may be threads, and superfluous threads end", "[blocking]")
{
    executor executor;
    gate gate;
    const int many = 8;
    {
        const threads_max eight(many);
        function waits = [&] {
            gate.pass();
            return 0;
        };
        std::vector<task> tasks;
        for (int i = 0; i < many; i++) {
            tasks.emplace_back(suspending_switchers()[0], std::vector<call>{blocking(waits)});
            tasks.back().attach(executor);
        }
        CHECK(tacet_executor_run(executor, many, nullptr) == many);
        gate.await_arrivals(many);
        CHECK(helper_threads() == many);
        gate.open();
        CHECK(executor.run_until_idle() == many);
    }
    const threads_max two(2);
    while (helper_threads() > 2)
        std::this_thread::yield();
}

TEST_CASE("cancels race with the helpers: a function is called and its result comes, or neither", "[blocking]")
{
    executor executor(GENERATE(from_range(ring_or_none)));
    const threads_max two(2);
    std::atomic<int> calls = 0;
    function counts = [&] { return ++calls > 0 ? 1 : 0; };
    int done = 0, cancelled = 0;
    const int rounds = 300, each_round = 16;
    for (int round = 0; round < rounds; round++) {
        std::vector<task> tasks;
        for (int i = 0; i < each_round; i++) {
            tasks.emplace_back(suspending_switchers()[0], std::vector<call>{blocking(counts)});
            tasks.back().attach(executor);
        }
        CHECK(tacet_executor_run(executor, each_round, nullptr) == each_round);
        for (int i = 0; i < each_round; i += 1 + round % 3)
            CHECK(tacet_task_cancel(tasks[static_cast<std::size_t>(each_round - 1 - i)]) <= 0);
        executor.run_until_idle();
        for (const task& each : tasks)
            (each.results() == std::vector<tacet_result>{1} ? done : cancelled)++;
    }
    CHECK(done == calls);
    CHECK(done + cancelled == rounds * each_round);
    CHECK(done > 0);
    CHECK(cancelled > 0);
}

TEST_CASE("in a forked child the parent's tasks cannot call, and new ones have new helpers", "[blocking]")
{
    function one = [] { return 1; };
    tacet_result in_parent = 0;
    int in_childs_task = 0, in_childs_own = 0;
    const switcher_kind& switcher = suspending_switchers().back();
    executor executor;
    task task(switcher, {blocking(one),
                         [&](tacet_task* self) -> tacet_result {
                             in_childs_task = in_child([&] { return -static_cast<int>(blocking(one)(self)); });
                             return 0;
                         },
                         blocking(one)});
    task.attach(executor);
    CHECK(executor.run_until_idle() > 0);
    in_parent = tacet_task_result(task);
#if !TACET_THREAD_SANITIZER /* which allows no threads in the child of a process with threads */
    in_childs_own = in_child([&] {
        support::executor own({"no ring", 0, 0});
        support::task calling(suspending_switchers()[0], {blocking(one), blocking(one)});
        calling.attach(own);
        own.run_until_idle();
        return static_cast<int>(tacet_task_result(calling)) - 1;
    });
#endif
    CHECK(in_parent == 1);
    CHECK(in_childs_task == EPERM);
    CHECK(in_childs_own == 0);
}

#if !TACET_THREAD_SANITIZER
namespace {

enum outcome { as_expected, cannot_try, wrong_without_helpers, wrong_with_a_helper };

/* What calls come to for a user who may not make threads; one who has made one before, if so wanted. */
int call_without_threads(bool has_a_helper)
{
    function one = [] { return 1; };
    executor executor({"no ring", 0, 0});
    if (has_a_helper) {
        task first(suspending_switchers()[0], {blocking(one)});
        first.attach(executor);
        executor.run_until_idle();
    }
    const rlimit none = {0, 0};
    if (::setrlimit(RLIMIT_NPROC, &none) != 0 || (::geteuid() == 0 && ::setuid(65534) != 0))
        return cannot_try;
    std::vector<task> tasks;
    for (int i = 0; i < 3; i++) {
        tasks.emplace_back(suspending_switchers()[0], std::vector<call>{blocking(one), blocking(one)});
        tasks.back().attach(executor);
    }
    executor.run_until_idle();
    for (const task& each : tasks) {
        const tacet_result r = tacet_task_result(each);
        if (r != (has_a_helper ? 1 : -EAGAIN))
            return has_a_helper ? wrong_with_a_helper : wrong_without_helpers;
    }
    return as_expected;
}

}

TEST_CASE("without any thread a call is -EAGAIN, with a single one all calls are done", "[blocking]")
{
    const int without = in_child([] { return call_without_threads(false); });
    const int with = in_child([] { return call_without_threads(true); });
    if (without == cannot_try)
        SKIP("no way to a user who may not make threads");
    CHECK(without == as_expected);
    CHECK(with == as_expected);
}
#endif
