// Baseline `raw_switch_copy`: contexts that share one execution stack, each with a save buffer apart. One operation is:
// copy the live part in, switch there and back, copy it out. No queue, no states; nothing is left in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace bench::baseline {

class raw_switch_copy {
public:
    // The live part of each context is live_bytes in all, its frames among them, or what these need if that is more.
    // Throws unavailable where the stack cannot be mapped.
    raw_switch_copy(std::size_t tasks, std::size_t live_bytes);
    raw_switch_copy(const raw_switch_copy&) = delete;
    raw_switch_copy& operator=(const raw_switch_copy&) = delete;
    ~raw_switch_copy();

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
    std::size_t enter_first(context& entered, std::size_t above_bytes) noexcept;
    std::byte* saved(std::size_t task) const noexcept { return saved_.get() + task * saved_stride_; }

    std::byte* stack_;
    std::byte* live_ = nullptr; // the same for all: [live_, top)
    std::size_t live_bytes_ = 0;
    std::size_t saved_stride_ = 0;
    std::unique_ptr<std::byte[]> saved_;
    std::vector<context> contexts_;
};

}
