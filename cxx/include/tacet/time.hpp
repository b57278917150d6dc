// Sleeping and yielding.
#ifndef TACET_TIME_HPP
#define TACET_TIME_HPP

#include <tacet/detail/duration.hpp>
#include <tacet/op.hpp>
#include <tacet/time.h>

namespace tacet {

struct sleep_request {
    using value_type = void;
    std::uint64_t duration_ns;
    tacet_result park(tacet_task* task) const noexcept { return tacet_sleep_park(task, duration_ns); }
    void value(tacet_result) const noexcept {}
    std::string describe() const { return "sleep"; }
};

// CANCELLATION POINT. Durations below zero are zero; a sleep of zero still lets the other ready tasks have their turn.
template <class Rep, class Period>
operation<sleep_request> sleep_for(std::chrono::duration<Rep, Period> duration)
{
    return operation<sleep_request>(sleep_request{detail::nanoseconds_of(duration)});
}

// Until then, by any clock; at most the time that there is until then now: a clock that is set back or forth meanwhile does not
// matter. CANCELLATION POINT.
template <class Clock, class Duration>
operation<sleep_request> sleep_until(std::chrono::time_point<Clock, Duration> until)
{
    const auto now = Clock::now();
    using duration = decltype(until - now);
    return sleep_for(until > now ? until - now : duration::zero());
}

// The task goes behind the other ready ones of its priority. CANCELLATION POINT: a cancel is delivered on the way back.
class [[nodiscard]] yield_awaiter {
public:
    yield_awaiter() noexcept {}
    bool await_ready() const noexcept { return false; }

    template <tacet_promise Promise>
    void await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
    {
        task_ = awaiting.promise().task;
        detail::requeue(task_, awaiting);
    }
    void await_resume() const
    {
        const tacet_result r = tacet_task_take_interrupt(task_);
        if (r < 0) [[unlikely]]
            throw_error(r, "yield");
    }
    result<void> take_result() const
    {
        const tacet_result r = tacet_task_take_interrupt(task_);
        if (r < 0)
            return unexpected(error_of(r));
        return {};
    }

private:
    tacet_task* task_ = nullptr;
};

inline yield_awaiter yield()
{
    return yield_awaiter();
}

} // namespace tacet

#endif
