// socket_reader: what comes over a stream, cut into what a protocol speaks of.
//
//     tacet::socket_reader reader(connection);
//     while (std::optional<std::string_view> line = co_await reader.until("\r\n"))
//         use(*line);
//
// It borrows the socket, whose sending side is anybody's, and keeps what has been received and not been taken. So whatever ends
// a call (a cancel, a deadline, a delimiter that does not come) loses nothing: the next call, of any kind, finds it. One task at a
// time uses it. Views are valid until the next call. Memory grows with what is asked for, up to bytes_max.
#ifndef TACET_SOCKET_READER_HPP
#define TACET_SOCKET_READER_HPP

#include <tacet/socket.hpp>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace tacet {

class socket_reader {
public:
    static constexpr std::size_t bytes_max_default = std::size_t{64} << 10;

    // The longest piece that can be asked for.
    explicit socket_reader(const socket& from, std::size_t bytes_max = bytes_max_default) noexcept
        : from_(&from), bytes_max_(std::max(bytes_max, std::size_t{1}))
    {
    }
    socket_reader(const socket_reader&) = delete; // views and calls refer to it
    socket_reader& operator=(const socket_reader&) = delete;

    // All are CANCELLATION POINTs where they wait.

    // What comes before the delimiter, and the delimiter; nothing: the stream has ended. message_size: bytes_max bytes are there
    // without it; no_message_available: the stream ends within the piece. What is there stays.
    task<std::optional<std::string_view>> until(std::string delimiter)
    {
        if (delimiter.empty())
            throw_failed(-EINVAL);
        for (std::size_t searched = 0;;) {
            const std::size_t found = buffered().find(delimiter, searched);
            if (found != std::string_view::npos)
                co_return take(found + delimiter.size());
            const std::size_t there = buffered().size();
            searched = there >= delimiter.size() ? there - delimiter.size() + 1 : 0;
            if (there >= bytes_max_)
                throw_failed(-EMSGSIZE);
            const bool has_more = co_await receive_more(there + 1);
            if (!has_more)
                co_return ended();
        }
    }

    // So many bytes; nothing: the stream has ended. message_size: more than bytes_max; no_message_available as above.
    task<std::optional<std::string_view>> exactly(std::size_t bytes)
    {
        if (bytes > bytes_max_)
            throw_failed(-EMSGSIZE);
        while (buffered().size() < bytes) {
            const bool has_more = co_await receive_more(bytes);
            if (!has_more)
                co_return ended();
        }
        co_return take(bytes);
    }

    // Whatever is there, or comes next; empty: the stream has ended.
    task<std::string_view> some()
    {
        if (buffered().empty())
            (void)co_await receive_more(1);
        co_return take(buffered().size());
    }

    // The same into memory of the caller's, as far as that goes, without a way through ours: for bodies. The number of bytes; into
    // no memory none, at once.
    task<std::size_t> read(std::span<std::byte> into)
    {
        if (into.empty())
            co_return 0;
        if (buffered().empty())
            co_return co_await from_->receive(into.first(std::min<std::size_t>(into.size(), INT_MAX)));
        const std::string_view taken = take(std::min(into.size(), buffered().size()));
        std::memcpy(into.data(), taken.data(), taken.size());
        co_return taken.size();
    }

    // What has been received and not been taken; of it so many bytes, that there are.
    std::string_view buffered() const noexcept { return {buffer_.get() + begin_, end_ - begin_}; }
    std::string_view take(std::size_t bytes) noexcept
    {
        const std::string_view taken = buffered().substr(0, bytes);
        begin_ += taken.size();
        return taken;
    }

private:
    static constexpr std::size_t bytes_at_first = 4096;

    [[noreturn]] void throw_failed(tacet_result r) const
    {
        throw_error(r, detail::describe_descriptor("read", from_->fd()));
    }

    std::optional<std::string_view> ended() const
    {
        if (!buffered().empty())
            throw_failed(-ENODATA);
        return std::nullopt;
    }

    // Makes room for so many bytes in all, more than there are: by moving what is there to the front, or into more memory.
    void make_room(std::size_t needed)
    {
        const std::size_t there = end_ - begin_;
        if (needed > room_) {
            const std::size_t room = std::max(needed, std::min(bytes_max_, std::max(bytes_at_first, 2 * room_)));
            std::unique_ptr<char[]> larger(new char[room]);
            if (there > 0)
                std::memcpy(larger.get(), buffer_.get() + begin_, there);
            buffer_ = std::move(larger);
            room_ = room;
        } else if (there > 0) {
            std::memmove(buffer_.get(), buffer_.get() + begin_, there);
        }
        begin_ = 0;
        end_ = there;
    }

    // Once, so that there may be `needed` bytes. false: the stream has ended.
    task<bool> receive_more(std::size_t needed)
    {
        if (begin_ + needed > room_ || begin_ > room_ / 2)
            make_room(needed);
        const std::span<char> room(buffer_.get() + end_, std::min<std::size_t>(room_ - end_, INT_MAX));
        const std::size_t got = co_await from_->receive(std::as_writable_bytes(room));
        end_ += got;
        co_return got > 0;
    }

    const socket* from_;
    std::size_t bytes_max_;
    std::unique_ptr<char[]> buffer_{};
    std::size_t room_ = 0, begin_ = 0, end_ = 0; // of the buffer, and what of it has not been taken
};

} // namespace tacet

#endif
