// semaphore: bounds how many tasks do something at once. For the tasks of one executor, C tasks among them.
#ifndef TACET_SYNC_HPP
#define TACET_SYNC_HPP

#include <tacet/op.hpp>
#include <tacet/sync.h>

namespace tacet {

// Waiters are served in the order of their coming. Who still waits for it when it goes waits on until it is cancelled.
class semaphore {
public:
    explicit semaphore(std::uint64_t available) noexcept { tacet_semaphore_init(&semaphore_, available); }
    semaphore(const semaphore&) = delete;
    semaphore& operator=(const semaphore&) = delete;
    ~semaphore() { tacet_semaphore_finish(&semaphore_); }

    // Gives back what was acquired, when it goes.
    class permit {
    public:
        explicit permit(semaphore* from) noexcept : from_(from) {}
        permit(permit&& other) noexcept : from_(std::exchange(other.from_, nullptr)) {}
        permit& operator=(permit&& other) noexcept
        {
            std::swap(from_, other.from_);
            return *this;
        }
        ~permit() { release(); }

        // Does not give it back: somebody else will.
        void keep() noexcept { from_ = nullptr; }

        // Gives it back now.
        void release() noexcept
        {
            if (semaphore* from = std::exchange(from_, nullptr))
                from->release();
        }

    private:
        semaphore* from_;
    };

    class [[nodiscard]] awaiter : public detail::wait_awaiter {
    public:
        explicit awaiter(semaphore& awaited) noexcept : semaphore_(&awaited.semaphore_) {}

        template <tacet_promise Promise>
        bool await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
        {
            if (!begin(awaiting)) [[unlikely]]
                return false;
            if (tacet_semaphore_take(semaphore_))
                return detail::go_on_later(task_, awaiting);
            tacet_semaphore_park(task_, semaphore_);
            return true;
        }
        void await_resume() const { require("semaphore acquire"); }

    private:
        tacet_semaphore* semaphore_;
    };

    class [[nodiscard]] permit_awaiter : public awaiter {
    public:
        explicit permit_awaiter(semaphore& awaited) noexcept : awaiter(awaited), from_(&awaited) {}
        permit await_resume() const
        {
            awaiter::await_resume();
            return permit(from_);
        }
        result<permit> take_result() const
        {
            if (task_->result < 0)
                return unexpected(error_of(task_->result));
            return permit(from_);
        }

    private:
        semaphore* from_;
    };

    // CANCELLATION POINT.
    awaiter acquire() noexcept { return awaiter(*this); }
    // The same; what it returns gives back.
    permit_awaiter acquire_permit() noexcept { return permit_awaiter(*this); }

    bool try_acquire() noexcept { return tacet_semaphore_take(&semaphore_); }
    void release() noexcept { tacet_semaphore_give(&semaphore_); }
    void release(std::uint64_t count) noexcept { tacet_semaphore_release(&semaphore_, count); }
    tacet_semaphore* get() noexcept { return &semaphore_; }

private:
    tacet_semaphore semaphore_;
};

} // namespace tacet

#endif
