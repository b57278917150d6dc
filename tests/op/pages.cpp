/* Advice, range syncs, splices, and the alignment of direct I/O, against the system calls that they stand for. */
#include "support/support.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <memory>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace support;

namespace {

const uint64_t own_position = UINT64_MAX;

tacet_result result_of(long r)
{
    return r < 0 ? -errno : r;
}

/* posix_fadvise() returns its error. */
tacet_result advised(int error)
{
    return -error;
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

std::string some_bytes(std::size_t count)
{
    std::string bytes;
    for (std::size_t i = 0; i < count; i++)
        bytes += static_cast<char>('a' + i * 7 % 26);
    return bytes;
}

std::string all_of(const support::pipe& pipe, std::size_t bytes)
{
    std::string read(bytes, '\0');
    const ssize_t count = ::read(pipe.fds[0], read.data(), bytes);
    return read.substr(0, count > 0 ? static_cast<std::size_t>(count) : 0);
}

}

TEST_CASE("advice and range syncs say what the system calls say", "[file]")
{
    caller run(GENERATE(from_range(suspending_switchers())), GENERATE(from_range(kernel_rings())));
    temporary_directory directory;
    directory.write("file", some_bytes(10000));
    const open_file regular(directory / "file", O_RDWR);
    support::pipe pipe;
    const tacet_file closed = {1 << 20, O_RDWR, 0}, in_pipe = pipe.writer();
    for (const tacet_file* file : {&regular.file, &closed, &in_pipe})
        for (const int value : {0, 2, 3, 4, 99})
            for (const off_t offset : {0, 5000}) {
                CAPTURE(file->fd, value, offset);
                const auto at = static_cast<uint64_t>(offset);
                CHECK(run([&](tacet_task* self) { return tacet_file_advise(self, file, at, 4096, value); }) ==
                      advised(::posix_fadvise(file->fd, offset, 4096, value)));
                const auto flags = static_cast<unsigned>(value);
                CHECK(run([&](tacet_task* self) { return tacet_file_sync_range(self, file, at, 0, flags); }) ==
                      result_of(::sync_file_range(file->fd, offset, 0, flags)));
            }
    CHECK(run([&](tacet_task* self) { return tacet_file_advise(self, nullptr, 0, 0, 0); }) == -EINVAL);
    CHECK(run([&](tacet_task* self) { return tacet_file_sync_range(self, nullptr, 0, 0, 0); }) == -EINVAL);
    const std::size_t too_long = std::size_t{1} << 31;
    CHECK(run([&](tacet_task* self) { return tacet_file_advise(self, &regular.file, 0, too_long, 0); }) == -EINVAL);
    CHECK(run([&](tacet_task* self) { return tacet_file_sync_range(self, &regular.file, 0, too_long, 0); }) == -EINVAL);
}

TEST_CASE("advice on memory drops private pages as madvise does", "[file]")
{
    caller run(GENERATE(from_range(suspending_switchers())));
    const std::size_t bytes = 1 << 16;
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    auto* first = static_cast<char*>(memory);
    *first = 'x';
    CHECK(run([&](tacet_task* self) { return tacet_memory_advise(self, memory, bytes, MADV_DONTNEED); }) == 0);
    CHECK(*first == 0);
    CHECK(run([&](tacet_task* self) { return tacet_memory_advise(self, first + 1, bytes, MADV_DONTNEED); }) == -EINVAL);
    CHECK(run([&](tacet_task* self) { return tacet_memory_advise(self, memory, bytes, 12345); }) == -EINVAL);
    ::munmap(memory, bytes);
    void* never_mapped = reinterpret_cast<void*>(::sysconf(_SC_PAGESIZE)); /* below vm.mmap_min_addr */
    CHECK(run([&](tacet_task* self) { return tacet_memory_advise(self, never_mapped, 1, MADV_WILLNEED); }) == -ENOMEM);
}

TEST_CASE("splice moves bytes from a file through a pipe into another, at offsets and at own positions", "[file]")
{
    caller run(GENERATE(from_range(suspending_switchers())), GENERATE(from_range(kernel_rings())));
    temporary_directory directory;
    const std::string contents = some_bytes(20000);
    directory.write("from", contents);
    const open_file from(directory / "from", O_RDONLY), to(directory / "to", O_RDWR | O_CREAT);
    support::pipe pipe;
    const tacet_file in = pipe.writer(), out = pipe.reader();
    const auto move = [&](uint64_t from_offset, uint64_t to_offset, std::size_t bytes) {
        const tacet_result filled = run([&](tacet_task* self) {
            return tacet_file_splice(self, &from.file, from_offset, &in, own_position, bytes, 0);
        });
        const tacet_result emptied = run([&](tacet_task* self) {
            return tacet_file_splice(self, &out, own_position, &to.file, to_offset, bytes, 0);
        });
        CHECK(emptied == filled);
        return emptied;
    };
    CHECK(move(100, 0, 1000) == 1000);
    CHECK(directory.read("to") == contents.substr(100, 1000));
    CHECK(move(own_position, 1000, 500) == 500);
    CHECK(move(own_position, 1500, 500) == 500);
    CHECK(directory.read("to") == contents.substr(100, 1000) + contents.substr(0, 1000));
    CHECK(move(19990, 0, 1000) == 10);
    CHECK(run([&](tacet_task* self) { return tacet_file_splice(self, &from.file, 20000, &in, own_position, 10, 0); }) ==
          0);
}

TEST_CASE("a splice that cannot be says what the system call says", "[file]")
{
    caller run(GENERATE(from_range(suspending_switchers())));
    temporary_directory directory;
    directory.write("file", "contents");
    const open_file file(directory / "file", O_RDWR);
    support::pipe pipe;
    const tacet_file in = pipe.writer(), out = pipe.reader(), closed = {1 << 20, O_RDWR, 0};
    using splice = std::function<tacet_result(tacet_task*)>;
    const splice neither = [&](tacet_task* t) { return tacet_file_splice(t, &file.file, 0, &file.file, 0, 4, 0); };
    const splice offset = [&](tacet_task* t) { return tacet_file_splice(t, &file.file, 0, &in, 0, 4, 0); };
    const splice bad = [&](tacet_task* t) { return tacet_file_splice(t, &closed, 0, &in, own_position, 4, 0); };
    const splice null = [&](tacet_task* t) { return tacet_file_splice(t, &file.file, 0, nullptr, own_position, 4, 0); };
    const splice same = [&](tacet_task* t) {
        return tacet_file_splice(t, &out, own_position, &in, own_position, 4, 0);
    };
    const splice tee = [&](tacet_task* t) { return tacet_file_tee(t, &file.file, &in, 4, 0); };
    CHECK(run(neither) == -EINVAL);
    CHECK(run(offset) == -ESPIPE);
    CHECK(run(bad) == -EBADF);
    CHECK(run(null) == -EINVAL);
    CHECK(run(same) == -EINVAL);
    CHECK(run(tee) == -EINVAL);
}

TEST_CASE("tee copies what stays in the first pipe", "[file]")
{
    caller run(GENERATE(from_range(suspending_switchers())), GENERATE(from_range(kernel_rings())));
    support::pipe first, second;
    first.write("to be seen twice");
    const tacet_file from = first.reader(), to = second.writer();
    CHECK(run([&](tacet_task* self) { return tacet_file_tee(self, &from, &to, 5, 0); }) == 5);
    CHECK(all_of(second, 100) == "to be");
    CHECK(all_of(first, 100) == "to be seen twice");
    first.close_writer();
    CHECK(run([&](tacet_task* self) { return tacet_file_tee(self, &from, &to, 5, 0); }) == 0);
}

TEST_CASE("a splice from an empty pipe waits, and can be cancelled", "[file]")
{
    support::pipe pipe, other;
    const tacet_file from = pipe.reader(), to = other.writer();
    const switcher_kind switcher = GENERATE(from_range(suspending_switchers()));
    executor executor(GENERATE(from_range(kernel_rings())));
    task splices(switcher, {[&](tacet_task* self) {
                     return tacet_file_splice(self, &from, own_position, &to, own_position, 100, 0);
                 }});
    splices.attach(executor);
    for (int round = 0; round < 10; round++) {
        const timespec at_once = {0, 0};
        CHECK(tacet_executor_run(executor, TACET_UNTIL_IDLE, &at_once) >= -ETIME);
    }
    CHECK_FALSE(tacet_task_has_exited(splices));
    SECTION("by bytes that come")
    {
        pipe.write("late");
        CHECK(executor.run_until_idle() >= 1);
        CHECK(tacet_task_result(splices) == 4);
        CHECK(all_of(other, 100) == "late");
    }
    SECTION("by a cancel, which leaves the pipe alone")
    {
        CHECK(tacet_task_cancel(splices) == 0);
        CHECK(executor.run_until_idle() >= 1);
        const tacet_result result = tacet_task_result(splices);
        CAPTURE(result);
        CHECK((result == -ECANCELED || result == -EINTR));
        pipe.write("kept");
        CHECK(all_of(pipe, 100) == "kept");
    }
    SECTION("by the end of the executor")
    {
        CHECK(executor.destroy() == 0);
        CHECK(tacet_task_has_exited(splices));
    }
}

TEST_CASE("direct I/O works with the alignment that the kernel tells", "[file]")
{
    caller run(GENERATE(from_range(suspending_switchers())));
    temporary_directory directory;
    directory.write("file", some_bytes(1 << 16));
    const int fd = ::open((directory / "file").c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
    if (fd < 0)
        SKIP("this file system has no O_DIRECT");
    const tacet_file file = {fd, O_RDWR | O_DIRECT, 0};
    struct statx status = {};
    CHECK(run([&](tacet_task* self) {
              return tacet_path_stat(self, &file, "", AT_EMPTY_PATH, TACET_STATX_DIOALIGN, &status);
          }) == 0);
    const tacet_direct_alignment alignment = tacet_direct_alignment_of(&status);
    REQUIRE(alignment.memory > 0);
    REQUIRE(alignment.offset > 0);
    CHECK((alignment.memory & (alignment.memory - 1)) == 0);
    CHECK((alignment.offset & (alignment.offset - 1)) == 0);
    const std::size_t bytes = 2 * std::size_t{alignment.offset};
    const std::size_t place = std::max<std::size_t>(alignment.memory, sizeof(void*));
    const std::unique_ptr<void, decltype(&::free)> buffer(::aligned_alloc(place, (bytes + place - 1) / place * place),
                                                          ::free);
    REQUIRE(buffer != nullptr);
    CHECK(run([&](tacet_task* self) { return tacet_file_read(self, &file, buffer.get(), bytes, alignment.offset); }) ==
          static_cast<tacet_result>(bytes));
    CHECK(std::string(static_cast<char*>(buffer.get()), bytes) ==
          directory.read("file").substr(alignment.offset, bytes));
    ::close(fd);
}

TEST_CASE("without an answer of the kernel direct I/O is aligned to 4096", "[file]")
{
    struct statx status = {};
    CHECK(tacet_direct_alignment_of(&status).memory == 4096);
    CHECK(tacet_direct_alignment_of(&status).offset == 4096);
}
