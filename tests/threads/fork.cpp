/* A fork in a program whose threads have executors: in the child every call fails, the parent goes on. */
#include "support/threads.hpp"

#include <tacet/handover.h>

#include <cerrno>
#include <unistd.h>

using namespace support;

namespace {

const timespec no_time = {0, 0};

struct message {
    tacet_runnable runnable;
};

void ignore_message(tacet_executor*, tacet_runnable*) {}
const tacet_runnable_kind message_kind = {nullptr, ignore_message};

/* The number of the first call that does not say -EPERM, or 0. */
int calls_that_work(tacet_executor* executor, tacet_task* attached, tacet_task* unattached)
{
    message message = {{nullptr, &message_kind}};
    tacet_executor_stats stats;
    tacet_op op = {};
    tacet_file file = {0, 0, 0};
    tacet_task* const many[] = {unattached, unattached};
    tacet_result result = 0;
    const tacet_result results[] = {
        tacet_task_attach(executor, unattached),
        tacet_task_attach_many(executor, many, 2),
        tacet_task_cancel(attached),
        tacet_executor_wake(executor, 0),
        tacet_task_join(attached, &result, nullptr),
        tacet_executor_post(executor, &message.runnable),
        tacet_executor_run(executor, TACET_UNTIL_IDLE, nullptr),
        tacet_executor_run(executor, TACET_UNTIL_STOPPED, &no_time),
        tacet_executor_cancel_all(executor),
        tacet_executor_get_stats(executor, &stats),
        tacet_executor_destroy(executor),
        tacet_op_init_callback(
            &op, executor, [](tacet_op*) {}, TACET_PRIORITY_LOW) == 0
            ? tacet_nop_start(&op, nullptr)
            : -EPERM,
        tacet_file_close_start(&op, attached, &file),
    };
    int number = 0;
    for (const tacet_result each : results) {
        number++;
        if (each != -EPERM)
            return number;
    }
    return tacet_task_cancel(unattached) == -EINVAL ? 0 : 99; /* it is nobody's, still */
}

/* The child has executors of its own. */
int works_anew(const ring_kind& ring)
{
    tacet_executor* executor = nullptr;
    tacet_executor_options options = {};
    options.ring_entries = ring.entries;
    if (create_patiently(&executor, &options) != 0)
        return 101;
    tacet_task* task = made_task(
        suspending_switchers()[0], [](tacet_task*, void*) -> tacet_result { return 0; }, nullptr);
    if (tacet_task_attach(executor, task) != 0 || tacet_executor_run(executor, TACET_UNTIL_IDLE, nullptr) != 1)
        return 102;
    return tacet_executor_destroy(executor) == 0 && tacet_task_destroy(task) == 0 ? 0 : 103;
}

}

TEST_CASE("in the child of a fork no call reaches the parent's executors, and the parent goes on", "[fork]")
{
    const wake_way way = any_of(wake_ways());
    const bool of_this_thread = GENERATE(true, false);
    CAPTURE(way.name, of_this_thread);
    executor own(options_of(way));
    executor_thread others(way);
    tacet_executor* const executor = of_this_thread ? own : others;
    task sleeps(suspending_switchers()[0], {[](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); }});
    task unattached(suspending_switchers()[0], {[](tacet_task*) -> tacet_result { return 4; }});
    REQUIRE(elsewhere(way, [&] { return tacet_task_attach(executor, sleeps); }) == 0);
    if (of_this_thread)
        CHECK(tacet_executor_run(own, 1, nullptr) == 1);
    else
        wait_until_asleep(others);
    for (int round = 0; round < 3; round++) {
        CHECK(in_child([&] { return calls_that_work(executor, sleeps, unattached); }) == 0);
        CHECK(in_child([&] { return works_anew(way.ring); }) == 0);
    }
    CHECK(elsewhere(way, [&] { return tacet_task_attach(executor, unattached); }) == 0);
    CHECK(elsewhere(way, [&] { return tacet_task_cancel(sleeps); }) == 0);
    if (of_this_thread) {
        CHECK(own.run_until([&] { return tacet_task_has_exited(sleeps) && tacet_task_has_exited(unattached); }));
    } else {
        CHECK(tacet_task_join(unattached, nullptr, nullptr) == 0);
        CHECK(tacet_task_join(sleeps, nullptr, nullptr) == 0);
    }
    CHECK(tacet_task_result(unattached) == 4);
    CHECK(tacet_task_result(sleeps) == -ECANCELED);
    CHECK(others.end() == 0);
}

TEST_CASE("a task of an executor forks while other threads send to that executor", "[fork]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    executor executor(options_of(way));
    std::atomic<bool> over = false;
    std::atomic<std::size_t> sent = 0;
    std::size_t accepted = 0;
    int in_children = 0;
    const auto count = [](tacet_task* self, void* arg) -> tacet_result {
        tacet_task_release(self);
        ++*static_cast<std::size_t*>(arg);
        return 0;
    };
    const switcher_kind& kind = suspending_switchers()[0];
    task forks(kind, {[&](tacet_task* self) -> tacet_result {
                   for (int i = 0; i < 10; i++)
                       in_children += in_child([&] {
                           return tacet_task_cancel(self) == -EPERM && tacet_yield(self) == -EPERM &&
                                          tacet_executor_wake(executor, 0) == -EPERM
                                      ? 0
                                      : 1;
                       });
                   over = true;
                   return 0;
               }});
    forks.attach(executor);
    const std::jthread sender = other_thread(way, [&] {
        while (!over) {
            if (tacet_task_attach(executor, made_task(kind, count, &accepted)) != 0)
                std::abort();
            sent++;
            ::sched_yield();
        }
        if (tacet_executor_wake(executor, 8) != 0)
            std::abort();
    });
    CHECK(tacet_executor_run(executor, TACET_UNTIL_STOPPED, nullptr) == 8);
    CHECK(executor.run_until_idle() >= 0);
    CHECK(in_children == 0);
    CHECK(accepted == sent);
}
