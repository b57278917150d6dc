/* How a dispatcher begins and ends. */
#include "dispatcher/support.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore>
#include <set>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

using namespace support;

namespace {

const timespec no_time = {0, 0};

/* What the hooks have seen. */
struct seen {
    std::mutex mutex;
    std::set<unsigned> started, ended;
    std::set<std::string> names;
    std::set<tacet_executor*> executors;
    std::set<int> processors;
    std::counting_semaphore<> ends{0};
    int mistakes = 0;

    void install(tacet_dispatcher_options& options)
    {
        options.on_thread_start = start;
        options.on_thread_end = end;
        options.arg = this;
    }

    static void start(void* arg, tacet_executor* executor, unsigned index)
    {
        seen& self = *static_cast<seen*>(arg);
        char name[32] = "";
        cpu_set_t cpus;
        pthread_getname_np(pthread_self(), name, sizeof name);
        sched_getaffinity(0, sizeof cpus, &cpus);
        const std::lock_guard lock(self.mutex);
        self.mistakes += !self.started.insert(index).second;
        self.names.insert(name);
        self.executors.insert(executor);
        self.mistakes += tacet_executor_current(executor) != nullptr;
        for (int cpu = 0; CPU_COUNT(&cpus) == 1 && cpu < CPU_SETSIZE; cpu++)
            if (CPU_ISSET(cpu, &cpus))
                self.processors.insert(cpu);
    }

    static void end(void* arg, tacet_executor* executor, unsigned index)
    {
        seen& self = *static_cast<seen*>(arg);
        {
            const std::lock_guard lock(self.mutex);
            self.mistakes += !self.ended.insert(index).second;
            self.mistakes += self.executors.count(executor) != 1;
            self.mistakes += tacet_executor_run(executor, 1, &no_time) < -ETIME;
        }
        self.ends.release();
    }
};

std::size_t threads_of_process()
{
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator("/proc/self/task"))
        count++;
    return count;
}

call sleep_for_ever = [](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); };

}

TEST_CASE("a dispatcher's threads have names, hooks and processors", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    const bool pinned = GENERATE(false, true);
    CAPTURE(ring.name, pinned);
    cpu_set_t cpus;
    REQUIRE(sched_getaffinity(0, sizeof cpus, &cpus) == 0);
    const auto processors = static_cast<std::size_t>(CPU_COUNT(&cpus));
    seen seen;
    tacet_dispatcher_options options = {};
    options.pinned = pinned;
    seen.install(options);
    {
        dispatcher dispatcher(3, ring, options);
        CHECK(seen.started == std::set<unsigned>{0, 1, 2});
        CHECK(seen.names == std::set<std::string>{"tacet-0", "tacet-1", "tacet-2"});
        for (unsigned i = 0; i < 3; i++)
            CHECK(seen.executors.count(tacet_dispatcher_executor(dispatcher, i)) == 1);
    }
    CHECK(seen.executors.size() == 3);
    CHECK(seen.ended == seen.started);
    CHECK(seen.mistakes == 0);
    if (pinned || processors == 1)
        CHECK(seen.processors.size() == std::min<std::size_t>(3, processors));
    else
        CHECK(seen.processors.empty());
}

TEST_CASE("by default there is an executor for each processor", "[dispatcher]")
{
    cpu_set_t cpus;
    REQUIRE(sched_getaffinity(0, sizeof cpus, &cpus) == 0);
    tacet_dispatcher* dispatcher = nullptr;
    tacet_dispatcher_options options = {};
    const tacet_executor_options no_ring = {};
    options.executor = &no_ring;
    REQUIRE(tacet_dispatcher_create(&dispatcher, &options) == 0);
    tacet_dispatcher_stats stats;
    CHECK(tacet_dispatcher_get_stats(dispatcher, &stats) == 0);
    CHECK(stats.executors == static_cast<unsigned>(CPU_COUNT(&cpus)));
    CHECK(tacet_dispatcher_destroy(dispatcher) == 0);
    CHECK(tacet_dispatcher_destroy(nullptr) == 0);
}

