/* Messages between threads, and waits that other threads end: what the layers above C build upon. */
#include "support/threads.hpp"

#include <tacet/handover.h>

#include <cerrno>
#include <mutex>

using namespace support;

namespace {

const timespec no_time = {0, 0};

struct message {
    tacet_runnable runnable; /* first: accept gets its address */
    std::function<void(tacet_executor*, message*)> accepted;
};

void accept_message(tacet_executor* executor, tacet_runnable* runnable)
{
    message* self = reinterpret_cast<message*>(runnable);
    self->accepted(executor, self);
}

const tacet_runnable_kind message_kind = {nullptr, accept_message};

void init(message& message, std::function<void(tacet_executor*, struct message*)> accepted)
{
    message.runnable = {nullptr, &message_kind};
    message.accepted = std::move(accepted);
}

std::size_t few_or(std::size_t count)
{
    return TACET_THREAD_SANITIZER || TACET_ADDRESS_SANITIZER ? count / 10 : count;
}

}

TEST_CASE("messages of several threads are accepted once each, each thread's in order, on the executor's thread",
          "[messages]")
{
    const wake_way way = any_of(all_wake_ways());
    const std::size_t threads = GENERATE(1u, 4u);
    CAPTURE(way.name, way.ring.name, threads);
    executor executor(options_of(way));
    const std::size_t each = few_or(4000) / threads;
    std::vector<std::vector<message>> all(threads);
    std::vector<std::size_t> next(threads, 0);
    std::size_t out_of_order = 0, elsewhere_accepted = 0, accepted = 0;
    const auto own_thread = std::this_thread::get_id();
    for (std::size_t thread = 0; thread < threads; thread++) {
        all[thread].resize(each);
        for (std::size_t i = 0; i < each; i++)
            init(all[thread][i], [&, thread, i](tacet_executor* at, message*) {
                out_of_order += next[thread]++ != i;
                elsewhere_accepted += std::this_thread::get_id() != own_thread || at != executor;
                if (++accepted == threads * each)
                    tacet_executor_stop(executor);
            });
    }
    std::atomic<int> failed = 0;
    {
        std::vector<std::jthread> senders;
        for (std::size_t thread = 0; thread < threads; thread++)
            senders.push_back(other_thread(way, [&, thread] {
                random_pauses pauses(thread);
                for (message& each : all[thread]) {
                    failed += tacet_executor_post(executor, &each.runnable) != 0;
                    pauses.pause();
                }
            }));
        CHECK(tacet_executor_run(executor, TACET_UNTIL_STOPPED, nullptr) == 0);
    }
    CHECK(failed == 0);
    CHECK(accepted == threads * each);
    CHECK(out_of_order == 0);
    CHECK(elsewhere_accepted == 0);
    CHECK(executor.stats().accepted == accepted);
}

TEST_CASE("a message may be posted anew when it is accepted, also to another executor", "[messages]")
{
    const wake_way way = any_of(all_wake_ways());
    CAPTURE(way.name, way.ring.name);
    executor_thread first(way), second(way);
    std::atomic<std::size_t> hops = 0, failed = 0;
    const std::size_t wanted = few_or(5000);
    message ball;
    init(ball, [&](tacet_executor* at, message* self) {
        if (++hops < wanted) {
            tacet_executor* const to = hops % 5 == 0 ? at : at == first ? second : first;
            failed += tacet_executor_post(to, &self->runnable) != 0;
        }
        count_progress();
    });
    REQUIRE(elsewhere(way, [&] { return tacet_executor_post(first, &ball.runnable); }) == 0);
    wait_until([&] { return hops == wanted; });
    CHECK(first.end() == 0);
    CHECK(second.end() == 0);
    CHECK(hops == wanted);
    CHECK(failed == 0);
}

