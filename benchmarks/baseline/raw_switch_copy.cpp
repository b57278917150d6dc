// The stack, the save buffers and the loop of the baseline `raw_switch_copy`.
#include "baseline/raw_switch_copy.hpp"

#include "baseline/raw_stack.hpp"
#include "harness/errors.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace bench::baseline {
namespace {

constexpr std::size_t stack_bytes = 1 << 20;
constexpr std::size_t line_bytes = 64;

std::byte* map_stack()
{
    void* memory = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        throw unavailable(fmt::format("mmap of an execution stack: {}", std::strerror(errno)));
    return static_cast<std::byte*>(memory);
}

}

// Each context runs to its first suspension once, below as many unused bytes as make its live part what was asked for.
raw_switch_copy::raw_switch_copy(std::size_t tasks, std::size_t live_bytes) : stack_(map_stack()), contexts_(tasks)
{
    const std::size_t frames_bytes = enter_first(contexts_.front(), 0);
    const std::size_t above_bytes = (std::max(live_bytes, frames_bytes) - frames_bytes) / 16 * 16;
    live_bytes_ = frames_bytes + above_bytes;
    // An odd number of lines: else save buffers lie alike in their pages where live parts are whole ones, and the copies
    // take twice the time; lines between them would take the prefetcher's.
    saved_stride_ = (((live_bytes_ + line_bytes - 1) / line_bytes) | 1) * line_bytes;
    saved_ = std::make_unique<std::byte[]>(saved_stride_ * tasks);
    for (std::size_t i = 0; i < tasks; i++) {
        enter_first(contexts_[i], above_bytes);
        contexts_[i].resumptions = 0;
        live_ = static_cast<std::byte*>(contexts_[i].task_sp);
        std::memcpy(saved(i), live_, live_bytes_);
    }
}

raw_switch_copy::~raw_switch_copy()
{
    munmap(stack_, stack_bytes);
}

// Returns the bytes that its frames take while it is suspended.
std::size_t raw_switch_copy::enter_first(context& entered, std::size_t above_bytes) noexcept
{
    std::byte* top = stack_ + stack_bytes - above_bytes;
    entered.task_sp = prepare_raw_stack(top, body, &entered);
    bench_raw_switch(&entered.loop_sp, entered.task_sp);
    return static_cast<std::size_t>(top - static_cast<std::byte*>(entered.task_sp));
}

void raw_switch_copy::body(context* self) noexcept
{
    for (;;) {
        self->resumptions++;
        bench_raw_switch(&self->task_sp, self->loop_sp);
    }
}

void raw_switch_copy::run(std::uint64_t switches) noexcept
{
    for (std::uint64_t round = switches / contexts_.size(); round != 0; round--) {
        for (std::size_t i = 0; i < contexts_.size(); i++) {
            std::memcpy(live_, saved(i), live_bytes_);
            bench_raw_switch(&contexts_[i].loop_sp, contexts_[i].task_sp);
            std::memcpy(saved(i), live_, live_bytes_);
        }
    }
}

std::uint64_t raw_switch_copy::resumptions() const noexcept
{
    std::uint64_t sum = 0;
    for (const context& context : contexts_)
        sum += context.resumptions;
    return sum;
}

}
