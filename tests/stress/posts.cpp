/*
 * Very many posts with random pauses on both sides, from a processor of its own and from the same: none is lost, none comes
 * twice, all come in order. A loss would stop the sender, which waits for its nodes to come back, and the watchdog says so.
 *
 * TACET_POSTS=100000000 makes a hundred million of each way.
 */
#include "support/threads.hpp"
#include "support/waits.hpp"

#include <tacet/handover.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

using namespace support;

namespace {

const timespec no_time = {0, 0};

std::uint64_t posts_wanted()
{
    const char* wanted = std::getenv("TACET_POSTS");
    if (wanted != nullptr)
        return std::strtoull(wanted, nullptr, 10);
    return TACET_THREAD_SANITIZER || TACET_ADDRESS_SANITIZER ? 20000 : 250000;
}

/* The processors that this thread may use, as before, at the end of the scope. */
class on_processors {
public:
    on_processors() { REQUIRE(::sched_getaffinity(0, sizeof all_, &all_) == 0); }
    on_processors(const on_processors&) = delete;
    ~on_processors() { ::sched_setaffinity(0, sizeof all_, &all_); }
    int count() const { return CPU_COUNT(&all_); }

    /* The calling thread is to be on the n-th of them. */
    void stay_on(int n) const
    {
        int processor = 0;
        while (!CPU_ISSET(processor, &all_) || n-- > 0)
            processor++;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(processor, &one);
        if (::sched_setaffinity(0, sizeof one, &one) != 0)
            std::abort();
    }

private:
    cpu_set_t all_;
};

const std::size_t window = 256;

struct numbered {
    tacet_runnable runnable; /* first: accept gets its address */
    struct receiver* to;
    std::uint64_t number;
    std::atomic<bool> is_back = true;
};

struct receiver {
    std::atomic<std::uint64_t> received = 0;
    std::uint64_t wanted, wrong = 0;
    random_pauses pauses{1};
};

void accept_numbered(tacet_executor* executor, tacet_runnable* runnable)
{
    numbered* message = reinterpret_cast<numbered*>(runnable);
    receiver* self = message->to;
    const std::uint64_t expected = self->received;
    self->wrong += message->number != expected;
    self->received = expected + 1;
    message->is_back.store(true, std::memory_order_release);
    if (expected % 1024 == 0)
        count_progress();
    if (expected + 1 == self->wanted)
        tacet_executor_stop(executor);
    self->pauses.pause();
}

const tacet_runnable_kind numbered_kind = {nullptr, accept_numbered};

/* Posts all of them, each node anew as soon as it is back; now and then only when the other side sleeps. */
void send_all(tacet_executor* executor, receiver& receiver, std::atomic<std::uint64_t>& sent)
{
    random_pauses pauses(2);
    std::vector<numbered> nodes(window);
    for (std::uint64_t i = 0; i < receiver.wanted; i++) {
        numbered& node = nodes[i % window];
        wait_until([&] { return node.is_back.load(std::memory_order_acquire); });
        if (pauses.next() % 1024 == 0)
            wait_until([&] { return receiver.received == i && is_asleep(executor); });
        node.runnable = {nullptr, &numbered_kind};
        node.to = &receiver;
        node.number = i;
        node.is_back.store(false, std::memory_order_relaxed);
        if (tacet_executor_post(executor, &node.runnable) != 0)
            std::abort();
        sent = i + 1;
        pauses.pause();
    }
    for (const numbered& each : nodes)
        wait_until([&] { return each.is_back.load(std::memory_order_acquire); });
}

}

