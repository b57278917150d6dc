// Complete transfers, durable writes and files, copies, attributes, aligned buffers: values, errors, cancels.
#include "support.hpp"

#include <algorithm>
#include <cstring>

#include <sys/stat.h>
#include <sys/xattr.h>

using namespace tests;

namespace {

std::string some_text(std::size_t bytes)
{
    std::string text;
    for (std::size_t i = 0; i < bytes; i++)
        text += static_cast<char>('a' + (i * 7 + i / 1000) % 26);
    return text;
}

// Runs it in a task of its own on a fresh executor.
template <class Body>
auto run(Body body)
{
    tacet::executor executor;
    return executor.run(body());
}

template <class Body>
void check_failure(Body body, std::errc expected, const std::string& what)
{
    const failure thrown = failure_of([&] { run(body); });
    CHECK(thrown.code == expected);
    CHECK(thrown.what == what + ": " + message_of(expected));
}

std::size_t entries_of(const std::string& folder)
{
    std::filesystem::directory_iterator each(folder), end;
    return static_cast<std::size_t>(std::distance(each, end));
}

std::string content_of(const std::string& path)
{
    tacet::executor executor;
    return executor.run(tacet::read_file(path));
}

}

TEST_CASE("a file is written whole and read whole, into strings and vectors", "[cxx][whole-file]")
{
    const scratch folder;
    for (const std::size_t bytes : {0, 1, 4095, 4096, 4097, 300000}) {
        CAPTURE(bytes);
        const std::string text = some_text(bytes), path = folder / "file";
        auto working = [&]() -> tacet::task<> {
            co_await tacet::write_file(path, text);
            const std::string back = co_await tacet::read_file(path);
            CHECK((back == text));
            const auto vector = co_await tacet::read_file<std::vector<std::byte>>(path);
            CHECK(vector.size() == bytes);
            tacet::file in = co_await tacet::open(path, O_RDONLY);
            const std::string rest = co_await in.read_all(bytes / 2);
            CHECK((rest == text.substr(bytes / 2)));
            const std::string nothing = co_await in.read_all(bytes + 5);
            CHECK(nothing.empty());
        };
        run(working);
    }
    CHECK(content_of("/proc/self/stat").find("(") != std::string::npos);
}

TEST_CASE("fill ends with the file, read_exactly says that it does", "[cxx][whole-file]")
{
    const scratch folder;
    const std::string path = folder.make("file", "0123456789");
    auto working = [&]() -> tacet::task<> {
        tacet::file both = co_await tacet::open(path, O_RDWR);
        std::string buffer(8, '.');
        std::size_t bytes = co_await both.fill(bytes_of(buffer), 5);
        CHECK(bytes == 5);
        CHECK(buffer == "56789...");
        bytes = co_await both.fill(bytes_of(buffer));
        CHECK(bytes == 8);
        co_await both.read_exactly(bytes_of(buffer), 2);
        CHECK(buffer == "23456789");
        co_await both.write_all("ab", 4);
        co_await both.write_all("");
        const std::string all = co_await both.read_all(0);
        CHECK(all == "0123ab6789");
        co_await both.read_exactly(bytes_of(buffer), 3);
    };
    check_failure(working, std::errc::no_message_available, "read \"" + path + "\": it ends too early");
    auto bad = [&]() -> tacet::task<> {
        tacet::file in = co_await tacet::open(path, O_RDONLY);
        co_await in.write_all("x");
    };
    check_failure(bad, std::errc::bad_file_descriptor, "write \"" + path + '"');
    auto missing = [&]() -> tacet::task<> { (void)co_await tacet::read_file(folder / "missing"); };
    check_failure(missing, std::errc::no_such_file_or_directory, "open \"" + (folder / "missing") + '"');
}

TEST_CASE("a transfer through a pipe is complete, and one that waits can be cancelled", "[cxx][whole-file]")
{
    const pipe_ends pipe;
    borrowed in(pipe.writer()), out(pipe.reader());
    const std::string sent = some_text(300000);
    std::string received(sent.size(), '\0');
    tacet::executor executor;
    auto writing = [&]() -> tacet::task<> { co_await in->write_all(sent); };
    auto reading = [&]() -> tacet::task<> { co_await out->read_exactly(bytes_of(received)); };
    auto both = [&]() -> tacet::task<> { co_await tacet::when_all(writing(), reading()); };
    executor.run(both());
    CHECK((received == sent));

    // The pipe is full after a part: the cancel finds a write that has done something.
    tacet::join_handle<void> writer = executor.spawn(writing());
    let_settle(executor);
    CHECK_FALSE(writer.has_exited());
    writer.cancel();
    executor.run_until_idle();
    REQUIRE(writer.has_exited());
    CHECK(failure_of([&] { writer.take(); }).code == std::errc::operation_canceled);

    auto late = [&]() -> tacet::task<> { co_await tacet::with_deadline(1ms, writing()); };
    CHECK(failure_of([&] { executor.run(late()); }).code == std::errc::stream_timeout);
}

