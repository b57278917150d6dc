/* tacet_task_join: a plain thread waits for the end of a task. */
#include "support/inside.h"
#include "support/threads.hpp"
#include "switcher/kinds.hpp"

#include <cerrno>

using namespace support;

namespace {

const timespec no_time = {0, 0};
const timespec a_little = {0, 2000000};
const timespec an_hour = {3600, 0};

tacet_result sleep_for_ever(tacet_task* self)
{
    return tacet_sleep(self, TACET_FOREVER);
}

}

TEST_CASE("a thread that joins a task gets its result, and may destroy it or attach it again at once", "[join]")
{
    const wake_way way = any_of(wake_ways());
    const switcher_kind kind = GENERATE(from_range(suspending_ways()));
    CAPTURE(way.name, kind.name);
    executor_thread executor(way);
    const auto body = [](tacet_task* self, void* arg) -> tacet_result {
        int* times = static_cast<int*>(arg);
        return (*times)++ % 2 == 0 ? tacet_yield(self) : *times;
    };
    const auto stackful_body = [](tacet_task* self, void* arg) -> tacet_result {
        int* times = static_cast<int*>(arg);
        *times += 2;
        const tacet_result r = tacet_yield(self);
        return r < 0 ? r : *times;
    };
    const bool stackless = std::string(kind.name) == "stackless";
    random_pauses pauses(1);
    for (int round = 0; round < (TACET_THREAD_SANITIZER ? 100 : 500); round++) {
        int times = 0;
        tacet_task* task = stackless ? made_task(kind, body, &times) : made_task(kind, stackful_body, &times);
        for (int life = 1; life <= 3; life++) {
            REQUIRE(elsewhere(way, [&] { return tacet_task_attach(executor, task); }) == 0);
            pauses.pause();
            tacet_result result = 0;
            REQUIRE(tacet_task_join(task, &result, life == 2 ? &an_hour : nullptr) == 0);
            REQUIRE(result == 2 * life);
            REQUIRE(tacet_task_has_exited(task));
            REQUIRE(tacet_task_result(task) == 2 * life);
        }
        REQUIRE(tacet_task_destroy(task) == 0);
    }
    CHECK(executor.end() == 0);
}

TEST_CASE("a task that has exited is joined at once, any number of times", "[join]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    executor_thread executor(way);
    task returns(suspending_switchers()[0], {[](tacet_task*) -> tacet_result { return 5; }});
    REQUIRE(elsewhere(way, [&] { return tacet_task_attach(executor, returns); }) == 0);
    for (int i = 0; i < 3; i++) {
        tacet_result result = 0;
        CHECK(tacet_task_join(returns, &result, nullptr) == 0);
        CHECK(result == 5);
        result = 0;
        CHECK(elsewhere(way, [&] { return tacet_task_join(returns, &result, &an_hour); }) == 0);
        CHECK(result == 5);
        CHECK(elsewhere(way, [&] { return tacet_task_join(returns, nullptr, nullptr); }) == 0);
    }
    CHECK(executor.end() == 0);
}

TEST_CASE("the executor's own thread joins a task that has exited", "[join]")
{
    executor executor;
    task returns(suspending_switchers()[0], {[](tacet_task*) -> tacet_result { return 6; }});
    returns.attach(executor);
    CHECK(tacet_task_join(returns, nullptr, nullptr) == -EDEADLK);
    CHECK(executor.run_until_idle() == 1);
    tacet_result result = 0;
    CHECK(tacet_task_join(returns, &result, nullptr) == 0);
    CHECK(result == 6);
}

TEST_CASE("a join that would never end, or makes no sense, is refused", "[join]")
{
    executor executor;
    task sleeps(suspending_switchers()[0], {sleep_for_ever});
    CHECK(tacet_task_join(nullptr, nullptr, nullptr) == -EINVAL);
    CHECK(tacet_task_join(sleeps, nullptr, nullptr) == -EINVAL); /* never attached */
    CHECK(elsewhere(wake_ways()[0], [&] { return tacet_task_join(sleeps, nullptr, nullptr); }) == -EINVAL);
    const timespec wrong[] = {{-1, 0}, {0, -1}, {0, 1000000000}};
    sleeps.attach(executor);
    CHECK(executor.run_until([&] { return executor.stats().timers == 1; }));
    CHECK(tacet_task_join(sleeps, nullptr, nullptr) == -EDEADLK);
    CHECK(tacet_task_join(sleeps, nullptr, &an_hour) == -EDEADLK);
    for (const timespec& each : wrong)
        CHECK(elsewhere(wake_ways()[0], [&] { return tacet_task_join(sleeps, nullptr, &each); }) == -EINVAL);
    CHECK(tacet_task_cancel(sleeps) == 0);
    CHECK(executor.run_until_idle() == 1);
}

