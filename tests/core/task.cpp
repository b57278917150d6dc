/* A task's life: created, attached, run, exited, attached again, destroyed. */
#include "support/support.hpp"

#include <cerrno>
#include <string>

using namespace support;

namespace {

tacet_result yield(tacet_task* task)
{
    return tacet_yield(task);
}

}

TEST_CASE("a task goes through every state, once for each attachment", "[task]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    tacet_task* handle = nullptr;
    std::vector<int> states;
    const auto note = [&](tacet_task*) -> tacet_result {
        states.push_back(handle->state);
        return 7;
    };
    task task(switcher, {note, yield, note, [](tacet_task* self) { return tacet_sleep(self, 1); }, note});
    handle = task;
    for (int attachment = 0; attachment < 3; attachment++) {
        states.clear();
        CHECK(handle->state == (attachment == 0 ? TACET_TASK_IDLE : TACET_TASK_EXITED));
        task.attach(executor);
        CHECK(handle->state == TACET_TASK_PENDING);
        CHECK(tacet_task_result(task) == -EINPROGRESS);
        CHECK_FALSE(tacet_task_has_exited(task));
        CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
        CHECK(handle->state == TACET_TASK_READY);
        CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
        CHECK(handle->state == TACET_TASK_SUSPENDED);
        CHECK(executor.run_until_idle() == 1);
        CHECK(handle->state == TACET_TASK_EXITED);
        CHECK(tacet_task_has_exited(task));
        CHECK(tacet_task_result(task) == 7);
        CHECK(task.results() == std::vector<tacet_result>{7, 0, 7, 0, 7});
        CHECK(states == std::vector<int>(3, TACET_TASK_RUNNING));
    }
}

TEST_CASE("a task exits with what its body returns, errors too", "[task]")
{
    executor executor;
    const tacet_result result = GENERATE(0, 1, INT64_MAX, -1, -ENOENT, -INT64_MAX);
    task task(GENERATE(from_range(all_switchers())), {[&](tacet_task*) { return result; }});
    task.attach(executor);
    CHECK(executor.run_until_idle() == 1);
    CHECK(tacet_task_result(task) == result);
}

TEST_CASE("destroying a task is -EBUSY from attach to exit, and does nothing", "[task]")
{
    executor executor(GENERATE(from_range(all_rings())));
    tacet_task* handle = nullptr;
    const auto destroy = [&](tacet_task*) { return tacet_task_destroy(handle); };
    task task(GENERATE(from_range(suspending_switchers())),
              {destroy, yield, [](tacet_task* self) { return tacet_sleep(self, 1); }, destroy});
    handle = task;
    task.attach(executor);
    CHECK(tacet_task_destroy(task) == -EBUSY);
    for (int item = 0; item < 2; item++) {
        CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
        CHECK(tacet_task_destroy(task) == -EBUSY);
    }
    CHECK(executor.run_until_idle() == 1);
    CHECK(task.results() == std::vector<tacet_result>{-EBUSY, 0, 0, -EBUSY});
    CHECK(tacet_task_destroy(task.give_away()) == 0);
    CHECK(tacet_task_destroy(nullptr) == 0);
}

TEST_CASE("a released task is destroyed: at once, or when it has exited, and is cancelled for that", "[task]")
{
    executor executor;
    const switcher_kind& switcher = GENERATE(from_range(all_switchers()));
    static int destroyed;
    destroyed = 0;
    tacet_task_options options = {};
    options.destroy_arg = [](void* arg) { destroyed += *static_cast<int*>(arg); };
    tacet_task* task = nullptr;
    REQUIRE(tacet_task_create(&task, switcher.instance(), &options) == 0);
    int one = 1;
    const auto body = [](tacet_task* self, void*) -> tacet_result {
        return tacet_task_cancel_requested(self) ? 0 : tacet_sleep(self, TACET_FOREVER);
    };
    tacet_task_set_body(task, body, &one);
    SECTION("before it was attached")
    {
        tacet_task_release(task);
    }
    SECTION("pending")
    {
        REQUIRE(tacet_task_attach(executor, task) == 0);
        tacet_task_release(task);
        CHECK(destroyed == 0);
        CHECK(executor.run_until_idle() == 1);
    }
    SECTION("after it has run")
    {
        REQUIRE(tacet_task_attach(executor, task) == 0);
        CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
        const bool exited = tacet_task_has_exited(task);
        tacet_task_release(task);
        CHECK(destroyed == exited);
        CHECK(executor.run_until_idle() == !exited);
    }
    CHECK(destroyed == 1);
    CHECK(executor.stats().attached == 0);
    tacet_task_release(nullptr);
}

