// Lookups that take for ever, and hosts with addresses that lead nowhere. This program has a resolver of its own.
#include "support.hpp"

#include <catch2/generators/catch_generators.hpp>

#include <atomic>
#include <map>
#include <semaphore>
#include <thread>

#include <netdb.h>

using namespace tests;

namespace {

// What the resolver knows. "stuck" does not end before it is let go.
std::map<std::string, std::vector<tacet::address>> hosts;
std::atomic<int> stuck = 0, ended = 0, lists = 0;
std::counting_semaphore<> let_go(0);

addrinfo* list_of(const std::vector<tacet::address>& found)
{
    addrinfo* first = nullptr;
    for (auto each = found.rbegin(); each != found.rend(); ++each) {
        auto* name = new tacet::address(*each);
        first = new addrinfo{0,
                             name->family(),
                             SOCK_STREAM,
                             0,
                             name->length(),
                             const_cast<sockaddr*>(name->get()),
                             reinterpret_cast<char*>(name),
                             first};
    }
    lists++;
    return first;
}

template <class Answers>
void wait_until(Answers answers)
{
    while (!answers())
        std::this_thread::yield();
}

// A listener that takes no further connection: who connects waits.
struct full_listener {
    full_listener()
    {
        listener.listen(0);
        for (tacet::socket& each : waiting) {
            each = tacet::socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
            const tacet::address name = listener.name();
            (void)::connect(each.fd(), name.get(), name.length());
        }
    }
    tacet::socket listener = tacet::listen(tacet::address::parse("127.0.0.1:0"));
    tacet::socket waiting[4];
};

}

extern "C" int getaddrinfo(const char* host, const char*, const addrinfo* hints, addrinfo** found)
{
    if (hints->ai_socktype != SOCK_STREAM)
        return EAI_SOCKTYPE;
    if (host == std::string("stuck")) {
        stuck++;
        let_go.acquire();
        *found = list_of({tacet::address::parse("127.0.0.1:1")});
        ended++;
        return 0;
    }
    const auto known = hosts.find(host);
    if (known == hosts.end())
        return EAI_NONAME;
    *found = list_of(known->second);
    return 0;
}

extern "C" void freeaddrinfo(addrinfo* list)
{
    while (list != nullptr) {
        addrinfo* const next = list->ai_next;
        delete reinterpret_cast<tacet::address*>(list->ai_canonname);
        delete list;
        list = next;
    }
    lists--;
}

TEST_CASE("a lookup that is cancelled, timed out, or whose executor goes, is left behind", "[cxx][connect]")
{
    const int before = stuck;
    REQUIRE(ended == before);
    auto looking = []() -> tacet::task<> { (void)co_await tacet::lookup("stuck", "80"); };
    {
        tacet::executor executor;
        tacet::join_handle<void> cancelled = executor.spawn(looking());
        let_settle(executor);
        wait_until([&] { return stuck == before + 1; });
        cancelled.cancel();
        executor.run_until_idle();
        CHECK(failure_of([&] { cancelled.take(); }).code == std::errc::operation_canceled);

        auto late = [&]() -> tacet::task<> { co_await tacet::with_deadline(1ms, tacet::connect("stuck", "80")); };
        CHECK(failure_of([&] { executor.run(late()); }).code == std::errc::stream_timeout);
        executor.spawn(looking());
        let_settle(executor);
        wait_until([&] { return stuck >= before + 2; }); // one may have been timed out before it began
    }
    const int begun = stuck;
    CHECK(ended == before);
    let_go.release(10);
    wait_until([&] { return ended >= begun && lists == 0; });
    tacet::executor executor;
    const std::vector<tacet::address> found = executor.run(tacet::lookup("stuck", "80"));
    CHECK(found == std::vector{tacet::address::parse("127.0.0.1:1")});
    wait_until([&] { return lists == 0; });
}