TEST_CASE("a task cannot join a task of its own executor", "[join]")
{
    executor executor;
    task sleeps(suspending_switchers()[0], {sleep_for_ever});
    tacet_result self_joined = 0;
    task joins(suspending_switchers()[0], {
                                              [&](tacet_task*) { return tacet_task_join(sleeps, nullptr, nullptr); },
                                              [&](tacet_task* self) -> tacet_result {
                                                  self_joined = tacet_task_join(self, nullptr, nullptr);
                                                  return tacet_task_cancel(sleeps);
                                              },
                                          });
    sleeps.attach(executor);
    joins.attach(executor);
    CHECK(executor.run_until_idle() > 0);
    CHECK(joins.results() == std::vector<tacet_result>{-EDEADLK, 0});
    CHECK(self_joined == -EDEADLK);
}

TEST_CASE("a join ends with the time, and the task goes on", "[join]")
{
    const wake_way way = any_of(wake_ways());
    executor_thread executor(way);
    task sleeps(suspending_switchers()[0], {sleep_for_ever});
    REQUIRE(elsewhere(way, [&] { return tacet_task_attach(executor, sleeps); }) == 0);
    for (int i = 0; i < 20; i++) {
        tacet_result result = 77;
        CHECK(tacet_task_join(sleeps, &result, &no_time) == -ETIME);
        CHECK(tacet_task_join(sleeps, &result, &a_little) == -ETIME);
        CHECK(result == 77);
    }
    CHECK(elsewhere(way, [&] { return tacet_task_cancel(sleeps); }) == 0);
    tacet_result result = 77;
    CHECK(tacet_task_join(sleeps, &result, &an_hour) == 0);
    CHECK(result == -ECANCELED);
    CHECK(executor.end() == 0);
}

TEST_CASE("joins whose time is over in the moment of the exit return one or the other", "[join]")
{
    const wake_way way = any_of(wake_ways());
    executor_thread executor(way);
    task sleeps(suspending_switchers()[0], {[](tacet_task* self) { return tacet_sleep(self, 200000); }});
    int joined = 0, late = 0;
    for (int i = 0; i < (TACET_THREAD_SANITIZER ? 100 : 400); i++) {
        sleeps.begin_anew();
        REQUIRE(elsewhere(way, [&] { return tacet_task_attach(executor, sleeps); }) == 0);
        const timespec time = {0, 1000 * (i % 400)};
        const tacet_result r = tacet_task_join(sleeps, nullptr, &time);
        joined += r == 0;
        late += r == -ETIME;
        REQUIRE(tacet_task_join(sleeps, nullptr, nullptr) == 0);
    }
    CHECK(joined + late == (TACET_THREAD_SANITIZER ? 100 : 400));
    CHECK(executor.end() == 0);
}

TEST_CASE("several threads join one task, and many tasks at once", "[join]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    executor_thread executor(way);
    std::vector<task> tasks;
    for (int i = 0; i < 8; i++)
        tasks.emplace_back(suspending_switchers()[static_cast<std::size_t>(i) % suspending_switchers().size()],
                           std::vector<call>{sleep_for_ever, [i](tacet_task*) -> tacet_result { return i; }});
    std::atomic<int> wrong = 0, joining = 0;
    {
        std::vector<std::jthread> joiners;
        for (std::size_t i = 0; i < 8; i++)
            REQUIRE(elsewhere(way, [&] { return tacet_task_attach(executor, tasks[i]); }) == 0);
        for (std::size_t i = 0; i < 16; i++)
            joiners.emplace_back([&, i] {
                joining++;
                for (std::size_t n = 0; n < 8; n++) {
                    const std::size_t which = i < 8 ? i : (i + n) % 8;
                    tacet_result result = -1;
                    const tacet_result r = tacet_task_join(tasks[which], &result, nullptr);
                    wrong += r != 0 || result != static_cast<tacet_result>(which);
                }
            });
        wait_until([&] { return joining == 16; });
        for (const task& each : tasks)
            CHECK(elsewhere(way, [&] { return tacet_task_cancel(each); }) == 0);
    }
    CHECK(wrong == 0);
    CHECK(executor.end() == 0);
}

