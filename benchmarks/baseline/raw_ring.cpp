// Setup and the two loops of the baseline `raw`, in the calls that liburing 2.3 has.
#include "baseline/raw_ring.hpp"

#include "harness/errors.hpp"
#include "harness/random.hpp"

#include <fmt/format.h>

#include <cstring>

namespace bench::baseline {
namespace {

constexpr unsigned setup_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
                                 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP;

void throw_if_failed(int result, const char* what)
{
    if (result < 0)
        throw unavailable(fmt::format("{}: {}", what, std::strerror(-result)));
}

}

raw_ring::raw_ring(unsigned entries)
{
    throw_if_failed(io_uring_queue_init(entries, &ring_, setup_flags), "io_uring_setup");
    const int registered = io_uring_register_ring_fd(&ring_);
    if (registered < 0)
        io_uring_queue_exit(&ring_);
    throw_if_failed(registered, "io_uring_register_ring_fd");
}

raw_ring::~raw_ring()
{
    io_uring_queue_exit(&ring_);
}

raw_nop::raw_nop(unsigned batch) : ring_(batch), batch_(batch) {}

void raw_nop::run(std::uint64_t ops)
{
    io_uring* ring = ring_.get();
    for (std::uint64_t sent = 0; sent < ops; sent += batch_) {
        for (unsigned i = 0; i < batch_; i++) {
            io_uring_sqe* sqe = io_uring_get_sqe(ring);
            io_uring_prep_nop(sqe);
            sqe->user_data = i + 1;
        }
        throw_if_failed(io_uring_submit_and_wait(ring, batch_), "io_uring_submit_and_wait");
        unsigned head;
        unsigned seen = 0;
        io_uring_cqe* cqe;
        io_uring_for_each_cqe(ring, head, cqe) {
            seen++;
            if (cqe->res != 0 || cqe->user_data - 1 >= batch_)
                throw wrong_answer("raw: a no-op completed with something else than it was sent with");
        }
        io_uring_cq_advance(ring, seen);
        if (seen != batch_)
            throw wrong_answer("raw: not as many completions as no-ops");
    }
}

raw_read::raw_read(int fd, std::byte* buffers, std::size_t block_bytes, std::uint64_t blocks, unsigned depth,
                   raw_buffers kind)
    : ring_(depth), fd_(fd), buffers_(buffers), block_bytes_(block_bytes), blocks_(blocks), random_(next_seed()),
      kind_(kind), wanted_(depth)
{
    if (kind_ == raw_buffers::registered)
        register_buffers();
    for (unsigned slot = 0; slot < depth; slot++)
        start(slot);
}

// The buffers belong to the kernel until the last completion has been seen.
raw_read::~raw_read()
{
    while (in_flight_ != 0 && io_uring_submit_and_wait(ring_.get(), 1) >= 0) {
        unsigned head;
        unsigned seen = 0;
        io_uring_cqe* cqe;
        io_uring_for_each_cqe(ring_.get(), head, cqe)
            seen++;
        io_uring_cq_advance(ring_.get(), seen);
        in_flight_ -= seen;
    }
}

void raw_read::register_buffers()
{
    std::vector<iovec> vectors;
    for (std::size_t slot = 0; slot < wanted_.size(); slot++)
        vectors.push_back({buffers_ + slot * block_bytes_, block_bytes_});
    throw_if_failed(io_uring_register_buffers(ring_.get(), vectors.data(), static_cast<unsigned>(vectors.size())),
                    "io_uring_register_buffers");
}

void raw_read::start(std::size_t slot)
{
    wanted_[slot] = random_below(random_, blocks_);
    io_uring_sqe* sqe = io_uring_get_sqe(ring_.get());
    std::byte* buffer = buffers_ + slot * block_bytes_;
    const auto bytes = static_cast<unsigned>(block_bytes_);
    if (kind_ == raw_buffers::registered)
        io_uring_prep_read_fixed(sqe, fd_, buffer, bytes, wanted_[slot] * block_bytes_, static_cast<int>(slot));
    else
        io_uring_prep_read(sqe, fd_, buffer, bytes, wanted_[slot] * block_bytes_);
    sqe->user_data = slot;
    in_flight_++;
}

// Returns the slot that is free again.
std::size_t raw_read::finish(const io_uring_cqe& cqe)
{
    const std::size_t slot = cqe.user_data;
    std::uint64_t number;
    std::memcpy(&number, buffers_ + slot * block_bytes_, sizeof number);
    if (cqe.res != static_cast<int>(block_bytes_) || number != wanted_[slot])
        throw wrong_answer("raw: a read did not deliver its block");
    in_flight_--;
    return slot;
}

std::uint64_t raw_read::run(std::uint64_t ops)
{
    io_uring* ring = ring_.get();
    std::uint64_t done = 0;
    while (done < ops) {
        throw_if_failed(io_uring_submit_and_wait(ring, 1), "io_uring_submit_and_wait");
        unsigned head;
        unsigned seen = 0;
        io_uring_cqe* cqe;
        io_uring_for_each_cqe(ring, head, cqe) {
            start(finish(*cqe));
            seen++;
        }
        io_uring_cq_advance(ring, seen);
        done += seen;
    }
    return done;
}

}
