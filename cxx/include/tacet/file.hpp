// Files: opened, read, written, synced, closed. What is done by path alone: path.hpp.
//
// Memory that an operation names (the buffer, the vectors) must live until its await has ended; paths are kept by the operation
// itself. Values and errors are those of the system calls named.
#ifndef TACET_FILE_HPP
#define TACET_FILE_HPP

#include <tacet/descriptor.h>
#include <tacet/executor.hpp>
#include <tacet/location.hpp>
#include <tacet/op.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace tacet {

class buffer_part;
class file;
template <bool Writes>
struct buffer_request;
using read_buffer_request = buffer_request<false>;
using write_buffer_request = buffer_request<true>;

struct read_request : detail::size_value {
    static constexpr unsigned opcode = IORING_OP_READ;
    int fd;
    unsigned flags; // of the file
    void* buffer;
    std::size_t bytes;
    std::uint64_t offset;

    read_request(const tacet_file& file, std::span<std::byte> into, std::uint64_t offset_) noexcept
        : fd(file.fd), flags(file.flags), buffer(into.data()), bytes(into.size()), offset(offset_)
    {
    }
    tacet_result try_at_once(tacet_task* task) const noexcept
    {
        return tacet_read_at_once(task, fd, buffer, bytes, offset);
    }
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        return tacet_prepare_read(sqe, fd, buffer, bytes, offset);
    }
    std::string describe() const { return detail::describe_descriptor("read", fd); }
};

struct write_request : detail::size_value {
    static constexpr unsigned opcode = IORING_OP_WRITE;
    int fd;
    unsigned flags; // of the file
    const void* buffer;
    std::size_t bytes;
    std::uint64_t offset;

    write_request(const tacet_file& file, std::span<const std::byte> from, std::uint64_t offset_) noexcept
        : fd(file.fd), flags(file.flags), buffer(from.data()), bytes(from.size()), offset(offset_)
    {
    }
    tacet_result try_at_once(tacet_task* task) const noexcept
    {
        return tacet_write_at_once(task, fd, buffer, bytes, offset);
    }
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        return tacet_prepare_write(sqe, fd, buffer, bytes, offset);
    }
    std::string describe() const { return detail::describe_descriptor("write", fd); }
};

template <bool Writes>
struct vectors_request : detail::size_value {
    static constexpr unsigned opcode = Writes ? IORING_OP_WRITEV : IORING_OP_READV;
    int fd;
    std::span<const iovec> vectors;
    std::uint64_t offset;

    vectors_request(int fd_, std::span<const iovec> vectors_, std::uint64_t offset_) noexcept
        : fd(fd_), vectors(vectors_), offset(offset_)
    {
    }
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        const auto fill_in = Writes ? tacet_prepare_writev : tacet_prepare_readv;
        return fill_in(sqe, fd, vectors.data(), vectors.size(), offset);
    }
    std::string describe() const { return detail::describe_descriptor(Writes ? "writev" : "readv", fd); }
};
using readv_request = vectors_request<false>;
using writev_request = vectors_request<true>;

struct close_request : detail::void_value {
    static constexpr unsigned opcode = IORING_OP_CLOSE;
    static constexpr bool cancellable = false;
    tacet_file* closed;
    int fd = -1;

    explicit close_request(tacet_file* closed_) noexcept : closed(closed_) {}
    tacet_result prepare(io_uring_sqe* sqe) noexcept
    {
        fd = std::exchange(closed->fd, -1);
        return tacet_prepare_close(sqe, fd);
    }
    std::string describe() const { return "close descriptor " + std::to_string(fd >= 0 ? fd : closed->fd); }
};

struct sync_request : detail::void_value {
    static constexpr unsigned opcode = IORING_OP_FSYNC;
    tacet_file* synced;
    unsigned flags;

    sync_request(tacet_file* synced_, unsigned flags_) noexcept : synced(synced_), flags(flags_) {}
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        return synced->sync_error < 0 ? synced->sync_error : tacet_prepare_fsync(sqe, synced->fd, flags);
    }
    void failed(tacet_result r) const noexcept
    {
        if (tacet_sync_has_failed(r))
            synced->sync_error = static_cast<int>(r);
    }
    std::string describe() const
    {
        return detail::describe_descriptor(flags & IORING_FSYNC_DATASYNC ? "fdatasync" : "fsync", synced->fd);
    }
};

