// executor: runs tasks on this thread. spawn() starts one beside the others; join() waits for it.
#ifndef TACET_EXECUTOR_HPP
#define TACET_EXECUTOR_HPP

#include <tacet/detail/duration.hpp>
#include <tacet/executor.h>
#include <tacet/handover.h>
#include <tacet/op.hpp>

#include <sched.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <mutex>
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
    bool woken_by_eventfd = false;      // by other threads; not by ring messages, for diagnosis
    bool always_through_ring = false;   // reads and writes are not tried without it first: see tacet/executor.h

    // What the kernel has at a time; others wait, by I/O priority; 0: no limit. See tacet/executor.h.
    unsigned ops_max = 0, data_ops_max = 0, worker_ops_max = 0;
    bool ordered_writes = false; // writes reach a regular file in the order of their start

    unsigned descriptors_max = 0; // registered ones: see tacet/descriptor.h; 0: 1024

    const cpu_set_t* worker_cpus = nullptr; // where the kernel's worker threads run; nullptr: on any processor
};

namespace detail {

inline tacet_executor_options core_options(const executor_options& options, char* message, std::size_t bytes) noexcept
{
    return {
        .ring_entries = options.ring_entries,
        .cq_entries = options.cq_entries,
        .timers_reserved = options.timers_reserved,
        .accounting = options.accounting,
        .setup_flags_forbidden = options.setup_flags_forbidden,
        .woken_by_eventfd = options.woken_by_eventfd,
        .always_through_ring = options.always_through_ring,
        .ops_max = options.ops_max,
        .data_ops_max = options.data_ops_max,
        .worker_ops_max = options.worker_ops_max,
        .ordered_writes = options.ordered_writes,
        .descriptors_max = options.descriptors_max,
        .worker_cpus = options.worker_cpus,
        .worker_cpus_bytes = sizeof *options.worker_cpus,
        .message = message,
        .message_bytes = bytes,
        .report = nullptr,
        .report_arg = nullptr,
    };
}

// A line that names the exception, for the executor's report, or, without executor, for stderr.
[[gnu::noinline, gnu::cold]] inline void report_untaken(tacet_executor* executor,
                                                        const std::exception_ptr& error) noexcept
{
    char line[256];
    const char* what = "of an unknown type";
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& thrown) {
        what = thrown.what();
    } catch (...) {
    }
    std::snprintf(line, sizeof line, "an exception left a task that nobody waits for: %s", what);
    if (executor != nullptr)
        tacet_executor_tell(executor, line);
    else
        std::fprintf(stderr, "tacet: %s\n", line);
}

// The first exception that left a task nobody waits for. The executor's run throws it. An executor's layer is its
// uncaught, or that of its pool. THREAD-SAFE. It stays for futures that still hold exceptions when the executor goes.
class uncaught {
public:
    uncaught() noexcept {}
    uncaught(const uncaught&) = delete;
    uncaught& operator=(const uncaught&) = delete;

    uncaught* retain() noexcept
    {
        references_.fetch_add(1, std::memory_order_relaxed);
        return this;
    }
    void release() noexcept
    {
        // acq_rel: who frees it comes after all that the others did with it
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            delete this;
    }

    void keep(std::exception_ptr error) noexcept
    {
        const std::lock_guard lock(mutex_);
        if (!any_.exchange(true, std::memory_order_relaxed))
            first_ = std::move(error);
    }
    bool any() const noexcept { return any_.load(std::memory_order_relaxed); }

    // Null: there was none.
    std::exception_ptr take() noexcept
    {
        const std::lock_guard lock(mutex_);
        any_.store(false, std::memory_order_relaxed);
        return std::exchange(first_, {});
    }

private:
    // Of several exceptions only the first is thrown, and not by a destructor; what was not is at least told.
    ~uncaught()
    {
        if (first_)
            report_untaken(nullptr, first_);
    }

    std::atomic<unsigned> references_{1};
    std::mutex mutex_{};
    std::atomic<bool> any_{false}; // changed under the mutex
    std::exception_ptr first_{};
};

struct release_uncaught {
    void operator()(uncaught* released) const noexcept { released->release(); }
};
using uncaught_owner = std::unique_ptr<uncaught, release_uncaught>;

