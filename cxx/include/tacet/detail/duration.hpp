// Durations of the C++ library as the C core counts them.
#ifndef TACET_DETAIL_DURATION_HPP
#define TACET_DETAIL_DURATION_HPP

#include <tacet/base.h>

#include <chrono>
#include <cstdint>

namespace tacet::detail {

// In nanoseconds, rounded up. Below zero is zero; what does not fit (hours::max()) is TACET_FOREVER.
template <class Rep, class Period>
std::uint64_t nanoseconds_of(std::chrono::duration<Rep, Period> duration)
{
    using std::chrono::nanoseconds;
    const auto roughly = std::chrono::duration<double, std::nano>(duration).count();
    if (!(roughly > 0))
        return 0;
    if (roughly >= static_cast<double>(nanoseconds::max().count()))
        return TACET_FOREVER;
    return static_cast<std::uint64_t>(std::chrono::ceil<nanoseconds>(duration).count());
}

} // namespace tacet::detail

#endif
