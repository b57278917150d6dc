// Registered descriptors: files and sockets as others, whatever becomes of them.
#include "support.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <thread>

using namespace tests;

namespace {

bool is_at_end(int reader)
{
    pollfd events = {reader, POLLIN, 0};
    return ::poll(&events, 1, 0) == 1 && events.revents & POLLHUP;
}

// A pipe; the end for writing is the executor's.
struct half_registered {
    explicit half_registered(tacet::executor& owner)
    {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        reader = ends[0];
        writer = tacet::file(ends[1], O_WRONLY, owner.get());
        tacet::register_descriptor(owner, writer);
        CHECK(tacet::is_registered(writer));
    }
    ~half_registered() { ::close(reader); }
    int reader;
    tacet::file writer;
};

}

TEST_CASE("a file is opened into the table, read, written and closed", "[cxx][descriptor]")
{
    tacet::executor executor;
    scratch folder;
    const std::string path = folder.make("file", "0123456789");
    auto use = [&]() -> tacet::task<> {
        tacet::file file = co_await tacet::open_registered(path, O_RDWR);
        CHECK(tacet::is_registered(file));
        std::string text(4, '\0');
        std::size_t n = co_await file.read(bytes_of(text), 3);
        CHECK(text == "3456");
        n = co_await file.write(bytes_of(text), 0);
        CHECK(n == 4);
        co_await file.write_all("789", 4);
        const std::string whole = co_await file.read_all(0);
        CHECK(whole == "3456789789");
        co_await file.sync();
        co_await file.close();
        CHECK(!file);
        file = co_await tacet::open_registered(path, O_RDONLY); // which dies open
        auto bad = co_await tacet::as_result(file.stat());
        CHECK(bad.error() == std::errc::bad_file_descriptor);
        auto missing = co_await tacet::as_result(tacet::open_registered(path + "x", O_RDONLY));
        CHECK(missing.error() == std::errc::no_such_file_or_directory);
    };
    executor.run(use());
}

TEST_CASE("one that dies is closed, wherever that is", "[cxx][descriptor]")
{
    tacet::executor executor;
    half_registered here(executor), there(executor), late(executor);
    auto nothing = []() -> tacet::task<> { co_return; };
    here.writer = tacet::file();
    executor.run(nothing());
    executor.run_for(0s);
    CHECK(is_at_end(here.reader));
    std::thread([&] { there.writer = tacet::file(); }).join();
    executor.run_for(0s);
    CHECK(is_at_end(there.reader));
    CHECK(!is_at_end(late.reader));
}

TEST_CASE("a registered file that is used on another executor is a bad one there, and is closed at home",
          "[cxx][descriptor]")
{
    tacet::executor home, other;
    half_registered ours(home);
    auto use = [&]() -> tacet::task<> {
        auto written = co_await tacet::as_result(ours.writer.write(tacet::bytes_view("x")));
        CHECK(written.error() == std::errc::bad_file_descriptor);
        co_await ours.writer.close();
    };
    other.run(use());
    home.run_for(0s);
    CHECK(is_at_end(ours.reader));
}

TEST_CASE("a registered socket sends, receives and shuts down", "[cxx][descriptor]")
{
    tacet::executor executor;
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    tacet::socket ours(ends[0], executor.get()), theirs(ends[1], executor.get());
    tacet::register_descriptor(executor, ours);
    tacet::register_descriptor(executor, theirs);
    auto talk = [&]() -> tacet::task<> {
        std::string text(5, '\0');
        co_await ours.send_all(tacet::bytes_view("hello"));
        std::size_t n = co_await theirs.receive(bytes_of(text));
        CHECK(n == 5);
        CHECK(text == "hello");
        co_await ours.shutdown(SHUT_WR);
        n = co_await theirs.receive(bytes_of(text));
        CHECK(n == 0);
    };
    executor.run(talk());
}

TEST_CASE("what cannot be registered says so by name, and stays what it was", "[cxx][descriptor]")
{
    tacet::executor_options options;
    options.descriptors_max = 2;
    tacet::executor executor(options);
    scratch folder;
    const std::string path = folder.make("file", "contents");
    tacet::file first(::open(path.c_str(), O_RDONLY | O_CLOEXEC), O_RDONLY, executor.get());
    tacet::file second(::open(path.c_str(), O_RDONLY | O_CLOEXEC), O_RDONLY, executor.get());
    tacet::register_descriptor(executor, first);
    try {
        tacet::register_descriptor(executor, second);
        FAIL("there is no place");
    } catch (const std::system_error& thrown) {
        CHECK(thrown.code() == std::errc::too_many_files_open_in_system);
        CHECK(std::string(thrown.what()).find(path) != std::string::npos);
    }
    CHECK(!tacet::is_registered(second));
    CHECK_THROWS_AS(tacet::register_descriptor(executor, first), std::system_error);
}