TEST_CASE("a dispatcher that cannot be made leaves nothing behind, and says why", "[dispatcher]")
{
    char message[256] = "";
    tacet_dispatcher* dispatcher = nullptr;
    tacet_executor_options each = {};
    seen seen;
    tacet_dispatcher_options options = {};
    options.executors = 3;
    options.executor = &each;
    options.message = message;
    options.message_bytes = sizeof message;
    seen.install(options);
    SECTION("too many executors")
    {
        options.executors = TACET_DISPATCHER_EXECUTORS_MAX + 1;
        CHECK(tacet_dispatcher_create(&dispatcher, &options) == -EINVAL);
        CHECK(std::string(message).find("1024") != std::string::npos);
    }
    SECTION("nowhere to put it")
    {
        CHECK(tacet_dispatcher_create(nullptr, &options) == -EINVAL);
        CHECK(message[0] != '\0');
    }
    SECTION("executors that cannot be made")
    {
        each.ring_entries = 1u << 30;
        CHECK(tacet_dispatcher_create(&dispatcher, &options) == -EINVAL);
        CHECK(std::string(message).find("executor ") == 0);
        CHECK(std::string(message).find("ring entries") != std::string::npos);
    }
    CHECK(dispatcher == nullptr);
    CHECK(seen.started.empty());
    CHECK(seen.ended.empty());
}

TEST_CASE("where the third executor cannot be made, the first two end again", "[dispatcher]")
{
#if TACET_THREAD_SANITIZER || TACET_ADDRESS_SANITIZER
    SKIP("the sanitizer needs descriptors and threads itself");
#endif
    const int exit_code = in_child([] {
        const std::size_t threads = threads_of_process(), descriptors = open_descriptors();
        char message[256] = "";
        seen seen;
        tacet_executor_options each = {};
        each.ring_entries = 8;
        tacet_dispatcher_options options = {};
        options.executors = 8;
        options.executor = &each;
        options.message = message;
        options.message_bytes = sizeof message;
        seen.install(options);
        rlimit limit = {};
        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = descriptors - 1 + 5; /* some rings of one or two descriptors */
        setrlimit(RLIMIT_NOFILE, &limit);
        tacet_dispatcher* dispatcher = nullptr;
        if (tacet_dispatcher_create(&dispatcher, &options) != -EMFILE || dispatcher != nullptr)
            return 1;
        if (std::strstr(message, "of 8: ") == nullptr)
            return 2;
        if (seen.started.empty() || seen.started != seen.ended || seen.mistakes != 0)
            return 3;
        return threads_of_process() == threads && open_descriptors() == descriptors ? 0 : 4;
    });
    CHECK(exit_code == 0);
}

TEST_CASE("where the system gives no third thread, the first two end again", "[dispatcher]")
{
#if TACET_THREAD_SANITIZER || TACET_ADDRESS_SANITIZER
    SKIP("the sanitizer needs threads itself");
#endif
    if (::geteuid() != 0)
        SKIP("only root can become a user of known processes");
    const int exit_code = in_child([] {
        char message[256] = "";
        seen seen;
        const tacet_executor_options each = {};
        tacet_dispatcher_options options = {};
        options.executors = 8;
        options.executor = &each;
        options.message = message;
        options.message_bytes = sizeof message;
        seen.install(options);
        const rlimit limit = {3, 3}; /* this one and two more */
        const uid_t nobody = 61234;
        if (setrlimit(RLIMIT_NPROC, &limit) != 0 || ::setresuid(nobody, nobody, nobody) != 0)
            return 1;
        tacet_dispatcher* dispatcher = nullptr;
        if (tacet_dispatcher_create(&dispatcher, &options) != -EAGAIN || dispatcher != nullptr)
            return 2;
        if (std::strstr(message, "executor 2") == nullptr)
            return 3;
        return seen.started.size() == 2 && seen.ended.size() == 2 && threads_of_process() == 1 ? 0 : 4;
    });
    CHECK(exit_code == 0);
}

TEST_CASE("idle executors quit first, the others finish what they have started", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    CAPTURE(ring.name);
    gate gate;
    jobs blocker, others;
    blocker.emplace_back([&](tacet_task*) { return gate.pass(), 0; });
    for (int i = 0; i < 50; i++)
        others.emplace_back([](tacet_task*) { return 0; });
    seen seen;
    tacet_dispatcher_options options = {};
    seen.install(options);
    dispatcher dispatcher(4, ring, options);
    dispatcher.submit(all_of(blocker));
    gate.wait_for(1);
    while (dispatcher.stats().idle < 3) {
    }
    CHECK(tacet_dispatcher_quit(dispatcher, 5) == -EINVAL);
    CHECK(tacet_dispatcher_quit(dispatcher, 4) == 0);
    CHECK(tacet_dispatcher_quit(dispatcher, 1) == 0);
    for (int i = 0; i < 3; i++)
        seen.ends.acquire();
    CHECK(dispatcher.stats().executors == 1);
    CHECK(dispatcher.stats().working == 1);
    CHECK(tacet_dispatcher_quit(dispatcher, 2) == -EINVAL);
    unsigned existing = 0;
    for (unsigned i = 0; i < 4; i++) {
        const tacet_dispatcher_executor_stats each = dispatcher.stats(i);
        existing += each.exists;
        CHECK((tacet_dispatcher_executor(dispatcher, i) != nullptr) == each.exists);
        CHECK(each.started == each.exists);
        CHECK(each.processor_ns > 0);
    }
    CHECK(existing == 1);
    dispatcher.submit(all_of(others));
    gate.open();
    dispatcher.wait_unexecuted();
    CHECK(tacet_dispatcher_quit(dispatcher, 0) == 0);
    seen.ends.acquire();
    dispatcher.submit(all_of(others));
    CHECK(tacet_dispatcher_wait_undispatched(dispatcher, 49, &no_time) == -ETIME);
    CHECK(dispatcher.stats().undispatched == 50);
    CHECK(dispatcher.destroy() == 0);
    for (const job& other : others)
        CHECK(tacet_task_result(other) == -ECANCELED);
}

