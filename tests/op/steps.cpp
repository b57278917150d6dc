/* Operations of several steps: whole transfers, durable writes, copies; on every switcher, and cut short at every step. */
#include "support/altered_ring.h"
#include "support/support.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

using namespace support;

namespace {

const uint64_t own_position = UINT64_MAX;

std::string some_bytes(std::size_t count)
{
    std::string bytes;
    for (std::size_t i = 0; i < count; i++)
        bytes += static_cast<char>('a' + (i * 7 + i / 1000) % 26);
    return bytes;
}

struct open_file {
    open_file(const std::string& path, int flags)
        : file{::open(path.c_str(), flags | O_CLOEXEC, 0600), static_cast<unsigned>(flags), 0}
    {
        REQUIRE(file.fd >= 0);
    }
    open_file(const open_file&) = delete;
    ~open_file() { ::close(file.fd); }
    tacet_file file;
};

/* The steps lie in memory that does not move. */
struct steps_owner {
    tacet_steps* operator->() const { return steps.get(); }
    operator tacet_steps*() const { return steps.get(); }
    std::unique_ptr<tacet_steps> steps = std::make_unique<tacet_steps>();
};

std::size_t entries_of(const std::string& path)
{
    std::filesystem::directory_iterator each(path), end;
    return static_cast<std::size_t>(std::distance(each, end));
}

void run_a_little(tacet_executor* executor)
{
    const timespec at_once = {0, 0};
    for (int round = 0; round < 20; round++)
        CHECK(tacet_executor_run(executor, TACET_UNTIL_IDLE, &at_once) >= -ETIME);
}

}

TEST_CASE("a transfer through a pipe is complete on both sides, however short its steps are", "[steps]")
{
    const switcher_kind switcher = GENERATE(from_range(suspending_switchers()));
    executor executor(GENERATE(from_range(kernel_rings())));
    support::pipe pipe;
    const tacet_file in = pipe.writer(), out = pipe.reader();
    const std::string sent = some_bytes(300000);
    std::string received(sent.size() + 10, '\0');
    const steps_owner reading, writing;
    task reader(switcher, {task::made_again([&](tacet_task* self) {
                    return tacet_file_read_all(self, &out, received.data(), received.size(), own_position, reading);
                })});
    task writer(switcher, {task::made_again([&](tacet_task* self) {
                               return tacet_file_write_all(self, &in, sent.data(), sent.size(), own_position, writing);
                           }),
                           [&](tacet_task*) -> tacet_result {
                               pipe.close_writer();
                               return 0;
                           }});
    reader.attach(executor);
    writer.attach(executor);
    CHECK(executor.run_until_idle() > 2);
    CHECK(writer.results() == std::vector<tacet_result>{static_cast<tacet_result>(sent.size()), 0});
    CHECK(tacet_task_result(reader) == static_cast<tacet_result>(sent.size()));
    CHECK(received.substr(0, sent.size()) == sent);
    CHECK(reading->bytes == sent.size());
    CHECK(writing->bytes == sent.size());
}

