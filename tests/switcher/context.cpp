/* Contexts alone: every call of context.h and each of its errors, over every kind that has contexts. */
#include "switcher/kinds.hpp"

#include <tacet/context.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>
#include <unistd.h>

using namespace support;

namespace {

/* A context whose entry is a function object. */
struct flow {
    tacet_context context; /* first: it is what the entry gets */
    std::function<void(flow&)> body;

    explicit flow(tacet_switcher* switcher, std::function<void(flow&)> what = {}, std::size_t stack_bytes = 256 * 1024)
        : body(std::move(what))
    {
        REQUIRE(tacet_context_create(&context, switcher, stack_bytes) == 0);
        if (body)
            prepare();
    }
    flow(const flow&) = delete;
    ~flow() { CHECK(tacet_context_destroy(&context) == 0); }

    void prepare() { CHECK(tacet_context_prepare(&context, entry) == 0); }
    tacet_result resume(std::int64_t value = 0) { return tacet_context_resume(&context, value); }

    /* From within. */
    std::int64_t suspend()
    {
        std::int64_t value = -1;
        CHECK(tacet_context_suspend(&context, &value) == 0);
        return value;
    }

    static void entry(tacet_context* context)
    {
        flow* self = reinterpret_cast<flow*>(context);
        self->body(*self);
    }
};

switcher_kind any_way()
{
    return GENERATE(from_range(stackful_ways()));
}

}

TEST_CASE("a context that never suspends runs as a call, as often as it is prepared", "[context]")
{
    int runs = 0;
    flow context(any_way().instance(), [&](flow& self) {
        runs++;
        CHECK(tacet_context_self() == &self.context);
    });
    for (int i = 1; i <= 100; i++) {
        CHECK(context.resume() == TACET_CONTEXT_FINISHED);
        CHECK(runs == i);
        CHECK(context.resume() == -EINVAL);
        context.prepare();
    }
    CHECK(tacet_context_self() == nullptr);
}

TEST_CASE("a context gets the value of each resumption, and keeps its place", "[context]")
{
    std::vector<std::int64_t> seen;
    flow context(any_way().instance(), [&](flow& self) {
        for (int i = 0; i < 1000; i++)
            seen.push_back(self.suspend());
    });
    CHECK(context.resume(7) == TACET_CONTEXT_SUSPENDED); /* nobody has asked for a value yet */
    for (std::int64_t i = 0; i < 999; i++)
        CHECK(context.resume(i - 500) == TACET_CONTEXT_SUSPENDED);
    CHECK(context.resume(INT64_MIN) == TACET_CONTEXT_FINISHED);
    REQUIRE(seen.size() == 1000);
    CHECK(seen.front() == -500);
    CHECK(seen[998] == 498);
    CHECK(seen.back() == INT64_MIN);
}

TEST_CASE("the value of a resumption need not be asked for", "[context]")
{
    flow context(any_way().instance(), [](flow& self) { CHECK(tacet_context_suspend(&self.context, nullptr) == 0); });
    CHECK(context.resume(1) == TACET_CONTEXT_SUSPENDED);
    CHECK(context.resume(2) == TACET_CONTEXT_FINISHED);
}

TEST_CASE("contexts need memory for themselves, a switcher that has contexts, and a stack that is not too large",
          "[context]")
{
    tacet_context context = {};
    tacet_switcher* const switcher = any_way().instance();
    CHECK(tacet_context_create(nullptr, switcher, 0) == -EINVAL);
    CHECK(tacet_context_create(&context, nullptr, 0) == -EINVAL);
    CHECK(tacet_context_create(&context, tacet_switcher_none(), 0) == -EINVAL);
    CHECK(tacet_context_create(&context, tacet_switcher_stackless(), 0) == -EINVAL);
    CHECK(tacet_context_create(&context, switcher, (std::size_t{256} << 20) + 1) == -EINVAL);
    CHECK(tacet_context_create(&context, switcher, SIZE_MAX) == -EINVAL);
    CHECK(tacet_context_destroy(nullptr) == 0);
}

TEST_CASE("a context that was not prepared cannot be resumed, but destroyed", "[context]")
{
    flow context(any_way().instance());
    CHECK(context.resume() == -EINVAL);
    CHECK(tacet_context_resume(nullptr, 0) == -EINVAL);
    CHECK(tacet_context_prepare(nullptr, flow::entry) == -EINVAL);
    CHECK(tacet_context_prepare(&context.context, nullptr) == -EINVAL);
    CHECK(context.resume() == -EINVAL);
}

