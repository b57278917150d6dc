/* Registered descriptors: what works with them works as with others, nothing stays open, and none is taken for another's. */
#include "support/support.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <liburing.h>
#include <linux/openat2.h>
#include <poll.h>
#include <random>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace support;

namespace {

constexpr open_how for_reading = {O_RDONLY, 0, 0};

tacet_executor_options with_places(unsigned count)
{
    tacet_executor_options options = {};
    options.ring_entries = 64;
    options.descriptors_max = count;
    return options;
}

tacet_file opened(const std::string& path, int flags = O_RDWR)
{
    const tacet_file file = {::open(path.c_str(), flags | O_CLOEXEC), static_cast<unsigned>(flags), 0};
    REQUIRE(file.fd >= 0);
    return file;
}

tacet_file registered(tacet_executor* executor, tacet_file file)
{
    REQUIRE(tacet_file_register(executor, &file) == 0);
    REQUIRE(tacet_descriptor_is_registered(file.fd));
    return file;
}

/* Whether the other end of the pipe is closed: nobody can write to it any more. */
bool is_at_end(const support::pipe& pipe)
{
    pollfd events = {pipe.fds[0], POLLIN, 0};
    return ::poll(&events, 1, 0) == 1 && events.revents & POLLHUP;
}

/* A pipe of which the end for writing is known to the executor only. */
struct registered_pipe : support::pipe {
    explicit registered_pipe(tacet_executor* executor)
    {
        file = registered(executor, writer());
        fds[1] = -1; /* closed, as a descriptor */
    }
    tacet_file file;
};

bool opens_registered(tacet_executor* executor)
{
    return tacet_executor_opens_registered(executor) == 0;
}

}

TEST_CASE("what is read and written by a registered descriptor is what others read and write", "[descriptors]")
{
    caller run(GENERATE(from_range(suspending_switchers())), GENERATE(from_range(kernel_rings())));
    const temporary_directory directory;
    directory.write("file", std::string(5000, '.'));
    std::string model(5000, '.');
    tacet_file file = registered(run, opened(directory / "file"));
    std::mt19937 random(5);
    for (int i = 0; i < 50; i++) {
        const std::size_t offset = random() % 4000, bytes = random() % 1000;
        std::string text(bytes, static_cast<char>('a' + i % 26)), found(bytes, '\0');
        model.replace(offset, bytes, text);
        CHECK(run([&](tacet_task* self) { return tacet_file_write(self, &file, text.data(), bytes, offset); }) ==
              static_cast<tacet_result>(bytes));
        CHECK(run([&](tacet_task* self) { return tacet_file_read(self, &file, found.data(), bytes, offset); }) ==
              static_cast<tacet_result>(bytes));
        CHECK(found == text);
    }
    CHECK(run([&](tacet_task* self) { return tacet_file_datasync(self, &file); }) == 0);
    CHECK(run([&](tacet_task* self) { return tacet_file_allocate(self, &file, 0, 5000, 1000); }) == 0);
    if (kernel_has(TACET_OPCODE_FTRUNCATE))
        CHECK(run([&](tacet_task* self) { return tacet_file_truncate(self, &file, 5000); }) == 0);
    CHECK(run([&](tacet_task* self) { return tacet_file_close(self, &file); }) == 0);
    CHECK(directory.read("file").substr(0, 5000) == model);
}

TEST_CASE("a file that moves to the table leaves the process's own, and is closed with its place", "[descriptors]")
{
    const executor executor(with_places(4)); /* two of them for this */
    const std::size_t open_before = open_descriptors();
    for (int i = 0; i < 10; i++) {
        registered_pipe one(executor), two(executor);
        CHECK(open_descriptors() == open_before + 2);
        support::pipe third;
        tacet_file file = third.writer();
        CHECK(tacet_file_register(executor, &file) == -ENFILE);
        CHECK(file.fd == third.fds[1]);
        for (registered_pipe* each : {&one, &two}) {
            CHECK(!is_at_end(*each));
            tacet_file_close_detached(executor, &each->file);
            CHECK(each->file.fd == -1);
        }
        REQUIRE(tacet_executor_run(executor, TACET_UNTIL_IDLE, nullptr) >= -ETIME);
        CHECK(is_at_end(one));
        CHECK(is_at_end(two));
    }
    CHECK(open_descriptors() == open_before);
}

