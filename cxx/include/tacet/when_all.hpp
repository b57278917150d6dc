// when_all: several operations, or several tasks, at once.
//
//     auto [a, b] = co_await tacet::when_all(file.read(x, 0), file.read(y, 4096));   operations: one counter, no task
//     auto sums = co_await tacet::when_all(std::move(vector_of_tasks));              tasks: one child each
//
// Results come in the order of the arguments; void becomes std::monostate. All have ended when the await ends; the first
// error among them, in that order for operations and in time for tasks, is thrown then. A cancel of the awaiting task
// cancels all of them; the first error of a task cancels the other tasks. as_result(when_all(operations)) gives a
// result<T> for each of them.
#ifndef TACET_WHEN_ALL_HPP
#define TACET_WHEN_ALL_HPP

#include <tacet/detail/nursery.hpp>
#include <tacet/executor.hpp>

#include <array>
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

// Starts an op as one of a group. What cannot be started has ended.
template <class Request>
void start_in_group(operation<Request>& started, tacet_op_group& group, tacet_op*& slot) noexcept
{
    static_assert(ring_request<Request>, "operations of the ring; others go as tasks");
    io_uring_sqe* sqe;
    tacet_op& op = started.op();
    if constexpr (requires { started.request().bind(group.task->executor); })
        started.request().bind(group.task->executor);
    tacet_result r = tacet_op_begin(group.task->executor, Request::opcode, &sqe);
    if (r == 0)
        r = started.request().prepare(sqe);
    slot = &op;
    if (r < 0) {
        op.state = TACET_OP_IDLE;
        op.result = r;
        return;
    }
    if (tacet_opcode_has_ioprio(Request::opcode))
        sqe->ioprio = group.task->ioprio;
    op.owner.group = &group;
    group.remaining++;
    tacet_op_commit(group.task->executor, &op, TACET_TAG_GROUP, Request::opcode, sqe);
}

inline void cancel_group(tacet_task* task)
{
    auto* group = static_cast<tacet_op_group*>(task->waiting_for);
    for (std::uint32_t i = 0; i < group->count; i++)
        tacet_op_cancel(group->ops[i]);
}

// The common part of waiting for a group. `start` starts all of it.
template <class Promise, class Start>
void suspend_for_group(std::coroutine_handle<Promise> awaiting, tacet_op_group& group, Start start) noexcept
{
    tacet_task* task = awaiting.promise().task;
    task->context = awaiting.address();
    group.task = task;
    group.remaining = 1; // ours, until all are started: one that is collected while room is made must not wake us
    start();
    if (--group.remaining == 0)
        tacet_task_requeue(task);
    else
        tacet_task_park(task, &group, cancel_group);
    if (task->state == TACET_TASK_SUSPENDED && tacet_task_take_cancel(task))
        cancel_group(task);
}

} // namespace detail

template <class... Requests>
class [[nodiscard]] operations_awaiter {
    using operations = std::tuple<operation<Requests>...>;

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
            std::apply([&](auto&... each) { (detail::start_in_group(each, group_, ops_[i++]), ...); }, operations_);
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
        : operations_(std::move(operations)), ops_(operations_.size())
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
                detail::start_in_group(operations_[i], group_, ops_[i]);
        });
    }
    auto await_resume()
    {
        std::vector<detail::regular<typename Request::value_type>> values;
        values.reserve(operations_.size());
        for (operation<Request>& each : operations_)
            values.push_back(detail::resume_regular(each));
        return values;
    }
    std::vector<result<typename Request::value_type>> take_result()
    {
        std::vector<result<typename Request::value_type>> results;
        results.reserve(operations_.size());
        for (operation<Request>& each : operations_)
            results.push_back(each.take_result());
        return results;
    }

private:
    std::vector<operation<Request>> operations_;
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
    tacet_task* self = co_await this_task();
    nursery children;
    std::exception_ptr refused;
    try {
        start(children, self);
    } catch (...) {
        refused = std::current_exception();
        children.give_up();
    }
    co_await children.wait();
    if (refused != nullptr)
        std::rethrow_exception(refused);
    if (children.first_error() != nullptr)
        std::rethrow_exception(children.first_error());
}

} // namespace detail

template <class... Ts>
requires(sizeof...(Ts) > 0) task<std::tuple<detail::regular<Ts>...>> when_all(task<Ts>... tasks)
{
    auto start = [&](detail::nursery& children, tacet_task* self) { (children.start(self, tasks), ...); };
    co_await detail::run_children(start);
    co_return std::tuple<detail::regular<Ts>...>(detail::take_regular(tasks)...);
}

template <class T>
task<std::vector<detail::regular<T>>> when_all(std::vector<task<T>> tasks)
{
    auto start = [&](detail::nursery& children, tacet_task* self) {
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
