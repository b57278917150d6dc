// sched_getaffinity and sched_setaffinity of the calling thread.
#include "harness/affinity.hpp"

#include <cerrno>
#include <system_error>

namespace bench {
namespace {

cpu_set_t allowed()
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        throw std::system_error(errno, std::generic_category(), "sched_getaffinity");
    return set;
}

}

std::size_t processors_allowed()
{
    const cpu_set_t set = allowed();
    return static_cast<std::size_t>(CPU_COUNT(&set));
}

pinned::pinned(std::size_t part) : before_(allowed())
{
    std::size_t left = part % static_cast<std::size_t>(CPU_COUNT(&before_));
    int processor = 0;
    while (!CPU_ISSET(processor, &before_) || left-- != 0)
        processor++;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        throw std::system_error(errno, std::generic_category(), "sched_setaffinity");
}

pinned::~pinned()
{
    sched_setaffinity(0, sizeof before_, &before_);
}

}
