// Where threads run. Two that talk to each other are measured on two processors: on one, a wake would be a mere switch.
#pragma once

#include <sched.h>

#include <cstddef>

namespace bench {

// How many processors this thread may use.
std::size_t processors_allowed();

// Those that this thread may use, without the part-th.
cpu_set_t processors_but(std::size_t part);

// Keeps the calling thread on one of the processors that it may use, the part-th (modulo how many there are), until the
// object goes, on the same thread.
class pinned {
public:
    explicit pinned(std::size_t part);
    pinned(const pinned&) = delete;
    pinned& operator=(const pinned&) = delete;
    ~pinned();

private:
    cpu_set_t before_;
};

}
