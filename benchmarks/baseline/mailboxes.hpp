// Baselines of a wake: two threads that send each other a number and sleep until one comes, by the bare means of the
// kernel. `ring_mailbox` is the baseline `ring_message`: IORING_REGISTER_SEND_MSG_RING to a thread that waits in
// io_uring_enter with tacet's setup flags and a registered ring descriptor; `futex_mailbox` is `futex`; `eventfd_mailbox`
// is `eventfd`: a write to an eventfd on which the sleeper's ring has a multishot poll.
//
// open(), wait() and close() on the thread that sleeps, send() on another, one number at a time.
#pragma once

#include "baseline/raw_ring.hpp"

#include <atomic>
#include <cstdint>
#include <optional>

namespace bench::baseline {

// A completion with that number as its result, in a ring of any thread. Throws unavailable where the kernel says no.
void send_ring_message(int ring_fd, std::uint32_t number);

// A ring whose thread waits for one completion at a time.
class waiting_ring {
public:
    void open();
    void close() { ring_.reset(); }
    io_uring* get() noexcept { return ring_->get(); }

    // Sleeps until there is a completion, and returns its result. Throws unavailable where the kernel says no.
    int take();

private:
    void wait_for_completion();

    std::optional<raw_ring> ring_;
    unsigned flags_ = 0;
};

class ring_mailbox {
public:
    static constexpr const char* name = "ring_message";

    void open() { ring_.open(); }
    void close() { ring_.close(); }
    void send(std::uint32_t number);
    std::uint32_t wait();

private:
    waiting_ring ring_;
};

class futex_mailbox {
public:
    static constexpr const char* name = "futex";

    void open() {}
    void close() {}
    void send(std::uint32_t number);
    std::uint32_t wait();

private:
    alignas(64) std::atomic<std::uint32_t> number_ = 0; // 0: none
};

class eventfd_mailbox {
public:
    static constexpr const char* name = "eventfd";

    void open();
    void close();
    void send(std::uint32_t number);
    std::uint32_t wait();

private:
    void arm();

    waiting_ring ring_;
    int fd_ = -1;
    alignas(64) std::atomic<std::uint32_t> number_ = 0;
};

}
