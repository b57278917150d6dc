// The least coroutine that can sleep.
#include "baseline/bare_sleep.hpp"

#include <exception>

namespace bench::baseline {
namespace {

class sleeping {
public:
    explicit sleeping(std::uint64_t deadline_ns) noexcept : deadline_ns_(deadline_ns) {}
    bool await_ready() const noexcept { return deadline_ns_ == 0; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    void await_resume() const noexcept {}

private:
    std::uint64_t deadline_ns_;
};

struct sleeper {
    struct promise_type {
        sleeper get_return_object() noexcept { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };

    std::coroutine_handle<> handle;
};

// Not inlined, so that no compiler may keep the frame on the caller's stack.
[[gnu::noinline]] sleeper sleep_until(std::uint64_t deadline_ns)
{
    co_await sleeping(deadline_ns);
}

}

std::coroutine_handle<> suspend_in_sleep(std::uint64_t deadline_ns)
{
    return sleep_until(deadline_ns).handle;
}

}