TEST_CASE("of very many posts with random pauses none is lost", "[stress]")
{
    const wake_way way = any_of(wake_ways());
    const bool one_processor = GENERATE(false, true);
    CAPTURE(way.name, one_processor);
    const on_processors processors;
    if (!one_processor && processors.count() < 2)
        SKIP("there is one processor only");
    processors.stay_on(0);
    executor executor(options_of(way));
    receiver receiver;
    receiver.wanted = posts_wanted();
    std::atomic<std::uint64_t> sent = 0;
    const said_if_stuck state([&] {
        return "  " + std::string(way.name) + ": sent " + std::to_string(sent) + ", received " +
               std::to_string(receiver.received) + " of " + std::to_string(receiver.wanted) + "\n" +
               seen_from_outside(executor);
    });
    {
        const std::jthread sender = other_thread(way, [&] {
            processors.stay_on(one_processor ? 0 : 1);
            send_all(executor, receiver, sent);
        });
        CHECK(tacet_executor_run(executor, TACET_UNTIL_STOPPED, nullptr) == 0);
    }
    const tacet_executor_stats stats = executor.stats();
    CHECK(receiver.wrong == 0);
    CHECK(receiver.received == receiver.wanted);
    CHECK(stats.accepted == receiver.wanted);
    CHECK(stats.wakes <= stats.enters);
    std::printf("%s, %s: %llu posts, %llu wakes, %llu enters\n", way.name,
                one_processor ? "one processor" : "two processors", static_cast<unsigned long long>(stats.accepted),
                static_cast<unsigned long long>(stats.wakes), static_cast<unsigned long long>(stats.enters));
}

namespace {

/* One of the threads that attach, cancel and join tasks of their own, again and again. */
void keep_busy(tacet_executor* executor, std::uint64_t seed, std::uint64_t lives, std::vector<task>& tasks,
               std::atomic<std::uint64_t>& wrong, std::atomic<std::uint64_t>& ended)
{
    random_pauses pauses(seed);
    const auto attach = [&](task& task) {
        task.begin_anew();
        tacet_result r = -EBUSY; /* while a cancel that came too late is on its way */
        wait_until([&] { return (r = tacet_task_attach(executor, task)) != -EBUSY; });
        wrong += r != 0;
    };
    for (task& each : tasks)
        attach(each);
    for (std::uint64_t i = 0; i < lives; i++) {
        task& chosen = tasks[pauses.next() % tasks.size()];
        pauses.pause();
        for (std::uint64_t times = pauses.next() % 3 + 1; times > 0; times--) {
            const tacet_result r = tacet_task_cancel(chosen);
            wrong += r != 0 && r != -ESRCH;
        }
        if (pauses.next() % 16 == 0)
            wrong += tacet_executor_wake(executor, 1) != 0;
        tacet_result result = 0;
        wrong += tacet_task_join(chosen, &result, nullptr) != 0 || !was_cancelled(result);
        attach(chosen);
        ended++;
        count_progress();
    }
    for (task& each : tasks) {
        wrong += tacet_task_cancel(each) != 0;
        wrong += tacet_task_join(each, nullptr, nullptr) != 0;
    }
}

}

TEST_CASE("threads that attach, cancel, join and wake at random lose no task, and each cancel has its effect",
          "[stress]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    const std::uint64_t lives = posts_wanted() / 50 + 1;
    executor executor(options_of(way));
    waits waits;
    std::vector<call> calls = {waits.make("sleep"), waits.make("semaphore")};
    if (way.ring.entries > 0)
        calls.push_back(waits.make("read"));
    std::vector<std::vector<task>> tasks(3);
    for (std::size_t i = 0; i < 24; i++)
        tasks[i % 3].emplace_back(suspending_switchers()[i % suspending_switchers().size()],
                                  std::vector<call>{calls[i / 3 % calls.size()]});
    std::atomic<std::uint64_t> wrong = 0, ended = 0;
    std::atomic<int> over = 0;
    const said_if_stuck state(
        [&] { return "  lives ended " + std::to_string(ended) + "\n" + seen_from_outside(executor); });
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < 3; i++)
            threads.push_back(other_thread(way, [&, i] {
                keep_busy(executor, i, lives, tasks[i], wrong, ended);
                over++;
                wrong += tacet_executor_wake(executor, 2) != 0;
            }));
        while (over < 3)
            if (tacet_executor_run(executor, TACET_UNTIL_STOPPED, nullptr) < 1)
                wrong++;
    }
    CHECK(wrong == 0);
    CHECK(ended == 3 * lives);
    while (tacet_executor_run(executor, TACET_UNTIL_IDLE, &no_time) > 0)
        ;
    CHECK(executor.stats().attached == 0);
    CHECK(executor.stats().in_flight == 0);
}
