/*
 * Signals, eventfds and pipes: what comes is had by who waits for it, once, and stays to be had if the wait was cancelled
 * or its executor destroyed.
 */
#include "support/support.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

using namespace support;

namespace {

using results = std::vector<tacet_result>;

/* A source of two signals. What is pending at the end is taken, so that nothing reaches the next test. */
class source {
public:
    source()
    {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        sigaddset(&set, SIGRTMIN);
        REQUIRE(tacet_signal_source_open(&handle_, &set) == 0);
    }
    source(const source&) = delete;
    ~source()
    {
        while (tacet_signal_take(&handle_, nullptr) >= 0)
            continue;
        tacet_signal_source_close(&handle_);
        CHECK(handle_.fd == -1);
    }
    const tacet_signal_source* get() const { return &handle_; }

private:
    tacet_signal_source handle_ = {-1};
};

class counter {
public:
    explicit counter(unsigned initial = 0, int flags = 0)
    {
        REQUIRE(tacet_event_fd_open(&handle_, initial, flags) == 0);
    }
    counter(const counter&) = delete;
    ~counter() { ::close(handle_.fd); }
    const tacet_file* get() const { return &handle_; }

private:
    tacet_file handle_ = {-1, 0, 0};
};

/* A wait that a `stackless` body makes again, unless it has ended. */
call taking(call wait)
{
    return task::made_again([wait = std::move(wait), again = false](tacet_task* self) mutable {
        const tacet_result ended = again ? tacet_task_call_result(self) : 0;
        again = false;
        if (ended < 0)
            return ended;
        const tacet_result r = wait(self);
        again = r == TACET_PENDING;
        return r;
    });
}

call wait_for(const source& source, signalfd_siginfo* info = nullptr)
{
    return taking([&source, info](tacet_task* self) { return tacet_signal_wait(self, source.get(), info); });
}

call wait_for(const counter& counter, uint64_t* count)
{
    return taking([&counter, count](tacet_task* self) { return tacet_event_fd_wait(self, counter.get(), count); });
}

bool send(int signal, int value)
{
    return ::sigqueue(::getpid(), signal, sigval{.sival_int = value}) == 0;
}

/* What both can do: to give one, to wait for one and count it, and to have what is left. */
struct kind {
    const char* name;
    bool (*give)(const source&, const counter&); /* from any thread */
    call (*wait)(const source&, const counter&, uint64_t*);
    bool (*is_left)(const source&, const counter&);
};

const std::vector<kind>& kinds()
{
    static const std::vector<kind> all = {
        {"signal", [](const source&, const counter&) { return send(SIGRTMIN, 1); },
         [](const source& source, const counter&, uint64_t*) { return wait_for(source); },
         [](const source& source, const counter&) { return tacet_signal_take(source.get(), nullptr) == SIGRTMIN; }},
        {"eventfd", [](const source&, const counter& counter) { return tacet_event_fd_add(counter.get(), 1) == 0; },
         [](const source&, const counter& counter, uint64_t* count) { return wait_for(counter, count); },
         [](const source&, const counter& counter) {
             uint64_t count = 0;
             return tacet_event_fd_take(counter.get(), &count) == 0;
         }},
    };
    return all;
}

}

