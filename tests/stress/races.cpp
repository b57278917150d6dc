/* A cancel against a success, a hundred thousand times: each has one outcome, and no byte and no descriptor is lost. */
#include "support/support.hpp"

#include <cerrno>
#include <fcntl.h>
#include <random>
#include <sys/ioctl.h>
#include <unistd.h>

using namespace support;

namespace {

const timespec no_time = {0, 0};

struct tally {
    std::uint64_t written = 0, read = 0, cancelled = 0;

    void note(tacet_result r)
    {
        read += r == 1;
        cancelled += r == -ECANCELED || r == -EINTR;
        other += r != 1 && r != -ECANCELED && r != -EINTR;
    }
    std::uint64_t other = 0;
};

std::uint64_t bytes_in(const support::pipe& pipe)
{
    int bytes = 0;
    REQUIRE(::ioctl(pipe.fds[0], FIONREAD, &bytes) == 0);
    return static_cast<std::uint64_t>(bytes);
}

/* Write and cancel in either order, or one of them, with a look at the ring between them or not. */
template <class Cancel>
void provoke(std::mt19937& random, tacet_executor* executor, const support::pipe& pipe, tally& tally, Cancel cancel)
{
    const unsigned choice = random() % 16;
    const auto write = [&] {
        if (bytes_in(pipe) > 1000)
            return;
        tally.written++;
        CHECK(::write(pipe.fds[1], "x", 1) == 1);
    };
    if (choice & 1)
        CHECK(tacet_executor_run(executor, 1, &no_time) >= -ETIME);
    if (choice & 2)
        write();
    if (choice & 4)
        CHECK(tacet_executor_run(executor, 1, &no_time) >= -ETIME);
    if (!(choice & 2) || choice & 8)
        cancel();
}

}

