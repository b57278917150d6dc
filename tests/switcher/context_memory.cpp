/* What contexts and suspended tasks take from the allocator, and what happens when it has nothing to give. */
#include "switcher/kinds.hpp"

#include <tacet/context.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace support;

namespace {

const tacet_switcher_ops* any_stackful_ops()
{
    return GENERATE(&tacet_setjmp_ops, &tacet_asm_ops, &tacet_copying_ops);
}

struct counting_context {
    tacet_context context; /* first */
    int suspensions;
    tacet_result failure = 0;
    int failures = 0;
};

/* Suspends, and tries again at once where that was refused. */
void suspend_often(tacet_context* context)
{
    counting_context* self = reinterpret_cast<counting_context*>(context);
    volatile char canary[600];
    std::memset(const_cast<char*>(canary), 0x77, sizeof canary);
    for (int i = 0; i < self->suspensions; i++) {
        tacet_result r = tacet_context_suspend(context, nullptr);
        while (r < 0) {
            self->failure = r;
            self->failures++;
            r = tacet_context_suspend(context, nullptr);
        }
        for (const volatile char& each : canary)
            if (each != 0x77)
                self->failure = -EIO;
    }
}

void create(counting_context& context, tacet_switcher* switcher, int suspensions)
{
    context.suspensions = suspensions;
    REQUIRE(tacet_context_create(&context.context, switcher, 0) == 0);
    REQUIRE(tacet_context_prepare(&context.context, suspend_often) == 0);
}

}

TEST_CASE("what contexts take from an allocator they give back, in the same sizes", "[allocator]")
{
    const tacet_switcher_ops* ops = any_stackful_ops();
    counting_allocator allocator;
    tacet_switcher_options options = allocator.options();
    options.copy_eagerly = GENERATE(false, true);
    options.free_on_resume = GENERATE(false, true);
    options.save_bytes_reserved = GENERATE(std::size_t{0}, std::size_t{100}, std::size_t{20000});
    {
        own_instance instance(ops, options);
        std::vector<counting_context> contexts(10);
        for (counting_context& each : contexts)
            create(each, instance, 5);
        for (int turn = 0; turn < 5; turn++)
            for (counting_context& each : contexts)
                CHECK(tacet_context_resume(&each.context, 0) == TACET_CONTEXT_SUSPENDED);
        for (std::size_t i = 0; i < 5; i++) /* the others are forgotten where they are */
            CHECK(tacet_context_resume(&contexts[i].context, 0) == TACET_CONTEXT_FINISHED);
        for (counting_context& each : contexts) {
            CHECK(each.failures == 0);
            CHECK(each.failure == 0);
            CHECK(tacet_context_destroy(&each.context) == 0);
        }
    }
    CHECK(allocator.allocated() > 0);
    CHECK(allocator.live() == 0);
}

#if defined(__x86_64__) || defined(__aarch64__)

TEST_CASE("a copied context that never suspends takes nothing but the execution stack, once", "[allocator]")
{
    counting_allocator allocator;
    tacet_switcher_options options = allocator.options();
    options.copy_eagerly = GENERATE(false, true);
    own_instance instance(&tacet_copying_ops, options);
    counting_context first, second;
    create(first, instance, 0);
    create(second, instance, 0);
    CHECK(allocator.allocated() == 0);
    for (int i = 0; i < 10; i++) {
        CHECK(tacet_context_resume(&first.context, 0) == TACET_CONTEXT_FINISHED);
        CHECK(tacet_context_resume(&second.context, 0) == TACET_CONTEXT_FINISHED);
        CHECK(tacet_context_prepare(&first.context, suspend_often) == 0);
        CHECK(tacet_context_prepare(&second.context, suspend_often) == 0);
        CHECK(allocator.allocated() == 1);
        CHECK(first.context.memory == nullptr);
        CHECK(second.context.memory == nullptr);
    }
    CHECK(tacet_context_destroy(&first.context) == 0);
    CHECK(tacet_context_destroy(&second.context) == 0);
}

