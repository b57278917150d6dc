// Futexes, awaited: against wakes by tasks and by threads, cancels and deadlines.
#include "support.hpp"

#include <atomic>
#include <thread>

#include <linux/futex.h>
#include <sys/syscall.h>

using namespace tests;

namespace {

long wake_plainly(std::atomic<std::uint32_t>& word, int count)
{
    return ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

// An executor whose kernel has futexes in the ring.
class futex_executor : public tacet::executor {
public:
    futex_executor()
    {
        if (!tacet_executor_supports(get(), TACET_OPCODE_FUTEX_WAIT))
            SKIP("Linux 6.7: futexes through the ring");
    }
};

}

TEST_CASE("a futex is awaited as long as it is what is expected", "[cxx][futex]")
{
    futex_executor executor;
    std::atomic<std::uint32_t> word = 1;
    auto waits = [&]() -> tacet::task<int> {
        int waited = 0;
        while (word == 1) {
            const bool was_one = co_await tacet::futex_wait(word, 1);
            waited += was_one;
        }
        const bool differs = co_await tacet::futex_wait(word, 1);
        CHECK_FALSE(differs);
        auto as_result = co_await tacet::as_result(tacet::futex_wait(word, 1));
        CHECK(as_result.has_value());
        CHECK_FALSE(*as_result);
        auto group = co_await tacet::when_all(tacet::futex_wait(word, 1), tacet::nop());
        CHECK_FALSE(std::get<0>(group));
        co_return waited;
    };
    auto waiter = executor.spawn(waits());
    let_settle(executor);
    auto wakes = [&]() -> tacet::task<> {
        word = 2;
        const std::size_t woken = co_await tacet::futex_wake(word);
        CHECK(woken == 1);
    };
    executor.run(wakes());
    executor.run_until_idle();
    CHECK(waiter.take() == 1);
}

TEST_CASE("a thread and a task hand a futex to and fro", "[cxx][futex]")
{
    futex_executor executor;
    std::atomic<std::uint32_t> word = 0;
    const std::uint32_t rounds = 500;
    std::thread other([&] {
        for (std::uint32_t round = 0; round < rounds; round++) {
            while (word != 2 * round + 1)
                std::this_thread::yield();
            word = 2 * round + 2;
            wake_plainly(word, 1);
        }
    });
    auto plays = [&]() -> tacet::task<> {
        for (std::uint32_t round = 0; round < rounds; round++) {
            word = 2 * round + 1;
            while (word == 2 * round + 1)
                (void)co_await tacet::futex_wait(word, 2 * round + 1);
        }
    };
    executor.run(plays());
    other.join();
    CHECK(word == 2 * rounds);
}

TEST_CASE("a wait for any of several futexes says which", "[cxx][futex]")
{
    futex_executor executor;
    std::atomic<std::uint32_t> words[2] = {7, 8};
    std::vector<futex_waitv> waits(2);
    for (std::size_t i = 0; i < 2; i++) {
        waits[i].val = words[i];
        waits[i].uaddr = reinterpret_cast<std::uintptr_t>(&words[i]);
        waits[i].flags = FUTEX_32 | FUTEX_PRIVATE_FLAG;
    }
    auto waiting = [&]() -> tacet::task<std::size_t> {
        const std::size_t which = co_await tacet::futex_wait_any(waits);
        co_return which;
    };
    auto waiter = executor.spawn(waiting());
    let_settle(executor);
    CHECK(wake_plainly(words[1], 1) == 1);
    executor.run_until_idle();
    CHECK(waiter.take() == 1);
}

TEST_CASE("a wait for a futex ends by a cancel, a deadline, and with its executor", "[cxx][futex]")
{
    std::atomic<std::uint32_t> word = 0;
    auto waits = [&]() -> tacet::task<> { (void)co_await tacet::futex_wait(word, 0); };
    {
        futex_executor executor;
        auto cancelled = executor.spawn(waits());
        let_settle(executor);
        cancelled.cancel();
        executor.run_until_idle();
        CHECK(failure_of([&] { cancelled.take(); }).what == "futex wait: " + message_of(std::errc::operation_canceled));
        auto late = [&]() -> tacet::task<bool> {
            auto ended = co_await tacet::as_result(tacet::with_deadline(1ns, waits()));
            co_return !ended && tacet::is_timeout(ended.error());
        };
        CHECK(executor.run(late()));
        executor.spawn(waits());
        let_settle(executor);
    }
    CHECK(wake_plainly(word, INT32_MAX) == 0);
}
