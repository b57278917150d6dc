// Signals, eventfds, pipes and changes of files, awaited: who waits gets them, once; a cancel and the end of an executor
// lose none.
#include "support.hpp"

#include <catch2/generators/catch_generators.hpp>
#include <csignal>
#include <thread>

using namespace tests;

namespace {

// What is pending at the end of a test reaches nobody after it.
class drained_signals : public tacet::signal_set {
public:
    drained_signals() : tacet::signal_set({SIGUSR1, SIGRTMIN}) {}
    ~drained_signals()
    {
        while (take() != 0)
            continue;
    }
};

void send(int value)
{
    REQUIRE(::sigqueue(::getpid(), SIGRTMIN, sigval{.sival_int = value}) == 0);
}

// The event's bits and its name.
std::string text_of(const tacet::file_event& event)
{
    const std::pair<std::uint32_t, const char*> names[] = {{IN_CREATE, "create "},     {IN_DELETE, "delete "},
                                                           {IN_MOVED_FROM, "from "},   {IN_MOVED_TO, "to "},
                                                           {IN_CLOSE_WRITE, "write "}, {IN_IGNORED, "ignored "}};
    std::string text;
    for (const auto& [bit, name] : names)
        if ((event.mask & bit) != 0)
            text += name;
    return text + event.name;
}

// What waits for each kind, and what can be had afterwards.
struct waiting {
    const char* name;
    tacet::task<> (*wait)(struct things&);
    void (*give)(struct things&);
    bool (*is_left)(struct things&);
};

struct things {
    scratch folder;
    drained_signals signals;
    tacet::event_fd counter;
    tacet::watcher changes;
    things() { changes.add(folder.root(), IN_CREATE); }
};

tacet::task<> wait_for_signal(things& with)
{
    const int signal = co_await with.signals.wait();
    CHECK(signal == SIGRTMIN);
}
tacet::task<> wait_for_count(things& with)
{
    const std::uint64_t count = co_await with.counter.wait();
    CHECK(count == 1);
}
tacet::task<> wait_for_change(things& with)
{
    const tacet::file_event event = co_await with.changes.next();
    CHECK(text_of(event) == "create new");
}

const std::vector<waiting> kinds = {
    {"wait for a signal", wait_for_signal, [](things&) { send(1); },
     [](things& with) { return with.signals.take() == SIGRTMIN; }},
    {"wait for an eventfd", wait_for_count, [](things& with) { with.counter.add(); },
     [](things& with) { return with.counter.take() == 1; }},
    {"wait for a change", wait_for_change, [](things& with) { (void)with.folder.make("new", ""); },
     [](things& with) { return with.changes.take().has_value(); }},
};

}

TEST_CASE("what is waited for comes, before the wait or after", "[cxx][notify]")
{
    tacet::executor executor;
    for (const waiting& kind : kinds) {
        CAPTURE(kind.name);
        things with;
        auto waits = executor.spawn(kind.wait(with));
        let_settle(executor);
        CHECK_FALSE(waits.has_exited());
        kind.give(with);
        executor.run_until_idle();
        waits.take();
        CHECK_FALSE(kind.is_left(with));
    }
    for (const waiting& kind : kinds) {
        CAPTURE(kind.name);
        things with;
        kind.give(with);
        executor.run(kind.wait(with));
        CHECK_FALSE(kind.is_left(with));
    }
}

TEST_CASE("what comes for a wait that was cancelled is left", "[cxx][notify]")
{
    const bool comes_first = GENERATE(false, true);
    for (const waiting& kind : kinds) {
        CAPTURE(kind.name);
        tacet::executor executor;
        things with;
        auto waits = executor.spawn(kind.wait(with));
        let_settle(executor);
        if (comes_first)
            kind.give(with);
        waits.cancel();
        executor.run_until_idle();
        const failure thrown = failure_of([&] { waits.take(); });
        if (thrown.code)
            CHECK(thrown.what == kind.name + (": " + message_of(std::errc::operation_canceled)));
        CHECK(kind.is_left(with) == (comes_first && thrown.code));
        CHECK((comes_first || thrown.code));
    }
}

