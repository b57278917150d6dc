/*
 * Other threads for the tests: ways to wake an executor, threads on which ring messages are refused, and what can be seen
 * of an executor from outside.
 *
 * Catch2's macros are for the main thread; other threads count what is wrong, or keep it for the main one to look at.
 */
#ifndef SUPPORT_THREADS_HPP
#define SUPPORT_THREADS_HPP

#include "support/support.hpp"
#include "support/watchdog.hpp"

#include <atomic>
#include <sched.h>
#include <thread>

namespace support {

/* How other threads wake an executor. */
struct wake_way {
    const char* name;
    ring_kind ring;
    bool by_eventfd;       /* the executor's choice */
    bool messages_refused; /* to the other threads: the same, in the end */
};

/* By a ring message; by an eventfd, as chosen, and because messages are refused; by a futex. */
const std::vector<wake_way>& wake_ways();

/* The same over rings of one entry and on each rung of the setup ladder. */
const std::vector<wake_way>& all_wake_ways();

/* One of them. Skips the test if messages cannot be refused here. */
wake_way any_of(const std::vector<wake_way>& ways);

tacet_executor_options options_of(const wake_way& way, bool accounting = false);

/* From now on the calling thread, and those that it creates, cannot send ring messages. */
bool refuse_ring_messages();

/* A thread, joined at the end of the scope, that wakes executors in this way. */
template <class F>
std::jthread other_thread(const wake_way& way, F run)
{
    return std::jthread([refused = way.messages_refused, run]() mutable {
        if (refused && !refuse_ring_messages())
            std::abort();
        run();
    });
}

/* Calls it on a thread of its own, to the end. */
template <class F>
tacet_result elsewhere(const wake_way& way, F call)
{
    tacet_result r = TACET_PENDING;
    other_thread(way, [&] { r = call(); }).join();
    return r;
}

/* Until then others have the processor. The watchdog looks after it. */
template <class Condition>
void wait_until(Condition condition)
{
    while (!condition())
        ::sched_yield();
}

/* Whether the executor's thread has said that it sleeps, and nobody has woken it yet. From any thread. */
bool is_asleep(tacet_executor* executor);

inline void wait_until_asleep(tacet_executor* executor)
{
    wait_until([executor] { return is_asleep(executor); });
}

/* What can be seen of the executor from outside, for said_if_stuck. */
std::string seen_from_outside(tacet_executor* executor);

/* An executor on a thread of its own, which runs until it is stopped, or woken with another result than 0. */
class executor_thread {
public:
    explicit executor_thread(const wake_way& way, bool accounting = false);
    executor_thread(const executor_thread&) = delete;
    ~executor_thread();

    operator tacet_executor*() const { return handle_; }

    /* Ends the run with this result, and the thread; the executor is destroyed with it. What run has returned. */
    tacet_result end(tacet_result result = 0);

    /* After the end. */
    tacet_executor_stats last_stats() const { return stats_; }

private:
    void run(const wake_way& way, bool accounting);

    std::atomic<tacet_executor*> handle_ = nullptr;
    std::atomic<bool> failed_ = false, ended_ = false; /* ended: nobody sends to the executor any more */
    tacet_result result_ = TACET_PENDING;
    tacet_executor_stats stats_ = {};
    std::thread thread_;
};

/* A task with this body. From any thread. */
tacet_task* made_task(const switcher_kind& switcher, tacet_task_body* body, void* arg);

/* Pauses of all lengths, from none to some microseconds, now and then for long enough that the other side sleeps. */
class random_pauses {
public:
    explicit random_pauses(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 1) {}
    std::uint64_t next();
    void pause();

private:
    std::uint64_t state_;
};

}

#endif
