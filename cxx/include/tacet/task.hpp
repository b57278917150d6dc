// task<T>: a coroutine that starts when it is awaited or spawned.
//
// Each root (a spawned task, or one given to executor.run) has one tacet_task of the C core; what the root awaits shares
// it, so co_await of a task<T> costs a symmetric transfer and no scheduling. Everything of a root runs on the thread of
// its executor, which is another's after resume_on(); it ends where it was started.
//
// A task is awaited, or given to somebody, once. To await an empty one, or one twice, is a mistake that builds of the library with
// -Dchecks=on name, and others do not notice before they crash.
#ifndef TACET_TASK_HPP
#define TACET_TASK_HPP

#include <tacet/detail/frame_pool.hpp>
#include <tacet/error.hpp>
#include <tacet/handover.h>
#include <tacet/inline/executor.h>
#include <tacet/switcher_interface.h>

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace tacet {

template <class T>
class task;

namespace detail {

// Transfers and immediate completions that a task may string together before the other ready tasks have their turn. It
// also bounds the native stack, where a compiler makes no tail call of a symmetric transfer.
inline constexpr unsigned at_once_max = 64;

inline bool may_go_on(tacet_task* task) noexcept
{
    return ++task->at_once % at_once_max != 0;
}

inline void requeue(tacet_task* task, std::coroutine_handle<> next) noexcept
{
    task->context = next.address();
    tacet_task_requeue(task);
}

// What an awaiter did that need not wait: the result stands in the task. Whether the others have their turn first.
inline bool go_on_later(tacet_task* task, std::coroutine_handle<> awaiting) noexcept
{
    if (may_go_on(task)) [[likely]]
        return false;
    requeue(task, awaiting);
    return true;
}

// Where control goes that is passed to `next`.
inline std::coroutine_handle<> transfer(tacet_task* task, std::coroutine_handle<> next) noexcept
{
    if (may_go_on(task)) [[likely]]
        return next;
    requeue(task, next);
    return std::noop_coroutine();
}

// Common to awaiters of a wait whose result stands in the task when it has ended.
class wait_awaiter {
public:
    wait_awaiter() noexcept {}
    wait_awaiter(wait_awaiter&&) noexcept {} // before it is awaited
    bool await_ready() const noexcept { return false; }

    // For as_result().
    result<void> take_result() const
    {
        if (task_->result < 0)
            return unexpected(error_of(task_->result));
        return {};
    }

protected:
    // First act of await_suspend(). false: a cancel or a deadline has ended the wait before it began.
    template <class Promise>
    bool begin(std::coroutine_handle<Promise> awaiting) noexcept
    {
        task_ = awaiting.promise().task;
        task_->context = awaiting.address();
        task_->result = tacet_task_take_interrupt(task_);
        return task_->result == 0;
    }

    void require(const char* what) const
    {
        if (task_->result < 0) [[unlikely]]
            throw_failure(what);
    }

    tacet_task* task_ = nullptr;

private:
    [[noreturn, gnu::noinline, gnu::cold]] void throw_failure(const char* what) const
    {
        throw_error(task_->result, what);
    }
};

// The `run` of a coroutine's task: resumes the innermost suspended one.
inline void run_coroutine(tacet_runnable* runnable)
{
    tacet_task* task = tacet_task_resume(runnable);
    std::coroutine_handle<>::from_address(task->context).resume();
}

// What is scheduled: the task, first, its outermost coroutine, and what becomes of both.
struct root {
    // The task has exited, its outermost coroutine stands at its end; or it will not be resumed, since its executor goes
    // away. May free it.
    using end = void(root& self, bool abandoned) noexcept;

    tacet_task task;
    end* ended;
    std::coroutine_handle<> body;
    tacet_executor* host; // that it has moved to last; NULL: it has not moved
};

// Before the memory of a task goes that has exited, or was never started. On its executor's thread.
inline void finish_task(tacet_task& dead) noexcept
{
    // acquire: pairs with the executor's last use of the task for a cancel that came too late
    if (__atomic_load_n(&dead.signals, __ATOMIC_ACQUIRE) != 0) [[unlikely]]
        tacet_task_await_signals(&dead);
    if (dead.extra != nullptr) [[unlikely]]
        tacet_task_finish(&dead);
}

inline void abandon_root(tacet_task* task)
{
    root* self = reinterpret_cast<root*>(task);
    self->ended(*self, true);
}

constexpr tacet_switcher_ops coroutine_ops_with(void (*run)(tacet_runnable* runnable)) noexcept
{
    return {
        .kind = {.run = run, .accept = nullptr},
        .name = "coroutine",
        .flags = TACET_SWITCHER_SUSPENDS_BY_RETURNING | TACET_SWITCHER_FOREIGN,
        .create = nullptr,
        .prepare = nullptr,
        .resume = nullptr,
        .suspend = nullptr,
        .exit = nullptr,
        .destroy = nullptr,
        .reserve = nullptr,
        .holds = nullptr,
        .abandon = abandon_root,
    };
}

inline constexpr tacet_switcher_ops coroutine_ops = coroutine_ops_with(run_coroutine);

struct promise_base {
    tacet_task* task = nullptr;             // of the root; set when awaited or spawned
    std::coroutine_handle<> continuation{}; // who awaits it; none for the root's outermost
    std::exception_ptr error{};

    static void* operator new(std::size_t bytes) { return frame_allocate(bytes); }
    static void operator delete(void* memory, std::size_t bytes) noexcept { frame_deallocate(memory, bytes); }

    struct final_awaiter {
        final_awaiter() noexcept {}
        bool await_ready() const noexcept { return false; }

        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) const noexcept
        {
            promise_base& promise = ended.promise();
            if (promise.continuation)
                return transfer(promise.task, promise.continuation);
            end_root(promise.task);
            return std::noop_coroutine();
        }
        void await_resume() const noexcept {}
    };

    // The frame, with the awaiter in it, may be gone when this returns.
    [[gnu::noinline]] static void end_root(tacet_task* task) noexcept
    {
        if (tacet_executor* home = tacet_task_away_from(task)) [[unlikely]] {
            go_home_to_end(task, home);
            return;
        }
        root* self = reinterpret_cast<root*>(task);
        TACET_ASSERT((task->extra == nullptr || task->extra->ops_initiated == 0) &&
                     "no operation outlives a coroutine's task");
        tacet_task_exit(task, 0);
        self->ended(*self, false);
    }

    // It has ended on another executor's thread: what is to be done then is done at home.
    [[gnu::noinline, gnu::cold]] static void go_home_to_end(tacet_task* task, tacet_executor* home) noexcept
    {
        static constexpr tacet_switcher_ops ended_ops = coroutine_ops_with(
            [](tacet_runnable* runnable) { end_root(tacet_task_resume(runnable)); });
        task->runnable.kind = &ended_ops.kind;
        const tacet_result r = tacet_task_move(task, home);
        TACET_ASSERT(r == 0 && "an executor waits for its tasks to come home");
        (void)r;
    }

    std::suspend_always initial_suspend() const noexcept { return {}; }
    final_awaiter final_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept { error = std::current_exception(); }
};

// The coroutine becomes the root's outermost one, ready to be attached.
inline void init_root(root& made, std::coroutine_handle<> body, promise_base& outcome, root::end* ended) noexcept
{
    tacet_task_init(&made.task, &coroutine_ops.kind);
    made.task.context = body.address();
    made.ended = ended;
    made.body = body;
    made.host = nullptr;
    outcome.task = &made.task;
}

template <class T>
struct promise : promise_base {
    std::optional<T> value{};

    tacet::task<T> get_return_object() noexcept;

    template <class U = T>
    void return_value(U&& returned)
    {
        value.emplace(std::forward<U>(returned));
    }

    T take()
    {
        if (error)
            std::rethrow_exception(std::move(error));
        return *std::move(value);
    }
};

template <>
struct promise<void> : promise_base {
    tacet::task<void> get_return_object() noexcept;
    void return_void() const noexcept {}

    void take()
    {
        if (error)
            std::rethrow_exception(std::move(error));
    }
};

} // namespace detail

