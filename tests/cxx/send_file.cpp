// send_file: the bytes of the file, whatever the way; a peer that does not read holds up nobody else, and what was sent is told.
#include "support.hpp"

#include <catch2/generators/catch_generators.hpp>

#include <random>

#include <netinet/in.h>
#include <sys/resource.h>

using namespace tests;

namespace {

struct stream_ends {
    explicit stream_ends(int domain)
    {
        int fds[2] = {-1, -1};
        if (domain == AF_UNIX) {
            REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        } else {
            const tacet::socket listener = tacet::listen(tacet::address::parse("127.0.0.1:0"));
            const tacet::address name = listener.name();
            fds[0] = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            REQUIRE(::connect(fds[0], name.get(), name.length()) == 0);
            fds[1] = ::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC);
        }
        ours = tacet::socket(fds[0]);
        theirs = tacet::socket(fds[1]);
        ours.set_option(SOL_SOCKET, SO_SNDBUF, 100'000); // they hold less than what the tests send
        theirs.set_option(SOL_SOCKET, SO_RCVBUF, 100'000);
    }
    tacet::socket ours{}, theirs{};
};

std::string random_bytes(std::size_t count)
{
    std::minstd_rand random(7);
    std::string bytes(count, '\0');
    for (char& byte : bytes)
        byte = static_cast<char>(random() >> 8);
    return bytes;
}

tacet::task<std::string> all_of(tacet::socket& from)
{
    std::string all, piece(100'000, '\0');
    while (const std::size_t got = co_await from.receive(bytes_of(piece)))
        all.append(piece, 0, got);
    co_return all;
}

// What arrives of a file of which that is sent, with one sender.
struct part {
    std::uint64_t offset, bytes;
};

std::string sent_and_received(const std::string& path, int domain, const std::vector<part>& parts,
                              std::size_t pipe_bytes, std::vector<std::uint64_t>& counts)
{
    tacet::executor executor;
    stream_ends ends(domain);
    auto sending = [&]() -> tacet::task<> {
        const tacet::file file = co_await tacet::open(path, O_RDONLY);
        tacet::file_sender sender(pipe_bytes);
        for (const part& each : parts) {
            counts.push_back(co_await sender.send(ends.ours, file, each.offset, each.bytes));
            CHECK(sender.sent() == counts.back());
        }
        co_await ends.ours.shutdown();
    };
    auto both = [&]() -> tacet::task<std::string> {
        auto done = co_await tacet::when_all(all_of(ends.theirs), sending());
        co_return std::get<0>(done);
    };
    return executor.run(both());
}

}

TEST_CASE("what is sent of a file is what is in it, on each kind of stream and by each way", "[cxx][send_file]")
{
    const scratch folder;
    const std::string content = random_bytes(3'000'017);
    const std::string path = folder.make("file", content);
    const std::ptrdiff_t descriptors = open_descriptors();
    const std::vector<part> parts = {{0, content.size()},
                                     {0, 0},
                                     {5, 1},
                                     {17, 65536},
                                     {1, 65537},
                                     {4095, 262145},
                                     {2'999'000, 500},
                                     {2'999'000, 100'000},
                                     {3'000'017, 100'000},
                                     {9'000'000, 10},
                                     {100, UINT64_MAX - 100}};
    for (const int domain : {AF_INET, AF_UNIX})
        for (const std::size_t pipe_bytes :
             {std::size_t{1}, std::size_t{10'000}, tacet::file_sender::pipe_bytes_default}) {
            std::vector<std::uint64_t> counts;
            std::string expected;
            const std::string got = sent_and_received(path, domain, parts, pipe_bytes, counts);
            for (std::size_t i = 0; i < parts.size(); i++) {
                const std::size_t offset = std::min<std::size_t>(parts[i].offset, content.size());
                const std::string piece = content.substr(offset, parts[i].bytes);
                CHECK(counts.at(i) == piece.size());
                expected += piece;
            }
            CHECK((got == expected));
        }
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("from the file's own position on it is sent, and the position goes with it", "[cxx][send_file]")
{
    const scratch folder;
    const std::string content = random_bytes(1'000'017);
    const std::string path = folder.make("file", content);
    for (const std::uint64_t bytes : {std::uint64_t{300'000}, UINT64_MAX}) {
        tacet::executor executor;
        stream_ends ends(AF_INET);
        const std::string expected = content.substr(17, bytes);
        auto sending = [&]() -> tacet::task<> {
            const tacet::file file = co_await tacet::open(path, O_RDONLY);
            REQUIRE(::lseek(file.fd(), 17, SEEK_SET) == 17);
            const std::uint64_t sent = co_await tacet::send_file(ends.ours, file, tacet::file::own_position, bytes);
            CHECK(sent == expected.size());
            CHECK(::lseek(file.fd(), 0, SEEK_CUR) == static_cast<off_t>(17 + expected.size()));
            co_await ends.ours.shutdown();
        };
        auto both = [&]() -> tacet::task<std::string> {
            auto done = co_await tacet::when_all(all_of(ends.theirs), sending());
            co_return std::get<0>(done);
        };
        CHECK((executor.run(both()) == expected));
    }
}

TEST_CASE("a peer that does not read is waited for, and a send that is ended has sent what it says", "[cxx][send_file]")
{
    const scratch folder;
    const std::string content = random_bytes(2'000'000);
    const std::string path = folder.make("file", content);
    const bool is_cancelled = GENERATE(false, true);
    for (const int domain : {AF_INET, AF_UNIX}) {
        tacet::executor executor;
        stream_ends ends(domain);
        tacet::file_sender sender;
        auto sending = [&](std::uint64_t offset) -> tacet::task<> {
            const tacet::file file = co_await tacet::open(path, O_RDONLY);
            (void)co_await sender.send(ends.ours, file, offset, content.size());
            co_await ends.ours.shutdown();
        };
        tacet::join_handle<> handle = executor.spawn(sending(0));
        while (sender.sent() == 0)
            executor.run_for(1s, 1);
        let_settle(executor);
        CHECK_FALSE(handle.has_exited());
        if (is_cancelled)
            handle.cancel();
        else
            CHECK(tacet_task_set_deadline(handle.get(), 1) == 0);
        executor.run_until_idle();
        const std::error_code ended_by = failure_of([&] { handle.take(); }).code;
        CHECK((is_cancelled ? ended_by == std::errc::operation_canceled : tacet::is_timeout(ended_by)));
        CHECK((::fcntl(ends.ours.fd(), F_GETFL) & O_NONBLOCK) == 0);
        const std::uint64_t sent = sender.sent();
        auto both = [&]() -> tacet::task<std::string> {
            auto done = co_await tacet::when_all(all_of(ends.theirs), sending(sent));
            co_return std::get<0>(done);
        };
        CHECK((executor.run(both()) == content)); // nothing of what stayed in the pipe, nothing twice
    }
}

TEST_CASE("peers that do not read keep none of the kernel's workers", "[cxx][send_file]")
{
    const scratch folder;
    const std::string content = random_bytes(2'000'000);
    const std::string path = folder.make("file", content);
    tacet::executor_options options;
    options.worker_ops_max = 1;
    tacet::executor executor(options);
    constexpr std::size_t peers = 5;
    std::vector<stream_ends> ends;
    std::vector<tacet::join_handle<>> handles;
    for (std::size_t i = 0; i < peers; i++)
        ends.emplace_back(AF_INET);
    auto sending = [&](const tacet::socket& to) -> tacet::task<> {
        const tacet::file file = co_await tacet::open(path, O_RDONLY);
        (void)co_await tacet::send_file(to, file, 0, content.size());
    };
    for (const stream_ends& each : ends)
        handles.push_back(executor.spawn(sending(each.ours)));
    auto other = [&]() -> tacet::task<> {
        tacet::file file = co_await tacet::open(path, O_RDWR);
        for (int i = 0; i < 100; i++)
            co_await file.sync(); // what a worker does
    };
    executor.run(other());
    for (tacet::join_handle<>& each : handles) {
        CHECK_FALSE(each.has_exited());
        each.cancel();
    }
    executor.run_until_idle();
    for (tacet::join_handle<>& each : handles)
        CHECK(failure_of([&] { each.take(); }).code == std::errc::operation_canceled);
}

TEST_CASE("a peer that has gone is an error, and no signal", "[cxx][send_file]")
{
    const scratch folder;
    const std::string path = folder.make("file", random_bytes(1'000'000));
    REQUIRE(::signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    for (const int domain : {AF_INET, AF_UNIX}) {
        tacet::executor executor;
        stream_ends ends(domain);
        ends.theirs = tacet::socket();
        auto body = [&]() -> tacet::task<> {
            const tacet::file file = co_await tacet::open(path, O_RDONLY);
            for (;;) // the first may go out before the answer that nobody is there
                (void)co_await tacet::send_file(ends.ours, file, 0, 1'000'000);
        };
        const failure thrown = failure_of([&] { executor.run(body()); });
        CHECK((thrown.code == std::errc::broken_pipe || thrown.code == std::errc::connection_reset));
        CHECK(thrown.what.find("send file to") == 0);
    }
    sigset_t pending;
    REQUIRE(::sigpending(&pending) == 0);
    CHECK(sigismember(&pending, SIGPIPE) == 0);
}

TEST_CASE("where the kernel does not splice from, it is read and sent", "[cxx][send_file]")
{
    static std::string memory;
    memory = random_bytes(500'000);
    tacet::executor executor;
    stream_ends ends(AF_INET);
    auto sending = [&]() -> tacet::task<> {
        const tacet::file file = co_await tacet::open("/proc/self/mem", O_RDONLY);
        const std::uint64_t sent = co_await tacet::send_file(ends.ours, file,
                                                             reinterpret_cast<std::uintptr_t>(memory.data()),
                                                             memory.size());
        CHECK(sent == memory.size());
        co_await ends.ours.shutdown();
    };
    auto both = [&]() -> tacet::task<std::string> {
        auto done = co_await tacet::when_all(all_of(ends.theirs), sending());
        co_return std::get<0>(done);
    };
    CHECK((executor.run(both()) == memory));
}

TEST_CASE("without descriptors for a pipe it is read and sent", "[cxx][send_file]")
{
    const scratch folder;
    const std::string content = random_bytes(500'000);
    const std::string path = folder.make("file", content);
    tacet::executor executor;
    stream_ends ends(AF_INET);
    rlimit before;
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    auto sending = [&]() -> tacet::task<> {
        const tacet::file file = co_await tacet::open(path, O_RDONLY);
        const rlimit none = {static_cast<rlim_t>(file.fd()) + 1, before.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
        const std::uint64_t sent = co_await tacet::send_file(ends.ours, file, 0, content.size());
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
        CHECK(sent == content.size());
        co_await ends.ours.shutdown();
    };
    auto both = [&]() -> tacet::task<std::string> {
        auto done = co_await tacet::when_all(all_of(ends.theirs), sending());
        co_return std::get<0>(done);
    };
    CHECK((executor.run(both()) == content));
}

TEST_CASE("what is no file to be sent from says so", "[cxx][send_file]")
{
    const scratch folder;
    tacet::executor executor;
    stream_ends ends(AF_INET);
    auto body = [&]() -> tacet::task<> {
        const tacet::file file = co_await tacet::open(folder.root(), O_RDONLY);
        (void)co_await tacet::send_file(ends.ours, file, 0, 1'000'000);
    };
    CHECK(failure_of([&] { executor.run(body()); }).code == std::errc::is_a_directory);
}

TEST_CASE("registered files are sent, and to registered sockets", "[cxx][send_file]")
{
    const scratch folder;
    const std::string content = random_bytes(500'000);
    const std::string path = folder.make("file", content);
    for (const bool has_file : {false, true}) {
        tacet::executor executor;
        stream_ends ends(AF_INET);
        auto sending = [&]() -> tacet::task<> {
            tacet::file file = co_await tacet::open(path, O_RDONLY);
            if (has_file)
                tacet::register_descriptor(executor, file);
            else
                tacet::register_descriptor(executor, ends.ours);
            const std::uint64_t sent = co_await tacet::send_file(ends.ours, file, 0, content.size());
            CHECK(sent == content.size());
            co_await ends.ours.shutdown();
            co_await ends.ours.close();
            co_await file.close();
        };
        auto both = [&]() -> tacet::task<std::string> {
            auto done = co_await tacet::when_all(all_of(ends.theirs), sending());
            co_return std::get<0>(done);
        };
        CHECK((executor.run(both()) == content));
    }
}
