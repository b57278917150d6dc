// Baseline `bare_coroutines`: the bare queue with its node inside each promise. A suspension pushes the promise, the
// loop pops and resumes; nothing else. Frames lie in cache-line-aligned slots of one slab, as a pool would lay them,
// because on some processors the time of a resumption depends on where frames happen to start.
#pragma once

#include "baseline/bare_queue.hpp"

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <vector>

namespace bench::baseline {

// Slots of one size, fixed by the first frame; all of them are released together.
class frame_slab {
public:
    explicit frame_slab(std::size_t frames) : frames_(frames) {}

    void* take(std::size_t bytes);

private:
    struct free_storage {
        void operator()(std::byte* storage) const noexcept;
    };

    std::size_t frames_;
    std::size_t used_ = 0;
    std::size_t slot_bytes_ = 0;
    std::unique_ptr<std::byte, free_storage> storage_;
};

struct bare_task {
    struct promise_type : queue_node {
        // The arguments of the coroutine are offered to operator new first: that is how it finds the slab.
        static void* operator new(std::size_t bytes, frame_slab& slab, bare_queue&, const bool&, std::uint64_t&)
        {
            return slab.take(bytes);
        }
        static void operator delete(void*) noexcept {}

        bare_task get_return_object() noexcept { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };

    std::coroutine_handle<promise_type> handle;
};

// co_await bare_yield(queue): to the end of the queue.
class bare_yield {
public:
    explicit bare_yield(bare_queue& queue) noexcept : queue_(queue) {}

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<bare_task::promise_type> self) const noexcept
    {
        queue_.push(&self.promise());
    }
    void await_resume() const noexcept {}

private:
    bare_queue& queue_;
};

// Coroutines that yield for ever, each counting how often it was resumed.
class bare_coroutines {
public:
    explicit bare_coroutines(std::size_t tasks);
    bare_coroutines(const bare_coroutines&) = delete;
    bare_coroutines& operator=(const bare_coroutines&) = delete;
    ~bare_coroutines();

    void run(std::uint64_t resumptions) noexcept;

    // Ends the coroutines and returns how many yields they counted; `run` must not be called again.
    std::uint64_t finish() noexcept;

private:
    frame_slab slab_;
    bare_queue queue_;
    bool stop_ = false;
    std::uint64_t yields_ = 0;
    std::vector<std::coroutine_handle<bare_task::promise_type>> handles_;
};

}
