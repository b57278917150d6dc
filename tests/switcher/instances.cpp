/* Instances of switchers with options, and the stacks that they pool. */
#include "support/support.hpp"

#include <tacet/switcher_interface.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

using namespace support;

namespace {

/* An own instance of a kind, destroyed with the scope. */
struct instance {
    explicit instance(const tacet_switcher_ops* ops, const tacet_switcher_options* options = nullptr)
    {
        REQUIRE(tacet_switcher_create(&switcher, ops, options) == 0);
    }
    ~instance() { CHECK(tacet_switcher_destroy(switcher) == 0); }
    tacet_switcher* switcher = nullptr;
};

tacet_result create_and_destroy(tacet_switcher* switcher, std::size_t stack_bytes)
{
    tacet_task_options options = {};
    options.stack_bytes = stack_bytes;
    tacet_task* task = nullptr;
    const tacet_result r = tacet_task_create(&task, switcher, &options);
    CHECK((task != nullptr) == (r == 0));
    return r < 0 ? r : tacet_task_destroy(task);
}

}

TEST_CASE("a switcher instance is made of a kind, and needs a place", "[instance]")
{
    tacet_switcher* switcher = nullptr;
    CHECK(tacet_switcher_create(nullptr, &tacet_stackless_ops, nullptr) == -EINVAL);
    CHECK(tacet_switcher_create(&switcher, nullptr, nullptr) == -EINVAL);
    CHECK(tacet_switcher_destroy(nullptr) == 0);
    for (const tacet_switcher_ops* ops : {&tacet_none_ops, &tacet_stackless_ops}) {
        instance own(ops);
        CHECK(std::string(tacet_switcher_name(own.switcher)) == ops->name);
    }
}

TEST_CASE("default instances stay", "[instance]")
{
    for (const switcher_kind& kind : all_switchers()) {
        CHECK(tacet_switcher_destroy(kind.instance()) == -EPERM);
        CHECK(kind.instance() == kind.instance());
    }
}

TEST_CASE("an instance is busy while a task of it exists", "[instance]")
{
    const tacet_switcher_ops* ops = GENERATE(&tacet_none_ops, &tacet_stackless_ops);
    tacet_switcher* switcher = nullptr;
    REQUIRE(tacet_switcher_create(&switcher, ops, nullptr) == 0);
    executor executor;
    tacet_task *first = nullptr, *second = nullptr;
    REQUIRE(tacet_task_create(&first, switcher, nullptr) == 0);
    REQUIRE(tacet_task_create(&second, switcher, nullptr) == 0);
    CHECK(tacet_switcher_destroy(switcher) == -EBUSY);
    CHECK(tacet_task_destroy(first) == 0);
    CHECK(tacet_switcher_destroy(switcher) == -EBUSY);
    tacet_task_set_body(
        second, [](tacet_task*, void*) -> tacet_result { return 0; }, nullptr);
    REQUIRE(tacet_task_attach(executor, second) == 0);
    tacet_task_release(second);
    CHECK(tacet_switcher_destroy(switcher) == -EBUSY);
    CHECK(executor.run_until_idle() == 1);
    CHECK(tacet_switcher_destroy(switcher) == 0);
}

#if defined(__x86_64__) || defined(__aarch64__)

TEST_CASE("a stack may have up to 256 MiB", "[stack]")
{
    instance own(&tacet_asm_ops);
    CHECK(create_and_destroy(own.switcher, 1) == 0);
    CHECK(create_and_destroy(own.switcher, std::size_t{256} << 20) == 0);
    CHECK(create_and_destroy(own.switcher, (std::size_t{256} << 20) + 1) == -EINVAL);
    CHECK(create_and_destroy(own.switcher, SIZE_MAX) == -EINVAL);
    tacet_switcher_options too_large = {};
    too_large.stack_bytes = std::size_t{1} << 30;
    instance large(&tacet_asm_ops, &too_large);
    CHECK(create_and_destroy(large.switcher, 0) == -EINVAL);
    CHECK(create_and_destroy(large.switcher, 1 << 16) == 0);
}

