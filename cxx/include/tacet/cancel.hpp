// Cancellation as a task sees it: a point where it is delivered, and parts where it is not.
//
//     co_await tacet::check_cancel();                                     in a long computation: throws if it is to end
//
//     } catch (...) {
//         failed = std::current_exception();
//     }
//     co_await tacet::shielded(tacet::unlink(path));                       though the task is cancelled, or late
//
// Inside of shielded() no cancel ends a wait, be it one that has not been delivered yet, and no deadline of the task's does; both
// are in force again after it. It is no CANCELLATION POINT. A limit of its own goes inside, shielded(with_deadline(1s, goodbye)):
// what waits there for ever is ended by nobody, with_stop() included, which is a cancel. (A when_any() inside with an event that
// is set is.) Children that are started inside have no deadline, but are not shielded.
#ifndef TACET_CANCEL_HPP
#define TACET_CANCEL_HPP

#include <tacet/detail/wrapped.hpp>
#include <tacet/task.h>
#include <tacet/task.hpp>

namespace tacet {

// Costs a look at a byte, and never suspends.
class [[nodiscard]] check_cancel_awaiter {
public:
    check_cancel_awaiter() noexcept {}
    bool await_ready() const noexcept { return false; }

    template <tacet_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
    {
        interrupt_ = tacet_task_take_interrupt(awaiting.promise().task);
        return false;
    }
    void await_resume() const
    {
        if (interrupt_ < 0) [[unlikely]]
            throw_error(interrupt_, "check cancel");
    }
    result<void> take_result() const
    {
        if (interrupt_ < 0)
            return unexpected(error_of(interrupt_));
        return {};
    }

private:
    tacet_result interrupt_ = 0;
};

// Throws operation_canceled if the task has been cancelled, and that not been delivered yet, or what is_timeout() knows if its
// deadline has passed. CANCELLATION POINT.
inline check_cancel_awaiter check_cancel()
{
    return check_cancel_awaiter();
}

template <class Awaitable>
class [[nodiscard]] shield_awaiter {
public:
    explicit shield_awaiter(Awaitable awaited) : awaited_(std::move(awaited)) {}
    bool await_ready() const noexcept { return false; }

    template <tacet_promise Promise>
    auto await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
    {
        task_ = awaiting.promise().task;
        const tacet_result r = tacet_task_shield(task_, &shield_);
        TACET_ASSERT(r == 0 && "it runs here");
        (void)r;
        return awaited_.suspend(awaiting);
    }
    decltype(auto) await_resume()
    {
        const lowering at_end(*this);
        return awaited_.awaiter().await_resume();
    }

    // For as_result().
    auto take_result()
    {
        const lowering at_end(*this);
        return awaited_.awaiter().take_result();
    }

private:
    // After the result has been taken: some look for a cancel there.
    class lowering {
    public:
        explicit lowering(const shield_awaiter& raised) noexcept : raised_(raised) {}
        lowering(const lowering&) = delete;
        lowering& operator=(const lowering&) = delete;
        ~lowering() { tacet_task_unshield(raised_.task_, &raised_.shield_); }

    private:
        const shield_awaiter& raised_;
    };

    tacet_task* task_ = nullptr;
    tacet_shield shield_{};
    detail::wrapped<Awaitable> awaited_;
};

template <class Awaitable>
shield_awaiter<Awaitable> shielded(Awaitable awaitable)
{
    return shield_awaiter<Awaitable>(std::move(awaitable));
}

} // namespace tacet

#endif
