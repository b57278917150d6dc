// Each operation on files and paths: its value, what its error says, its as_result() form; and the life of a file.
#include "support.hpp"

#include <climits>
#include <thread>

#include <poll.h>
#include <sys/mman.h>

using namespace tests;

namespace {

// What an operation threw, awaited in a task of its own. `make` gives the operation.
template <class Make>
failure failed(Make make)
{
    tacet::executor executor;
    auto awaiting = [&]() -> tacet::task<> { (void)co_await make(); };
    return failure_of([&] { executor.run(awaiting()); });
}

// The error of its as_result() form.
template <class Make>
std::error_code result_error(Make make)
{
    tacet::executor executor;
    auto awaiting = [&]() -> tacet::task<std::error_code> {
        auto result = co_await tacet::as_result(make());
        co_return result.error();
    };
    return executor.run(awaiting());
}

template <class Make>
void check_failure(Make make, std::errc expected, const std::string& what)
{
    const failure thrown = failed(make);
    CHECK(thrown.code == expected);
    CHECK(thrown.what == what + ": " + message_of(expected));
    CHECK(result_error(make) == expected);
}

// Since Linux 6.9.
bool ring_truncates()
{
    const tacet::executor executor;
    return executor.config().find(" ftruncate") == std::string_view::npos &&
           executor.config().find("=ftruncate") == std::string_view::npos;
}

std::string quoted(const std::string& path)
{
    return '"' + path + '"';
}

tacet::task<std::string> content_of(std::string path)
{
    tacet::file in = co_await tacet::open(path, O_RDONLY);
    std::string text, buffer(7, '\0');
    while (const std::size_t n = co_await in.read(bytes_of(buffer), text.size()))
        text.append(buffer, 0, n);
    co_return text;
}

}

