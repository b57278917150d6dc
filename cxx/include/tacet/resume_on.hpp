// resume_on(executor): a coroutine goes on at another executor, on its thread.
//
//     tacet::executor_ref here = co_await tacet::this_executor();
//     co_await tacet::resume_on(pool[0]);
//     auto digest = sha256(data);               // on the pool's thread
//     co_await tacet::resume_on(here);
//
// It takes along what awaits it: all of its root task. Wherever that is when the root's outermost coroutine ends, it goes
// home first, to the executor that it was started at: its join_handle, its nursery, executor.run see it end there. A
// with_scope() goes back to where it was opened before it waits for its children.
//
// If the executor where it is goes away, what it waits for is cancelled, and it goes on at home: no resume_on() leads from
// there any more (operation_canceled).
#ifndef TACET_RESUME_ON_HPP
#define TACET_RESUME_ON_HPP

#include <tacet/detail/move.hpp>
#include <tacet/executor_ref.hpp>

namespace tacet {

class [[nodiscard]] resume_on_awaiter {
public:
    explicit resume_on_awaiter(executor_ref to) noexcept : to_(to) {}
    bool await_ready() const noexcept { return false; }

    // Never inlined: nothing of the frame may be touched after the hand-over, its last act.
    template <tacet_promise Promise>
    [[gnu::noinline]] bool await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
    {
        tacet_task* task = awaiting.promise().task;
        task->context = awaiting.address();
        return hand_over(task);
    }
    void await_resume() const
    {
        if (result_ < 0) [[unlikely]]
            throw_error(result_, "resume_on");
    }
    result<void> take_result() const
    {
        if (result_ < 0)
            return unexpected(error_of(result_));
        return {};
    }

private:
    // false: the coroutine stays where it is.
    bool hand_over(tacet_task* task) noexcept
    {
        result_ = tacet_task_take_interrupt(task);
        if (result_ < 0)
            return false;
        if (tacet_task_executor(task) == to_.get())
            return false;
        if (detail::was_sent_home(task)) {
            result_ = -ECANCELED;
            return false;
        }
        const tacet_result r = detail::move_root(task, to_.get());
        if (r == 0)
            return true;
        result_ = r;
        return false;
    }

    executor_ref to_;
    tacet_result result_ = 0;
};

// The awaiting coroutine goes on there, behind what is ready; at once, if it is there already. Throws, and stays where
// it is, if it was cancelled or the executor does not take it. CANCELLATION POINT.
inline resume_on_awaiter resume_on(executor_ref to)
{
    return resume_on_awaiter(to);
}

} // namespace tacet

#endif
