// Connections by address, and by the name of a host: looked up, and tried one address after the other.
//
//     tacet::socket connection = co_await tacet::with_deadline(5s, tacet::connect("example.org", "80"));
//
// CANCELLATION POINTs all: a cancel or a deadline ends the wait for a name server at once, too.
#ifndef TACET_CONNECT_HPP
#define TACET_CONNECT_HPP

#include <tacet/deadline.hpp>
#include <tacet/scope.hpp>
#include <tacet/socket.hpp>
#include <tacet/sync.hpp>

#include <string>
#include <vector>

#include <netdb.h>

namespace tacet {

namespace detail {

class [[nodiscard]] lookup_awaiter : public wait_awaiter {
public:
    lookup_awaiter(const std::string& host, const std::string& service) noexcept
        : lookup_{host.empty() ? nullptr : host.c_str(), service.c_str(), &hints_, nullptr, 0}
    {
        hints_.ai_socktype = SOCK_STREAM;
    }
    lookup_awaiter(const lookup_awaiter&) = delete;
    lookup_awaiter& operator=(const lookup_awaiter&) = delete;
    ~lookup_awaiter() { tacet_lookup_finish(&lookup_); }

    template <tacet_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
    {
        if (!begin(awaiting)) [[unlikely]]
            return false;
        const tacet_result r = tacet_look_up_park(task_, &lookup_);
        if (r == 0) [[likely]]
            return true; // the result of the wait may be there already
        task_->result = r;
        return false;
    }
    std::vector<address> await_resume() const
    {
        if (task_->result < 0) [[unlikely]]
            throw_error(task_->result, "lookup \"" + std::string(lookup_.host != nullptr ? lookup_.host : "") +
                                           "\" \"" + lookup_.service + '"');
        std::vector<address> found;
        for (const addrinfo* each = lookup_.found; each != nullptr; each = each->ai_next)
            found.emplace_back(each->ai_addr, each->ai_addrlen);
        return found;
    }

private:
    addrinfo hints_{};
    tacet_lookup lookup_;
};

} // namespace detail

// The addresses of a host and a service (or port), by getaddrinfo(3) on a helper thread, in the order of preference. Without a
// host: this machine. No such name: no_such_file_or_directory. A lookup that a cancel or a deadline has ended goes on there for
// nobody; at most half of the process's helpers are with lookups, others wait for these.
inline task<std::vector<address>> lookup(std::string host, std::string service)
{
    detail::lookup_awaiter looks(host, service);
    std::vector<address> found = co_await looks;
    co_return found;
}

// A connection to the address.
inline task<socket> connect(address to)
{
    tacet_task* const self = co_await this_task();
    // A plain call, which does not block.
    socket made(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0), tacet_task_executor(self));
    if (!made)
        throw_error(-errno, "connect " + to.text());
    co_await made.connect(to);
    co_return made;
}

namespace detail {

// Attempts to connect that go on at the same time. See RFC 8305.
struct connecting {
    static constexpr std::chrono::milliseconds head_start{250};

    socket connected{};
    std::error_code error{}; // of the last that has failed
    address refused{};
    std::size_t under_way = 0;
    semaphore ended{0};

    // Also where an exception leaves the attempt, which the scope has then.
    class note_end {
    public:
        explicit note_end(connecting& all) noexcept : all_(all) {}
        note_end(const note_end&) = delete;
        note_end& operator=(const note_end&) = delete;
        ~note_end()
        {
            all_.under_way--;
            all_.ended.release();
        }

    private:
        connecting& all_;
    };

    task<void> attempt(address to)
    {
        const note_end at_the_end(*this);
        task<socket> connection = connect(to);
        result<socket> made = co_await as_result(std::move(connection));
        if (!made) {
            error = made.error();
            refused = to;
        } else if (!connected) {
            connected = *std::move(made);
        }
    }

    // The next begins when the one before has failed, or its head start is over.
    task<void> try_all(scope& attempts, const std::vector<address>& found)
    {
        for (std::size_t i = 0; i < found.size() && !connected; i++) {
            attempts.spawn(attempt(found[i]));
            under_way++;
            auto wait = with_deadline(head_start, ended.acquire());
            const result<void> waited = co_await as_result(std::move(wait));
            if (!waited && !is_timeout(waited.error()))
                throw std::system_error(waited.error(), "connect " + found[i].text());
        }
        while (!connected && under_way > 0)
            co_await ended.acquire();
        attempts.cancel();
    }
};

// Families take turns: one that leads nowhere is not to hold up the other.
inline std::vector<address> interleaved(const std::vector<address>& found)
{
    std::vector<address> preferred, other, all;
    for (const address& each : found)
        (each.family() == found.front().family() ? preferred : other).push_back(each);
    for (std::size_t i = 0; i < std::max(preferred.size(), other.size()); i++) {
        if (i < preferred.size())
            all.push_back(preferred[i]);
        if (i < other.size())
            all.push_back(other[i]);
    }
    return all;
}

} // namespace detail

// A connection to the first of the host's addresses that takes it. They are tried in the order of preference, the families in
// turn, each when the one before has failed or has taken 250 ms, which then goes on beside it (RFC 8305). If all fail, what the last
// failed with is thrown.
inline task<socket> connect(std::string host, std::string service)
{
    const std::vector<address> addresses = co_await lookup(std::move(host), std::move(service));
    const std::vector<address> found = detail::interleaved(addresses);
    detail::connecting all;
    auto body = [&](scope& attempts) -> task<void> { return all.try_all(attempts, found); };
    co_await with_scope(body);
    if (!all.connected)
        throw std::system_error(all.error, "connect " + all.refused.text());
    co_return std::move(all.connected);
}

} // namespace tacet

#endif
