// Threads that act on the same thing at the same time, round after round, each a little earlier or later every time.
#ifndef TESTS_CXX_RACES_HPP
#define TESTS_CXX_RACES_HPP

#include "support.hpp"

#include <atomic>
#include <functional>
#include <random>
#include <thread>

namespace tests {

// How many rounds of a race: many, but for a sanitizer's time.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) || TACET_THREAD_SANITIZER || TACET_ADDRESS_SANITIZER
inline constexpr int race_rounds = 1500;
#else
inline constexpr int race_rounds = 10'000;
#endif

// Does nothing, for so long.
inline void dawdle(unsigned turns)
{
    for (unsigned i = 0; i < turns; i++)
        std::atomic_signal_fence(std::memory_order_seq_cst); // keeps the loop
}

// Each of the acts is done once a round, on a thread of its own. A round begins with begin(), on a further thread.
class racers {
public:
    using act = std::function<void(int round)>;

    explicit racers(std::vector<act> acts)
    {
        for (act& each : acts)
            threads_.emplace_back([this, seed = threads_.size(), own = std::move(each)] { race(own, seed); });
    }
    racers(const racers&) = delete;
    racers& operator=(const racers&) = delete;
    ~racers()
    {
        round_ = over;
        for (std::thread& each : threads_)
            each.join();
    }

    void begin()
    {
        acted_ = 0;
        round_++;
    }

    // All have acted in this round.
    void await_all()
    {
        while (acted_ != threads_.size())
            std::this_thread::yield();
    }

private:
    static constexpr int over = -1;

    void race(const act& own, std::size_t seed)
    {
        std::minstd_rand random(static_cast<unsigned>(seed) + 1);
        for (int done = 0;;) {
            int now = round_;
            while (now == done) {
                std::this_thread::yield();
                now = round_;
            }
            if (now == over)
                return;
            dawdle(static_cast<unsigned>(random() % 4096) >> random() % 12);
            own(done = now);
            acted_++;
        }
    }

    std::atomic<int> round_ = 0;
    std::atomic<std::size_t> acted_ = 0;
    std::vector<std::thread> threads_;
};

// The task that a racer may cancel. It is there until the round has been awaited.
using target = std::atomic<tacet_task*>;

inline void cancel(const target& cancelled)
{
    (void)tacet_task_cancel(cancelled);
}

// Another thread does it all while this one's executor does nothing else: it finds what came in the order of its coming.
inline tacet::task<> meanwhile(std::function<void()> act)
{
    std::thread(std::move(act)).join();
    co_return;
}

// The coroutines that these make run each on an executor of its own, on a thread of its own, until they have ended.
inline void run_on_threads(const std::vector<std::function<tacet::task<>()>>& bodies)
{
    std::vector<std::thread> threads;
    for (const auto& each : bodies)
        threads.emplace_back([&each] {
            tacet::executor executor;
            executor.run(each());
        });
    for (std::thread& each : threads)
        each.join();
}

}

#endif
