// with_scope(body): children that end before the scope does.
//
// A coroutine's destructor cannot await, so a scope is no object on its own:
//
//     auto body = [&](tacet::scope& scope) -> tacet::task<void> {
//         for (const std::string& path : paths)
//             scope.spawn(sum_one(path));
//         co_return;
//     };
//     co_await tacet::with_scope(body);     // ends when the body and all that it spawned have ended
//
// Children may refer to what is outside of the scope, and run where it was opened. The body's own locals go when the body ends, before its children.
#ifndef TACET_SCOPE_HPP
#define TACET_SCOPE_HPP

#include <tacet/detail/move.hpp>
#include <tacet/detail/nursery.hpp>
#include <tacet/executor.hpp>

#include <variant>

namespace tacet {

// For the body and whatever runs in the scope, on the executor where it was opened.
class scope {
public:
    explicit scope(tacet_task* self) noexcept : self_(self), where_(self) {}
    scope(const scope&) = delete;
    scope& operator=(const scope&) = delete;

    // Starts a child, with the priorities that the opener had when it opened the scope. If an exception leaves it, the other
    // children are cancelled, those spawned later too, and with_scope throws the exception when the body and all of them
    // have ended. The body is not interrupted: where it goes on for ever, as one that accepts connections does, children are to
    // keep their exceptions to themselves, or nobody hears of them. operation_not_permitted: from another executor, where the body may have gone.
    template <class T>
    void spawn(task<T> body)
    {
        children_.start_owned(where_, std::move(body));
    }

    // Cancels what runs in the scope now; not the body, nor what is spawned later.
    void cancel() noexcept { children_.cancel(); }

    tacet_task* opener() const noexcept { return self_; }
    tacet_executor* executor() const noexcept { return where_.executor; }
    detail::nursery& children() noexcept { return children_; }

private:
    tacet_task* self_;
    detail::beside where_;
    detail::nursery children_;
};

// What the body returned, when all children have ended. An exception of the body, or the first of a child, cancels the
// children and is thrown after they have ended. A cancel of the awaiting task reaches the body where it waits, then
// the children; where none of them takes it and all succeed, it is delivered after the scope. If the body has moved, it is
// brought back before the children are waited for: the executor where the scope was opened must still be there. Where the task
// was away from home already when it opened the scope, it cannot move before that has ended (device_or_resource_busy).
template <class Body>
auto with_scope(Body body) -> std::invoke_result_t<Body&, scope&>
{
    using value_type = typename std::invoke_result_t<Body&, scope&>::value_type;
    tacet_task* self = co_await this_task();
    scope children(self);
    const bool away = tacet_task_away_from(self) != nullptr;
    if (away)
        self->extra->held++;
    task<value_type> inner = body(children);
    std::exception_ptr error;
    std::optional<std::conditional_t<std::is_void_v<value_type>, std::monostate, value_type>> value;
    try {
        if constexpr (std::is_void_v<value_type>)
            co_await inner;
        else
            value.emplace(co_await inner);
    } catch (...) {
        error = std::current_exception();
    }
    co_await detail::move_back(children.executor());
    if (error != nullptr)
        children.children().give_up();
    co_await children.children().wait();
    if (away)
        self->extra->held--;
    if (error == nullptr)
        error = children.children().take_error();
    if (error != nullptr)
        std::rethrow_exception(error);
    children.children().keep_cancel(self);
    if constexpr (!std::is_void_v<value_type>)
        co_return *std::move(value);
}

} // namespace tacet

#endif
