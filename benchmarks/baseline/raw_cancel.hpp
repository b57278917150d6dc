// Baseline `raw_cancel`: an operation that waits for ever, in a bare ring, and its cancel. From another thread: a bare ring
// message to the thread that waits for it, which then cancels.
#pragma once

#include "baseline/raw_ring.hpp"

#include <functional>

namespace bench::baseline {

class raw_cancel {
public:
    // On the thread that uses it. prepare fills the SQE of the operation.
    explicit raw_cancel(std::function<void(io_uring_sqe*)> prepare);

    // Starts the operation.
    void arm();

    // Returns when it has ended. Throws wrong_answer unless it was cancelled.
    void cancel();

    void wait_for_message();

    // From another thread: see wait_for_message().
    void send_message();

private:
    void submit_and_wait(unsigned count);

    raw_ring ring_;
    std::function<void(io_uring_sqe*)> prepare_;
};

}
