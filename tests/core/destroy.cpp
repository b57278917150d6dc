/* An executor that is destroyed with tasks and operations in it. */
#include "support/altered_ring.h"
#include "support/support.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <mqueue.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace support;

namespace {

tacet_result sleep_for_ever(tacet_task* task)
{
    return tacet_sleep(task, TACET_FOREVER);
}

struct counted_op {
    tacet_op op = {}; /* first: the callback gets its address */
    int called = 0;
    tacet_result result = 1;
};

void note(tacet_op* op)
{
    counted_op* counted = reinterpret_cast<counted_op*>(op);
    counted->called++;
    counted->result = op->result;
}

}

TEST_CASE("tasks count as exited with -ECANCELED after their executor was destroyed, wherever they stood", "[destroy]")
{
    const bool accounting = GENERATE(false, true);
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    support::pipe pipe;
    const tacet_file reader = pipe.reader();
    char byte;
    tacet_semaphore semaphore;
    tacet_semaphore_init(&semaphore, 0);
    auto executor = std::make_unique<support::executor>(default_ring, accounting);

    task sleeping(switcher, {sleep_for_ever});
    task reading(switcher, {[&](tacet_task* self) { return tacet_file_read(self, &reader, &byte, 1, 0); }});
    task acquiring(switcher, {[&](tacet_task* self) { return tacet_semaphore_acquire(self, &semaphore); }});
    task waiting(switcher, {[&](tacet_task* self) { return tacet_task_wait(self, sleeping, nullptr); }});
    tacet_op op = {};
    tacet_op* reaped = nullptr;
    task reaping(switcher, {[&](tacet_task* self) { return tacet_file_read_start(&op, self, &reader, &byte, 1, 0); },
                            task::made_again([&](tacet_task* self) {
                                return tacet_task_next_completed(self, &reaped, TACET_FOREVER - 1);
                            })});
    task ready(switcher, {[](tacet_task* self) { return tacet_yield(self); }});
    task pending(switcher, {sleep_for_ever});
    task pending_none(tacet_switcher_none(), {[](tacet_task*) -> tacet_result { return 0; }});
    for (const task* each : {&sleeping, &reading, &acquiring, &waiting, &reaping, &ready})
        REQUIRE(tacet_task_attach(*executor, *each) == 0);
    CHECK(tacet_executor_run(*executor, 6, nullptr) == 6);
    REQUIRE(tacet_task_attach(*executor, pending) == 0);
    REQUIRE(tacet_task_attach(*executor, pending_none) == 0);
    CHECK(executor->stats().suspended == 5);
    CHECK(executor->stats().pending_or_ready == 3);

    CHECK(executor->destroy() == 0);
    for (const task* each : {&sleeping, &reading, &acquiring, &waiting, &reaping, &ready, &pending, &pending_none}) {
        CHECK(tacet_task_has_exited(*each));
        CHECK(tacet_task_result(*each) == -ECANCELED);
        CHECK(tacet_task_cancel(*each) == -ESRCH);
        CHECK(tacet_yield(*each) == -EINVAL);
    }
    CHECK(sleeping.results().empty());
    CHECK(op.request.state == TACET_OP_IDLE);
    CHECK(reaped == nullptr);

    support::executor second;
    pipe.write("x");
    reading.attach(second); /* they can be used again */
    pending.attach(second);
    CHECK(second.run_until([&] { return tacet_task_has_exited(reading); }));
    CHECK(tacet_task_result(reading) == 1);
}