TEST_CASE("a copied context that is resumed before another needs the room is not copied", "[allocator]")
{
    counting_allocator allocator;
    tacet_switcher_options options = allocator.options();
    options.copy_eagerly = GENERATE(false, true);
    own_instance instance(&tacet_copying_ops, options);
    counting_context context;
    create(context, instance, 10);
    for (int i = 0; i < 10; i++)
        CHECK(tacet_context_resume(&context.context, 0) == TACET_CONTEXT_SUSPENDED);
    REQUIRE(context.context.memory != nullptr); /* taken before the suspension was acknowledged */
    const char* buffer = context.context.memory;
    const bool untouched = std::all_of(buffer, buffer + context.context.bytes, [](char c) { return c == 0x5A; });
    CHECK(untouched == (!options.copy_eagerly && TACET_CHECKS < 2));
    CHECK(tacet_context_resume(&context.context, 0) == TACET_CONTEXT_FINISHED);
    CHECK(allocator.live() == 2);
    CHECK(tacet_context_destroy(&context.context) == 0);
    CHECK(allocator.live() == 1);
}

TEST_CASE("a save buffer goes back on resumption where that is asked for", "[allocator]")
{
    counting_allocator allocator;
    tacet_switcher_options options = allocator.options();
    options.copy_eagerly = true;
    options.free_on_resume = true;
    own_instance instance(&tacet_copying_ops, options);
    static std::size_t live;
    tacet_context context = {};
    REQUIRE(tacet_context_create(&context, instance, 0) == 0);
    const auto entry = [](tacet_context* self) {
        CHECK(tacet_context_suspend(self, nullptr) == 0);
        live = self->memory != nullptr;
    };
    REQUIRE(tacet_context_prepare(&context, entry) == 0);
    CHECK(tacet_context_resume(&context, 0) == TACET_CONTEXT_SUSPENDED);
    CHECK(context.memory != nullptr);
    counting_context other; /* takes the place, so that the first is copied back in any case */
    create(other, instance, 0);
    CHECK(tacet_context_resume(&other.context, 0) == TACET_CONTEXT_FINISHED);
    live = 17;
    CHECK(tacet_context_resume(&context, 0) == TACET_CONTEXT_FINISHED);
    CHECK(live == 0);
    CHECK(tacet_context_destroy(&context) == 0);
    CHECK(tacet_context_destroy(&other.context) == 0);
}

TEST_CASE("a context with a reserved buffer takes it at creation, and no more while it fits", "[allocator]")
{
    counting_allocator allocator;
    tacet_switcher_options options = allocator.options();
    options.save_bytes_reserved = 60000;
    own_instance instance(&tacet_copying_ops, options);
    counting_context context, other;
    create(context, instance, 10);
    create(other, instance, 10);
    CHECK(allocator.allocated() == 2);
    allocator.fail(2, SIZE_MAX); /* after the execution stack */
    for (int i = 0; i < 10; i++) {
        CHECK(tacet_context_resume(&context.context, 0) == TACET_CONTEXT_SUSPENDED);
        CHECK(tacet_context_resume(&other.context, 0) == TACET_CONTEXT_SUSPENDED);
    }
    CHECK(context.failures + other.failures == 0);
    CHECK(allocator.refused() == 0);
    CHECK(tacet_context_destroy(&context.context) == 0);
    CHECK(tacet_context_destroy(&other.context) == 0);
}

TEST_CASE("without memory for a save buffer a context is not suspended, and runs on", "[allocator]")
{
    counting_allocator allocator;
    own_instance instance(&tacet_copying_ops, allocator.options());
    counting_context context, other;
    create(context, instance, 3);
    create(other, instance, 1);
    allocator.fail(2, 5); /* the first is the execution stack */
    CHECK(tacet_context_resume(&context.context, 0) == TACET_CONTEXT_SUSPENDED);
    CHECK(context.failure == -ENOMEM);
    CHECK(context.failures == 5);
    CHECK(tacet_context_resume(&other.context, 0) == TACET_CONTEXT_SUSPENDED);
    allocator.fail(1, SIZE_MAX);
    CHECK(tacet_context_resume(&context.context, 0) == TACET_CONTEXT_SUSPENDED); /* the buffer is there */
    CHECK(tacet_context_resume(&other.context, 0) == TACET_CONTEXT_FINISHED);
    CHECK(tacet_context_resume(&context.context, 0) == TACET_CONTEXT_SUSPENDED);
    CHECK(tacet_context_resume(&context.context, 0) == TACET_CONTEXT_FINISHED);
    CHECK(context.failures == 5);
    allocator.fail(0);
    CHECK(tacet_context_destroy(&context.context) == 0);
    CHECK(tacet_context_destroy(&other.context) == 0);
}

