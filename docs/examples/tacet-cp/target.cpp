#include "target.hpp"

#include "text.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

#include <chrono>

namespace cp {
namespace {

constexpr mode_t special_bits = S_ISUID | S_ISGID | S_ISVTX;

timespec time_of(const statx_timestamp& stamp)
{
    return {stamp.tv_sec, static_cast<long>(stamp.tv_nsec)};
}

// Of a file system, or with EISDIR of a kernel, that does not know O_TMPFILE.
bool cannot_do_without_name(const std::error_code& error)
{
    return error == std::errc::operation_not_supported || error == std::errc::is_a_directory;
}

// The start's time keeps the names of one run apart from what an earlier one of the same process id left behind.
std::string unique_name()
{
    static const auto started = std::chrono::system_clock::now().time_since_epoch().count();
    static std::uint64_t number = 0;
    return fmt::format(".tacet-cp-{:x}-{:x}-{:x}", getpid(), started, number++);
}

// Whether the owner could be set. Like cp: an ordinary user keeps the files that may not be given away, but tries to
// set at least the group.
tacet::task<bool> set_owner(const job& job, const tacet::location& of, const struct statx& source, int flags,
                            const place& where)
{
    auto changed = co_await tacet::as_result(tacet::chown(of, source.stx_uid, source.stx_gid, flags));
    if (changed)
        co_return true;
    const bool excused = changed.error() == std::errc::operation_not_permitted ||
                         changed.error() == std::errc::invalid_argument;
    if (!excused || job.user == 0)
        throw failure("chown", where.path(), changed.error());
    constexpr auto as_it_is = static_cast<uid_t>(-1);
    (void)co_await tacet::as_result(tacet::chown(of, as_it_is, source.stx_gid, flags));
    co_return false;
}

}

const std::string& temporary_name::name()
{
    if (name_.empty())
        name_ = unique_name();
    return name_;
}

temporary_name::~temporary_name()
{
    if (taken_)
        unlinkat(in_.target.fd(), name_.c_str(), 0);
}

tacet::task<void> replace(temporary_name& temporary, const directory& in, const entry& entry,
                          const struct statx& source)
{
    const place where(in, entry, side::target);
    auto asked = co_await tacet::as_result(tacet::stat(where.location(), AT_SYMLINK_NOFOLLOW));
    if (asked && is_same_file(*asked, source))
        throw failure("replace", where.path(),
                      fmt::format("it and {} are the same file", in_quotes(in.path(side::source, entry))));
    co_await step("replace", where, tacet::rename(tacet::at(in.target, temporary.name()), where.location()));
    temporary.given_up();
}

tacet::task<void> new_file::make()
{
    if (in_.unnamed) {
        auto made = co_await tacet::as_result(tacet::open(tacet::at(in_.target, "."), O_TMPFILE | O_WRONLY, 0600));
        if (made)
            file_ = *std::move(made);
        else if (cannot_do_without_name(made.error()))
            in_.unnamed = false;
        else
            throw failure("create", where_.path(), made.error());
    }
    if (!in_.unnamed) {
        const tacet::location aside = tacet::at(in_.target, temporary_.name());
        file_ = co_await step("create", where_, tacet::open(aside, O_CREAT | O_EXCL | O_WRONLY, 0600));
        temporary_.taken();
    }
    if (!in_.new_group) {
        const struct statx status = co_await step("stat", where_, file_.stat(STATX_GID));
        in_.new_group = status.stx_gid;
    }
}

// The file is linked by its descriptor; kernels before 6.10 allow that to root only, others hear that there is none.
// There it is found through /proc, from the first refusal on.
tacet::task<std::error_code> new_file::link_as(const std::string& name)
{
    static bool permitted = true;
    const tacet::location to = tacet::at(in_.target, name);
    if (permitted) {
        auto linked = co_await tacet::as_result(tacet::link(tacet::at(file_), to, AT_EMPTY_PATH));
        if (linked)
            co_return std::error_code();
        if (linked.error() != std::errc::no_such_file_or_directory)
            co_return linked.error();
        permitted = false;
    }
    const std::string by_descriptor = fmt::format("/proc/self/fd/{}", file_.fd());
    auto linked = co_await tacet::as_result(tacet::link(by_descriptor, to, AT_SYMLINK_FOLLOW));
    co_return linked ? std::error_code() : linked.error();
}

tacet::task<void> new_file::publish(const struct statx& source)
{
    if (in_.unnamed) {
        std::error_code error = co_await link_as(entry_.target_name());
        if (!error)
            co_return;
        if (error == std::errc::file_exists) {
            error = co_await link_as(temporary_.name());
        }
        if (error)
            throw failure("link", where_.path(), error);
        temporary_.taken();
    }
    co_await replace(temporary_, in_, entry_, source);
}

tacet::task<void> set_attributes(const job& job, tacet::location of, const struct statx& source, const place& where,
                                 std::optional<gid_t> group)
{
    const int flags = S_ISLNK(source.stx_mode) ? AT_SYMLINK_NOFOLLOW : 0;
    mode_t mode = source.stx_mode & 07777;
    if (!group || source.stx_uid != job.user || source.stx_gid != *group) {
        const bool owned = co_await set_owner(job, of, source, flags, where);
        if (!owned)
            mode &= ~special_bits;
    }
    // After the owner, whose change takes the special bits away.
    if (!S_ISLNK(source.stx_mode)) {
        co_await step("chmod", where, tacet::chmod(of, mode));
    }
    co_await step("set times of", where,
                  tacet::set_times(of, time_of(source.stx_atime), time_of(source.stx_mtime), flags));
}

}
