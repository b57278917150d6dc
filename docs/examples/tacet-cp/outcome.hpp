// From the result of an operation to its value, or to a failure that names the step and the path.
#pragma once

#include "directory.hpp"
#include "report.hpp"

#include <tacet/tacet.hpp>

#include <string>
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

template <class T>
T take(tacet::result<T> got, const char* step, const place& where)
{
    if (!got)
        throw failure(step, where.path(), got.error());
    if constexpr (!std::is_void_v<T>)
        return *std::move(got);
}

}
