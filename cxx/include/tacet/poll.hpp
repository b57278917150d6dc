// Waiting until a descriptor is ready, once. See also tacet::poll().
#ifndef TACET_POLL_HPP
#define TACET_POLL_HPP

#include <tacet/op.hpp>

#include <poll.h>

namespace tacet {

struct readiness_request : poll_request {
    const char* what;

    readiness_request(int fd_, unsigned events_, const char* what_) noexcept : poll_request{fd_, events_}, what(what_)
    {
    }
    std::string describe() const { return what; }
};

namespace detail {

// For what is then taken by a plain call that does not wait: so nothing is lost with a wait that was cancelled.
inline operation<readiness_request> until_readable(int fd, const char* what)
{
    return operation<readiness_request>(readiness_request(fd, POLLIN, what));
}

} // namespace detail

// Waits until there is something to read, the end, or an error; the poll(2) events that are there.
inline operation<readiness_request> wait_readable(int fd)
{
    return detail::until_readable(fd, "wait until readable");
}

// Waits until there is room to write, or an error; the poll(2) events that are there.
inline operation<readiness_request> wait_writable(int fd)
{
    return operation<readiness_request>(readiness_request(fd, POLLOUT, "wait until writable"));
}

} // namespace tacet

#endif