TEST_CASE("a file is opened into the table, on every switcher", "[descriptors]")
{
    caller run(GENERATE(from_range(suspending_switchers())), GENERATE(from_range(kernel_rings())));
    if (!opens_registered(run))
        SKIP("this kernel finds no places");
    const temporary_directory directory;
    directory.write("file", "contents");
    const std::string path = directory / "file", missing = directory / "missing";
    const std::size_t open_before = open_descriptors();
    tacet_file file = {-1, 0, 0};
    char text[16] = {};
    const open_how inherited = {O_RDONLY | O_CLOEXEC, 0, 0};
    CHECK(run([&](tacet_task* self) {
              return tacet_file_open_registered(self, &file, nullptr, missing.c_str(), &for_reading);
          }) == -ENOENT);
    CHECK(run([&](tacet_task* self) {
              return tacet_file_open_registered(self, &file, nullptr, path.c_str(), &inherited);
          }) == -EINVAL);
    CHECK(run([&](tacet_task* self) {
              return tacet_file_open_registered(self, nullptr, nullptr, path.c_str(), &for_reading);
          }) == -EINVAL);
    for (int i = 0; i < 3; i++) {
        CHECK(run([&](tacet_task* self) {
                  return tacet_file_open_registered(self, &file, nullptr, path.c_str(), &for_reading);
              }) == 0);
        CHECK(tacet_descriptor_is_registered(file.fd));
        CHECK(open_descriptors() == open_before);
        CHECK(run([&](tacet_task* self) { return tacet_file_read(self, &file, text, sizeof text, 0); }) == 8);
        CHECK(std::string(text) == "contents");
        const int fd = file.fd;
        CHECK(run([&](tacet_task* self) { return tacet_file_close(self, &file); }) == 0);
        file.fd = fd;
        CHECK(run([&](tacet_task* self) { return tacet_file_read(self, &file, text, sizeof text, 0); }) == -EBADF);
        CHECK(run([&](tacet_task* self) { return tacet_file_close(self, &file); }) == -EBADF);
    }
}

TEST_CASE("no more files are opened into the table than there are places", "[descriptors]")
{
    const executor executor(with_places(4));
    if (!opens_registered(executor))
        SKIP("this kernel finds no places");
    const temporary_directory directory;
    directory.write("file", "contents");
    const std::string path = directory / "file";
    std::vector<tacet_result> results;
    std::vector<tacet_op> ops(3);
    const auto keep = [](tacet_op*) {};
    for (int round = 0; round < 3; round++) {
        for (tacet_op& op : ops) {
            REQUIRE(tacet_op_init_callback(&op, executor, keep, TACET_PRIORITY_NORMAL) == 0);
            REQUIRE(tacet_file_open_registered_start(&op, nullptr, nullptr, path.c_str(), &for_reading) == 0);
        }
        REQUIRE(tacet_executor_run(executor, TACET_UNTIL_IDLE, nullptr) == 3);
        int refused = 0;
        for (tacet_op& op : ops) {
            tacet_file file;
            refused += op.result == -ENFILE;
            if (tacet_file_from_fd(&file, static_cast<int>(op.result), O_RDONLY) == 0)
                tacet_file_close_detached(executor, &file);
        }
        CHECK(refused == 1);
        REQUIRE(tacet_executor_run(executor, TACET_UNTIL_IDLE, nullptr) >= -ETIME);
    }
}

