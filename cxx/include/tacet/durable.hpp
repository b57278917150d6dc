// What is to be there after a crash.
#ifndef TACET_DURABLE_HPP
#define TACET_DURABLE_HPP

#include <tacet/file.hpp>
#include <tacet/path.hpp>
#include <tacet/when_all.hpp>

#include <atomic>
#include <optional>

#include <fmt/core.h>

namespace tacet {

namespace detail {

// A write and the sync behind it, chained: one submission.
class [[nodiscard]] durable_awaiter {
public:
    struct outcome {
        outcome(result<std::size_t> written_, result<void> synced_, bool chained_) noexcept
            : written(written_), synced(synced_), chained(chained_)
        {
        }
        result<std::size_t> written;
        result<void> synced;
        bool chained; // the sync began when all had been written, and only then
    };

    durable_awaiter(file& into, std::span<const std::byte> from, std::uint64_t offset) noexcept
        : write_(into.write(from, offset)), sync_(into.datasync())
    {
    }
    durable_awaiter(const durable_awaiter&) = delete;
    durable_awaiter& operator=(const durable_awaiter&) = delete;
    bool await_ready() const noexcept { return false; }

    template <tacet_promise Promise>
    void await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
    {
        group_.ops = ops_.data();
        group_.count = 2;
        suspend_for_group(awaiting, group_, [this] {
            tacet_executor* const executor = tacet_task_executor(group_.task);
            std::uint32_t first;
            const bool room = tacet_chain_begin(executor, &first) == 0;
            write_.start(group_, ops_[0]);
            sync_.start(group_, ops_[1]);
            chained_ = room && tacet_chain_submit(executor, first);
        });
    }
    outcome await_resume() { return outcome(write_.take_result(), sync_.take_result(), chained_); }

private:
    group_member<write_request> write_;
    group_member<sync_request> sync_;
    std::array<tacet_op*, 2> ops_{};
    tacet_op_group group_{};
    bool chained_ = false;
};

// Not for want of a write, nor for a moment only.
inline bool has_failed(std::error_code error) noexcept
{
    return error && error != std::errc::operation_canceled && error != std::errc::interrupted;
}

[[noreturn, gnu::noinline, gnu::cold]] inline void throw_not_durable(std::error_code error, const char* what, int fd)
{
    throw std::system_error(error, describe_descriptor(what, fd));
}

} // namespace detail

// Writes all of it and makes it durable: the data, then fdatasync(2), chained. A sync that failed stays failed, and nothing
// is written to that file by this any more. The file must stay where it is.
inline task<void> write_durable(file& into, bytes_view from, std::uint64_t offset = file::own_position)
{
    tacet_task* const self = co_await this_task();
    if (into.get().sync_error < 0)
        throw_error(into.get().sync_error, detail::describe_descriptor("fdatasync", into.fd()));
    std::size_t written = 0;
    for (bool durable = false; !durable;) {
        const auto rest = from.subspan(written, std::min(from.size() - written, detail::portion_max));
        const std::int64_t position = tacet_position_note(&into.get(), offset);
        detail::durable_awaiter step(into, rest, detail::advanced(offset, written));
        const detail::durable_awaiter::outcome outcome = co_await step;
        const bool interrupted = !outcome.written && outcome.written.error() == std::errc::interrupted;
        if (!outcome.written && !interrupted)
            detail::throw_not_durable(outcome.written.error(), "write", into.fd());
        if (!outcome.synced && detail::has_failed(outcome.synced.error()))
            detail::throw_not_durable(outcome.synced.error(), "fdatasync", into.fd());
        const std::size_t bytes = interrupted ? 0 : *outcome.written;
        tacet_position_settle(&into.get(), position, static_cast<tacet_result>(bytes), rest.size());
        if (bytes == 0 && !interrupted && !rest.empty())
            throw_error(-EIO, detail::describe_descriptor("write", into.fd()));
        written += bytes;
        if (written < from.size()) {
            detail::throw_if_step_was_cancelled(self, "write", into.fd());
            continue;
        }
        const bool is_again = !outcome.synced && outcome.synced.error() == std::errc::interrupted;
        if (!outcome.chained || is_again) {
            detail::throw_if_step_was_cancelled(self, "fdatasync", into.fd());
            co_await into.datasync();
        } else if (!outcome.synced)
            detail::throw_not_durable(outcome.synced.error(), "fdatasync", into.fd());
        durable = true;
    }
}

enum class if_exists { refuse, replace };

namespace detail {

// A name that nobody else in the folder has: made by process and count; what an earlier process has left is stepped over.
inline std::string unique_name()
{
    static std::atomic<unsigned> count{0};
    return fmt::format(".tacet-{:08x}-{:08x}", static_cast<unsigned>(::getpid()), ++count);
}

// Makes and opens a file with such a name in the folder.
inline task<file> create_unique(const file& dir, mode_t mode, std::string& name)
{
    for (;;) {
        name = unique_name();
        result<file> made = co_await as_result(open(at(dir, name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode));
        if (made)
            co_return *std::move(made);
        if (made.error() != std::errc::file_exists)
            throw std::system_error(made.error(), "create a file in " + descriptor_name(dir.fd()));
    }
}

// Of the regular file, if there is one.
inline task<std::optional<mode_t>> mode_of(const file& dir, const std::string& name)
{
    const result<struct statx> status = co_await as_result(
        stat(at(dir, name), AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_MODE));
    if (!status && status.error() != std::errc::no_such_file_or_directory)
        throw std::system_error(status.error(), "stat \"" + name + '"');
    if (!status || !S_ISREG(status->stx_mode))
        co_return std::nullopt;
    co_return static_cast<mode_t>(status->stx_mode & 07777);
}

// Takes away what is half made, by calls that no cancel or deadline can refuse: with its end the space is free again.
class unlinking {
public:
    unlinking(const file& dir, const std::string& name, file& made) noexcept : dir_(dir), name_(name), made_(made) {}
    unlinking(const unlinking&) = delete;
    unlinking& operator=(const unlinking&) = delete;
    ~unlinking()
    {
        if (kept_)
            return;
        if (made_)
            ::close(made_.release());
        ::unlinkat(dir_.fd(), name_.c_str(), 0);
    }
    void keep() noexcept { kept_ = true; }

private:
    const file& dir_;
    const std::string& name_;
    file& made_;
    bool kept_ = false;
};

} // namespace detail

// A file with these contents in an open directory, which is there whole or not at all, whatever crashes: it is written
// under another name (".tacet-..."), synced, linked or renamed to its own, and the directory is synced. On failure there is
// no file, or the former one; only where the sync of the directory fails the new one is there, and may be gone after a crash.
//
// mode: as open(2); none: 0666, or exactly that of the file that is replaced. The owner is who makes it, the ACL is the directory's
// default: those of a file that is replaced go with it.
inline task<void> create_durable(file& dir, std::string name, bytes_view contents,
                                 std::optional<mode_t> mode = std::nullopt, if_exists existing = if_exists::refuse)
{
    if (name.find('/') != std::string::npos)
        throw_error(-EINVAL, "create \"" + name + "\": not a name in a directory");
    std::optional<mode_t> former;
    if (!mode && existing == if_exists::replace)
        former = co_await detail::mode_of(dir, name);
    std::string other_name;
    file made = co_await detail::create_unique(dir, former.value_or(mode.value_or(0666)), other_name);
    {
        detail::unlinking other(dir, other_name, made);
        co_await made.write_all(contents);
        if (former && ::fchmod(made.fd(), *former) < 0)
            throw_error(-errno, detail::describe_descriptor("chmod", made.fd()));
        co_await made.sync();
        co_await made.close();
        if (existing == if_exists::replace) {
            co_await rename(at(dir, other_name), at(dir, name));
            other.keep();
        } else {
            co_await link(at(dir, other_name), at(dir, name));
        }
    }
    co_await dir.sync();
}

// The same by path.
inline task<void> create_durable(std::string path, bytes_view contents, std::optional<mode_t> mode = std::nullopt,
                                 if_exists existing = if_exists::refuse)
{
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    file dir = co_await open(folder, O_RDONLY | O_DIRECTORY);
    std::string name = path.substr(slash == std::string::npos ? 0 : slash + 1);
    co_await create_durable(dir, std::move(name), contents, mode, existing);
}

} // namespace tacet

#endif
