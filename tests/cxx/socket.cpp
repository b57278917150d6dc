// Sockets: values, messages of failures, streams, what happens to what nobody takes; and the same bytes as by plain calls.
#include "support.hpp"

#include "../support/inside.h"

#include <csignal>
#include <random>
#include <thread>

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/un.h>

using namespace tests;

namespace {

const tacet::address any_port = tacet::address::parse("127.0.0.1:0");

// Two ends of a stream, made by plain calls.
struct both_ends {
    explicit both_ends(int domain = AF_UNIX)
    {
        int fds[2] = {-1, -1};
        if (domain == AF_UNIX) {
            REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        } else {
            const tacet::socket listener = tacet::listen(any_port);
            const tacet::address name = listener.name();
            fds[0] = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            REQUIRE(::connect(fds[0], name.get(), name.length()) == 0);
            fds[1] = ::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC);
        }
        a = tacet::socket(fds[0]);
        b = tacet::socket(fds[1]);
    }
    tacet::socket a{}, b{};
};

tacet::task<void> echo(tacet::socket connection)
{
    std::string buffer(1000, '\0');
    while (const std::size_t got = co_await connection.receive(bytes_of(buffer)))
        co_await connection.send_all(bytes_of(buffer).first(got));
    co_await connection.close();
}

tacet::task<std::string> ask(tacet::address to, std::string question)
{
    tacet::socket connection = co_await tacet::connect(to);
    std::string answer(question.size() + 1, '\0');
    auto sending = [&]() -> tacet::task<void> {
        co_await connection.send_all(bytes_of(std::as_const(question)));
        co_await connection.shutdown();
    };
    auto body = [&](tacet::scope& scope) -> tacet::task<void> {
        scope.spawn(sending());
        answer.resize(co_await connection.fill(bytes_of(answer)));
    };
    co_await tacet::with_scope(body);
    co_return answer;
}

tacet::task<std::string> ask_itself(tacet::socket& listener, std::string question)
{
    auto serving = [&]() -> tacet::task<void> {
        tacet::socket connection = co_await listener.accept();
        co_await echo(std::move(connection));
    };
    std::vector<std::string> answers;
    auto body = [&](tacet::scope& scope) -> tacet::task<void> {
        scope.spawn(serving());
        answers.push_back(co_await ask(listener.name(), question));
    };
    co_await tacet::with_scope(body);
    co_return answers.at(0);
}

std::string random_bytes(std::size_t count, unsigned seed)
{
    std::minstd_rand random(seed);
    std::string bytes(count, '\0');
    for (char& byte : bytes)
        byte = static_cast<char>(random());
    return bytes;
}

}

TEST_CASE("addresses are what they were parsed from", "[cxx][socket]")
{
    for (const char* text : {"127.0.0.1:80", "0.0.0.0:65535", "[::1]:8080", "[fe80::1]:0", "[fe80::1%lo]:80",
                             "[fe80::1%4000000000]:80", "unix:/run/x", "unix:relative", "@abstract name"}) {
        const tacet::address parsed = tacet::address::parse(text);
        CHECK(parsed.text() == text);
        CHECK(fmt::format("{}", parsed) == text);
        CHECK(parsed == tacet::address(parsed.get(), parsed.length()));
        CHECK(parsed);
    }
    CHECK(tacet::address::parse("1.2.3.4:5").port() == 5);
    CHECK(tacet::address::parse("[::1]:500").port() == 500);
    CHECK_FALSE(tacet::address::parse("1.2.3.4:5") == tacet::address::parse("1.2.3.4:6"));
    CHECK_FALSE(tacet::address());
    CHECK(tacet::address().text() == "unnamed");
    CHECK_FALSE(tacet::address(nullptr, 0));
    CHECK_FALSE(tacet::address(nullptr, sizeof(sockaddr_in)));
}

TEST_CASE("what is no address is refused, and told", "[cxx][socket]")
{
    for (const std::string& text :
         std::vector<std::string>{"", "80", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:8x", "1.2.3:80", "[::1]",
                                  "[::1:80", "::1:80", "host:80", "unix:", "@", "unix:" + std::string(108, 'x'),
                                  "1.2.3.4:-1", "[fe80::1%]:80", "[fe80::1%no such link]:80", "[fe80::1%0]:80"}) {
        const failure thrown = failure_of([&] { (void)tacet::address::parse(text); });
        CHECK(thrown.code == std::errc::invalid_argument);
        CHECK(thrown.what.find('"' + text + '"') != std::string::npos);
    }
}