TEST_CASE("bytes are spliced from and to registered descriptors", "[descriptors]")
{
    caller run(GENERATE(from_range(suspending_switchers())));
    const temporary_directory directory;
    directory.write("from", "0123456789");
    directory.write("to", "");
    const support::pipe between;
    const tacet_file from = registered(run, opened(directory / "from")), to = registered(run, opened(directory / "to"));
    const tacet_file reader = registered(run, {::dup(between.fds[0]), O_RDONLY, 0});
    const tacet_file writer = registered(run, {::dup(between.fds[1]), O_WRONLY, 0});
    CHECK(run([&](tacet_task* self) { return tacet_file_splice(self, &from, 2, &writer, UINT64_MAX, 5, 0); }) == 5);
    CHECK(run([&](tacet_task* self) { return tacet_file_splice(self, &reader, UINT64_MAX, &to, 0, 5, 0); }) == 5);
    CHECK(directory.read("to") == "23456");
}

TEST_CASE("sockets can be registered, too", "[descriptors]")
{
    caller run(GENERATE(from_range(suspending_switchers())));
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    tacet_file ours = registered(run, {ends[0], 0, 0});
    char text[8] = {};
    CHECK(run([&](tacet_task* self) { return tacet_socket_send(self, &ours, "hello", 5, 0); }) == 5);
    CHECK(::read(ends[1], text, sizeof text) == 5);
    REQUIRE(::write(ends[1], "you", 3) == 3);
    CHECK(run([&](tacet_task* self) { return tacet_poll(self, ours.fd, POLLIN); }) == POLLIN);
    CHECK(run([&](tacet_task* self) { return tacet_socket_receive(self, &ours, text, sizeof text, 0); }) == 3);
    CHECK(std::memcmp(text, "you", 3) == 0);
    CHECK(run([&](tacet_task* self) { return tacet_file_close(self, &ours); }) == 0);
    CHECK(::read(ends[1], text, sizeof text) == 0);
    ::close(ends[1]);
}

TEST_CASE("what is no operation of the ring's on an open file says that the descriptor is bad", "[descriptors]")
{
    caller run(GENERATE(from_range(suspending_switchers())));
    const temporary_directory directory;
    tacet_file file = registered(run, opened(directory.path(), O_RDONLY | O_DIRECTORY)), other = {-1, 0, 0};
    struct statx status;
    char text[64];
    const std::vector<call> calls = {
        [&](tacet_task* self) { return tacet_path_stat(self, &file, "", AT_EMPTY_PATH, STATX_SIZE, &status); },
        [&](tacet_task* self) { return tacet_path_stat(self, &file, "a", 0, STATX_SIZE, &status); },
        [&](tacet_task* self) { return tacet_file_open(self, &other, &file, "a", &for_reading); },
        [&](tacet_task* self) { return tacet_path_mkdir(self, &file, "a", 0700); },
        [&](tacet_task* self) { return tacet_path_unlink(self, &file, "a", 0); },
        [&](tacet_task* self) { return tacet_path_rename(self, &file, "a", &file, "b", 0); },
        [&](tacet_task* self) { return tacet_directory_read(self, &file, text, sizeof text); },
        [&](tacet_task* self) { return tacet_file_seek(self, &file, 0, SEEK_DATA); },
        [&](tacet_task* self) { return tacet_file_register(tacet_task_executor(self), &file); },
    };
    for (const call& each : calls)
        CHECK(run(each) == -EBADF);
}

TEST_CASE("without a ring, and for what is not open, a file stays what it was", "[descriptors]")
{
    tacet_executor_options options = {};
    const executor ringless(options), executor;
    const support::pipe pipe;
    tacet_file file = pipe.writer(), closed = {-1, 0, 0}, never = {1 << 20, 0, 0};
    CHECK(tacet_file_register(ringless, &file) == -ENOTSUP);
    CHECK(file.fd == pipe.fds[1]);
    CHECK(tacet_file_register(executor, &closed) == -EBADF);
    CHECK(tacet_file_register(executor, &never) == -EBADF);
    CHECK(tacet_file_register(nullptr, &file) == -EINVAL);
    CHECK(tacet_file_register(executor, nullptr) == -EINVAL);
    std::thread([&] { CHECK(tacet_file_register(executor, &file) == -EPERM); }).join();
    CHECK(tacet_executor_opens_registered(ringless) == -ENOTSUP);
    options.ring_entries = 8;
    options.descriptors_max = TACET_DESCRIPTORS_MAX + 1;
    char message[200] = "";
    options.message = message;
    options.message_bytes = sizeof message;
    tacet_executor* refused;
    CHECK(tacet_executor_create(&refused, &options) == -EINVAL);
    CHECK(std::string(message).find("descriptors") != std::string::npos);
}

