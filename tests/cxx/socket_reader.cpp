// socket_reader: what comes is cut where it was asked for, however it came, and nothing ends up lost.
#include "support.hpp"

#include <random>

using namespace tests;

namespace {

void send_now(const tacet::socket& to, const std::string& text)
{
    REQUIRE(::send(to.fd(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
}

std::string text_of(const std::optional<std::string_view>& piece)
{
    return piece ? std::string(*piece) : "(end)";
}

template <class Body>
std::error_code error_in(tacet::executor& executor, Body body)
{
    return failure_of([&] { executor.run(body()); }).code;
}

}

TEST_CASE("pieces end at their delimiter, or have the size that was asked for", "[cxx][socket_reader]")
{
    tacet::executor executor;
    auto [ours, theirs] = tacet::socket_pair();
    send_now(theirs, "GET / HTTP/1.1\r\nA: b\r\n\r\n12345678rest");
    theirs = tacet::socket();
    auto body = [&ours = ours]() -> tacet::task<> {
        tacet::socket_reader reader(ours);
        std::vector<std::string> lines;
        for (int i = 0; i < 3; i++)
            lines.push_back(text_of(co_await reader.until("\r\n")));
        CHECK(lines == std::vector<std::string>{"GET / HTTP/1.1\r\n", "A: b\r\n", "\r\n"});
        const std::string none = text_of(co_await reader.exactly(0));
        CHECK(none.empty());
        const std::string five = text_of(co_await reader.exactly(5));
        CHECK(five == "12345");
        CHECK(reader.buffered() == "678rest");
        std::string two(2, '\0');
        const std::size_t read = co_await reader.read(bytes_of(two));
        CHECK(read == 2);
        CHECK(two == "67");
        CHECK(reader.take(1) == "8");
        const std::string_view some = co_await reader.some();
        CHECK(some == "rest");
        const std::string_view end = co_await reader.some();
        CHECK(end.empty());
        const std::string line = text_of(co_await reader.until("\n")), byte = text_of(co_await reader.exactly(1));
        CHECK(line == "(end)");
        CHECK(byte == "(end)");
    };
    executor.run(body());
}

TEST_CASE("pieces are the same however they come", "[cxx][socket_reader]")
{
    std::minstd_rand random(11);
    tacet::executor executor;
    for (const std::size_t bytes_max : {std::size_t{40}, std::size_t{64}, std::size_t{5000}, std::size_t{100'000}}) {
        auto [ours, theirs] = tacet::socket_pair();
        std::vector<std::string> sent, received;
        for (int i = 0; i < 2000; i++)
            sent.push_back(std::string(random() % 38, static_cast<char>('a' + i % 26)) + "\r\n");
        auto sending = [&, &theirs = theirs]() -> tacet::task<> {
            std::string all;
            for (const std::string& each : sent)
                all += each;
            while (!all.empty()) {
                const std::size_t piece = std::min<std::size_t>(all.size(),
                                                                1 + random() % (random() % 4 == 0 ? 9000 : 9));
                co_await theirs.send_all(bytes_of(std::as_const(all)).first(piece));
                all.erase(0, piece);
                if (random() % 2 == 0)
                    co_await tacet::yield();
            }
            co_await theirs.shutdown();
        };
        auto receiving = [&, &ours = ours]() -> tacet::task<> {
            tacet::socket_reader reader(ours, bytes_max);
            for (std::size_t i = 0;; i++) {
                std::optional<std::string_view> piece;
                if (i % 3 == 2 && i < sent.size())
                    piece = co_await reader.exactly(sent[i].size());
                else
                    piece = co_await reader.until("\r\n");
                if (!piece)
                    break;
                received.emplace_back(*piece);
            }
        };
        auto both = [&]() -> tacet::task<> { (void)co_await tacet::when_all(sending(), receiving()); };
        executor.run(both());
        CHECK((received == sent));
    }
}

TEST_CASE("a piece that is too long is refused, and what is there stays", "[cxx][socket_reader]")
{
    tacet::executor executor;
    auto [ours, theirs] = tacet::socket_pair();
    send_now(theirs, std::string(100, 'x') + '\n');
    auto body = [&ours = ours]() -> tacet::task<> {
        tacet::socket_reader reader(ours, 64);
        const auto line = co_await tacet::as_result(reader.until("\n"));
        CHECK(line.error() == std::errc::message_size);
        CHECK(reader.buffered() == std::string(64, 'x'));
        const auto much = co_await tacet::as_result(reader.exactly(65));
        CHECK(much.error() == std::errc::message_size);
        const auto nothing = co_await tacet::as_result(reader.until(""));
        CHECK(nothing.error() == std::errc::invalid_argument);
        const std::string most = text_of(co_await reader.exactly(64)), rest = text_of(co_await reader.until("\n"));
        CHECK(most == std::string(64, 'x'));
        CHECK(rest == std::string(36, 'x') + '\n');
    };
    executor.run(body());
}

TEST_CASE("a delimiter is found across what comes apart, and at the very end of the room", "[cxx][socket_reader]")
{
    tacet::executor executor;
    auto [ours, theirs] = tacet::socket_pair();
    std::string line;
    auto body = [&, &ours = ours]() -> tacet::task<> {
        tacet::socket_reader reader(ours, 8);
        for (int i = 0; i < 2; i++)
            line += text_of(co_await reader.until("--\n"));
    };
    tacet::join_handle<> handle = executor.spawn(body());
    for (const char* piece : {"abc", "d-", "-", "-", "\n", "12", "345--\n"}) {
        send_now(theirs, piece);
        let_settle(executor);
    }
    executor.run_until_idle();
    handle.take();
    CHECK(line == "abcd---\n12345--\n");
}

TEST_CASE("a stream that ends within a piece says so, and the rest is there", "[cxx][socket_reader]")
{
    tacet::executor executor;
    auto [ours, theirs] = tacet::socket_pair();
    send_now(theirs, "half a line");
    theirs = tacet::socket();
    auto body = [&ours = ours]() -> tacet::task<> {
        tacet::socket_reader reader(ours);
        const auto line = co_await tacet::as_result(reader.until("\n"));
        CHECK(line.error() == std::errc::no_message_available);
        const auto much = co_await tacet::as_result(reader.exactly(12));
        CHECK(much.error() == std::errc::no_message_available);
        const std::string_view rest = co_await reader.some();
        CHECK(rest == "half a line");
    };
    executor.run(body());
}

TEST_CASE("a deadline or a cancel loses nothing of what has come", "[cxx][socket_reader]")
{
    tacet::executor executor;
    auto [ours, theirs] = tacet::socket_pair();
    tacet::socket_reader reader(ours);
    auto until_line = [&]() -> tacet::task<std::string> { co_return text_of(co_await reader.until("\n")); };
    auto of_ten = [&]() -> tacet::task<std::string> { co_return text_of(co_await reader.exactly(10)); };
    for (const bool is_cancelled : {false, true})
        for (const bool is_line : {false, true}) {
            send_now(theirs, "12345");
            tacet::join_handle<std::string> handle = executor.spawn(is_line ? until_line() : of_ten());
            let_settle(executor);
            if (is_cancelled)
                handle.cancel();
            else
                CHECK(tacet_task_set_deadline(handle.get(), 1) == 0);
            executor.run_until_idle();
            CHECK(failure_of([&] { (void)handle.take(); }).code != std::error_code());
            CHECK(reader.buffered() == "12345");
            send_now(theirs, "6789\n");
            CHECK(executor.run(is_line ? until_line() : of_ten()) == "123456789\n");
        }
}

TEST_CASE("a read into no memory waits for nobody, and takes nothing", "[cxx][socket_reader]")
{
    static_assert(!std::is_move_constructible_v<tacet::socket_reader>);
    static_assert(!std::is_move_assignable_v<tacet::socket_reader>);
    tacet::executor executor;
    auto [ours, theirs] = tacet::socket_pair();
    std::size_t at_first = 1, with_some_there = 1;
    auto body = [&, &ours = ours, &theirs = theirs]() -> tacet::task<> {
        tacet::socket_reader reader(ours);
        at_first = co_await reader.read({});
        send_now(theirs, "abc");
        (void)co_await reader.exactly(1);
        with_some_there = co_await reader.read({});
        CHECK(reader.buffered() == "bc");
    };
    tacet::join_handle<> handle = executor.spawn(body());
    let_settle(executor);
    REQUIRE(handle.has_exited());
    handle.take();
    CHECK(at_first == 0);
    CHECK(with_some_there == 0);
}

TEST_CASE("an error of the socket comes through", "[cxx][socket_reader]")
{
    tacet::executor executor;
    const tacet::socket unconnected(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto body = [&]() -> tacet::task<> {
        tacet::socket_reader reader(unconnected);
        (void)co_await reader.some();
    };
    CHECK(error_in(executor, body) == std::errc::not_connected);
}
