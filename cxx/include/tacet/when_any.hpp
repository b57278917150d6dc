// when_any: several operations, tasks, or whatever else can be awaited, at once, until the first of them has ended.
//
//     auto first = co_await tacet::when_any(connection.receive(buffer), stop.wait());
//     if (first.index == 0)
//         use(first.get<0>());
//
// The first that ends, be it by an exception, ends it: the others are cancelled, and have ended when the await ends, so what they
// refer to may go then. The first that has succeeded wins: `index` says which it was and get<index>() what it gave, void as
// std::monostate. Others that were too far to be ended have their values in `values` as well: nothing that succeeded is lost, and a
// descriptor that nobody wants is closed with the rest. Only where none has succeeded, what the first threw is thrown; what else
// was thrown is dropped.
//
// A cancel of the awaiting task, and its deadline, are for all of them. A cancel that the winner has not taken is delivered after
// it. Each is a child, with a coroutine's frame: for one operation and a limit with_deadline() costs less.
#ifndef TACET_WHEN_ANY_HPP
#define TACET_WHEN_ANY_HPP

#include <tacet/detail/move.hpp>
#include <tacet/detail/nursery.hpp>
#include <tacet/detail/wrapped.hpp>
#include <tacet/executor.hpp>

#include <optional>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace tacet {

template <class... Ts>
struct any_of {
    std::size_t index; // of the winner
    std::tuple<std::optional<Ts>...> values;

    // Of the winner, or of another that has succeeded; else std::bad_optional_access.
    template <std::size_t I>
    auto& get()
    {
        return std::get<I>(values).value();
    }
};

template <class T>
struct any_in {
    std::size_t index;
    std::vector<std::optional<T>> values;

    T& get() { return values[index].value(); }
};

namespace detail {

template <class Awaitable>
using awaited_type = decltype(std::declval<typename awaiter_of<Awaitable>::type&>().await_resume());
template <class Awaitable>
using contender_value =
    std::conditional_t<std::is_void_v<awaited_type<Awaitable>>, std::monostate, std::decay_t<awaited_type<Awaitable>>>;

// Who takes part, and who wins. On the executor where it began.
class contest {
public:
    static constexpr std::size_t nobody = SIZE_MAX;

    explicit contest(tacet_task* self) noexcept : self_(self), where_(self) {}

    nursery& contenders() noexcept { return contenders_; }
    tacet_executor* executor() const noexcept { return where_.executor; }

    void start(task<void> contender) { contenders_.start_owned(where_, std::move(contender)); }

    // One has ended: the others are to.
    void note_end(std::size_t index, const tacet_task* by, std::exception_ptr error) noexcept
    {
        if (error == nullptr && winner_ == nobody) {
            winner_ = index;
            cancels_taken_ = contenders_.cancels_known_to(*by);
        }
        if (!one_has_ended_) {
            one_has_ended_ = true;
            first_error_ = std::move(error);
            contenders_.give_up();
        }
    }

    // When all have ended: who has won, or throws. A cancel of which the winner knows nothing is kept for the next wait.
    std::size_t decide()
    {
        const std::exception_ptr refused = contenders_.take_error();
        if (winner_ == nobody)
            std::rethrow_exception(refused != nullptr ? refused : first_error_);
        if (contenders_.cancels() > cancels_taken_)
            tacet_task_keep_cancel(self_);
        return winner_;
    }

private:
    tacet_task* self_;
    beside where_;
    nursery contenders_;
    std::size_t winner_ = nobody;
    unsigned cancels_taken_ = 0; // of the nursery's, by the winner
    bool one_has_ended_ = false;
    std::exception_ptr first_error_{}; // of the first that ended
};

template <class Awaitable>
task<void> contend(Awaitable awaitable, contest& in, std::size_t index,
                   std::optional<contender_value<Awaitable>>& value)
{
    tacet_task* const self = co_await this_task();
    std::exception_ptr error;
    try {
        if constexpr (std::is_void_v<awaited_type<Awaitable>>) {
            co_await awaitable;
            value.emplace();
        } else {
            value.emplace(co_await awaitable);
        }
    } catch (...) {
        error = std::current_exception();
    }
    co_await move_back(in.executor());
    in.note_end(index, self, std::move(error));
}

template <class Awaitable>
void require_contender(const Awaitable&) noexcept
{
}
template <class T>
void require_contender(const task<T>& contender)
{
    require_coroutine(contender, "when_any");
}

// Starts what start() starts, waits for all of it: who has won.
template <class Start>
task<std::size_t> run_contest(Start start)
{
    contest held(co_await this_task());
    std::exception_ptr refused;
    try {
        start(held);
    } catch (...) {
        refused = std::current_exception();
        held.contenders().give_up();
    }
    co_await held.contenders().wait();
    if (refused != nullptr)
        std::rethrow_exception(refused);
    co_return held.decide();
}

template <class Values, std::size_t... I, class... Awaitables>
void start_contenders(contest& in, Values& values, std::index_sequence<I...>, Awaitables&... awaitables)
{
    (require_contender(awaitables), ...);
    (in.start(contend(std::move(awaitables), in, I, std::get<I>(values))), ...);
}

} // namespace detail

template <class... Awaitables>
requires(sizeof...(Awaitables) >
         0) task<any_of<detail::contender_value<Awaitables>...>> when_any(Awaitables... awaitables)
{
    any_of<detail::contender_value<Awaitables>...> ended{};
    auto start = [&](detail::contest& in) {
        detail::start_contenders(in, ended.values, std::index_sequence_for<Awaitables...>(), awaitables...);
    };
    ended.index = co_await detail::run_contest(start);
    co_return std::move(ended);
}

// The same for any number of one kind. invalid_argument: none.
template <class Awaitable>
task<any_in<detail::contender_value<Awaitable>>> when_any(std::vector<Awaitable> awaitables)
{
    if (awaitables.empty())
        throw_error(-EINVAL, "when_any: of nothing");
    any_in<detail::contender_value<Awaitable>> ended{};
    ended.values.resize(awaitables.size());
    auto start = [&](detail::contest& in) {
        for (const Awaitable& each : awaitables)
            detail::require_contender(each);
        for (std::size_t i = 0; i < awaitables.size(); i++)
            in.start(detail::contend(std::move(awaitables[i]), in, i, ended.values[i]));
    };
    ended.index = co_await detail::run_contest(start);
    co_return std::move(ended);
}

} // namespace tacet

#endif