TEST_CASE("another executor does not know it, but passes its close on", "[descriptors]")
{
    const executor owner;
    caller elsewhere(GENERATE(from_range(suspending_switchers())));
    registered_pipe ours(owner);
    support::pipe others; /* which gets the same place there */
    const tacet_file theirs = registered(elsewhere, {::dup(others.fds[1]), O_WRONLY, 0});
    CHECK(elsewhere([&](tacet_task* self) { return tacet_file_write(self, &ours.file, "x", 1, 0); }) == -EBADF);
    CHECK(elsewhere([&](tacet_task* self) {
              return tacet_file_splice(self, &ours.file, UINT64_MAX, &theirs, UINT64_MAX, 1, 0);
          }) == -EBADF);
    CHECK(elsewhere([&](tacet_task* self) { return tacet_file_close(self, &ours.file); }) == 0);
    CHECK(is_at_end(ours));
    CHECK(elsewhere([&](tacet_task* self) { return tacet_file_write(self, &theirs, "x", 1, 0); }) == 1);
}

TEST_CASE("other threads close it while its executor runs, is idle, or has gone", "[descriptors]")
{
    tacet_file late;
    support::pipe last;
    {
        const executor executor;
        for (int i = 0; i < 20; i++) {
            registered_pipe one(executor), two(executor);
            std::thread closing([&] {
                tacet_file_close_detached(executor, &one.file);
                tacet_file_close_detached(nullptr, &two.file);
            });
            while (!is_at_end(one) || !is_at_end(two)) {
                const timespec briefly = {0, 1000000};
                REQUIRE(tacet_executor_run(executor, TACET_UNTIL_STOPPED, &briefly) >= -ETIME);
            }
            closing.join();
        }
        late = registered(executor, {::dup(last.fds[1]), O_WRONLY, 0});
        last.close_writer();
        CHECK(!is_at_end(last));
    }
    CHECK(is_at_end(last)); /* it went with the executor */
    const executor another; /* which has a table, too */
    registered_pipe other(another);
    tacet_file_close_detached(nullptr, &late);
    REQUIRE(tacet_executor_run(another, TACET_UNTIL_IDLE, nullptr) >= -ETIME);
    CHECK(!is_at_end(other));
}

TEST_CASE("what is opened and not taken is closed: when the executor goes, when an op is released", "[descriptors]")
{
    const switcher_kind switcher = GENERATE(from_range(suspending_switchers()));
    const temporary_directory directory;
    REQUIRE(::mkfifo((directory / "fifo").c_str(), 0600) == 0);
    const std::string path = directory / "fifo";
    const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    const open_how for_writing = {O_WRONLY, 0, 0};
    const bool awaited = GENERATE(true, false);
    {
        executor executor;
        if (!opens_registered(executor))
            SKIP("this kernel finds no places");
        tacet_file file = {-1, 0, 0};
        tacet_op op = {};
        task task(switcher,
                  {[&](tacet_task* self) {
                       return awaited
                                  ? tacet_file_open_registered(self, &file, nullptr, path.c_str(), &for_writing)
                                  : tacet_file_open_registered_start(&op, self, nullptr, path.c_str(), &for_writing);
                   },
                   [](tacet_task* self) { return tacet_sleep(self, UINT64_MAX / 2); }});
        task.attach(executor);
        tacet_executor_stop(executor);
        const timespec at_once = {0, 0};
        REQUIRE(tacet_executor_run(executor, 1, &at_once) >= -ETIME);
        REQUIRE(executor.destroy() == 0);
    }
    char byte;
    CHECK(::read(reader, &byte, 1) == 0); /* nobody has it open for writing */
    ::close(reader);
}

