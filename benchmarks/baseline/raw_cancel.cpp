// One enter for a cancel: it submits, and waits for both completions.
#include "baseline/raw_cancel.hpp"

#include "baseline/mailboxes.hpp"
#include "harness/errors.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

namespace bench::baseline {
namespace {

constexpr std::uint64_t of_op = 1, of_cancel = 2;

}

raw_cancel::raw_cancel(std::function<void(io_uring_sqe*)> prepare) : ring_(8), prepare_(std::move(prepare)) {}

void raw_cancel::submit_and_wait(unsigned count)
{
    int r;
    do
        r = io_uring_submit_and_wait(ring_.get(), count);
    while (r == -EINTR);
    if (r < 0)
        throw unavailable(fmt::format("io_uring_submit_and_wait: {}", std::strerror(-r)));
}

void raw_cancel::arm()
{
    io_uring_sqe* sqe = io_uring_get_sqe(ring_.get());
    prepare_(sqe);
    sqe->user_data = of_op;
    submit_and_wait(0);
}

void raw_cancel::cancel()
{
    io_uring_sqe* sqe = io_uring_get_sqe(ring_.get());
    io_uring_prep_cancel64(sqe, of_op, 0);
    sqe->user_data = of_cancel;
    submit_and_wait(2);
    for (int i = 0; i < 2; i++) {
        io_uring_cqe* cqe = nullptr;
        if (io_uring_peek_cqe(ring_.get(), &cqe) < 0)
            throw wrong_answer("raw_cancel: less than two completions");
        if (cqe->res != (cqe->user_data == of_op ? -ECANCELED : 0))
            throw wrong_answer(fmt::format("raw_cancel: {} ended with {}", cqe->user_data, cqe->res));
        io_uring_cqe_seen(ring_.get(), cqe);
    }
}

void raw_cancel::wait_for_message()
{
    submit_and_wait(1);
    io_uring_cqe* cqe = nullptr;
    if (io_uring_peek_cqe(ring_.get(), &cqe) < 0 || cqe->user_data == of_op)
        throw wrong_answer("raw_cancel: something else than a message came");
    io_uring_cqe_seen(ring_.get(), cqe);
}

void raw_cancel::send_message()
{
    send_ring_message(ring_.get()->ring_fd, 1);
}

}