// For an executor of the C interface, which has no uncaught, the error is reported.
[[gnu::noinline, gnu::cold]] inline void leave_uncaught(tacet_executor* executor, std::exception_ptr error) noexcept
{
    if (executor->layer != nullptr)
        static_cast<uncaught*>(executor->layer)->keep(std::move(error));
    else
        report_untaken(executor, error);
}

// For destructors, which cannot throw what they were refused with. What they would have freed stays.
[[gnu::noinline, gnu::cold]] inline void report_not_destroyed(const char* what, const char* why,
                                                              uncaught& in_use) noexcept
{
    (void)in_use.retain();
    std::fprintf(stderr, "tacet: %s is not destroyed: %s\n", what, why);
}

// A task beside others, and the handle that may wait for it: whoever of the two ends last frees it. The executor's layer
// is where it leaves an exception that nobody waits for.
template <class T>
struct spawned {
    enum flags : std::uint8_t { under_way = 0x10, held = 0x20, stops_run = 0x40 };
    static_assert(((under_way | held | stops_run) & ~TACET_TASK_LAYER_FLAGS) == 0);

    static root* create(task<T> body, std::uint8_t more_flags = 0)
    {
        root* made = ::new (frame_allocate(sizeof(root))) root;
        init_root(*made, body.get(), body.get().promise(), ended);
        made->task.flags = under_way | held | more_flags;
        (void)body.release();
        return made;
    }

    static promise<T>& outcome(const root& of) noexcept
    {
        return std::coroutine_handle<promise<T>>::from_address(of.body.address()).promise();
    }

    static void release(root& from, flags who) noexcept
    {
        from.task.flags &= static_cast<std::uint8_t>(~who);
        if (!(from.task.flags & (under_way | held)))
            destroy(from);
    }
    static void destroy(root& dead) noexcept
    {
        if (dead.body)
            dead.body.destroy();
        finish_task(dead.task);
        frame_deallocate(&dead, sizeof(root));
    }

private:
    static void ended(root& self, bool abandoned) noexcept
    {
        if (abandoned) {
            std::exchange(self.body, {}).destroy();
        } else {
            tacet_executor* executor = tacet_task_executor(&self.task);
            if (!(self.task.flags & held) && outcome(self).error)
                leave_uncaught(executor, std::move(outcome(self).error));
            if (self.task.flags & stops_run)
                tacet_executor_stop(executor);
        }
        release(self, under_way);
    }
};

} // namespace detail

// Waits for a task that was spawned. Dropped, it leaves the task running; dropped after the task's end, it drops what the
// task returned or threw. For the executor's thread.
template <class T = void>
class join_handle {
public:
    join_handle() noexcept {}
    explicit join_handle(detail::root* joined) noexcept : spawned_(joined) {}
    join_handle(join_handle&& other) noexcept : spawned_(std::exchange(other.spawned_, nullptr)) {}
    join_handle& operator=(join_handle&& other) noexcept
    {
        std::swap(spawned_, other.spawned_);
        return *this;
    }
    ~join_handle()
    {
        if (spawned_ != nullptr)
            detail::spawned<T>::release(*spawned_, detail::spawned<T>::held);
    }

    explicit operator bool() const noexcept { return spawned_ != nullptr; }
    bool has_exited() const noexcept { return tacet_task_has_exited(get()); }
    void cancel() noexcept { tacet_task_cancel(get()); }
    void set_priority(priority cpu, priority io = priority::normal) noexcept
    {
        (void)tacet_task_set_priority(get(), static_cast<tacet_priority>(cpu), static_cast<tacet_priority>(io));
    }
    tacet_task* get() const noexcept { return &spawned_->task; }

    // Once, after it has exited (else operation_in_progress): what the task returned; throws what left it,
    // operation_canceled if its executor ended.
    T take()
    {
        if (!has_exited()) [[unlikely]]
            throw_error(-EINPROGRESS, "join: the task has not ended");
        if (spawned_->task.result == -ECANCELED)
            throw_error(-ECANCELED, "join");
        return detail::spawned<T>::outcome(*spawned_).take();
    }

private:
    detail::root* spawned_ = nullptr;
};

// An exception that leaves a task which nobody waits for (its handle dropped) is kept, and thrown by the run that is
// under way or the next one; of several the first.
class executor {
public:
    // Throws std::system_error, with the reason and what to do, where io_uring is refused.
    explicit executor(const executor_options& options = {})
    {
        char message[256] = "executor";
        const tacet_executor_options core = detail::core_options(options, message, sizeof message);
        const tacet_result r = tacet_executor_create(&executor_, &core);
        if (r < 0)
            throw_error(r, std::string("executor: ") + message);
        executor_->layer = uncaught_.get();
    }
    executor(const executor&) = delete;
    executor& operator=(const executor&) = delete;