TEST_CASE("without memory for an execution stack a context is not resumed, and stays as it was", "[allocator]")
{
    counting_allocator allocator;
    own_instance instance(&tacet_copying_ops, allocator.options());
    counting_context context;
    create(context, instance, 2);
    allocator.fail(1, 3);
    for (int i = 0; i < 3; i++)
        CHECK(tacet_context_resume(&context.context, 0) == -ENOMEM);
    CHECK(tacet_context_self() == nullptr);
    CHECK(tacet_context_resume(&context.context, 0) == TACET_CONTEXT_SUSPENDED);
    CHECK(tacet_context_resume(&context.context, 0) == TACET_CONTEXT_SUSPENDED);
    CHECK(tacet_context_resume(&context.context, 0) == TACET_CONTEXT_FINISHED);
    CHECK(tacet_context_destroy(&context.context) == 0);
}

#endif

TEST_CASE("whichever allocation fails, once or from then on, contexts lose nothing", "[allocator]")
{
    const tacet_switcher_ops* ops = any_stackful_ops();
    const bool freed = GENERATE(false, true);
    for (std::size_t k = 1; k < 60; k++) {
        counting_allocator allocator;
        tacet_switcher_options options = allocator.options();
        options.free_on_resume = freed;
        own_instance instance(ops, options);
        std::vector<counting_context> contexts(4);
        std::size_t made = 0;
        allocator.fail(k);
        for (counting_context& each : contexts) {
            each.suspensions = 4;
            tacet_result r = tacet_context_create(&each.context, instance, 0);
            if (r == -ENOMEM)
                r = tacet_context_create(&each.context, instance, 0);
            REQUIRE(r == 0);
            REQUIRE(tacet_context_prepare(&each.context, suspend_often) == 0);
        }
        for (int turn = 0; turn < 5; turn++) {
            for (counting_context& each : contexts) {
                tacet_result r = tacet_context_resume(&each.context, 0);
                if (r == -ENOMEM)
                    r = tacet_context_resume(&each.context, 0);
                CHECK(r == (turn < 4 ? TACET_CONTEXT_SUSPENDED : TACET_CONTEXT_FINISHED));
                made += r == TACET_CONTEXT_FINISHED;
            }
        }
        CHECK(made == contexts.size());
        for (counting_context& each : contexts) {
            CHECK((each.failure == 0 || each.failure == -ENOMEM));
            CHECK(tacet_context_destroy(&each.context) == 0);
        }
        if (allocator.refused() == 0)
            return; /* all have been tried */
    }
    FAIL_CHECK("there was no end of allocations");
}

#if defined(__x86_64__) || defined(__aarch64__)

namespace {

/* A suspending call, made by one of several tasks; prepare and finish stand around it, and around every try of it. */
struct suspending_call {
    const char* name;
    std::function<tacet_result(tacet_task*)> make;
    tacet_result expected;
};

class all_suspending_calls {
public:
    all_suspending_calls()
    {
        directory_.write("file", "contents");
        file_.fd = ::open((directory_ / "file").c_str(), O_RDWR | O_CLOEXEC);
        REQUIRE(file_.fd >= 0);
        dir_.fd = ::open(directory_.path().c_str(), O_DIRECTORY | O_PATH | O_CLOEXEC);
        REQUIRE(dir_.fd >= 0);
    }
    all_suspending_calls(const all_suspending_calls&) = delete;
    ~all_suspending_calls()
    {
        ::close(file_.fd);
        ::close(dir_.fd);
    }

    std::vector<suspending_call> rows(tacet_task* helper, tacet_semaphore* semaphore)
    {
        return {
            {"yield", [](tacet_task* self) { return tacet_yield(self); }, 0},
            {"sleep", [](tacet_task* self) { return tacet_sleep(self, 1000); }, 0},
            {"nop", [](tacet_task* self) { return tacet_nop(self); }, 0},
            {"wait", [helper](tacet_task* self) { return tacet_task_wait(self, helper, nullptr); }, 0},
            {"acquire", [semaphore](tacet_task* self) { return tacet_semaphore_acquire(self, semaphore); }, 0},
            {"await", [this](tacet_task* self) { return started_then(self, false); }, 0},
            {"next_completed", [this](tacet_task* self) { return started_then(self, true); }, 1},
            {"read", [this](tacet_task* self) { return tacet_file_read(self, &file_, buffer_, sizeof buffer_, 0); }, 8},
            {"write", [this](tacet_task* self) { return tacet_file_write(self, &file_, "contents", 8, 0); }, 8},
            {"sync", [this](tacet_task* self) { return tacet_file_sync(self, &file_); }, 0},
            {"stat",
             [this](tacet_task* self) { return tacet_path_stat(self, &dir_, "file", 0, STATX_BASIC_STATS, &status_); },
             0},
            {"open", [this](tacet_task* self) { return tacet_file_open(self, &opened_, &dir_, "file", &how_); }, 0},
            {"close", [this](tacet_task* self) { return tacet_file_close(self, &opened_); }, 0},
        };
    }

private:
    tacet_result started_then(tacet_task* self, bool any)
    {
        if (op_.request.state == TACET_OP_IDLE)
            CHECK(tacet_sleep_start(&op_, self, 1000) == 0);
        tacet_op* completed = nullptr;
        return any ? tacet_task_next_completed(self, &completed, TACET_FOREVER) : tacet_task_await(self, &op_);
    }