TEST_CASE("callbacks of operations in flight are called once each when the executor is destroyed", "[destroy]")
{
    const ring_kind& ring = GENERATE(from_range(kernel_rings()));
    support::pipe pipe;
    const tacet_file reader = pipe.reader();
    char bytes[20];
    std::vector<counted_op> reads(20), sleeps(20);
    counted_op nop;
    {
        executor executor(ring);
        for (std::size_t i = 0; i < reads.size(); i++) {
            REQUIRE(tacet_op_init_callback(&reads[i].op, executor, note, TACET_PRIORITY_LOW) == 0);
            REQUIRE(tacet_file_read_start(&reads[i].op, nullptr, &reader, &bytes[i], 1, 0) == 0);
            REQUIRE(tacet_op_init_callback(&sleeps[i].op, executor, note, TACET_PRIORITY_HIGH) == 0);
            REQUIRE(tacet_sleep_start(&sleeps[i].op, nullptr, TACET_FOREVER) == 0);
        }
        REQUIRE(tacet_op_init_callback(&nop.op, executor, note, TACET_PRIORITY_NORMAL) == 0);
        REQUIRE(tacet_nop_start(&nop.op, nullptr) == 0);
        if (GENERATE(false, true)) {
            const timespec no_time = {0, 0};
            CHECK(tacet_executor_run(executor, 1, &no_time) >= -ETIME);
        }
    }
    for (const std::vector<counted_op>* ops : {&reads, &sleeps})
        for (const counted_op& counted : *ops) {
            CHECK(counted.called == 1);
            CHECK((counted.result == -ECANCELED || counted.result == -EINTR));
            CHECK(counted.op.request.state == TACET_OP_IDLE);
        }
    CHECK(nop.called == 1);
    CHECK((nop.result == 0 || nop.result == -ECANCELED));
}

TEST_CASE("nothing is started, run or destroyed from a callback of an executor that is being destroyed", "[destroy]")
{
    const ring_kind& ring = GENERATE(from_range(all_rings()));
    static std::vector<tacet_result> results;
    static tacet_task* idle;
    results.clear();
    task never_runs(tacet_switcher_none(), {[](tacet_task*) -> tacet_result { return 0; }});
    task stays_pending(tacet_switcher_none(), {[](tacet_task*) -> tacet_result { return 0; }});
    idle = never_runs;
    tacet_op op = {};
    const auto callback = [](tacet_op* self) {
        tacet_executor* executor = self->owner.executor;
        results = {tacet_sleep_start(self, nullptr, 1), tacet_nop_start(self, nullptr),
                   tacet_task_attach(executor, idle), tacet_executor_run(executor, 1, nullptr),
                   tacet_executor_destroy(executor)};
    };
    {
        executor executor(ring);
        REQUIRE(tacet_op_init_callback(&op, executor, callback, TACET_PRIORITY_NORMAL) == 0);
        REQUIRE(tacet_sleep_start(&op, nullptr, TACET_FOREVER) == 0);
        stays_pending.attach(executor);
    }
    CHECK(results == std::vector<tacet_result>{-ECANCELED, -ECANCELED, -ECANCELED, -EDEADLK, -EBUSY});
    CHECK_FALSE(tacet_task_has_exited(never_runs));
    CHECK(tacet_task_result(stays_pending) == -ECANCELED);
    CHECK(stays_pending.results().empty());
}

