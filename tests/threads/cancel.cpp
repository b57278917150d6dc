/* Cancels that come from other threads: at every point where a task can stand, many at once, too late, and on their way. */
#include "support/threads.hpp"
#include "support/waits.hpp"
#include "switcher/kinds.hpp"

#include <cerrno>

using namespace support;

namespace {

const timespec no_time = {0, 0};

tacet_result cancel_from_elsewhere(const wake_way& way, tacet_task* task)
{
    return elsewhere(way, [=] { return tacet_task_cancel(task); });
}

tacet_result attach_from_elsewhere(const wake_way& way, tacet_executor* executor, tacet_task* task)
{
    return elsewhere(way, [=] { return tacet_task_attach(executor, task); });
}

/* What a stackless body would be called again for. */
tacet_result sleep_for_ever(tacet_task* self)
{
    return tacet_sleep(self, TACET_FOREVER);
}

std::size_t rounds(std::size_t count)
{
    return TACET_THREAD_SANITIZER || TACET_ADDRESS_SANITIZER ? count / 10 : count;
}

}

TEST_CASE("another thread's cancel ends the wait of a task, whatever it waits for, and the task goes on", "[cancel]")
{
    const wake_way way = any_of(wake_ways());
    const switcher_kind kind = GENERATE(from_range(suspending_ways()));
    for (const std::string& name : waits_on(way.ring)) {
        CAPTURE(way.name, kind.name, name);
        waits waits;
        task never(kind, {sleep_for_ever});
        task waiter(kind, {waits.make(name), [](tacet_task* self) { return tacet_yield(self); }});
        waits.never = never;
        executor executor(options_of(way));
        never.attach(executor);
        waiter.attach(executor);
        CHECK(tacet_executor_run(executor, 2, nullptr) == 2);
        tacet_result cancelled = -1;
        {
            const std::jthread canceller = other_thread(way, [&] {
                wait_until_asleep(executor);
                cancelled = tacet_task_cancel(waiter);
            });
            CHECK(executor.run_until([&] { return tacet_task_has_exited(waiter); }));
        }
        CHECK(cancelled == 0);
        CHECK(tacet_task_cancel_requested(waiter));
        REQUIRE(waiter.results().size() == 2);
        CHECK(was_cancelled(waiter.results()[0]));
        CHECK(waiter.results()[1] == 0);
    }
}

TEST_CASE("a task is cancelled by another thread before it runs, when it is ready, and while it runs", "[cancel]")
{
    const wake_way way = any_of(wake_ways());
    const switcher_kind kind = GENERATE(from_range(suspending_ways()));
    const std::string at = GENERATE("in the inbox", "pending", "ready", "running");
    CAPTURE(way.name, kind.name, at);
    executor executor(options_of(way));
    const auto cancel_me = [&](tacet_task* self) -> tacet_result {
        return at == "running" ? cancel_from_elsewhere(way, self) : 0;
    };
    std::vector<call> calls = {cancel_me, sleep_for_ever, [](tacet_task* self) { return tacet_yield(self); }};
    if (at == "ready")
        calls.insert(calls.begin(), [](tacet_task* self) { return tacet_yield(self); });
    task task(kind, calls);
    if (at == "in the inbox") {
        CHECK(attach_from_elsewhere(way, executor, task) == 0);
    } else {
        task.attach(executor);
        if (at == "ready")
            CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    }
    if (at != "running")
        CHECK(cancel_from_elsewhere(way, task) == 0);
    CHECK(executor.run_until([&] { return tacet_task_has_exited(task); }));
    CHECK(tacet_task_cancel_requested(task));
    REQUIRE(task.results().size() == calls.size());
    CHECK(task.results()[calls.size() - 2] == -ECANCELED);
    CHECK(task.results()[calls.size() - 1] == 0);
}

TEST_CASE("there is nothing to cancel in a task that is nobody's, or has exited", "[cancel]")
{
    const wake_way way = any_of(wake_ways());
    executor executor(options_of(way));
    task task(suspending_switchers()[0], {[](tacet_task*) -> tacet_result { return 3; }});
    CHECK(cancel_from_elsewhere(way, nullptr) == -EINVAL);
    CHECK(cancel_from_elsewhere(way, task) == -EINVAL);
    CHECK(attach_from_elsewhere(way, executor, task) == 0);
    CHECK(executor.run_until_idle() == 1);
    CHECK(cancel_from_elsewhere(way, task) == -ESRCH);
    CHECK(tacet_task_result(task) == 3);
}

TEST_CASE("of many cancels at once a task gets at least one, and none that was before it was attached anew", "[cancel]")
{
    const wake_way way = any_of(wake_ways());
    const switcher_kind kind = GENERATE(from_range(suspending_switchers()));
    CAPTURE(way.name, kind.name);
    executor_thread executor(way);
    task task(kind, {sleep_for_ever});
    for (std::size_t round = 0; round < rounds(200); round++) {
        task.begin_anew();
        REQUIRE(tacet_task_attach(executor, task) == 0);
        std::atomic<int> strange = 0;
        {
            std::vector<std::jthread> cancellers;
            for (int i = 0; i < 3; i++)
                cancellers.push_back(other_thread(way, [&] {
                    tacet_result r = 0;
                    for (int times = 0; times < 20 && r == 0; times++)
                        r = tacet_task_cancel(task);
                    strange += r != 0 && r != -ESRCH;
                }));
            tacet_result result = 0;
            REQUIRE(tacet_task_join(task, &result, nullptr) == 0);
            CHECK(result == -ECANCELED);
        }
        CHECK(strange == 0);
        /* A cancel that came too late may still be on its way: then another thread is to try again. */
        task.begin_anew();
        tacet_result attached = -EBUSY;
        wait_until([&] {
            attached = tacet_task_attach(executor, task);
            return attached != -EBUSY;
        });
        REQUIRE(attached == 0);
        wait_until_asleep(executor);
        CHECK(tacet_task_join(task, nullptr, &no_time) == -ETIME);
        CHECK(cancel_from_elsewhere(way, task) == 0);
        CHECK(tacet_task_join(task, nullptr, nullptr) == 0);
        wait_until_asleep(executor);
    }
    CHECK(executor.end() == 0);
}

