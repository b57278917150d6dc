#include "connection.hpp"

#include "answer.hpp"
#include "request.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace httpd {

namespace {

constexpr std::size_t piece_bytes = 64 * 1024;     // smaller files go with their head, at once
constexpr std::size_t last_bytes_max = 256 * 1024; // of a refused request, read so that the refusal arrives
constexpr auto last_limit = std::chrono::seconds(1);

// The client has gone, or what it takes is too slow.
bool is_clients_doing(const std::error_code& error)
{
    return error == std::errc::connection_reset || error == std::errc::broken_pipe || error == std::errc::timed_out ||
           error == std::errc::not_connected || error == std::errc::connection_aborted ||
           error == std::errc::host_unreachable || error == std::errc::network_unreachable ||
           error == std::errc::operation_canceled || tacet::is_timeout(error);
}

// While it lives, the task is one that waits for a request.
class idling {
public:
    idling(site& served, tacet_task* self) : site_(served), self_(self) { site_.idle.insert(self_); }
    idling(const idling&) = delete;
    idling& operator=(const idling&) = delete;
    ~idling() { site_.idle.erase(self_); }

private:
    site& site_;
    tacet_task* self_;
};

bool is_known_method(std::string_view method)
{
    constexpr std::array known = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    return std::find(known.begin(), known.end(), method) != known.end();
}

// Not by fmt::print(), which throws where nobody reads it.
void tell(const std::exception& why) noexcept
{
    (void)std::fprintf(stderr, "tacet-httpd: %s\n", why.what());
}

std::span<const std::byte> bytes_of(std::string_view text)
{
    return std::as_bytes(std::span(text));
}

class connection {
public:
    connection(tacet::socket client, site& served) : client_(std::move(client)), site_(&served), piece_(piece_bytes)
    {
        const int on = 1; // an answer does not wait for the receipt of the one before; where that is unknown, none does
        (void)::setsockopt(client_.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }

    tacet::task<void> serve()
    {
        after next = after::more;
        while (next == after::more) {
            std::optional<refusal> refused;
            try {
                next = co_await next_request();
            } catch (const refusal& why) {
                refused = why;
            }
            if (refused) {
                co_await refuse(refused->why);
                next = after::end;
            }
        }
        if (next == after::end)
            co_await let_answer_arrive();
    }

private:
    enum class after { more, end, gone }; // end: the answer was the last; gone: there was no request

    tacet::task<after> next_request()
    {
        const std::size_t length = co_await read_head();
        if (length == 0)
            co_return after::gone;
        const std::string head = received_.substr(0, length);
        received_.erase(0, length);
        drop_empty_lines();
        request asked = parse_request(head);
        if (asked.method != "GET" && asked.method != "HEAD") {
            const status why = is_known_method(asked.method) ? status::method_not_allowed : status::not_implemented;
            co_await send_head(asked, answer_that(why, false, true));
            co_return after::end;
        }
        if (asked.has_body)
            throw refusal{status::content_too_large};
        asked.keep_alive = asked.keep_alive && !site_->stop.gently.is_set();
        co_await answer_file(asked);
        co_return asked.keep_alive && !site_->stop.gently.is_set() ? after::more : after::end;
    }

    // The length of the head that has come; 0: the client has nothing more to ask.
    tacet::task<std::size_t> read_head()
    {
        if (received_.empty() && !co_await wait_for_request())
            co_return 0;
        const auto limit = std::chrono::steady_clock::now() + site_->wanted.head_limit;
        std::size_t length = head_length(received_);
        while (length == 0) {
            if (received_.size() >= head_bytes_max)
                refuse_length();
            auto more = tacet::as_result(tacet::with_deadline(limit, client_.receive(piece_)));
            const tacet::result<std::size_t> bytes = co_await std::move(more);
            if (!bytes && tacet::is_timeout(bytes.error()))
                throw refusal{status::request_timeout};
            if (!keep(bytes))
                co_return 0;
            length = head_length(received_);
        }
        if (length > head_bytes_max)
            refuse_length();
        co_return length;
    }

    [[noreturn]] void refuse_length() const
    {
        const bool in_first_line = received_.find('\n') > head_bytes_max;
        throw refusal{in_first_line ? status::uri_too_long : status::header_fields_too_large};
    }

    // Idle until then: the site may end the wait.
    tacet::task<bool> wait_for_request()
    {
        tacet_task* self = co_await tacet::this_task();
        if (site_->stop.gently.is_set())
            co_return false;
        const idling waits(*site_, self);
        auto first = tacet::as_result(tacet::with_deadline(site_->wanted.idle_limit, client_.receive(piece_)));
        const tacet::result<std::size_t> bytes = co_await std::move(first);
        if (bytes && site_->stop.gently.is_set() && !site_->stop.at_once.is_set())
            (void)tacet_task_take_interrupt(self); // what has been asked for before it came is answered
        co_return keep(bytes);
    }

    // false: nothing more will come, be it that the client ends, is too slow, or is to go.
    bool keep(const tacet::result<std::size_t>& bytes)
    {
        if (!bytes && !is_clients_doing(bytes.error()))
            tacet::throw_error(-bytes.error().value(), "receive");
        if (!bytes || *bytes == 0)
            return false;
        received_.append(reinterpret_cast<const char*>(piece_.data()), *bytes);
        drop_empty_lines();
        return true;
    }

    void drop_empty_lines() { received_.erase(0, empty_lines_length(received_)); }

    tacet::task<void> answer_file(const request& asked)
    {
        std::optional<answer> instead;
        content found;
        try {
            found = co_await open_content(site_->root, asked.path);
        } catch (const refusal& why) {
            instead = answer_that(why.why, asked.keep_alive, asked.method == "GET");
        } catch (const redirection& where) {
            instead = answer_that(status::moved_permanently, asked.keep_alive, asked.method == "GET", where.to);
        }
        if (instead) {
            co_await send_head(asked, *instead);
            co_return;
        }
        const answer made = answer_with(asked, found);
        if (made.head.size() + made.bytes <= piece_.size())
            co_await send_small(made, found.file);
        else
            co_await send_large(made, found.file);
        site_->log(asked.method, asked.path, static_cast<int>(made.what), made.bytes);
    }

    // Never more than a piece: a client that takes nothing is noticed.
    tacet::task<void> send(std::span<const std::byte> bytes)
    {
        auto sent = tacet::with_deadline(site_->wanted.send_limit, client_.send_all(bytes));
        co_await std::move(sent);
    }

    // The beginning of what goes on at once.
    tacet::task<void> send_more(std::span<const std::byte> bytes)
    {
        const auto limit = std::chrono::steady_clock::now() + site_->wanted.send_limit;
        while (!bytes.empty()) {
            auto sent = tacet::with_deadline(limit, client_.send(bytes, MSG_MORE));
            bytes = bytes.subspan(co_await std::move(sent));
        }
    }

    tacet::task<void> send_head(const request& asked, const answer& made)
    {
        co_await send(bytes_of(made.head));
        site_->log(asked.method, asked.path, static_cast<int>(made.what), 0);
    }

    // Head and body with one call.
    tacet::task<void> send_small(const answer& made, const tacet::file& file)
    {
        std::memcpy(piece_.data(), made.head.data(), made.head.size());
        std::size_t filled = made.head.size();
        const std::size_t all = filled + made.bytes;
        while (filled < all) {
            const std::span<std::byte> rest = std::span(piece_).first(all).subspan(filled);
            const std::size_t bytes = co_await file.read(rest, made.offset + filled - made.head.size());
            if (bytes == 0)
                tacet::throw_error(-EIO, "a file that became shorter");
            filled += bytes;
        }
        co_await send(std::span(piece_).first(all));
    }

    // A client that takes less than a piece in its time is too slow, even if it takes some.
    tacet::task<void> send_large(const answer& made, const tacet::file& file)
    {
        co_await send_more(bytes_of(made.head));
        for (std::uint64_t sent = 0; sent < made.bytes; sent += sender_.sent()) {
            const std::uint64_t before = untaken();
            auto rest = sender_.send(client_, file, made.offset + sent, made.bytes - sent);
            auto some = tacet::as_result(tacet::with_deadline(site_->wanted.send_limit, std::move(rest)));
            const tacet::result<std::uint64_t> ended = co_await std::move(some);
            if (ended && sent + *ended < made.bytes)
                tacet::throw_error(-EIO, "a file that became shorter");
            const std::uint64_t taken = before + sender_.sent() - untaken();
            if (!ended && !(tacet::is_timeout(ended.error()) && taken >= piece_bytes))
                tacet::throw_error(-ended.error().value(), "send");
        }
    }

    // What the kernel still keeps of what was sent.
    std::uint64_t untaken() const
    {
        int bytes = 0;
        (void)::ioctl(client_.fd(), SIOCOUTQ, &bytes);
        return static_cast<std::uint64_t>(bytes);
    }

    tacet::task<void> refuse(status why)
    {
        const answer made = answer_that(why, false, true);
        co_await send(bytes_of(made.head));
        site_->log("-", "-", static_cast<int>(why), 0);
    }

    // The client may still be sending: closed at once, the connection would be reset, and the answer lost with it.
    tacet::task<void> let_answer_arrive()
    {
        co_await client_.shutdown(SHUT_WR);
        const auto limit = std::chrono::steady_clock::now() + last_limit;
        for (std::size_t left = last_bytes_max; left > 0;) {
            auto more = tacet::as_result(tacet::with_deadline(limit, client_.receive(piece_)));
            const tacet::result<std::size_t> bytes = co_await std::move(more);
            if (!bytes || *bytes == 0)
                break;
            left -= std::min(left, *bytes);
        }
    }

    tacet::socket client_;
    site* site_;
    std::vector<std::byte> piece_;
    std::string received_;
    tacet::file_sender sender_;
};

}

tacet::task<void> serve_connection(tacet::socket client, tacet::semaphore::permit, site& served)
{
    try {
        connection serving(std::move(client), served);
        co_await serving.serve();
    } catch (const std::system_error& why) {
        if (!is_clients_doing(why.code()))
            tell(why);
    } catch (const std::exception& why) {
        tell(why);
    }
}

}
