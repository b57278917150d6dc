// Buffered streams: every byte once and in order, whatever the sizes; errors come out; nothing is lost by a cancel.
#include "support.hpp"

#include <catch2/generators/catch_generators.hpp>
#include <random>

#include <sys/stat.h>

using namespace tests;

namespace {

std::string some_text(std::size_t bytes)
{
    std::string text;
    for (std::size_t i = 0; i < bytes; i++)
        text += i % 17 == 3 ? '\n' : static_cast<char>('a' + i % 26);
    return text;
}

std::vector<std::string> lines_of(const std::string& text)
{
    std::vector<std::string> lines;
    std::size_t begin = 0;
    while (begin < text.size()) {
        const std::size_t end = text.find('\n', begin);
        lines.push_back(text.substr(begin, end - begin));
        begin = end == std::string::npos ? text.size() : end + 1;
    }
    return lines;
}

tacet::file opened(const std::string& path, int flags)
{
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0);
    return tacet::file(fd, static_cast<unsigned>(flags), nullptr);
}

tacet::task<std::string> all_blocks(tacet::block_reader& blocks)
{
    std::string all;
    for (;;) {
        const std::span<const std::byte> block = co_await blocks.next();
        if (block.empty())
            co_return all;
        all.append(reinterpret_cast<const char*>(block.data()), block.size());
    }
}

tacet::task<std::vector<std::string>> all_lines(tacet::line_reader& lines)
{
    std::vector<std::string> all;
    while (std::optional<std::string_view> line = co_await lines.next())
        all.emplace_back(*line);
    co_return all;
}

}

TEST_CASE("blocks come in order, and after the end what has come since", "[cxx][stream]")
{
    const scratch folder;
    const std::string text = some_text(10000), path = folder.make("file", text);
    tacet::executor executor;
    for (const std::size_t block_bytes : {1, 7, 4096, 10000, 1 << 20})
        for (const std::uint64_t offset : {tacet::file::own_position, std::uint64_t{0}, std::uint64_t{9000}}) {
            if (block_bytes == 1 && offset != 9000)
                continue;
            tacet::block_reader blocks(opened(path, O_RDONLY), block_bytes, offset);
            const std::string read = executor.run(all_blocks(blocks));
            CHECK((read == text.substr(offset == tacet::file::own_position ? 0 : offset)));
        }
    tacet::block_reader growing(opened(path, O_RDONLY));
    (void)executor.run(all_blocks(growing));
    tacet::file more = opened(path, O_WRONLY | O_APPEND);
    REQUIRE(::write(more.fd(), "more", 4) == 4);
    CHECK(executor.run(all_blocks(growing)) == "more");
}

TEST_CASE("lines come whole, whatever the blocks", "[cxx][stream]")
{
    const scratch folder;
    tacet::executor executor;
    const std::string texts[] = {"", "\n", "one", "one\n", "one\ntwo", "\n\none\n\n", some_text(5000)};
    for (const std::string& text : texts)
        for (const std::size_t block_bytes : {1, 2, 3, 16, 17, 1000, 1 << 17}) {
            if (block_bytes < 3 && text.size() > 1000)
                continue;
            CAPTURE(text.substr(0, 20), block_bytes);
            folder.make("file", text);
            tacet::line_reader lines(opened(folder / "file", O_RDONLY), '\n', 1 << 20, block_bytes);
            CHECK((executor.run(all_lines(lines)) == lines_of(text)));
        }
    folder.make("file", "one two  three");
    tacet::line_reader words(opened(folder / "file", O_RDONLY), ' ');
    CHECK(executor.run(all_lines(words)) == std::vector<std::string>{"one", "two", "", "three"});
}

