// thread_pool: executors on threads of their own, and a queue from which the idle ones take tasks.
//
//     tacet::thread_pool pool;                                     one executor a processor
//     tacet::future<digest> one = pool.spawn(hash(path));          on whichever is idle first
//     co_await tacet::resume_on(pool[0]);                          or on a certain one
//
// A task that has started stays where it started. Everything here is THREAD-SAFE but construction and destruction.
#ifndef TACET_THREAD_POOL_HPP
#define TACET_THREAD_POOL_HPP

#include <tacet/dispatcher.h>
#include <tacet/spawn_on.hpp>

namespace tacet {

struct thread_pool_options {
    unsigned threads = 0;                // 0: one for each processor that this thread may use
    bool pinned = true;                  // each thread to one of these processors
    std::chrono::nanoseconds spin{0};    // how long an idle one looks for work before it sleeps
    std::chrono::nanoseconds cleanup{0}; // how long the destructor runs what it has cancelled
    executor_options executor{};         // of each; ring_entries 0: compute and timers only
};

class thread_pool {
public:
    // EXPENSIVE. Throws std::system_error, with the reason, if it cannot have all of its threads and executors.
    explicit thread_pool(const thread_pool_options& options = {})
    {
        char message[256] = "";
        const tacet_executor_options each = detail::core_options(options.executor, nullptr, 0);
        const tacet_dispatcher_options core = {
            .executors = options.threads,
            .pinned = options.pinned,
            .spin_ns = detail::nanoseconds_of(options.spin),
            .cleanup_ns = detail::nanoseconds_of(options.cleanup),
            .executor = &each,
            .on_thread_start = enter_thread,
            .on_thread_end = leave_thread,
            .arg = this,
            .message = message,
            .message_bytes = sizeof message,
        };
        const tacet_result r = tacet_dispatcher_create(&dispatcher_, &core);
        if (r < 0)
            throw_error(r, std::string("thread_pool: ") + message);
        size_ = stats().executors;
    }
    thread_pool(const thread_pool&) = delete;
    thread_pool& operator=(const thread_pool&) = delete;

    // EXPENSIVE, may block: cancels what has started, runs it for as long as options.cleanup says, and waits for the end
    // of all that is in flight; coroutines that have not ended then are destroyed with all that they hold. Futures of
    // theirs, and of those that were never started, find operation_canceled. From one of its threads it cannot be
    // destroyed: that is reported on stderr.
    ~thread_pool()
    {
        if (tacet_dispatcher_destroy(dispatcher_) < 0) [[unlikely]]
            detail::report_not_destroyed("a thread_pool", "one of its tasks tried to", *uncaught_);
    }

    // Starts a task on whichever executor is idle first, those of higher priority before others. Throws, with nothing
    // started, if it cannot.
    template <class T>
    future<T> spawn(task<T> body, priority cpu = priority::normal)
    {
        detail::require_coroutine(body, "thread_pool spawn");
        detail::remote* made = detail::remote::create(std::move(body), cpu);
        made->pool = uncaught_.get();
        tacet_task* const submitted = &made->scheduled.task;
        const tacet_result r = tacet_dispatcher_submit(dispatcher_, &submitted, 1);
        if (r < 0) [[unlikely]] {
            detail::remote::destroy(*made);
            throw_error(r, "thread_pool spawn");
        }
        return future<T>(made);
    }

    // Blocks until all that was spawned by spawn() has ended, and throws the first exception that nobody took from its
    // future. resource_deadlock_would_occur: from one of its threads.
    void wait()
    {
        check(tacet_dispatcher_wait_unexecuted(dispatcher_, 0, nullptr), "thread_pool wait");
        if (std::exception_ptr error = uncaught_->take())
            std::rethrow_exception(std::move(error));
    }

    unsigned size() const noexcept { return size_; }

    // index < size()
    executor_ref operator[](unsigned index) const noexcept
    {
        return executor_ref(tacet_dispatcher_executor(dispatcher_, index));
    }

    tacet_dispatcher_stats stats() const
    {
        tacet_dispatcher_stats stats;
        check(tacet_dispatcher_get_stats(dispatcher_, &stats), "thread_pool stats");
        return stats;
    }
    tacet_dispatcher_executor_stats stats(unsigned index) const
    {
        tacet_dispatcher_executor_stats stats;
        check(tacet_dispatcher_get_executor_stats(dispatcher_, index, &stats), "thread_pool stats");
        return stats;
    }
    tacet_dispatcher* get() const noexcept { return dispatcher_; }

private:
    static void enter_thread(void* arg, tacet_executor* executor, unsigned)
    {
        executor->layer = static_cast<thread_pool*>(arg)->uncaught_.get();
        detail::pool_of_thread = executor->layer;
    }
    static void leave_thread(void*, tacet_executor*, unsigned) { detail::pool_of_thread = nullptr; }

    tacet_dispatcher* dispatcher_ = nullptr;
    unsigned size_ = 0;
    const detail::uncaught_owner uncaught_{new detail::uncaught};
};

} // namespace tacet

#endif
