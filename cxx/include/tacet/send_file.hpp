// Files into sockets, by the shortest way that both know: from the page cache through a pipe, without a copy in this process.
//
//     const std::uint64_t sent = co_await tacet::send_file(connection, file, 0, bytes);
//
//     tacet::file_sender sender;                                      one that keeps its pipe, and says how far it came
//     try {
//         co_await tacet::with_deadline(10s, sender.send(connection, file, offset, bytes));
//     } catch (const std::system_error& failed) {
//         ... sender.sent() bytes are with the connection
//
// What is short is read and sent; so is all where the kernel knows no shorter way, where there is no pipe to be had, to a registered
// socket, and from file::own_position on. A peer that does not read is waited for by a poll: it keeps nothing else, and none of the
// kernel's worker threads.
#ifndef TACET_SEND_FILE_HPP
#define TACET_SEND_FILE_HPP

#include <tacet/copy.hpp>
#include <tacet/descriptor.h>
#include <tacet/detail/quiet.hpp>
#include <tacet/pipe.hpp>
#include <tacet/poll.hpp>
#include <tacet/socket.hpp>

#include <algorithm>
#include <memory>

namespace tacet {

// One task at a time uses it. It has at most a pipe (two descriptors) and 64 KiB, from when they are first needed.
class file_sender {
public:
    // What goes through the pipe at once; the kernel may give a smaller pipe.
    static constexpr std::size_t pipe_bytes_default = std::size_t{256} << 10;
    // So much or less is read and sent.
    static constexpr std::size_t copied_bytes_max = std::size_t{64} << 10;

    explicit file_sender(std::size_t pipe_bytes = pipe_bytes_default) noexcept
        : pipe_bytes_(std::clamp(pipe_bytes, std::size_t{4096}, detail::portion_max))
    {
    }

    // Sends bytes of the file, from the offset on, to a stream; less only where the file ends before. The number sent. Throws what
    // the peer or the file fails with; nothing raises SIGPIPE. CANCELLATION POINT. The file must not be written to before the peer
    // has acknowledged what was sent: it is not copied. While bytes are handed over the socket has O_NONBLOCK, for moments.
    // file::own_position goes on with what has been sent; where the send fails, by up to copied_bytes_max more.
    task<std::uint64_t> send(const socket& to, const file& from, std::uint64_t offset, std::uint64_t bytes)
    {
        sent_ = 0;
        bool is_spliced = bytes > copied_bytes_max && offset != file::own_position &&
                          !tacet_descriptor_is_registered(to.fd()) && open_pipe();
        while (sent_ < bytes) {
            const std::uint64_t left = bytes - sent_;
            progress made = progress::refused;
            if (is_spliced)
                made = co_await splice_some(to, from, offset + sent_, left);
            is_spliced = is_spliced && made != progress::refused;
            if (!is_spliced)
                made = co_await copy_some(to, from, detail::advanced(offset, sent_), left);
            if (made == progress::end)
                break;
        }
        co_return sent_;
    }

    // Of the last send(), whatever has become of that: the bytes that the socket has taken.
    std::uint64_t sent() const noexcept { return sent_; }

private:
    enum class progress { more, end, refused };

    // What is in the pipe is not sent: it is the file's still.
    class emptying {
    public:
        explicit emptying(file_sender& of) noexcept : of_(of) {}
        emptying(const emptying&) = delete;
        emptying& operator=(const emptying&) = delete;
        ~emptying()
        {
            if (of_.held_ > 0)
                of_.pipe_ = pipe_ends();
            of_.held_ = 0;
        }

    private:
        file_sender& of_;
    };

    bool open_pipe() noexcept
    {
        tacet_file ends[2];
        if (pipe_.reader)
            return true;
        if (tacet_pipe_open(ends, 0) < 0)
            return false;
        pipe_ = {file(ends[0].fd, ends[0].flags, nullptr), file(ends[1].fd, ends[1].flags, nullptr)};
        (void)::fcntl(pipe_.writer.fd(), F_SETPIPE_SZ, static_cast<int>(pipe_bytes_));
        return true;
    }

    // As much as the pipe takes. An interrupted read from the file has brought nothing.
    task<progress> splice_some(const socket& to, const file& from, std::uint64_t offset, std::uint64_t left)
    {
        const emptying at_end(*this);
        held_ = pipe_bytes_; // it is not known what a splice that was ended has left there
        const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left, pipe_bytes_));
        const result<std::size_t> got = co_await as_result(
            splice(from, offset, pipe_.writer, file::own_position, wanted));
        const bool is_refused = !got && got.error() == std::errc::invalid_argument;
        held_ = is_refused ? 0 : detail::bytes_of_step(got, "splice", from.fd());
        if (is_refused)
            co_return progress::refused;
        if (got && held_ == 0)
            co_return progress::end;
        while (held_ > 0) {
            const tacet_result r = detail::splice_now(pipe_.reader.fd(), to.fd(), held_, held_ == left);
            if (r == -EINVAL || r == -EOPNOTSUPP)
                co_return progress::refused;
            if (r < 0 && r != -EAGAIN && r != -EINTR)
                throw_error(r, detail::describe_descriptor("send file to", to.fd()));
            if (r == -EAGAIN)
                co_await operation<readiness_request>(readiness_request(to.fd(), POLLOUT, "send file"));
            const std::size_t taken = r > 0 ? static_cast<std::size_t>(r) : 0;
            held_ -= taken;
            left -= taken;
            sent_ += taken;
        }
        co_return progress::more;
    }

    task<progress> copy_some(const socket& to, const file& from, std::uint64_t offset, std::uint64_t left)
    {
        if (buffer_ == nullptr)
            buffer_.reset(new std::byte[copied_bytes_max]);
        std::span<std::byte> room(buffer_.get(), copied_bytes_max);
        room = room.first(static_cast<std::size_t>(std::min<std::uint64_t>(left, copied_bytes_max)));
        const std::size_t got = co_await from.read(room, offset);
        for (std::span<const std::byte> rest = room.first(got); !rest.empty();) {
            const std::size_t taken = co_await to.send(rest);
            rest = rest.subspan(taken);
            sent_ += taken;
        }
        co_return got > 0 ? progress::more : progress::end;
    }

    std::size_t pipe_bytes_;
    pipe_ends pipe_{};
    std::size_t held_ = 0; // in the pipe
    std::uint64_t sent_ = 0;
    std::unique_ptr<std::byte[]> buffer_{};
};

// The same, once.
inline task<std::uint64_t> send_file(const socket& to, const file& from, std::uint64_t offset, std::uint64_t bytes)
{
    file_sender sender;
    co_return co_await sender.send(to, from, offset, bytes);
}

} // namespace tacet

#endif
