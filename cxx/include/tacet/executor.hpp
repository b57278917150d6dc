// executor: runs tasks on this thread. spawn() starts one beside the others; join() waits for it.
#ifndef TACET_EXECUTOR_HPP
#define TACET_EXECUTOR_HPP

#include <tacet/detail/duration.hpp>
#include <tacet/executor.h>
#include <tacet/op.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace tacet {

enum class priority {
    high = TACET_PRIORITY_HIGH,
    normal = TACET_PRIORITY_NORMAL,
    low = TACET_PRIORITY_LOW,
};

struct executor_options {
    unsigned ring_entries = TACET_RING_ENTRIES_DEFAULT; // 0: no ring, compute and timers only
    unsigned cq_entries = 0;
    unsigned timers_reserved = 0;
    bool accounting = false;
    unsigned setup_flags_forbidden = 0; // IORING_SETUP_* never to be used, for diagnosis
};

namespace detail {

// The first exception that left a task nobody waits for. The executor's run throws it.
struct uncaught {
    std::exception_ptr first{};
    std::size_t count = 0;

    void keep(std::exception_ptr error) noexcept
    {
        if (count++ == 0)
            first = std::move(error);
    }
};

// A task beside others, and the handle that may wait for it: whoever of the two ends last frees it.
template <class T>
class spawned {
public:
    static spawned* create(task<T> body, uncaught* nobody_waits)
    {
        return ::new (frame_allocate(sizeof(spawned))) spawned(std::move(body), nobody_waits);
    }

    tacet_task* scheduled() noexcept { return &root_.task; }
    promise<T>& outcome() noexcept { return body_.get().promise(); }
    bool has_exited() const noexcept { return root_.task.state == TACET_TASK_EXITED; }

    void release() noexcept
    {
        if (--references_ == 0)
            destroy();
    }
    void destroy() noexcept
    {
        this->~spawned();
        frame_deallocate(this, sizeof(spawned));
    }

private:
    spawned(task<T> body, uncaught* nobody_waits) noexcept : body_(std::move(body)), uncaught_(nobody_waits)
    {
        init_root(root_, body_.get(), outcome(), finished, abandoned);
    }
    ~spawned()
    {
        if (root_.task.ticks != nullptr)
            tacet_task_finish(&root_.task);
    }

    static spawned& of(root& self) noexcept { return reinterpret_cast<spawned&>(self); }

    static void finished(root& self) noexcept
    {
        spawned& ended = of(self);
        if (ended.references_ == 1 && ended.outcome().error)
            ended.uncaught_->keep(std::move(ended.outcome().error));
        if (ended.stop_at_end_)
            tacet_executor_stop(self.task.executor);
        ended.release();
    }
    static void abandoned(root& self) noexcept
    {
        spawned& left = of(self);
        left.body_ = task<T>();
        left.release();
    }

    root root_; // first
    task<T> body_;
    uncaught* uncaught_;
    unsigned references_ = 2; // the running task's, the handle's

public:
    bool stop_at_end_ = false; // run() waits for it
};

} // namespace detail

// Waits for a task that was spawned. Dropped, it leaves the task running; dropped after the task's end, it drops what the
// task returned or threw. For the executor's thread.
template <class T = void>
class join_handle {
public:
    join_handle() noexcept {}
    explicit join_handle(detail::spawned<T>* joined) noexcept : spawned_(joined) {}
    join_handle(join_handle&& other) noexcept : spawned_(std::exchange(other.spawned_, nullptr)) {}
    join_handle& operator=(join_handle&& other) noexcept
    {
        std::swap(spawned_, other.spawned_);
        return *this;
    }
    ~join_handle()
    {
        if (spawned_ != nullptr)
            spawned_->release();
    }

    explicit operator bool() const noexcept { return spawned_ != nullptr; }
    bool has_exited() const noexcept { return spawned_->has_exited(); }
    void cancel() noexcept { tacet_task_cancel(spawned_->scheduled()); }
    void set_priority(priority cpu, priority io = priority::normal) noexcept
    {
        (void)tacet_task_set_priority(spawned_->scheduled(), static_cast<tacet_priority>(cpu),
                                      static_cast<tacet_priority>(io));
    }
    tacet_task* get() const noexcept { return spawned_->scheduled(); }