struct allocate_request : detail::void_value {
    static constexpr unsigned opcode = IORING_OP_FALLOCATE;
    int fd;
    int mode;
    std::uint64_t offset, bytes;

    allocate_request(int fd_, int mode_, std::uint64_t offset_, std::uint64_t bytes_) noexcept
        : fd(fd_), mode(mode_), offset(offset_), bytes(bytes_)
    {
    }
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        return tacet_prepare_fallocate(sqe, fd, mode, offset, bytes);
    }
    std::string describe() const { return detail::describe_descriptor("fallocate", fd); }
};

struct truncate_request : detail::void_value {
    static constexpr unsigned opcode = TACET_OPCODE_FTRUNCATE;
    int fd;
    std::uint64_t bytes;

    truncate_request(int fd_, std::uint64_t bytes_) noexcept : fd(fd_), bytes(bytes_) {}
    tacet_result prepare(io_uring_sqe* sqe) const noexcept { return tacet_prepare_ftruncate(sqe, fd, bytes); }
    std::string describe() const { return detail::describe_descriptor("ftruncate", fd); }
};

// What is done about a range: SYNC_FILE_RANGE_... or POSIX_FADV_...
template <bool Advises>
struct range_request : detail::void_value {
    static constexpr unsigned opcode = Advises ? IORING_OP_FADVISE : IORING_OP_SYNC_FILE_RANGE;
    int fd;
    std::uint64_t offset;
    std::size_t bytes;
    int what;

    range_request(int fd_, std::uint64_t offset_, std::size_t bytes_, int what_) noexcept
        : fd(fd_), offset(offset_), bytes(bytes_), what(what_)
    {
    }
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        if constexpr (Advises)
            return tacet_prepare_advise(sqe, fd, offset, bytes, what);
        else
            return tacet_prepare_sync_range(sqe, fd, offset, bytes, static_cast<unsigned>(what));
    }
    std::string describe() const { return detail::describe_descriptor(Advises ? "fadvise" : "sync_file_range", fd); }
};
using sync_range_request = range_request<false>;
using advise_request = range_request<true>;

struct stat_request {
    using value_type = struct statx;
    static constexpr unsigned opcode = IORING_OP_STATX;
    location of;
    int flags;
    unsigned mask;
    struct statx status {};

    stat_request(location of_, int flags_, unsigned mask_) noexcept : of(std::move(of_)), flags(flags_), mask(mask_) {}
    tacet_result prepare(io_uring_sqe* sqe) noexcept
    {
        return tacet_prepare_statx(sqe, of.dir(), of.path(), flags, mask, &status);
    }
    struct statx value(tacet_result) const noexcept { return status; }
    std::string describe() const { return "stat " + of.described(); }
};

// Plain calls: what io_uring does not have. They touch metadata only.
struct seek_call {
    using value_type = std::uint64_t;
    tacet_file sought;
    std::int64_t offset;
    int whence;

    seek_call(const tacet_file& sought_, std::int64_t offset_, int whence_) noexcept
        : sought(sought_), offset(offset_), whence(whence_)
    {
    }
    tacet_result call(tacet_task* task) const noexcept { return tacet_file_seek(task, &sought, offset, whence); }
    std::uint64_t value(tacet_result r) const noexcept { return static_cast<std::uint64_t>(r); }
    std::string describe() const { return detail::describe_descriptor("seek", sought.fd); }
};

struct read_directory_call : detail::size_value {
    tacet_file dir;
    std::span<std::byte> buffer;

    read_directory_call(const tacet_file& dir_, std::span<std::byte> buffer_) noexcept : dir(dir_), buffer(buffer_) {}
    tacet_result call(tacet_task* task) const noexcept
    {
        return tacet_directory_read(task, &dir, buffer.data(), buffer.size());
    }
    std::string describe() const { return detail::describe_descriptor("read directory", dir.fd); }
};