TEST_CASE("a cancel that races with the exit of a task does not reach its next life", "[cancel]")
{
    const wake_way way = any_of(wake_ways());
    const switcher_kind kind = GENERATE(from_range(suspending_switchers()));
    CAPTURE(way.name, kind.name);
    executor executor(options_of(way));
    task task(kind,
              {[](tacet_task* self) { return tacet_yield(self); }, [](tacet_task* self) { return tacet_yield(self); }});
    const std::size_t lives = rounds(20000);
    std::atomic<std::size_t> life = 0, cancelled = 0;
    std::atomic<int> strange = 0;
    const std::jthread canceller = other_thread(way, [&] {
        random_pauses pauses(3);
        for (std::size_t i = 2; i <= lives; i += 2) {
            wait_until([&] { return life >= i; });
            pauses.pause();
            const tacet_result r = tacet_task_cancel(task);
            strange += r != 0 && r != -ESRCH;
            cancelled = i;
        }
    });
    std::size_t in_time = 0, leaked = 0;
    for (std::size_t i = 1; i <= lives; i++) {
        task.begin_anew();
        if (tacet_task_attach(executor, task) != 0)
            FAIL("the owner's thread could not attach the task anew");
        life = i;
        if (!executor.run_until([&] { return tacet_task_has_exited(task); }))
            FAIL("the task did not exit");
        if (i % 2 == 0) {
            in_time += task.results().back() == -ECANCELED || task.results().front() == -ECANCELED;
            wait_until([&] { return cancelled == i; });
        } else {
            leaked += tacet_task_cancel_requested(task) || task.results() != std::vector<tacet_result>{0, 0};
        }
        count_progress();
    }
    CHECK(leaked == 0);
    CHECK(strange == 0);
    CAPTURE(in_time);
    CHECK(in_time <= lives / 2);
}

TEST_CASE("tasks are destroyed by the one who joins them while their cancels are on the way", "[cancel]")
{
    const wake_way way = any_of(wake_ways());
    const switcher_kind kind = GENERATE(from_range(suspending_switchers()));
    CAPTURE(way.name, kind.name);
    executor_thread executor(way);
    const auto body = [](tacet_task* self, void* arg) -> tacet_result {
        bool* again = static_cast<bool*>(arg);
        if (*again)
            return 0;
        *again = true;
        return tacet_yield(self);
    };
    std::size_t busy = 0;
    random_pauses pauses(4);
    const std::size_t count = rounds(2000);
    std::atomic<tacet_task*> victim = nullptr;
    std::atomic<bool> over = false;
    const std::jthread canceller = other_thread(way, [&] {
        while (!over) {
            tacet_task* task = victim;
            if (task == nullptr) {
                ::sched_yield();
                continue;
            }
            if (tacet_task_cancel(task) == -EINVAL)
                std::abort();
            victim = nullptr; /* the call has returned */
        }
    });
    for (std::size_t i = 0; i < count; i++) {
        bool again = false;
        tacet_task* task = made_task(kind, body, &again);
        REQUIRE(tacet_task_attach(executor, task) == 0);
        victim = task;
        pauses.pause();
        REQUIRE(tacet_task_join(task, nullptr, nullptr) == 0);
        wait_until([&] { return victim == nullptr; });
        tacet_result destroyed = -EBUSY;
        wait_until([&] {
            destroyed = tacet_task_destroy(task);
            busy += destroyed == -EBUSY;
            return destroyed != -EBUSY;
        });
        REQUIRE(destroyed == 0);
        count_progress();
    }
    over = true;
    CAPTURE(busy);
    CHECK(executor.end() == 0);
    CHECK(executor.last_stats().attached == 0);
}

TEST_CASE("cancels and attaches that are on their way when the executor is destroyed harm nobody", "[cancel]")
{
    const wake_way way = any_of(wake_ways());
    const switcher_kind kind = GENERATE(from_range(suspending_switchers()));
    CAPTURE(way.name, kind.name);
    for (int round = 0; round < 20; round++) {
        executor executor(options_of(way));
        task sleeps(kind, {sleep_for_ever}), unstarted(kind, {sleep_for_ever});
        sleeps.attach(executor);
        CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
        CHECK(cancel_from_elsewhere(way, sleeps) == 0);
        CHECK(attach_from_elsewhere(way, executor, unstarted) == 0);
        if (round % 2 == 0)
            CHECK(cancel_from_elsewhere(way, unstarted) == 0);
        CHECK(executor.destroy() == 0);
        for (const task* each : {&sleeps, &unstarted}) {
            CHECK(tacet_task_has_exited(*each));
            CHECK(tacet_task_result(*each) == -ECANCELED);
        }
        support::executor next;
        for (task* each : {&sleeps, &unstarted})
            each->attach(next);
        CHECK(tacet_executor_run(next, 2, nullptr) == 2);
        CHECK(next.stats().suspended == 2); /* the old cancels are not theirs */
        CHECK(tacet_executor_cancel_all(next) == 0);
        CHECK(next.run_until_idle() == 2);
    }
}