TEST_CASE("what is no message is not posted", "[messages]")
{
    executor executor;
    const tacet_runnable_kind no_message = {nullptr, nullptr};
    tacet_runnable kindless = {nullptr, nullptr}, wrong = {nullptr, &no_message};
    message message;
    init(message, [](tacet_executor*, struct message*) {});
    CHECK(tacet_executor_post(nullptr, &message.runnable) == -EINVAL);
    CHECK(tacet_executor_post(executor, nullptr) == -EINVAL);
    CHECK(tacet_executor_post(executor, &kindless) == -EINVAL);
    CHECK(tacet_executor_post(executor, &wrong) == -EINVAL);
    CHECK(executor.run_until_idle() == 0);
}

TEST_CASE("messages that nobody has accepted are when the executor is destroyed", "[messages]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    for (int round = 0; round < 10; round++) {
        int accepted = 0;
        std::vector<message> messages(5);
        executor executor(options_of(way));
        for (message& each : messages)
            init(each, [&](tacet_executor*, message*) { accepted++; });
        CHECK(elsewhere(way, [&] {
                  for (message& each : messages)
                      if (tacet_executor_post(executor, &each.runnable) != 0)
                          return -1;
                  return 0;
              }) == 0);
        CHECK(accepted == 0);
        CHECK(executor.destroy() == 0);
        CHECK(accepted == 5);
    }
}

TEST_CASE("high tasks that come by the inbox go before low ones that are ready", "[messages]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    executor executor(options_of(way));
    std::string order;
    task high(suspending_switchers()[0], {[&](tacet_task*) -> tacet_result {
                  order += 'h';
                  return 0;
              }});
    REQUIRE(tacet_task_set_priority(high, TACET_PRIORITY_HIGH, TACET_PRIORITY_NORMAL) == 0);
    std::vector<task> low;
    for (int i = 0; i < 3; i++) {
        low.emplace_back(suspending_switchers()[0], std::vector<call>{[&, i](tacet_task*) -> tacet_result {
                             order += 'l';
                             return i == 1 ? elsewhere(way, [&] { return tacet_task_attach(executor, high); }) : 0;
                         }});
        REQUIRE(tacet_task_set_priority(low.back(), TACET_PRIORITY_LOW, TACET_PRIORITY_NORMAL) == 0);
    }
    CHECK(elsewhere(way, [&] { return tacet_task_attach(executor, low[0]); }) == 0); /* the inbox is in use */
    CHECK(executor.run_until_idle() == 1);
    for (task& each : low)
        each.attach(executor);
    CHECK(executor.run_until_idle() == 4);
    CHECK(order == "l"
                   "llhl");
}

namespace {

/* A flag that tasks of any executor wait for: a layer's own, under a lock. */
class flag {
public:
    tacet_result wait(tacet_task* self)
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (waiter_.task != nullptr)
            return -EBUSY;
        waiter_.hook.on_cancel = cancel;
        waiter_.of = this;
        waiter_.task = self;
        tacet_task_park_external(self, &waiter_.hook);
        return TACET_PENDING;
    }

    /* From any thread: wakes the waiter, if there is one. */
    bool give(tacet_result result)
    {
        tacet_task* const task = take();
        if (task != nullptr)
            tacet_task_unpark_external(task, result);
        return task != nullptr;
    }

    tacet_task* take()
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        tacet_task* const task = waiter_.task;
        waiter_.task = nullptr;
        return task;
    }

private:
    struct waiter {
        tacet_wait_hook hook; /* first */
        flag* of;
        tacet_task* task;
    };

    static void cancel(tacet_task* task)
    {
        waiter* self = static_cast<waiter*>(task->waiting_for);
        if (self->of->take() == task)
            tacet_task_unpark_external(task, -ECANCELED);
        else
            tacet_task_keep_cancel(task);
    }

    std::mutex mutex_;
    waiter waiter_ = {};
};

}

