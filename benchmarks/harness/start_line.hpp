// Where threads wait for each other without sleeping, so that all of them begin at the same moment.
#pragma once

#include "harness/relax.hpp"

#include <atomic>
#include <cstdint>

namespace bench {

class start_line {
public:
    explicit start_line(std::uint64_t threads) : threads_(threads) {}

    // Returns when as many have come as there are threads; it may be used again and again.
    void wait() noexcept
    {
        const std::uint64_t round = arrived_.fetch_add(1, std::memory_order_acq_rel) / threads_;
        while (arrived_.load(std::memory_order_acquire) < (round + 1) * threads_)
            relax();
    }

private:
    std::uint64_t threads_;
    alignas(64) std::atomic<std::uint64_t> arrived_ = 0;
};

}
