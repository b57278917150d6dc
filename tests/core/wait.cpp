/* Tasks that wait for tasks, and for semaphores. */
#include "support/support.hpp"

#include <cerrno>
#include <random>

using namespace support;

namespace {

/* Waits for the other and gives its result. */
call join(tacet_task* const& other)
{
    return [&other](tacet_task* self) { return tacet_task_wait(self, other, nullptr); };
}

tacet_result waited(tacet_task* self)
{
    return tacet_task_waited_result(self);
}

}

TEST_CASE("a task of any kind waits for a task of any kind", "[wait]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind& waits = GENERATE(from_range(suspending_switchers()));
    const switcher_kind& waited_for = GENERATE(from_range(all_switchers()));
    const bool first = GENERATE(false, true);
    tacet_task* handle = nullptr;
    task other(waited_for, {[](tacet_task* self) { return tacet_sleep(self, 1000); },
                            [](tacet_task*) -> tacet_result { return -ENOENT; }});
    handle = other;
    task waiter(waits, {join(handle), waited});
    (first ? waiter : other).attach(executor);
    (first ? other : waiter).attach(executor);
    CHECK(executor.run_until_idle() > 0);
    CHECK(waiter.results() == std::vector<tacet_result>{0, -ENOENT});
    CHECK(tacet_task_result(waiter) == -ENOENT);
}

TEST_CASE("the result of the other is written where the waiter with a stack says", "[wait]")
{
    executor executor;
    const switcher_kind& switcher = suspending_switchers().back();
    tacet_result result = 0;
    task other(switcher,
               {[](tacet_task* self) { return tacet_yield(self); }, [](tacet_task*) -> tacet_result { return 42; }});
    task waiter(switcher, {[&](tacet_task* self) { return tacet_task_wait(self, other, &result); }});
    waiter.attach(executor);
    other.attach(executor);
    CHECK(executor.run_until_idle() == 4);
    CHECK(result == 42);
    CHECK(tacet_task_result(waiter) == 0);
}

TEST_CASE("many wait for one, and become ready in the order of their coming", "[wait]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    tacet_task* handle = nullptr;
    std::vector<int> order;
    task other(switcher, {[](tacet_task* self) { return tacet_sleep(self, 1000); },
                          [](tacet_task*) -> tacet_result { return 9; }});
    handle = other;
    std::vector<task> waiters;
    for (int i = 0; i < 20; i++) {
        waiters.emplace_back(switcher, std::vector<call>{join(handle), [&order, i](tacet_task* self) {
                                                             order.push_back(i);
                                                             return tacet_task_waited_result(self);
                                                         }});
        waiters.back().attach(executor);
    }
    other.attach(executor);
    CHECK(tacet_executor_run(executor, 21, nullptr) == 21);
    for (const int cancelled : {0, 7, 19})
        CHECK(tacet_task_cancel(waiters[static_cast<std::size_t>(cancelled)]) == 0);
    CHECK(executor.run_until_idle() == 21);
    CHECK(order == std::vector<int>{0, 7, 19, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18});
    for (std::size_t i = 0; i < waiters.size(); i++) {
        const bool cancelled = i == 0 || i == 7 || i == 19;
        CHECK(waiters[i].results()[0] == (cancelled ? -ECANCELED : 0));
        if (!cancelled)
            CHECK(waiters[i].results()[1] == 9);
    }
}

TEST_CASE("a cancelled waiter leaves the other alone, and may wait for it again", "[wait]")
{
    executor executor;
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    tacet_task* handle = nullptr;
    tacet_semaphore semaphore;
    tacet_semaphore_init(&semaphore, 0);
    task other(switcher, {[&](tacet_task* self) { return tacet_semaphore_acquire(self, &semaphore); },
                          [](tacet_task*) -> tacet_result { return 3; }});
    handle = other;
    task waiter(switcher, {join(handle), join(handle), waited});
    other.attach(executor);
    waiter.attach(executor);
    CHECK(executor.run_until_idle() == 2);
    CHECK(tacet_task_cancel(waiter) == 0);
    CHECK(executor.run_until_idle() == 1);
    CHECK_FALSE(tacet_task_cancel_requested(other));
    CHECK_FALSE(tacet_task_has_exited(other));
    tacet_semaphore_release(&semaphore, 1);
    CHECK(executor.run_until_idle() == 2);
    CHECK(waiter.results() == std::vector<tacet_result>{-ECANCELED, 0, 3});
}

TEST_CASE("waiting for an exited task does not suspend, and for oneself, a stranger or nobody is an error", "[wait]")
{
    executor executor, elsewhere;
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    task exited(tacet_switcher_none(), {[](tacet_task*) -> tacet_result { return 8; }});
    task foreign(switcher, {[](tacet_task* self) { return tacet_yield(self); }});
    task unattached(switcher);
    exited.attach(executor);
    foreign.attach(elsewhere);
    CHECK(executor.run_until_idle() == 1);
    tacet_task* handles[] = {exited, foreign, unattached, nullptr};
    task waiter(switcher, {join(handles[0]), waited, join(handles[1]), join(handles[2]), join(handles[3]),
                           [](tacet_task* self) { return tacet_task_wait(self, self, nullptr); }});
    waiter.attach(executor);
    CHECK(executor.run_until_idle() == 1);
    CHECK(waiter.results() == std::vector<tacet_result>{0, 8, -EPERM, -EINVAL, -EINVAL, -EDEADLK});
    CHECK(tacet_task_wait(nullptr, exited, nullptr) == -EINVAL);
}