TEST_CASE("ranges are synced and advice is taken, and errors name the file", "[cxx][whole-file]")
{
    const scratch folder;
    const std::string path = folder.make("file", "text");
    auto working = [&]() -> tacet::task<> {
        tacet::file both = co_await tacet::open(path, O_RDWR);
        co_await both.sync_range(0, 0);
        co_await both.readahead();
        co_await both.advise(POSIX_FADV_DONTNEED);
        const tacet_direct_alignment alignment = co_await both.direct_alignment();
        CHECK((alignment.offset & (alignment.offset - 1)) == 0);
    };
    run(working);
    auto bad_flags = [&]() -> tacet::task<> {
        tacet::file both = co_await tacet::open(path, O_RDWR);
        co_await both.sync_range(0, 0, 77);
    };
    check_failure(bad_flags, std::errc::invalid_argument, "sync_file_range \"" + path + '"');
    auto bad_advice = [&]() -> tacet::task<> {
        tacet::file both = co_await tacet::open(path, O_RDWR);
        co_await both.advise(77);
    };
    check_failure(bad_advice, std::errc::invalid_argument, "fadvise \"" + path + '"');
}

TEST_CASE("a durable write is complete; one whose sync fails stays failed", "[cxx][whole-file]")
{
    const scratch folder;
    const std::string text = some_text(100000);
    auto working = [&]() -> tacet::task<> {
        tacet::file out = co_await tacet::open(folder / "file", O_RDWR | O_CREAT, 0600);
        co_await tacet::write_durable(out, text);
        co_await tacet::write_durable(out, "abc", 10);
        co_await tacet::write_durable(out, "");
        const std::string back = co_await out.read_all(0);
        CHECK((back == text.substr(0, 10) + "abc" + text.substr(13)));
    };
    run(working);
    for (const unsigned entries : {1, 2, 256}) {
        tacet::executor_options options;
        options.ring_entries = entries;
        tacet::executor executor(options);
        executor.run(working());
        executor.run_until_idle();
        CHECK(executor.stats().in_flight == 0);
    }

    const pipe_ends pipe;
    borrowed unsyncable(pipe.writer());
    auto failing = [&]() -> tacet::task<> { co_await tacet::write_durable(*unsyncable.operator->(), "12345"); };
    const std::string name = "fdatasync descriptor " + std::to_string(pipe.writer());
    check_failure(failing, std::errc::invalid_argument, name);
    check_failure(failing, std::errc::invalid_argument, name);
    std::string there(20, '\0');
    CHECK(::read(pipe.reader(), there.data(), there.size()) == 5); // the second wrote nothing

    auto full = [&]() -> tacet::task<> {
        tacet::file out = co_await tacet::open("/dev/full", O_WRONLY);
        const auto result = co_await tacet::as_result(tacet::write_durable(out, "x"));
        CHECK(result.error() == std::errc::no_space_on_device);
        CHECK(out.get().sync_error == 0);
    };
    run(full);
}

TEST_CASE("a durable file is there whole or not at all, wherever it is cancelled", "[cxx][whole-file]")
{
    const scratch folder;
    const std::string path = folder / "made", text = some_text(20000);
    auto creating = [&]() -> tacet::task<> { co_await tacet::create_durable(path, text, 0600); };
    run(creating);
    CHECK((content_of(path) == text));
    CHECK(failure_of([&] { run(creating); }).code == std::errc::file_exists);
    auto replacing = [&]() -> tacet::task<> {
        co_await tacet::create_durable(path, "new", 0600, tacet::if_exists::replace);
    };
    run(replacing);
    CHECK(content_of(path) == "new");
    CHECK(entries_of(folder.root()) == 1);
    REQUIRE(::chmod(path.c_str(), 0642) == 0); // more than the umask lets through
    auto replacing_alike = [&]() -> tacet::task<> {
        co_await tacet::create_durable(path, "newer", std::nullopt, tacet::if_exists::replace);
    };
    run(replacing_alike);
    CHECK(content_of(path) == "newer");
    struct stat status;
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0642);
    std::filesystem::remove(path);

    const std::ptrdiff_t descriptors = open_descriptors();
    bool was_whole = false, was_absent = false;
    for (int items = 0; items < 40; items++) {
        CAPTURE(items);
        {
            tacet::executor executor;
            tacet::join_handle<void> creator = executor.spawn(creating());
            for (int i = 0; i < items && !creator.has_exited(); i++)
                executor.run_for(std::chrono::hours(1), 1);
            if (!creator.has_exited())
                creator.cancel();
            executor.run_until_idle();
            CHECK(creator.has_exited());
        }
        const bool is_there = std::filesystem::exists(path);
        (is_there ? was_whole : was_absent) = true;
        if (is_there)
            CHECK((content_of(path) == text));
        CHECK(entries_of(folder.root()) == (is_there ? 1 : 0));
        std::filesystem::remove(path);
        CHECK(open_descriptors() == descriptors);
    }
    CHECK(was_whole);
    CHECK(was_absent);
}

