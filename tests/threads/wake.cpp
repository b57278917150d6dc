/* tacet_executor_wake: which run returns what, and when. */
#include "support/threads.hpp"

#include <cerrno>

using namespace support;

namespace {

const timespec no_time = {0, 0};
const timespec an_hour = {3600, 0};

tacet_result run_until_stopped(tacet_executor* executor, const timespec* timeout = nullptr)
{
    return tacet_executor_run(executor, TACET_UNTIL_STOPPED, timeout);
}

tacet_result wake_from_elsewhere(const wake_way& way, tacet_executor* executor, tacet_result result)
{
    return elsewhere(way, [=] { return tacet_executor_wake(executor, result); });
}

/* The run that another thread wakes as soon as it sleeps. */
tacet_result woken_run(const wake_way& way, tacet_executor* executor, std::int64_t items_max, const timespec* timeout,
                       tacet_result result)
{
    const std::jthread waker = other_thread(way, [=] {
        wait_until_asleep(executor);
        if (tacet_executor_wake(executor, result) != 0)
            std::abort();
    });
    return tacet_executor_run(executor, items_max, timeout);
}

const std::vector<tacet_result> results = {0, 1, INT64_MAX, -EIO, -ETIME, -1};

}

TEST_CASE("a wake makes the run that sleeps return its result, and only that run", "[wake]")
{
    const wake_way way = any_of(all_wake_ways());
    CAPTURE(way.name, way.ring.name);
    executor executor(options_of(way));
    for (const tacet_result result : results) {
        CHECK(woken_run(way, executor, TACET_UNTIL_STOPPED, nullptr, result) == result);
        CHECK(woken_run(way, executor, TACET_UNTIL_STOPPED, &an_hour, result) == result);
    }
    CHECK(executor.run_until_idle() == 0);
    CHECK(run_until_stopped(executor, &no_time) == -ETIME);
    CHECK(executor.stats().wakes == 2 * results.size());
}

TEST_CASE("a wake before a run makes the next one return", "[wake]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    executor executor(options_of(way));
    for (const tacet_result result : results) {
        CHECK(tacet_executor_wake(executor, result) == 0); /* by its own thread */
        CHECK(run_until_stopped(executor) == result);
        CHECK(wake_from_elsewhere(way, executor, result) == 0);
        CHECK(run_until_stopped(executor, &an_hour) == result);
        CHECK(wake_from_elsewhere(way, executor, result) == 0);
        CHECK(tacet_executor_run(executor, 1, &no_time) == result);
        CHECK(wake_from_elsewhere(way, executor, result) == 0);
        CHECK(executor.run_until_idle() == result);
    }
    CHECK(executor.run_until_idle() == 0);
    CHECK(executor.stats().wakes == 0); /* it never slept */
}

TEST_CASE("of several wakes the last one's result counts", "[wake]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    executor executor(options_of(way));
    CHECK(tacet_executor_wake(executor, 1) == 0);
    CHECK(wake_from_elsewhere(way, executor, -EIO) == 0);
    CHECK(wake_from_elsewhere(way, executor, 3) == 0);
    CHECK(run_until_stopped(executor) == 3);
    CHECK(executor.run_until_idle() == 0);
}

TEST_CASE("results that a run cannot return are refused", "[wake]")
{
    executor executor;
    CHECK(tacet_executor_wake(executor, TACET_PENDING) == -EINVAL);
    CHECK(tacet_executor_wake(nullptr, 0) == -EINVAL);
    CHECK(executor.run_until_idle() == 0);
}

TEST_CASE("a task wakes its own executor: the run returns when the task has given up the processor", "[wake]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    executor executor(options_of(way));
    int steps = 0;
    task wakes(suspending_switchers()[0], {
                                              [&](tacet_task*) -> tacet_result {
                                                  steps++;
                                                  return tacet_executor_wake(executor, 17);
                                              },
                                              [&](tacet_task* self) {
                                                  steps++;
                                                  return tacet_sleep(self, TACET_FOREVER);
                                              },
                                          });
    wakes.attach(executor);
    CHECK(run_until_stopped(executor) == 17);
    CHECK(steps == 2);
    CHECK(tacet_task_cancel(wakes) == 0);
    CHECK(executor.run_until_idle() == 1);
    CHECK(executor.stats().wakes == 0);
}

TEST_CASE("a wake ends a run that would sleep for a timer, an operation or a task that waits", "[wake]")
{
    const wake_way way = any_of(wake_ways());
    const std::string wait = GENERATE("sleep", "read");
    CAPTURE(way.name, wait);
    if (wait == "read" && way.ring.entries == 0)
        return;
    support::pipe pipe;
    const tacet_file reader = pipe.reader();
    char byte = 0;
    executor executor(options_of(way));
    task waits(suspending_switchers()[0], {[&](tacet_task* self) {
                   return wait == "sleep" ? tacet_sleep(self, TACET_FOREVER)
                                          : tacet_file_read(self, &reader, &byte, 1, 0);
               }});
    waits.attach(executor);
    CHECK(woken_run(way, executor, TACET_UNTIL_IDLE, nullptr, 5) == 5);
    CHECK(woken_run(way, executor, 1000, &an_hour, 0) == 0);
    CHECK_FALSE(tacet_task_has_exited(waits));
    CHECK(tacet_task_cancel(waits) == 0);
    CHECK(executor.run_until_idle() == 1);
    CHECK(tacet_task_result(waits) == -ECANCELED);
}

