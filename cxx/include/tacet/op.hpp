// operation<Request>: the one awaitable behind every operation.
//
// A request says what is asked for: its arguments, the SQE (by the C core's prepare functions), its value, its name. All
// else is here, so that adding an operation is a few lines:
//
//     struct nop_request {
//         using value_type = void;
//         static constexpr unsigned opcode = IORING_OP_NOP;
//         tacet_result prepare(io_uring_sqe* sqe) const noexcept { return tacet_prepare_nop(sqe); }
//         void value(tacet_result) const noexcept {}
//         std::string describe() const { return "nop"; }
//     };
//
// A request whose result is something to be given back (a descriptor) has discard(result) too, for the result that comes
// when nobody takes it any more; one for which some negative result is a value has mapped(result), which makes it positive.
//
// The memory that a request names must live until the await ends, which it does of itself in a co_await expression.
// park_without_ring(task), where the request has one, is what is done where the ring lacks the operation; call_without_ring() the
// same in a group, at once.
//
// An operation may be moved until it is awaited. It is a CANCELLATION POINT: a task that was cancelled finds
// operation_canceled.
#ifndef TACET_OP_HPP
#define TACET_OP_HPP

#include <tacet/file.h>
#include <tacet/op.h>
#include <tacet/task.hpp>

namespace tacet {

namespace detail {

template <class Request>
concept ring_request = requires
{
    Request::opcode;
};

template <class Request>
constexpr bool is_cancellable() noexcept
{
    if constexpr (requires { Request::cancellable; })
        return Request::cancellable;
    else
        return true;
}

// What a request has to tell of the core's part of it, once that has been started; and to learn from it when it has ended.
template <class Request>
void note_started(const Request& request, tacet_request& started) noexcept
{
    if constexpr (requires { request.started(started); })
        request.started(started);
}
template <class Request>
void note_ended(Request& request, const tacet_request& ended) noexcept
{
    if constexpr (requires { request.ended(ended); })
        request.ended(ended);
}

// All that is not the short way: a cancel to deliver, time accounts, a full queue, an argument that cannot be, an
// operation without the ring. What cannot be started comes back through the ready queue, like what can.
template <class Request>
[[gnu::noinline, gnu::cold]] void start_and_park_slow(Request& request, tacet_task* task) noexcept
{
    constexpr bool cancellable = is_cancellable<Request>();
    tacet_result r = cancellable ? tacet_task_take_interrupt(task) : 0;
    if constexpr (ring_request<Request>) {
        tacet_executor* executor = tacet_task_executor(task);
        io_uring_sqe* sqe = nullptr;
        if (r == 0)
            r = tacet_op_begin(executor, Request::opcode, &sqe);
        if constexpr (requires { request.park_without_ring(task); }) {
            if (r == -EOPNOTSUPP && tacet_submission_has_room(executor)) { // there is a ring
                request.park_without_ring(task);
                return;
            }
        }
        if (r == 0)
            r = request.prepare(sqe);
        if (r == 0) {
            tacet_task_commit_and_park(executor, task, Request::opcode, sqe, cancellable);
            note_started(request, task->request);
            if (task->attention & TACET_TASK_ACCOUNTED)
                task->request.attention |= TACET_OP_ACCOUNTED;
        }
    } else if (r == 0) {
        r = request.park(task);
    }
    if (r < 0) {
        task->result = r;
        tacet_task_requeue(task);
    }
}

// Starts the operation as the running task's own request, which the task waits for.
template <class Request>
inline void start_and_park(Request& request, tacet_task* task) noexcept
{
    tacet_executor* executor = tacet_task_executor(task);
    if constexpr (requires { request.bind(executor); })
        request.bind(executor);
    if constexpr (ring_request<Request>) {
        if constexpr (Request::opcode <= TACET_OPCODE_BASELINE) {
            if (task->attention == 0 && tacet_submission_has_room(executor)) [[likely]] {
                io_uring_sqe* sqe = tacet_submission_sqe(executor);
                if (request.prepare(sqe) == 0) [[likely]] {
                    tacet_task_commit_and_park(executor, task, Request::opcode, sqe, is_cancellable<Request>());
                    note_started(request, task->request);
                    return;
                }
            }
        }
    }
    start_and_park_slow(request, task);
}

// Whether it may come to its end without the ring: a read, a write.
template <class Request>
inline constexpr bool is_tried_at_once = requires(const Request& request, tacet_task* task)
{
    request.try_at_once(task);
};

// Whether it has; the result stands in the task.
template <class Request>
inline bool is_done_at_once(const Request& request, tacet_task* task) noexcept
{
    if (!tacet_may_try_at_once(tacet_task_executor(task), request.flags))
        return false;
    const tacet_result r = request.try_at_once(task);
    if (r == TACET_PENDING)
        return false;
    task->result = r;
    return true;
}

// What it ended with. Some that the kernel calls failures are values.
template <class Request>
tacet_result mapped([[maybe_unused]] const Request& request, tacet_result r) noexcept
{
    if constexpr (requires { request.mapped(r); })
        return request.mapped(r);
    else
        return r;
}

template <class Request>
void note_failure(Request& request, tacet_result r)
{
    if constexpr (requires { request.failed(r); })
        request.failed(r);
}

template <class Request>
[[noreturn, gnu::noinline, gnu::cold]] void throw_failure(Request& request, tacet_result r)
{
    note_failure(request, r);
    throw_error(r, request.describe());
}

// What an operation that has ended is worth: its value, or what it failed with.
template <class Request>
inline typename Request::value_type value_or_throw(Request& request, tacet_result ended)
{
    const tacet_result r = mapped(request, ended);
    if (r < 0) [[unlikely]]
        throw_failure(request, r);
    return request.value(r);
}
template <class Request>
result<typename Request::value_type> value_or_error(Request& request, tacet_result ended)
{
    const tacet_result r = mapped(request, ended);
    if (r < 0) {
        note_failure(request, r);
        return unexpected(error_of(r));
    }
    if constexpr (std::is_void_v<typename Request::value_type>) {
        request.value(r);
        return {};
    } else {
        return request.value(r);
    }
}

// Whether its result is to be given back by who does not take it.
template <class Request>
inline constexpr bool is_discarded = requires(Request& request, tacet_result r)
{
    request.discard(r);
};

} // namespace detail

// Awaited, it is the task's own request: nothing of it is here but the arguments. What nobody takes, because the executor
// goes away, the core gives back.
template <class Request>
class [[nodiscard]] operation {
public:
    using value_type = typename Request::value_type;

