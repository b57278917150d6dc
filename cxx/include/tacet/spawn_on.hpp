// spawn_on(executor, task): starts a task on any executor, from any thread; its future waits for it from any other.
//
//     tacet::future<int> sum = tacet::spawn_on(pool[1], sum_of(numbers));
//     fmt::print("{}\n", co_await sum);         or, on a thread without executor: tacet::block_on(std::move(sum))
#ifndef TACET_SPAWN_ON_HPP
#define TACET_SPAWN_ON_HPP

#include <tacet/detail/remote.hpp>
#include <tacet/executor_ref.hpp>

namespace tacet {

namespace detail {

// Waits in a task of an executor. The wait is structured: a cancel is handed to the remote task, and the wait goes on
// until that has ended, so nothing that it refers to goes away under it.
class remote_wait : private remote_waiter {
public:
    explicit remote_wait(remote& awaited) noexcept : remote_waiter{on_ended}, awaited_(&awaited) {}

    bool is_ready() const noexcept { return awaited_->has_ended(); }

    // Whether the awaiting task's deadline has ended the remote one.
    bool has_timed_out() const noexcept { return timed_out_; }

    // Another thread may make the task ready before this returns; only its own resumes it.
    void park(tacet_task* task) noexcept
    {
        task_ = task;
        hook_.self = this;
        if (tacet_task_take_end_of_wait(task)) [[unlikely]]
            (void)hand_on_cancel(task);
        tacet_task_park_external(task, &hook_.hook);
        if (!awaited_->wait(*this))
            tacet_task_unpark_external(task, 0);
    }

private:
    struct hook_with_self {
        tacet_wait_hook hook{on_cancel}; // first
        remote_wait* self = nullptr;
    };
    static_assert(std::is_standard_layout_v<hook_with_self>, "its first member has its address");

    static void on_ended(remote_waiter& self) noexcept
    {
        tacet_task_unpark_external(static_cast<remote_wait&>(self).task_, 0);
    }

    static void on_cancel(tacet_task* task)
    {
        if (static_cast<hook_with_self*>(task->waiting_for)->self->hand_on_cancel(task))
            task->wait = TACET_WAIT_HOOK; // it still waits, and may be cancelled again
    }

    // false: the remote task has ended, or is about to. Then the next wait is cancelled.
    bool hand_on_cancel(tacet_task* task) noexcept
    {
        if (awaited_->cancel()) {
            timed_out_ |= (task->attention & TACET_TASK_TIMING_OUT) != 0;
            return true;
        }
        tacet_task_keep_cancel(task);
        return false;
    }

    hook_with_self hook_;
    remote* awaited_;
    tacet_task* task_ = nullptr;
    bool timed_out_ = false;
};

} // namespace detail

// What a task on another executor will have come to. Awaited by one, once, on any executor; dropped, it leaves the task
// running. An exception that nobody has taken from it is its executor's: its run throws it, or thread_pool.wait(); but not
// that of a task that the future has cancelled. Moved to any thread.
template <class T = void>
class [[nodiscard]] future {
public:
    using value_type = T;

    future() noexcept {}
    explicit future(detail::remote* awaited) noexcept : remote_(awaited) {}
    future(future&& other) noexcept : remote_(std::exchange(other.remote_, nullptr)) {}
    future& operator=(future&& other) noexcept
    {
        std::swap(remote_, other.remote_);
        return *this;
    }
    ~future()
    {
        if (remote_ != nullptr)
            remote_->drop();
    }

    explicit operator bool() const noexcept { return remote_ != nullptr; }

    // THREAD-SAFE while the future is neither moved nor destroyed.
    bool has_exited() const noexcept { return remote_->has_ended(); }
    void cancel() noexcept { (void)remote_->cancel(); }

    // Once, after the task has exited (else operation_in_progress): what it returned; throws what left it,
    // operation_canceled if its executor ended.
    T take()
    {
        remote_->require_outcome("future");
        return static_cast<detail::promise<T>*>(remote_->outcome)->take();
    }

    class awaiter {
    public:
        explicit awaiter(future& awaited) noexcept : future_(&awaited), wait_(*awaited.remote_) {}
        awaiter(const awaiter&) = delete;
        awaiter& operator=(const awaiter&) = delete;
        bool await_ready() const noexcept { return wait_.is_ready(); }

        template <tacet_promise Promise>
        bool await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
        {
            tacet_task* task = awaiting.promise().task;
            if (future_->remote_->waits_for_us(tacet_task_executor(task))) [[unlikely]] {
                refused_ = true;
                return false;
            }
            task->context = awaiting.address();
            wait_.park(task);
            return true;
        }
        T await_resume() const
        {
            if (refused_) [[unlikely]]
                throw_error(-EDEADLK, "future of an executor that this thread does not run now");
            if (wait_.has_timed_out()) [[unlikely]]
                return take_late();
            return future_->take();
        }
        result<T> take_result() const
        {
            return detail::result_of<T>([this] { return await_resume(); });
        }

    private:
        // The cancel that ended it came from a deadline.
        T take_late() const
        {
            try {
                return future_->take();
            } catch (const std::system_error& failed) {
                if (failed.code() == std::errc::operation_canceled)
                    throw_error(-ETIME, "future");
                throw;
            }
        }

        future* future_;
        bool refused_ = false;
        detail::remote_wait wait_;
    };

    // CANCELLATION POINT of the task that is awaited: a cancel of the awaiting one goes there.
    // resource_deadlock_would_occur: its executor is another one of this thread, which cannot run meanwhile.
    awaiter operator co_await() noexcept
    {
        TACET_ASSERT(remote_ != nullptr && "an empty future");
        return awaiter(*this);
    }

    detail::remote* get() const noexcept { return remote_; }

private:
    detail::remote* remote_ = nullptr;
};

// A future is kept alive by the awaiter that awaits it.
template <class T>
class [[nodiscard]] as_result_future {
public:
    explicit as_result_future(future<T> awaited) noexcept : future_(std::move(awaited)), awaiter_(future_) {}
    as_result_future(as_result_future&& other) noexcept : future_(std::move(other.future_)), awaiter_(future_) {}
    bool await_ready() const noexcept { return awaiter_.await_ready(); }

    template <tacet_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
    {
        return awaiter_.await_suspend(awaiting);
    }
    result<T> await_resume() const { return awaiter_.take_result(); }

private:
    future<T> future_;
    typename future<T>::awaiter awaiter_;
};

template <class T>
as_result_future<T> as_result(future<T> awaited)
{
    return as_result_future<T>(std::move(awaited));
}

// Starts a task there. THREAD-SAFE. Throws, with nothing started, if the executor does not take it.
template <class T>
future<T> spawn_on(executor_ref to, task<T> body, priority cpu = priority::normal)
{
    detail::require_coroutine(body, "spawn_on");
    detail::remote* made = detail::remote::create(std::move(body), cpu);
    made->executor = to.get();
    made->layer = to.get() != nullptr ? to.get()->layer : nullptr;
    const tacet_result r = tacet_task_attach(to.get(), &made->scheduled.task);
    if (r < 0) [[unlikely]] {
        detail::remote::destroy(*made);
        throw_error(r, "spawn_on");
    }
    return future<T>(made);
}

} // namespace tacet

#endif
