// executor_ref: names an executor to any thread. this_executor(): that of the coroutine that asks.
//
// A reference owns nothing: whoever uses it sees to it that the executor lives. Compared and copied at will.
#ifndef TACET_EXECUTOR_REF_HPP
#define TACET_EXECUTOR_REF_HPP

#include <tacet/executor.hpp>
#include <tacet/native_task.hpp>

namespace tacet {

class executor_ref {
public:
    executor_ref(executor& named) noexcept : executor_(named.get()) {}
    explicit executor_ref(tacet_executor* named) noexcept : executor_(named) {}

    // Whether this thread is the executor's. THREAD-SAFE.
    bool is_here() const noexcept { return tacet_executor_is_here(executor_); }

    // The run_...() that is under way, or else the next, returns this: a number that is not negative, or throws: a negative
    // errno. (For run(task) see there; the threads of a pool run on.) THREAD-SAFE, ASYNC-SIGNAL-SAFE unless it throws.
    void wake(std::int64_t result = 0) const { check(tacet_executor_wake(executor_, result), "wake"); }

    // Starts a C task there. THREAD-SAFE. A task that could not be attached is still the caller's.
    void attach(native_task& started) const { check(tacet_task_attach(executor_, started.get()), "attach"); }

    tacet_executor* get() const noexcept { return executor_; }
    friend bool operator==(executor_ref, executor_ref) noexcept = default;

private:
    tacet_executor* executor_;
};

class [[nodiscard]] this_executor_awaiter {
public:
    this_executor_awaiter() noexcept {}
    bool await_ready() const noexcept { return false; }
    template <tacet_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
    {
        executor_ = tacet_task_executor(awaiting.promise().task);
        return false;
    }
    executor_ref await_resume() const noexcept { return executor_ref(executor_); }

private:
    tacet_executor* executor_ = nullptr;
};

// Where the awaiting coroutine runs now.
inline this_executor_awaiter this_executor()
{
    return this_executor_awaiter();
}

} // namespace tacet

#endif
