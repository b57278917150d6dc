// block_on(): a thread waits for a task of an executor that another thread runs.
#ifndef TACET_BLOCK_ON_HPP
#define TACET_BLOCK_ON_HPP

#include <tacet/spawn_on.hpp>

#include <condition_variable>
#include <mutex>

namespace tacet {

namespace detail {

// Waits in a thread.
class blocked_thread : private remote_waiter {
public:
    blocked_thread() noexcept : remote_waiter{on_ended} {}

    void wait_for(remote& awaited)
    {
        if (!awaited.wait(*this))
            return;
        std::unique_lock lock(mutex_);
        woken_by_.wait(lock, [this] { return has_ended_; });
    }

private:
    static void on_ended(remote_waiter& self) noexcept
    {
        blocked_thread& blocked = static_cast<blocked_thread&>(self);
        const std::lock_guard lock(blocked.mutex_); // until we are done with it, it stays
        blocked.has_ended_ = true;
        blocked.woken_by_.notify_one();
    }

    std::mutex mutex_{};
    std::condition_variable woken_by_{};
    bool has_ended_ = false;
};

// The thread that would have to run the task, or one that a pool needs to end it when it is destroyed.
inline bool is_needed_here(const remote& awaited) noexcept
{
    const void* const pool = awaited.pool != nullptr ? awaited.pool : awaited.layer;
    return (pool != nullptr && pool == pool_of_thread) ||
           (awaited.executor != nullptr && tacet_executor_lives_here(awaited.executor));
}

} // namespace detail

// Blocks this thread until the task has ended on its own: what it returned, or throws what left it. Also for a thread that
// runs an executor, if not the task's (resource_deadlock_would_occur: it, or any of its pool's). Two threads that block on each
// other block for ever: in tasks, co_await.
template <class T>
T block_on(future<T> awaited)
{
    if (!awaited)
        throw_error(-EINVAL, "block_on: an empty future");
    if (!awaited.has_exited()) {
        if (detail::is_needed_here(*awaited.get()))
            throw_error(-EDEADLK, "block_on");
        detail::blocked_thread().wait_for(*awaited.get());
    }
    return awaited.take();
}

// The same for a task that is started there.
template <class T>
T block_on(executor_ref on, task<T> body)
{
    if (on.is_here())
        throw_error(-EDEADLK, "block_on");
    return block_on(spawn_on(on, std::move(body)));
}

} // namespace tacet

#endif
