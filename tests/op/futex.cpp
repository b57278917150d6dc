/* Futexes through the ring: waits against wakes by tasks, by threads, and by cancels; no wake is lost. */
#include "support/support.hpp"

#include <atomic>
#include <cerrno>
#include <climits>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

using namespace support;

namespace {

#define NEEDS_FUTEXES()                                                                                                \
    if (!kernel_has(TACET_OPCODE_FUTEX_WAITV))                                                                         \
    SKIP("Linux 6.7: futexes through the ring")

/* As a thread does it. How many were woken. */
long wake_plainly(const uint32_t* word, int count, bool shared = false)
{
    return ::syscall(SYS_futex, word, shared ? FUTEX_WAKE : FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

call wait_on(const uint32_t* word, uint32_t expected, uint32_t mask = TACET_FUTEX_ANYBODY, bool shared = false)
{
    return [=](tacet_task* self) { return tacet_futex_wait(self, word, expected, mask, shared); };
}

call wake_of(const uint32_t* word, uint32_t count, uint32_t mask = TACET_FUTEX_ANYBODY, bool shared = false)
{
    return [=](tacet_task* self) { return tacet_futex_wake(self, word, count, mask, shared); };
}

using results = std::vector<tacet_result>;

}

TEST_CASE("a task sleeps on a word until it is woken, and not at all if the word is another", "[futex]")
{
    NEEDS_FUTEXES();
    executor executor(GENERATE(from_range(kernel_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const bool by_task = GENERATE(false, true), shared = GENERATE(false, true);
    const uint32_t word = 5;
    task waiter(switcher,
                {wait_on(&word, 6, TACET_FUTEX_ANYBODY, shared), wait_on(&word, 5, TACET_FUTEX_ANYBODY, shared)});
    waiter.attach(executor);
    let_settle(executor);
    CHECK(waiter.results() == results{-EAGAIN});
    task waker(switcher, {wake_of(&word, 1, TACET_FUTEX_ANYBODY, shared)});
    if (by_task)
        waker.attach(executor);
    else
        CHECK(wake_plainly(&word, 1, shared) == 1);
    CHECK(executor.run_until_idle() >= 0);
    CHECK(waiter.results() == results{-EAGAIN, 0});
    CHECK(waker.results() == (by_task ? results{1} : results{}));
}

TEST_CASE("a wake reaches as many as it says, in their order, and those whose mask it has", "[futex]")
{
    NEEDS_FUTEXES();
    executor executor;
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const uint32_t word = 0;
    task first(switcher, {wait_on(&word, 0, 1)}), second(switcher, {wait_on(&word, 0, 2)}),
        third(switcher, {wait_on(&word, 0, 3)});
    first.attach(executor);
    second.attach(executor);
    third.attach(executor);
    let_settle(executor);
    task waker(switcher, {wake_of(&word, INT_MAX, 4), wake_of(&word, 1, 2), wake_of(&word, INT_MAX, 1)});
    waker.attach(executor);
    CHECK(executor.run_until_idle() >= 0);
    CHECK(waker.results() == results{0, 1, 2});
    CHECK(first.results() == results{0});
    CHECK(second.results() == results{0});
    CHECK(third.results() == results{0});
}

TEST_CASE("a wait for any of many words says which was woken", "[futex]")
{
    NEEDS_FUTEXES();
    executor executor;
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const uint32_t words[3] = {1, 2, 3};
    futex_waitv waits[3] = {};
    for (int i = 0; i < 3; i++)
        waits[i] = {words[i], reinterpret_cast<uintptr_t>(&words[i]), FUTEX_32 | FUTEX_PRIVATE_FLAG, 0};
    const auto any = [&](tacet_task* self) { return tacet_futex_wait_any(self, waits, 3); };
    task waiter(switcher, {any, any});
    waiter.attach(executor);
    let_settle(executor);
    for (const int woken : {2, 0}) {
        let_settle(executor);
        task waker(switcher, {wake_of(&words[woken], 1)});
        waker.attach(executor);
        CHECK(executor.run_until([&] { return tacet_task_has_exited(waker); }));
        CHECK(waker.results() == results{1});
    }
    CHECK(executor.run_until_idle() >= 0);
    CHECK(waiter.results() == results{2, 0});
    waits[1].val = 9;
    task other(switcher, {any});
    other.attach(executor);
    CHECK(executor.run_until_idle() >= 0);
    CHECK(other.results() == results{-EAGAIN});
}

TEST_CASE("a cancelled wait for a futex leaves its place in the queue", "[futex]")
{
    NEEDS_FUTEXES();
    executor executor(GENERATE(from_range(kernel_rings())));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const bool any = GENERATE(false, true);
    const uint32_t word = 0;
    const futex_waitv one = {0, reinterpret_cast<uintptr_t>(&word), FUTEX_32 | FUTEX_PRIVATE_FLAG, 0};
    const call wait = any ? call([&](tacet_task* self) { return tacet_futex_wait_any(self, &one, 1); })
                          : wait_on(&word, 0);
    task gone(switcher, {wait}), stays(switcher, {wait});
    gone.attach(executor);
    stays.attach(executor);
    let_settle(executor);
    CHECK(tacet_task_cancel(gone) == 0);
    CHECK(executor.run_until([&] { return tacet_task_has_exited(gone); }));
    CHECK(gone.results() == results{-ECANCELED});
    CHECK(wake_plainly(&word, 1) == 1);
    CHECK(executor.run_until_idle() >= 0);
    CHECK(stays.results() == results{0});
    CHECK(wake_plainly(&word, INT_MAX) == 0);
}

TEST_CASE("a wait for a futex ends at its deadline", "[futex]")
{
    NEEDS_FUTEXES();
    executor executor;
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const uint32_t word = 0;
    const auto limit = [](tacet_task* self) { return tacet_task_set_deadline(self, tacet_now() + 1); };
    task waiter(switcher, {limit, wait_on(&word, 0)});
    waiter.attach(executor);
    CHECK(executor.run_until_idle() >= 0);
    CHECK(waiter.results() == results{0, -ETIME});
    CHECK(wake_plainly(&word, INT_MAX) == 0);
}

TEST_CASE("a wake that races a cancel is not lost", "[futex]")
{
    NEEDS_FUTEXES();
    executor executor;
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const uint32_t word = 0;
    std::atomic<int> turn{0};
    std::atomic<long> woken{0};
    const int rounds = 300;
    std::thread other([&] {
        for (int round = 1; round <= rounds; round++) {
            while (turn.load() < 2 * round - 1)
                std::this_thread::yield();
            woken += wake_plainly(&word, 1);
            turn = 2 * round;
        }
    });
    long ended_by_wake = 0, cancelled = 0;
    for (int round = 1; round <= rounds; round++) {
        task waiter(switcher, {wait_on(&word, 0)});
        waiter.attach(executor);
        let_settle(executor);
        turn = 2 * round - 1;
        for (int i = 0; i < round % 17; i++)
            std::this_thread::yield();
        CHECK(tacet_task_cancel(waiter) == 0);
        CHECK(executor.run_until_idle() >= 0);
        while (turn.load() < 2 * round)
            std::this_thread::yield();
        (tacet_task_result(waiter) == 0 ? ended_by_wake : cancelled)++;
    }
    other.join();
    CHECK(ended_by_wake == woken.load());
    CHECK(ended_by_wake + cancelled == rounds);
}

TEST_CASE("an executor that is destroyed leaves no waiter at a futex", "[futex]")
{
    NEEDS_FUTEXES();
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const uint32_t word = 0;
    executor executor;
    task waiter(switcher, {wait_on(&word, 0)});
    waiter.attach(executor);
    let_settle(executor);
    CHECK(executor.destroy() == 0);
    CHECK(wake_plainly(&word, INT_MAX) == 0);
}

TEST_CASE("a futex in shared memory is woken by another process", "[futex]")
{
    NEEDS_FUTEXES();
    void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    const uint32_t* const word = static_cast<const uint32_t*>(memory);
    executor executor;
    task waiter(suspending_switchers()[0], {wait_on(word, 0, TACET_FUTEX_ANYBODY, true)});
    waiter.attach(executor);
    let_settle(executor);
    CHECK(in_child([&] {
              while (wake_plainly(word, 1, true) == 0)
                  ::sched_yield();
              return 0;
          }) == 0);
    CHECK(executor.run_until_idle() >= 0);
    CHECK(waiter.results() == results{0});
    ::munmap(memory, 4096);
}

TEST_CASE("a futex without a word, a mask or words is -EINVAL", "[futex]")
{
    NEEDS_FUTEXES();
    caller run(GENERATE(from_range(suspending_switchers())));
    const uint32_t word = 0;
    const futex_waitv one = {};
    CHECK(run(wait_on(nullptr, 0)) == -EINVAL);
    CHECK(run(wait_on(&word, 0, 0)) == -EINVAL);
    CHECK(run(wake_of(nullptr, 1)) == -EINVAL);
    CHECK(run(wake_of(&word, 1, 0)) == -EINVAL);
    CHECK(run([&](tacet_task* self) { return tacet_futex_wait_any(self, nullptr, 1); }) == -EINVAL);
    CHECK(run([&](tacet_task* self) { return tacet_futex_wait_any(self, &one, 0); }) == -EINVAL);
    CHECK(run([&](tacet_task* self) { return tacet_futex_wait_any(self, &one, FUTEX_WAITV_MAX + 1); }) == -EINVAL);
    CHECK(run([&](tacet_task* self) { return tacet_futex_wait_any(self, &one, 1); }) == -EINVAL);
}

#if defined(__x86_64__) || defined(__aarch64__)

TEST_CASE("a futex on a stack that moves is refused", "[futex]")
{
    NEEDS_FUTEXES();
    caller run({"copying", tacet_switcher_copying});
    tacet_op op = {};
    CHECK(run([&](tacet_task* self) {
              const uint32_t word = 0;
              return tacet_futex_wait(self, &word, 0, 1, false);
          }) == -EFAULT);
    CHECK(run([&](tacet_task* self) {
              const uint32_t word = 0;
              return tacet_futex_wait_start(&op, self, &word, 0, 1, false);
          }) == -EFAULT);
    CHECK(run([&](tacet_task* self) {
              const uint32_t word = 0;
              static futex_waitv one;
              one = {0, reinterpret_cast<uintptr_t>(&word), FUTEX_32 | FUTEX_PRIVATE_FLAG, 0};
              return tacet_futex_wait_any(self, &one, 1);
          }) == -EFAULT);
    CHECK(run([&](tacet_task* self) {
              static const uint32_t word = 0;
              const futex_waitv one = {0, reinterpret_cast<uintptr_t>(&word), FUTEX_32 | FUTEX_PRIVATE_FLAG, 0};
              return tacet_futex_wait_any(self, &one, 1);
          }) == -EFAULT);
}

#endif