TEST_CASE("a server echoes what its client sends, on each kind of stream", "[cxx][socket]")
{
    const scratch folder;
    const std::ptrdiff_t before = open_descriptors();
    for (const std::string& text :
         {std::string("127.0.0.1:0"), "unix:" + folder / "s", std::string("@tacet-cxx-socket")}) {
        tacet::executor executor;
        tacet::socket listener = tacet::listen(tacet::address::parse(text));
        CHECK(executor.run(ask_itself(listener, "question")) == "question");
        const std::string longer = random_bytes(1'000'000, 1);
        CHECK((executor.run(ask_itself(listener, longer)) == longer));
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("where the ring cannot make sockets they are made all the same", "[cxx][socket]")
{
    const auto before = open_descriptors();
    {
        tacet::executor executor;
        tacet::socket listener = tacet::listen(any_port);
        auto working = [&]() -> tacet::task<> {
            tacet_task* const self = co_await tacet::this_task();
            inside_hide(tacet_task_executor(self), IORING_OP_SOCKET);
            tacet::socket client = co_await tacet::connect(listener.name());
            CHECK(client.peer() == listener.name());
            auto unknown = co_await tacet::as_result(tacet::open_socket(1000, SOCK_STREAM));
            CHECK(unknown.error() == std::errc::address_family_not_supported);
            auto each = co_await tacet::as_result(tacet::when_all(tacet::open_socket(AF_UNIX, SOCK_STREAM),
                                                                  tacet::open_socket(1000, SOCK_STREAM), tacet::nop()));
            CHECK((std::get<0>(each) && std::get<0>(each)->fd() >= 0));
            CHECK(std::get<1>(each).error() == std::errc::address_family_not_supported);
            CHECK(std::get<2>(each).has_value());
        };
        executor.run(working());
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("an accepted connection knows its peer, and options are kept", "[cxx][socket]")
{
    tacet::executor executor;
    tacet::socket listener = tacet::listen(any_port);
    auto working = [&]() -> tacet::task<> {
        tacet::socket client = co_await tacet::open_socket(AF_INET, SOCK_STREAM);
        client.set_option(SOL_SOCKET, SO_KEEPALIVE, 1);
        CHECK(client.option(SOL_SOCKET, SO_KEEPALIVE) == 1);
        co_await client.connect(listener.name());
        tacet::address peer;
        tacet::socket accepted = co_await listener.accept(peer);
        CHECK(peer == client.name());
        CHECK(accepted.peer() == client.name());
        CHECK(client.peer() == listener.name());
        co_await client.close();
        CHECK_FALSE(client);
    };
    executor.run(working());
}

TEST_CASE("a failed socket operation says what failed, and where", "[cxx][socket]")
{
    tacet::executor executor;
    tacet::address nobody;
    {
        const tacet::socket gone = tacet::listen(any_port);
        nobody = gone.name();
    }
    const failure refused = failure_of([&] { executor.run(tacet::connect(nobody)); });
    CHECK(refused.code == std::errc::connection_refused);
    CHECK(refused.what == "connect " + nobody.text() + ": " + message_of(std::errc::connection_refused));
    const failure missing = failure_of([&] { executor.run(tacet::lookup("no such host.invalid", "80")); });
    CHECK(missing.what.find("lookup \"no such host.invalid\" \"80\"") == 0);
    tacet::socket listener = tacet::listen(any_port);
    const failure taken = failure_of([&] {
        tacet::socket second(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        second.bind(listener.name());
    });
    CHECK(taken.code == std::errc::address_in_use);
    CHECK(taken.what == "bind " + listener.name().text() + ": " + message_of(std::errc::address_in_use));
    both_ends ends;
    ends.b = tacet::socket();
    auto sending = [&]() -> tacet::task<> {
        std::string text = "x";
        co_await ends.a.send_all(bytes_of(std::as_const(text)));
    };
    CHECK(failure_of([&] { executor.run(sending()); }).code == std::errc::broken_pipe);
}

TEST_CASE("an address that was to be told, and was not, names nobody", "[cxx][socket]")
{
    tacet::executor executor;
    tacet::socket nobody, listener = tacet::listen(any_port), receiver = tacet::bind_datagram(any_port);
    auto failing = [&]() -> tacet::task<> {
        tacet::address peer = any_port;
        auto none = co_await tacet::as_result(nobody.accept(peer));
        CHECK(none.error() == std::errc::bad_file_descriptor);
        CHECK_FALSE(peer);
        auto late = co_await tacet::as_result(tacet::with_deadline(1ms, listener.accept(peer)));
        CHECK(late.error() == std::errc::stream_timeout);
        CHECK_FALSE(peer);
        peer = any_port;
        std::string room(10, '\0');
        auto no_bytes = co_await tacet::as_result(
            tacet::with_deadline(1ms, receiver.receive_from(bytes_of(room), peer)));
        CHECK(no_bytes.error() == std::errc::stream_timeout);
        CHECK_FALSE(peer);
    };
    executor.run(failing());
}

TEST_CASE("a stream that ends too early is filled from as far as it goes, and not received exactly", "[cxx][socket]")
{
    tacet::executor executor;
    both_ends ends, other;
    REQUIRE(::send(ends.a.fd(), "abc", 3, 0) == 3);
    REQUIRE(::send(other.a.fd(), "abc", 3, 0) == 3);
    ends.a = tacet::socket();
    other.a = tacet::socket();
    auto filling = [&]() -> tacet::task<> {
        std::string buffer(8, '\0');
        const std::size_t filled = co_await ends.b.fill(bytes_of(buffer));
        CHECK(buffer.substr(0, filled) == "abc");
    };
    executor.run(filling());
    std::string buffer(8, '\0');
    const failure thrown = failure_of([&] { executor.run(other.b.receive_exactly(bytes_of(buffer))); });
    CHECK(thrown.code == std::errc::no_message_available);
    CHECK(thrown.what.find("receive ") == 0);
}

TEST_CASE("the file of a Unix socket that nobody listens to any more is replaced, and nothing else", "[cxx][socket]")
{
    const scratch folder;
    const tacet::address name = tacet::address::parse("unix:" + folder / "socket");
    const tacet::address text = tacet::address::parse("unix:" + folder.make("text", "kept"));
    const tacet::address link = tacet::address::parse("unix:" + folder / "link");
    std::filesystem::create_symlink("socket", folder / "link");
    (void)tacet::listen(name);
    CHECK(failure_of([&] { (void)tacet::listen(link); }).code == std::errc::address_in_use);
    tacet::executor executor;
    tacet::socket listener = tacet::listen(name);
    CHECK(executor.run(ask_itself(listener, "question")) == "question");
    CHECK(failure_of([&] { (void)tacet::listen(name); }).code == std::errc::address_in_use);
    CHECK(executor.run(ask_itself(listener, "question")) == "question");
    CHECK(failure_of([&] { (void)tacet::listen(text); }).code == std::errc::address_in_use);
    CHECK(std::filesystem::is_regular_file(folder / "text"));
}

TEST_CASE("a host and a service are looked up, and connected to", "[cxx][socket]")
{
    tacet::executor executor;
    tacet::socket listener = tacet::listen(any_port);
    auto working = [&]() -> tacet::task<> {
        tacet::socket client = co_await tacet::connect("127.0.0.1", std::to_string(listener.name().port()));
        tacet::socket accepted = co_await listener.accept();
        CHECK(client.peer() == listener.name());
        const std::vector<tacet::address> found = co_await tacet::lookup("::1", "80");
        CHECK(found.at(0).text() == "[::1]:80");
    };
    executor.run(working());
}

TEST_CASE("datagrams are sent to whom and received from whom it is said", "[cxx][socket]")
{
    tacet::executor executor;
    tacet::socket here = tacet::bind_datagram(any_port), there = tacet::bind_datagram(any_port);
    auto working = [&]() -> tacet::task<> {
        const std::string text = "datagram";
        std::string buffer(20, '\0');
        tacet::address from;
        const std::size_t sent = co_await here.send_to(bytes_of(text), there.name());
        CHECK(sent == 8);
        const std::size_t got = co_await there.receive_from(bytes_of(buffer), from);
        CHECK(buffer.substr(0, got) == "datagram");
        CHECK(from == here.name());
    };
    executor.run(working());
}

TEST_CASE("parts are sent and received in their order", "[cxx][socket]")
{
    tacet::executor executor;
    both_ends ends;
    auto working = [&]() -> tacet::task<> {
        std::string one = "one", two = "-two", five(5, '\0'), rest(5, '\0');
        const std::vector<iovec> from = {{one.data(), 3}, {two.data(), 4}};
        const std::vector<iovec> into = {{five.data(), 5}, {rest.data(), 5}};
        const std::size_t sent = co_await ends.a.send(from);
        CHECK(sent == 7);
        const std::size_t got = co_await ends.b.receive(into);
        CHECK(got == 7);
        CHECK(five + rest.substr(0, 2) == "one-two");
    };
    executor.run(working());
}

TEST_CASE("connections come in a stream, and each is served", "[cxx][socket]")
{
    const std::ptrdiff_t before = open_descriptors();
    for (const unsigned entries : {1u, 2u, 8u, 256u}) {
        tacet::executor_options options;
        options.ring_entries = entries;
        tacet::executor executor(options);
        tacet::socket listener = tacet::listen(any_port);
        std::vector<std::string> answers;
        auto server = [&]() -> tacet::task<> {
            auto body = [&](tacet::scope& scope) -> tacet::task<void> {
                tacet::accept_stream connections = listener.accept_all(4);
                for (int i = 0; i < 50; i++) {
                    tacet::socket connection = co_await connections.next();
                    scope.spawn(echo(std::move(connection)));
                }
            };
            co_await tacet::with_scope(body);
        };
        auto client = [&](int number) -> tacet::task<> {
            answers.push_back(co_await ask(listener.name(), std::to_string(number)));
        };
        for (int i = 0; i < 50; i++)
            executor.spawn(client(i));
        executor.run(server());
        executor.run_until_idle();
        CHECK(answers.size() == 50);
        CHECK(executor.stats().in_flight == 0);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("a stream that goes gives back what nobody has taken", "[cxx][socket]")
{
    const std::ptrdiff_t before = open_descriptors();
    for (const bool with_executor : {false, true}) {
        tacet::executor executor;
        tacet::socket listener = tacet::listen(any_port);
        auto server = [&]() -> tacet::task<> {
            tacet::accept_stream connections = listener.accept_all();
            tacet::socket first = co_await connections.next();
            co_await tacet::sleep_for(with_executor ? std::chrono::milliseconds(for_ever) : 0ms);
        };
        auto client = [&]() -> tacet::task<> {
            tacet::socket one = co_await tacet::connect(listener.name());
            tacet::socket two = co_await tacet::connect(listener.name());
            tacet::socket three = co_await tacet::connect(listener.name());
        };
        executor.spawn(server());
        executor.run(client());
        let_settle(executor);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("the wait for the next connection is cancelled and timed out, and the stream goes on", "[cxx][socket]")
{
    tacet::executor executor;
    tacet::socket listener = tacet::listen(any_port);
    auto working = [&]() -> tacet::task<> {
        tacet::accept_stream connections = listener.accept_all();
        auto first = tacet::with_deadline(1ms, connections.next());
        auto late = co_await tacet::as_result(std::move(first));
        CHECK(late.error() == std::errc::stream_timeout);
        tacet::socket client = co_await tacet::connect(listener.name());
        tacet::socket accepted = co_await connections.next();
        CHECK(accepted.peer() == client.name());
        tacet::socket third = co_await tacet::connect(listener.name());
        tacet::socket fourth = co_await tacet::connect(listener.name());
        accepted = co_await connections.next();
        const std::chrono::steady_clock::time_point passed(std::chrono::nanoseconds(1));
        auto again = tacet::with_deadline(passed, connections.next()); // also where one lies there
        late = co_await tacet::as_result(std::move(again));
        CHECK(late.error() == std::errc::stream_timeout);
        accepted = co_await connections.next();
        CHECK(accepted.peer() == fourth.name());
    };
    executor.run(working());
    auto waiting = [&]() -> tacet::task<> {
        tacet::accept_stream connections = listener.accept_all();
        tacet::socket never = co_await connections.next();
    };
    auto waits = executor.spawn(waiting());
    let_settle(executor);
    waits.cancel();
    const failure thrown = failure_of([&] { executor.run_until_idle(); });
    CHECK(waits.has_exited());
    CHECK(executor.stats().in_flight == 0);
}

TEST_CASE("what is received comes in buffers that the kernel chooses", "[cxx][socket]")
{
    tacet::executor executor;
    tacet::buffer_ring buffers(executor, 2, 100);
    both_ends ends;
    const std::string sent = random_bytes(20'000, 2);
    auto sending = [&]() -> tacet::task<> {
        co_await ends.a.send_all(bytes_of(sent));
        co_await ends.a.close();
    };
    std::string got;
    auto receiving = [&]() -> tacet::task<> {
        tacet::received first = co_await ends.b.receive(buffers);
        got.append(reinterpret_cast<const char*>(first.bytes().data()), first.bytes().size());
        first = tacet::received();
        tacet::receive_stream pieces = ends.b.receive_all(buffers);
        for (;;) {
            auto next = co_await tacet::as_result(pieces.next());
            if (!next.has_value()) {
                CHECK(next.error() == std::errc::no_buffer_space);
                continue;
            }
            if (next->empty())
                break;
            got.append(reinterpret_cast<const char*>(next->bytes().data()), next->bytes().size());
        }
    };
    executor.spawn(sending());
    executor.run(receiving());
    CHECK((got == sent));
}

TEST_CASE("the buffers of a receive stream may go right after it, with what nobody has taken", "[cxx][socket]")
{
    tacet::executor executor, stranger;
    both_ends ends;
    auto leaving = [&]() -> tacet::task<> {
        tacet::buffer_ring buffers(executor, 8, 4);
        tacet::receive_stream pieces = ends.b.receive_all(buffers);
        const std::string text = "abcdefghijkl";
        co_await ends.a.send_all(bytes_of(text));
        const tacet::received first = co_await pieces.next();
        CHECK(first.bytes().size() == 4);
        co_await ends.a.send_all(bytes_of(text));
        co_await tacet::yield();
    };
    executor.run(leaving());
    executor.run_until_idle();
    tacet::buffer_ring younger(executor, 1, 4); // perhaps of the same group
    auto going_on = [&]() -> tacet::task<> {
        const std::string text = "1234";
        co_await ends.a.send_all(bytes_of(text));
        const tacet::received some = co_await ends.b.receive(younger);
        CHECK(!some.bytes().empty());
    };
    executor.run(going_on());
    tacet::buffer_ring elsewhere(stranger, 1, 4);
    auto mixing = [&]() -> tacet::task<> {
        tacet::receive_stream pieces = ends.b.receive_all(elsewhere);
        (void)co_await pieces.next();
    };
    CHECK(failure_of([&] { executor.run(mixing()); }).code == std::errc::operation_not_permitted);
    CHECK(executor.stats().in_flight == 0);
}

TEST_CASE("a receive into buffers of another executor is refused, alone and in a group", "[cxx][socket]")
{
    tacet::executor executor, stranger;
    tacet::buffer_ring here(executor, 1, 4), elsewhere(stranger, 1, 4); // the kernel knows both by the same number
    both_ends ends;
    auto mixing = [&]() -> tacet::task<> {
        const std::string text = "abcd";
        co_await ends.a.send_all(bytes_of(text));
        auto refused = co_await tacet::as_result(ends.b.receive(elsewhere));
        CHECK(refused.error() == std::errc::operation_not_permitted);
        auto both = co_await tacet::as_result(tacet::when_all(ends.b.receive(elsewhere), tacet::nop()));
        CHECK(std::get<0>(both).error() == std::errc::operation_not_permitted);
        const tacet::received got = co_await ends.b.receive(here);
        CHECK(got.bytes().size() == 4);
    };
    executor.run(mixing());
}

#if TACET_CHECKS >= 1
template <class Breaking>
void check_aborts(Breaking breaking)
{
#if TACET_THREAD_SANITIZER
    SKIP("the sanitizer starts no thread in the child of a process that has had some");
#endif
    std::fflush(nullptr);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        std::signal(SIGABRT, SIG_DFL);
        breaking();
        ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGABRT);
}

TEST_CASE("what was received does not go back to its ring on another thread", "[cxx][socket]")
{
    auto breaking = [] {
        tacet::executor executor;
        tacet::buffer_ring buffers(executor, 1, 4);
        both_ends ends;
        (void)::send(ends.a.fd(), "abcd", 4, 0);
        auto receiving = [&]() -> tacet::task<tacet::received> {
            tacet::received got = co_await ends.b.receive(buffers);
            co_return got;
        };
        tacet::received got = executor.run(receiving());
        std::thread([&] { got = tacet::received(); }).join();
    };
    check_aborts(breaking);
}

TEST_CASE("a ring of buffers does not go on another thread than its executor's", "[cxx][socket]")
{
    auto breaking = [] {
        tacet::executor executor;
        auto buffers = std::make_unique<tacet::buffer_ring>(executor, 1, 4);
        std::thread([&] { buffers.reset(); }).join();
    };
    check_aborts(breaking);
}
#endif

TEST_CASE("in a forked child a ring of buffers, and what was received into it, can go", "[cxx][socket]")
{
    tacet::executor executor;
    auto buffers = std::make_unique<tacet::buffer_ring>(executor, 2, 4);
    both_ends ends;
    auto receiving = [&]() -> tacet::task<tacet::received> {
        tacet::received got = co_await ends.b.receive(*buffers);
        co_return got;
    };
    REQUIRE(::send(ends.a.fd(), "abcd", 4, 0) == 4);
    tacet::received got = executor.run(receiving());
    std::fflush(nullptr);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        std::signal(SIGABRT, SIG_DFL);
        got = tacet::received();
        buffers.reset();
        ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(got.bytes().size() == 4);
}

TEST_CASE("without a buffer left a receive says so, and one that comes back is used again", "[cxx][socket]")
{
    tacet::executor executor;
    tacet::buffer_ring buffers(executor, 1, 4);
    both_ends ends;
    auto working = [&]() -> tacet::task<> {
        const std::string text = "abcdefgh";
        co_await ends.a.send_all(bytes_of(text));
        {
            tacet::received held = co_await ends.b.receive(buffers);
            CHECK(held.bytes().size() == 4);
            auto none = co_await tacet::as_result(ends.b.receive(buffers));
            CHECK(none.error() == std::errc::no_buffer_space);
        }
        auto pair = co_await tacet::when_all(ends.b.receive(buffers), tacet::nop());
        CHECK(std::get<0>(pair).bytes().size() == 4);
    };
    executor.run(working());
}

TEST_CASE("zero-copy sends arrive whole", "[cxx][socket]")
{
    for (const int domain : {AF_INET, AF_UNIX}) {
        tacet::executor executor;
        both_ends ends(domain);
        const std::string sent = random_bytes(500'000, 3);
        auto sending = [&]() -> tacet::task<> {
            std::span<const std::byte> left = bytes_of(sent);
            while (!left.empty()) {
                const std::size_t some = co_await ends.a.send_zero_copy(left);
                left = left.subspan(some);
            }
        };
        std::string got(sent.size(), '\0');
        auto receiving = [&]() -> tacet::task<> { co_await ends.b.receive_exactly(bytes_of(got)); };
        executor.spawn(sending());
        executor.run(receiving());
        executor.run_until_idle();
        CHECK((got == sent));
    }
}

TEST_CASE("operations on sockets that nobody waits for any more lose nothing", "[cxx][socket]")
{
    const std::ptrdiff_t before = open_descriptors();
    for (int way = 0; way < 4; way++) {
        tacet::executor executor;
        tacet::socket listener = tacet::listen(any_port);
        const tacet::address name = listener.name();
        auto accepting = [&]() -> tacet::task<> {
            if (way % 2 == 0) {
                tacet::socket accepted = co_await listener.accept();
                co_await tacet::sleep_for(for_ever);
            } else {
                auto two = co_await tacet::when_all(listener.accept(), tacet::poll(listener.fd(), POLLIN));
                co_await tacet::sleep_for(for_ever);
            }
        };
        executor.spawn(accepting());
        let_settle(executor);
        const tacet::socket client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        REQUIRE(::connect(client.fd(), name.get(), name.length()) == 0);
        if (way >= 2)
            let_settle(executor);
    }
    CHECK(open_descriptors() == before);
}

namespace {

// How a workload's bytes go: in what portions, by which calls. The same for tacet and for plain calls.
struct portions {
    explicit portions(unsigned seed) : random(seed) {}
    std::size_t next(std::size_t left) { return std::min<std::size_t>(left, 1 + random() % 5000); }
    unsigned kind(unsigned kinds) { return static_cast<unsigned>(random()) % kinds; }
    std::minstd_rand random;
};

tacet::task<> send_randomly(tacet::socket& to, const std::string& bytes, unsigned seed)
{
    portions portions(seed);
    std::span<const std::byte> left = bytes_of(bytes);
    while (!left.empty()) {
        const std::span<const std::byte> some = left.first(portions.next(left.size()));
        std::size_t sent = some.size();
        const iovec parts[2] = {{const_cast<std::byte*>(some.data()), sent / 2},
                                {const_cast<std::byte*>(some.data()) + sent / 2, sent - sent / 2}};
        switch (portions.kind(4)) {
        case 0:
            sent = co_await to.send(some);
            break;
        case 1:
            sent = co_await to.send(std::span<const iovec>(parts));
            break;
        case 2:
            sent = co_await to.send_zero_copy(some);
            break;
        default:
            co_await to.send_all(some);
        }
        left = left.subspan(sent);
    }
    co_await to.shutdown();
}

tacet::task<std::string> receive_randomly(tacet::socket& from, tacet::buffer_ring& buffers, unsigned seed)
{
    portions portions(seed);
    std::string got, buffer(5000, '\0');
    for (;;) {
        const std::span<std::byte> some = bytes_of(buffer).first(portions.next(buffer.size()));
        const iovec parts[2] = {{some.data(), some.size() / 3},
                                {some.data() + some.size() / 3, some.size() - some.size() / 3}};
        std::size_t bytes = 0;
        switch (portions.kind(4)) {
        case 0:
            bytes = co_await from.receive(some);
            break;
        case 1:
            bytes = co_await from.receive(std::span<const iovec>(parts));
            break;
        case 2: {
            tacet::received piece = co_await from.receive(buffers);
            bytes = piece.bytes().size();
            std::copy(piece.bytes().begin(), piece.bytes().end(), bytes_of(buffer).begin());
            break;
        }
        default:
            bytes = co_await from.fill(some);
        }
        if (bytes == 0)
            co_return got;
        got.append(buffer, 0, bytes);
    }
}

// The same by plain calls, on two threads.
std::string by_plain_calls(int domain, const std::string& bytes, unsigned seed)
{
    both_ends ends(domain);
    const auto send = [&] {
        portions portions(seed);
        for (std::size_t sent = 0; sent < bytes.size();) {
            const ssize_t some = ::send(ends.a.fd(), bytes.data() + sent, portions.next(bytes.size() - sent),
                                        MSG_NOSIGNAL);
            sent += some > 0 ? static_cast<std::size_t>(some) : 0;
        }
        ::shutdown(ends.a.fd(), SHUT_WR);
    };
    std::thread sender(send);
    portions portions(seed + 1);
    std::string got, buffer(5000, '\0');
    ssize_t some = 0;
    while ((some = ::recv(ends.b.fd(), buffer.data(), portions.next(buffer.size()), 0)) > 0)
        got.append(buffer, 0, static_cast<std::size_t>(some));
    sender.join();
    return got;
}

}

TEST_CASE("a random workload brings the same bytes as plain calls do", "[cxx][socket]")
{
    for (unsigned seed = 1; seed <= 20; seed++) {
        const int domain = seed % 2 == 0 ? AF_INET : AF_UNIX;
        tacet::executor_options options;
        options.ring_entries = 1 + seed % 8;
        tacet::executor executor(options);
        tacet::buffer_ring buffers(executor, 4, 4096);
        both_ends ends(domain);
        const std::string bytes = random_bytes(100'000 + seed, seed);
        executor.spawn(send_randomly(ends.a, bytes, seed));
        const std::string got = executor.run(receive_randomly(ends.b, buffers, seed + 1));
        executor.run_until_idle();
        CHECK((got == bytes));
        CHECK((got == by_plain_calls(domain, bytes, seed)));
    }
}

TEST_CASE("what is said of a listener before it has a name, holds", "[cxx][socket]")
{
    tacet::listen_options shared;
    shared.reuse_port = true;
    shared.backlog = 3;
    shared.receive_buffer_bytes = 20'000;
    shared.send_buffer_bytes = 30'000;
    const tacet::socket one = tacet::listen(any_port, shared);
    const tacet::socket two = tacet::listen(one.name(), shared);
    CHECK(one.name() == two.name());
    CHECK(one.option(SOL_SOCKET, SO_RCVBUF) == 40'000); // the kernel doubles it
    CHECK(one.option(SOL_SOCKET, SO_SNDBUF) == 60'000);
    const failure taken = failure_of([&] { (void)tacet::listen(one.name()); });
    CHECK(taken.code == std::errc::address_in_use);
    const tacet::socket six(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    for (const bool v6_only : {false, true}) {
        if (!six)
            break; // a kernel without IPv6
        tacet::listen_options options;
        options.v6_only = v6_only;
        const tacet::socket made = tacet::listen(tacet::address::parse("[::]:0"), options);
        CHECK(made.option(IPPROTO_IPV6, IPV6_V6ONLY) == int{v6_only});
    }
}

TEST_CASE("no_delay and keep_alive are kept", "[cxx][socket]")
{
    both_ends ends(AF_INET);
    CHECK(ends.a.option(IPPROTO_TCP, TCP_NODELAY) == 0);
    ends.a.no_delay();
    CHECK(ends.a.option(IPPROTO_TCP, TCP_NODELAY) != 0);
    ends.a.no_delay(false);
    CHECK(ends.a.option(IPPROTO_TCP, TCP_NODELAY) == 0);
    tacet::keep_alive_options options;
    options.idle = 7s;
    options.interval = 3s;
    options.probes = 2;
    ends.a.keep_alive(options);
    CHECK(ends.a.option(SOL_SOCKET, SO_KEEPALIVE) != 0);
    CHECK(ends.a.option(IPPROTO_TCP, TCP_KEEPIDLE) == 7);
    CHECK(ends.a.option(IPPROTO_TCP, TCP_KEEPINTVL) == 3);
    CHECK(ends.a.option(IPPROTO_TCP, TCP_KEEPCNT) == 2);
    for (const std::chrono::seconds beyond :
         {0s, -(std::chrono::seconds(1ll << 32) - 60s), std::chrono::seconds((1ll << 32) + 60)}) {
        options.idle = beyond;
        CHECK(failure_of([&] { ends.a.keep_alive(options); }).code == std::errc::invalid_argument);
        CHECK(ends.a.option(IPPROTO_TCP, TCP_KEEPIDLE) == 7);
    }
    both_ends not_tcp;
    CHECK(failure_of([&] { not_tcp.a.no_delay(); }).code != std::error_code());
}

TEST_CASE("the two of a pair talk to each other", "[cxx][socket]")
{
    const std::ptrdiff_t before = open_descriptors();
    for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) {
        tacet::executor executor;
        auto [one, other] = tacet::socket_pair(type);
        auto body = [&one = one, &other = other]() -> tacet::task<std::string> {
            const std::string said = "hello";
            std::string heard(10, '\0');
            co_await one.send_all(bytes_of(said));
            heard.resize(co_await other.receive(bytes_of(heard)));
            co_return heard;
        };
        CHECK(executor.run(body()) == "hello");
        CHECK((::fcntl(one.fd(), F_GETFD) & FD_CLOEXEC) != 0);
    }
    CHECK(failure_of([] { (void)tacet::socket_pair(12345); }).code != std::error_code());
    CHECK(open_descriptors() == before);
}

TEST_CASE("a connected socket of datagrams hears its peer alone", "[cxx][socket]")
{
    tacet::executor executor;
    auto body = [&]() -> tacet::task<> {
        const tacet::socket server = tacet::bind_datagram(any_port);
        const tacet::socket stranger = tacet::bind_datagram(any_port);
        const tacet::socket client = tacet::connect_datagram(server.name());
        CHECK(client.peer() == server.name());
        const std::string question = "question", answer = "answer", noise = "noise";
        (void)co_await client.send(bytes_of(question));
        std::string heard(100, '\0');
        tacet::address from;
        heard.resize(co_await server.receive_from(bytes_of(heard), from));
        CHECK(heard == question);
        CHECK(from == client.name());
        (void)co_await stranger.send_to(bytes_of(noise), client.name());
        (void)co_await server.send_to(bytes_of(answer), from);
        heard.assign(100, '\0');
        heard.resize(co_await client.receive(bytes_of(heard)));
        CHECK(heard == answer);
    };
    executor.run(body());
    auto alone = [&]() -> tacet::task<> {
        tacet::socket gone = tacet::bind_datagram(any_port);
        const tacet::socket client = tacet::connect_datagram(gone.name());
        co_await gone.close();
        const std::string question = "question";
        (void)co_await client.send(bytes_of(question));
        std::string heard(100, '\0');
        (void)co_await client.receive(bytes_of(heard));
    };
    CHECK(failure_of([&] { executor.run(alone()); }).code == std::errc::connection_refused);
}

TEST_CASE("connections in a stream come with their peers", "[cxx][socket]")
{
    tacet::executor executor;
    const std::ptrdiff_t before = open_descriptors();
    auto body = [&]() -> tacet::task<> {
        const tacet::socket listener = tacet::listen(any_port);
        tacet::accept_peers_stream connections = listener.accept_all_peers();
        for (int i = 0; i < 5; i++) {
            const tacet::socket client = co_await tacet::connect(listener.name());
            const tacet::accepted next = co_await connections.next();
            CHECK(next.peer == client.name());
            CHECK(next.connection.peer() == next.peer);
        }
        {
            tacet::socket reset = co_await tacet::connect(listener.name());
            const linger at_once = {1, 0};
            reset.set_option(SOL_SOCKET, SO_LINGER, at_once);
            co_await reset.close();
        }
        const tacet::accepted gone = co_await connections.next();
        CHECK(gone.connection);
        CHECK_FALSE(gone.peer);
    };
    executor.run(body());
    executor.run_until_idle();
    CHECK(open_descriptors() == before);
}

TEST_CASE("where no memory may be locked, what is to be sent without a copy is copied", "[cxx][socket]")
{
    const std::string said = in_child([] {
        const rlimit few = {65536, 65536};
        if (::setrlimit(RLIMIT_MEMLOCK, &few) != 0 || (::getuid() == 0 && ::setuid(65534) != 0))
            return std::string("no ordinary user");
        tacet::executor_options options;
        options.ring_entries = 8;
        tacet::executor executor(options);
        both_ends ends(AF_INET);
        const std::string bytes = random_bytes(4 << 20, 3);
        std::size_t sent = 0, both = 0;
        auto sending = [&]() -> tacet::task<> { sent = co_await ends.a.send_zero_copy(bytes_of(bytes)); };
        executor.run(sending());
        std::string got(sent, '\0');
        ssize_t some = sent > 0 ? 1 : 0;
        for (std::size_t at = 0; at < sent && some > 0; at += static_cast<std::size_t>(some))
            some = ::recv(ends.b.fd(), got.data() + at, sent - at, 0);
        if (some <= 0)
            return std::string("not sent");
        auto beside_another = [&]() -> tacet::task<> {
            auto [first, second] = co_await tacet::when_all(ends.a.send_zero_copy(bytes_of(bytes)), tacet::nop());
            both = first;
        };
        executor.run(beside_another());
        return std::string(bytes.compare(0, sent, got) == 0 && both > 0 ? "right" : "wrong");
    });
    CHECK(said == "right");
}