// An open file. Move-only; one that dies open is closed by an operation nobody waits for.
class file {
public:
    file() noexcept {}
    // Takes a descriptor over. executor: where it is closed if nobody does; null: by close(2).
    file(int fd, unsigned flags, tacet_executor* executor) noexcept : file_{fd, flags, 0}, executor_(executor) {}
    file(file&& other) noexcept : file_(std::exchange(other.file_, tacet_file{-1, 0, 0})), executor_(other.executor_) {}
    file& operator=(file&& other) noexcept
    {
        std::swap(file_, other.file_);
        std::swap(executor_, other.executor_);
        return *this;
    }
    ~file()
    {
        if (file_.fd >= 0)
            tacet_file_close_detached(executor_, &file_);
    }

    explicit operator bool() const noexcept { return file_.fd >= 0; }
    int fd() const noexcept { return file_.fd; }
    tacet_file& get() noexcept { return file_; }
    const tacet_file& get() const noexcept { return file_; }
    int release() noexcept { return std::exchange(file_.fd, -1); }

    // pread(2), pwrite(2): the number of bytes, short counts are normal; 0 is the end. The default offset is the file's
    // own position. At most INT_MAX bytes, else invalid_argument.
    static constexpr std::uint64_t own_position = UINT64_MAX;
    operation<read_request> read(std::span<std::byte> into, std::uint64_t offset = own_position) const noexcept
    {
        return operation<read_request>(read_request(file_, into, offset));
    }
    operation<write_request> write(std::span<const std::byte> from, std::uint64_t offset = own_position) const noexcept
    {
        return operation<write_request>(write_request(file_, from, offset));
    }
    // The same with a buffer of a pool: see buffer.hpp.
    operation<read_buffer_request> read(buffer_part into, std::uint64_t offset = own_position) const noexcept;
    operation<write_buffer_request> write(buffer_part from, std::uint64_t offset = own_position) const noexcept;

    operation<readv_request> readv(std::span<const iovec> into, std::uint64_t offset = own_position) const noexcept
    {
        return operation<readv_request>(readv_request(file_.fd, into, offset));
    }
    operation<writev_request> writev(std::span<const iovec> from, std::uint64_t offset = own_position) const noexcept
    {
        return operation<writev_request>(writev_request(file_.fd, from, offset));
    }

    // Never cancelled; the file is closed from then on, whatever comes of it.
    operation<close_request> close() noexcept { return operation<close_request>(close_request(&file_)); }

    // fsync(2), fdatasync(2). One that failed stays failed.
    operation<sync_request> sync() noexcept { return operation<sync_request>(sync_request(&file_, 0)); }
    operation<sync_request> datasync() noexcept
    {
        return operation<sync_request>(sync_request(&file_, IORING_FSYNC_DATASYNC));
    }

    // sync_file_range(2): begins or awaits writing pages back. NOT DURABLE: neither the metadata nor the disk's own cache are
    // written; for durability: datasync(). At most INT_MAX bytes, 0: to the end.
    operation<sync_range_request> sync_range(std::uint64_t offset, std::size_t bytes,
                                             unsigned flags = SYNC_FILE_RANGE_WRITE) const noexcept
    {
        return operation<sync_range_request>(sync_range_request(file_.fd, offset, bytes, static_cast<int>(flags)));
    }
    // posix_fadvise(2), with POSIX_FADV_...; readahead() begins to read what is not cached. As many bytes as in sync_range.
    operation<advise_request> advise(int advice, std::uint64_t offset = 0, std::size_t bytes = 0) const noexcept
    {
        return operation<advise_request>(advise_request(file_.fd, offset, bytes, advice));
    }
    operation<advise_request> readahead(std::uint64_t offset = 0, std::size_t bytes = 0) const noexcept
    {
        return advise(POSIX_FADV_WILLNEED, offset, bytes);
    }

    // Complete transfers of any length, in as many steps as it takes; the file must stay where it is meanwhile. A cancel ends
    // them between two steps. fill() reads until the buffer is full or the file ends, and gives the bytes read;
    // read_exactly() throws no_message_available if it ends before. read_all<std::vector<std::byte>>() is fine, too.
    task<std::size_t> fill(std::span<std::byte> into, std::uint64_t offset = own_position) const;
    task<void> read_exactly(std::span<std::byte> into, std::uint64_t offset = own_position) const;
    task<void> write_all(bytes_view from, std::uint64_t offset = own_position) const;
    template <class Container = std::string>
    task<Container> read_all(std::uint64_t offset = own_position) const;

