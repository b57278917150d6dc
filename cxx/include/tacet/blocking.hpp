// run_blocking(f): what cannot be done without blocking, done on a helper thread while other tasks run on this one.
#ifndef TACET_BLOCKING_HPP
#define TACET_BLOCKING_HPP

#include <tacet/blocking.h>
#include <tacet/task.hpp>

#include <functional>
#include <variant>

namespace tacet {

template <class F>
class [[nodiscard]] blocking_awaiter {
public:
    using value_type = std::invoke_result_t<F&>;
    static_assert(!std::is_reference_v<value_type>, "return a pointer or a std::reference_wrapper");

    explicit blocking_awaiter(F function) : function_(std::move(function)) {}
    blocking_awaiter(blocking_awaiter&& other) noexcept(std::is_nothrow_move_constructible_v<F>) // before it is awaited
        : function_(std::move(other.function_))
    {
    }
    blocking_awaiter& operator=(blocking_awaiter&&) = delete;
    bool await_ready() const noexcept { return false; }

    template <tacet_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
    {
        tacet_task* task = task_ = awaiting.promise().task;
        task->context = awaiting.address();
        tacet_result r = tacet_task_take_interrupt(task);
        if (r == 0)
            r = tacet_run_blocking_park(task, call, this);
        if (r == 0) [[likely]]
            return true;
        task->result = r;
        return false;
    }
    value_type await_resume()
    {
        if (task_->result < 0) [[unlikely]]
            throw_error(task_->result, "run_blocking");
        if (error_) [[unlikely]]
            std::rethrow_exception(std::exchange(error_, {}));
        if constexpr (!std::is_void_v<value_type>)
            return *std::move(value_);
    }

    // For as_result(): a system_error that leaves the function becomes the error, others fly on.
    result<value_type> take_result()
    {
        return detail::result_of<value_type>([this] { return await_resume(); });
    }

private:
    // On the helper thread; the awaiting coroutine stands still meanwhile.
    static tacet_result call(void* arg)
    {
        auto& self = *static_cast<blocking_awaiter*>(arg);
        try {
            if constexpr (std::is_void_v<value_type>)
                self.function_();
            else
                self.value_.emplace(self.function_());
        } catch (...) {
            self.error_ = std::current_exception();
        }
        return 0;
    }

    F function_;
    tacet_task* task_ = nullptr;
    std::exception_ptr error_{};
    std::optional<std::conditional_t<std::is_void_v<value_type>, std::monostate, value_type>> value_{};
};

// What f() returns; throws what leaves it. f must not touch what is for this thread alone. It may refer to what the
// coroutine refers to: an executor that is destroyed meanwhile waits for f's end. CANCELLATION POINT: a cancel before f
// has begun takes it back, a later one is kept for the next, and f's value is returned. See tacet/blocking.h for the
// threads.
template <class F>
blocking_awaiter<F> run_blocking(F f)
{
    return blocking_awaiter<F>(std::move(f));
}

} // namespace tacet

#endif