TEST_CASE("an executor that quits ends when its tasks have; what it had laid aside is run by others", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    CAPTURE(ring.name, switcher.name);
    const call nap = [](tacet_task* self) { return tacet_sleep(self, 2000000); };
    std::vector<task> sleepers;
    for (int i = 0; i < 40; i++)
        sleepers.emplace_back(switcher, std::vector<call>{nap, tacet_yield, nap});
    tacet_dispatcher* handle = nullptr;
    std::atomic<int> runs = 0;
    tacet_result quit = 1;
    jobs many;
    for (int i = 0; i < 1000; i++)
        many.emplace_back([&, i](tacet_task*) {
            if (i == 500)
                quit = tacet_dispatcher_quit(handle, 1);
            return ++runs, 0;
        });
    seen seen;
    tacet_dispatcher_options options = {};
    seen.install(options);
    dispatcher dispatcher(3, ring, options);
    handle = dispatcher;
    dispatcher.submit({sleepers.begin(), sleepers.end()});
    dispatcher.wait_undispatched();
    dispatcher.submit(all_of(many));
    dispatcher.wait_unexecuted();
    CHECK(quit == 0);
    CHECK(runs == 1000);
    for (const task& sleeper : sleepers)
        CHECK(sleeper.results() == std::vector<tacet_result>{0, 0, 0});
    seen.ends.acquire();
    seen.ends.acquire();
    CHECK(dispatcher.stats().executors == 1);
}