TEST_CASE("lookups that are stuck leave half of the helpers to others; further lookups wait for them", "[cxx][connect]")
{
    const bool one_ends = GENERATE(true, false); // or there may be more helpers
    while (let_go.try_acquire()) {
    }
    REQUIRE(tacet_blocking_set_threads_max(4) == 0);
    const tacet::address known = tacet::address::parse("127.0.0.1:1");
    hosts["known"] = {known};
    const int before = stuck, half = 2;
    tacet::executor executor;
    auto looking = [](const char* host) -> tacet::task<std::vector<tacet::address>> {
        std::vector<tacet::address> found = co_await tacet::lookup(host, "80");
        co_return found;
    };
    std::vector<tacet::join_handle<std::vector<tacet::address>>> left;
    for (int i = 0; i < 4; i++)
        left.push_back(executor.spawn(looking("stuck")));
    let_settle(executor);
    wait_until([&] { return stuck >= before + half; });
    for (auto& each : left)
        each.cancel();
    executor.run_until_idle();
    for (auto& each : left)
        CHECK(failure_of([&] { (void)each.take(); }).code == std::errc::operation_canceled);
    auto answer = [] { return 42; };
    auto calling = [&]() -> tacet::task<int> {
        auto limited = tacet::with_deadline(60s, tacet::run_blocking(answer)); // not for ever, where it fails
        const int answered = co_await std::move(limited);
        co_return answered;
    };
    CHECK(executor.run(calling()) == 42);

    auto waiting = executor.spawn(looking("known")), taken_back = executor.spawn(looking("known"));
    let_settle(executor);
    taken_back.cancel();
    let_settle(executor);
    CHECK(failure_of([&] { (void)taken_back.take(); }).code == std::errc::operation_canceled);
    CHECK_FALSE(waiting.has_exited());
    if (one_ends)
        let_go.release();
    else
        REQUIRE(tacet_blocking_set_threads_max(6) == 0);
    executor.run_until_idle();
    CHECK(waiting.take() == std::vector{known});
    CHECK(stuck == before + half);
    let_go.release(one_ends ? 1 : 2);
    wait_until([&] { return ended == stuck && lists == 0; });
    REQUIRE(tacet_blocking_set_threads_max(TACET_BLOCKING_THREADS_DEFAULT) == 0);
}

TEST_CASE("an address that leads nowhere does not hold up the others of its host", "[cxx][connect]")
{
    const std::ptrdiff_t before = open_descriptors();
    {
        const full_listener nowhere;
        tacet::socket listener = tacet::listen(tacet::address::parse("127.0.0.1:0"));
        hosts["two"] = {nowhere.listener.name(), listener.name()};
        tacet::executor executor;
        auto connecting = [&]() -> tacet::task<> {
            auto limited = tacet::with_deadline(60s,
                                                tacet::connect("two", "80")); // less than the kernel goes on trying
            tacet::socket connection = co_await std::move(limited);
            CHECK(connection.peer() == listener.name());
        };
        executor.run(connecting());
        executor.run_until_idle();
        CHECK(executor.stats().in_flight == 0);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("a connection is to the first address that takes it; if none does, the last failure is told",
          "[cxx][connect]")
{
    tacet::executor executor;
    tacet::socket first = tacet::listen(tacet::address::parse("127.0.0.1:0")),
                  second = tacet::listen(tacet::address::parse("127.0.0.1:0"));
    const tacet::address nobody = tacet::listen(tacet::address::parse("127.0.0.1:0")).name();
    hosts["both"] = {first.name(), second.name()};
    hosts["second"] = {nobody, second.name()};
    hosts["none"] = {tacet::address::parse("unix:/no such socket"), nobody};
    tacet::socket made = executor.run(tacet::connect("both", "80"));
    CHECK(made.peer() == first.name());
    made = executor.run(tacet::connect("second", "80"));
    CHECK(made.peer() == second.name());
    const failure none = failure_of([&] { executor.run(tacet::connect("none", "80")); });
    CHECK(none.code == std::errc::connection_refused);
    CHECK(none.what == "connect " + nobody.text() + ": " + message_of(std::errc::connection_refused));
    const failure unknown = failure_of([&] { executor.run(tacet::connect("unknown", "80")); });
    CHECK(unknown.code == std::errc::no_such_file_or_directory);
    CHECK(unknown.what.find("lookup \"unknown\" \"80\"") == 0);
}

TEST_CASE("a host whose families take turns is tried by both before a family's second", "[cxx][connect]")
{
    std::vector<tacet::address> found;
    for (const char* text : {"[::1]:1", "[::1]:2", "[::1]:3", "1.1.1.1:1", "1.1.1.1:2"})
        found.push_back(tacet::address::parse(text));
    std::string order;
    for (const tacet::address& each : tacet::detail::interleaved(found))
        order += each.text() + ' ';
    CHECK(order == "[::1]:1 1.1.1.1:1 [::1]:2 1.1.1.1:2 [::1]:3 ");
}

TEST_CASE("a connection that is cancelled ends all its attempts", "[cxx][connect]")
{
    const std::ptrdiff_t before = open_descriptors();
    {
        const full_listener nowhere;
        hosts["nowhere"] = {nowhere.listener.name(), nowhere.listener.name()};
        tacet::executor executor;
        auto connecting = []() -> tacet::task<> { (void)co_await tacet::connect("nowhere", "80"); };
        tacet::join_handle<void> cancelled = executor.spawn(connecting());
        while (executor.stats().in_flight < 2) // both are on their way
            executor.run_for(1ms);
        cancelled.cancel();
        executor.run_until_idle();
        CHECK(failure_of([&] { cancelled.take(); }).code == std::errc::operation_canceled);
        CHECK(executor.stats().in_flight == 0);
    }
    CHECK(open_descriptors() == before);
}
