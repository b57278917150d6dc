// with_stop(token, awaitable): a std::stop_token cancels what is awaited.
#ifndef TACET_STOP_HPP
#define TACET_STOP_HPP

#include <tacet/detail/wrapped.hpp>
#include <tacet/task.h>

#include <stop_token>

namespace tacet {

template <class Awaitable>
class [[nodiscard]] stop_awaiter {
public:
    explicit stop_awaiter(std::stop_token token, Awaitable awaited)
        : token_(std::move(token)), awaited_(std::move(awaited))
    {
    }
    stop_awaiter(stop_awaiter&& other) noexcept(std::is_nothrow_move_constructible_v<Awaitable>)
        : token_(std::move(other.token_)), awaited_(std::move(other.awaited_))
    {
    }
    stop_awaiter& operator=(stop_awaiter&&) = delete;
    bool await_ready() const noexcept { return false; }

    template <tacet_promise Promise>
    auto await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
    {
        stop_.emplace(token_, canceller{awaiting.promise().task});
        return awaited_.suspend(awaiting);
    }
    decltype(auto) await_resume()
    {
        stop_.reset();
        return awaited_.awaiter().await_resume();
    }

    // For as_result().
    auto take_result()
    {
        stop_.reset();
        return awaited_.awaiter().take_result();
    }

private:
    struct canceller {
        tacet_task* task;
        void operator()() const noexcept { (void)tacet_task_cancel(task); }
    };

    std::stop_token token_;
    std::optional<std::stop_callback<canceller>> stop_{};
    detail::wrapped<Awaitable> awaited_;
};

// A stop that is requested while it is awaited, from any thread, or was before, is a cancel of the awaiting task: what is awaited
// throws operation_canceled, if it has not succeeded first. Then the cancel is delivered at the task's next CANCELLATION POINT; so it
// is inside of shielded(), after the shield, and ends nothing there. A stop that ends what is shielded is another child's:
// shielded(when_any(awaitable, event.wait())).
template <class Awaitable>
stop_awaiter<Awaitable> with_stop(std::stop_token token, Awaitable awaitable)
{
    return stop_awaiter<Awaitable>(std::move(token), std::move(awaitable));
}

} // namespace tacet

#endif