TEST_CASE("a run that is woken has done what was ready, and loses nothing", "[wake]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    executor executor(options_of(way));
    int ran = 0;
    task counts(suspending_switchers()[0], {[&](tacet_task*) -> tacet_result { return ++ran; }});
    for (int round = 1; round <= 100; round++) {
        counts.begin_anew();
        const std::jthread waker = other_thread(way, [&, round] {
            if (tacet_task_attach(executor, counts) != 0 || tacet_executor_wake(executor, round) != 0)
                std::abort();
        });
        CHECK(run_until_stopped(executor) == round);
        if (!tacet_task_has_exited(counts)) /* the wake and the task came together */
            CHECK(executor.run_until_idle() == 1);
        CHECK(ran == round);
    }
}

TEST_CASE("wakes from eight threads at once: each run that is woken returns one of their results", "[wake]")
{
    const wake_way way = any_of(all_wake_ways());
    CAPTURE(way.name, way.ring.name);
    executor executor(options_of(way));
    const tacet_result each = TACET_THREAD_SANITIZER ? 100 : 500;
    std::atomic<int> ended = 0;
    std::vector<std::jthread> wakers;
    for (tacet_result thread = 0; thread < 8; thread++)
        wakers.push_back(other_thread(way, [&, thread] {
            random_pauses pauses(static_cast<std::uint64_t>(thread));
            for (tacet_result i = 0; i < each; i++) {
                if (tacet_executor_wake(executor, 1000 * thread + i) != 0)
                    std::abort();
                pauses.pause();
            }
            ended++;
            if (tacet_executor_wake(executor, 1000 * thread + 999) != 0)
                std::abort();
        }));
    std::vector<tacet_result> last(8, -1);
    std::size_t strange = 0, backwards = 0;
    for (bool over = false; !over;) {
        over = ended == 8;
        const tacet_result r = over ? tacet_executor_run(executor, TACET_UNTIL_STOPPED, &no_time)
                                    : run_until_stopped(executor);
        if (over && r == -ETIME)
            break;
        count_progress();
        const bool possible = r >= 0 && r < 8000 && (r % 1000 < each || r % 1000 == 999);
        strange += !possible;
        if (possible) {
            backwards += r % 1000 <= last[static_cast<std::size_t>(r / 1000)];
            last[static_cast<std::size_t>(r / 1000)] = r % 1000;
        }
    }
    wakers.clear();
    CHECK(strange == 0);
    CHECK(backwards == 0);
    CHECK(executor.stats().wakes <= executor.stats().enters);
}

TEST_CASE("until stopped: an executor with nothing to do sleeps till the time is over or a task stops it", "[wake]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    executor executor(options_of(way));
    const timespec a_little = {0, 1000000};
    CHECK(run_until_stopped(executor, &a_little) == -ETIME);
    task stops(suspending_switchers()[0], {
                                              [](tacet_task* self) { return tacet_sleep(self, 1000); },
                                              [&](tacet_task*) -> tacet_result {
                                                  tacet_executor_stop(executor);
                                                  return 0;
                                              },
                                          });
    stops.attach(executor);
    CHECK(run_until_stopped(executor) == 2);
    stops.attach(executor);
    CHECK(run_until_stopped(executor, &an_hour) == 2);
    task runs(suspending_switchers()[0], {[](tacet_task*) -> tacet_result { return 0; }});
    runs.attach(executor);
    CHECK(run_until_stopped(executor, &a_little) == 1);
}

TEST_CASE("an executor that was woken and not run again is destroyed", "[wake]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    const std::size_t descriptors = open_descriptors();
    for (int i = 0; i < 10; i++) {
        executor executor(options_of(way));
        if (i % 2 == 1)
            CHECK(woken_run(way, executor, TACET_UNTIL_STOPPED, nullptr, i) == i);
        CHECK(wake_from_elsewhere(way, executor, i) == 0);
        CHECK(executor.destroy() == 0);
    }
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("a wake that arrives between two runs, while a task is attached anew, ends the next run only", "[wake]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    executor executor(options_of(way));
    /* A cancel that comes too late is on the way, so that attaching the task anew takes what is in the inbox. */
    task cancels_itself(suspending_switchers()[0], {[&](tacet_task* self) -> tacet_result {
                            CHECK(elsewhere(way, [&] { return tacet_task_cancel(self); }) == 0);
                            return wake_from_elsewhere(way, executor, 5);
                        }});
    for (int round = 0; round < 3; round++) {
        cancels_itself.attach(executor);
        CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
        cancels_itself.attach(executor);
        CHECK(executor.run_until_idle() == 5);
        const timespec some_time = {5, 0}; /* the task is ready: none of it passes */
        CHECK(tacet_executor_run(executor, 1, &some_time) == 1);
        CHECK(executor.run_until_idle() == 5);
        CHECK(executor.run_until_idle() == 0);
    }
}
