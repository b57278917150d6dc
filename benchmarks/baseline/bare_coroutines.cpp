// The loop and the coroutine of the baseline `bare_coroutines`.
#include "baseline/bare_coroutines.hpp"

#include <cassert>
#include <new>

namespace bench::baseline {
namespace {

constexpr std::size_t slot_alignment = 64;

bare_task yield_until(frame_slab&, bare_queue& queue, const bool& stop, std::uint64_t& yields)
{
    std::uint64_t counted = 0;
    while (!stop) {
        co_await bare_yield(queue);
        counted++;
    }
    yields += counted;
}

}

void frame_slab::free_storage::operator()(std::byte* storage) const noexcept
{
    ::operator delete(storage, std::align_val_t(slot_alignment));
}

void* frame_slab::take(std::size_t bytes)
{
    if (!storage_) {
        slot_bytes_ = (bytes + slot_alignment - 1) / slot_alignment * slot_alignment;
        void* memory = ::operator new(slot_bytes_* frames_, std::align_val_t(slot_alignment));
        storage_.reset(static_cast<std::byte*>(memory));
    }
    assert(bytes <= slot_bytes_ && used_ < frames_);
    return storage_.get() + slot_bytes_ * used_++;
}

bare_coroutines::bare_coroutines(std::size_t tasks) : slab_(tasks)
{
    handles_.reserve(tasks);
    for (std::size_t i = 0; i < tasks; i++) {
        handles_.push_back(yield_until(slab_, queue_, stop_, yields_).handle);
        queue_.push(&handles_.back().promise());
    }
    run(tasks);
}

bare_coroutines::~bare_coroutines()
{
    for (const auto handle : handles_)
        handle.destroy();
}

void bare_coroutines::run(std::uint64_t resumptions) noexcept
{
    using handle = std::coroutine_handle<bare_task::promise_type>;
    while (resumptions-- != 0)
        handle::from_promise(*static_cast<bare_task::promise_type*>(queue_.pop())).resume();
}

std::uint64_t bare_coroutines::finish() noexcept
{
    stop_ = true;
    run(handles_.size());
    return yields_ - handles_.size();
}

}