TEST_CASE("a task that waits for another thread keeps the executor from being idle till that has come", "[messages]")
{
    const wake_way way = any_of(all_wake_ways());
    CAPTURE(way.name, way.ring.name);
    flag flag;
    task waits(suspending_switchers()[0], {[&](tacet_task* self) { return flag.wait(self); }});
    executor executor(options_of(way));
    for (int round = 0; round < 50; round++) {
        waits.attach(executor);
        tacet_result result = 0;
        {
            const std::jthread giver = other_thread(way, [&, round] {
                if (round % 2 == 0)
                    wait_until_asleep(executor);
                wait_until([&, round] { return flag.give(round); });
            });
            result = executor.run_until_idle();
        }
        CHECK(result == 2);
        CHECK(tacet_task_result(waits) == round);
    }
    waits.attach(executor);
    CHECK(tacet_executor_run(executor, TACET_UNTIL_IDLE, &no_time) == 1);
    CHECK(tacet_executor_run(executor, TACET_UNTIL_IDLE, &no_time) == -ETIME); /* not 0: it is not idle */
    CHECK(tacet_task_cancel(waits) == 0);
    CHECK(executor.run_until_idle() == 1);
    CHECK(tacet_task_result(waits) == -ECANCELED);
    CHECK(executor.run_until_idle() == 0);
}

TEST_CASE("a wait that a cancel and another thread end at once has one end", "[messages]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    flag flag;
    executor executor(options_of(way));
    /* What came too late ends the next wait, if there is one. */
    task waits(suspending_switchers()[0],
               {[&](tacet_task* self) { return flag.wait(self); }, [](tacet_task* self) { return tacet_yield(self); }});
    std::atomic<int> life = 0, given = 0, cancelled = 0;
    std::atomic<bool> strange = false;
    std::vector<int> gave(few_or(10000) + 1, 0);
    const int lives = static_cast<int>(few_or(10000));
    const std::jthread giver = other_thread(way, [&] {
        random_pauses pauses(7);
        for (int i = 1; i <= lives; i++) {
            wait_until([&] { return life >= i; });
            pauses.pause();
            gave[static_cast<std::size_t>(i)] = flag.give(5);
            given = i;
        }
    });
    const std::jthread canceller = other_thread(way, [&] {
        random_pauses pauses(8);
        for (int i = 1; i <= lives; i++) {
            wait_until([&] { return life >= i; });
            pauses.pause();
            const tacet_result r = tacet_task_cancel(waits);
            strange = strange || (r != 0 && r != -ESRCH);
            cancelled = i;
        }
    });
    int by_giver = 0, by_cancel = 0, wrong = 0;
    for (int i = 1; i <= lives; i++) {
        waits.attach(executor);
        if (tacet_executor_run(executor, 1, &no_time) != 1)
            FAIL("the task did not begin to wait");
        life = i;
        if (!executor.run_until([&] { return tacet_task_has_exited(waits); }))
            FAIL("the wait did not end");
        wait_until([&] { return given == i && cancelled == i; });
        const tacet_result first = waits.results()[0];
        by_giver += first == 5;
        by_cancel += first == -ECANCELED;
        wrong += (first == 5) != (gave[static_cast<std::size_t>(i)] == 1);
        count_progress();
    }
    CHECK(wrong == 0);
    CHECK_FALSE(strange);
    CHECK(by_giver + by_cancel == lives);
    CHECK(by_giver > 0);
    CHECK(by_cancel > 0);
}

TEST_CASE("an executor with a task that waits for another thread is destroyed", "[messages]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    for (int round = 0; round < 20; round++) {
        flag flag;
        task waits(suspending_switchers()[0], {[&](tacet_task* self) { return flag.wait(self); }});
        executor executor(options_of(way));
        waits.attach(executor);
        CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
        if (round % 2 == 0) {
            CHECK(executor.destroy() == 0); /* by on_cancel */
        } else {
            tacet_task* const taken = flag.take(); /* by us: its end is on the way, and destroy has to wait for it */
            std::atomic<bool> destroying = false;
            const std::jthread giver = other_thread(way, [&] {
                wait_until([&] { return destroying.load(); });
                tacet_task_unpark_external(taken, 1);
            });
            destroying = true;
            CHECK(executor.destroy() == 0);
        }
        CHECK(tacet_task_has_exited(waits));
        CHECK(tacet_task_result(waits) == -ECANCELED);
    }
}
