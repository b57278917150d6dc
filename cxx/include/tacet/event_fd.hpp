// event_fd: a counter in a descriptor, to be awaited, and added to from anywhere: other threads, the handlers of signals,
// libraries and processes that get the descriptor. Between the tasks and threads of a program an event (event.hpp) costs less.
//
// A count is taken by who is resumed with it, so a cancel, a deadline or the end of the executor lose none.
#ifndef TACET_EVENT_FD_HPP
#define TACET_EVENT_FD_HPP

#include <tacet/file.hpp>
#include <tacet/notify.h>
#include <tacet/poll.hpp>

#include <sys/eventfd.h>

namespace tacet {

class event_fd {
public:
    // flags: 0, or EFD_SEMAPHORE: one is taken at a time.
    explicit event_fd(unsigned initial = 0, int flags = 0)
    {
        check(tacet_event_fd_open(&counter_.get(), initial, flags), "eventfd");
    }

    int fd() const noexcept { return counter_.fd(); }

    // Never waits: resource_unavailable_try_again if the counter would pass 2^64 - 2. THREAD-SAFE.
    void add(std::uint64_t count = 1) { check(tacet_event_fd_add(&counter_.get(), count), "add to an eventfd"); }

    // Without waiting: the count, or one of a semaphore; 0 if there is none. THREAD-SAFE.
    std::uint64_t take() noexcept
    {
        std::uint64_t count = 0;
        return tacet_event_fd_take(&counter_.get(), &count) < 0 ? 0 : count;
    }

    // Waits until it is not 0, and takes it. CANCELLATION POINT.
    task<std::uint64_t> wait()
    {
        std::uint64_t count = 0;
        tacet_result r = -EAGAIN;
        while (r == -EAGAIN) {
            co_await detail::until_readable(fd(), "wait for an eventfd");
            r = tacet_event_fd_take(&counter_.get(), &count);
        }
        check(r, "read an eventfd");
        co_return count;
    }

private:
    file counter_;
};

} // namespace tacet

#endif