TEST_CASE("transfers at offsets leave the rest of the file alone, and end with it", "[steps]")
{
    caller run(GENERATE(from_range(suspending_switchers())), GENERATE(from_range(kernel_rings())));
    temporary_directory directory;
    directory.write("file", "0123456789");
    const open_file file(directory / "file", O_RDWR);
    const steps_owner steps;
    const auto write = [&](const std::string& bytes, uint64_t offset) {
        return run(task::made_again([&](tacet_task* self) {
            return tacet_file_write_all(self, &file.file, bytes.data(), bytes.size(), offset, steps);
        }));
    };
    std::string into(20, '.');
    const auto read = [&](std::size_t bytes, uint64_t offset) {
        return run(task::made_again([&](tacet_task* self) {
            return tacet_file_read_all(self, &file.file, into.data(), bytes, offset, steps);
        }));
    };
    CHECK(write("abc", 4) == 3);
    CHECK(directory.read("file") == "0123abc789");
    CHECK(write("", 4) == 0);
    CHECK(read(3, 5) == 3);
    CHECK(into.substr(0, 4) == "bc7.");
    CHECK(read(20, 8) == 2);
    CHECK(read(20, 100) == 0);
    CHECK(read(0, 0) == 0);
    CHECK(directory.read("file") == "0123abc789");
    const tacet_file closed = {1 << 20, O_RDWR, 0};
    const call bad = [&](tacet_task* self) { return tacet_file_read_all(self, &closed, into.data(), 1, 0, steps); };
    const call no_steps = [&](tacet_task* t) { return tacet_file_read_all(t, &closed, into.data(), 1, 0, nullptr); };
    const call no_file = [&](tacet_task* t) { return tacet_file_write_all(t, nullptr, into.data(), 1, 0, steps); };
    CHECK(run(task::made_again(bad)) == -EBADF);
    CHECK(run(task::made_again(no_steps)) == -EINVAL);
    CHECK(run(task::made_again(no_file)) == -EINVAL);
}

TEST_CASE("a cancel ends a transfer that waits, and what was done is told", "[steps]")
{
    const switcher_kind switcher = GENERATE(from_range(suspending_switchers()));
    executor executor(GENERATE(from_range(kernel_rings())));
    support::pipe pipe;
    const tacet_file in = pipe.writer(), out = pipe.reader();
    const std::string sent = some_bytes(1000000);
    const steps_owner steps;
    const bool by_deadline = GENERATE(false, true);
    const tacet_result expected = by_deadline ? -ETIME : -ECANCELED;
    const auto interrupt = [&](tacet_task* task) {
        CHECK((by_deadline ? tacet_task_set_deadline(task, 1) : tacet_task_cancel(task)) == 0);
    };
    SECTION("of a writer, at a full pipe")
    {
        task writer(switcher, {task::made_again([&](tacet_task* self) {
                                   return tacet_file_write_all(self, &in, sent.data(), sent.size(), own_position,
                                                               steps);
                               }),
                               [](tacet_task* self) { return tacet_yield(self); }});
        writer.attach(executor);
        run_a_little(executor);
        CHECK_FALSE(tacet_task_has_exited(writer));
        interrupt(writer);
        executor.run_until_idle();
        CHECK(writer.results() == std::vector<tacet_result>{expected, by_deadline ? -ETIME : 0}); /* told once */
        std::string there(sent.size(), '\0');
        REQUIRE(::fcntl(pipe.fds[0], F_SETFL, O_NONBLOCK) == 0);
        const ssize_t bytes = ::read(pipe.fds[0], there.data(), there.size());
        CHECK(steps->bytes == static_cast<uint64_t>(bytes));
        CHECK(there.substr(0, steps->bytes) == sent.substr(0, steps->bytes));
    }
    SECTION("of a reader, half-way")
    {
        std::string received(100, '\0');
        task reader(switcher, {task::made_again([&](tacet_task* self) {
                        return tacet_file_read_all(self, &out, received.data(), received.size(), own_position, steps);
                    })});
        reader.attach(executor);
        run_a_little(executor);
        pipe.write("first half");
        run_a_little(executor);
        CHECK_FALSE(tacet_task_has_exited(reader));
        interrupt(reader);
        executor.run_until_idle();
        CHECK(tacet_task_result(reader) == expected);
        CHECK(steps->bytes == 10);
        CHECK(received.substr(0, 10) == "first half");
    }
}