TEST_CASE("a waiter may destroy the task that it waited for", "[wait]")
{
    executor executor;
    tacet_task* other = nullptr;
    REQUIRE(tacet_task_create(&other, GENERATE(from_range(all_switchers())).instance(), nullptr) == 0);
    tacet_task_set_body(
        other, [](tacet_task*, void*) -> tacet_result { return 1; }, nullptr);
    task waiter(GENERATE(from_range(suspending_switchers())),
                {join(other), [&](tacet_task*) { return tacet_task_destroy(other); }});
    waiter.attach(executor);
    REQUIRE(tacet_task_attach(executor, other) == 0);
    CHECK(executor.run_until_idle() == 3);
    CHECK(waiter.results() == std::vector<tacet_result>{0, 0});
}

TEST_CASE("a chain of a thousand waiting tasks of every kind comes to its end", "[wait]")
{
    executor executor(GENERATE(from_range(all_rings())));
    std::vector<task> tasks;
    std::vector<tacet_task*> handles(1000);
    for (std::size_t i = 0; i < handles.size(); i++) {
        const switcher_kind& switcher = suspending_switchers()[i % suspending_switchers().size()];
        if (i + 1 == handles.size())
            tasks.emplace_back(tacet_switcher_none(), std::vector<call>{[](tacet_task*) -> tacet_result { return 0; }});
        else
            tasks.emplace_back(switcher, std::vector<call>{join(handles[i + 1]), waited, [](tacet_task* self) {
                                                               return tacet_task_waited_result(self) + 1;
                                                           }});
        handles[i] = tasks.back();
    }
    for (task& each : tasks)
        each.attach(executor);
    CHECK(executor.run_until_idle() == 1999);
    CHECK(tacet_task_result(tasks.front()) == 999);
}

TEST_CASE("a semaphore serves its waiters in the order of their coming", "[semaphore]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    tacet_semaphore semaphore;
    tacet_semaphore_init(&semaphore, 2);
    std::vector<int> order;
    std::vector<task> tasks;
    for (int i = 0; i < 6; i++) {
        tasks.emplace_back(switcher, std::vector<call>{[&](tacet_task* self) {
                                                           return tacet_semaphore_acquire(self, &semaphore);
                                                       },
                                                       [&order, i](tacet_task*) -> tacet_result {
                                                           order.push_back(i);
                                                           return 0;
                                                       }});
        tasks.back().attach(executor);
    }
    CHECK(executor.run_until_idle() == 6);
    CHECK(order == std::vector<int>{0, 1});
    CHECK_FALSE(tacet_semaphore_try_acquire(&semaphore));
    CHECK(tacet_task_cancel(tasks[3]) == 0);
    tacet_semaphore_release(&semaphore, 1);
    CHECK(executor.run_until_idle() == 2);
    CHECK(order == std::vector<int>{0, 1, 3, 2});
    CHECK(tasks[3].results()[0] == -ECANCELED);
    tacet_semaphore_release(&semaphore, 5);
    CHECK(executor.run_until_idle() == 2);
    CHECK(order == std::vector<int>{0, 1, 3, 2, 4, 5});
    CHECK(semaphore.available == 3);
    CHECK(tacet_semaphore_try_acquire(&semaphore));
    CHECK(semaphore.available == 2);
}

TEST_CASE("no more than a semaphore allows are inside at once, and none is lost", "[semaphore]")
{
    executor executor(GENERATE(from_range(all_rings())));
    std::mt19937 random(11);
    tacet_semaphore semaphore;
    tacet_semaphore_init(&semaphore, 3);
    int inside = 0, most = 0, done = 0;
    std::vector<task> tasks;
    for (std::size_t i = 0; i < 200; i++) {
        const uint64_t nap = random() % 100000;
        tasks.emplace_back(suspending_switchers()[i % suspending_switchers().size()],
                           std::vector<call>{[&](tacet_task* self) {
                                                 return tacet_semaphore_acquire(self, &semaphore);
                                             },
                                             [&](tacet_task*) -> tacet_result {
                                                 most = std::max(most, ++inside);
                                                 return 0;
                                             },
                                             [nap](tacet_task* self) { return tacet_sleep(self, nap); },
                                             [&](tacet_task*) -> tacet_result {
                                                 --inside, ++done;
                                                 tacet_semaphore_release(&semaphore, 1);
                                                 return 0;
                                             }});
        tasks.back().attach(executor);
    }
    CHECK(executor.run_until_idle() > 0);
    CHECK(most == 3);
    CHECK(done == 200);
    CHECK(semaphore.available == 3);
}

TEST_CASE("acquiring NULL is -EINVAL", "[semaphore]")
{
    executor executor;
    task task(GENERATE(from_range(all_switchers())),
              {[](tacet_task* self) { return tacet_semaphore_acquire(self, nullptr); }});
    task.attach(executor);
    CHECK(executor.run_until_idle() == 1);
    CHECK(tacet_task_result(task) == -EINVAL);
}
