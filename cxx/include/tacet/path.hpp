// What is done by path: names are changed, made and taken away; links read; modes, owners and times set.
//
// Paths are kept by the operation itself. Values and errors are those of the system calls named. Opening and statx(2): file.hpp.
#ifndef TACET_PATH_HPP
#define TACET_PATH_HPP

#include <tacet/file.h>
#include <tacet/location.hpp>
#include <tacet/op.hpp>

#include <string>

#include <sys/stat.h>

namespace tacet {

struct rename_request : detail::void_value {
    static constexpr unsigned opcode = IORING_OP_RENAMEAT;
    location from, to;
    unsigned flags;

    rename_request(location from_, location to_, unsigned flags_) noexcept
        : from(std::move(from_)), to(std::move(to_)), flags(flags_)
    {
    }
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        return tacet_prepare_rename(sqe, from.dir(), from.path(), to.dir(), to.path(), flags);
    }
    std::string describe() const { return "rename " + from.described() + " to " + to.described(); }
};

// renameat2(2).
inline operation<rename_request> rename(location from, location to, unsigned flags = 0)
{
    return operation<rename_request>(rename_request(std::move(from), std::move(to), flags));
}

struct unlink_request : detail::void_value {
    static constexpr unsigned opcode = IORING_OP_UNLINKAT;
    location unlinked;
    int flags;

    unlink_request(location unlinked_, int flags_) noexcept : unlinked(std::move(unlinked_)), flags(flags_) {}
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        return tacet_prepare_unlink(sqe, unlinked.dir(), unlinked.path(), flags);
    }
    std::string describe() const { return "unlink " + unlinked.described(); }
};

// unlinkat(2); AT_REMOVEDIR for a directory.
inline operation<unlink_request> unlink(location path, int flags = 0)
{
    return operation<unlink_request>(unlink_request(std::move(path), flags));
}

struct mkdir_request : detail::void_value {
    static constexpr unsigned opcode = IORING_OP_MKDIRAT;
    location made;
    mode_t mode;

    mkdir_request(location made_, mode_t mode_) noexcept : made(std::move(made_)), mode(mode_) {}
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        return tacet_prepare_mkdir(sqe, made.dir(), made.path(), mode);
    }
    std::string describe() const { return "mkdir " + made.described(); }
};

// mkdirat(2).
inline operation<mkdir_request> mkdir(location path, mode_t mode = 0777)
{
    return operation<mkdir_request>(mkdir_request(std::move(path), mode));
}

struct symlink_request : detail::void_value {
    static constexpr unsigned opcode = IORING_OP_SYMLINKAT;
    std::string target;
    location made;

    symlink_request(std::string target_, location made_) noexcept : target(std::move(target_)), made(std::move(made_))
    {
    }
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        return tacet_prepare_symlink(sqe, target.c_str(), made.dir(), made.path());
    }
    std::string describe() const { return "symlink " + made.described(); }
};

// symlinkat(2): a link at path that says target.
inline operation<symlink_request> symlink(std::string target, location path)
{
    return operation<symlink_request>(symlink_request(std::move(target), std::move(path)));
}

struct link_request : detail::void_value {
    static constexpr unsigned opcode = IORING_OP_LINKAT;
    location from, to;
    int flags;

    link_request(location from_, location to_, int flags_) noexcept
        : from(std::move(from_)), to(std::move(to_)), flags(flags_)
    {
    }
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        return tacet_prepare_link(sqe, from.dir(), from.path(), to.dir(), to.path(), flags);
    }
    std::string describe() const { return "link " + from.described() + " to " + to.described(); }
};

// linkat(2).
inline operation<link_request> link(location from, location to, int flags = 0)
{
    return operation<link_request>(link_request(std::move(from), std::move(to), flags));
}

// Plain calls on paths; at(file) with an empty path means that file itself.

struct readlink_call {
    using value_type = std::string;
    location of;
    std::string target{};

    explicit readlink_call(location of_) noexcept : of(std::move(of_)) {}
    tacet_result call(tacet_task* task)
    {
        const tacet_file dir{of.dir(), 0, 0};
        target.resize(256);
        for (;;) {
            const tacet_result r = tacet_path_readlink(task, &dir, of.path(), target.data(), target.size());
            if (r < 0 || static_cast<std::size_t>(r) < target.size())
                return r;
            target.resize(2 * target.size());
        }
    }
    std::string value(tacet_result r)
    {
        target.resize(static_cast<std::size_t>(r));
        return std::move(target);
    }
    std::string describe() const { return "readlink " + of.described(); }
};

// readlinkat(2).
inline plain_call<readlink_call> readlink(location path)
{
    return plain_call<readlink_call>(readlink_call(std::move(path)));
}

struct chmod_call : detail::void_value {
    location changed;
    mode_t mode;
    int flags;

    chmod_call(location changed_, mode_t mode_, int flags_) noexcept
        : changed(std::move(changed_)), mode(mode_), flags(flags_)
    {
    }
    tacet_result call(tacet_task* task) const noexcept
    {
        const tacet_file dir{changed.dir(), 0, 0};
        return tacet_path_chmod(task, &dir, changed.path(), mode, flags);
    }
    std::string describe() const { return "chmod " + changed.described(); }
};

// fchmodat(2).
inline plain_call<chmod_call> chmod(location path, mode_t mode, int flags = 0)
{
    return plain_call<chmod_call>(chmod_call(std::move(path), mode, flags));
}

struct chown_call : detail::void_value {
    location changed;
    uid_t owner;
    gid_t group;
    int flags;

    chown_call(location changed_, uid_t owner_, gid_t group_, int flags_) noexcept
        : changed(std::move(changed_)), owner(owner_), group(group_), flags(flags_)
    {
    }
    tacet_result call(tacet_task* task) const noexcept
    {
        const tacet_file dir{changed.dir(), 0, 0};
        return tacet_path_chown(task, &dir, changed.path(), owner, group, flags);
    }
    std::string describe() const { return "chown " + changed.described(); }
};

// fchownat(2).
inline plain_call<chown_call> chown(location path, uid_t owner, gid_t group, int flags = 0)
{
    return plain_call<chown_call>(chown_call(std::move(path), owner, group, flags));
}

struct set_times_call : detail::void_value {
    location changed;
    timespec times[2];
    int flags;

    set_times_call(location changed_, const timespec& accessed, const timespec& modified, int flags_) noexcept
        : changed(std::move(changed_)), times{accessed, modified}, flags(flags_)
    {
    }
    tacet_result call(tacet_task* task) const noexcept
    {
        const tacet_file dir{changed.dir(), 0, 0};
        return tacet_path_set_times(task, &dir, changed.path(), times, flags);
    }
    std::string describe() const { return "set times of " + changed.described(); }
};

// utimensat(2).
inline plain_call<set_times_call> set_times(location path, const timespec& accessed, const timespec& modified,
                                            int flags = 0)
{
    return plain_call<set_times_call>(set_times_call(std::move(path), accessed, modified, flags));
}

} // namespace tacet

#endif
