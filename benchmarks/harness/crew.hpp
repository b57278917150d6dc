// A few threads that do the same thing at the same time, part by part; the caller's thread is the first of them. What
// belongs to a thread (an executor) is made, used and destroyed by the same part.
#pragma once

#include "harness/affinity.hpp"

#include <barrier>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace bench {

// Where the threads of a crew may run.
enum class placement {
    anywhere,
    apart, // each on one processor, another one for each part while there are some; the caller's thread too
};

class crew {
public:
    explicit crew(std::size_t threads, placement where = placement::anywhere);
    crew(const crew&) = delete;
    crew& operator=(const crew&) = delete;
    ~crew();

    std::size_t size() const { return others_.size() + 1; }

    // work(0) to work(threads - 1), each on its thread; returns when all have ended, and throws what left one of them.
    void run(const std::function<void(std::size_t)>& work);

private:
    void serve(std::size_t part);
    void do_part(std::size_t part) noexcept;

    placement where_;
    const std::function<void(std::size_t)>* work_ = nullptr; // nullptr: go home
    std::mutex mutex_;
    std::exception_ptr failed_; // under the mutex
    std::barrier<> begin_;
    std::barrier<> end_;
    std::vector<std::thread> others_;
    std::optional<pinned> first_; // the caller's thread, where they are apart
};

}