TEST_CASE("a running task may release itself", "[task]")
{
    executor executor;
    static int destroyed;
    destroyed = 0;
    tacet_task_options options = {};
    options.destroy_arg = [](void*) { destroyed++; };
    tacet_task* task = nullptr;
    REQUIRE(tacet_task_create(&task, GENERATE(from_range(all_switchers())).instance(), &options) == 0);
    tacet_task_set_body(
        task,
        [](tacet_task* self, void*) -> tacet_result {
            tacet_task_release(self);
            CHECK(tacet_task_cancel_requested(self));
            return 0;
        },
        nullptr);
    REQUIRE(tacet_task_attach(executor, task) == 0);
    CHECK(executor.run_until_idle() == 1);
    CHECK(destroyed == 1);
}

TEST_CASE("a released task that exits with operations in flight is destroyed after the last of them", "[task]")
{
    static int destroyed;
    destroyed = 0;
    struct reads {
        support::pipe pipe;
        tacet_op ops[3] = {};
        char bytes[3];
    } reads;
    tacet_task_options options = {};
    options.destroy_arg = [](void*) { destroyed++; };
    tacet_task* task = nullptr;
    REQUIRE(tacet_task_create(&task, GENERATE(from_range(all_switchers())).instance(), &options) == 0);
    const auto body = [](tacet_task* self, void* arg) -> tacet_result {
        struct reads* reads = static_cast<struct reads*>(arg);
        const tacet_file reader = reads->pipe.reader();
        for (int i = 0; i < 3; i++)
            CHECK(tacet_file_read_start(&reads->ops[i], self, &reader, &reads->bytes[i], 1, 0) == 0);
        return 0;
    };
    tacet_task_set_body(task, body, &reads);
    const bool ends_with_executor = GENERATE(false, true);
    {
        executor executor;
        REQUIRE(tacet_task_attach(executor, task) == 0);
        CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
        CHECK(tacet_task_destroy(task) == -EBUSY);
        tacet_task_release(task);
        CHECK(destroyed == 0);
        if (!ends_with_executor) {
            reads.pipe.write("abc");
            CHECK(executor.run_until_idle() == 0);
            CHECK(destroyed == 1);
        }
    }
    CHECK(destroyed == 1);
    for (const tacet_op& op : reads.ops)
        CHECK(op.request.state == TACET_OP_IDLE);
}

TEST_CASE("a task is attached to one executor at a time", "[task]")
{
    executor first, second;
    task task(GENERATE(from_range(suspending_switchers())), {yield});
    task.attach(first);
    CHECK(tacet_task_attach(first, task) == -EBUSY);
    CHECK(tacet_task_attach(second, task) == -EBUSY);
    CHECK(first.run_until_idle() == 2);
    CHECK(tacet_task_attach(second, task) == 0);
    CHECK(second.stats().attached == 1);
    CHECK(first.stats().attached == 0);
    CHECK(second.run_until_idle() > 0);
}

TEST_CASE("attaching needs an executor, a task and a body", "[task]")
{
    executor executor;
    tacet_task* bodyless = nullptr;
    REQUIRE(tacet_task_create(&bodyless, tacet_switcher_stackless(), nullptr) == 0);
    CHECK(tacet_task_attach(executor, bodyless) == -EINVAL);
    CHECK(tacet_task_attach(executor, nullptr) == -EINVAL);
    CHECK(tacet_task_attach(nullptr, bodyless) == -EINVAL);
    CHECK(tacet_task_attach_many(executor, nullptr, 1) == -EINVAL);
    CHECK(executor.stats().attached == 0);
    CHECK(tacet_task_destroy(bodyless) == 0);
}

TEST_CASE("attach_many attaches all, in order, or says how many", "[task]")
{
    executor executor(GENERATE(from_range(all_rings())));
    const switcher_kind& switcher = GENERATE(from_range(all_switchers()));
    std::vector<int> order;
    std::vector<task> tasks;
    std::vector<tacet_task*> handles;
    for (int i = 0; i < 10; i++) {
        tasks.emplace_back(switcher, std::vector<call>{[&order, i](tacet_task*) -> tacet_result {
                               order.push_back(i);
                               return 0;
                           }});
        handles.push_back(tasks.back());
    }
    CHECK(tacet_task_attach_many(executor, handles.data(), 4) == 4);
    CHECK(tacet_task_attach_many(executor, handles.data(), 10) == -EBUSY);
    std::swap(handles[3], handles[9]);
    CHECK(tacet_task_attach_many(executor, handles.data() + 3, 7) == 6); /* the last is number 3 */
    CHECK(executor.run_until_idle() == 10);
    CHECK(order == std::vector<int>{0, 1, 2, 3, 9, 4, 5, 6, 7, 8});
}