TEST_CASE("a running context cannot be resumed, prepared or destroyed", "[context]")
{
    tacet_switcher* const switcher = any_way().instance();
    const auto all_busy = [](flow& running) {
        CHECK(running.resume() == -EBUSY);
        CHECK(tacet_context_prepare(&running.context, flow::entry) == -EBUSY);
        CHECK(tacet_context_destroy(&running.context) == -EBUSY);
    };
    flow* outermost = nullptr;
    flow inner(switcher, [&](flow& self) {
        all_busy(self);
        all_busy(*outermost); /* it runs too: it waits for this one */
        self.suspend();
        all_busy(*outermost);
    });
    flow outer(switcher, [&](flow& self) {
        all_busy(self);
        CHECK(inner.resume() == TACET_CONTEXT_SUSPENDED);
        all_busy(self);
        CHECK(inner.resume() == TACET_CONTEXT_FINISHED);
        self.suspend();
    });
    outermost = &outer;
    CHECK(outer.resume() == TACET_CONTEXT_SUSPENDED);
    CHECK(outer.resume() == TACET_CONTEXT_FINISHED);
}

TEST_CASE("only the innermost running context can be suspended, by itself", "[context]")
{
    tacet_switcher* const switcher = any_way().instance();
    flow other(switcher, [](flow&) {});
    flow* outermost = nullptr;
    flow inner(switcher, [&](flow& self) {
        CHECK(tacet_context_self() == &self.context);
        CHECK(tacet_context_suspend(&outermost->context, nullptr) == -EPERM);
        CHECK(tacet_context_suspend(&other.context, nullptr) == -EPERM);
        CHECK(tacet_context_suspend(nullptr, nullptr) == -EPERM);
        self.suspend();
        CHECK(tacet_context_self() == &self.context);
    });
    flow outer(switcher, [&](flow& self) {
        CHECK(tacet_context_self() == &self.context);
        CHECK(inner.resume() == TACET_CONTEXT_SUSPENDED);
        CHECK(tacet_context_self() == &self.context);
        CHECK(tacet_context_suspend(&inner.context, nullptr) == -EPERM);
        self.suspend();
        CHECK(tacet_context_self() == &self.context);
        CHECK(inner.resume() == TACET_CONTEXT_FINISHED);
    });
    outermost = &outer;
    CHECK(tacet_context_suspend(&outer.context, nullptr) == -EPERM);
    CHECK(outer.resume() == TACET_CONTEXT_SUSPENDED);
    CHECK(tacet_context_self() == nullptr);
    CHECK(tacet_context_suspend(&outer.context, nullptr) == -EPERM);
    CHECK(outer.resume() == TACET_CONTEXT_FINISHED);
    CHECK(tacet_context_self() == nullptr);
}

namespace {

/* So that the compiler does not know, and keeps what would come after. */
void end_here(flow& self)
{
    volatile bool end = true;
    if (end)
        tacet_context_exit(&self.context);
}

[[gnu::noinline]] void exit_deep(flow& self, int depth)
{
    volatile char frame[100];
    std::memset(const_cast<char*>(frame), depth, sizeof frame);
    if (depth % 3 == 1)
        self.suspend();
    if (depth == 0)
        end_here(self);
    else
        exit_deep(self, depth - 1);
    CHECK(frame[0] != depth); /* who comes here has not ended */
}

struct exits_in_destructor {
    flow& self;
    ~exits_in_destructor() { end_here(self); }
};

}

TEST_CASE("a context is ended from the middle, out of any number of frames", "[context]")
{
    const int depth = GENERATE(0, 1, 2, 50);
    flow context(any_way().instance(), [depth](flow& self) { exit_deep(self, depth); });
    for (int round = 0; round < 3; round++) {
        int suspensions = 0;
        tacet_result r = context.resume();
        for (; r == TACET_CONTEXT_SUSPENDED; r = context.resume())
            suspensions++;
        CHECK(r == TACET_CONTEXT_FINISHED);
        CHECK(suspensions == (depth + 2) / 3);
        CHECK(context.resume() == -EINVAL);
        context.prepare();
    }
}