    temporary_directory directory_;
    tacet_file file_ = {-1, 0, 0}, dir_ = {-1, 0, 0}, opened_ = {-1, 0, 0};
    open_how how_ = {O_RDONLY, 0, 0};
    struct statx status_;
    char buffer_[16];
    tacet_op op_ = {};
};

/* Makes the calls, each with its k-th allocation failing for each k, until none is refused. */
tacet_result call_with_failures(tacet_task* self, const std::vector<suspending_call>& calls,
                                counting_allocator& allocator, std::size_t count_failing)
{
    tacet_result failures = 0;
    for (const suspending_call& call : calls) {
        INFO(call.name);
        CHECK(tacet_yield(self) == 0); /* whatever went before, the buffer is gone again */
        tacet_result r = -ENOMEM;
        for (std::size_t k = 1; r == -ENOMEM; k++) {
            const std::size_t refused = allocator.refused();
            allocator.fail(k, count_failing);
            r = call.make(self);
            allocator.fail(0);
            CHECK((r != -ENOMEM || allocator.refused() > refused));
            failures += r == -ENOMEM;
        }
        CHECK(r == call.expected);
    }
    return failures;
}

}

TEST_CASE("a suspending call that has no memory for it returns -ENOMEM, and can be made again", "[allocator]")
{
    const std::size_t count_failing = GENERATE(std::size_t{1}, SIZE_MAX);
    counting_allocator allocator;
    tacet_switcher_options options = allocator.options();
    options.copy_eagerly = true;
    options.free_on_resume = true; /* so that each suspension needs memory again */
    own_instance instance(&tacet_copying_ops, options);
    executor executor;
    tacet_semaphore semaphore;
    tacet_semaphore_init(&semaphore, 0);
    all_suspending_calls calls;
    tacet_result failures = 0;
    const auto yield = [](tacet_task* self) { return tacet_yield(self); };
    std::vector<call> steps(60, yield);
    steps.push_back([&](tacet_task*) -> tacet_result {
        tacet_semaphore_release(&semaphore, 1);
        return 0;
    });
    task helper(tacet_switcher_asm(), std::vector<call>(20, yield));
    task releases(tacet_switcher_asm(), steps);
    task suffers(instance, {[&](tacet_task* self) {
                     failures = call_with_failures(self, calls.rows(helper, &semaphore), allocator, count_failing);
                     return failures;
                 }});
    suffers.attach(executor);
    helper.attach(executor);
    releases.attach(executor);
    CHECK(executor.run_until_idle() > 0);
    CHECK(tacet_task_has_exited(suffers));
    CHECK(failures >= 12);
    CHECK(executor.stats().in_flight == 0);
}

static void ignore_line(void*, const char*) {}

TEST_CASE("a task for whose stack there is no memory ends before it has begun, and the others go on", "[allocator]")
{
    counting_allocator allocator;
    own_instance instance(&tacet_copying_ops, allocator.options());
    tacet_executor_options options = {};
    options.report = ignore_line;
    executor executor(options);
    allocator.fail(1, 1); /* the execution stack */
    const auto yield = [](tacet_task* self) { return tacet_yield(self); };
    task without(instance, {yield});
    task after(instance, {yield});
    task goes_on(tacet_switcher_asm(), {yield, yield, yield});
    without.attach(executor);
    after.attach(executor);
    goes_on.attach(executor);
    CHECK(executor.run_until_idle() > 0);
    CHECK(tacet_task_result(without) == -ENOMEM);
    CHECK(without.results().empty());
    CHECK(after.results() == std::vector<tacet_result>{0});
    CHECK(tacet_task_has_exited(goes_on));
    CHECK(allocator.refused() == 1);
}

#endif
