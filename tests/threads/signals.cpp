/*
 * What may be called from the handler of a signal, is: at each instruction of what the handler interrupts, and in storms of
 * signals, on the executor's own thread and on others.
 */
#include "support/stepping.hpp"
#include "support/threads.hpp"

#include <tacet/handover.h>

#include <cerrno>
#include <csignal>
#include <memory>
#include <pthread.h>

using namespace support;

namespace {

const timespec no_time = {0, 0};

/* A stackless task that counts its runs; made anew for nobody: attached again and again. */
struct counted {
    int runs = 0;
    bool waits = false;
    std::unique_ptr<task> handle;

    counted()
        : handle(std::make_unique<task>(tacet_switcher_stackless(),
                                        std::vector<call>{
                                            [this](tacet_task* self) -> tacet_result {
                                                runs++;
                                                return waits ? tacet_sleep(self, TACET_FOREVER) : 0;
                                            },
                                        }))
    {
    }
    operator tacet_task*() const { return *handle; }
};

struct posted {
    tacet_runnable runnable; /* first: accept gets its address */
    int times = 0;
};

void count_posted(tacet_executor*, tacet_runnable* runnable)
{
    reinterpret_cast<posted*>(runnable)->times++;
}

const tacet_runnable_kind posted_kind = {nullptr, count_posted};

}

TEST_CASE("at each instruction of a call to an executor a handler makes the same call, and both count", "[signals]")
{
    if (!can_step)
        SKIP("no stepping through instructions here");
    const wake_way way = any_of(wake_ways());
    if (way.messages_refused)
        return;
    const std::string call = GENERATE("attach", "wake", "post", "cancel");
    CAPTURE(way.name, call);
    executor executor(options_of(way));
    counted one, other, sleeper;
    sleeper.waits = true;
    random_pauses random(3);
    std::size_t at = 0;
    for (bool interrupted = true; interrupted; at += random.next() % stride_max, count_progress()) {
        CAPTURE(at);
        one.runs = other.runs = 0;
        one.handle->begin_anew();
        other.handle->begin_anew();
        sleeper.handle->begin_anew();
        sleeper.handle->attach(executor);
        REQUIRE(tacet_executor_run(executor, 1, nullptr) == 1);
        posted first = {{nullptr, &posted_kind}}, second = {{nullptr, &posted_kind}};
        tacet_result one_r = -1, other_r = 0;
        const auto make = [&](tacet_task* task, posted& message, tacet_result result) {
            return call == "attach" ? tacet_task_attach(executor, task)
                   : call == "wake" ? tacet_executor_wake(executor, result)
                   : call == "post" ? tacet_executor_post(executor, &message.runnable)
                                    : tacet_task_cancel(sleeper);
        };
        interrupted = false;
        /* On another thread: the handler interrupts a sender. */
        elsewhere(way, [&] {
            interrupted = interrupted_at(
                at + 1, [&] { one_r = make(one, first, 1); }, [&] { other_r = make(other, second, 2); });
            return 0;
        });
        at++;
        CHECK(one_r == 0);
        CHECK(other_r == 0);
        const tacet_result ran = tacet_executor_run(executor, TACET_UNTIL_IDLE, &no_time);
        CHECK(one.runs == (call == "attach"));
        CHECK(other.runs == (call == "attach" && interrupted));
        CHECK(first.times == (call == "post"));
        CHECK(second.times == (call == "post" && interrupted));
        if (call == "wake")
            CHECK((ran == 1 || (ran == 2 && interrupted)));
        CHECK(tacet_task_has_exited(sleeper) == (call == "cancel"));
        (void)tacet_task_cancel(sleeper);
        CHECK(executor.run_until_idle() >= 0);
        CHECK(executor.stats().attached == 0);
    }
    CHECK(at > 20);
}