TEST_CASE("a durable write is written, synced and counted, through a ring of any size", "[steps]")
{
    caller run(GENERATE(from_range(suspending_switchers())), GENERATE(from_range(kernel_rings())));
    temporary_directory directory;
    directory.write("file", "0123456789");
    open_file file(directory / "file", O_RDWR);
    const steps_owner steps;
    const std::string bytes = some_bytes(100000);
    for (const uint64_t offset : {uint64_t{0}, uint64_t{5}, own_position}) {
        CAPTURE(offset);
        CHECK(run(task::made_again([&](tacet_task* self) {
                  return tacet_file_write_durable(self, &file.file, bytes.data(), bytes.size(), offset, steps);
              })) == static_cast<tacet_result>(bytes.size()));
        CHECK(steps->bytes == bytes.size());
        CHECK(steps->chained);
        CHECK(file.file.sync_error == 0);
    }
    CHECK((directory.read("file") == bytes + bytes.substr(bytes.size() - 5)));
    tacet_executor_stats stats;
    REQUIRE(tacet_executor_get_stats(run, &stats) == 0);
    CHECK(stats.in_flight == 0);
}

TEST_CASE("a durable write goes out while the ring is full of others", "[steps]")
{
    executor executor(GENERATE(from_range(kernel_rings())));
    temporary_directory directory;
    open_file file(directory / "file", O_RDWR | O_CREAT);
    const std::string bytes = some_bytes(5000);
    const steps_owner steps;
    std::vector<tacet_op> nops(50);
    for (tacet_op& nop : nops)
        REQUIRE(tacet_op_init_callback(
                    &nop, executor, [](tacet_op*) {}, TACET_PRIORITY_LOW) == 0);
    task writer(suspending_switchers()[0], {task::made_again([&](tacet_task* self) {
                    if (!steps->under_way)
                        for (tacet_op& nop : nops)
                            CHECK(tacet_nop_start(&nop, nullptr) == 0);
                    return tacet_file_write_durable(self, &file.file, bytes.data(), bytes.size(), 0, steps);
                })});
    writer.attach(executor);
    CHECK(executor.run_until_idle() > 50);
    CHECK(tacet_task_result(writer) == 5000);
    CHECK((directory.read("file") == bytes));
}

TEST_CASE("a durable write keeps to the limits and to the order of writes that an executor has", "[steps]")
{
    temporary_directory directory;
    open_file file(directory / "file", O_RDWR | O_CREAT);
    tacet_executor_options options = {};
    options.ring_entries = 8;
    options.ordered_writes = GENERATE(false, true);
    options.data_ops_max = options.worker_ops_max = GENERATE(0, 1);
    if (!options.ordered_writes && options.data_ops_max == 0)
        options.ops_max = 1;
    executor executor(options);
    const std::string before = some_bytes(100), durable = some_bytes(50);
    const steps_owner steps;
    tacet_op earlier = {};
    task writer(GENERATE(from_range(suspending_switchers())),
                {task::made_again([&](tacet_task* self) {
                     if (!steps->under_way)
                         CHECK(tacet_file_write_start(&earlier, self, &file.file, before.data(), 100, 0) == 0);
                     return tacet_file_write_durable(self, &file.file, durable.data(), 50, 0, steps);
                 }),
                 [&](tacet_task* self) { return tacet_task_await(self, &earlier); }});
    writer.attach(executor);
    CHECK(executor.run_until_idle() > 0);
    CHECK(writer.results() == std::vector<tacet_result>{50, 100});
    CHECK(steps->chained == !options.ordered_writes);
    CHECK((directory.read("file").size() == 100));
    if (options.ordered_writes)
        CHECK((directory.read("file") == durable + before.substr(50)));
    CHECK(executor.stats().in_flight == 0);
}

TEST_CASE("a durable write whose sync fails stays failed, and writes nothing more", "[steps]")
{
    caller run(GENERATE(from_range(suspending_switchers())));
    support::pipe pipe; /* what can be written, and not be synced */
    tacet_file file = pipe.writer();
    const steps_owner steps;
    const auto write = [&] {
        return run(task::made_again(
            [&](tacet_task* self) { return tacet_file_write_durable(self, &file, "12345", 5, own_position, steps); }));
    };
    CHECK(write() == -EINVAL);
    CHECK(file.sync_error == -EINVAL);
    CHECK(steps->bytes == 5);
    CHECK(write() == -EINVAL);
    CHECK(steps->bytes == 0);
    char there[20];
    CHECK(::read(pipe.fds[0], there, sizeof there) == 5);
}

