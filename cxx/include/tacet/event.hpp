// event: something that has happened, until it is reset. Tasks of any executors wait for it, any thread sets it.
#ifndef TACET_EVENT_HPP
#define TACET_EVENT_HPP

#include <tacet/detail/waiters.hpp>

namespace tacet {

// All of it is THREAD-SAFE. It must be there until all who wait for it have gone on, or their executor has been
// destroyed; who has gone on may end it, though the set() that woke it has not returned yet. When it goes before, those
// who wait for it on this thread wait on until they are cancelled.
class event {
public:
    explicit event(bool set = false) noexcept : set_(set) {}
    event(const event&) = delete;
    event& operator=(const event&) = delete;
    ~event()
    {
        const std::lock_guard held(lock_);
        waiting_.orphan_all();
    }

    // All who wait go on, and who comes then does not wait, until reset(). What was written before is seen by them. Not
    // for the handlers of signals.
    void set() noexcept
    {
        tacet_list_node* woken;
        {
            const std::lock_guard held(lock_);
            set_ = true;
            woken = waiting_.take_all();
        }
        detail::end_waits(woken, 0);
    }

    void reset() noexcept
    {
        const std::lock_guard held(lock_);
        set_ = false;
    }

    bool is_set() const noexcept
    {
        const std::lock_guard held(lock_);
        return set_;
    }

    class [[nodiscard]] awaiter : public detail::wait_awaiter {
    public:
        explicit awaiter(event& awaited) noexcept : event_(&awaited) {}
        awaiter(awaiter&& other) noexcept : event_(other.event_) {} // before it is awaited
        awaiter& operator=(awaiter&&) = delete;

        template <tacet_promise Promise>
        bool await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
        {
            if (!begin(awaiting)) [[unlikely]]
                return false;
            return event_->park_unless_set(task_, waiter_) || detail::go_on_later(task_, awaiting);
        }
        void await_resume() const { require("event wait"); }

    private:
        event* event_;
        detail::waiter waiter_;
    };

    // Until it is set. CANCELLATION POINT. A run until idle waits with who waits here: another thread may set it.
    awaiter wait() noexcept { return awaiter(*this); }

private:
    bool park_unless_set(tacet_task* task, detail::waiter& waiter) noexcept
    {
        const std::lock_guard held(lock_);
        if (set_)
            return false;
        waiter.park(task, lock_);
        waiting_.push(waiter);
        return true;
    }

    mutable detail::short_lock lock_;
    bool set_;
    detail::waiter_queue waiting_;
};

} // namespace tacet

#endif