TEST_CASE("who joins a task whose executor is destroyed is told so", "[join]")
{
    const wake_way way = any_of(wake_ways());
    const switcher_kind kind = GENERATE(from_range(suspending_switchers()));
    CAPTURE(way.name, kind.name);
    for (int round = 0; round < 20; round++) {
        auto executor = std::make_unique<support::executor>(options_of(way));
        task sleeps(kind, {sleep_for_ever});
        sleeps.attach(*executor);
        CHECK(executor->run_until([&] { return executor->stats().timers == 1; }));
        tacet_result joined = 77, result = 77;
        {
            const std::jthread joiner([&] { joined = tacet_task_join(sleeps, &result, nullptr); });
            CHECK(executor->run_until([&] { return executor->stats().accepted == 1; })); /* the joiner has come */
            CHECK(executor->destroy() == 0);
        }
        CHECK(joined == -ECANCELED);
        CHECK(result == 77);
        CHECK(tacet_task_result(sleeps) == -ECANCELED);
    }
}

TEST_CASE("a task that has left an operation in flight is destroyed by the one who joined it when that has ended",
          "[join]")
{
    const wake_way way = wake_ways()[0];
    const switcher_kind kind = GENERATE(from_range(suspending_switchers()));
    CAPTURE(kind.name);
    executor_thread executor(way);
    for (int round = 0; round < 50; round++) {
        support::pipe pipe;
        const tacet_file reader = pipe.reader();
        char byte = 0;
        tacet_op op = {};
        struct reads {
            tacet_op* op;
            const tacet_file* file;
            char* byte;
        } reads = {&op, &reader, &byte};
        const auto body = [](tacet_task* self, void* arg) -> tacet_result {
            struct reads* what = static_cast<struct reads*>(arg);
            return tacet_file_read_start(what->op, self, what->file, what->byte, 1, 0);
        };
        tacet_task* const leaves = made_task(kind, body, &reads);
        REQUIRE(tacet_task_attach(executor, leaves) == 0);
        tacet_result result = -1;
        CHECK(tacet_task_join(leaves, &result, nullptr) == 0);
        CHECK(result == 0);
        CHECK(tacet_task_destroy(leaves) == -EBUSY);
        pipe.write("x");
        wait_until([&] { return tacet_task_destroy(leaves) != -EBUSY; });
    }
    CHECK(executor.end() == 0);
}

namespace {

/* Spins on the executor's thread until it is let go. */
struct spinner {
    std::atomic<bool> running = false, may_end = false;
    tacet_task* task = made_task(suspending_switchers()[0], body, this);

    static tacet_result body(tacet_task*, void* arg)
    {
        spinner* self = static_cast<spinner*>(arg);
        self->running = true;
        wait_until([self] { return self->may_end.load(); });
        return 0;
    }
};

}

TEST_CASE("a task that was joined is destroyed after another join has run out of time", "[join]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    executor_thread executor(way);
    int times = 0;
    const auto body = [](tacet_task*, void* arg) -> tacet_result { return ++*static_cast<int*>(arg); };
    tacet_task* const joined = made_task(suspending_switchers()[0], body, &times);
    REQUIRE(tacet_task_attach(executor, joined) == 0);
    REQUIRE(tacet_task_join(joined, nullptr, nullptr) == 0);
    spinner first, second;
    REQUIRE(tacet_task_attach(executor, first.task) == 0);
    wait_until([&] { return first.running.load(); });
    REQUIRE(tacet_task_attach(executor, second.task) == 0);
    const void* const newest = inside_newest(executor);
    tacet_result late = 0, destroyed = 77;
    {
        const std::jthread joiner([&] {
            const timespec a_while = {0, 50000000};
            late = tacet_task_join(joined, nullptr, &a_while);
            destroyed = tacet_task_destroy(joined);
            second.may_end = true;
        });
        wait_until([&] { return inside_newest(executor) != newest; }); /* the joiner's wait comes after the second */
        first.may_end = true;
    }
    CHECK(late == -ETIME);
    CHECK(destroyed == 0);
    for (const spinner* each : {&first, &second}) {
        CHECK(tacet_task_join(each->task, nullptr, nullptr) == 0);
        CHECK(tacet_task_destroy(each->task) == 0);
    }
    CHECK(executor.end() == 0);
}