namespace detail {

// What f returns; a system_error that leaves it becomes the error, others fly on.
template <class T, class F>
result<T> result_of(F f)
{
    try {
        if constexpr (std::is_void_v<T>) {
            f();
            return {};
        } else {
            return f();
        }
    } catch (const std::system_error& failed) {
        return unexpected(failed.code());
    }
}

} // namespace detail

// A coroutine of ours: what awaiters may be awaited from.
template <class Promise>
concept tacet_promise = std::is_base_of_v<detail::promise_base, Promise>;

template <class T = void>
class [[nodiscard]] task {
    static_assert(!std::is_reference_v<T>, "return a pointer or a std::reference_wrapper");

public:
    using promise_type = detail::promise<T>;
    using value_type = T;
    using handle = std::coroutine_handle<promise_type>;

    task() noexcept {}
    explicit task(handle coroutine) noexcept : coroutine_(coroutine) {}
    task(task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, {})) {}
    task& operator=(task&& other) noexcept
    {
        std::swap(coroutine_, other.coroutine_);
        return *this;
    }
    ~task()
    {
        if (coroutine_)
            coroutine_.destroy();
    }

    explicit operator bool() const noexcept { return static_cast<bool>(coroutine_); }

    // For those who run it: the coroutine, still owned; given away.
    handle get() const noexcept { return coroutine_; }
    handle release() noexcept { return std::exchange(coroutine_, {}); }

    class awaiter {
    public:
        explicit awaiter(handle awaited) noexcept : awaited_(awaited) { TACET_ASSERT(awaited_ && "an empty task"); }
        bool await_ready() const noexcept { return false; }

        template <tacet_promise Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> awaiting) const noexcept
        {
            detail::promise_base& promise = awaited_.promise();
            TACET_ASSERT(!awaited_.done() && "a task is awaited once");
            promise.task = awaiting.promise().task;
            promise.continuation = awaiting;
            return detail::transfer(promise.task, awaited_);
        }
        T await_resume() const { return awaited_.promise().take(); }

        // For as_result().
        result<T> take_result() const
        {
            return detail::result_of<T>([this] { return awaited_.promise().take(); });
        }

    private:
        handle awaited_;
    };

    awaiter operator co_await() const noexcept { return awaiter(coroutine_); }

private:
    handle coroutine_{};
};

namespace detail {

// For those who start a task: an empty one is refused.
template <class T>
void require_coroutine(const task<T>& body, const char* what)
{
    if (!body) [[unlikely]]
        throw_error(-EINVAL, std::string(what) + ": an empty task");
}

template <class T>
tacet::task<T> promise<T>::get_return_object() noexcept
{
    return tacet::task<T>(std::coroutine_handle<promise>::from_promise(*this));
}

inline tacet::task<void> promise<void>::get_return_object() noexcept
{
    return tacet::task<void>(std::coroutine_handle<promise>::from_promise(*this));
}

} // namespace detail

} // namespace tacet

#endif