TEST_CASE("the child of a fork has none of them, and its closes are nobody's", "[descriptors]")
{
    const executor executor;
    registered_pipe ours(executor);
    CHECK(in_child([&] {
              tacet_file_close_detached(executor, &ours.file);
              return tacet_file_register(executor, &ours.file) == -EPERM ? 0 : 1;
          }) == 0);
    CHECK(!is_at_end(ours));
    tacet_file_close_detached(executor, &ours.file);
    REQUIRE(tacet_executor_run(executor, TACET_UNTIL_IDLE, nullptr) >= -ETIME);
    CHECK(is_at_end(ours));
}

TEST_CASE("a table is no larger than the process may have descriptors", "[descriptors]")
{
    CHECK(in_child([] {
              const rlimit few = {16, 16};
              if (::setrlimit(RLIMIT_NOFILE, &few) != 0)
                  return 1;
              const executor executor;
              const support::pipe pipe;
              for (int i = 0; i < 8; i++) {
                  tacet_file file = {::dup(pipe.fds[1]), O_WRONLY, 0};
                  if (tacet_file_register(executor, &file) != 0)
                      return 2;
              }
              tacet_file one_more = pipe.writer();
              return tacet_file_register(executor, &one_more) == -ENFILE ? 0 : 3;
          }) == 0);
}

TEST_CASE("what opens registered ones counts among what is limited, until it has ended", "[descriptors]")
{
    tacet_executor_options options = with_places(0);
    options.worker_ops_max = 1;
    options.ops_max = GENERATE(0u, 1u);
    const executor executor(options);
    if (!opens_registered(executor))
        SKIP("this kernel finds no places");
    const temporary_directory directory;
    const open_how making = {O_WRONLY | O_CREAT | O_EXCL, 0600, 0};
    std::vector<tacet_op> ops(6);
    for (int round = 0; round < 2; round++) {
        for (std::size_t i = 0; i < ops.size(); i++) {
            const std::string path = directory / std::to_string(round * 100 + i);
            REQUIRE(tacet_op_init_callback(
                        &ops[i], executor, [](tacet_op*) {}, TACET_PRIORITY_NORMAL) == 0);
            REQUIRE(tacet_file_open_registered_start(&ops[i], nullptr, nullptr, path.c_str(), &making) == 0);
            REQUIRE(tacet_executor_run(executor, TACET_UNTIL_IDLE, nullptr) == 1);
            CHECK(tacet_descriptor_is_registered(static_cast<int>(ops[i].result)));
            CHECK(executor.stats().waiting == 0);
        }
    }
}

TEST_CASE("limits, and the order of writes, are for what waits by its own descriptor", "[descriptors]")
{
    tacet_executor_options options = with_places(0);
    options.worker_ops_max = 1;
    options.ordered_writes = true;
    const executor executor(options);
    const temporary_directory directory;
    directory.write("plain", "");
    directory.write("registered", "");
    const tacet_file plain = opened(directory / "plain");
    tacet_file file = registered(executor, opened(directory / "registered"));
    std::vector<tacet_op> ops(8);
    for (std::size_t i = 0; i < ops.size(); i++) {
        REQUIRE(tacet_op_init_callback(
                    &ops[i], executor, [](tacet_op*) {}, TACET_PRIORITY_NORMAL) == 0);
        const tacet_file* of = i % 2 == 0 ? &plain : &file;
        const bool writes = i < 4;
        REQUIRE((writes ? tacet_file_write_start(&ops[i], nullptr, of, "x", 1, i)
                        : tacet_file_sync_start(&ops[i], nullptr, of)) == 0);
    }
    REQUIRE(tacet_executor_run(executor, TACET_UNTIL_IDLE, nullptr) == 8);
    for (std::size_t i = 0; i < ops.size(); i++)
        CHECK(ops[i].result == (i < 4 ? 1 : 0));
    tacet_file_close_detached(executor, &file);
    ::close(plain.fd);
}