TEST_CASE("what is written is read back", "[cxx][file]")
{
    const scratch folder;
    tacet::executor executor;
    const std::string text = "twenty-four bytes of text";
    auto working = [&]() -> tacet::task<std::string> {
        tacet::file out = co_await tacet::open(folder / "a", O_WRONLY | O_CREAT | O_EXCL, 0600);
        const std::size_t written = co_await out.write(bytes_of(text), 0);
        CHECK(written == text.size());
        co_await out.sync();
        co_await out.datasync();
        co_await out.close();
        CHECK_FALSE(out);
        std::string back = co_await content_of(folder / "a");
        co_return back;
    };
    CHECK(executor.run(working()) == text);
    CHECK((std::filesystem::status(folder / "a").permissions() & std::filesystem::perms::mask) ==
          (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
}

TEST_CASE("without an offset a file is read and written at its own position", "[cxx][file]")
{
    const scratch folder;
    const std::string path = folder.make("a", "0123456789");
    tacet::executor executor;
    auto working = [&]() -> tacet::task<> {
        tacet::file both = co_await tacet::open(path, O_RDWR);
        std::string buffer(4, '\0');
        const std::size_t first = co_await both.read(bytes_of(buffer));
        CHECK(first == 4);
        CHECK(buffer == "0123");
        const std::string letters = "ab";
        (void)co_await both.write(bytes_of(letters));
        const std::size_t second = co_await both.read(bytes_of(buffer));
        CHECK(second == 4);
        CHECK(buffer == "6789");
        const std::size_t end = co_await both.read(bytes_of(buffer));
        CHECK(end == 0);
    };
    executor.run(working());
    CHECK(executor.run(content_of(path)) == "0123ab6789");
}

TEST_CASE("vectors are read and written in their order", "[cxx][file]")
{
    const scratch folder;
    tacet::executor executor;
    auto working = [&]() -> tacet::task<> {
        tacet::file both = co_await tacet::open(folder / "v", O_RDWR | O_CREAT, 0600);
        std::string one = "one", two = "-two-", three(3, '\0'), five(5, '\0');
        const std::vector<iovec> from = {{one.data(), 3}, {two.data(), 5}};
        const std::size_t written = co_await both.writev(from, 2);
        CHECK(written == 8);
        const std::vector<iovec> into = {{five.data(), 5}, {three.data(), 3}};
        const std::size_t read = co_await both.readv(into, 2);
        CHECK(read == 8);
        CHECK(five == "one-t");
        CHECK(three == "wo-");
    };
    executor.run(working());
    CHECK(executor.run(content_of(folder / "v")).size() == 10);
}

TEST_CASE("allocate, truncate and stat agree on the size", "[cxx][file]")
{
    const scratch folder;
    tacet::executor executor;
    auto working = [&]() -> tacet::task<> {
        tacet::file out = co_await tacet::open(folder / "a", O_RDWR | O_CREAT, 0600);
        const tacet::result<void> allocated = co_await tacet::as_result(out.allocate(0, 0, 10'000));
        struct statx status = co_await out.stat();
        if (allocated.has_value())
            CHECK(status.stx_size == 10'000);
        else // not every file system can
            CHECK(allocated.error() == std::errc::operation_not_supported);
        if (!ring_truncates())
            co_return;
        co_await out.truncate(123);
        status = co_await tacet::stat(folder / "a");
        CHECK(status.stx_size == 123);
        CHECK(S_ISREG(status.stx_mode));
    };
    executor.run(working());
}

TEST_CASE("paths are made, linked, renamed and unlinked", "[cxx][file]")
{
    const scratch folder;
    folder.make("a", "text");
    tacet::executor executor;
    auto working = [&]() -> tacet::task<> {
        co_await tacet::mkdir(folder / "d", 0750);
        tacet::file dir = co_await tacet::open(folder / "d", O_DIRECTORY | O_PATH);
        co_await tacet::link(folder / "a", tacet::at(dir, "hard"));
        co_await tacet::symlink("hard", tacet::at(dir, "soft"));
        const std::string target = co_await tacet::readlink(tacet::at(dir, "soft"));
        CHECK(target == "hard");
        co_await tacet::rename(tacet::at(dir, "soft"), tacet::at(dir, "softer"));
        const struct statx link = co_await tacet::stat(tacet::at(dir, "softer"), AT_SYMLINK_NOFOLLOW);
        CHECK(S_ISLNK(link.stx_mode));
        const struct statx hard = co_await tacet::stat(tacet::at(dir, "softer"));
        CHECK(hard.stx_nlink == 2);
        co_await tacet::unlink(tacet::at(dir, "softer"));
        co_await tacet::unlink(tacet::at(dir, "hard"));
        co_await tacet::unlink(folder / "d", AT_REMOVEDIR);
        const struct statx self = co_await tacet::stat(folder.root(), 0);
        CHECK(S_ISDIR(self.stx_mode));
    };
    executor.run(working());
    CHECK_FALSE(std::filesystem::exists(folder / "d"));
    CHECK(executor.run(content_of(folder / "a")) == "text");
}

TEST_CASE("modes, owners and times are set by path and on the open file", "[cxx][file]")
{
    const scratch folder;
    const std::string path = folder.make("a", "");
    tacet::executor executor;
    auto working = [&]() -> tacet::task<> {
        tacet::file itself = co_await tacet::open(path, O_RDWR);
        co_await tacet::chmod(path, 0640);
        struct statx status = co_await itself.stat();
        CHECK((status.stx_mode & 07777) == 0640);
        co_await tacet::chmod(tacet::at(itself), 0604);
        co_await tacet::chown(path, ::getuid(), ::getgid());
        co_await tacet::chown(tacet::at(itself), ::getuid(), ::getgid());
        co_await tacet::set_times(path, timespec{1, 2}, timespec{3, 4});
        status = co_await itself.stat();
        CHECK((status.stx_mode & 07777) == 0604);
        CHECK(status.stx_atime.tv_sec == 1);
        CHECK(status.stx_atime.tv_nsec == 2);
        CHECK(status.stx_mtime.tv_sec == 3);
        co_await tacet::set_times(tacet::at(itself), timespec{5, 0}, timespec{6, 7});
        status = co_await itself.stat(STATX_MTIME);
        CHECK(status.stx_mtime.tv_sec == 6);
        CHECK(status.stx_mtime.tv_nsec == 7);
    };
    executor.run(working());
}

TEST_CASE("holes are found by seek, and directories read in whole records", "[cxx][file]")
{
    const scratch folder;
    folder.make("entry", "");
    tacet::executor executor;
    auto working = [&]() -> tacet::task<> {
        tacet::file sparse = co_await tacet::open(folder / "sparse", O_RDWR | O_CREAT, 0600);
        const std::string text = "data";
        (void)co_await sparse.write(bytes_of(text), 1 << 20);
        const std::uint64_t hole = co_await sparse.seek(0, SEEK_HOLE);
        const std::uint64_t data = co_await sparse.seek(0, SEEK_DATA);
        CHECK(hole <= data);
        CHECK(data <= 1 << 20);
        const auto behind = co_await tacet::as_result(sparse.seek(2 << 20, SEEK_DATA));
        CHECK(behind.error() == std::errc::no_such_device_or_address);
        tacet::file dir = co_await tacet::open(folder.root(), O_RDONLY | O_DIRECTORY);
        std::string records(4096, '\0');
        std::string all;
        while (const std::size_t n = co_await dir.read_directory(bytes_of(records)))
            all.append(records, 0, n);
        CHECK(all.find("entry") != std::string::npos);
        CHECK(all.find("sparse") != std::string::npos);
    };
    executor.run(working());
}

TEST_CASE("readlink gives targets of any length whole", "[cxx][file]")
{
    const scratch folder;
    tacet::executor executor;
    for (const std::size_t length : {1, 255, 256, 257, 511, 512, 1000}) {
        const std::string target(length, 'x');
        auto working = [&]() -> tacet::task<std::string> {
            co_await tacet::symlink(target, folder / "link");
            std::string read = co_await tacet::readlink(folder / "link");
            co_await tacet::unlink(folder / "link");
            co_return read;
        };
        CHECK(executor.run(working()) == target);
    }
}

TEST_CASE("poll gives the events that are there", "[cxx][file]")
{
    const pipe_ends pipe;
    tacet::executor executor;
    auto polling = [&](int fd, unsigned events) -> tacet::task<unsigned> {
        const unsigned found = co_await tacet::poll(fd, events);
        co_return found;
    };
    CHECK(executor.run(polling(pipe.writer(), POLLOUT)) == POLLOUT);
    tacet::join_handle<unsigned> reader = executor.spawn(polling(pipe.reader(), POLLIN));
    let_settle(executor);
    CHECK_FALSE(reader.has_exited());
    REQUIRE(::write(pipe.writer(), "x", 1) == 1);
    executor.run_until_idle();
    CHECK(reader.take() == POLLIN);
    check_failure([] { return tacet::poll(-1, POLLIN); }, std::errc::bad_file_descriptor, "poll -1");
}

TEST_CASE("errors of path operations name the operation and its paths", "[cxx][file]")
{
    const scratch folder;
    const std::string absent = folder / "absent", there = folder.make("there", ""), below = absent + "/x";
    using enum std::errc;
    check_failure([&] { return tacet::open(absent, O_RDONLY); }, no_such_file_or_directory, "open " + quoted(absent));
    check_failure([&] { return tacet::open(there, O_WRONLY | O_CREAT | O_EXCL, 0600); }, file_exists,
                  "open " + quoted(there));
    check_failure([&] { return tacet::open(there, O_RDONLY | O_DIRECTORY); }, not_a_directory, "open " + quoted(there));
    check_failure([&] { return tacet::stat(absent); }, no_such_file_or_directory, "stat " + quoted(absent));
    check_failure([&] { return tacet::rename(absent, there); }, no_such_file_or_directory,
                  "rename " + quoted(absent) + " to " + quoted(there));
    check_failure([&] { return tacet::unlink(absent); }, no_such_file_or_directory, "unlink " + quoted(absent));
    check_failure([&] { return tacet::unlink(there, AT_REMOVEDIR); }, not_a_directory, "unlink " + quoted(there));
    check_failure([&] { return tacet::mkdir(there); }, file_exists, "mkdir " + quoted(there));
    check_failure([&] { return tacet::symlink("x", there); }, file_exists, "symlink " + quoted(there));
    check_failure([&] { return tacet::link(absent, below); }, no_such_file_or_directory,
                  "link " + quoted(absent) + " to " + quoted(below));
    check_failure([&] { return tacet::readlink(there); }, invalid_argument, "readlink " + quoted(there));
    check_failure([&] { return tacet::chmod(absent, 0600); }, no_such_file_or_directory, "chmod " + quoted(absent));
    check_failure([&] { return tacet::chown(absent, 0, 0); }, no_such_file_or_directory, "chown " + quoted(absent));
    check_failure([&] { return tacet::set_times(absent, timespec{}, timespec{}); }, no_such_file_or_directory,
                  "set times of " + quoted(absent));
}

TEST_CASE("errors of operations on an open file name the file", "[cxx][file]")
{
    const scratch folder;
    const std::string path = folder.make("a", "text");
    tacet::file reading(::open(path.c_str(), O_RDONLY | O_CLOEXEC), O_RDONLY, nullptr);
    tacet::file writing(::open(path.c_str(), O_WRONLY | O_CLOEXEC), O_WRONLY, nullptr);
    tacet::file in_no_folder(::memfd_create("no-folder", MFD_CLOEXEC), O_RDWR, nullptr);
    std::string buffer(8, 'x');
    std::vector<iovec> vectors = {{buffer.data(), buffer.size()}};
    using enum std::errc;
    const std::string name = quoted(path);
    const std::errc truncated = ring_truncates() ? invalid_argument : operation_not_supported;
    check_failure([&] { return writing.read(bytes_of(buffer)); }, bad_file_descriptor, "read " + name);
    check_failure([&] { return reading.write(bytes_of(buffer)); }, bad_file_descriptor, "write " + name);
    check_failure([&] { return writing.readv(vectors); }, bad_file_descriptor, "readv " + name);
    check_failure([&] { return reading.writev(vectors); }, bad_file_descriptor, "writev " + name);
    check_failure([&] { return reading.allocate(0, 0, 10); }, bad_file_descriptor, "fallocate " + name);
    check_failure([&] { return writing.allocate(0, UINT64_MAX, 10); }, invalid_argument, "fallocate " + name);
    check_failure([&] { return reading.truncate(1); }, truncated, "ftruncate " + name);
    check_failure([&] { return writing.truncate(UINT64_MAX); }, truncated, "ftruncate " + name);
    check_failure([&] { return reading.seek(1 << 20, SEEK_DATA); }, no_such_device_or_address, "seek " + name);
    check_failure([&] { return reading.read_directory(bytes_of(buffer)); }, not_a_directory, "read directory " + name);
    check_failure([&] { return tacet::readlink(tacet::at(reading)); }, no_such_file_or_directory, "readlink " + name);
    check_failure(
        [&] {
            return tacet::set_times(tacet::at(reading), timespec{0, -5}, timespec{});
        },
        invalid_argument, "set times of " + name);
    check_failure([&] { return in_no_folder.read_directory(bytes_of(buffer)); }, not_a_directory,
                  "read directory " + quoted("/memfd:no-folder (deleted)"));
}

TEST_CASE("what has no name is named by its descriptor, and a closed file says so", "[cxx][file]")
{
    const pipe_ends pipe;
    borrowed writer(pipe.writer());
    std::string buffer(1, 'x');
    const std::string number = std::to_string(pipe.writer());
    check_failure([&] { return writer->read(bytes_of(buffer)); }, std::errc::bad_file_descriptor,
                  "read descriptor " + number);
    tacet::file closed;
    check_failure([&] { return closed.read(bytes_of(buffer)); }, std::errc::bad_file_descriptor, "read descriptor -1");
    check_failure([&] { return closed.close(); }, std::errc::bad_file_descriptor, "close descriptor -1");
    check_failure([&] { return closed.stat(); }, std::errc::bad_file_descriptor, "stat descriptor -1");
}

TEST_CASE("a buffer longer than INT_MAX is refused before it reaches the kernel", "[cxx][file]")
{
    const scratch folder;
    const std::string path = folder.make("a", "text");
    tacet::file both(::open(path.c_str(), O_RDWR | O_CLOEXEC), O_RDWR, nullptr);
    std::byte one{};
    const std::span<std::byte> too_long(&one, std::size_t{INT_MAX} + 1);
    const std::vector<iovec> too_many(TACET_VECTORS_MAX + 1, iovec{&one, 1});
    check_failure([&] { return both.read(too_long, 0); }, std::errc::invalid_argument, "read " + quoted(path));
    check_failure([&] { return both.write(too_long, 0); }, std::errc::invalid_argument, "write " + quoted(path));
    check_failure([&] { return both.readv(too_many, 0); }, std::errc::invalid_argument, "readv " + quoted(path));
    check_failure([&] { return both.writev(too_many, 0); }, std::errc::invalid_argument, "writev " + quoted(path));
    tacet::executor executor;
    auto refused = [&]() -> tacet::task<> { (void)co_await tacet::as_result(both.read(too_long, 0)); };
    executor.run(refused());
    CHECK(executor.stats().submitted == 0);
}

TEST_CASE("an empty buffer reads nothing and is no error", "[cxx][file]")
{
    const scratch folder;
    const std::string path = folder.make("a", "text");
    tacet::executor executor;
    auto reading = [&]() -> tacet::task<std::size_t> {
        tacet::file in = co_await tacet::open(path, O_RDONLY);
        const std::size_t n = co_await in.read(std::span<std::byte>(), 0);
        co_return n;
    };
    CHECK(executor.run(reading()) == 0);
}

TEST_CASE("as_result gives the value of what succeeded", "[cxx][file]")
{
    const scratch folder;
    const std::string path = folder.make("a", "text");
    tacet::executor executor;
    auto working = [&]() -> tacet::task<> {
        tacet::result<tacet::file> opened = co_await tacet::as_result(tacet::open(path, O_RDONLY));
        REQUIRE(opened.has_value());
        std::string buffer(10, '\0');
        const tacet::result<std::size_t> read = co_await tacet::as_result(opened->read(bytes_of(buffer), 0));
        REQUIRE(read.has_value());
        CHECK(*read == 4);
        const tacet::result<void> closed = co_await tacet::as_result(opened->close());
        CHECK(closed.has_value());
        const tacet::result<void> made = co_await tacet::as_result(tacet::symlink("target", folder / "link"));
        CHECK(made.has_value());
        const tacet::result<std::string> link = co_await tacet::as_result(tacet::readlink(folder / "link"));
        CHECK(link.value() == "target");
        const tacet::result<struct statx> status = co_await tacet::as_result(tacet::stat(path));
        CHECK(status->stx_size == 4);
        const tacet::result<std::string> whole = co_await tacet::as_result(content_of(path));
        CHECK(*whole == "text");
        const tacet::result<std::string> none = co_await tacet::as_result(content_of(folder / "absent"));
        CHECK(none.error() == std::errc::no_such_file_or_directory);
    };
    executor.run(working());
}

TEST_CASE("a sync that failed stays failed", "[cxx][file]")
{
    const pipe_ends pipe;
    const scratch folder;
    const std::string path = folder.make("a", "");
    tacet::file file(::dup(pipe.writer()), O_WRONLY, nullptr);
    tacet::executor executor;
    auto syncing = [&]() -> tacet::task<std::error_code> {
        const tacet::result<void> r = co_await tacet::as_result(file.sync());
        co_return r.error();
    };
    CHECK(executor.run(syncing()) == std::errc::invalid_argument);
    REQUIRE(::dup3(::open(path.c_str(), O_RDWR | O_CLOEXEC), file.fd(), O_CLOEXEC) == file.fd());
    CHECK(executor.run(syncing()) == std::errc::invalid_argument);
    auto datasyncing = [&]() -> tacet::task<> { co_await file.datasync(); };
    const failure again = failure_of([&] { executor.run(datasyncing()); });
    CHECK(again.what == "fdatasync " + quoted(path) + ": " + message_of(std::errc::invalid_argument));
    tacet::file moved = std::move(file);
    file = std::move(moved);
    CHECK(executor.run(syncing()) == std::errc::invalid_argument);
}

TEST_CASE("a cancelled read ends with operation_canceled and names its file", "[cxx][file]")
{
    const pipe_ends pipe;
    borrowed reader(pipe.reader());
    tacet::executor executor;
    std::string buffer(1, '\0');
    auto reading = [&]() -> tacet::task<> { (void)co_await reader->read(bytes_of(buffer)); };
    tacet::join_handle<> handle = executor.spawn(reading());
    SECTION("before it is submitted")
    {
        executor.run_for(0s, 1);
    }
    SECTION("when it waits in the kernel")
    {
        let_settle(executor);
    }
    CHECK(executor.stats().in_flight == 1);
    handle.cancel();
    executor.run_until_idle();
    const failure cancelled = failure_of([&] { handle.take(); });
    CHECK(cancelled.code == std::errc::operation_canceled);
    CHECK(cancelled.what ==
          "read descriptor " + std::to_string(pipe.reader()) + ": " + message_of(std::errc::operation_canceled));
    REQUIRE(::write(pipe.writer(), "x", 1) == 1);
    executor.run(reading());
    CHECK(buffer == "x");
}

TEST_CASE("a read that was there before its cancel keeps its bytes", "[cxx][file]")
{
    const pipe_ends pipe;
    borrowed reader(pipe.reader());
    tacet::executor executor;
    std::string buffer(1, '\0');
    auto reading = [&]() -> tacet::task<std::size_t> {
        const std::size_t n = co_await reader->read(bytes_of(buffer));
        co_return n;
    };
    REQUIRE(::write(pipe.writer(), "y", 1) == 1);
    tacet::join_handle<std::size_t> handle = executor.spawn(reading());
    executor.run_for(0s, 1);
    handle.cancel();
    executor.run_until_idle();
    CHECK(handle.take() == 1);
    CHECK(buffer == "y");
}

TEST_CASE("a close is not cancelled", "[cxx][file]")
{
    const std::ptrdiff_t before = open_descriptors();
    {
        tacet::executor executor;
        auto closing = []() -> tacet::task<> {
            tacet::file file = co_await tacet::open("/dev/null", O_RDONLY);
            tacet_task* self = co_await tacet::this_task();
            tacet_task_cancel(self);
            co_await file.close();
            CHECK_FALSE(file);
            co_await tacet::nop();
        };
        const failure cancelled = failure_of([&] { executor.run(closing()); });
        CHECK(cancelled.what == "nop: " + message_of(std::errc::operation_canceled));
    }
    CHECK(open_descriptors() == before);
}

namespace {

tacet::task<tacet::file> opened(std::string path)
{
    tacet::file file = co_await tacet::open(path, O_RDONLY);
    co_return file;
}

}

TEST_CASE("a file that dies open is closed", "[cxx][file]")
{
    const std::ptrdiff_t before = open_descriptors();
    SECTION("in its task, through the ring")
    {
        tacet::executor executor;
        auto dropping = []() -> tacet::task<> { (void)co_await tacet::open("/dev/null", O_RDONLY); };
        executor.run(dropping());
        executor.run_until_idle();
        CHECK(executor.stats().completed == 2);
    }
    SECTION("in its task, opened with others at once")
    {
        tacet::executor executor;
        auto dropping = []() -> tacet::task<> {
            (void)co_await tacet::when_all(tacet::open("/dev/null", O_RDONLY), tacet::open("/dev/zero", O_RDONLY));
        };
        executor.run(dropping());
        executor.run_until_idle();
        CHECK(executor.stats().completed == 4);
    }
    SECTION("between two runs, on the executor's thread")
    {
        tacet::executor executor;
        const std::ptrdiff_t with_ring = open_descriptors();
        {
            const tacet::file file = executor.run(opened("/dev/null"));
            CHECK(open_descriptors() == with_ring + 1);
        }
        executor.run_until_idle();
        CHECK(open_descriptors() == with_ring);
    }
    SECTION("on another thread")
    {
        tacet::executor executor;
        const std::ptrdiff_t with_ring = open_descriptors();
        std::thread other(
            [file = executor.run(opened("/dev/null"))]() mutable { const tacet::file dies(std::move(file)); });
        other.join();
        CHECK(open_descriptors() == with_ring);
    }
    SECTION("after the end of its executor")
    {
        tacet::file file;
        {
            tacet::executor executor;
            file = executor.run(opened("/dev/null"));
        }
        CHECK(file);
        CHECK(open_descriptors() == before + 1);
    }
    SECTION("after the end of its executor, when another lives")
    {
        tacet::file file;
        {
            tacet::executor executor;
            file = executor.run(opened("/dev/null"));
        }
        tacet::executor next;
        file = tacet::file();
        next.run_until_idle();
    }
    SECTION("with its executor, before the close was submitted")
    {
        tacet::executor executor;
        auto dropping = []() -> tacet::task<> { (void)co_await tacet::open("/dev/null", O_RDONLY); };
        executor.run(dropping());
    }
    SECTION("with a full submission queue")
    {
        tacet::executor_options options;
        options.ring_entries = 1;
        tacet::executor executor(options);
        auto dropping = []() -> tacet::task<> {
            std::vector<tacet::file> files;
            for (int i = 0; i < 20; i++)
                files.push_back(co_await tacet::open("/dev/null", O_RDONLY));
        };
        executor.run(dropping());
        executor.run_until_idle();
    }
    SECTION("without an executor")
    {
        const tacet::file file(::open("/dev/null", O_RDONLY | O_CLOEXEC), O_RDONLY, nullptr);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("a file moves, and is closed once", "[cxx][file]")
{
    const std::ptrdiff_t before = open_descriptors();
    tacet::executor executor;
    const std::ptrdiff_t with_ring = open_descriptors();
    {
        tacet::file first = executor.run(opened("/dev/null"));
        tacet::file second = std::move(first);
        CHECK_FALSE(first);
        CHECK(second);
        first = executor.run(opened("/dev/zero"));
        const int zero = first.fd();
        second = std::move(first);
        CHECK(second.fd() == zero);
        CHECK(open_descriptors() == with_ring + 2);
        first = tacet::file();
        second = tacet::file();
        executor.run_until_idle();
        CHECK(open_descriptors() == with_ring);
    }
    {
        tacet::file file = executor.run(opened("/dev/null"));
        const int released = file.release();
        CHECK_FALSE(file);
        CHECK(::fcntl(released, F_GETFD) == FD_CLOEXEC);
        CHECK(::close(released) == 0);
    }
    CHECK(before < with_ring);
}

TEST_CASE("a second close says that the descriptor is bad, and closes nothing else", "[cxx][file]")
{
    tacet::executor executor;
    auto closing = [&]() -> tacet::task<> {
        tacet::file file = co_await tacet::open("/dev/null", O_RDONLY);
        co_await file.close();
        tacet::file other = co_await tacet::open("/dev/zero", O_RDONLY);
        const tacet::result<void> again = co_await tacet::as_result(file.close());
        CHECK(again.error() == std::errc::bad_file_descriptor);
        std::string buffer(4, 'x');
        const std::size_t read = co_await other.read(bytes_of(buffer), 0);
        CHECK(read == 4);
    };
    executor.run(closing());
}

TEST_CASE("an open whose file nobody takes leaves no descriptor", "[cxx][file]")
{
    const scratch folder;
    const std::ptrdiff_t before = open_descriptors();
    auto opening = [&](int flags) -> tacet::task<> { (void)co_await tacet::open(folder / "a", flags, 0600); };
    folder.make("a", "");
    SECTION("its executor ends before it is submitted")
    {
        tacet::executor executor;
        (void)executor.spawn(opening(O_RDONLY));
        executor.run_for(0s, 1);
        CHECK(executor.stats().submitted == 0);
    }
    SECTION("its executor ends while it is in flight")
    {
        for (int i = 0; i < 50; i++) {
            tacet::executor executor;
            for (int each = 0; each < 8; each++)
                (void)executor.spawn(opening(each % 2 == 0 ? O_RDONLY : O_WRONLY | O_CREAT));
            executor.run_for(0s, 9);
        }
    }
    SECTION("its executor ends when it has completed")
    {
        tacet::executor executor;
        auto spinning = []() -> tacet::task<> {
            for (;;)
                co_await tacet::yield();
        };
        (void)executor.spawn(opening(O_RDONLY));
        executor.run_for(0s, 1);
        (void)executor.spawn(spinning(), tacet::priority::high);
        while (executor.stats().completed == 0)
            executor.run_for(0s, 1);
        CHECK(executor.stats().suspended == 0);
    }
    SECTION("another of a when_all fails")
    {
        tacet::executor executor;
        auto both = [&]() -> tacet::task<> {
            (void)co_await tacet::when_all(tacet::open(folder / "absent", O_RDONLY),
                                           tacet::open(folder / "a", O_RDONLY));
        };
        CHECK(failure_of([&] { executor.run(both()); }).code == std::errc::no_such_file_or_directory);
    }
    SECTION("its cancel comes with it")
    {
        for (int i = 0; i < 50; i++) {
            tacet::executor executor;
            tacet::join_handle<> handle = executor.spawn(opening(O_WRONLY | O_CREAT));
            executor.run_for(0s, 1);
            handle.cancel();
            executor.run_until_idle();
            (void)failure_of([&] { handle.take(); });
        }
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("open adds close-on-exec, and takes a whole open_how", "[cxx][file]")
{
    const scratch folder;
    tacet::executor executor;
    auto opening = [&]() -> tacet::task<> {
        const tacet::file plain = co_await tacet::open("/dev/null", O_RDONLY);
        CHECK(::fcntl(plain.fd(), F_GETFD) == FD_CLOEXEC);
        open_how how{};
        how.flags = O_RDONLY;
        how.resolve = RESOLVE_NO_SYMLINKS;
        co_await tacet::symlink("/dev/null", folder / "link");
        const tacet::result<tacet::file> link = co_await tacet::as_result(tacet::open(folder / "link", how));
        CHECK(link.error() == std::errc::too_many_symbolic_link_levels);
    };
    executor.run(opening());
}
