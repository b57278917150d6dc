// when_all: several operations, or several tasks, at once.
//
//     auto [a, b] = co_await tacet::when_all(file.read(x, 0), file.read(y, 4096));   operations: one counter, no task
//     auto sums = co_await tacet::when_all(std::move(vector_of_tasks));              tasks: one child each
//
// Results come in the order of the arguments; void becomes std::monostate. All have ended when the await ends; the first
// error among them, in that order for operations and in time for tasks, is thrown then. A cancel of the awaiting task
// cancels all of them, and is delivered after the await where all have succeeded and none has taken it; the first error of a
// task cancels the other tasks. as_result(when_all(operations)) gives a result<T> for each of them.
#ifndef TACET_WHEN_ALL_HPP
#define TACET_WHEN_ALL_HPP

#include <tacet/detail/nursery.hpp>
#include <tacet/executor.hpp>

#include <array>
#include <iterator>
#include <tuple>
#include <variant>
#include <vector>

namespace tacet {

namespace detail {

template <class T>
using regular = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class Awaiter>
auto resume_regular(Awaiter& awaiter)
{
    if constexpr (std::is_void_v<decltype(awaiter.await_resume())>) {
        awaiter.await_resume();
        return std::monostate{};
    } else {
        return awaiter.await_resume();
    }
}

// An operation of a group: what is asked for, and the op that does it.
template <class Request>
class group_member {
    static_assert(ring_request<Request>, "operations of the ring; others go as tasks");

public:
    using value_type = typename Request::value_type;

    explicit group_member(operation<Request>&& asked) noexcept(std::is_nothrow_move_constructible_v<Request>)
        : request_(std::move(asked.request()))
    {
        set_idle(nothing);
    }
    group_member(group_member&& other) noexcept(std::is_nothrow_move_constructible_v<Request>)
        : request_(std::move(other.request_))
    {
        TACET_ASSERT(other.op_.request.state == TACET_OP_IDLE);
        set_idle(nothing);
    }
    group_member& operator=(group_member&&) = delete;
    ~group_member()
    {
        TACET_ASSERT(op_.request.state != TACET_OP_IN_FLIGHT);
        if constexpr (is_discarded<Request>)
            if (op_.result >= 0) {
                note_ended(request_, op_.request);
                request_.discard(op_.result);
            }
    }

    // What cannot be started has ended.
    void start(tacet_op_group& group, tacet_op*& slot) noexcept
    {
        io_uring_sqe* sqe = nullptr;
        tacet_executor* executor = tacet_task_executor(group.task);
        slot = &op_;
        if constexpr (requires { request_.bind(executor); })
            request_.bind(executor);
        tacet_result r = tacet_op_begin(executor, Request::opcode, &sqe);
        if (r == 0)
            r = request_.prepare(sqe);
        else if constexpr (requires { request_.call_without_ring(); })
            if (r == -EOPNOTSUPP && tacet_submission_has_room(executor)) // there is a ring
                r = request_.call_without_ring();
        if (sqe == nullptr || r < 0) {
            set_idle(r);
            return;
        }
        if (tacet_opcode_has_ioprio(Request::opcode))
            sqe->ioprio = group.task->ioprio;
        op_.owner.group = &group;
        group.remaining++;
        tacet_request_commit(executor, &op_.request, TACET_TAG_GROUP, Request::opcode, sqe);
        note_started(request_, op_.request);
    }

    // As an awaiter's; once, when it has ended.
    value_type await_resume() { return value_or_throw(request_, taken()); }
    result<value_type> take_result() { return value_or_error(request_, taken()); }

private:
    static constexpr tacet_result nothing = -EINPROGRESS;

    tacet_result taken() noexcept
    {
        note_ended(request_, op_.request);
        return std::exchange(op_.result, nothing);
    }

    void set_idle(tacet_result r) noexcept
    {
        op_.request.state = TACET_OP_IDLE;
        op_.result = r;
    }

    Request request_;
    tacet_op op_;
};

inline void cancel_group(tacet_task* task)
{
    auto* group = static_cast<tacet_op_group*>(task->waiting_for); // its hook is its first member
    for (std::uint32_t i = 0; i < group->count; i++)
        tacet_op_cancel(group->ops[i]);
}

// The common part of waiting for a group. `start` starts all of it.
template <class Promise, class Start>
void suspend_for_group(std::coroutine_handle<Promise> awaiting, tacet_op_group& group, Start start) noexcept
{
    tacet_task* task = awaiting.promise().task;
    task->context = awaiting.address();
    group.hook.on_cancel = cancel_group;
    group.task = task;
    group.remaining = 1; // ours, until all are started: one that is collected while room is made must not wake us
    start();
    if (--group.remaining == 0)
        tacet_task_requeue(task);
    else
        tacet_task_park(task, &group, TACET_WAIT_HOOK);
    if (task->state == TACET_TASK_SUSPENDED && tacet_task_take_end_of_wait(task)) {
        task->wait = TACET_WAIT_TO_THE_END; // first: where all of it is faster, the cancel is kept
        cancel_group(task);
    }
}

} // namespace detail

template <class... Requests>
class [[nodiscard]] operations_awaiter {
    using operations = std::tuple<detail::group_member<Requests>...>;

public:
    explicit operations_awaiter(operation<Requests>&&... each) : operations_(std::move(each)...) {}
    operations_awaiter(operations_awaiter&& other) noexcept(std::is_nothrow_move_constructible_v<operations>)
        : operations_(std::move(other.operations_))
    {
    }
    bool await_ready() const noexcept { return false; }

