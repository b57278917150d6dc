// channel<T>: values handed from tasks to tasks, of any executors, in the order of their coming.
#ifndef TACET_CHANNEL_HPP
#define TACET_CHANNEL_HPP

#include <tacet/detail/waiters.hpp>

#include <memory>
#include <new>
#include <optional>

namespace tacet {

namespace detail {

// Room for so many values; those in it are in the order of their coming.
template <class T>
class value_ring {
public:
    explicit value_ring(std::size_t capacity) : slots_(std::allocator<T>().allocate(capacity)), capacity_(capacity) {}
    value_ring(const value_ring&) = delete;
    value_ring& operator=(const value_ring&) = delete;
    ~value_ring()
    {
        while (!empty())
            (void)pop();
        std::allocator<T>().deallocate(slots_, capacity_);
    }

    bool empty() const noexcept { return count_ == 0; }
    bool full() const noexcept { return count_ == capacity_; }

    void push(T&& value) noexcept
    {
        ::new (static_cast<void*>(slots_ + end_)) T(std::move(value));
        end_ = after(end_);
        count_++;
    }
    T pop() noexcept
    {
        T* oldest = slots_ + first_;
        first_ = after(first_);
        count_--;
        T value(std::move(*oldest));
        std::destroy_at(oldest);
        return value;
    }

private:
    std::size_t after(std::size_t slot) const noexcept { return slot + 1 == capacity_ ? 0 : slot + 1; }

    T* slots_;
    std::size_t capacity_, first_ = 0, end_ = 0, count_ = 0;
};

} // namespace detail

// All of it is THREAD-SAFE: tasks of several executors may send and receive at once; try_send(), try_receive() and
// close() are for threads without an executor, too. It must be there until all who wait in it have gone on, or their
// executor has been destroyed; who has gone on may end it, though the call that woke it has not returned yet. When it
// goes before, those who wait in it on this thread wait on until they are cancelled.
//
// Each value is received once, those of a sender in the order in which it sent them. Waiting senders are served in the
// order of their coming, and so are waiting receivers. A value is the channel's, or its receiver's, from the moment
// that the send has succeeded. That of a send which failed, because of a cancel or since the channel was closed, goes
// with the awaiter, at the end of the co_await expression. Who was given a value receives it, also if a cancel comes
// after that: the cancel is kept for the next CANCELLATION POINT. If the receiver's executor goes away instead, so does
// the value.
template <class T>
class channel {
    static_assert(std::is_nothrow_move_constructible_v<T>,
                  "values are moved under a lock, and must not get lost half-way");

    struct sending : detail::waiter {
        T* value;
    };
    struct receiving : detail::waiter {
        std::optional<T>* into;
    };

public:
    // So many values may lie in it. 0: a send ends when its value is received.
    explicit channel(std::size_t capacity) : values_(capacity) {}
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;
    ~channel()
    {
        const std::lock_guard held(lock_);
        senders_.orphan_all();
        receivers_.orphan_all();
    }

    class [[nodiscard]] send_awaiter : public detail::wait_awaiter {
    public:
        template <class U>
        send_awaiter(channel& into, U&& value) noexcept(std::is_nothrow_constructible_v<T, U>)
            : channel_(&into), value_(std::forward<U>(value))
        {
        }
        send_awaiter(send_awaiter&& other) noexcept // before it is awaited
            : channel_(other.channel_), value_(std::move(other.value_))
        {
        }
        send_awaiter& operator=(send_awaiter&&) = delete;

        template <tacet_promise Promise>
        bool await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
        {
            if (!begin(awaiting)) [[unlikely]]
                return false;
            waiter_.value = &value_;
            return channel_->send_or_park(task_, waiter_) || detail::go_on_later(task_, awaiting);
        }
        void await_resume() const { require("channel send"); }

    private:
        channel* channel_;
        T value_;
        sending waiter_;
    };

    class [[nodiscard]] receive_awaiter : public detail::wait_awaiter {
    public:
        explicit receive_awaiter(channel& from) noexcept : channel_(&from) {}
        receive_awaiter(receive_awaiter&& other) noexcept : channel_(other.channel_) {} // before it is awaited
        receive_awaiter& operator=(receive_awaiter&&) = delete;

        template <tacet_promise Promise>
        bool await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
        {
            if (!begin(awaiting)) [[unlikely]]
                return false;
            waiter_.into = &value_;
            return channel_->receive_or_park(task_, waiter_) || detail::go_on_later(task_, awaiting);
        }
        std::optional<T> await_resume()
        {
            require("channel receive");
            return std::move(value_);
        }
        result<std::optional<T>> take_result()
        {
            if (task_->result < 0)
                return unexpected(error_of(task_->result));
            return std::move(value_);
        }