namespace {

/* Exceptions of a context that ends where it stands are never freed: in here the leak detector does not mind. */
extern "C" void __lsan_disable() __attribute__((weak));
extern "C" void __lsan_enable() __attribute__((weak));

struct leaks_allowed {
    leaks_allowed()
    {
        if (__lsan_disable != nullptr)
            __lsan_disable();
    }
    ~leaks_allowed()
    {
        if (__lsan_enable != nullptr)
            __lsan_enable();
    }
};

}

TEST_CASE("a context that ends while it handles or throws an exception leaves its resumer's alone", "[context]")
{
    tacet_switcher* const switcher = any_way().instance();
    const leaks_allowed allowed;
    flow handling(switcher, [](flow& self) {
        CHECK(std::current_exception() == nullptr);
        try {
            throw std::runtime_error("lost");
        } catch (const std::runtime_error&) {
            self.suspend();
            CHECK(std::current_exception() != nullptr);
            tacet_context_exit(&self.context);
        }
    });
    flow unwinding(switcher, [](flow& self) {
        CHECK(std::uncaught_exceptions() == 0);
        try {
            const exits_in_destructor guard{self};
            throw std::runtime_error("lost");
        } catch (const std::runtime_error&) {
            FAIL_CHECK("a context went on after its end");
        }
    });
    try {
        throw std::logic_error("the resumer's");
    } catch (const std::logic_error& mine) {
        CHECK(handling.resume() == TACET_CONTEXT_SUSPENDED);
        CHECK(unwinding.resume() == TACET_CONTEXT_FINISHED);
        CHECK(handling.resume() == TACET_CONTEXT_FINISHED);
        CHECK(std::uncaught_exceptions() == 0);
        try {
            throw;
        } catch (const std::logic_error& again) {
            CHECK(&again == &mine);
        }
    }
    CHECK(std::current_exception() == nullptr);
    CHECK(std::uncaught_exceptions() == 0);
}

TEST_CASE("an exception that leaves a context ends the process", "[context]")
{
    const switcher_kind way = any_way();
    CHECK(in_child([&] {
              std::signal(SIGABRT, SIG_DFL);
              std::set_terminate([] { ::_exit(77); });
              tacet_context context = {};
              const auto entry = [](tacet_context*) { throw std::runtime_error("out"); };
              if (tacet_context_create(&context, way.instance(), 0) < 0 || tacet_context_prepare(&context, entry) < 0)
                  return 1;
              try {
                  return tacet_context_resume(&context, 0) == TACET_CONTEXT_FINISHED ? 2 : 3;
              } catch (...) {
                  return 4;
              }
          }) == 77);
}

TEST_CASE("contexts of any kind resume contexts of any kind, and are suspended between them", "[context]")
{
    tacet_switcher* const outer_switcher = any_way().instance();
    tacet_switcher* const inner_switcher = GENERATE(from_range(stackful_ways())).instance();
    std::vector<int> order;
    flow inner(inner_switcher, [&](flow& self) {
        for (int i = 0; i < 3; i++) {
            order.push_back(10 + i);
            CHECK(self.suspend() == i);
        }
        order.push_back(13);
    });
    flow outer(outer_switcher, [&](flow& self) {
        for (int i = 0; i < 3; i++) {
            order.push_back(i);
            CHECK(inner.resume(i - 1) == TACET_CONTEXT_SUSPENDED);
            CHECK(self.suspend() == 100 + i);
        }
    });
    CHECK(outer.resume() == TACET_CONTEXT_SUSPENDED);
    CHECK(outer.resume(100) == TACET_CONTEXT_SUSPENDED);
    CHECK(outer.resume(101) == TACET_CONTEXT_SUSPENDED);
    CHECK(outer.resume(102) == TACET_CONTEXT_FINISHED);
    CHECK(inner.resume(2) == TACET_CONTEXT_FINISHED); /* by another resumer than before */
    CHECK(order == std::vector<int>{0, 10, 1, 11, 2, 12, 13});
}