TEST_CASE("a durable write whose sync was interrupted makes it again", "[steps]")
{
    caller run(GENERATE(from_range(suspending_switchers())), GENERATE(from_range(kernel_rings())));
    const unsigned times = GENERATE(1u, 3u);
    temporary_directory directory;
    open_file file(directory / "file", O_RDWR | O_CREAT);
    const steps_owner steps;
    altered_ring_end(run, IORING_OP_FSYNC, -EINTR, times);
    CHECK(run(task::made_again([&](tacet_task* self) {
              return tacet_file_write_durable(self, &file.file, "12345", 5, 0, steps);
          })) == 5);
    CHECK(altered_ring_ended() == times + 1);
    CHECK(file.file.sync_error == 0);
    CHECK(directory.read("file") == "12345");
}

TEST_CASE("a durable file is made also where its steps are interrupted", "[steps]")
{
    caller run(GENERATE(from_range(suspending_switchers())));
    temporary_directory directory;
    open_file dir(directory.path(), O_RDONLY | O_DIRECTORY);
    const steps_owner steps;
    altered_ring_end(run, IORING_OP_FSYNC, -EINTR, 3);
    CHECK(run(task::made_again([&](tacet_task* self) {
              return tacet_file_create_durable(self, &dir.file, "file", 0600, "12345", 5, 0, steps);
          })) == 5);
    CHECK(altered_ring_ended() == 5); /* of the file and of its directory */
    CHECK(dir.file.sync_error == 0);
    CHECK(directory.read("file") == "12345");
    CHECK(entries_of(directory.path()) == 1);
}

TEST_CASE("a durable write that cannot write has not failed to sync", "[steps]")
{
    caller run(GENERATE(from_range(suspending_switchers())));
    open_file full("/dev/full", O_WRONLY);
    const steps_owner steps;
    CHECK(run(task::made_again([&](tacet_task* self) {
              return tacet_file_write_durable(self, &full.file, "12345", 5, 0, steps);
          })) == -ENOSPC);
    CHECK(full.file.sync_error == 0);
    CHECK(steps->bytes == 0);
}

TEST_CASE("steps on a stack that moves are refused where others follow them", "[steps]")
{
    executor executor;
    temporary_directory directory;
    open_file file(directory / "file", O_RDWR | O_CREAT);
    const auto on_stack = [&](tacet_task* self) -> tacet_result {
        tacet_steps steps = {};
        return tacet_file_write_durable(self, &file.file, "x", 1, 0, &steps);
    };
    const auto copied_on_stack = [&](tacet_task* self) -> tacet_result {
        tacet_steps steps = {};
        return tacet_file_copy(self, &file.file, 0, &file.file, 0, 1, &steps);
    };
    const auto all_on_stack = [&](tacet_task* self) -> tacet_result {
        tacet_steps steps = {};
        const char text[] = "text";
        return tacet_file_write_all(self, &file.file, text, 4, 0, &steps);
    };
    task writer({"copying", tacet_switcher_copying}, {on_stack, copied_on_stack, all_on_stack});
    writer.attach(executor);
    CHECK(executor.run_until_idle() > 0);
    CHECK(writer.results() == std::vector<tacet_result>{-EFAULT, -EFAULT, 4});
    CHECK(directory.read("file") == "text");
}