    // EXPENSIVE, may block: see tacet_executor_destroy(). Coroutines that have not ended are destroyed with all that
    // they hold, those spawned later first.
    // From one of its tasks, or from another thread, it cannot be: that is reported on stderr.
    ~executor()
    {
        const tacet_result r = tacet_executor_destroy(executor_);
        if (r < 0) [[unlikely]]
            detail::report_not_destroyed("an executor",
                                         r == -EBUSY ? "one of its tasks runs" : "it is another thread's", *uncaught_);
    }

    // Starts a task beside the others. The handle may be dropped.
    template <class T>
    join_handle<T> spawn(task<T> body, priority cpu = priority::normal)
    {
        detail::require_coroutine(body, "spawn");
        detail::root* spawned = detail::spawned<T>::create(std::move(body));
        spawned->task.priority = static_cast<std::uint8_t>(cpu);
        const tacet_result r = tacet_task_attach_here(executor_, &spawned->task);
        if (r < 0) [[unlikely]] {
            detail::spawned<T>::destroy(*spawned);
            throw_error(r, "spawn");
        }
        return join_handle<T>(spawned);
    }

    // Runs until this task has ended; the others have their turns meanwhile, and stay where they are after. Throws what
    // left the task; resource_deadlock_would_occur if it waits for what cannot come (it is cancelled then), or if this
    // is called from a task (nothing is started then). A wake with a number does not end it; one with an error
    // cancels it, and is thrown when it has ended.
    template <class T>
    T run(task<T> body)
    {
        detail::require_coroutine(body, "run");
        if (tacet_executor_current(executor_) != nullptr)
            throw_error(-EDEADLK, "run");
        using spawned = detail::spawned<T>;
        detail::root* started = spawned::create(std::move(body), spawned::stops_run);
        join_handle<T> handle(started);
        const tacet_result r = tacet_task_attach_here(executor_, &started->task);
        if (r < 0) {
            spawned::release(*started, spawned::under_way);
            throw_error(r, "run");
        }
        run_until_exit(&started->task);
        if (!spawned::outcome(*started).error) [[likely]]
            rethrow_uncaught();
        return handle.take();
    }

    // Until nothing is ready, in flight, timed, away on other executors or waiting for other threads. The number of
    // resumptions and callbacks.
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

    // Also while nothing is to be done: until stop(), or a wake (executor_ref::wake()). As run_until_idle(), but what a
    // wake gave is returned, or thrown.
    std::int64_t run_until_stopped() { return run_some(TACET_UNTIL_STOPPED, nullptr); }

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

    void run_until_exit(tacet_task* awaited)
    {
        tacet_result failed = 0;
        while (!tacet_task_has_exited(awaited)) {
            const tacet_result r = tacet_executor_run(executor_, TACET_UNTIL_IDLE, nullptr);
            if (tacet_task_has_exited(awaited) || (r >= 0 && !tacet_executor_is_idle(executor_)))
                continue; // something else stopped the run
            if (failed != 0)
                break;
            failed = r < 0 ? r : -EDEADLK;
            tacet_task_cancel(awaited); // its frames may unwind, while what they refer to is there
        }
        if (failed != 0)
            throw_error(failed, failed == -EDEADLK ? "executor run: the task waits for something that cannot come"
                                                   : "executor run");
    }

    void rethrow_uncaught()
    {
        if (uncaught_->any()) [[unlikely]]
            std::rethrow_exception(uncaught_->take());
    }

    tacet_executor* executor_ = nullptr;
    const detail::uncaught_owner uncaught_{new detail::uncaught};
};

namespace detail {

// Waits for the exit of another task of this executor, which may be away, or says in the task's result why it does not.
inline void wait_for_exit(tacet_task* self, tacet_task* other) noexcept
{
    tacet_result refused = tacet_task_wait_check(self, other);
    if (refused == 0)
        refused = tacet_task_take_interrupt(self);
    if (refused == 0) [[likely]] {
        tacet_task_wait_park(self, other);
        return;
    }
    self->result = refused;
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
        if (self_ != nullptr && self_->result < 0)
            throw_error(self_->result, "join");
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
