// Errors: what a throwing operation throws, and what as_result() gives instead.
//
// A failed operation throws std::system_error, whose what() names the operation and its object:
//     open "data/x": No such file or directory
#ifndef TACET_ERROR_HPP
#define TACET_ERROR_HPP

#include <tacet/base.h>

#include <cerrno>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <version>
#ifdef __cpp_lib_expected
#include <expected>
#endif

namespace tacet {

// The error of a negative tacet_result.
inline std::error_code error_of(tacet_result r) noexcept
{
    return {static_cast<int>(-r), std::generic_category()};
}

// Out of line, like all that awaiters do to throw: a std::string made within a coroutine costs each of its resumptions
// three saved registers and room on the stack.
[[noreturn, gnu::noinline, gnu::cold]] inline void throw_error(tacet_result r, const std::string& what)
{
    throw std::system_error(error_of(r), what);
}
[[noreturn, gnu::noinline, gnu::cold]] inline void throw_error(tacet_result r, const char* what)
{
    throw std::system_error(error_of(r), what);
}

// r, or throws. For calls of the C interface.
inline tacet_result check(tacet_result r, const char* what)
{
    if (r < 0) [[unlikely]]
        throw_error(r, what);
    return r;
}

#ifdef __cpp_lib_expected

template <class T>
using result = std::expected<T, std::error_code>;
using unexpected = std::unexpected<std::error_code>;

#else

// An error on its way into a result.
class unexpected {
public:
    explicit unexpected(std::error_code error) noexcept : error_(error) {}
    const std::error_code& error() const noexcept { return error_; }

private:
    std::error_code error_;
};

// A value or an error: std::expected<T, std::error_code>, where the standard library has none yet.
template <class T>
class result {
public:
    using value_type = T;
    using error_type = std::error_code;

    result(T value) : value_(std::move(value)) {}
    result(unexpected failed) noexcept : error_(failed.error()) {}

    bool has_value() const noexcept { return value_.has_value(); }
    explicit operator bool() const noexcept { return has_value(); }
    const std::error_code& error() const noexcept { return error_; }

    T& operator*() & noexcept { return *value_; }
    const T& operator*() const& noexcept { return *value_; }
    T&& operator*() && noexcept { return *std::move(value_); }
    T* operator->() noexcept { return &*value_; }
    const T* operator->() const noexcept { return &*value_; }

    // Throws std::system_error where there is none.
    T& value() &
    {
        require();
        return *value_;
    }
    const T& value() const&
    {
        require();
        return *value_;
    }
    T&& value() &&
    {
        require();
        return *std::move(value_);
    }

    template <class U>
    T value_or(U&& other) const&
    {
        return has_value() ? *value_ : static_cast<T>(std::forward<U>(other));
    }
    template <class U>
    T value_or(U&& other) &&
    {
        return has_value() ? *std::move(value_) : static_cast<T>(std::forward<U>(other));
    }

private:
    void require() const
    {
        if (!has_value())
            throw std::system_error(error_);
    }

    std::optional<T> value_;
    std::error_code error_;
};

template <>
class result<void> {
public:
    using value_type = void;
    using error_type = std::error_code;

    result() noexcept = default;
    result(unexpected failed) noexcept : error_(failed.error()) {}

    bool has_value() const noexcept { return !error_; }
    explicit operator bool() const noexcept { return has_value(); }
    const std::error_code& error() const noexcept { return error_; }
    void operator*() const noexcept {}
    void value() const
    {
        if (error_)
            throw std::system_error(error_);
    }

private:
    std::error_code error_;
};

#endif

} // namespace tacet

#endif
