/* Operations on open files, against the system calls that they stand for. */
#include "support/support.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

using namespace support;

namespace {

tacet_result result_of(long r)
{
    return r < 0 ? -errno : r;
}

/* The same file twice: ours is for the operations, theirs for the system calls. */
struct twins {
    explicit twins(int flags = O_RDWR)
    {
        directory.write("ours", "0123456789");
        directory.write("theirs", "0123456789");
        ours = {::open((directory / "ours").c_str(), flags | O_CLOEXEC), static_cast<unsigned>(flags), 0};
        theirs = ::open((directory / "theirs").c_str(), flags | O_CLOEXEC);
        REQUIRE(ours.fd >= 0);
    }
    ~twins()
    {
        ::close(ours.fd);
        ::close(theirs);
    }
    temporary_directory directory;
    tacet_file ours = {-1, 0, 0};
    int theirs = -1;
};

const uint64_t own_position = UINT64_MAX;

}

TEST_CASE("read and write do what pread and pwrite do", "[file]")
{
    caller run(GENERATE(from_range(suspending_switchers())), GENERATE(from_range(kernel_rings())));
    const int flags = GENERATE(O_RDWR, O_RDONLY, O_WRONLY, O_RDWR | O_APPEND);
    twins twins(flags);
    for (const std::size_t bytes : {0, 1, 10, 64})
        for (const int64_t offset : {0, 3, 10, 1000, -2}) {
            CAPTURE(flags, bytes, offset);
            if (offset < 0 && (flags & O_ACCMODE) != O_RDWR)
                continue; /* of two errors either may be told */
            char ours[64] = {}, theirs[64] = {};
            CHECK(run([&](tacet_task* self) {
                      return tacet_file_read(self, &twins.ours, ours, bytes, static_cast<uint64_t>(offset));
                  }) == result_of(::pread(twins.theirs, theirs, bytes, offset)));
            CHECK(std::equal(ours, ours + 64, theirs));
            const std::string data = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!?";
            CHECK(run([&](tacet_task* self) {
                      return tacet_file_write(self, &twins.ours, data.data(), bytes, static_cast<uint64_t>(offset));
                  }) == result_of(::pwrite(twins.theirs, data.data(), bytes, offset)));
            CHECK(twins.directory.read("ours") == twins.directory.read("theirs"));
        }
}

TEST_CASE("the vectored forms do what preadv and pwritev do", "[file]")
{
    caller run(GENERATE(from_range(suspending_switchers())));
    const int flags = GENERATE(O_RDWR, O_RDONLY, O_WRONLY);
    twins twins(flags);
    for (const std::size_t count : {0, 1, 3, 1024})
        for (const int64_t offset : {0, 7, -2}) {
            CAPTURE(flags, count, offset);
            if (offset < 0 && flags != O_RDWR)
                continue; /* of two errors either may be told */
            std::vector<char> ours(2048), theirs(2048);
            std::vector<iovec> into_ours, into_theirs;
            for (std::size_t i = 0; i < count; i++) {
                into_ours.push_back({&ours[2 * i], 1 + i % 2});
                into_theirs.push_back({&theirs[2 * i], 1 + i % 2});
            }
            const auto at = static_cast<uint64_t>(offset);
            const int vectors = static_cast<int>(count);
            CHECK(run([&](tacet_task* self) {
                      return tacet_file_readv(self, &twins.ours, into_ours.data(), count, at);
                  }) == result_of(::preadv(twins.theirs, into_theirs.data(), vectors, offset)));
            CHECK(ours == theirs);
            CHECK(run([&](tacet_task* self) {
                      return tacet_file_writev(self, &twins.ours, into_ours.data(), count, at);
                  }) == result_of(::pwritev(twins.theirs, into_theirs.data(), vectors, offset)));
            CHECK(twins.directory.read("ours") == twins.directory.read("theirs"));
        }
}