TEST_CASE("contexts resume contexts ten deep, each on its way down and up", "[context]")
{
    tacet_switcher* const switcher = any_way().instance();
    std::vector<std::unique_ptr<flow>> flows;
    int entered = 0, left = 0;
    for (std::size_t i = 0; i < 10; i++)
        flows.push_back(std::make_unique<flow>(switcher, [&, i](flow& self) {
            volatile int own = static_cast<int>(i);
            entered++;
            if (i + 1 < flows.size())
                CHECK(flows[i + 1]->resume() == TACET_CONTEXT_SUSPENDED);
            self.suspend();
            if (i + 1 < flows.size())
                CHECK(flows[i + 1]->resume() == TACET_CONTEXT_FINISHED);
            left += own == static_cast<int>(i);
        }));
    CHECK(flows[0]->resume() == TACET_CONTEXT_SUSPENDED);
    CHECK(entered == 10);
    CHECK(flows[0]->resume() == TACET_CONTEXT_FINISHED);
    CHECK(left == 10);
}

TEST_CASE("a suspended context that is prepared again, or destroyed, is forgotten where it is", "[context]")
{
    tacet_switcher* const switcher = any_way().instance();
    int begun = 0, ended = 0;
    const auto body = [&](flow& self) {
        begun++;
        self.suspend();
        ended++;
    };
    flow kept(switcher, body);
    CHECK(kept.resume() == TACET_CONTEXT_SUSPENDED);
    {
        flow forgotten(switcher, body);
        for (int i = 0; i < 5; i++) {
            CHECK(forgotten.resume() == TACET_CONTEXT_SUSPENDED);
            forgotten.prepare();
        }
        CHECK(forgotten.resume() == TACET_CONTEXT_SUSPENDED);
    }
    CHECK(begun == 7);
    CHECK(kept.resume() == TACET_CONTEXT_FINISHED);
    CHECK(ended == 1);
}

TEST_CASE("an instance is busy while a context of it exists", "[context]")
{
    const tacet_switcher_ops* ops = GENERATE(&tacet_setjmp_ops, &tacet_asm_ops, &tacet_copying_ops);
    tacet_switcher* switcher = nullptr;
    REQUIRE(tacet_switcher_create(&switcher, ops, nullptr) == 0);
    {
        flow first(switcher, [](flow& self) { self.suspend(); });
        flow second(switcher);
        CHECK(first.resume() == TACET_CONTEXT_SUSPENDED);
        CHECK(tacet_switcher_destroy(switcher) == -EBUSY);
    }
    CHECK(tacet_switcher_destroy(switcher) == 0);
}