    // Once, after it has exited: what the task returned; throws what left it, operation_canceled if its executor ended.
    T take()
    {
        if (spawned_->scheduled()->result == -ECANCELED)
            throw_error(-ECANCELED, "join");
        return spawned_->outcome().take();
    }

private:
    detail::spawned<T>* spawned_ = nullptr;
};

// An exception that leaves a task which nobody waits for (its handle dropped) is kept, and thrown by the run that is
// under way or the next one; of several the first.
class executor {
public:
    // Throws std::system_error, with the reason and what to do, where io_uring is refused.
    explicit executor(const executor_options& options = {})
    {
        char message[256] = "executor";
        const tacet_executor_options core = {
            .ring_entries = options.ring_entries,
            .cq_entries = options.cq_entries,
            .timers_reserved = options.timers_reserved,
            .accounting = options.accounting,
            .setup_flags_forbidden = options.setup_flags_forbidden,
            .message = message,
            .message_bytes = sizeof message,
        };
        const tacet_result r = tacet_executor_create(&executor_, &core);
        if (r < 0)
            throw_error(r, std::string("executor: ") + message);
    }
    executor(const executor&) = delete;
    executor& operator=(const executor&) = delete;

    // EXPENSIVE, may block: see tacet_executor_destroy(). Coroutines that have not ended are destroyed with all that
    // they hold, those spawned later first.
    ~executor() { tacet_executor_destroy(executor_); }

    // Starts a task beside the others. The handle may be dropped.
    template <class T>
    join_handle<T> spawn(task<T> body, priority cpu = priority::normal)
    {
        detail::require_coroutine(body, "spawn");
        auto* spawned = detail::spawned<T>::create(std::move(body), &uncaught_);
        spawned->scheduled()->priority = static_cast<std::uint8_t>(cpu);
        const tacet_result r = tacet_task_attach(executor_, spawned->scheduled());
        if (r < 0) [[unlikely]] {
            spawned->destroy();
            throw_error(r, "spawn");
        }
        return join_handle<T>(spawned);
    }

    // Runs until this task has ended; the others have their turns meanwhile, and stay where they are after. Throws what
    // left the task; resource_deadlock_would_occur if it waits for what cannot come (it is cancelled then), or if this
    // is called from a task (nothing is started then).
    template <class T>
    T run(task<T> body)
    {
        detail::require_coroutine(body, "run");
        if (tacet_executor_current(executor_) != nullptr)
            throw_error(-EDEADLK, "run");
        auto* spawned = detail::spawned<T>::create(std::move(body), &uncaught_);
        spawned->stop_at_end_ = true;
        join_handle<T> handle(spawned);
        const tacet_result r = tacet_task_attach(executor_, spawned->scheduled());
        if (r < 0) {
            spawned->release();
            throw_error(r, "run");
        }
        run_until_exit(spawned->scheduled());
        if (!spawned->outcome().error) [[likely]]
            rethrow_uncaught();
        return handle.take();
    }

    // Until nothing is ready, in flight or timed. The number of resumptions and callbacks.
    std::int64_t run_until_idle() { return run_some(TACET_UNTIL_IDLE, nullptr); }

