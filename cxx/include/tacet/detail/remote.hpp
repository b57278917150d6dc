// A task whose end another thread may wait for: what spawn_on(), block_on() and thread_pool stand on.
//
// Two sides share it: the task, on its executor's thread, and its future, wherever that is. One word tells each what the
// other has done; the later of the two frees it.
//
//     ended         the outcome is there
//     waiting       somebody waits: told once, when the task has ended
//     dropped       nobody will ask
//     cancelling    a cancel is being sent at this moment: the task's memory and its executor must stay
//     cancelled     one was sent
//     closed        no cancel is sent any more
#ifndef TACET_DETAIL_REMOTE_HPP
#define TACET_DETAIL_REMOTE_HPP

#include <tacet/executor.hpp>
#include <tacet/handover.h>

#include <atomic>

#include <sched.h>

namespace tacet::detail {

// Who waits for the end of a remote task.
struct remote_waiter {
    void (*wake)(remote_waiter& self) noexcept;
};

// The thread_pool whose thread this is: by the layer of its executors.
inline constinit thread_local const void* pool_of_thread = nullptr;

struct remote {
    enum bits : unsigned { ended = 1, waiting = 2, dropped = 4, cancelling = 8, cancelled = 16, closed = 32 };

    root scheduled; // first
    std::atomic<unsigned> word{0};
    remote_waiter* waiter = nullptr; // while it is waiting
    promise_base* outcome = nullptr;
    tacet_executor* executor = nullptr; // where it was started, or
    const void* pool = nullptr;         // the pool that chooses, by its layer
    const void* layer = nullptr;        // of the executor
    uncaught* untaken = nullptr;        // where an exception goes if nobody takes it

    template <class T>
    static remote* create(task<T> body, priority cpu)
    {
        remote* made = ::new (frame_allocate(sizeof(remote))) remote;
        made->outcome = &body.get().promise();
        init_root(made->scheduled, body.get(), *made->outcome, on_end);
        made->scheduled.task.priority = static_cast<std::uint8_t>(cpu);
        (void)body.release();
        return made;
    }

    // It was not started, or has ended.
    static void destroy(remote& dead) noexcept
    {
        if (dead.scheduled.body)
            dead.scheduled.body.destroy();
        if (dead.scheduled.task.extra != nullptr)
            tacet_task_finish(&dead.scheduled.task);
        if (dead.untaken != nullptr) [[unlikely]]
            dead.untaken->release();
        dead.~remote();
        frame_deallocate(&dead, sizeof(remote));
    }

    bool has_ended() const noexcept
    {
        return word.load(std::memory_order_acquire) & ended; // acquire: pairs with the release in publish()
    }

    // true: it will be woken, once; false: the task has ended.
    bool wait(remote_waiter& by) noexcept
    {
        waiter = &by;
        // release: pairs with the acquire in publish(), which reads the waiter. acquire: pairs with the release there
        const unsigned seen = word.fetch_or(waiting, std::memory_order_acq_rel);
        TACET_ASSERT(!(seen & waiting) && "a future is awaited once");
        return !(seen & ended);
    }

    // The future goes.
    void drop() noexcept
    {
        // acquire and release: each side sees all that the other did with what the later frees
        const unsigned seen = word.fetch_or(dropped, std::memory_order_acq_rel);
        if (!(seen & ended))
            return;
        if (untaken != nullptr && outcome->error && !(seen & cancelled)) [[unlikely]]
            untaken->keep(std::move(outcome->error));
        destroy(*this);
    }

    // From any thread, while the future is held. false: too late, the task ends or has ended.
    bool cancel() noexcept
    {
        unsigned seen = word.load(std::memory_order_relaxed);
        do {
            if (seen & (closed | ended))
                return false;
            if (seen & cancelling)
                return true; // by another thread, at this moment
        } while (!word.compare_exchange_weak(seen, seen | cancelling | cancelled, std::memory_order_relaxed));
        tacet_task_cancel(&scheduled.task);
        word.fetch_and(~unsigned{cancelling}, std::memory_order_release); // pairs with close_to_cancels()
        return true;
    }

    // Before what was taken from it: whether there is something to take.
    void require_outcome(const char* what) const
    {
        if (!has_ended()) [[unlikely]]
            throw_error(-EINPROGRESS, what);
        if (!scheduled.body) [[unlikely]]
            throw_error(-ECANCELED, what);
    }

    // Whether it is to be run by this thread, by another executor than that, which the thread runs now: then never.
    bool waits_for_us(const tacet_executor* running) const noexcept
    {
        return pool == nullptr && executor != running && tacet_executor_lives_here(executor);
    }

private:
    static remote& of(root& self) noexcept { return reinterpret_cast<remote&>(self); }

    // On the thread of the task's executor; or, if no executor ever had it, on that of whoever gives it up.
    static void on_end(root& self, bool abandoned) noexcept
    {
        if (abandoned)
            std::exchange(self.body, {}).destroy();
        else if (of(self).outcome->error) [[unlikely]]
            of(self).note_error();
        of(self).await_signals();
        of(self).publish();
    }

    void publish() noexcept
    {
        unsigned seen = word.load(std::memory_order_relaxed);
        do {
            if (seen & cancelled) [[unlikely]]
                seen = close_to_cancels();
            // release: what the task did is seen by who finds it ended. acquire: pairs with wait() and drop()
        } while (!word.compare_exchange_weak(seen, seen | ended, std::memory_order_acq_rel, std::memory_order_relaxed));
        if (seen & waiting) {
            waiter->wake(*waiter);
        } else if (seen & dropped) {
            if (scheduled.body && outcome->error && !(seen & cancelled)) [[unlikely]]
                leave_uncaught(tacet_task_executor(&scheduled.task), std::move(outcome->error));
            destroy(*this);
        }
    }

    // The executor is still there; when the future is dropped, it may not be.
    [[gnu::noinline, gnu::cold]] void note_error() noexcept
    {
        void* layer = tacet_task_executor(&scheduled.task)->layer;
        if (layer != nullptr)
            untaken = static_cast<uncaught*>(layer)->retain();
    }

    // No cancel refers to the task any more when this returns.
    [[gnu::noinline, gnu::cold]] unsigned close_to_cancels() noexcept
    {
        // acquire: pairs with cancel()
        unsigned seen = word.fetch_or(closed, std::memory_order_acquire) | closed;
        while (seen & cancelling) {
            ::sched_yield(); // it has a few instructions to go
            seen = word.load(std::memory_order_acquire);
        }
        await_signals();
        return seen;
    }

    // Also of those who have called tacet_task_cancel() while the task was under way.
    void await_signals() noexcept
    {
        if (scheduled.task.level == nullptr) [[unlikely]]
            return; // no executor ever had it
        // acquire: as in finish_task()
        if (__atomic_load_n(&scheduled.task.signals, __ATOMIC_ACQUIRE) != 0) [[unlikely]]
            tacet_task_await_signals(&scheduled.task);
    }
};

static_assert(std::is_standard_layout_v<remote>, "its root has its address");

} // namespace tacet::detail

#endif
