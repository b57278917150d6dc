// RAII over the C core's switchers and tasks: a task with a stack of its own may run C++ code, wait for coroutines, and
// be waited for by them.
#ifndef TACET_NATIVE_TASK_HPP
#define TACET_NATIVE_TASK_HPP

#include <tacet/executor.hpp>

#include <functional>
#include <memory>

namespace tacet {

// An instance of a kind of switcher, with options. It must outlive the tasks that use it.
class switcher {
public:
    explicit switcher(const tacet_switcher_ops& kind, const tacet_switcher_options& options = {})
    {
        check(tacet_switcher_create(&switcher_, &kind, &options), "switcher");
    }
    switcher(const switcher&) = delete;
    switcher& operator=(const switcher&) = delete;
    ~switcher() { tacet_switcher_destroy(switcher_); }
    tacet_switcher* get() const noexcept { return switcher_; }

private:
    tacet_switcher* switcher_ = nullptr;
};

// A task of the C core that runs a C++ function. Not moved. When it goes while the function is under way, the function
// is cancelled and the task destroyed when it has ended; the function must then refer to nothing that went.
class native_task {
public:
    // May suspend as far as its switcher can: by the C interface, with the task. What it throws, join() throws.
    using function = std::function<tacet_result(tacet_task*)>;

    native_task(tacet_switcher* kind, function body, const tacet_task_options& options = {})
        : body_(std::make_unique<state>(std::move(body)))
    {
        tacet_task_options with_state = options;
        with_state.destroy_arg = [](void* arg) { delete static_cast<state*>(arg); };
        check(tacet_task_create(&task_, kind, &with_state), "task");
        state_ = body_.release();
        tacet_task_set_body(task_, run, state_);
    }
    native_task(const native_task&) = delete;
    native_task& operator=(const native_task&) = delete;
    ~native_task() { tacet_task_release(task_); }

    void attach(executor& to) { check(tacet_task_attach(to.get(), task_), "attach"); }
    void set_priority(priority cpu, priority io = priority::normal) noexcept
    {
        (void)tacet_task_set_priority(task_, static_cast<tacet_priority>(cpu), static_cast<tacet_priority>(io));
    }
    void cancel() noexcept { tacet_task_cancel(task_); }
    bool has_exited() const noexcept { return tacet_task_has_exited(task_); }
    tacet_task* get() const noexcept { return task_; }

    // After it has exited: what the function returned; throws what left it.
    tacet_result take()
    {
        if (state_->error)
            std::rethrow_exception(std::exchange(state_->error, {}));
        return tacet_task_result(task_);
    }

private:
    struct state {
        explicit state(function body) : run(std::move(body)) {}
        function run;
        std::exception_ptr error{};
    };

    static tacet_result run(tacet_task* task, void* arg)
    {
        state& self = *static_cast<state*>(arg);
        try {
            return self.run(task);
        } catch (...) {
            self.error = std::current_exception();
            return -EFAULT;
        }
    }

    std::unique_ptr<state> body_;
    state* state_ = nullptr; // the task's
    tacet_task* task_ = nullptr;
};

// Waits for the end of a C task. Its result. CANCELLATION POINT.
class [[nodiscard]] native_join_awaiter {
public:
    explicit native_join_awaiter(tacet_task* joined) noexcept : joined_(joined) {}
    bool await_ready() const noexcept { return tacet_task_has_exited(joined_); }

    template <tacet_promise Promise>
    void await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
    {
        self_ = awaiting.promise().task;
        self_->context = awaiting.address();
        detail::wait_for_exit(self_, joined_);
    }
    tacet_result await_resume() const
    {
        if (self_ == nullptr)
            return tacet_task_result(joined_);
        if (self_->result < 0)
            throw_error(self_->result, "join");
        return tacet_task_waited_result(self_);
    }
    result<tacet_result> take_result() const
    {
        return detail::result_of<tacet_result>([this] { return await_resume(); });
    }

private:
    tacet_task* joined_;
    tacet_task* self_ = nullptr;
};

inline native_join_awaiter join(tacet_task* joined)
{
    if (joined == nullptr)
        throw_error(-EINVAL, "join: no task");
    return native_join_awaiter(joined);
}

// The same, and throws what left the function. It must not go away meanwhile.
class [[nodiscard]] native_function_join_awaiter : public native_join_awaiter {
public:
    explicit native_function_join_awaiter(native_task& joined) noexcept
        : native_join_awaiter(joined.get()), function_(&joined)
    {
    }
    tacet_result await_resume() const
    {
        (void)native_join_awaiter::await_resume();
        return function_->take();
    }
    result<tacet_result> take_result() const
    {
        return detail::result_of<tacet_result>([this] { return await_resume(); });
    }

private:
    native_task* function_;
};

inline native_function_join_awaiter join(native_task& joined)
{
    return native_function_join_awaiter(joined);
}

} // namespace tacet

#endif