TEST_CASE("a dispatcher is destroyed in the middle of sleeps and I/O", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const bool are_started = GENERATE(false, true);
    CAPTURE(ring.name, switcher.name, are_started);
    const std::size_t descriptors = open_descriptors();
    {
        support::pipe pipe;
        tacet_file reader = pipe.reader();
        std::vector<char> bytes(100);
        std::vector<task> tasks;
        for (std::size_t i = 0; i < bytes.size(); i++) {
            const call read = [&, i](tacet_task* self) { return tacet_file_read(self, &reader, &bytes[i], 1, 0); };
            const call poll = [&](tacet_task* self) { return tacet_poll(self, reader.fd, POLLIN); };
            const call wait = ring.entries == 0 || i % 3 == 0 ? sleep_for_ever : i % 3 == 1 ? read : poll;
            tasks.emplace_back(switcher, std::vector<call>{tacet_yield, wait});
        }
        dispatcher dispatcher(2, ring);
        dispatcher.submit({tasks.begin(), tasks.end()});
        if (are_started)
            dispatcher.wait_undispatched();
        CHECK(dispatcher.destroy() == 0);
        for (const task& task : tasks)
            CHECK(tacet_task_result(task) == -ECANCELED);
    }
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("tasks clean up in the time that they are given", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    CAPTURE(ring.name, switcher.name);
    const call clean_up = [](tacet_task*) { return 7; };
    std::vector<task> tasks;
    for (int i = 0; i < 50; i++)
        tasks.emplace_back(switcher, std::vector<call>{sleep_for_ever, clean_up});
    tacet_dispatcher_options options = {};
    options.cleanup_ns = 100000000000;
    {
        dispatcher dispatcher(2, ring, options);
        dispatcher.submit({tasks.begin(), tasks.end()});
        dispatcher.wait_undispatched();
    }
    for (const task& task : tasks)
        CHECK(task.results() == std::vector<tacet_result>{-ECANCELED, 7});
}

TEST_CASE("the time to clean up ends, also for tasks that would wait for ever again", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    CAPTURE(ring.name, switcher.name);
    task stubborn(switcher, {sleep_for_ever, sleep_for_ever});
    tacet_dispatcher_options options = {};
    options.cleanup_ns = 1000000;
    dispatcher dispatcher(1, ring, options);
    dispatcher.submit(stubborn);
    dispatcher.wait_undispatched();
    CHECK(dispatcher.destroy() == 0);
    CHECK(tacet_task_result(stubborn) == -ECANCELED);
}

TEST_CASE("a dispatcher is destroyed under tasks that never rest, and under who waits", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    const std::uint64_t cleanup_ns = GENERATE(0u, 1000000u);
    CAPTURE(ring.name, cleanup_ns);
    tacet_dispatcher_options options = {};
    options.cleanup_ns = cleanup_ns;
    jobs restless, submitting;
    tacet_dispatcher* handle = nullptr;
    std::atomic<tacet_result> refused = 0;
    for (int i = 0; i < 4; i++)
        restless.emplace_back([&](tacet_task*) {
            tacet_task* none = nullptr;
            const tacet_result r = tacet_dispatcher_submit(handle, &none, 1);
            if (r != -EINVAL)
                refused = r;
            return TACET_PENDING;
        });
    dispatcher dispatcher(2, ring, options);
    handle = dispatcher;
    dispatcher.submit(all_of(restless));
    dispatcher.wait_undispatched();
    std::atomic<int> cancelled = 0;
    std::vector<std::thread> waiters;
    for (int i = 0; i < 3; i++)
        waiters.emplace_back([&] { cancelled += tacet_dispatcher_wait_unexecuted(handle, 0, nullptr) == -ECANCELED; });
    while (dispatcher.stats().waiting < 3) {
    }
    CHECK(dispatcher.destroy() == 0);
    for (std::thread& waiter : waiters)
        waiter.join();
    CHECK(cancelled == 3);
    CHECK((refused == 0 || refused == -ECANCELED));
    for (const job& each : restless)
        CHECK(tacet_task_result(each) == -ECANCELED);
}

TEST_CASE("dispatchers come and go, with tasks at every stage", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    CAPTURE(ring.name, switcher.name);
    for (std::size_t round = 0; round < 50; round++) {
        const call nap = [](tacet_task* self) { return tacet_sleep(self, 20000); };
        std::vector<task> tasks;
        for (std::size_t i = 0; i < 40; i++)
            tasks.emplace_back(switcher, std::vector<call>{tacet_yield, nap, tacet_yield});
        dispatcher dispatcher(2, ring);
        for (std::size_t i = 0; i < tasks.size(); i++) {
            dispatcher.submit(tasks[i]);
            if (i % 3 == round % 3)
                CHECK(tacet_task_cancel(tasks[i]) <= 0);
        }
        if (round % 2 == 0)
            dispatcher.wait_unexecuted(round);
        if (round % 5 == 0)
            CHECK(tacet_dispatcher_quit(dispatcher, 1) == 0);
        CHECK(dispatcher.destroy() == 0);
        for (const task& task : tasks)
            CHECK(tacet_task_has_exited(task));
    }
}

TEST_CASE("in the child of a fork a dispatcher refuses every call, and the parent's goes on", "[dispatcher]")
{
    const ring_kind& ring = GENERATE(from_range(dispatcher_rings()));
    CAPTURE(ring.name);
    jobs tasks;
    tasks.emplace_back([](tacet_task*) { return 0; });
    dispatcher dispatcher(2, ring);
    dispatcher.submit(all_of(tasks));
    dispatcher.wait_unexecuted();
    tacet_task* task = tasks[0];
    const int exit_code = in_child([&] {
        tacet_dispatcher_stats stats;
        tacet_dispatcher_executor_stats executor_stats;
        const tacet_result results[] = {
            tacet_dispatcher_submit(dispatcher, &task, 1),
            tacet_dispatcher_wait_undispatched(dispatcher, 0, nullptr),
            tacet_dispatcher_wait_unexecuted(dispatcher, 0, &no_time),
            tacet_dispatcher_quit(dispatcher, 0),
            tacet_dispatcher_get_stats(dispatcher, &stats),
            tacet_dispatcher_get_executor_stats(dispatcher, 0, &executor_stats),
            tacet_dispatcher_destroy(dispatcher),
        };
        for (const tacet_result r : results)
            if (r != -EPERM)
                return 1;
        return tacet_dispatcher_executor(dispatcher, 0) == nullptr ? 0 : 2;
    });
    CHECK(exit_code == 0);
    dispatcher.submit(all_of(tasks));
    dispatcher.wait_unexecuted();
    CHECK(dispatcher.stats().executed == 2);
}