TEST_CASE("a wait ends at its deadline, and takes nothing", "[cxx][notify]")
{
    for (const waiting& kind : kinds) {
        CAPTURE(kind.name);
        tacet::executor executor;
        things with;
        auto working = [&]() -> tacet::task<bool> {
            auto ended = co_await tacet::as_result(tacet::with_deadline(1ns, kind.wait(with)));
            co_return !ended && tacet::is_timeout(ended.error());
        };
        CHECK(executor.run(working()));
        kind.give(with);
        CHECK(kind.is_left(with));
    }
}

TEST_CASE("what comes is left by an executor that is destroyed", "[cxx][notify]")
{
    const bool comes = GENERATE(false, true);
    for (const waiting& kind : kinds) {
        CAPTURE(kind.name);
        things with;
        const std::ptrdiff_t descriptors = open_descriptors();
        {
            tacet::executor executor;
            executor.spawn(kind.wait(with));
            let_settle(executor);
            if (comes)
                kind.give(with);
        }
        CHECK(kind.is_left(with) == comes);
        CHECK(open_descriptors() == descriptors);
    }
}

TEST_CASE("signals say what came with them, and each is one task's", "[cxx][signal]")
{
    tacet::executor executor;
    drained_signals signals;
    int seen = 0;
    auto waits = [&]() -> tacet::task<> {
        const signalfd_siginfo info = co_await signals.wait_info();
        CHECK(info.ssi_signo == static_cast<std::uint32_t>(SIGRTMIN));
        CHECK(info.ssi_pid == static_cast<std::uint32_t>(::getpid()));
        seen |= 1 << info.ssi_int;
    };
    auto one = executor.spawn(waits()), other = executor.spawn(waits());
    let_settle(executor);
    send(1);
    send(2);
    executor.run_until_idle();
    one.take();
    other.take();
    CHECK(seen == 6);
    CHECK(signals.take() == 0);
}

TEST_CASE("a set of signals that cannot be is refused", "[cxx][signal]")
{
    CHECK(failure_of([] { const tacet::signal_set none{SIGINT, 4711}; }).code == std::errc::invalid_argument);
    CHECK(failure_of([] { const tacet::signal_set none{SIGKILL}; }).code == std::errc::invalid_argument);
}

TEST_CASE("an eventfd is added to by other threads, and a semaphore gives one at a time", "[cxx][eventfd]")
{
    tacet::executor executor;
    tacet::event_fd counter, semaphore(0, EFD_SEMAPHORE);
    auto sum = [&]() -> tacet::task<std::uint64_t> {
        std::uint64_t sum = 0;
        while (sum < 3000)
            sum += co_await counter.wait();
        co_return sum;
    };
    auto ones = [&]() -> tacet::task<std::uint64_t> {
        std::uint64_t sum = 0;
        for (int i = 0; i < 3; i++)
            sum += co_await semaphore.wait();
        co_return sum;
    };
    std::thread other([&] {
        for (int i = 0; i < 1000; i++)
            counter.add(3);
        semaphore.add(4);
    });
    CHECK(executor.run(sum()) == 3000);
    CHECK(executor.run(ones()) == 3);
    other.join();
    CHECK(semaphore.take() == 1);
    CHECK(semaphore.take() == 0);
    counter.add(UINT64_MAX - 1);
    CHECK(failure_of([&] { counter.add(); }).code == std::errc::resource_unavailable_try_again);
}

