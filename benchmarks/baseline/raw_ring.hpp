// Baseline `raw`: plain liburing with the setup flags of tacet's ring and a registered ring descriptor. No tasks: a
// completion is looked at where it is found.
#pragma once

#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench::baseline {

// Throws unavailable, naming the reason, where the kernel gives no ring.
class raw_ring {
public:
    explicit raw_ring(unsigned entries);
    raw_ring(const raw_ring&) = delete;
    raw_ring& operator=(const raw_ring&) = delete;
    ~raw_ring();

    io_uring* get() noexcept { return &ring_; }

private:
    io_uring ring_;
};

// Batches of no-ops: fill, one enter that submits and waits for all of them, reap.
class raw_nop {
public:
    explicit raw_nop(unsigned batch);

    // `ops` is a multiple of the batch. Throws wrong_answer where a completion does not carry what was sent.
    void run(std::uint64_t ops);

private:
    raw_ring ring_;
    unsigned batch_;
};

enum class raw_buffers {
    plain,
    registered, // one for each read in flight, by its number
};

// Random block reads of one file, `depth` always in flight: one enter waits for at least one, refills at once.
class raw_read {
public:
    // buffers: room for `depth` blocks.
    raw_read(int fd, std::byte* buffers, std::size_t block_bytes, std::uint64_t blocks, unsigned depth,
             raw_buffers kind = raw_buffers::plain);
    raw_read(const raw_read&) = delete;
    raw_read& operator=(const raw_read&) = delete;
    ~raw_read();

    // Reads at least `ops` blocks and returns how many. Each must be whole and begin with its own number, or
    // wrong_answer is thrown.
    std::uint64_t run(std::uint64_t ops);

private:
    void register_buffers();
    void start(std::size_t slot);
    std::size_t finish(const io_uring_cqe& cqe);

    raw_ring ring_;
    std::size_t in_flight_ = 0;
    int fd_;
    std::byte* buffers_;
    std::size_t block_bytes_;
    std::uint64_t blocks_;
    std::uint64_t random_;
    raw_buffers kind_;
    std::vector<std::uint64_t> wanted_;
};

}