TEST_CASE("of a hundred thousand reads that race with their cancel no byte is lost", "[stress]")
{
    const ring_kind& ring = GENERATE(from_range(kernel_rings()));
    std::mt19937 random(1);
    const std::size_t descriptors = open_descriptors();
    tally tally;
    {
        support::pipe pipe;
        executor executor(ring);
        static bool ended;
        tacet_op op = {};
        char byte;
        const tacet_file reader = pipe.reader();
        REQUIRE(tacet_op_init_callback(
                    &op, executor, [](tacet_op*) { ended = true; }, TACET_PRIORITY_NORMAL) == 0);
        for (int i = 0; i < 100000; i++) {
            ended = false;
            if (tacet_file_read_start(&op, nullptr, &reader, &byte, 1, 0) != 0)
                FAIL("a read could not be started");
            provoke(random, executor, pipe, tally, [&] { tacet_op_cancel(&op); });
            if (!executor.run_until([&] { return ended; }))
                FAIL("a read did not end");
            tally.note(op.result);
        }
        CHECK(tally.read + bytes_in(pipe) == tally.written);
        CHECK(tally.read > 100);
        CHECK(tally.cancelled > 100);
        CHECK(tally.read + tally.cancelled == 100000);
        CHECK(executor.stats().in_flight == 0);
    }
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("of tasks that are cancelled while they read no byte is lost, and each ends once", "[stress]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    std::mt19937 random(2);
    tally tally;
    support::pipe pipe;
    executor executor;
    char byte;
    const tacet_file reader = pipe.reader();
    task reads(switcher, {[&](tacet_task* self) { return tacet_file_read(self, &reader, &byte, 1, 0); }});
    for (int i = 0; i < 100000; i++) {
        reads.attach(executor);
        provoke(random, executor, pipe, tally, [&] { (void)tacet_task_cancel(reads); });
        if (!executor.run_until([&] { return tacet_task_has_exited(reads); }))
            FAIL("a task did not end");
        tally.note(tacet_task_result(reads));
    }
    CHECK(tally.read + bytes_in(pipe) == tally.written);
    CHECK(tally.read + tally.cancelled == 100000);
    CHECK(tally.read > 100);
    CHECK(tally.cancelled > 100);
}

TEST_CASE("of opens that race with their cancel no descriptor is lost", "[stress]")
{
    const std::size_t descriptors = open_descriptors();
    std::mt19937 random(3);
    temporary_directory directory;
    const std::string path = directory / "file";
    const open_how how = {O_RDWR | O_CREAT, 0600, 0}; /* done by a worker thread */
    static int opened, cancelled;
    opened = cancelled = 0;
    {
        executor executor;
        tacet_op op = {};
        const auto callback = [](tacet_op* self) {
            opened += self->result >= 0;
            cancelled += self->result == -ECANCELED || self->result == -EINTR;
            if (self->result >= 0)
                ::close(static_cast<int>(self->result));
        };
        REQUIRE(tacet_op_init_callback(&op, executor, callback, TACET_PRIORITY_LOW) == 0);
        for (int i = 0; i < 10000; i++) {
            if (tacet_file_open_start(&op, nullptr, nullptr, path.c_str(), &how) != 0)
                FAIL("an open could not be started");
            for (unsigned looks = random() % 40; looks > 0; looks--)
                if (tacet_executor_run(executor, 1, &no_time) == -EINVAL)
                    FAIL("the ring could not be looked at");
            (void)tacet_op_cancel(&op);
            if (executor.run_until_idle() < 0)
                FAIL("an open did not end");
        }
    }
    CHECK(opened + cancelled == 10000);
    CHECK(opened > 10);
    CHECK(cancelled > 10);
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("of opens by tasks that are cancelled no descriptor is lost", "[stress]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const std::size_t descriptors = open_descriptors();
    std::mt19937 random(5);
    temporary_directory directory;
    const std::string path = directory / "file";
    const open_how how = {O_RDWR | O_CREAT, 0600, 0};
    {
        executor executor;
        tacet_file file = {-1, 0, 0};
        task opens(switcher,
                   {[&](tacet_task* self) { return tacet_file_open(self, &file, nullptr, path.c_str(), &how); }});
        for (int i = 0; i < 5000; i++) {
            opens.attach(executor);
            for (unsigned looks = random() % 40; looks > 0; looks--)
                if (tacet_executor_run(executor, 1, &no_time) == -EINVAL)
                    FAIL("the ring could not be looked at");
            (void)tacet_task_cancel(opens);
            if (executor.run_until_idle() < 0 || !tacet_task_has_exited(opens))
                FAIL("an open did not end");
            if ((tacet_task_result(opens) == 0) != (file.fd >= 0))
                FAIL("the file does not say whether it is open");
            tacet_file_close_detached(executor, &file);
        }
    }
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("executors destroyed at any moment lose no descriptor and call each callback once", "[stress]")
{
    const ring_kind& ring = GENERATE(from_range(kernel_rings()));
    std::mt19937 random(4);
    const std::size_t descriptors = open_descriptors();
    temporary_directory directory;
    const std::string path = directory / "file";
    const open_how how = {O_RDWR | O_CREAT, 0600, 0};
    static int called;
    for (int i = 0; i < 300; i++) {
        called = 0;
        support::pipe pipe;
        const tacet_file reader = pipe.reader();
        std::vector<tacet_op> reads(20);
        char byte;
        std::vector<tacet_file> files(20, tacet_file{-1, 0, 0});
        {
            std::vector<task> tasks;
            executor executor(ring);
            for (std::size_t n = 0; n < reads.size(); n++) {
                const auto callback = [](tacet_op*) { called++; };
                REQUIRE(tacet_op_init_callback(&reads[n], executor, callback, TACET_PRIORITY_LOW) == 0);
                REQUIRE(tacet_file_read_start(&reads[n], nullptr, &reader, &byte, 1, 0) == 0);
                tacet_file* file = &files[n];
                tasks.emplace_back(suspending_switchers()[n % suspending_switchers().size()],
                                   std::vector<call>{
                                       [&, file](tacet_task* self) {
                                           return tacet_file_open(self, file, nullptr, path.c_str(), &how);
                                       },
                                       [file](tacet_task* self) { return tacet_file_close(self, file); },
                                   });
                tasks.back().attach(executor);
            }
            for (unsigned turns = random() % 40; turns > 0; turns--) {
                if (turns % 5 == 0)
                    pipe.write("x");
                CHECK(tacet_executor_run(executor, 1, &no_time) >= -ETIME);
            }
        }
        CHECK(called == 20);
        for (const tacet_file& file : files)
            if (file.fd >= 0)
                ::close(file.fd); /* its task had it, and did not live to close it */
    }
    CHECK(open_descriptors() == descriptors);
}
