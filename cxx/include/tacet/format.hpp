// fmt formatters for errors, results and statistics.
#ifndef TACET_FORMAT_HPP
#define TACET_FORMAT_HPP

#include <tacet/address.hpp>
#include <tacet/error.hpp>
#include <tacet/executor.h>

#include <fmt/format.h>

namespace tacet {

// A tacet_result, to be formatted as its value or its error: fmt::print("{}", tacet::shown(r)).
class shown {
public:
    explicit shown(tacet_result r) noexcept : result(r) {}
    tacet_result result;
};

} // namespace tacet

template <>
struct fmt::formatter<tacet::shown> : fmt::formatter<std::string_view> {
    template <class Context>
    auto format(const tacet::shown& value, Context& context) const
    {
        const std::string text = value.result == TACET_PENDING ? std::string("pending")
                                 : value.result < 0            ? tacet::error_of(value.result).message()
                                                               : std::to_string(value.result);
        return fmt::formatter<std::string_view>::format(text, context);
    }
};

// As address::parse() reads it.
template <>
struct fmt::formatter<tacet::address> : fmt::formatter<std::string_view> {
    template <class Context>
    auto format(const tacet::address& value, Context& context) const
    {
        return fmt::formatter<std::string_view>::format(value.text(), context);
    }
};

template <class T>
struct fmt::formatter<tacet::result<T>> : fmt::formatter<std::string_view> {
    template <class Context>
    auto format(const tacet::result<T>& value, Context& context) const
    {
        return fmt::formatter<std::string_view>::format(text(value), context);
    }

private:
    static std::string text(const tacet::result<T>& value)
    {
        if (!value.has_value())
            return "error: " + value.error().message();
        if constexpr (std::is_void_v<T>)
            return "ok";
        else
            return fmt::format("{}", *value);
    }
};

template <>
struct fmt::formatter<tacet_executor_stats> : fmt::formatter<std::string_view> {
    template <class Context>
    auto format(const tacet_executor_stats& stats, Context& context) const
    {
        const std::string text = fmt::format(
            "items {} enters {} submitted {} completed {} in_flight {} cq_overflows {} refused {} timers {} "
            "attached {} pending_or_ready {} running {} suspended {}",
            stats.items, stats.enters, stats.submitted, stats.completed, stats.in_flight, stats.cq_overflows,
            stats.submissions_refused, stats.timers, stats.attached, stats.pending_or_ready, stats.running,
            stats.suspended);
        return fmt::formatter<std::string_view>::format(text, context);
    }
};

#endif