TEST_CASE("what is written to a pipe is read, and a wait for it ends by then", "[cxx][pipe]")
{
    const std::ptrdiff_t descriptors = open_descriptors();
    {
        tacet::executor executor;
        tacet::pipe_ends ends = tacet::pipe();
        std::string buffer(8, '\0');
        auto reads = [&]() -> tacet::task<std::string> {
            const unsigned events = co_await tacet::wait_readable(ends.reader.fd());
            CHECK((events & POLLIN) != 0);
            const std::size_t n = co_await ends.reader.read(bytes_of(buffer));
            const std::size_t end = co_await ends.reader.read(bytes_of(buffer));
            CHECK(end == 0);
            co_return buffer.substr(0, n);
        };
        auto writes = [&]() -> tacet::task<> {
            const unsigned events = co_await tacet::wait_writable(ends.writer.fd());
            CHECK(events == POLLOUT);
            const std::string text = "text";
            (void)co_await ends.writer.write(bytes_of(text));
            co_await ends.writer.close();
        };
        auto reader = executor.spawn(reads());
        let_settle(executor);
        executor.run(writes());
        executor.run_until_idle();
        CHECK(reader.take() == "text");
    }
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("a wait until a descriptor is ready can be cancelled, and names itself", "[cxx][pipe]")
{
    tacet::executor executor;
    tacet::pipe_ends ends = tacet::pipe();
    auto waits = [&]() -> tacet::task<> { (void)co_await tacet::wait_readable(ends.reader.fd()); };
    auto cancelled = executor.spawn(waits());
    let_settle(executor);
    cancelled.cancel();
    executor.run_until_idle();
    CHECK(failure_of([&] { cancelled.take(); }).what ==
          "wait until readable: " + message_of(std::errc::operation_canceled));
}

TEST_CASE("changes in a folder come in their order, with their names", "[cxx][inotify]")
{
    const scratch folder;
    tacet::executor executor;
    tacet::watcher changes;
    const int watch = changes.add(folder.root(), IN_CREATE | IN_MOVE | IN_CLOSE_WRITE | IN_DELETE);
    std::vector<std::string> seen;
    std::uint32_t from = 0, to = 1;
    auto watching = [&]() -> tacet::task<> {
        for (int i = 0; i < 6; i++) {
            const tacet::file_event event = co_await changes.next();
            CHECK(event.watch == watch);
            CHECK_FALSE(event.overflowed());
            if ((event.mask & IN_MOVED_FROM) != 0)
                from = event.cookie;
            if ((event.mask & IN_MOVED_TO) != 0)
                to = event.cookie;
            seen.push_back(text_of(event));
        }
    };
    auto watched = executor.spawn(watching());
    let_settle(executor);
    (void)folder.make("first", "x");
    std::filesystem::rename(folder / "first", folder / "second");
    std::filesystem::remove(folder / "second");
    changes.remove(watch);
    executor.run_until_idle();
    watched.take();
    CHECK(seen == std::vector<std::string>{"create first", "write first", "from first", "to second", "delete second",
                                           "ignored "});
    CHECK(from == to);
    CHECK(from != 0);
}

TEST_CASE("more changes than fit into a buffer all come", "[cxx][inotify]")
{
    const scratch folder;
    tacet::executor executor;
    tacet::watcher changes;
    changes.add(folder.root(), IN_CREATE);
    const std::string padding(200, 'p');
    const int many = 300;
    for (int i = 0; i < many; i++)
        (void)folder.make((padding + std::to_string(i)).c_str(), "");
    auto watching = [&]() -> tacet::task<int> {
        for (int i = 0; i < many; i++) {
            const tacet::file_event event = co_await changes.next();
            if (event.name != padding + std::to_string(i))
                co_return i;
        }
        co_return many;
    };
    CHECK(executor.run(watching()) == many);
    CHECK_FALSE(changes.take());
}

TEST_CASE("a queue of changes that overflows says so", "[cxx][inotify]")
{
    const scratch folder;
    tacet::watcher changes;
    changes.add(folder.root(), IN_CREATE | IN_DELETE);
    bool overflowed = false;
    std::size_t seen = 0;
    for (int i = 0; i < 10000; i++) {
        const std::string name = folder / (i % 2 == 0 ? "a" : "b");
        REQUIRE(::close(::open(name.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0);
        REQUIRE(::unlink(name.c_str()) == 0);
    }
    while (const std::optional<tacet::file_event> event = changes.take()) {
        seen++;
        if (event->overflowed()) {
            overflowed = true;
            CHECK(event->watch == -1);
        }
    }
    CHECK(overflowed == (seen < 20000));
    CHECK(seen > 0);
}

TEST_CASE("what cannot be watched is named", "[cxx][inotify]")
{
    tacet::watcher changes;
    CHECK(failure_of([&] { changes.add("/no/such/file", IN_CREATE); }).what ==
          "watch \"/no/such/file\": " + message_of(std::errc::no_such_file_or_directory));
    CHECK(failure_of([&] { changes.remove(1); }).code == std::errc::invalid_argument);
}