    // What O_DIRECT asks of memory, and of offsets and lengths; both 0: it cannot be.
    task<tacet_direct_alignment> direct_alignment() const;

    // fallocate(2).
    operation<allocate_request> allocate(int mode, std::uint64_t offset, std::uint64_t bytes) const noexcept
    {
        return operation<allocate_request>(allocate_request(file_.fd, mode, offset, bytes));
    }
    // ftruncate(2). operation_not_supported before Linux 6.9.
    operation<truncate_request> truncate(std::uint64_t bytes) const noexcept
    {
        return operation<truncate_request>(truncate_request(file_.fd, bytes));
    }
    // statx(2) of this file.
    operation<stat_request> stat(unsigned mask = STATX_BASIC_STATS) const
    {
        return operation<stat_request>(stat_request(location(file_.fd, ""), AT_EMPTY_PATH, mask));
    }

    // lseek(2), for SEEK_DATA and SEEK_HOLE. May wait for the disk.
    plain_call<seek_call> seek(std::int64_t offset, int whence) const
    {
        return plain_call<seek_call>(seek_call(file_, offset, whence));
    }
    // getdents64(2): fills buffer with linux_dirent64 records; the number of bytes, 0 at the end. May wait for the disk.
    plain_call<read_directory_call> read_directory(std::span<std::byte> buffer) const
    {
        return plain_call<read_directory_call>(read_directory_call(file_, buffer));
    }

private:
    tacet_file file_{-1, 0, 0};
    tacet_executor* executor_ = nullptr;
};

// A path relative to an open directory. The directory must stay open until the operation has ended.
inline location at(const file& dir, std::string path = "")
{
    return location(dir.fd(), std::move(path));
}

struct open_request {
    using value_type = file;
    static constexpr unsigned opcode = IORING_OP_OPENAT2;
    location opened;
    open_how how;
    tacet_executor* executor = nullptr;

    open_request(location opened_, const open_how& how_) noexcept : opened(std::move(opened_)), how(how_) {}
    void bind(tacet_executor* on) noexcept { executor = on; }
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        return tacet_prepare_open(sqe, opened.dir(), opened.path(), &how);
    }
    file value(tacet_result r) const noexcept
    {
        return file(static_cast<int>(r), static_cast<unsigned>(how.flags), executor);
    }
    void discard(tacet_result r) const noexcept { const file closed_here = value(r); }
    std::string describe() const { return "open " + opened.described(); }
};

// openat2(2). O_CLOEXEC is added.
inline operation<open_request> open(location path, int flags, mode_t mode = 0)
{
    open_how how{};
    how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
    how.mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0;
    return operation<open_request>(open_request(std::move(path), how));
}
inline operation<open_request> open(location path, const open_how& how)
{
    return operation<open_request>(open_request(std::move(path), how));
}

// statx(2); flags AT_...
inline operation<stat_request> stat(location of, int flags = 0, unsigned mask = STATX_BASIC_STATS)
{
    return operation<stat_request>(stat_request(std::move(of), flags, mask));
}

// The whole content of a file.
template <class Container = std::string>
task<Container> read_file(location path)
{
    file in = co_await open(std::move(path), O_RDONLY);
    co_return co_await in.template read_all<Container>();
}

// Makes it the whole content of a file, which is made or overwritten: see write_durable() and create_durable() for what
// outlives a crash.
inline task<void> write_file(location path, bytes_view contents, mode_t mode = 0666)
{
    file out = co_await open(std::move(path), O_WRONLY | O_CREAT | O_TRUNC, mode);
    co_await out.write_all(contents);
    co_await out.close();
}