TEST_CASE("an offset of UINT64_MAX is the file's own position", "[file]")
{
    caller run(GENERATE(from_range(suspending_switchers())));
    twins twins;
    char buffer[4] = {};
    const iovec vector = {buffer, 4};
    CHECK(run([&](tacet_task* self) { return tacet_file_read(self, &twins.ours, buffer, 4, own_position); }) == 4);
    CHECK(std::string(buffer, 4) == "0123");
    CHECK(run([&](tacet_task* self) { return tacet_file_readv(self, &twins.ours, &vector, 1, own_position); }) == 4);
    CHECK(std::string(buffer, 4) == "4567");
    CHECK(run([&](tacet_task* self) { return tacet_file_read(self, &twins.ours, buffer, 4, own_position); }) == 2);
    CHECK(run([&](tacet_task* self) { return tacet_file_read(self, &twins.ours, buffer, 4, own_position); }) == 0);
    CHECK(run([&](tacet_task* self) { return tacet_file_write(self, &twins.ours, "ab", 2, own_position); }) == 2);
    CHECK(run([&](tacet_task* self) { return tacet_file_writev(self, &twins.ours, &vector, 1, own_position); }) == 4);
    CHECK(twins.directory.read("ours") == "0123456789ab8967");
    CHECK(run([&](tacet_task* self) { return tacet_file_seek(self, &twins.ours, 0, SEEK_CUR); }) == 16);
}

TEST_CASE("a length above INT_MAX is -EINVAL and nothing is started, INT_MAX is fine", "[file]")
{
    caller run(GENERATE(from_range(suspending_switchers())), GENERATE(from_range(kernel_rings())));
    const tacet_file null = {::open("/dev/null", O_RDWR | O_CLOEXEC), O_RDWR, 0};
    static char byte; /* not on the stack: INT_MAX bytes from there may reach the end of the address space */
    const std::size_t lengths[] = {std::size_t{INT_MAX} + 1, std::size_t{UINT_MAX}, std::size_t{UINT_MAX} + 2,
                                   SIZE_MAX};
    tacet_op op = {};
    for (const std::size_t bytes : lengths) {
        CAPTURE(bytes);
        CHECK(run([&](tacet_task* self) { return tacet_file_read(self, &null, &byte, bytes, 0); }) == -EINVAL);
        CHECK(run([&](tacet_task* self) { return tacet_file_write(self, &null, &byte, bytes, 0); }) == -EINVAL);
        CHECK(run([&](tacet_task* self) { return tacet_file_read_start(&op, self, &null, &byte, bytes, 0); }) ==
              -EINVAL);
        CHECK(run([&](tacet_task* self) { return tacet_file_write_start(&op, self, &null, &byte, bytes, 0); }) ==
              -EINVAL);
        CHECK(op.request.state == TACET_OP_IDLE);
    }
    CHECK(run([&](tacet_task* self) { return tacet_file_read(self, &null, &byte, INT_MAX, 0); }) == 0);
    ::close(null.fd);
}

TEST_CASE("more vectors than the kernel takes are -EINVAL", "[file]")
{
    caller run(GENERATE(from_range(suspending_switchers())));
    twins twins;
    char byte;
    const std::vector<iovec> vectors(TACET_VECTORS_MAX + 1, {&byte, 1});
    for (const std::size_t count : {vectors.size(), SIZE_MAX, std::size_t{1} << 32}) {
        CHECK(run([&](tacet_task* self) { return tacet_file_readv(self, &twins.ours, vectors.data(), count, 0); }) ==
              -EINVAL);
        CHECK(run([&](tacet_task* self) { return tacet_file_writev(self, &twins.ours, vectors.data(), count, 0); }) ==
              -EINVAL);
    }
}

TEST_CASE("bad descriptors, bad addresses and directories give the errors of the system calls", "[file]")
{
    caller run(GENERATE(from_range(suspending_switchers())));
    twins twins;
    const tacet_file closed = {1 << 20, O_RDWR, 0};
    tacet_file directory = {::open(twins.directory.path().c_str(), O_RDONLY | O_CLOEXEC), O_RDONLY, 0};
    char buffer[4];
    CHECK(run([&](tacet_task* self) { return tacet_file_read(self, &closed, buffer, 4, 0); }) == -EBADF);
    CHECK(run([&](tacet_task* self) { return tacet_file_write(self, &closed, buffer, 4, 0); }) == -EBADF);
    CHECK(run([&](tacet_task* self) { return tacet_file_read(self, &twins.ours, nullptr, 4, 0); }) == -EFAULT);
    CHECK(run([&](tacet_task* self) { return tacet_file_read(self, &directory, buffer, 4, 0); }) == -EISDIR);
    CHECK(run([&](tacet_task* self) { return tacet_poll(self, closed.fd, POLLIN); }) == -EBADF);
    CHECK(run([&](tacet_task* self) { return tacet_file_allocate(self, &closed, 0, 0, 1); }) == -EBADF);
    CHECK(run([&](tacet_task* self) { return tacet_file_truncate(self, &closed, 1); }) == -EBADF);
    ::close(directory.fd);
}