TEST_CASE("copies, splices and tees move the bytes that they say", "[cxx][whole-file]")
{
    const scratch folder;
    const std::string text = some_text(200000), from = folder.make("from", text), to = folder / "to";
    REQUIRE(::chmod(from.c_str(), 0700) == 0);
    auto working = [&]() -> tacet::task<> {
        const std::uint64_t copied = co_await tacet::copy_file(from, to);
        CHECK(copied == text.size());
        const std::string copy = co_await tacet::read_file(to);
        CHECK((copy == text));
        const struct statx status = co_await tacet::stat(to);
        CHECK((status.stx_mode & 0100) != 0);

        tacet::file in = co_await tacet::open(from, O_RDONLY);
        tacet::file out = co_await tacet::open(to, O_RDWR | O_TRUNC);
        const std::uint64_t ranged = co_await tacet::copy_range(in, 100, out, 50, 1000);
        CHECK(ranged == 1000);

        const pipe_ends first, second;
        borrowed writes(first.writer()), reads(first.reader()), other(second.writer());
        const std::size_t spliced = co_await tacet::splice(in, 0, *writes.operator->(), tacet::file::own_position, 50);
        CHECK(spliced == 50);
        const std::size_t teed = co_await tacet::tee(*reads.operator->(), *other.operator->(), 50);
        CHECK(teed == 50);
        const std::size_t emptied = co_await tacet::splice(*reads.operator->(), out, 50);
        CHECK(emptied == 50);
        const std::string all = co_await out.read_all(0);
        CHECK((all == text.substr(0, 50) + text.substr(100, 1000)));
        std::string again(50, '\0');
        CHECK(::read(second.reader(), again.data(), 50) == 50);
        CHECK((again == text.substr(0, 50)));
    };
    run(working);
    auto doubled = [&]() -> tacet::task<> { // and no more, though it has no end then
        tacet::file both = co_await tacet::open(to, O_RDWR);
        const std::uint64_t copied = co_await tacet::copy_range(both, 50, both, 1050);
        CHECK(copied == 1000);
        const std::string all = co_await both.read_all(0);
        CHECK((all == text.substr(0, 50) + text.substr(100, 1000) + text.substr(100, 1000)));
    };
    run(doubled);
    auto overlapping = [&]() -> tacet::task<> {
        tacet::file both = co_await tacet::open(to, O_RDWR);
        (void)co_await tacet::copy_range(both, 0, both, 1050);
    };
    check_failure(overlapping, std::errc::invalid_argument, "copy \"" + to + "\" to \"" + to + '"');
    auto bad = [&]() -> tacet::task<> {
        tacet::file in = co_await tacet::open(from, O_RDONLY);
        tacet::file other = co_await tacet::open(to, O_RDONLY);
        (void)co_await tacet::copy_range(in, 0, other, 0);
    };
    check_failure(bad, std::errc::bad_file_descriptor, "copy \"" + from + "\" to \"" + to + '"');
    const std::string link = folder / "link", before = content_of(to);
    std::filesystem::create_hard_link(to, link);
    auto onto_itself = [&]() -> tacet::task<> { (void)co_await tacet::copy_file(to, link); };
    check_failure(onto_itself, std::errc::invalid_argument, "copy \"" + to + "\" to \"" + link + '"');
    auto of_directory = [&]() -> tacet::task<> { (void)co_await tacet::copy_file(folder.root(), to); };
    check_failure(of_directory, std::errc::is_a_directory, "copy \"" + folder.root() + '"');
    CHECK(content_of(to) == before);
    auto shorter = [&]() -> tacet::task<> { (void)co_await tacet::copy_file(folder.make("one", "1"), to); };
    run(shorter);
    CHECK(content_of(to) == "1");
    auto no_pipe = [&]() -> tacet::task<> {
        tacet::file in = co_await tacet::open(from, O_RDONLY);
        tacet::file out = co_await tacet::open(to, O_RDWR);
        (void)co_await tacet::splice(in, out, 5);
    };
    check_failure(no_pipe, std::errc::invalid_argument, "splice \"" + from + "\" to \"" + to + '"');
}