    private:
        channel* channel_;
        std::optional<T> value_;
        receiving waiter_;
    };

    // Waits while the channel is full. broken_pipe: it is closed. CANCELLATION POINT. A run until idle waits with who
    // waits here, since another thread may end that.
    template <class U = T>
    requires std::is_constructible_v<T, U> send_awaiter send(U&& value)
    {
        return send_awaiter(*this, std::forward<U>(value));
    }

    // Waits while there is none. Empty: the channel is closed, and nothing is left in it. CANCELLATION POINT.
    receive_awaiter receive() noexcept { return receive_awaiter(*this); }

    // false: it is full, or closed, and the value has not been moved from.
    bool try_send(T&& value) noexcept
    {
        detail::waiter* woken = nullptr;
        std::unique_lock held(lock_);
        const outcome happened = put(value, woken);
        held.unlock();
        wake(woken);
        return happened == outcome::done;
    }

    bool try_send(const T& value) requires std::is_copy_constructible_v<T>
    {
        T copy(value);
        return try_send(std::move(copy));
    }

    // Empty: there is none. Who has found is_closed() before knows that none will come.
    std::optional<T> try_receive() noexcept
    {
        std::optional<T> value;
        detail::waiter* woken = nullptr;
        std::unique_lock held(lock_);
        get(value, woken);
        held.unlock();
        wake(woken);
        return value;
    }

    // Nothing more is sent: who waits to send is refused, what is in the channel can be received.
    void close() noexcept
    {
        std::unique_lock held(lock_);
        closed_ = true;
        tacet_list_node* const refused = senders_.take_all();
        tacet_list_node* const disappointed = receivers_.take_all();
        held.unlock();
        detail::end_waits(refused, -EPIPE);
        detail::end_waits(disappointed, 0);
    }
    bool is_closed() const noexcept
    {
        const std::lock_guard held(lock_);
        return closed_;
    }

private:
    // What happens at once, under the lock; `woken` is whose wait is to be ended when that has been given back.
    enum class outcome { done, refused, must_wait };

    outcome put(T& value, detail::waiter*& woken) noexcept
    {
        if (closed_)
            return outcome::refused;
        if (!receivers_.empty()) {
            woken = &receivers_.take();
            static_cast<receiving*>(woken)->into->emplace(std::move(value));
            return outcome::done;
        }
        if (values_.full())
            return outcome::must_wait;
        values_.push(std::move(value));
        return outcome::done;
    }

    outcome get(std::optional<T>& value, detail::waiter*& woken) noexcept
    {
        if (!values_.empty())
            value.emplace(values_.pop());
        if (!senders_.empty()) {
            woken = &senders_.take();
            T& oldest = *static_cast<sending*>(woken)->value;
            if (value.has_value())
                values_.push(std::move(oldest));
            else
                value.emplace(std::move(oldest));
        }
        return value.has_value() ? outcome::done : closed_ ? outcome::refused : outcome::must_wait;
    }

    // Whether the task waits.
    bool send_or_park(tacet_task* task, sending& self) noexcept
    {
        detail::waiter* woken = nullptr;
        std::unique_lock held(lock_);
        const outcome happened = put(*self.value, woken);
        if (happened == outcome::must_wait) {
            self.park(task, lock_);
            senders_.push(self);
            return true;
        }
        held.unlock();
        wake(woken);
        task->result = happened == outcome::done ? 0 : -EPIPE;
        return false;
    }

    bool receive_or_park(tacet_task* task, receiving& self) noexcept
    {
        detail::waiter* woken = nullptr;
        std::unique_lock held(lock_);
        if (get(*self.into, woken) == outcome::must_wait) {
            self.park(task, lock_);
            receivers_.push(self);
            return true;
        }
        held.unlock();
        wake(woken);
        task->result = 0;
        return false;
    }

    static void wake(detail::waiter* woken) noexcept
    {
        if (woken != nullptr)
            tacet_task_unpark_external(woken->task, 0);
    }

    // Who receives waits only where there are neither values nor senders, who sends only where there is no room.
    mutable detail::short_lock lock_;
    bool closed_ = false;
    detail::value_ring<T> values_;
    detail::waiter_queue senders_, receivers_;
};

} // namespace tacet

#endif