TEST_CASE("a NULL file is -EINVAL for every operation on files", "[file]")
{
    caller run(GENERATE(from_range(all_switchers())));
    tacet_op op = {};
    char byte;
    const iovec vector = {&byte, 1};
    const call calls[] = {
        [&](tacet_task* t) { return tacet_file_read_start(&op, t, nullptr, &byte, 1, 0); },
        [&](tacet_task* t) { return tacet_file_write_start(&op, t, nullptr, &byte, 1, 0); },
        [&](tacet_task* t) { return tacet_file_readv_start(&op, t, nullptr, &vector, 1, 0); },
        [&](tacet_task* t) { return tacet_file_writev_start(&op, t, nullptr, &vector, 1, 0); },
        [&](tacet_task* t) { return tacet_file_close_start(&op, t, nullptr); },
        [&](tacet_task* t) { return tacet_file_sync_start(&op, t, nullptr); },
        [&](tacet_task* t) { return tacet_file_datasync_start(&op, t, nullptr); },
        [&](tacet_task* t) { return tacet_file_allocate_start(&op, t, nullptr, 0, 0, 1); },
        [&](tacet_task* t) { return tacet_file_truncate_start(&op, t, nullptr, 1); },
        [&](tacet_task* t) { return tacet_file_open(t, nullptr, nullptr, "/", nullptr); },
        [&](tacet_task* t) { return tacet_file_seek(t, nullptr, 0, SEEK_SET); },
        [&](tacet_task* t) { return tacet_directory_read(t, nullptr, &byte, 1); },
        [&](tacet_task*) { return tacet_file_from_fd(nullptr, 0, 0); },
    };
    for (const call& each : calls)
        CHECK(run(each) == -EINVAL);
    CHECK(op.request.state == TACET_OP_IDLE);
}

TEST_CASE("fallocate does what the system call does", "[file]")
{
    caller run(GENERATE(from_range(suspending_switchers())), GENERATE(from_range(kernel_rings())));
    struct request {
        int mode;
        int64_t offset, bytes;
    };
    const request requests[] = {{0, 0, 100},
                                {FALLOC_FL_KEEP_SIZE, 0, 100000},
                                {FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 5},
                                {FALLOC_FL_PUNCH_HOLE, 0, 5},
                                {0, 0, 0},
                                {0, -1, 10},
                                {0, 5, INT64_MAX}};
    twins twins(GENERATE(O_RDWR, O_RDONLY));
    for (const request& each : requests) {
        CAPTURE(each.mode, each.offset, each.bytes);
        CHECK(run([&](tacet_task* self) {
                  return tacet_file_allocate(self, &twins.ours, each.mode, static_cast<uint64_t>(each.offset),
                                             static_cast<uint64_t>(each.bytes));
              }) == result_of(::fallocate(twins.theirs, each.mode, each.offset, each.bytes)));
        struct stat ours, theirs;
        REQUIRE(::fstat(twins.ours.fd, &ours) == 0);
        REQUIRE(::fstat(twins.theirs, &theirs) == 0);
        CHECK(ours.st_size == theirs.st_size);
        CHECK(ours.st_blocks == theirs.st_blocks);
        CHECK(twins.directory.read("ours") == twins.directory.read("theirs"));
    }
}

TEST_CASE("ftruncate does what the system call does, or is -EOPNOTSUPP where the kernel lacks it", "[file]")
{
    caller run(GENERATE(from_range(suspending_switchers())), GENERATE(from_range(kernel_rings())));
    const bool lacking = std::string(tacet_executor_config(run)).find("ftruncate") != std::string::npos;
    twins twins(GENERATE(O_RDWR, O_RDONLY));
    for (const int64_t bytes : {int64_t{5}, int64_t{50}, int64_t{0}, int64_t{-1}, INT64_MIN}) {
        CAPTURE(bytes);
        const tacet_result ours = run(
            [&](tacet_task* self) { return tacet_file_truncate(self, &twins.ours, static_cast<uint64_t>(bytes)); });
        CHECK(ours == (lacking ? -EOPNOTSUPP : result_of(::ftruncate(twins.theirs, bytes))));
        CHECK(twins.directory.read("ours") == twins.directory.read("theirs"));
    }
}