TEST_CASE("a task has the name that it was given", "[task]")
{
    tacet_task_options options = {};
    options.name = "reader";
    tacet_task *named = nullptr, *unnamed = nullptr;
    REQUIRE(tacet_task_create(&named, tacet_switcher_none(), &options) == 0);
    REQUIRE(tacet_task_create(&unnamed, tacet_switcher_none(), nullptr) == 0);
    CHECK(std::string(tacet_task_name(named)) == "reader");
    CHECK(std::string(tacet_task_name(unnamed)) == "unnamed");
    CHECK(tacet_task_destroy(named) == 0);
    CHECK(tacet_task_destroy(unnamed) == 0);
}

TEST_CASE("creating a task needs a place for it and a switcher", "[task]")
{
    tacet_task* task = reinterpret_cast<tacet_task*>(&task);
    CHECK(tacet_task_create(nullptr, tacet_switcher_none(), nullptr) == -EINVAL);
    CHECK(tacet_task_create(&task, nullptr, nullptr) == -EINVAL);
}

TEST_CASE("suspending calls of a task that is not running are -EINVAL", "[task]")
{
    executor executor;
    tacet_task* other = nullptr;
    const auto on_behalf = [&](tacet_task*) -> tacet_result {
        tacet_op* op;
        CHECK(tacet_yield(other) == -EINVAL);
        CHECK(tacet_nop(other) == -EINVAL);
        CHECK(tacet_sleep(other, 1) == -EINVAL);
        CHECK(tacet_task_next_completed(other, &op, 0) == -EINVAL);
        return 0;
    };
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    task caller(switcher, {on_behalf}), idle(switcher, {yield});
    other = idle;
    caller.attach(executor);
    CHECK(tacet_yield(idle) == -EINVAL);
    CHECK(tacet_yield(nullptr) == -EINVAL);
    CHECK(tacet_nop(nullptr) == -EINVAL);
    CHECK(tacet_sleep(nullptr, 0) == -EINVAL);
    CHECK(tacet_sleep(nullptr, 1) == -EINVAL);
    SECTION("unattached")
    {
        CHECK(executor.run_until_idle() == 1);
    }
    SECTION("pending")
    {
        idle.attach(executor);
        CHECK(executor.run_until_idle() == 3);
    }
    SECTION("exited")
    {
        idle.attach(executor);
        CHECK(executor.run_until_idle() == 3);
        caller.attach(executor);
        CHECK(executor.run_until_idle() == 1);
    }
}

TEST_CASE("a suspending call of a task that cannot suspend is -ENOTSUP, and the task runs on", "[task]")
{
    executor executor(GENERATE(from_range(all_rings())));
    tacet_semaphore semaphore;
    tacet_semaphore_init(&semaphore, 1);
    tacet_op* op = nullptr;
    task other(tacet_switcher_stackless(), {yield});
    task none(tacet_switcher_none(),
              {yield, [](tacet_task* self) { return tacet_sleep(self, 0); },
               [](tacet_task* self) { return tacet_sleep(self, 1); }, [](tacet_task* self) { return tacet_nop(self); },
               [&](tacet_task* self) { return tacet_task_wait(self, other, nullptr); },
               [&](tacet_task* self) { return tacet_task_next_completed(self, &op, TACET_FOREVER); },
               [&](tacet_task* self) { return tacet_semaphore_acquire(self, &semaphore); },
               [&](tacet_task* self) { return tacet_semaphore_acquire(self, &semaphore); }});
    other.attach(executor);
    none.attach(executor);
    CHECK(executor.run_until_idle() == 3);
    CHECK(none.results() ==
          std::vector<tacet_result>{-ENOTSUP, -ENOTSUP, -ENOTSUP, -ENOTSUP, -ENOTSUP, -ENOTSUP, 0, -ENOTSUP});
}

TEST_CASE("a stackless body that returns pending without waiting has yielded", "[task]")
{
    executor executor(GENERATE(from_range(all_rings())));
    struct turns {
        int left;
        std::string* log;
        char letter;
    };
    std::string log;
    turns first = {3, &log, 'a'}, second = {3, &log, 'b'};
    tacet_task* tasks[2];
    turns* all[2] = {&first, &second};
    for (int i = 0; i < 2; i++) {
        REQUIRE(tacet_task_create(&tasks[i], tacet_switcher_stackless(), nullptr) == 0);
        const auto body = [](tacet_task*, void* arg) -> tacet_result {
            turns* self = static_cast<turns*>(arg);
            *self->log += self->letter;
            return --self->left > 0 ? TACET_PENDING : 0;
        };
        tacet_task_set_body(tasks[i], body, all[i]);
        REQUIRE(tacet_task_attach(executor, tasks[i]) == 0);
    }
    CHECK(executor.run_until_idle() == 6);
    CHECK(log == "ababab");
    for (tacet_task* task : tasks)
        CHECK(tacet_task_destroy(task) == 0);
}
