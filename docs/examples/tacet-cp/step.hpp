// One step with one file, e.g. opening it:
//
//     tacet::file file = co_await step("open", where, tacet::open(where.location(), O_RDONLY));
//
// gives the operation's value, or throws a failure that names the step and the whole path.
#pragma once

#include "directory.hpp"
#include "report.hpp"

#include <tacet/tacet.hpp>

#include <coroutine>
#include <string>
#include <type_traits>
#include <utility>

namespace cp {

// One name on one side. It refers to its parts; the path is put together only for a message.
class place {
public:
    place(const directory& in, const entry& what, side which) noexcept : in_(in), what_(what), which_(which) {}

    std::string path() const { return in_.path(which_, what_); }
    const std::string& name() const { return which_ == side::source ? what_.name : what_.target_name(); }
    const tacet::file& folder() const { return which_ == side::source ? in_.source : in_.target; }
    tacet::location location() const { return tacet::at(folder(), name()); }

private:
    const directory& in_;
    const entry& what_;
    side which_;
};

// Awaits what it holds, and sees to its error.
template <class Awaiter>
class [[nodiscard]] step_awaiter {
public:
    step_awaiter(const char* name, const place& where, Awaiter awaiter)
        : name_(name), where_(where), awaiter_(std::move(awaiter))
    {
    }
    bool await_ready() { return awaiter_.await_ready(); }

    template <tacet::tacet_promise Promise>
    auto await_suspend(std::coroutine_handle<Promise> awaiting)
    {
        return awaiter_.await_suspend(awaiting);
    }
    typename Awaiter::value_type await_resume()
    {
        auto result = awaiter_.take_result();
        if (!result)
            throw failure(name_, where_.path(), result.error());
        if constexpr (!std::is_void_v<typename Awaiter::value_type>)
            return *std::move(result);
    }

private:
    const char* name_;
    const place& where_;
    Awaiter awaiter_;
};

template <class Awaiter>
step_awaiter<Awaiter> step(const char* name, const place& where, Awaiter awaiter)
{
    return step_awaiter<Awaiter>(name, where, std::move(awaiter));
}

}