TEST_CASE("threads run contexts of one instance side by side", "[context]")
{
    tacet_switcher* const switcher = any_way().instance();
    std::atomic<int> right = 0;
    const auto work = [&] {
        struct counting {
            tacet_context context;
            std::int64_t sum;
        };
        std::array<counting, 20> all = {};
        const auto entry = [](tacet_context* context) {
            counting* own = reinterpret_cast<counting*>(context);
            std::int64_t value = 1;
            while (tacet_context_suspend(context, &value) == 0 && value != 0)
                own->sum += value;
        };
        for (int round = 0; round < 5; round++) {
            bool fine = true;
            for (counting& each : all) {
                each.sum = 0;
                fine = fine && tacet_context_create(&each.context, switcher, 0) == 0;
                fine = fine && tacet_context_prepare(&each.context, entry) == 0;
            }
            for (std::int64_t value = 100; fine && value >= 0; value--)
                for (counting& each : all)
                    fine = fine && tacet_context_resume(&each.context, value) ==
                                       (value > 0 ? TACET_CONTEXT_SUSPENDED : TACET_CONTEXT_FINISHED);
            for (counting& each : all)
                right += fine && each.sum == 99 * 100 / 2 && tacet_context_destroy(&each.context) == 0;
        }
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back(work);
    for (std::thread& thread : threads)
        thread.join();
    CHECK(right == 4 * 20 * 5);
}

TEST_CASE("in a task no context runs, nor in a task of an executor that a context runs", "[context]")
{
    const switcher_kind way = any_way();
    const switcher_kind tasks = GENERATE(from_range(suspending_switchers()));
    executor executor(ring_kind{"no ring", 0, 0});
    tacet_context* seen[2] = {};
    tacet_result suspended = 0;
    flow context(way.instance(), [&](flow& self) {
        const auto look = [&](tacet_task* task) {
            seen[0] = tacet_context_self();
            suspended = tacet_context_suspend(&self.context, nullptr);
            return tacet_yield(task);
        };
        task looks(tasks, {look, [&](tacet_task*) -> tacet_result {
                               seen[1] = tacet_context_self();
                               return 0;
                           }});
        looks.attach(executor);
        CHECK(executor.run_until_idle() == 2);
        CHECK(tacet_task_has_exited(looks));
        CHECK(tacet_context_self() == &self.context);
        self.suspend();
        CHECK(tacet_context_self() == &self.context);
    });
    CHECK(context.resume() == TACET_CONTEXT_SUSPENDED);
    CHECK(tacet_context_self() == nullptr);
    CHECK(context.resume() == TACET_CONTEXT_FINISHED);
    CHECK(seen[0] == nullptr);
    CHECK(seen[1] == nullptr);
    CHECK(suspended == -EPERM);
}

TEST_CASE("tasks resume contexts, which are suspended while the task is", "[context]")
{
    const switcher_kind way = any_way();
    const switcher_kind tasks = GENERATE(from_range(suspending_switchers()));
    executor executor(ring_kind{"no ring", 0, 0});
    std::vector<std::int64_t> seen;
    flow context(way.instance(), [&](flow& self) {
        for (int i = 0; i < 3; i++)
            seen.push_back(self.suspend());
    });
    std::int64_t next = 0;
    const auto step = [&](tacet_task*) -> tacet_result { return context.resume(next++); };
    const auto yield = [](tacet_task* self) { return tacet_yield(self); };
    task stepping(tasks, {step, yield, step, yield, step, yield, step});
    task other(tasks, {yield, yield, yield});
    stepping.attach(executor);
    other.attach(executor);
    CHECK(executor.run_until_idle() == 8);
    CHECK(stepping.results() == std::vector<tacet_result>{0, 0, 0, 0, 0, 0, TACET_CONTEXT_FINISHED});
    CHECK(seen == std::vector<std::int64_t>{1, 2, 3});
}

TEST_CASE("inside of a context that a task has resumed the task cannot wait", "[context]")
{
    const switcher_kind way = any_way();
    executor executor(ring_kind{"no ring", 0, 0});
    tacet_task* self = nullptr;
    std::vector<tacet_result> refused;
    flow context(way.instance(), [&](flow&) { refused = {tacet_yield(self), tacet_sleep(self, 1)}; });
    const auto resume = [&](tacet_task* task) -> tacet_result {
        self = task;
        return context.resume();
    };
    task stepping(GENERATE(from_range(suspending_switchers())),
                  {resume, [](tacet_task* task) { return tacet_yield(task); }});
    stepping.attach(executor);
    CHECK(executor.run_until_idle() > 0);
    CHECK(refused == std::vector<tacet_result>{-ENOTSUP, -ENOTSUP});
    CHECK(stepping.results() == std::vector<tacet_result>{TACET_CONTEXT_FINISHED, 0});
}

TEST_CASE("a context on the stack that tasks may need cannot run their executor", "[context]")
{
    executor executor(ring_kind{"no ring", 0, 0});
    task waiting(switcher_kind{"copying", tacet_switcher_copying},
                 {[](tacet_task* task) { return tacet_yield(task); },
                  [](tacet_task* task) { return tacet_yield(task); }});
    waiting.attach(executor);
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    tacet_result ran = 0;
    flow context(tacet_switcher_copying(), [&](flow&) { ran = tacet_executor_run(executor, 1, nullptr); });
    CHECK(context.resume() == TACET_CONTEXT_FINISHED);
    CHECK(ran == -EDEADLK);
    CHECK(executor.run_until_idle() == 2);
}

TEST_CASE("a kind of the user's own is called for each thing that happens to its contexts", "[context]")
{
    const own_kind_calls before = calls_of_own_kind();
    {
        flow context(own_kind(), [](flow& self) {
            self.suspend();
            self.suspend();
        });
        while (context.resume() == TACET_CONTEXT_SUSPENDED)
            continue;
    }
    const own_kind_calls& after = calls_of_own_kind();
    CHECK(after.created - before.created == 1);
    CHECK(after.prepared - before.prepared == 1);
    CHECK(after.resumed - before.resumed == 3);
    CHECK(after.suspended - before.suspended == 2);
    CHECK(after.exited - before.exited == 1);
    CHECK(after.destroyed - before.destroyed == 1);
}
