// Bytes from file to file: splice, tee, and copies.
#ifndef TACET_COPY_HPP
#define TACET_COPY_HPP

#include <tacet/blocking.hpp>
#include <tacet/file.hpp>
#include <tacet/steps.h>

#include <cerrno>

#include <sys/stat.h>
#include <unistd.h>

namespace tacet {

struct splice_request : detail::size_value {
    static constexpr unsigned opcode = IORING_OP_SPLICE;
    int from, to;
    std::uint64_t from_offset, to_offset;
    std::size_t bytes;
    unsigned flags;

    splice_request(int from_, std::uint64_t from_offset_, int to_, std::uint64_t to_offset_, std::size_t bytes_,
                   unsigned flags_) noexcept
        : from(from_), to(to_), from_offset(from_offset_), to_offset(to_offset_), bytes(bytes_), flags(flags_)
    {
    }
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        return tacet_prepare_splice(sqe, from, from_offset, to, to_offset, bytes, flags);
    }
    std::string describe() const
    {
        return detail::describe_descriptor("splice", from) + " to " + detail::descriptor_name(to);
    }
};

// splice(2): one of the two is a pipe. The number of bytes, short counts are normal; 0: the end. At most INT_MAX bytes.
inline operation<splice_request> splice(const file& from, std::uint64_t from_offset, const file& to,
                                        std::uint64_t to_offset, std::size_t bytes, unsigned flags = 0)
{
    return operation<splice_request>(splice_request(from.fd(), from_offset, to.fd(), to_offset, bytes, flags));
}
// The same at the files' own positions.
inline operation<splice_request> splice(const file& from, const file& to, std::size_t bytes, unsigned flags = 0)
{
    return splice(from, file::own_position, to, file::own_position, bytes, flags);
}

struct tee_request : detail::size_value {
    static constexpr unsigned opcode = IORING_OP_TEE;
    int from, to;
    std::size_t bytes;
    unsigned flags;

    tee_request(int from_, int to_, std::size_t bytes_, unsigned flags_) noexcept
        : from(from_), to(to_), bytes(bytes_), flags(flags_)
    {
    }
    tacet_result prepare(io_uring_sqe* sqe) const noexcept { return tacet_prepare_tee(sqe, from, to, bytes, flags); }
    std::string describe() const
    {
        return detail::describe_descriptor("tee", from) + " to " + detail::descriptor_name(to);
    }
};

// tee(2): from pipe to pipe, and the bytes stay in the first.
inline operation<tee_request> tee(const file& from, const file& to, std::size_t bytes, unsigned flags = 0)
{
    return operation<tee_request>(tee_request(from.fd(), to.fd(), bytes, flags));
}

// Copies up to so many bytes on a helper thread: by copy_file_range(2), where that is refused by reading and writing. The
// number of bytes, fewer only at the end of `from`; within one file that is its end when the copy starts, and ranges that
// overlap are an invalid_argument. Holes may be filled. A cancel takes effect between portions of 64 MiB.
inline task<std::uint64_t> copy_range(const file& from, std::uint64_t from_offset, const file& to,
                                      std::uint64_t to_offset, std::uint64_t bytes = UINT64_MAX)
{
    constexpr std::uint64_t portion_max = std::uint64_t{64} << 20;
    std::uint64_t done = 0;
    while (done < bytes) {
        auto copy = [&]() -> tacet_result {
            if (done == 0) {
                const tacet_result limit = tacet_copy_range_limit(from.fd(), from_offset, to.fd(), to_offset, bytes);
                if (limit < 0)
                    return limit;
                bytes = static_cast<std::uint64_t>(limit);
            }
            const auto portion = static_cast<std::size_t>(std::min(bytes - done, portion_max));
            return tacet_copy_range_blocking(from.fd(), from_offset + done, to.fd(), to_offset + done, portion);
        };
        const tacet_result r = co_await run_blocking(copy);
        if (r < 0)
            throw_error(r, detail::describe_descriptor("copy", from.fd()) + " to " + detail::descriptor_name(to.fd()));
        if (r == 0)
            break;
        done += static_cast<std::uint64_t>(r);
    }
    co_return done;
}

namespace detail {

inline bool is_same_file(const struct statx& a, const struct statx& b) noexcept
{
    return a.stx_ino == b.stx_ino && a.stx_dev_major == b.stx_dev_major && a.stx_dev_minor == b.stx_dev_minor;
}

} // namespace detail

// The content of one file becomes that of another, which is made, with the same permissions as far as the umask lets
// them, or overwritten. The number of bytes. A directory (is_a_directory) or a file onto itself (invalid_argument) is
// refused, and nothing is overwritten then.
inline task<std::uint64_t> copy_file(location from, location to)
{
    file in = co_await open(std::move(from), O_RDONLY);
    const struct statx original = co_await in.stat(STATX_TYPE | STATX_MODE | STATX_INO);
    if (S_ISDIR(original.stx_mode))
        throw_error(-EISDIR, detail::describe_descriptor("copy", in.fd()));
    file out = co_await open(std::move(to), O_WRONLY | O_CREAT, original.stx_mode & 0777);
    const struct statx target = co_await out.stat(STATX_TYPE | STATX_SIZE | STATX_INO);
    const std::string what = detail::describe_descriptor("copy", in.fd()) + " to " + detail::descriptor_name(out.fd());
    if (detail::is_same_file(original, target))
        throw_error(-EINVAL, what);
    if (S_ISREG(target.stx_mode) && target.stx_size > 0) {
        auto truncate = [&] { return tacet_result{::ftruncate(out.fd(), 0) < 0 ? -errno : 0}; };
        const tacet_result r = co_await run_blocking(truncate);
        if (r < 0)
            throw_error(r, what);
    }
    const std::uint64_t bytes = co_await copy_range(in, 0, out, 0);
    co_await out.close();
    co_return bytes;
}

} // namespace tacet

#endif