    template <tacet_promise Promise>
    void await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
    {
        group_.ops = ops_.data();
        group_.count = sizeof...(Requests);
        detail::suspend_for_group(awaiting, group_, [this] {
            std::size_t i = 0;
            std::apply([&](auto&... each) { (each.start(group_, ops_[i++]), ...); }, operations_);
        });
    }
    auto await_resume()
    {
        return std::apply(
            [](auto&... each) {
                return std::tuple<detail::regular<typename std::decay_t<decltype(each)>::value_type>...>{
                    detail::resume_regular(each)...};
            },
            operations_);
    }
    std::tuple<result<typename operation<Requests>::value_type>...> take_result()
    {
        return std::apply(
            [](auto&... each) {
                return std::tuple<result<typename operation<Requests>::value_type>...>{each.take_result()...};
            },
            operations_);
    }

private:
    operations operations_;
    std::array<tacet_op*, sizeof...(Requests)> ops_{};
    tacet_op_group group_{};
};

template <class... Requests>
operations_awaiter<Requests...> when_all(operation<Requests>... operations)
{
    return operations_awaiter<Requests...>(std::move(operations)...);
}

// The same for any number of one kind. Awaiting it gives a vector of the values.
template <class Request>
class [[nodiscard]] operation_vector_awaiter {
public:
    explicit operation_vector_awaiter(std::vector<operation<Request>> operations)
        : operations_(std::make_move_iterator(operations.begin()), std::make_move_iterator(operations.end())),
          ops_(operations_.size())
    {
    }
    bool await_ready() const noexcept { return operations_.empty(); }

    template <tacet_promise Promise>
    void await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
    {
        group_.ops = ops_.data();
        group_.count = static_cast<std::uint32_t>(ops_.size());
        detail::suspend_for_group(awaiting, group_, [this] {
            for (std::size_t i = 0; i < operations_.size(); i++)
                operations_[i].start(group_, ops_[i]);
        });
    }
    auto await_resume()
    {
        std::vector<detail::regular<typename Request::value_type>> values;
        values.reserve(operations_.size());
        for (detail::group_member<Request>& each : operations_)
            values.push_back(detail::resume_regular(each));
        return values;
    }
    std::vector<result<typename Request::value_type>> take_result()
    {
        std::vector<result<typename Request::value_type>> results;
        results.reserve(operations_.size());
        for (detail::group_member<Request>& each : operations_)
            results.push_back(each.take_result());
        return results;
    }

private:
    std::vector<detail::group_member<Request>> operations_;
    std::vector<tacet_op*> ops_;
    tacet_op_group group_{};
};

template <class Request>
operation_vector_awaiter<Request> when_all(std::vector<operation<Request>> operations)
{
    return operation_vector_awaiter<Request>(std::move(operations));
}

namespace detail {

template <class T>
regular<T> take_regular(task<T>& ended)
{
    if constexpr (std::is_void_v<T>) {
        ended.get().promise().take();
        return {};
    } else {
        return ended.get().promise().take();
    }
}

// Starts what start() starts, waits for all of it, throws the first error.
template <class Start>
task<void> run_children(Start start)
{
    tacet_task* const task = co_await this_task();
    const beside self(task);
    nursery children;
    std::exception_ptr refused;
    try {
        start(children, self);
    } catch (...) {
        refused = std::current_exception();
        children.give_up();
    }
    co_await children.wait();
    if (refused == nullptr)
        refused = children.take_error();
    if (refused != nullptr)
        std::rethrow_exception(refused);
    children.keep_cancel(task);
}

} // namespace detail

template <class... Ts>
requires(sizeof...(Ts) > 0) task<std::tuple<detail::regular<Ts>...>> when_all(task<Ts>... tasks)
{
    auto start = [&](detail::nursery& children, const detail::beside& self) { (children.start(self, tasks), ...); };
    co_await detail::run_children(start);
    co_return std::tuple<detail::regular<Ts>...>(detail::take_regular(tasks)...);
}

template <class T>
task<std::vector<detail::regular<T>>> when_all(std::vector<task<T>> tasks)
{
    auto start = [&](detail::nursery& children, const detail::beside& self) {
        for (const task<T>& each : tasks)
            children.start(self, each);
    };
    co_await detail::run_children(start);
    std::vector<detail::regular<T>> values;
    values.reserve(tasks.size());
    for (task<T>& each : tasks)
        values.push_back(detail::take_regular(each));
    co_return values;
}

} // namespace tacet

#endif
