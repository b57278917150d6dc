// The coroutine and the loop of the baseline `malloc_frame`.
#include "baseline/malloc_frame.hpp"

#include <coroutine>
#include <exception>

namespace bench::baseline {
namespace {

struct heap_task {
    struct promise_type {
        heap_task get_return_object() noexcept { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };

    std::coroutine_handle<promise_type> handle;
};

// Not inlined, so that no compiler may keep the frame on the caller's stack.
[[gnu::noinline]] heap_task count_one(std::uint64_t& ended)
{
    ended++;
    co_return;
}

}

std::uint64_t run_malloc_frames(std::uint64_t coroutines)
{
    std::uint64_t ended = 0;
    for (std::uint64_t i = 0; i < coroutines; i++) {
        const auto handle = count_one(ended).handle;
        handle.resume();
        handle.destroy();
    }
    return ended;
}

}