TEST_CASE("syncs succeed on a file", "[file]")
{
    caller run(GENERATE(from_range(suspending_switchers())), GENERATE(from_range(kernel_rings())));
    twins twins;
    CHECK(run([&](tacet_task* self) { return tacet_file_sync(self, &twins.ours); }) == 0);
    CHECK(run([&](tacet_task* self) { return tacet_file_datasync(self, &twins.ours); }) == 0);
    CHECK(twins.ours.sync_error == 0);
}

TEST_CASE("a sync that failed stays failed, for every later sync of the file", "[file]")
{
    caller run(GENERATE(from_range(suspending_switchers())));
    const bool data = GENERATE(false, true);
    support::pipe pipe; /* what cannot be synced */
    tacet_file file = pipe.writer();
    const auto sync = [&](tacet_task* self) {
        return data ? tacet_file_datasync(self, &file) : tacet_file_sync(self, &file);
    };
    CHECK(run(sync) == -EINVAL);
    CHECK(file.sync_error == -EINVAL);
    twins twins;
    file.fd = twins.ours.fd; /* even if it would succeed now */
    CHECK(run(sync) == -EINVAL);
    CHECK(run([&](tacet_task* self) { return tacet_file_sync(self, &file); }) == -EINVAL);
    CHECK(run([&](tacet_task* self) { return tacet_file_datasync(self, &file); }) == -EINVAL);
    tacet_op op = {};
    CHECK(run([&](tacet_task* self) { return tacet_file_sync_start(&op, self, &file); }) == -EINVAL);
    CHECK(op.request.state == TACET_OP_IDLE);
}

TEST_CASE("a sync that was not tried has not failed", "[file]")
{
    twins twins;
    const tacet_result refused = GENERATE(-ECANCELED, -ENOTSUP);
    caller run(refused == -ENOTSUP ? all_switchers().back() : GENERATE(from_range(suspending_switchers())));
    const auto sync = [&](tacet_task* self) {
        if (refused == -ECANCELED)
            tacet_task_cancel(self);
        return tacet_file_sync(self, &twins.ours);
    };
    CHECK(run(sync) == refused);
    CHECK(twins.ours.sync_error == 0);
}

TEST_CASE("a close closes, whatever it says, and the file is closed from its start on", "[file]")
{
    caller run(GENERATE(from_range(suspending_switchers())), GENERATE(from_range(kernel_rings())));
    twins twins;
    tacet_file file = {::dup(twins.ours.fd), O_RDWR, 0};
    const int fd = file.fd;
    CHECK(run([&](tacet_task* self) {
              const tacet_result r = tacet_file_close(self, &file);
              CHECK(file.fd == -1);
              return r;
          }) == 0);
    CHECK(::fcntl(fd, F_GETFD) < 0);
    CHECK(run([&](tacet_task* self) { return tacet_file_close(self, &file); }) == -EBADF);
    file.fd = 1 << 20;
    CHECK(run([&](tacet_task* self) { return tacet_file_close(self, &file); }) == -EBADF);
    CHECK(file.fd == -1);
}

