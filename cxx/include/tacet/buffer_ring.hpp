// Buffers chosen by the kernel: who waits for data holds none, and gets one with the data.
#ifndef TACET_BUFFER_RING_HPP
#define TACET_BUFFER_RING_HPP

#include <tacet/buffer_ring.h>
#include <tacet/executor_ref.hpp>
#include <tacet/op.hpp>

#include <cstddef>
#include <span>

namespace tacet {

// What was received, in a buffer that goes back to its ring with this: on the thread of the ring's executor, while the ring is
// there.
class received {
public:
    received() noexcept {}
    received(tacet_buffer_ring* from, int buffer, std::size_t bytes) noexcept
        : ring_(buffer >= 0 ? from : nullptr), buffer_(static_cast<unsigned>(buffer)), bytes_(bytes)
    {
    }
    received(received&& other) noexcept
        : ring_(std::exchange(other.ring_, nullptr)), buffer_(other.buffer_), bytes_(std::exchange(other.bytes_, 0))
    {
    }
    received& operator=(received&& other) noexcept
    {
        std::swap(ring_, other.ring_);
        std::swap(buffer_, other.buffer_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~received()
    {
        if (ring_ != nullptr)
            tacet_buffer_ring_give(ring_, buffer_);
    }

    // Empty at the end of a stream.
    std::span<std::byte> bytes() const noexcept
    {
        if (ring_ == nullptr)
            return {};
        return {static_cast<std::byte*>(tacet_buffer_ring_at(ring_, buffer_)), bytes_};
    }
    bool empty() const noexcept { return bytes_ == 0; }

private:
    tacet_buffer_ring* ring_ = nullptr;
    unsigned buffer_ = 0;
    std::size_t bytes_ = 0;
};

// So many buffers of that many bytes, for one executor. It must outlive all that uses it; it may outlive the executor. While that
// lives it is destroyed on the executor's thread, which is asserted.
class buffer_ring {
public:
    buffer_ring(tacet_executor* for_tasks_of, unsigned count, std::size_t bytes)
    {
        check(tacet_buffer_ring_create(&ring_, for_tasks_of, count, bytes), "buffer_ring");
    }
    buffer_ring(executor_ref for_tasks_of, unsigned count, std::size_t bytes)
        : buffer_ring(for_tasks_of.get(), count, bytes)
    {
    }
    buffer_ring(const buffer_ring&) = delete;
    buffer_ring& operator=(const buffer_ring&) = delete;
    ~buffer_ring() { tacet_buffer_ring_destroy(ring_); }

    unsigned count() const noexcept { return tacet_buffer_ring_count(ring_); }
    std::size_t bytes() const noexcept { return tacet_buffer_ring_bytes(ring_); }
    tacet_buffer_ring* get() const noexcept { return ring_; }

private:
    tacet_buffer_ring* ring_ = nullptr;
};

// Of requests whose result lies in a buffer that the kernel has chosen.
struct selected_value {
    using value_type = received;
    tacet_buffer_ring* buffers;
    int buffer = -1;
    bool is_here = false; // the ring is the awaiting task's executor's

    explicit selected_value(tacet_buffer_ring* buffers_) noexcept : buffers(buffers_) {}
    void bind(const tacet_executor* on) noexcept { is_here = tacet_buffer_ring_is_of(buffers, on); }
    tacet_result select(io_uring_sqe* sqe) const noexcept
    {
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = tacet_buffer_ring_group(buffers);
        return is_here ? 0 : -EPERM;
    }
    void started(tacet_request& request) const noexcept
    {
        tacet_request_selects(&request, tacet_buffer_ring_group(buffers));
    }
    void ended(const tacet_request& request) noexcept
    {
        buffer = request.buffer.number != TACET_NO_BUFFER ? request.buffer.number : -1;
    }
    received value(tacet_result r) noexcept { return received(buffers, buffer, static_cast<std::size_t>(r)); }
    void discard(tacet_result r) noexcept { const received given_back = value(r); }
};

} // namespace tacet

#endif
