/* What every switcher promises; one suite over all of them. */
#include "switcher/kinds.hpp"

#include <array>
#include <cerrno>
#include <memory>
#include <numeric>
#include <random>

using namespace support;

TEST_CASE("a task is suspended and resumed a thousand times, and keeps its place", "[switcher]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind switcher = GENERATE(from_range(suspending_ways()));
    std::vector<task> tasks;
    int turns = 0;
    for (int i = 0; i < 3; i++) {
        tasks.emplace_back(switcher, std::vector<call>(1000, [&turns, i](tacet_task* self) {
                               CHECK(turns++ % 3 == i);
                               return tacet_yield(self);
                           }));
        tasks.back().attach(executor);
    }
    CHECK(executor.run_until_idle() == 3003);
    CHECK(turns == 3000);
}

TEST_CASE("a callback and a task of any kind resume a task of any kind", "[switcher]")
{
    executor executor(GENERATE(from_range(kernel_rings())));
    const switcher_kind waiting = GENERATE(from_range(suspending_ways()));
    const switcher_kind& waking = GENERATE(from_range(all_switchers()));
    static tacet_semaphore semaphore;
    tacet_semaphore_init(&semaphore, 0);
    const auto acquire = [](tacet_task* self) { return tacet_semaphore_acquire(self, &semaphore); };
    task waiter(waiting, {acquire, acquire});
    task waker(waking, {[](tacet_task*) -> tacet_result {
                   tacet_semaphore_release(&semaphore, 1);
                   return 0;
               }});
    tacet_op op = {};
    const auto callback = [](tacet_op*) { tacet_semaphore_release(&semaphore, 1); };
    REQUIRE(tacet_op_init_callback(&op, executor, callback, TACET_PRIORITY_NORMAL) == 0);
    waiter.attach(executor);
    waker.attach(executor);
    CHECK(executor.run_until_idle() == 3);
    CHECK(waiter.results() == std::vector<tacet_result>{0});
    REQUIRE(tacet_nop_start(&op, nullptr) == 0);
    CHECK(executor.run_until_idle() == 2);
    CHECK(waiter.results() == std::vector<tacet_result>{0, 0});
}

TEST_CASE("tasks make, attach, await and destroy tasks of the other kinds, generation after generation", "[switcher]")
{
    executor executor(GENERATE(from_range(all_rings())));
    static int made, gone;
    made = gone = 0;
    struct generation {
        tacet_executor* executor;
        int left;
        tacet_task* child = nullptr;
        generation* next = nullptr;
        ~generation() { gone++; }
    };
    struct births {
        static tacet_result body(tacet_task* self, void* arg)
        {
            generation* own = static_cast<generation*>(arg);
            if (own->left == 0)
                return 0;
            if (own->child == nullptr) {
                make_child(own);
                const tacet_result r = tacet_task_wait(self, own->child, nullptr);
                if (r == TACET_PENDING)
                    return r;
                CHECK(r == 0);
            }
            CHECK(tacet_task_waited_result(self) == own->left - 1);
            CHECK(tacet_task_destroy(own->child) == 0);
            return own->left;
        }
        static void make_child(generation* own)
        {
            made++;
            own->next = new generation{own->executor, own->left - 1};
            tacet_task_options options = {};
            options.destroy_arg = [](void* arg) { delete static_cast<generation*>(arg); };
            const auto& kinds = suspending_ways();
            const std::size_t kind = static_cast<std::size_t>(own->left) % kinds.size();
            CHECK(tacet_task_create(&own->child, kinds[kind].instance(), &options) == 0);
            tacet_task_set_body(own->child, body, own->next);
            CHECK(tacet_task_attach(own->executor, own->child) == 0);
        }
    };
    generation* first = new generation{executor, 200};
    tacet_task_options options = {};
    options.destroy_arg = [](void* arg) { delete static_cast<generation*>(arg); };
    tacet_task* root = nullptr;
    REQUIRE(tacet_task_create(&root, GENERATE(from_range(suspending_ways())).instance(), &options) == 0);
    tacet_task_set_body(root, births::body, first);
    REQUIRE(tacet_task_attach(executor, root) == 0);
    CHECK(executor.run_until_idle() == 401);
    CHECK(tacet_task_result(root) == 200);
    CHECK(tacet_task_destroy(root) == 0);
    CHECK(made == 200);
    CHECK(gone == 201);
}

TEST_CASE("any mix of tasks that do anything comes to its end with nothing left over", "[switcher]")
{
    const ring_kind& ring = GENERATE(from_range(kernel_rings()));
    const unsigned seed = GENERATE(1u, 2u, 3u, 4u);
    CAPTURE(ring.name, seed);
    std::mt19937 random(seed);
    executor executor(ring, seed % 2 == 0);
    tacet_semaphore semaphore;
    tacet_semaphore_init(&semaphore, 2);
    std::vector<task> tasks;
    std::vector<tacet_task*> handles(120);
    std::vector<std::array<tacet_op, 3>> ops(handles.size());
    for (std::size_t i = 0; i < handles.size(); i++) {
        std::vector<call> calls;
        for (int step = 0; step < 12; step++) {
            const std::size_t earlier = i > 0 ? random() % i : 0;
            const uint64_t nap = random() % 50000;
            switch (random() % 6) {
            case 0:
                calls.push_back([](tacet_task* self) { return tacet_yield(self); });
                break;
            case 1:
                calls.push_back([nap](tacet_task* self) { return tacet_sleep(self, nap); });
                break;
            case 2:
                calls.push_back([](tacet_task* self) { return tacet_nop(self); });
                break;
            case 3:
                calls.push_back([&](tacet_task* self) { return tacet_semaphore_acquire(self, &semaphore); });
                calls.push_back([](tacet_task* self) { return tacet_yield(self); });
                calls.push_back([&](tacet_task*) -> tacet_result {
                    tacet_semaphore_release(&semaphore, 1);
                    return 0;
                });
                break;
            case 4:
                if (i > 0)
                    calls.push_back([&handles, earlier](tacet_task* self) {
                        return tacet_task_wait(self, handles[earlier], nullptr);
                    });
                break;
            default:
                calls.push_back([&ops, i](tacet_task* self) -> tacet_result {
                    return tacet_nop_start(&ops[i][0], self) + tacet_sleep_start(&ops[i][1], self, 1000) +
                           tacet_nop_start(&ops[i][2], self);
                });
                for (const std::size_t op : {1, 2, 0})
                    calls.push_back([&ops, i, op](tacet_task* self) { return tacet_task_await(self, &ops[i][op]); });
            }
        }
        tasks.emplace_back(suspending_ways()[random() % suspending_ways().size()], calls);
        handles[i] = tasks.back();
        CHECK(tacet_task_set_priority(handles[i], static_cast<tacet_priority>(random() % 3), TACET_PRIORITY_LOW) == 0);
    }
    for (task& each : tasks)
        each.attach(executor);
    CHECK(executor.run_until_idle() > 0);
    for (const task& each : tasks) {
        CHECK(tacet_task_has_exited(each));
        CHECK(each.results() == std::vector<tacet_result>(each.results().size(), 0));
    }
    CHECK(semaphore.available == 2);
    const tacet_executor_stats stats = executor.stats();
    CHECK(stats.attached + stats.suspended + stats.in_flight + stats.timers == 0);
}

TEST_CASE("every switcher has its name", "[switcher]")
{
    for (const switcher_kind& switcher : all_switchers())
        CHECK(std::string(tacet_switcher_name(switcher.instance())) == switcher.name);
    CHECK(std::string(tacet_switcher_name(nullptr)).empty());
}