    explicit operation(Request request) noexcept(std::is_nothrow_move_constructible_v<Request>)
        : request_(std::move(request))
    {
        set_idle();
    }
    operation(operation&& other) noexcept(std::is_nothrow_move_constructible_v<Request>)
        : request_(std::move(other.request_))
    {
        TACET_ASSERT(other.task_ == nullptr);
        set_idle();
    }
    operation& operator=(operation&&) = delete;

    bool await_ready() const noexcept { return false; }

    template <tacet_promise Promise>
    auto await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
    {
        task_ = awaiting.promise().task;
        task_->context = awaiting.address();
        if constexpr (detail::is_tried_at_once<Request>) {
            if (detail::is_done_at_once(request_, task_))
                return false;
            detail::start_and_park(request_, task_);
            return true;
        } else {
            detail::start_and_park(request_, task_);
        }
    }

    value_type await_resume() { return detail::value_or_throw(request_, taken()); }

    // For as_result().
    result<value_type> take_result() { return detail::value_or_error(request_, taken()); }

    Request& request() noexcept { return request_; }

private:
    // Before it is awaited only checks look at it.
    void set_idle() noexcept
    {
        if constexpr (TACET_CHECKS >= 1)
            task_ = nullptr;
    }
    tacet_result taken() noexcept
    {
        detail::note_ended(request_, task_->request);
        if constexpr (detail::is_discarded<Request>)
            tacet_task_note_taken(task_);
        return task_->result;
    }

    Request request_;
    tacet_task* task_;
};

// A plain system call behind the same interface: it does not suspend, but lets the others have their turn every so often.
template <class Request>
class [[nodiscard]] plain_call {
public:
    using value_type = typename Request::value_type;

    explicit plain_call(Request request) : request_(std::move(request)) {}
    bool await_ready() const noexcept { return false; }

    template <tacet_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
    {
        tacet_task* task = awaiting.promise().task;
        result_ = request_.call(task);
        return detail::go_on_later(task, awaiting);
    }

    value_type await_resume()
    {
        if (result_ < 0) [[unlikely]]
            throw_failure();
        return request_.value(result_);
    }

    result<value_type> take_result()
    {
        if (result_ < 0)
            return unexpected(error_of(result_));
        if constexpr (std::is_void_v<value_type>)
            return {};
        else
            return request_.value(result_);
    }

private:
    [[noreturn, gnu::noinline, gnu::cold]] void throw_failure() const { throw_error(result_, request_.describe()); }

    Request request_;
    tacet_result result_ = 0;
};

// Awaits the same and returns a result<T> instead of throwing.
template <class Awaiter>
class [[nodiscard]] as_result_awaiter {
public:
    explicit as_result_awaiter(Awaiter awaiter) : awaiter_(std::move(awaiter)) {}
    bool await_ready() { return awaiter_.await_ready(); }

    template <tacet_promise Promise>
    auto await_suspend(std::coroutine_handle<Promise> awaiting)
    {
        return awaiter_.await_suspend(awaiting);
    }
    auto await_resume() { return awaiter_.take_result(); }

private:
    Awaiter awaiter_;
};

template <class Awaitable>
auto as_result(Awaitable awaitable)
{
    return as_result_awaiter<Awaitable>(std::move(awaitable));
}

// A task is kept alive by the awaiter that awaits it.
template <class T>
class [[nodiscard]] as_result_task {
public:
    explicit as_result_task(task<T> awaited) noexcept : task_(std::move(awaited)) {}
    bool await_ready() const noexcept { return false; }

    template <tacet_promise Promise>
    auto await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
    {
        return task_.operator co_await().await_suspend(awaiting);
    }
    result<T> await_resume() { return task_.operator co_await().take_result(); }

private:
    task<T> task_;
};

template <class T>
auto as_result(task<T> awaited)
{
    return as_result_task<T>(std::move(awaited));
}

struct nop_request {
    using value_type = void;
    static constexpr unsigned opcode = IORING_OP_NOP;
    tacet_result prepare(io_uring_sqe* sqe) const noexcept { return tacet_prepare_nop(sqe); }
    void value(tacet_result) const noexcept {}
    std::string describe() const { return "nop"; }
};

// No operation, through the ring.
inline operation<nop_request> nop()
{
    return operation<nop_request>(nop_request{});
}

struct poll_request {
    using value_type = unsigned;
    static constexpr unsigned opcode = IORING_OP_POLL_ADD;
    int fd;
    unsigned events;
    tacet_result prepare(io_uring_sqe* sqe) const noexcept { return tacet_prepare_poll(sqe, fd, events); }
    unsigned value(tacet_result r) const noexcept { return static_cast<unsigned>(r); }
    std::string describe() const { return "poll " + std::to_string(fd); }
};

// Waits for poll(2) events on a descriptor, once; the events that are there.
inline operation<poll_request> poll(int fd, unsigned events)
{
    return operation<poll_request>(poll_request{fd, events});
}

} // namespace tacet

#endif
