// What an awaitable that alters another one wraps: an awaiter, or something with an operator co_await (a task, a future).
#ifndef TACET_DETAIL_WRAPPED_HPP
#define TACET_DETAIL_WRAPPED_HPP

#include <tacet/task.hpp>

namespace tacet::detail {

template <class Awaitable>
concept has_co_await = requires(Awaitable& awaitable)
{
    awaitable.operator co_await();
};

template <class Awaitable>
struct awaiter_of {
    using type = Awaitable;
};
template <has_co_await Awaitable>
struct awaiter_of<Awaitable> {
    using type = decltype(std::declval<Awaitable&>().operator co_await());
};

// Moved before it is awaited. An awaiter that has to be made is made where it stays.
template <class Awaitable>
class wrapped {
    using awaiter_type = typename awaiter_of<Awaitable>::type;
    static constexpr bool is_made = has_co_await<Awaitable>;

public:
    explicit wrapped(Awaitable awaitable) : awaitable_(std::move(awaitable)) {}
    wrapped(wrapped&& other) noexcept(std::is_nothrow_move_constructible_v<Awaitable>)
        : awaitable_(std::move(other.awaitable_))
    {
    }
    wrapped& operator=(wrapped&&) = delete;

    // What its await_suspend() says, true for void; or that the coroutine goes on at once.
    template <class Promise>
    auto suspend(std::coroutine_handle<Promise> awaiting) noexcept
    {
        if constexpr (is_made)
            awaiter_.emplace(maker{awaitable_});
        using way = decltype(awaiter().await_suspend(awaiting));
        if (awaiter().await_ready())
            return go_on<way>(awaiting);
        if constexpr (std::is_void_v<way>) {
            awaiter().await_suspend(awaiting);
            return true;
        } else {
            return awaiter().await_suspend(awaiting);
        }
    }

    // As what suspend() returns.
    template <class Way>
    static auto go_on([[maybe_unused]] std::coroutine_handle<> awaiting) noexcept
    {
        if constexpr (std::is_void_v<Way> || std::is_same_v<Way, bool>)
            return false;
        else
            return awaiting;
    }

    awaiter_type& awaiter() noexcept
    {
        if constexpr (is_made)
            return *awaiter_;
        else
            return awaitable_;
    }

private:
    struct maker {
        Awaitable& from;
        operator awaiter_type() const { return from.operator co_await(); }
    };
    struct nothing {};

    Awaitable awaitable_;
    [[no_unique_address]] std::conditional_t<is_made, std::optional<awaiter_type>, nothing> awaiter_{};
};

} // namespace tacet::detail

#endif