TEST_CASE("a signal is had by the task that waits for it, with what came along", "[signal]")
{
    executor executor(GENERATE(from_range(kernel_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const bool before = GENERATE(false, true);
    const source source;
    signalfd_siginfo info = {};
    task waiter(switcher, {wait_for(source, &info)});
    if (before)
        CHECK(send(SIGRTMIN, 77));
    waiter.attach(executor);
    let_settle(executor);
    CHECK(tacet_task_has_exited(waiter) == before);
    if (!before)
        CHECK(send(SIGRTMIN, 77));
    CHECK(executor.run_until_idle() >= 0);
    CHECK(waiter.results() == results{SIGRTMIN});
    CHECK(info.ssi_int == 77);
    CHECK(info.ssi_pid == static_cast<uint32_t>(::getpid()));
}

TEST_CASE("signals come in their order, each to one of those who wait", "[signal]")
{
    executor executor;
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const source source;
    signalfd_siginfo first[2] = {}, second[2] = {};
    task one(switcher, {wait_for(source, &first[0]), wait_for(source, &first[1])}),
        other(switcher, {wait_for(source, &second[0]), wait_for(source, &second[1])});
    one.attach(executor);
    other.attach(executor);
    let_settle(executor);
    for (int value = 1; value <= 4; value++)
        CHECK(send(SIGRTMIN, value));
    CHECK(executor.run_until_idle() >= 0);
    CHECK(one.results() == results{SIGRTMIN, SIGRTMIN});
    CHECK(other.results() == results{SIGRTMIN, SIGRTMIN});
    int seen = 0;
    for (const signalfd_siginfo& each : {first[0], first[1], second[0], second[1]})
        seen |= 1 << each.ssi_int;
    CHECK(seen == 0b11110);
}

TEST_CASE("what came for a cancelled wait, or for none, is there for the next", "[signal][eventfd]")
{
    executor executor(GENERATE(from_range(kernel_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const kind& kind = GENERATE(from_range(kinds()));
    CAPTURE(kind.name);
    const source source;
    const counter counter;
    uint64_t count = 0;
    task waiter(switcher, {kind.wait(source, counter, &count), kind.wait(source, counter, &count)});
    waiter.attach(executor);
    let_settle(executor);
    CHECK(tacet_task_cancel(waiter) == 0);
    CHECK(executor.run_until([&] { return waiter.results().size() == 1; }));
    CHECK(waiter.results() == results{-ECANCELED});
    CHECK_FALSE(kind.is_left(source, counter));
    CHECK(kind.give(source, counter));
    CHECK(executor.run_until_idle() >= 0);
    CHECK(waiter.results().size() == 2);
    CHECK(waiter.results().back() >= 0);
    CHECK_FALSE(kind.is_left(source, counter));
}

TEST_CASE("a wait that ends at its deadline takes nothing", "[signal][eventfd]")
{
    executor executor;
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const kind& kind = GENERATE(from_range(kinds()));
    CAPTURE(kind.name);
    const source source;
    const counter counter;
    uint64_t count = 0;
    const auto limit = [](tacet_task* self) { return tacet_task_set_deadline(self, tacet_now() + 1); };
    task waiter(switcher, {limit, kind.wait(source, counter, &count)});
    waiter.attach(executor);
    CHECK(executor.run_until_idle() >= 0);
    CHECK(waiter.results() == results{0, -ETIME});
    CHECK(kind.give(source, counter));
    CHECK(kind.is_left(source, counter));
}

TEST_CASE("what comes as the wait for it is cancelled is had, or left", "[signal][eventfd]")
{
    executor executor;
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const kind& kind = GENERATE(from_range(kinds()));
    CAPTURE(kind.name);
    const source source;
    const counter counter;
    std::atomic<int> round_of_other{0}, given{0};
    const int rounds = 300;
    std::thread other([&] {
        for (int round = 1; round <= rounds; round++) {
            while (round_of_other.load() < 2 * round - 1)
                std::this_thread::yield();
            given += kind.give(source, counter);
            round_of_other = 2 * round;
        }
    });
    for (int round = 1; round <= rounds; round++) {
        uint64_t count = 0;
        task waiter(switcher, {kind.wait(source, counter, &count)});
        waiter.attach(executor);
        let_settle(executor);
        round_of_other = 2 * round - 1;
        for (int i = 0; i < round % 13; i++)
            std::this_thread::yield();
        CHECK(tacet_task_cancel(waiter) == 0);
        CHECK(executor.run_until_idle() >= 0);
        while (round_of_other.load() < 2 * round)
            std::this_thread::yield();
        CHECK((tacet_task_result(waiter) < 0) == kind.is_left(source, counter));
    }
    other.join();
    CHECK(given == rounds);
}

TEST_CASE("what came is left by an executor that is destroyed", "[signal][eventfd]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const kind& kind = GENERATE(from_range(kinds()));
    const ring_kind& ring = GENERATE(from_range(kernel_rings()));
    const bool comes = GENERATE(false, true);
    CAPTURE(kind.name);
    const source source;
    const counter counter;
    uint64_t count = 0;
    const std::size_t descriptors = open_descriptors();
    {
        executor executor(ring);
        task waiter(switcher, {kind.wait(source, counter, &count)});
        waiter.attach(executor);
        let_settle(executor);
        if (comes)
            CHECK(kind.give(source, counter));
        CHECK(executor.destroy() == 0);
    }
    CHECK(kind.is_left(source, counter) == comes);
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("an eventfd gives all that was added, a semaphore one at a time", "[eventfd]")
{
    executor executor;
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const bool semaphore = GENERATE(false, true);
    const counter counter(2, semaphore ? EFD_SEMAPHORE : 0);
    uint64_t counts[2] = {};
    task waiter(switcher, {wait_for(counter, &counts[0]), wait_for(counter, &counts[1])});
    waiter.attach(executor);
    let_settle(executor);
    tacet_result added = -1;
    std::thread([&] { added = tacet_event_fd_add(counter.get(), 5); }).join();
    CHECK(added == 0);
    CHECK(executor.run_until_idle() >= 0);
    CHECK(waiter.results() == results{0, 0});
    CHECK(counts[0] == (semaphore ? 1 : 2));
    CHECK(counts[1] == (semaphore ? 1 : 5));
}

TEST_CASE("an eventfd that is full or empty says so, and nothing changes", "[eventfd]")
{
    const counter counter;
    uint64_t count = 0;
    errno = 0;
    CHECK(tacet_event_fd_take(counter.get(), &count) == -EAGAIN);
    CHECK(tacet_event_fd_add(counter.get(), UINT64_MAX - 1) == 0);
    CHECK(tacet_event_fd_add(counter.get(), 1) == -EAGAIN);
    CHECK(tacet_event_fd_add(counter.get(), UINT64_MAX) == -EINVAL);
    CHECK(errno == 0);
    CHECK(tacet_event_fd_take(counter.get(), &count) == 0);
    CHECK(count == UINT64_MAX - 1);
}

TEST_CASE("what is written to a pipe is read from it, and its end is 0 bytes", "[pipe]")
{
    executor executor(GENERATE(from_range(kernel_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const std::size_t descriptors = open_descriptors();
    tacet_file ends[2];
    REQUIRE(tacet_pipe_open(ends, 0) == 0);
    CHECK(::fcntl(ends[0].fd, F_GETFD) == FD_CLOEXEC);
    static char buffer[8];
    task reader(switcher, {[&](tacet_task* t) { return tacet_file_read(t, &ends[0], buffer, 8, UINT64_MAX); },
                           [&](tacet_task* t) { return tacet_file_read(t, &ends[0], buffer, 8, UINT64_MAX); },
                           [&](tacet_task* t) { return tacet_file_close(t, &ends[0]); }});
    task writer(switcher, {[&](tacet_task* t) { return tacet_file_write(t, &ends[1], "bytes", 5, UINT64_MAX); },
                           [&](tacet_task* t) { return tacet_file_close(t, &ends[1]); }});
    reader.attach(executor);
    let_settle(executor);
    writer.attach(executor);
    CHECK(executor.run_until_idle() >= 0);
    CHECK(reader.results() == results{5, 0, 0});
    CHECK(std::string(buffer, 5) == "bytes");
    CHECK(writer.results() == results{5, 0});
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("a cancelled read of a pipe takes nothing from it", "[pipe]")
{
    executor executor(GENERATE(from_range(kernel_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    tacet_file ends[2];
    REQUIRE(tacet_pipe_open(ends, 0) == 0);
    static char buffer[8];
    const auto read = [&](tacet_task* t) { return tacet_file_read(t, &ends[0], buffer, 8, UINT64_MAX); };
    task reader(switcher, {read, read});
    reader.attach(executor);
    let_settle(executor);
    CHECK(tacet_task_cancel(reader) == 0);
    CHECK(executor.run_until([&] { return reader.results().size() == 1; }));
    CHECK(::write(ends[1].fd, "one", 3) == 3);
    CHECK(executor.run_until_idle() >= 0);
    CHECK(reader.results() == results{-ECANCELED, 3});
    ::close(ends[0].fd);
    ::close(ends[1].fd);
}

TEST_CASE("a task that cannot wait takes what is there, and does not wait", "[signal][eventfd]")
{
    executor executor;
    const source source;
    const counter counter;
    uint64_t count = 0;
    task none({"none", tacet_switcher_none}, {wait_for(source), wait_for(counter, &count)});
    none.attach(executor);
    CHECK(executor.run_until_idle() == 1);
    CHECK(none.results() == results{-ENOTSUP, -ENOTSUP});
    CHECK(tacet_signal_take(source.get(), nullptr) == -EAGAIN);
}

TEST_CASE("a NULL is -EINVAL", "[signal][eventfd][pipe]")
{
    caller run(GENERATE(from_range(suspending_switchers())));
    const counter counter;
    uint64_t count = 0;
    sigset_t set;
    sigemptyset(&set);
    tacet_signal_source source = {-1};
    CHECK(tacet_pipe_open(nullptr, 0) == -EINVAL);
    CHECK(tacet_event_fd_open(nullptr, 0, 0) == -EINVAL);
    CHECK(tacet_event_fd_add(nullptr, 0) == -EINVAL);
    CHECK(tacet_event_fd_take(nullptr, &count) == -EINVAL);
    CHECK(tacet_event_fd_take(counter.get(), nullptr) == -EINVAL);
    CHECK(tacet_signal_source_open(nullptr, &set) == -EINVAL);
    CHECK(tacet_signal_source_open(&source, nullptr) == -EINVAL);
    CHECK(tacet_signal_take(nullptr, nullptr) == -EINVAL);
    CHECK(run([&](tacet_task* t) { return tacet_event_fd_wait(t, nullptr, &count); }) == -EINVAL);
    CHECK(run([&](tacet_task* t) { return tacet_event_fd_wait(t, counter.get(), nullptr); }) == -EINVAL);
    CHECK(run([&](tacet_task* t) { return tacet_signal_wait(t, nullptr, nullptr); }) == -EINVAL);
}