namespace detail {

// What one operation takes at most, of those that are repeated until all is done.
inline constexpr std::size_t portion_max = std::size_t{1} << 30;

inline std::uint64_t advanced(std::uint64_t offset, std::size_t bytes) noexcept
{
    return offset != file::own_position ? offset + bytes : offset;
}

// Begins a step that may end without a wait.
inline void note_step(tacet_task* task) noexcept
{
    task->wait = TACET_WAIT_REQUEST;
}

// After a step that was not the last: a cancel that ended its wait, and is gone with that, is not to get lost. One that was too
// late is kept for the next step.
inline void throw_if_step_was_cancelled(const tacet_task* task, const char* what, int fd)
{
    if (task->wait == TACET_WAIT_TO_THE_END && !(task->attention & (TACET_TASK_TIMED_OUT | TACET_TASK_CANCEL_PENDING)))
        [[unlikely]]
        throw_error(-ECANCELED, describe_descriptor(what, fd));
}

// The bytes of a step; 0: it was interrupted, and is to be made again.
inline std::size_t bytes_of_step(const result<std::size_t>& step, const char* what, int fd)
{
    if (!step && step.error() != std::errc::interrupted) [[unlikely]]
        throw std::system_error(step.error(), describe_descriptor(what, fd));
    return step ? *step : 0;
}

} // namespace detail

inline task<std::size_t> file::fill(std::span<std::byte> into, std::uint64_t offset) const
{
    tacet_task* const self = co_await this_task();
    std::size_t filled = 0;
    while (filled < into.size()) {
        const std::span<std::byte> rest = into.subspan(filled, std::min(into.size() - filled, detail::portion_max));
        detail::note_step(self);
        const std::int64_t position = tacet_position_note(&file_, offset);
        const result<std::size_t> step = co_await as_result(read(rest, detail::advanced(offset, filled)));
        const std::size_t bytes = detail::bytes_of_step(step, "read", fd());
        tacet_position_settle(&file_, position, static_cast<tacet_result>(bytes), rest.size());
        filled += bytes;
        if (step && bytes == 0)
            break;
        if (filled < into.size())
            detail::throw_if_step_was_cancelled(self, "read", fd());
    }
    co_return filled;
}

inline task<void> file::read_exactly(std::span<std::byte> into, std::uint64_t offset) const
{
    const std::size_t filled = co_await fill(into, offset);
    if (filled < into.size())
        throw_error(-ENODATA, detail::describe_descriptor("read", fd()) + ": it ends too early");
}

inline task<void> file::write_all(bytes_view from, std::uint64_t offset) const
{
    tacet_task* const self = co_await this_task();
    std::size_t written = 0;
    while (written < from.size()) {
        const auto rest = from.subspan(written, std::min(from.size() - written, detail::portion_max));
        detail::note_step(self);
        const std::int64_t position = tacet_position_note(&file_, offset);
        const result<std::size_t> step = co_await as_result(write(rest, detail::advanced(offset, written)));
        const std::size_t bytes = detail::bytes_of_step(step, "write", fd());
        tacet_position_settle(&file_, position, static_cast<tacet_result>(bytes), rest.size());
        if (step && bytes == 0)
            throw_error(-EIO, detail::describe_descriptor("write", fd()));
        written += bytes;
        if (written < from.size())
            detail::throw_if_step_was_cancelled(self, "write", fd());
    }
}

template <class Container>
task<Container> file::read_all(std::uint64_t offset) const
{
    static_assert(sizeof(typename Container::value_type) == 1);
    struct statx status = {};
    if (!tacet_descriptor_is_registered(fd()))
        status = co_await stat(STATX_SIZE);
    const std::uint64_t begin = offset != own_position ? offset : 0;
    // A byte more than there should be, so that one read finds the end. Files of /proc say they are empty, registered ones nothing.
    const std::uint64_t expected = status.stx_size > begin ? status.stx_size - begin + 1 : 4096;
    Container all;
    all.resize(static_cast<std::size_t>(std::min<std::uint64_t>(expected, detail::portion_max)));
    std::size_t filled = 0;
    for (;;) {
        const std::span<std::byte> rest = std::as_writable_bytes(std::span(all)).subspan(filled);
        filled += co_await fill(rest, detail::advanced(offset, filled));
        if (filled < all.size())
            break;
        all.resize(2 * all.size());
    }
    all.resize(filled);
    co_return all;
}

inline task<tacet_direct_alignment> file::direct_alignment() const
{
    const struct statx status = co_await stat(TACET_STATX_DIOALIGN);
    co_return tacet_direct_alignment_of(&status);
}

} // namespace tacet

#endif