    // At most so many resumptions and callbacks, for at most so long; zero or less: what can be done without waiting.
    // The number done.
    template <class Rep, class Period>
    std::int64_t run_for(std::chrono::duration<Rep, Period> timeout, std::int64_t items_max = TACET_UNTIL_IDLE)
    {
        const std::uint64_t ns = detail::nanoseconds_of(timeout);
        const timespec limit = {static_cast<std::time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
        return run_some(items_max, &limit);
    }

    // From a task or a callback: the present run returns.
    void stop() noexcept { tacet_executor_stop(executor_); }
    void cancel_all() noexcept { (void)tacet_executor_cancel_all(executor_); }

    tacet_executor_stats stats() const
    {
        tacet_executor_stats stats;
        check(tacet_executor_get_stats(executor_, &stats), "executor stats");
        return stats;
    }
    std::string_view config() const noexcept { return tacet_executor_config(executor_); }
    tacet_executor* get() const noexcept { return executor_; }

private:
    std::int64_t run_some(std::int64_t items_max, const timespec* timeout)
    {
        const tacet_result r = tacet_executor_run(executor_, items_max, timeout);
        rethrow_uncaught();
        return r == -ETIME ? 0 : check(r, "executor run");
    }

    // Nothing is ready, in flight or timed: who waits now waits for ever.
    bool is_idle() const
    {
        const tacet_executor_stats now = stats();
        return executor_->ready.nonempty == 0 && now.in_flight == 0 && now.timers == 0;
    }

    void run_until_exit(tacet_task* awaited)
    {
        bool cancelled = false;
        while (!tacet_task_has_exited(awaited)) {
            check(tacet_executor_run(executor_, TACET_UNTIL_IDLE, nullptr), "executor run");
            if (tacet_task_has_exited(awaited) || !is_idle())
                continue; // something else stopped the run
            if (cancelled)
                break;
            tacet_task_cancel(awaited); // its frames may unwind, while what they refer to is there
            cancelled = true;
        }
        if (cancelled)
            throw_error(-EDEADLK, "executor run: the task waits for something that cannot come");
    }

    void rethrow_uncaught()
    {
        if (uncaught_.count == 0) [[likely]]
            return;
        uncaught_.count = 0;
        std::rethrow_exception(std::exchange(uncaught_.first, {}));
    }

    tacet_executor* executor_ = nullptr;
    detail::uncaught uncaught_;
};

namespace detail {

// Waits for the exit of another task of the same executor, or says in wake_result why it does not.
inline void wait_for_exit(tacet_task* self, tacet_task* other) noexcept
{
    const tacet_result refused = self == other                       ? -EDEADLK
                                 : other->executor == nullptr        ? -EINVAL
                                 : other->executor != self->executor ? -EPERM
                                 : tacet_task_take_cancel(self)      ? -ECANCELED
                                                                     : 0;
    if (refused == 0) [[likely]] {
        tacet_task_wait_park(self, other);
        return;
    }
    self->wake_result = refused;
    tacet_task_requeue(self);
}

} // namespace detail

// Waits for a task's end.
template <class T>
class [[nodiscard]] join_awaiter {
public:
    explicit join_awaiter(join_handle<T> joined) noexcept : joined_(std::move(joined)) {}
    bool await_ready() const noexcept { return joined_.has_exited(); }

    template <tacet_promise Promise>
    void await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
    {
        self_ = awaiting.promise().task;
        self_->context = awaiting.address();
        detail::wait_for_exit(self_, joined_.get());
    }
    T await_resume()
    {
        if (self_ != nullptr && self_->wake_result < 0)
            throw_error(self_->wake_result, "join");
        return joined_.take();
    }
    result<T> take_result()
    {
        return detail::result_of<T>([this] { return await_resume(); });
    }

private:
    join_handle<T> joined_;
    tacet_task* self_ = nullptr;
};

// What the task returned; throws what left it. A cancelled joiner leaves the task running. CANCELLATION POINT.
// invalid_argument: an empty handle; resource_deadlock_would_occur: its own; operation_not_permitted: of another executor.
template <class T>
join_awaiter<T> join(join_handle<T> joined)
{
    if (!joined)
        throw_error(-EINVAL, "join: an empty handle");
    return join_awaiter<T>(std::move(joined));
}

// The task that awaits this: for calls of the C interface that neither suspend it (-ENOTSUP) nor start operations for it,
// which would outlive it.
class [[nodiscard]] this_task_awaiter {
public:
    this_task_awaiter() noexcept {}
    bool await_ready() const noexcept { return false; }
    template <tacet_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
    {
        task_ = awaiting.promise().task;
        return false;
    }
    tacet_task* await_resume() const noexcept { return task_; }

private:
    tacet_task* task_ = nullptr;
};

inline this_task_awaiter this_task()
{
    return this_task_awaiter();
}

// CPU level of the awaiting task, from its next wait on, and I/O level of the operations it starts.
class [[nodiscard]] set_priority_awaiter {
public:
    set_priority_awaiter(priority cpu, priority io) noexcept : cpu_(cpu), io_(io) {}
    bool await_ready() const noexcept { return false; }
    template <tacet_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> awaiting) const noexcept
    {
        (void)tacet_task_set_priority(awaiting.promise().task, static_cast<tacet_priority>(cpu_),
                                      static_cast<tacet_priority>(io_));
        return false;
    }
    void await_resume() const noexcept {}

private:
    priority cpu_, io_;
};

inline set_priority_awaiter set_priority(priority cpu, priority io = priority::normal)
{
    return set_priority_awaiter(cpu, io);
}

} // namespace tacet

#endif