TEST_CASE("a descriptor that was opened for a task that is never resumed is closed", "[destroy]")
{
    const bool completed = GENERATE(false, true);
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const open_how how = {O_RDONLY, 0, 0};
    const std::size_t before = open_descriptors();
    for (int i = 0; i < 20; i++) {
        executor executor;
        tacet_file file = {-1, 0, 0};
        task opens(switcher,
                   {[&](tacet_task* self) { return tacet_file_open(self, &file, nullptr, "/dev/null", &how); }});
        opens.attach(executor);
        CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
        if (completed) { /* the callback of a lower priority runs after the ring was looked at: the open is then done */
            tacet_op nop = {};
            REQUIRE(tacet_op_init_callback(
                        &nop, executor, [](tacet_op*) {}, TACET_PRIORITY_HIGH) == 0);
            while (executor.stats().completed < 1) {
                REQUIRE(tacet_nop_start(&nop, nullptr) == 0);
                CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
            }
        }
        CHECK(executor.destroy() == 0);
        CHECK(opens.results().size() <= 1);
        if (file.fd >= 0)
            ::close(file.fd);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("a descriptor that a task opened and never reaped is closed", "[destroy]")
{
    const bool reaped_late = GENERATE(false, true);
    const open_how how = {O_RDONLY, 0, 0};
    const std::size_t before = open_descriptors();
    {
        executor executor;
        tacet_op op = {};
        std::vector<call> calls = {
            [&](tacet_task* self) { return tacet_file_open_start(&op, self, nullptr, "/dev/null", &how); }};
        const auto nop = [](tacet_task* self) { return tacet_nop(self); };
        if (reaped_late) /* it has completed when the task exits */
            calls.push_back(
                [&](tacet_task* self) { return op.request.state == TACET_OP_COMPLETED ? 0 : tacet_nop(self); });
        if (reaped_late)
            calls.insert(calls.end(), 20, nop);
        task opens(suspending_switchers().back(), calls);
        opens.attach(executor);
        CHECK(executor.run_until_idle() > 0);
        CHECK(tacet_task_has_exited(opens));
        CHECK(op.request.state == TACET_OP_IDLE);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("a close that nobody waits for is done before the executor has gone, also where it needs a kernel thread",
          "[destroy]")
{
    /* The descriptors of message queues have a flush to do, which the ring leaves to its worker threads. */
    const std::string name = "/tacet-test-" + std::to_string(::getpid());
    const mqd_t first = ::mq_open(name.c_str(), O_CREAT | O_RDONLY, 0600, nullptr);
    if (first < 0)
        SKIP("message queues are not to be had here");
    ::mq_unlink(name.c_str());
    const std::size_t before = open_descriptors();
    const bool by_task = GENERATE(false, true);
    {
        executor executor;
        std::vector<task> tasks;
        std::vector<tacet_file> files;
        for (int i = 0; i < 200; i++)
            files.push_back({::dup(first), O_RDONLY, 0});
        for (tacet_file& file : files) {
            if (!by_task) {
                tacet_file_close_detached(executor, &file);
                continue;
            }
            tasks.emplace_back(tacet_switcher_stackless(),
                               std::vector<call>{[&file](tacet_task* self) { return tacet_file_close(self, &file); }});
            tasks.back().attach(executor);
        }
        const timespec no_time = {0, 0};
        CHECK(tacet_executor_run(executor, by_task ? 200 : 1, by_task ? nullptr : &no_time) >= -ETIME);
        CHECK(executor.destroy() == 0);
    }
    CHECK(open_descriptors() == before);
    ::mq_close(first);
}

TEST_CASE("the opening of a FIFO that nobody writes does not hold up the end of the executor", "[destroy]")
{
    temporary_directory directory;
    const std::string path = directory / "fifo";
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    const open_how how = {O_RDONLY | O_CREAT, 0600, 0}; /* without O_CREAT the ring does not wait for the writer */
    tacet_file file = {-1, 0, 0};
    executor executor;
    task opens(suspending_switchers().back(),
               {[&](tacet_task* self) { return tacet_file_open(self, &file, nullptr, path.c_str(), &how); }});
    opens.attach(executor);
    CHECK(tacet_executor_run(executor, 1, nullptr) == 1);
    const timespec no_time = {0, 0};
    CHECK(tacet_executor_run(executor, 1, &no_time) == -ETIME);
    CHECK(executor.destroy() == 0);
    CHECK(tacet_task_result(opens) == -ECANCELED);
}

TEST_CASE("the stacks of tasks whose executor was destroyed are used again", "[destroy]")
{
    const switcher_kind& switcher = suspending_switchers().back();
    for (int round = 0; round < 3; round++) {
        std::vector<task> tasks;
        executor executor;
        for (int i = 0; i < 100; i++) {
            tasks.emplace_back(switcher, std::vector<call>{sleep_for_ever});
            tasks.back().attach(executor);
        }
        CHECK(tacet_executor_run(executor, 60, nullptr) == 60);
        CHECK(executor.destroy() == 0);
        support::executor second;
        for (task& each : tasks)
            each.attach(second);
        CHECK(tacet_executor_run(second, 100, nullptr) == 100);
        CHECK(tacet_executor_cancel_all(second) == 0);
        CHECK(second.run_until_idle() == 100);
    }
}

TEST_CASE("released tasks are destroyed with their executor, the later ones first", "[destroy]")
{
    static std::vector<int> destroyed;
    destroyed.clear();
    int numbers[] = {0, 1, 2};
    {
        executor executor;
        for (int& number : numbers) {
            tacet_task_options options = {};
            options.destroy_arg = [](void* arg) { destroyed.push_back(*static_cast<int*>(arg)); };
            tacet_task* task = nullptr;
            REQUIRE(tacet_task_create(&task, suspending_switchers()[0].instance(), &options) == 0);
            tacet_task_set_body(
                task, [](tacet_task* self, void*) { return tacet_sleep(self, TACET_FOREVER); }, &number);
            REQUIRE(tacet_task_attach(executor, task) == 0);
            tacet_task_release(task);
        }
        CHECK(destroyed.empty());
    }
    CHECK(destroyed == std::vector<int>{2, 1, 0});
}

TEST_CASE("on a kernel that cannot cancel all at once, what is in flight ends all the same", "[destroy]")
{
    const unsigned old_flags = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN;
    const unsigned forbidden = GENERATE_COPY(old_flags, old_flags | IORING_SETUP_SUBMIT_ALL);
    const unsigned entries = GENERATE(1u, 256u);
    const bool submitted = GENERATE(false, true);
    CAPTURE(forbidden, entries, submitted);
    const support::pipe pipe;
    const tacet_file reader = pipe.reader();
    executor executor(ring_kind{"older", entries, forbidden});
    altered_ring_refuse_cancel_flags(executor);
    std::vector<counted_op> polls(300);
    for (counted_op& each : polls) {
        REQUIRE(tacet_op_init_callback(&each.op, executor, note, TACET_PRIORITY_NORMAL) == 0);
        REQUIRE(tacet_poll_start(&each.op, nullptr, reader.fd, POLLIN) == 0);
    }
    tacet_multishot multishot = {};
    REQUIRE(tacet_poll_multishot_start(&multishot, executor, reader.fd, POLLIN, 4) == 0);
    char bytes[2];
    tacet_op started = {};
    task task(suspending_switchers()[0],
              {[&](tacet_task* self) { return tacet_file_read_start(&started, self, &reader, bytes, 1, 0); },
               [&](tacet_task* self) { return tacet_file_read(self, &reader, bytes + 1, 1, 0); }});
    task.attach(executor);
    for (int round = 0; submitted && round < 10; round++) {
        const timespec at_once = {0, 0};
        for (counted_op& each : polls) /* some come and go */
            if (each.op.request.state == TACET_OP_IDLE && each.result < 0)
                CHECK(tacet_poll_start(&each.op, nullptr, reader.fd, POLLIN) == 0);
        CHECK(tacet_op_cancel(&polls[static_cast<std::size_t>(round) * 7].op) == 0);
        CHECK(tacet_executor_run(executor, TACET_UNTIL_STOPPED, &at_once) >= -ETIME);
    }
    CHECK(executor.stats().in_flight > 290);
    CHECK(executor.destroy() == 0);
    CHECK(std::all_of(polls.begin(), polls.end(), [](const counted_op& each) { return each.called > 0; }));
    CHECK(std::all_of(polls.begin(), polls.end(), [](const counted_op& each) { return each.result == -ECANCELED; }));
    CHECK(started.request.state == TACET_OP_IDLE);
    CHECK(tacet_task_has_exited(task));
    tacet_multishot_abandon(&multishot, [](tacet_multishot*) {});
}

TEST_CASE("what the cancelling of everything has missed is cancelled again", "[destroy]")
{
    const support::pipe pipe;
    executor executor(GENERATE(from_range(kernel_rings())));
    counted_op poll;
    REQUIRE(tacet_op_init_callback(&poll.op, executor, note, TACET_PRIORITY_NORMAL) == 0);
    REQUIRE(tacet_poll_start(&poll.op, nullptr, pipe.reader().fd, POLLIN) == 0);
    let_settle(executor);
    altered_ring_misdirect_cancels(executor, 2);
    CHECK(executor.destroy() == 0);
    CHECK(poll.called == 1);
    CHECK(poll.result == -ECANCELED);
}
