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

int nth_of(const cpu_set_t& set, std::size_t part)
{
    std::size_t left = part % static_cast<std::size_t>(CPU_COUNT(&set));
    int processor = 0;
    while (!CPU_ISSET(processor, &set) || left-- != 0)
        processor++;
    return processor;
}

}

std::size_t processors_allowed()
{
    const cpu_set_t set = allowed();
    return static_cast<std::size_t>(CPU_COUNT(&set));
}

cpu_set_t processors_but(std::size_t part)
{
    cpu_set_t set = allowed();
    CPU_CLR(nth_of(set, part), &set);
    return set;
}

pinned::pinned(std::size_t part) : before_(allowed())
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(nth_of(before_, part), &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        throw std::system_error(errno, std::generic_category(), "sched_setaffinity");
}

pinned::~pinned()
{
    sched_setaffinity(0, sizeof before_, &before_);
}

}
