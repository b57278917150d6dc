// Streams of results of one operation that stays in flight: see tacet/multishot.h.
//
//     tacet::accept_stream connections = listener.accept_all();
//     for (;;) {
//         tacet::socket connection = co_await connections.next();
//         ...
//
// None is lost: what nobody has taken when the stream goes is given back. One task at a time waits for the next: device_or_resource_busy.
#ifndef TACET_MULTISHOT_HPP
#define TACET_MULTISHOT_HPP

#include <tacet/multishot.h>
#include <tacet/op.hpp>

#include <memory>

namespace tacet {

// Kind says what is asked for and what a result is worth: value_type, what, start(multishot, executor),
// value(multishot, result).
template <class Kind>
class [[nodiscard]] multishot_stream {
    struct state : tacet_multishot {
        explicit state(Kind kind_) noexcept : tacet_multishot{}, kind(kind_) {}
        tacet_result begin(tacet_executor* on) noexcept { return executor == nullptr ? kind.start(this, on) : 0; }
        Kind kind;
    };

public:
    using value_type = typename Kind::value_type;

    // It begins when the first is asked for.
    explicit multishot_stream(Kind kind) : state_(new state(kind)) {}
    multishot_stream(multishot_stream&& other) noexcept = default;
    multishot_stream& operator=(multishot_stream&& other) noexcept = default;

    class [[nodiscard]] awaiter {
    public:
        explicit awaiter(multishot_stream& from) noexcept : state_(from.state_.get()) {}
        bool await_ready() const noexcept { return false; }

        template <tacet_promise Promise>
        bool await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
        {
            tacet_task* task = task_ = awaiting.promise().task;
            task->context = awaiting.address();
            failed_ = tacet_task_take_interrupt(task); // first: else who is slower than the results would never end
            if (failed_ == 0)
                failed_ = state_->begin(tacet_task_executor(task));
            if (failed_ == 0 && !tacet_multishot_has_next(state_)) {
                failed_ = tacet_multishot_park(task, state_);
                if (failed_ == 0)
                    return true;
            }
            return detail::go_on_later(task, awaiting);
        }
        value_type await_resume()
        {
            const tacet_result r = taken();
            if (r < 0) [[unlikely]]
                throw_error(r, state_->kind.what);
            return state_->kind.value(state_, r);
        }
        result<value_type> take_result()
        {
            const tacet_result r = taken();
            if (r < 0)
                return unexpected(error_of(r));
            return state_->kind.value(state_, r);
        }

    private:
        // Taken here and not before: what a task that never comes had been given would be lost.
        tacet_result taken() noexcept
        {
            if (failed_ < 0)
                return failed_;
            tacet_result r = tacet_multishot_take(state_);
            if (r != TACET_PENDING)
                return r;
            r = tacet_task_take_interrupt(task_);
            if (r == 0)
                r = task_->result;                   // of a wait that was ended
            return r < 0 ? r : tacet_result{-EBUSY}; // another task has come before
        }

        state* state_;
        tacet_task* task_ = nullptr;
        tacet_result failed_ = 0;
    };

    // SUSPENDS until there is one. CANCELLATION POINT. A failure is thrown once; the next call begins anew.
    awaiter next() noexcept { return awaiter(*this); }

private:
    struct abandon {
        void operator()(state* dead) const noexcept
        {
            tacet_multishot_abandon(dead, [](tacet_multishot* ended) { delete static_cast<state*>(ended); });
        }
    };

    std::unique_ptr<state, abandon> state_;
};

} // namespace tacet

#endif
