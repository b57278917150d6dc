// Baseline `raw_switch`: a round of stacks, each entered and left by one assembly switch; no queue, no states. One
// operation is there and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench::baseline {

class raw_switch {
public:
    // Throws unavailable where the stacks cannot be mapped.
    raw_switch(std::size_t tasks, std::size_t stack_bytes);
    raw_switch(const raw_switch&) = delete;
    raw_switch& operator=(const raw_switch&) = delete;
    ~raw_switch();

    // `switches` is a multiple of the number of tasks.
    void run(std::uint64_t switches) noexcept;

    // How often the tasks found themselves resumed, all together.
    std::uint64_t resumptions() const noexcept;

private:
    struct context {
        void* task_sp;
        void* loop_sp;
        std::uint64_t resumptions;
    };

    static void body(context* self) noexcept;

    std::byte* stacks_;
    std::size_t mapped_bytes_;
    std::vector<context> contexts_;
};

}