TEST_CASE("at each instruction of a run a handler on the executor's own thread sends to it, and nothing is lost",
          "[signals]")
{
    if (!can_step)
        SKIP("no stepping through instructions here");
    const wake_way way = any_of(wake_ways());
    if (way.messages_refused)
        return;
    const bool wakes = GENERATE(true, false);
    CAPTURE(way.name, wakes);
    executor executor(options_of(way));
    std::vector<std::unique_ptr<counted>> tasks;
    for (int i = 0; i < 3; i++)
        tasks.push_back(std::make_unique<counted>());
    random_pauses random(1);
    std::size_t at = 0;
    /* It has some thousand instructions, of which one in ten is tried. */
    for (bool interrupted = true; interrupted; at += random.next() % 19, count_progress()) {
        for (std::unique_ptr<counted>& each : tasks) {
            each->handle->begin_anew();
            each->runs = 0;
        }
        tasks[0]->handle->attach(executor);
        CHECK(elsewhere(way, [&] { return tacet_task_attach(executor, *tasks[1]); }) == 0);
        posted message = {{nullptr, &posted_kind}};
        tacet_result own_r = -1, sent_r = 0, ran = 0;
        interrupted = interrupted_at(
            ++at,
            [&] {
                own_r = tacet_task_attach(executor, *tasks[2]);
                ran = tacet_executor_run(executor, 100, &no_time);
            },
            [&] {
                sent_r = wakes ? tacet_executor_wake(executor, 77) : tacet_executor_post(executor, &message.runnable);
            });
        CAPTURE(at);
        REQUIRE(own_r == 0);
        REQUIRE(sent_r == 0);
        const tacet_result later = tacet_executor_run(executor, TACET_UNTIL_IDLE, &no_time);
        if (wakes)
            REQUIRE((ran == 77) + (later == 77) == interrupted);
        const tacet_result latest = tacet_executor_run(executor, TACET_UNTIL_IDLE, &no_time);
        REQUIRE((latest >= 0 && latest != 77));
        for (const std::unique_ptr<counted>& each : tasks)
            REQUIRE(each->runs == 1);
        REQUIRE(message.times == (!wakes && interrupted));
        REQUIRE(executor.stats().attached == 0);
    }
    CHECK(at > 100);
}

TEST_CASE("at each instruction of a sleep a handler on the executor's own thread ends it", "[signals]")
{
    if (!can_step)
        SKIP("no stepping through instructions here");
    const wake_way way = any_of(wake_ways());
    if (way.messages_refused)
        return;
    CAPTURE(way.name);
    executor executor(options_of(way));
    const timespec a_microsecond = {0, 1000};
    random_pauses random(2);
    std::size_t at = 0;
    for (bool interrupted = true; interrupted; at += random.next() % 5, count_progress()) {
        tacet_result r = 0;
        interrupted = interrupted_at(
            ++at, [&] { r = tacet_executor_run(executor, TACET_UNTIL_STOPPED, &a_microsecond); },
            [&] { (void)tacet_executor_wake(executor, 5); });
        CAPTURE(at);
        const tacet_result later = tacet_executor_run(executor, TACET_UNTIL_IDLE, &no_time);
        REQUIRE((r == 5) + (later == 5) == interrupted);
        REQUIRE((r == 5 || r == -ETIME));
    }
    CHECK(at > 100);
}

namespace {

/*
 * What the handler of SIGUSR1 works on: one task a signal, which is attached, on the executor's own thread by a message that
 * attaches it when it is accepted; and one to be cancelled.
 */
struct errand {
    tacet_runnable runnable; /* first: accept gets its address */
    tacet_task* task;
    std::atomic<std::size_t>* failed;
};

void do_errand(tacet_executor* executor, tacet_runnable* runnable)
{
    const errand* self = reinterpret_cast<errand*>(runnable);
    *self->failed += tacet_task_attach(executor, self->task) != 0;
}

const tacet_runnable_kind errand_kind = {nullptr, do_errand};

struct storm {
    tacet_executor* executor;
    pthread_t own_thread = ::pthread_self();
    std::vector<errand> errands;
    std::atomic<std::size_t> next = 0;
    std::atomic<std::size_t> failed = 0, changed_errno = 0;
    tacet_task* sleeper;

    void add(tacet_task* task) { errands.push_back({{nullptr, &errand_kind}, task, &failed}); }

    void send(errand& errand)
    {
        if (::pthread_equal(::pthread_self(), own_thread)) {
            failed += tacet_executor_post(executor, &errand.runnable) != 0;
        } else {
            failed += tacet_task_attach(executor, errand.task) != 0;
            const tacet_result r = tacet_task_cancel(sleeper);
            failed += r != 0 && r != -ESRCH;
        }
        failed += tacet_executor_wake(executor, 7) != 0;
    }
};

std::atomic<storm*> raging = nullptr;

void on_signal(int)
{
    const int before = errno;
    errno = 12345;
    storm* const storm = raging;
    if (storm != nullptr) {
        const std::size_t i = storm->next++;
        if (i < storm->errands.size())
            storm->send(storm->errands[i]);
        storm->changed_errno += errno != 12345;
        count_progress();
    }
    errno = before;
}

/* The handler stays: a signal may come late. */
class handled {
public:
    explicit handled(storm& storm)
    {
        struct sigaction action = {};
        action.sa_handler = on_signal;
        action.sa_flags = SA_RESTART;
        raging = &storm;
        REQUIRE(::sigaction(SIGUSR1, &action, nullptr) == 0);
    }
    handled(const handled&) = delete;
    ~handled() { raging = nullptr; }
};

struct ran_counter {
    std::atomic<std::size_t> runs = 0;
    std::size_t wanted = 0; /* then the executor is stopped */
    tacet_executor* executor = nullptr;

