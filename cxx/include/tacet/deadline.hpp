// with_deadline(when, awaitable): a limit for all that an operation or a task waits for.
//
//     co_await tacet::with_deadline(5s, socket.receive(buffer));
//     co_await tacet::with_deadline(30s, sum_all(paths));                 also a time_point of std::chrono::steady_clock
//
// When it passes, what is waited for is ended as by a cancel, and the await throws a system_error for which is_timeout()
// holds; what has succeeded is not lost. While the awaited task goes on from there, each of its CANCELLATION POINTs throws
// the same at once. Children, of a scope or of when_all(), have the deadline of the task that opened it; so has whatever a task awaits.
// An inner deadline can be earlier than an outer one, not later.
#ifndef TACET_DEADLINE_HPP
#define TACET_DEADLINE_HPP

#include <tacet/detail/duration.hpp>
#include <tacet/detail/wrapped.hpp>
#include <tacet/time.h>

#include <algorithm>
#include <chrono>

namespace tacet {

// Whether a deadline has passed; of a system_error's code, or of a result's error. (A connection that times out in the network
// is std::errc::timed_out.)
inline bool is_timeout(const std::error_code& code) noexcept
{
    return code == std::errc::stream_timeout;
}

// Awaited in a task, whose deadline it is until the await ends.
template <class Awaitable>
class [[nodiscard]] deadline_awaiter {
public:
    explicit deadline_awaiter(std::uint64_t deadline_ns, Awaitable awaited)
        : deadline_ns_(deadline_ns), awaited_(std::move(awaited))
    {
    }
    bool await_ready() const noexcept { return false; }

    template <tacet_promise Promise>
    auto await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
    {
        using way = decltype(awaited_.suspend(awaiting));
        task_ = awaiting.promise().task;
        before_ = tacet_task_deadline(task_);
        refused_ = tacet_task_set_deadline(task_, std::min(before_, deadline_ns_));
        return refused_ < 0 ? awaited_.template go_on<way>(awaiting) : awaited_.suspend(awaiting);
    }
    decltype(auto) await_resume()
    {
        const restored both_times(*this);
        return awaited_.awaiter().await_resume();
    }

    // For as_result(); where there is no memory for a timer, it throws too.
    auto take_result()
    {
        const restored both_times(*this);
        return awaited_.awaiter().take_result();
    }

private:
    // Before the result is taken, which a deadline that passes just then must not spoil, and after it: a shield inside puts
    // ours in force again as it ends.
    class restored {
    public:
        explicit restored(const deadline_awaiter& set) : set_(set)
        {
            if (set.refused_ < 0) [[unlikely]]
                throw_error(set.refused_, "deadline");
            set.restore();
        }
        restored(const restored&) = delete;
        restored& operator=(const restored&) = delete;
        ~restored() { set_.restore(); }

    private:
        const deadline_awaiter& set_;
    };

    // The slot of the timer is there still: to put it off does not fail.
    void restore() const noexcept
    {
        const tacet_result r = tacet_task_set_deadline(task_, before_);
        TACET_ASSERT(r == 0);
        (void)r;
    }

    std::uint64_t deadline_ns_, before_ = 0;
    tacet_task* task_ = nullptr;
    tacet_result refused_ = 0;
    detail::wrapped<Awaitable> awaited_;
};

template <class Duration, class Awaitable>
deadline_awaiter<Awaitable> with_deadline(std::chrono::time_point<std::chrono::steady_clock, Duration> when,
                                          Awaitable awaitable)
{
    return deadline_awaiter<Awaitable>(detail::nanoseconds_of(when.time_since_epoch()), std::move(awaitable));
}

// From now.
template <class Rep, class Period, class Awaitable>
deadline_awaiter<Awaitable> with_deadline(std::chrono::duration<Rep, Period> limit, Awaitable awaitable)
{
    const std::uint64_t now = tacet_now(), limit_ns = detail::nanoseconds_of(limit);
    return deadline_awaiter<Awaitable>(limit_ns < TACET_FOREVER - now ? now + limit_ns : TACET_FOREVER,
                                       std::move(awaitable));
}

} // namespace tacet

#endif
