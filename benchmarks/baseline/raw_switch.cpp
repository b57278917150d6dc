// Stacks for the baseline `raw_switch`: one mapping cut into equal pieces, their tops moved apart by a few cache lines
// so that they do not all fight for the same cache sets.
#include "baseline/raw_switch.hpp"

#include "baseline/raw_stack.hpp"
#include "harness/errors.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>

namespace bench::baseline {
namespace {

constexpr std::size_t colours = 16;
constexpr std::size_t colour_bytes = 128;

}

raw_switch::raw_switch(std::size_t tasks, std::size_t stack_bytes)
    : mapped_bytes_(tasks * stack_bytes), contexts_(tasks)
{
    void* memory = mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                        0);
    if (memory == MAP_FAILED)
        throw unavailable(fmt::format("mmap of {} stacks: {}", tasks, std::strerror(errno)));
    madvise(memory, mapped_bytes_, MADV_NOHUGEPAGE);
    stacks_ = static_cast<std::byte*>(memory);
    for (std::size_t i = 0; i < tasks; i++) {
        std::byte* top = stacks_ + (i + 1) * stack_bytes - i % colours * colour_bytes;
        contexts_[i].task_sp = prepare_raw_stack(top, body, &contexts_[i]);
    }
}

raw_switch::~raw_switch()
{
    munmap(stacks_, mapped_bytes_);
}

void raw_switch::body(context* self) noexcept
{
    for (;;) {
        self->resumptions++;
        bench_raw_switch(&self->task_sp, self->loop_sp);
    }
}

void raw_switch::run(std::uint64_t switches) noexcept
{
    for (std::uint64_t round = switches / contexts_.size(); round != 0; round--) {
        for (context& context : contexts_)
            bench_raw_switch(&context.loop_sp, context.task_sp);
    }
}

std::uint64_t raw_switch::resumptions() const noexcept
{
    std::uint64_t sum = 0;
    for (const context& context : contexts_)
        sum += context.resumptions;
    return sum;
}

}