TEST_CASE("a line that is too long is refused, and names the file", "[cxx][stream]")
{
    const scratch folder;
    const std::string path = folder.make("file", "short\n" + std::string(101, 'x') + "\n");
    tacet::executor executor;
    tacet::line_reader lines(opened(path, O_RDONLY), '\n', 100, 64);
    auto reading = [&]() -> tacet::task<> {
        const std::optional<std::string_view> line = co_await lines.next();
        CHECK(line == "short");
        (void)co_await lines.next();
    };
    const failure thrown = failure_of([&] { executor.run(reading()); });
    CHECK(thrown.code == std::errc::message_size);
    CHECK(thrown.what == "read line of \"" + path + "\": " + message_of(std::errc::message_size));
}

TEST_CASE("the next block is read while this one is used, and one that nobody wants holds nothing up", "[cxx][stream]")
{
    const std::ptrdiff_t descriptors = open_descriptors();
    {
        const pipe_ends pipe;
        tacet::executor executor;
        tacet::block_reader blocks(tacet::file(::dup(pipe.reader()), O_RDONLY, nullptr), 4);
        REQUIRE(::write(pipe.writer(), "12345678", 8) == 8);
        auto first = [&]() -> tacet::task<std::string> {
            const std::span<const std::byte> block = co_await blocks.next();
            co_return std::string(reinterpret_cast<const char*>(block.data()), block.size());
        };
        CHECK(executor.run(first()) == "1234");
        let_settle(executor);
        REQUIRE(::fcntl(pipe.reader(), F_SETFL, O_NONBLOCK) == 0);
        char byte;
        CHECK(::read(pipe.reader(), &byte, 1) == -1); // the second block is with the stream
        CHECK(executor.run(first()) == "5678");
    }
    CHECK(open_descriptors() == descriptors);
    for (const bool executor_first : {true, false}) {
        const pipe_ends pipe;
        auto executor = std::make_unique<tacet::executor>();
        auto blocks = std::make_unique<tacet::block_reader>(tacet::file(::dup(pipe.reader()), O_RDONLY, nullptr), 4);
        tacet::join_handle<std::string> reading = executor->spawn(all_blocks(*blocks));
        let_settle(*executor);
        reading = {};
        if (executor_first) {
            executor.reset();
            blocks.reset();
        } else {
            executor->cancel_all();
            CHECK(failure_of([&] { let_settle(*executor); }).code == std::errc::operation_canceled);
            blocks.reset();
            executor->run_until_idle();
            CHECK(executor->stats().in_flight == 0);
        }
    }
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("a cancel of who waits for a line loses nothing of it", "[cxx][stream]")
{
    const pipe_ends pipe;
    tacet::executor executor;
    tacet::line_reader lines(tacet::file(::dup(pipe.reader()), O_RDONLY, nullptr));
    auto next = [&]() -> tacet::task<std::string> {
        const std::optional<std::string_view> line = co_await lines.next();
        co_return std::string(line.value_or("(end)"));
    };
    REQUIRE(::write(pipe.writer(), "begun, ", 7) == 7);
    tacet::join_handle<std::string> waiting = executor.spawn(next());
    let_settle(executor);
    waiting.cancel();
    let_settle(executor);
    REQUIRE(waiting.has_exited());
    CHECK(failure_of([&] { waiting.take(); }).code == std::errc::operation_canceled);
    REQUIRE(::write(pipe.writer(), "ended\nafter\n", 12) == 12);
    CHECK(executor.run(next()) == "begun, ended");
    CHECK(executor.run(next()) == "after");
    auto late = [&]() -> tacet::task<> { (void)co_await tacet::with_deadline(1ms, next()); };
    CHECK(failure_of([&] { executor.run(late()); }).code == std::errc::stream_timeout);
}

TEST_CASE("a cancel reaches who always finds a block there", "[cxx][stream]")
{
    const scratch folder;
    tacet::executor executor;
    tacet::block_reader blocks(opened(folder.make("text", some_text(100)), O_RDONLY), 10);
    auto reading = [&]() -> tacet::task<> {
        tacet_task* const self = co_await tacet::this_task();
        (void)co_await blocks.next();
        while (executor.stats().in_flight > 0)
            co_await tacet::yield();
        CHECK(tacet_task_cancel(self) == 0);
        auto none = co_await tacet::as_result(blocks.next());
        CHECK(none.error() == std::errc::operation_canceled);
        const std::string rest = co_await all_blocks(blocks);
        CHECK(rest == some_text(100).substr(10));
    };
    executor.run(reading());
}

TEST_CASE("an error of the file comes out of next", "[cxx][stream]")
{
    const scratch folder;
    tacet::executor executor;
    tacet::block_reader directory(opened(folder.root(), O_RDONLY | O_DIRECTORY));
    const std::string what = "read \"" + folder.root() + "\": " + message_of(std::errc::is_a_directory);
    for (int turn = 0; turn < 2; turn++)
        CHECK(failure_of([&] { (void)executor.run(all_blocks(directory)); }).what == what);
}

TEST_CASE("what is written in pieces is in the file when it is flushed, and when it is closed", "[cxx][stream]")
{
    const scratch folder;
    const std::string path = folder / "file", text = some_text(100000);
    std::mt19937 random(7);
    tacet::executor executor;
    for (const std::size_t block_bytes : {1, 100, 4096, 1 << 20}) {
        const std::size_t total = block_bytes == 1 ? 300 : text.size();
        auto writing = [&]() -> tacet::task<> {
            tacet::writer out(opened(path, O_WRONLY | O_CREAT | O_TRUNC), block_bytes);
            for (std::size_t at = 0; at < total;) {
                const std::size_t bytes = std::min<std::size_t>(random() % 3000, total - at);
                co_await out.write(std::string_view(text).substr(at, bytes));
                at += bytes;
                CHECK(out.accepted() == at);
                if (random() % 10 == 0) {
                    co_await out.flush();
                    CHECK(std::filesystem::file_size(path) == at);
                }
            }
            co_await out.close();
            const auto again = co_await tacet::as_result(out.write("x"));
            CHECK(again.error() == std::errc::bad_file_descriptor);
            const auto twice = co_await tacet::as_result(out.close());
            CHECK(twice.error() == std::errc::bad_file_descriptor);
        };
        executor.run(writing());
        CHECK((executor.run(tacet::read_file(path)) == text.substr(0, total)));
    }
    auto at_offset = [&]() -> tacet::task<> {
        tacet::writer out(opened(path, O_WRONLY), 4, 10);
        co_await out.write("0123456789");
        co_await out.close();
    };
    executor.run(at_offset());
    CHECK(
        (executor.run(tacet::read_file(path)).substr(8, 14) == text.substr(8, 2) + "0123456789" + text.substr(20, 2)));
}

TEST_CASE("an error of a write behind comes out of the next call, and stays", "[cxx][stream]")
{
    tacet::executor executor;
    const std::string what = "write \"/dev/full\": " + message_of(std::errc::no_space_on_device);
    tacet::writer out(opened("/dev/full", O_WRONLY), 4);
    auto write = [&](std::string text) -> tacet::task<> { co_await out.write(text); };
    auto flush = [&]() -> tacet::task<> { co_await out.flush(); };
    auto close = [&]() -> tacet::task<> { co_await out.close(); };
    executor.run(write("12345")); // the first four are on their way
    executor.run_until_idle();
    CHECK(failure_of([&] { executor.run(write("6")); }).what == what);
    CHECK(failure_of([&] { executor.run(flush()); }).what == what);
    CHECK(failure_of([&] { executor.run(close()); }).what == what);
    CHECK(failure_of([&] { executor.run(close()); }).code == std::errc::bad_file_descriptor);

    tacet::writer unflushed(opened("/dev/full", O_WRONLY));
    auto late = [&]() -> tacet::task<> {
        co_await unflushed.write("small");
        co_await unflushed.close();
    };
    CHECK(failure_of([&] { executor.run(late()); }).what == what);
}

TEST_CASE("who writes faster than a pipe takes waits, may be cancelled, and nothing is lost or doubled",
          "[cxx][stream]")
{
    const std::ptrdiff_t descriptors = open_descriptors();
    {
        const pipe_ends pipe;
        tacet::executor executor;
        tacet::writer out(tacet::file(::dup(pipe.writer()), O_WRONLY, nullptr), 1000);
        const std::string text = some_text(300000);
        auto writing = [&]() -> tacet::task<> {
            co_await out.write(std::string_view(text).substr(static_cast<std::size_t>(out.accepted())));
            co_await out.flush();
        };
        std::string received;
        for (int turn = 0; turn < 20; turn++) {
            tacet::join_handle<void> writer = executor.spawn(writing());
            let_settle(executor);
            CHECK_FALSE(writer.has_exited());
            CHECK(out.accepted() <= received.size() + (1 << 16) + 2000); // what the pipe holds, and two blocks
            std::string part(10000, '\0');
            const ssize_t bytes = ::read(pipe.reader(), part.data(), part.size());
            REQUIRE(bytes > 0);
            received.append(part, 0, static_cast<std::size_t>(bytes));
            writer.cancel();
            while (!writer.has_exited())
                executor.run_for(std::chrono::hours(1), 1);
            CHECK(failure_of([&] { writer.take(); }).code == std::errc::operation_canceled);
        }
        borrowed reader(pipe.reader());
        auto rest = [&]() -> tacet::task<> {
            std::string part(text.size() - received.size(), '\0');
            co_await reader->read_exactly(bytes_of(part));
            received += part;
        };
        auto both = [&]() -> tacet::task<> { co_await tacet::when_all(writing(), rest()); };
        executor.run(both());
        CHECK((received == text));

        // One that goes while its write waits: the executor ends that.
        auto filling = [&]() -> tacet::task<> { co_await out.write(text); };
        tacet::join_handle<void> writer = executor.spawn(filling());
        let_settle(executor);
        CHECK_FALSE(writer.has_exited());
    }
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("a stream that is dropped lets what is on its way be written", "[cxx][stream]")
{
    const scratch folder;
    const std::string path = folder / "file";
    const std::ptrdiff_t descriptors = open_descriptors();
    tacet::executor executor;
    const std::ptrdiff_t with_executor = open_descriptors();
    auto writing = [&]() -> tacet::task<> {
        tacet::writer out(opened(path, O_WRONLY | O_CREAT), 4);
        co_await out.write("12345678");
        co_await out.write("9");
    };
    executor.run(writing());
    executor.run_until_idle();
    CHECK(executor.run(tacet::read_file(path)) == "12345678");
    executor.run_until_idle();
    CHECK(open_descriptors() == with_executor);
    CHECK(descriptors < with_executor);
}

TEST_CASE("what was accepted is written also where the close is cancelled", "[cxx][stream]")
{
    const bool waits = GENERATE(true, false); // for an earlier block; or the cancel was there before
    const pipe_ends pipe;
    const std::string text = some_text(100'000 + 10), small = "small";
    const std::string& written = waits ? text : small;
    tacet::executor executor;
    const std::ptrdiff_t descriptors = open_descriptors();
    tacet::writer out(tacet::file(::dup(pipe.writer()), O_WRONLY, nullptr), 100'000);
    auto writing = [&]() -> tacet::task<> {
        co_await out.write(written);
        if (!waits) {
            tacet_task* const self = co_await tacet::this_task();
            CHECK(tacet_task_cancel(self) == 0);
        }
        co_await out.close();
    };
    tacet::join_handle<void> writer = executor.spawn(writing());
    let_settle(executor);
    if (waits) {
        CHECK_FALSE(writer.has_exited()); // a pipe holds less
        writer.cancel();
        let_settle(executor);
    }
    REQUIRE(writer.has_exited());
    CHECK(failure_of([&] { writer.take(); }).code == std::errc::operation_canceled);
    borrowed reader(pipe.reader());
    std::string got(written.size(), '\0');
    executor.run(reader->read_exactly(bytes_of(got)));
    executor.run_until_idle();
    CHECK((got == written));
    CHECK(open_descriptors() == descriptors);
}