TEST_CASE("a task that names no size has a stack of its switcher's", "[stack]")
{
    tacet_switcher_options options = {};
    options.stack_bytes = std::size_t{4} << 20;
    instance own(&tacet_asm_ops, &options);
    executor executor;
    tacet_task* task = nullptr;
    REQUIRE(tacet_task_create(&task, own.switcher, nullptr) == 0);
    const auto body = [](tacet_task*, void*) -> tacet_result {
        volatile char large[3 << 20];
        for (std::size_t i = 0; i < sizeof large; i += 4096)
            large[i] = 1;
        return large[0];
    };
    tacet_task_set_body(task, body, nullptr);
    REQUIRE(tacet_task_attach(executor, task) == 0);
    CHECK(executor.run_until_idle() == 1);
    CHECK(tacet_task_result(task) == 1);
    CHECK(tacet_task_destroy(task) == 0);
}

namespace {

/* Where on its stack a task runs, in a page that it uses and that is not the topmost. */
char* page_of_a_task(tacet_switcher* switcher)
{
    executor executor;
    tacet_task* task = nullptr;
    REQUIRE(tacet_task_create(&task, switcher, nullptr) == 0);
    static char* seen;
    const auto body = [](tacet_task*, void*) -> tacet_result {
        volatile char deep[20000];
        deep[0] = 1;
        seen = const_cast<char*>(&deep[0]);
        return deep[0];
    };
    tacet_task_set_body(task, body, nullptr);
    REQUIRE(tacet_task_attach(executor, task) == 0);
    CHECK(executor.run_until_idle() == 1);
    CHECK(tacet_task_destroy(task) == 0);
    return reinterpret_cast<char*>(reinterpret_cast<std::uintptr_t>(seen) & ~std::uintptr_t{4095});
}

bool is_resident(char* page)
{
    unsigned char resident = 0;
    REQUIRE(::mincore(page, 4096, &resident) == 0);
    return (resident & 1) != 0;
}

}

TEST_CASE("stacks are used again, and keep their memory up to what the pool may hold", "[stack]")
{
    const bool small_pool = GENERATE(false, true);
    tacet_switcher_options options = {};
    options.pooled_bytes_max = small_pool ? 1 : 0;
    instance own(&tacet_asm_ops, &options);
    char* const page = page_of_a_task(own.switcher);
    CHECK(is_resident(page) == !small_pool);
    CHECK(page_of_a_task(own.switcher) == page);
}

TEST_CASE("ten thousand stacks at once are all different and all work", "[stack]")
{
    instance own(&tacet_asm_ops);
    executor executor;
    struct state {
        tacet_task* task = nullptr;
        int number = 0;
    };
    std::vector<state> states(stacks_at_once(10000));
    static int done;
    done = 0;
    const auto body = [](tacet_task* self, void* arg) -> tacet_result {
        volatile int on_stack = static_cast<state*>(arg)->number;
        for (int i = 0; i < 3; i++) {
            if (tacet_yield(self) != 0 || on_stack != static_cast<state*>(arg)->number + i)
                return -1;
            on_stack = on_stack + 1;
        }
        done++;
        return 0;
    };
    for (std::size_t i = 0; i < states.size(); i++) {
        states[i].number = static_cast<int>(i);
        REQUIRE(tacet_task_create(&states[i].task, own.switcher, nullptr) == 0);
        tacet_task_set_body(states[i].task, body, &states[i]);
        REQUIRE(tacet_task_attach(executor, states[i].task) == 0);
    }
    CHECK(executor.run_until_idle() == static_cast<tacet_result>(4 * states.size()));
    CHECK(done == static_cast<int>(states.size()));
    for (const state& each : states)
        REQUIRE(tacet_task_destroy(each.task) == 0);
}

TEST_CASE("tasks of one instance are made, run and destroyed on many threads", "[stack]")
{
    instance own(&tacet_asm_ops);
    std::atomic<int> done = 0;
    const auto work = [&] {
        tacet_executor* executor = nullptr;
        tacet_executor_options options = {};
        if (tacet_executor_create(&executor, &options) != 0)
            return;
        for (int i = 0; i < 500; i++) {
            tacet_task* task = nullptr;
            if (tacet_task_create(&task, own.switcher, nullptr) != 0)
                break;
            tacet_task_set_body(
                task, [](tacet_task* self, void*) { return tacet_yield(self); }, nullptr);
            if (tacet_task_attach(executor, task) != 0 || tacet_executor_run(executor, TACET_UNTIL_IDLE, nullptr) != 2)
                break;
            done += tacet_task_destroy(task) == 0;
        }
        tacet_executor_destroy(executor);
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back(work);
    for (std::thread& thread : threads)
        thread.join();
    CHECK(done == 2000);
}

#endif
