// Three ways to wake a thread, each with as few instructions around the system calls as will do.
#include "baseline/mailboxes.hpp"

#include "harness/errors.hpp"

#include <fmt/format.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace bench::baseline {
namespace {

// Of kernels and libraries newer than liburing 2.3.
constexpr unsigned register_send_msg_ring = 31;
constexpr unsigned feature_no_iowait = 1u << 17;
constexpr unsigned enter_no_iowait = 1u << 7;

void throw_if_failed(long result, const char* what)
{
    if (result < 0)
        throw unavailable(fmt::format("{}: {}", what, std::strerror(static_cast<int>(-result))));
}

}

void waiting_ring::open()
{
    ring_.emplace(8);
    flags_ = IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING;
    if (get()->features & feature_no_iowait)
        flags_ |= enter_no_iowait;
}

void waiting_ring::wait_for_completion()
{
    io_uring* ring = get();
    while (io_uring_cq_ready(ring) == 0) {
        const int r = io_uring_enter2(static_cast<unsigned>(ring->enter_ring_fd), 0, 1, flags_, nullptr, _NSIG / 8);
        if (r != -EINTR)
            throw_if_failed(r, "io_uring_enter");
    }
}

int waiting_ring::take()
{
    wait_for_completion();
    io_uring_cqe* cqe = nullptr;
    throw_if_failed(io_uring_peek_cqe(get(), &cqe), "io_uring_peek_cqe");
    const int result = cqe->res;
    io_uring_cqe_seen(get(), cqe);
    return result;
}

void send_ring_message(int ring_fd, std::uint32_t number)
{
    io_uring_sqe sqe = {};
    sqe.opcode = IORING_OP_MSG_RING;
    sqe.fd = ring_fd;
    sqe.len = number;
    throw_if_failed(io_uring_register(-1u, register_send_msg_ring, &sqe, 1), "IORING_REGISTER_SEND_MSG_RING");
}

void ring_mailbox::send(std::uint32_t number)
{
    send_ring_message(ring_.get()->ring_fd, number);
}

std::uint32_t ring_mailbox::wait()
{
    return static_cast<std::uint32_t>(ring_.take());
}

void futex_mailbox::send(std::uint32_t number)
{
    number_.store(number, std::memory_order_release);
    syscall(SYS_futex, &number_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

std::uint32_t futex_mailbox::wait()
{
    for (;;) {
        const std::uint32_t number = number_.load(std::memory_order_acquire);
        if (number != 0) {
            number_.store(0, std::memory_order_relaxed);
            return number;
        }
        syscall(SYS_futex, &number_, FUTEX_WAIT_PRIVATE, 0, nullptr, nullptr, 0);
    }
}

void eventfd_mailbox::open()
{
    ring_.open();
    fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    throw_if_failed(fd_ < 0 ? -errno : 0, "eventfd");
    arm();
}

void eventfd_mailbox::close()
{
    ring_.close();
    ::close(std::exchange(fd_, -1));
}

void eventfd_mailbox::arm()
{
    io_uring_sqe* sqe = io_uring_get_sqe(ring_.get());
    io_uring_prep_poll_multishot(sqe, fd_, POLLIN);
    throw_if_failed(io_uring_submit(ring_.get()), "io_uring_submit");
}

void eventfd_mailbox::send(std::uint32_t number)
{
    number_.store(number, std::memory_order_release);
    const std::uint64_t one = 1;
    throw_if_failed(write(fd_, &one, sizeof one) < 0 ? -errno : 0, "eventfd: write");
}

// The counter is not read: each write is an event of its own to a multishot poll.
std::uint32_t eventfd_mailbox::wait()
{
    throw_if_failed(ring_.take(), "eventfd: poll");
    return number_.exchange(0, std::memory_order_acquire);
}

}