TEST_CASE("a durable file is there whole, new or in the place of another", "[steps]")
{
    caller run(GENERATE(from_range(suspending_switchers())), GENERATE(from_range(kernel_rings())));
    temporary_directory directory;
    open_file dir(directory.path(), O_RDONLY | O_DIRECTORY);
    const steps_owner steps;
    const auto create = [&](const char* name, const std::string& contents, unsigned flags) {
        return run(task::made_again([&](tacet_task* self) {
            return tacet_file_create_durable(self, &dir.file, name, 0640, contents.data(), contents.size(), flags,
                                             steps);
        }));
    };
    const std::size_t before = open_descriptors();
    CHECK(create("new", "contents", 0) == 8);
    CHECK(directory.read("new") == "contents");
    struct stat status;
    REQUIRE(::stat((directory / "new").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == (0640 & ~[] {
              const mode_t mask = ::umask(0);
              ::umask(mask);
              return mask;
          }()));
    CHECK(status.st_nlink == 1);
    CHECK(create("new", "others", 0) == -EEXIST);
    CHECK(directory.read("new") == "contents");
    CHECK(create("new", "others", TACET_DURABLE_REPLACE) == 6);
    CHECK(directory.read("new") == "others");
    CHECK(create("empty", "", TACET_DURABLE_REPLACE) == 0);
    CHECK(directory.read("empty").empty());
    CHECK(create("a/b", "", 0) == -EINVAL);
    CHECK(create("new", "", 8) == -EINVAL);
    CHECK(create(std::string(300, 'x').c_str(), "y", 0) == -ENAMETOOLONG);
    CHECK(entries_of(directory.path()) == 2);
    CHECK(open_descriptors() == before);
}

TEST_CASE("a durable file that is cancelled at any step is there whole or not at all", "[steps]")
{
    const switcher_kind switcher = GENERATE(from_range(suspending_switchers()));
    const bool by_deadline = GENERATE(false, true);
    temporary_directory directory;
    open_file dir(directory.path(), O_RDONLY | O_DIRECTORY);
    const std::string contents = some_bytes(20000);
    const std::size_t before = open_descriptors();
    std::size_t whole = 0, none = 0;
    for (int after = 0; after < 12; after++) {
        CAPTURE(after, by_deadline);
        executor executor;
        const steps_owner steps;
        task creator(switcher, {task::made_again([&](tacet_task* self) {
                         return tacet_file_create_durable(self, &dir.file, "file", 0600, contents.data(),
                                                          contents.size(), 0, steps);
                     })});
        creator.attach(executor);
        for (int items = 0; items < after && !tacet_task_has_exited(creator); items++)
            CHECK(tacet_executor_run(executor, 1, nullptr) >= 0);
        if (!tacet_task_has_exited(creator))
            CHECK((by_deadline ? tacet_task_set_deadline(creator, 1) : tacet_task_cancel(creator)) == 0);
        executor.run_until_idle();
        const tacet_result result = tacet_task_result(creator);
        if (std::filesystem::exists(directory / "file")) {
            whole++;
            CHECK(directory.read("file") == contents);
            CHECK((result == 20000 || result == -ECANCELED || result == -ETIME));
            std::filesystem::remove(directory / "file");
        } else {
            none++;
            CHECK(result == (by_deadline ? -ETIME : -ECANCELED));
        }
        CHECK(entries_of(directory.path()) == 0);
        dir.file.sync_error = 0;
    }
    CHECK(whole > 0);
    CHECK(none > 0);
    executor drained;
    CHECK(open_descriptors() >= before);
}

TEST_CASE("an executor that is destroyed amidst a call of several steps lets nobody use what is gone", "[steps]")
{
    const switcher_kind switcher = GENERATE(from_range(suspending_switchers()));
    temporary_directory directory;
    open_file dir(directory.path(), O_RDONLY | O_DIRECTORY);
    open_file file(directory / "file", O_RDWR | O_CREAT);
    const std::string contents = some_bytes(200000);
    const steps_owner steps;
    const call calls[] = {
        [&](tacet_task* t) { return tacet_file_write_durable(t, &file.file, contents.data(), 200000, 0, steps); },
        [&](tacet_task* t) {
            return tacet_file_create_durable(t, &dir.file, "made", 0600, contents.data(), 200000, 0, steps);
        },
        [&](tacet_task* t) { return tacet_file_copy(t, &file.file, 0, &file.file, 1 << 20, 1 << 20, steps); },
    };
    const std::size_t before = open_descriptors();
    for (const call& each : calls)
        for (int after = 0; after < 6; after++) {
            *steps.steps = {};
            {
                executor executor;
                task worker(switcher, {task::made_again(each)});
                worker.attach(executor);
                for (int items = 0; items < after && !tacet_task_has_exited(worker); items++)
                    CHECK(tacet_executor_run(executor, 1, nullptr) >= 0);
                CHECK(executor.destroy() == 0);
                CHECK(tacet_task_has_exited(worker));
            }
            if (steps->under_way && steps->file.fd > 0) /* the caller's, like any file of a task that was abandoned */
                ::close(steps->file.fd);
            std::filesystem::remove(directory / "made");
            CHECK(open_descriptors() == before);
        }
}

TEST_CASE("a copy has the bytes of the original, by whatever means", "[steps]")
{
    caller run(GENERATE(from_range(suspending_switchers())), GENERATE(from_range(kernel_rings())));
    temporary_directory directory;
    const std::string contents = some_bytes(300000);
    directory.write("from", contents);
    open_file from(directory / "from", O_RDONLY), to(directory / "to", O_RDWR | O_CREAT);
    const steps_owner steps;
    const auto copy = [&](const tacet_file& source, uint64_t at, const tacet_file& target, uint64_t to_offset,
                          uint64_t bytes) {
        return run(task::made_again(
            [&](tacet_task* self) { return tacet_file_copy(self, &source, at, &target, to_offset, bytes, steps); }));
    };
    CHECK(copy(from.file, 0, to.file, 0, UINT64_MAX) == 300000);
    CHECK((directory.read("to") == contents));
    CHECK(copy(from.file, 100, to.file, 200, 50) == 50);
    CHECK(directory.read("to") == contents.substr(0, 200) + contents.substr(100, 50) + contents.substr(250));
    CHECK(copy(from.file, 299990, to.file, 0, 100) == 10);
    CHECK(copy(from.file, 400000, to.file, 0, 100) == 0);
    CHECK(copy(to.file, 0, from.file, 0, 100) == -EBADF);
    CHECK(copy(from.file, UINT64_MAX, to.file, 0, 100) == -EINVAL);
    CHECK(copy(to.file, 0, to.file, 4096, 8192) == -EINVAL); /* they overlap */
    CHECK(copy(to.file, 0, to.file, 300000, 100) == 100);
    CHECK(copy(to.file, 10, to.file, 300100, UINT64_MAX) == 300090); /* not what it writes */
    CHECK(directory.read("to").size() == 600190);
    CHECK((directory.read("to").substr(300100) == directory.read("to").substr(10, 300090)));
    CHECK(copy(to.file, 0, to.file, 600189, UINT64_MAX) == -EINVAL);
    CHECK(copy(to.file, 700000, to.file, 0, UINT64_MAX) == 0);

    /* Files that say they are empty, and another file system. */
    const open_file generated("/proc/cpuinfo", O_RDONLY);
    REQUIRE(::ftruncate(to.file.fd, 0) == 0);
    CHECK(copy(generated.file, 0, to.file, 0, 1 << 24) > 0);
    CHECK(directory.read("to").find("processor") != std::string::npos);
    const int in_memory = ::open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (in_memory >= 0) {
        const tacet_file other = {in_memory, O_RDWR, 0};
        CHECK(copy(from.file, 0, other, 0, UINT64_MAX) == 300000);
        std::string back(300001, '\0');
        CHECK(::pread(in_memory, back.data(), back.size(), 0) == 300000);
        back.resize(300000);
        CHECK(back == contents);
        ::close(in_memory);
    }
}