TEST_CASE("a detached close closes: through the ring, with the ring full, without executor or ring", "[file]")
{
    twins twins;
    const auto fresh = [&] { return tacet_file{::dup(twins.ours.fd), O_RDWR, 0}; };
    const auto is_open = [](int fd) { return ::fcntl(fd, F_GETFD) >= 0; };
    SECTION("through the ring")
    {
        executor executor(GENERATE(from_range(kernel_rings())));
        tacet_file file = fresh();
        const int fd = file.fd;
        tacet_file_close_detached(executor, &file);
        CHECK(file.fd == -1);
        CHECK(executor.stats().in_flight == 1);
        CHECK(executor.run_until_idle() == 0);
        CHECK_FALSE(is_open(fd));
    }
    SECTION("when the executor is destroyed")
    {
        tacet_file file = fresh();
        const int fd = file.fd;
        {
            executor executor(GENERATE(from_range(kernel_rings())));
            tacet_file_close_detached(executor, &file);
        }
        CHECK_FALSE(is_open(fd));
    }
    SECTION("with the ring full")
    {
        executor full({"io_uring of 1", 1, 0});
        tacet_op nop = {};
        REQUIRE(tacet_op_init_callback(
                    &nop, full, [](tacet_op*) {}, TACET_PRIORITY_LOW) == 0);
        REQUIRE(tacet_nop_start(&nop, nullptr) == 0);
        tacet_file file = fresh();
        const int fd = file.fd;
        tacet_file_close_detached(full, &file);
        CHECK(file.fd == -1);
        CHECK(full.run_until_idle() == 1);
        CHECK_FALSE(is_open(fd));
    }
    SECTION("without executor or ring")
    {
        executor ringless({"no ring", 0, 0});
        for (tacet_executor* executor :
             {static_cast<tacet_executor*>(ringless), static_cast<tacet_executor*>(nullptr)}) {
            tacet_file file = fresh();
            const int fd = file.fd;
            tacet_file_close_detached(executor, &file);
            CHECK(file.fd == -1);
            CHECK_FALSE(is_open(fd));
        }
    }
    SECTION("and does nothing to a closed file")
    {
        executor executor;
        tacet_file file = {-1, 0, 0};
        tacet_file_close_detached(executor, &file);
        CHECK(executor.stats().in_flight == 0);
    }
}

TEST_CASE("a file is made of an open descriptor, not of a negative one", "[file]")
{
    tacet_file file = {7, 7, -EIO};
    CHECK(tacet_file_from_fd(&file, -1, 0) == -EBADF);
    CHECK(tacet_file_from_fd(&file, 3, O_WRONLY) == 0);
    CHECK(file.fd == 3);
    CHECK(file.flags == O_WRONLY);
    CHECK(file.sync_error == 0);
}

TEST_CASE("poll tells the events that are there", "[file]")
{
    caller run(GENERATE(from_range(suspending_switchers())), GENERATE(from_range(kernel_rings())));
    support::pipe pipe;
    pipe.write("x");
    const auto poll = [&](int fd, short events) {
        pollfd theirs = {fd, events, 0};
        CHECK(::poll(&theirs, 1, 0) == 1);
        const tacet_result ours = run(
            [&](tacet_task* self) { return tacet_poll(self, fd, static_cast<unsigned>(events)); });
        CHECK(ours == theirs.revents);
        return ours;
    };
    CHECK(poll(pipe.fds[0], POLLIN | POLLPRI) == POLLIN);
    CHECK(poll(pipe.fds[1], POLLOUT) == POLLOUT);
    pipe.close_writer();
    CHECK((poll(pipe.fds[0], POLLIN) & POLLHUP) != 0);
}

TEST_CASE("poll waits until there is something", "[file]")
{
    executor executor(GENERATE(from_range(kernel_rings())));
    support::pipe pipe;
    task polls(GENERATE(from_range(suspending_switchers())),
               {[&](tacet_task* self) { return tacet_poll(self, pipe.fds[0], POLLIN); }});
    task writes(suspending_switchers()[0], {[](tacet_task* self) { return tacet_sleep(self, 1000000); },
                                            [&](tacet_task*) -> tacet_result {
                                                CHECK_FALSE(tacet_task_has_exited(polls));
                                                pipe.write("x");
                                                return 0;
                                            }});
    polls.attach(executor);
    writes.attach(executor);
    CHECK(executor.run_until_idle() == 4);
    CHECK(tacet_task_result(polls) == POLLIN);
}

TEST_CASE("seek finds data and holes as lseek does", "[file]")
{
    caller run(GENERATE(from_range(all_switchers())));
    twins twins;
    for (const int fd : {twins.ours.fd, twins.theirs})
        REQUIRE(::pwrite(fd, "end", 3, 1 << 20) == 3);
    for (const int whence : {SEEK_DATA, SEEK_HOLE, SEEK_SET, SEEK_CUR, SEEK_END, 77})
        for (const int64_t offset : {0, 100, 1 << 16, (1 << 20) + 3, 1 << 24, -5}) {
            CAPTURE(whence, offset);
            CHECK(run([&](tacet_task* self) { return tacet_file_seek(self, &twins.ours, offset, whence); }) ==
                  result_of(::lseek(twins.theirs, offset, whence)));
        }
}