TEST_CASE("attributes are set, read whole, listed and removed, by file and by path", "[cxx][whole-file]")
{
    const scratch folder;
    const std::string path = folder.make("file", "");
    if (::setxattr(path.c_str(), "user.probe", "x", 1, 0) < 0 || ::removexattr(path.c_str(), "user.probe") < 0)
        SKIP("this file system has no attributes of users");
    const std::string value = some_text(1000);
    auto working = [&]() -> tacet::task<> {
        tacet::file itself = co_await tacet::open(path, O_RDWR);
        co_await tacet::set_xattr(itself, "user.one", value);
        co_await tacet::set_xattr(path, "user.two", "2");
        const tacet::file closed;
        auto of_nobody = co_await tacet::as_result(tacet::get_xattr(closed, "user.one"));
        CHECK(of_nobody.error() == std::errc::bad_file_descriptor);
        std::string got = co_await tacet::get_xattr(path, "user.one");
        CHECK((got == value));
        got = co_await tacet::get_xattr(itself, "user.two");
        CHECK(got == "2");
        std::vector<std::string> names = co_await tacet::list_xattrs(path);
        std::sort(names.begin(), names.end());
        CHECK(names == std::vector<std::string>{"user.one", "user.two"});
        co_await tacet::remove_xattr(itself, "user.one");
        co_await tacet::remove_xattr(path, "user.two");
        names = co_await tacet::list_xattrs(itself);
        CHECK(names.empty());
    };
    run(working);
    auto missing = [&]() -> tacet::task<> { (void)co_await tacet::get_xattr(path, "user.none"); };
    check_failure(missing, std::errc::no_message_available, "get attribute user.none of \"" + path + '"');
    auto twice = [&]() -> tacet::task<> {
        tacet::file itself = co_await tacet::open(path, O_RDWR);
        co_await tacet::set_xattr(itself, "user.one", "1", XATTR_CREATE);
        co_await tacet::set_xattr(itself, "user.one", "2", XATTR_CREATE);
    };
    check_failure(twice, std::errc::file_exists, "set attribute user.one of \"" + path + '"');
    auto removed = [&]() -> tacet::task<> { co_await tacet::remove_xattr(path, "user.none"); };
    check_failure(removed, std::errc::no_message_available, "remove attribute user.none of \"" + path + '"');
}

TEST_CASE("buffers of an aligned pool serve direct I/O, are waited for and used again", "[cxx][whole-file]")
{
    const scratch folder;
    const std::string text = some_text(100000), path = folder.make("file", text);
    tacet::executor executor;
    auto working = [&]() -> tacet::task<> {
        const auto opened = co_await tacet::as_result(tacet::open(path, O_RDONLY | O_DIRECT));
        if (!opened)
            SKIP("this file system has no O_DIRECT");
        const tacet_direct_alignment alignment = co_await opened->direct_alignment();
        tacet::aligned_pool pool(alignment, 5000, 2);
        CHECK(pool.bytes_each() >= 5000);
        CHECK(pool.bytes_each() % alignment.offset == 0);
        std::byte* first_memory = nullptr;
        {
            tacet::aligned_pool::lease first = co_await pool.borrow();
            tacet::aligned_pool::lease second = co_await pool.borrow();
            first_memory = first.bytes().data();
            CHECK(reinterpret_cast<std::uintptr_t>(first_memory) % alignment.memory == 0);
            const std::size_t bytes = co_await opened->read(first.bytes(), 0);
            CHECK(bytes == pool.bytes_each());
            CHECK((std::memcmp(first_memory, text.data(), bytes) == 0));
            const auto third = co_await tacet::as_result(tacet::with_deadline(1ms, pool.borrow()));
            CHECK_FALSE(third.has_value());
        }
        tacet::aligned_pool::lease again = co_await pool.borrow();
        CHECK(again.bytes().data() == first_memory);
    };
    executor.run(working());
    const failure refused = failure_of([] { tacet::aligned_pool(tacet_direct_alignment{0, 0}, 4096, 1); });
    CHECK(refused.code == std::errc::invalid_argument);
}
