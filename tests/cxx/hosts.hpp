// An executor that a thread of its own runs, and the kinds of them that differ in how other threads wake them.
#ifndef TESTS_CXX_HOSTS_HPP
#define TESTS_CXX_HOSTS_HPP

#include "support.hpp"

#include <atomic>
#include <future>
#include <optional>
#include <thread>

#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

namespace tests {

inline tacet::executor_options with_ring()
{
    return {};
}
inline tacet::executor_options with_eventfd()
{
    tacet::executor_options options;
    options.woken_by_eventfd = true;
    return options;
}
inline tacet::executor_options without_ring()
{
    tacet::executor_options options;
    options.ring_entries = 0;
    return options;
}

// For GENERATE(): names of the kinds, and what they mean.
inline tacet::executor_options options_of(const std::string& kind)
{
    return kind == "ring" ? with_ring() : kind == "eventfd" ? with_eventfd() : without_ring();
}
#define ANY_EXECUTOR GENERATE(as<std::string>(), "ring", "eventfd", "no ring")

// Runs until it goes; what its run throws is kept.
class host {
public:
    explicit host(const tacet::executor_options& options = {})
    {
        std::promise<tacet_executor*> made;
        thread_ = std::thread([this, &made, options] { serve(made, options); });
        executor_ = made.get_future().get();
    }
    host(const host&) = delete;
    host& operator=(const host&) = delete;
    ~host() { stop(); }

    // Its executor is destroyed, on its thread, when this returns.
    void stop()
    {
        if (!thread_.joinable())
            return;
        stopping_ = true;
        (void)tacet_executor_wake(executor_, 0);
        thread_.join();
    }

    tacet::executor_ref ref() const { return tacet::executor_ref(executor_); }
    operator tacet::executor_ref() const { return ref(); }
    std::thread::id id() const { return thread_.get_id(); }

    // After stop().
    const std::vector<std::string>& thrown() const { return thrown_; }

private:
    void serve(std::promise<tacet_executor*>& made, const tacet::executor_options& options)
    {
        tacet::executor executor(options);
        made.set_value(executor.get());
        while (!stopping_) {
            try {
                executor.run_until_stopped();
            } catch (const std::exception& error) {
                thrown_.emplace_back(error.what());
            }
        }
    }

    std::thread thread_;
    tacet_executor* executor_ = nullptr;
    std::atomic<bool> stopping_{false};
    std::vector<std::string> thrown_;
};

inline std::thread::id here()
{
    return std::this_thread::get_id();
}

// What the exception that leaves f says, or "nothing".
template <class F>
std::string thrown_by(F f)
{
    try {
        f();
    } catch (const std::exception& thrown) {
        return thrown.what();
    }
    return "nothing";
}

// Both look often: what they wait for is done by other threads.
template <class Condition>
void wait_until(Condition condition)
{
    while (!condition())
        std::this_thread::yield();
}
template <class Condition>
void run_until(tacet::executor& executor, Condition condition)
{
    while (!condition())
        executor.run_for(100us);
}

// Counts its instances, on any thread.
class counted_anywhere {
public:
    counted_anywhere() { alive++; }
    counted_anywhere(const counted_anywhere&) { alive++; }
    counted_anywhere& operator=(const counted_anywhere&) noexcept { return *this; }
    ~counted_anywhere() { alive--; }

    static inline std::atomic<long> alive{0};
};

}

#endif