    static tacet_result body(tacet_task*, void* arg)
    {
        ran_counter* self = static_cast<ran_counter*>(arg);
        if (++self->runs == self->wanted)
            tacet_executor_stop(self->executor);
        return 0;
    }
};

}

TEST_CASE("a storm of signals, whose handler sends to an executor, on its thread and on those that send too",
          "[signals]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    const std::size_t by_signals = TACET_THREAD_SANITIZER ? 300 : 4000, by_senders = by_signals / 2;
    executor executor(options_of(way));
    ran_counter counter;
    task sleeper(suspending_switchers()[0], {[](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); }});
    storm storm;
    storm.executor = executor;
    storm.sleeper = sleeper;
    std::vector<tacet_task*> all;
    for (std::size_t i = 0; i < by_signals + by_senders; i++)
        all.push_back(made_task(suspending_switchers()[0], ran_counter::body, &counter));
    for (std::size_t i = 0; i < by_signals; i++)
        storm.add(all[i]);
    sleeper.attach(executor);
    std::atomic<std::size_t> failed = 0;
    std::atomic<bool> over = false;
    {
        const handled handled(storm);
        std::atomic<bool> sender_lives = false;
        std::atomic<pthread_t> sender_thread = storm.own_thread;
        std::jthread sender = other_thread(way, [&] {
            sender_thread = ::pthread_self();
            sender_lives = true;
            random_pauses pauses(5);
            for (std::size_t i = by_signals; i < all.size(); i++) {
                failed += tacet_task_attach(executor, all[i]) != 0;
                pauses.pause();
            }
            wait_until([&] { return over.load(); });
        });
        wait_until([&] { return sender_lives.load(); });
        const std::jthread storms = other_thread(way, [&] {
            random_pauses pauses(6);
            /* ThreadSanitizer calls handlers late, or, in a thread that calls nothing, never: what is left is attached here. */
            for (std::size_t i = 0; storm.next < by_signals && (!TACET_THREAD_SANITIZER || i < 2 * by_signals); i++) {
                failed += ::pthread_kill(i % 2 == 0 ? storm.own_thread : sender_thread.load(), SIGUSR1) != 0;
                for (int k = 0; k < 4; k++)
                    pauses.pause();
                if (TACET_THREAD_SANITIZER)
                    ::sched_yield();
            }
            for (std::size_t i = storm.next++; i < by_signals; i = storm.next++)
                failed += tacet_task_attach(executor, all[i]) != 0;
            wait_until([&] { return counter.runs == all.size(); });
            over = true;
            failed += tacet_executor_wake(executor, 9) != 0;
        });
        while (!over)
            failed += tacet_executor_run(executor, TACET_UNTIL_STOPPED, nullptr) < 7;
    }
    CHECK(failed == 0);
    CHECK(storm.failed == 0);
    CHECK(storm.changed_errno == 0);
    CHECK(counter.runs == all.size());
    (void)tacet_task_cancel(sleeper);
    while (tacet_executor_run(executor, TACET_UNTIL_IDLE, &no_time) > 0)
        ;
    CHECK(tacet_task_result(sleeper) == -ECANCELED);
    CHECK(executor.stats().attached == 0);
    for (tacet_task* each : all)
        CHECK(tacet_task_destroy(each) == 0);
}

TEST_CASE("a signal finds the executor asleep, and its handler gives it work", "[signals]")
{
    if (TACET_THREAD_SANITIZER)
        SKIP("ThreadSanitizer calls a handler only when the thread calls something that it intercepts");
    const wake_way way = any_of(all_wake_ways());
    CAPTURE(way.name, way.ring.name);
    executor executor(options_of(way));
    ran_counter counter;
    task sleeper(suspending_switchers()[0], {[](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); }});
    storm storm;
    storm.executor = executor;
    storm.sleeper = sleeper;
    for (std::size_t i = 0; i < 200; i++)
        storm.add(made_task(suspending_switchers()[0], ran_counter::body, &counter));
    sleeper.attach(executor);
    counter.executor = executor;
    counter.wanted = storm.errands.size();
    std::atomic<std::size_t> failed = 0;
    {
        const handled handled(storm);
        const std::jthread killer([&] {
            for (std::size_t i = 0; i < storm.errands.size(); i++) {
                wait_until([&] { return counter.runs == i && is_asleep(executor); });
                failed += ::pthread_kill(storm.own_thread, SIGUSR1) != 0;
            }
        });
        while (counter.runs < storm.errands.size())
            failed += tacet_executor_run(executor, TACET_UNTIL_STOPPED, nullptr) < 0;
    }
    CHECK(failed == 0);
    CHECK(storm.failed == 0);
    CHECK(storm.changed_errno == 0);
    for (const errand& each : storm.errands)
        CHECK(tacet_task_destroy(each.task) == 0);
}
