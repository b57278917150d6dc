// Moving a coroutine, with all of its root task, from executor to executor: what resume_on() and with_scope() do.
//
// Invariant: a root whose `host` is not where it is was sent home from there, since that executor went away. It is not moved
// on before what it has begun there has ended: a scope opened on an executor that is gone is known by it.
#ifndef TACET_DETAIL_MOVE_HPP
#define TACET_DETAIL_MOVE_HPP

#include <tacet/task.hpp>

namespace tacet::detail {

inline bool was_sent_home(const tacet_task* task) noexcept
{
    const tacet_executor* host = reinterpret_cast<const root*>(task)->host;
    return host != nullptr && host != tacet_task_executor(task);
}

// 0: another thread may have resumed the coroutine, and with it ended the life of all that it holds, before this returns.
// Never inlined: nothing of the coroutine's frame may be touched after it.
[[gnu::noinline]] inline tacet_result move_root(tacet_task* task, tacet_executor* to) noexcept
{
    root* self = reinterpret_cast<root*>(task);
    tacet_executor* before = std::exchange(self->host, to);
    const tacet_result r = tacet_task_move(task, to);
    if (r < 0)
        self->host = before;
    return r;
}

// Goes back to where something was begun, unless that is gone. No cancellation point.
class [[nodiscard]] move_back {
public:
    explicit move_back(tacet_executor* to) noexcept : to_(to) {}
    bool await_ready() const noexcept { return false; }

    template <tacet_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
    {
        tacet_task* task = awaiting.promise().task;
        if (tacet_task_executor(task) == to_) [[likely]]
            return false;
        task->context = awaiting.address();
        return !is_gone(task) && move_root(task, to_) == 0;
    }
    void await_resume() const noexcept {}

private:
    bool is_gone(const tacet_task* task) const noexcept
    {
        return was_sent_home(task) && reinterpret_cast<const root*>(task)->host == to_;
    }

    tacet_executor* to_;
};

} // namespace tacet::detail

#endif
