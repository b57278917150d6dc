#include "copier.hpp"

#include "contents.hpp"
#include "target.hpp"
#include "text.hpp"

#include <fmt/format.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/sysmacros.h>

#include <cerrno>

namespace cp {
namespace {

// Only for us until it is done: what is in it may be secret, and its own mode may forbid to write in it.
constexpr mode_t unfinished_directory_mode = 0700;

std::error_code make_node(const tacet::file& folder, const std::string& name, const struct statx& like)
{
    const dev_t device = makedev(like.stx_rdev_major, like.stx_rdev_minor);
    const mode_t mode = (like.stx_mode & S_IFMT) | 0600;
    return mknodat(folder.fd(), name.c_str(), mode, device) == 0 ? std::error_code()
                                                                 : std::error_code(errno, std::generic_category());
}

tacet::task<struct statx> stat_entry(const place& where)
{
    auto asked = co_await tacet::as_result(tacet::stat(where.location(), AT_SYMLINK_NOFOLLOW));
    co_return take(std::move(asked), "stat", where);
}

tacet::task<void> make_directory(const directory& here)
{
    const place where(*here.parent, here.self, side::target);
    auto made = co_await tacet::as_result(tacet::mkdir(where.location(), unfinished_directory_mode));
    if (!made && made.error() != std::errc::file_exists)
        throw failure("mkdir", where.path(), made.error());
}

}

tacet::task<void> copier::enter(directory& here)
{
    auto opening = open_directory(here, side::source);
    here.source = co_await opening;
    const place source(*here.parent, here.self, side::source);
    auto asked = co_await tacet::as_result(here.source.stat());
    here.status = take(std::move(asked), "stat", source);

    auto making = make_directory(here);
    co_await making;
    auto opening_target = open_directory(here, side::target);
    here.target = co_await opening_target;
    auto asked_target = co_await tacet::as_result(here.target.stat());
    const struct statx target = take(std::move(asked_target), "stat", {*here.parent, here.self, side::target});
    if (is_same_file(here.status, target))
        throw failure("copy", source.path(),
                      fmt::format("it cannot be copied into itself, {}", in_quotes(here.path(side::target))));
    job_.said.done.directories++;
}

tacet::task<void> copier::leave(directory& here)
{
    const place where(*here.parent, here.self, side::target);
    auto setting = set_attributes(job_, tacet::at(here.target), here.status, where);
    co_await setting;
}

tacet::task<void> copier::leaf(directory& in, const entry& entry)
{
    if (entry.type == DT_REG)
        return copy_file(in, entry);
    if (entry.type == DT_LNK)
        return copy_link(in, entry);
    return copy_special(in, entry);
}

tacet::task<void> copier::copy_file(directory& in, const entry& entry)
{
    const place source(in, entry, side::source), target(in, entry, side::target);
    auto opened = co_await tacet::as_result(tacet::open(source.location(), O_RDONLY | O_NOFOLLOW));
    const tacet::file file = take(std::move(opened), "open", source);
    auto asked = co_await tacet::as_result(file.stat());
    const struct statx status = take(std::move(asked), "stat", source);

    new_file copy(in, entry);
    auto making = copy.make();
    co_await making;
    const file_pair files{file, copy.file(), status, source, target};
    auto copying = copy_contents(job_, files);
    co_await copying;
    auto setting = set_attributes(job_, tacet::at(copy.file()), status, target, in.new_group);
    co_await setting;
    auto publishing = copy.publish(status);
    co_await publishing;
    auto closed = co_await tacet::as_result(copy.file().close());
    take(std::move(closed), "close", target); // where network file systems say that they could not write
    job_.said.done.files++;
}

tacet::task<void> copier::copy_link(directory& in, const entry& entry)
{
    const place source(in, entry, side::source), target(in, entry, side::target);
    auto stating = stat_entry(source);
    const struct statx status = co_await stating;
    auto read = co_await tacet::as_result(tacet::readlink(source.location()));
    const std::string leads_to = take(std::move(read), "readlink", source);

    auto made = co_await tacet::as_result(tacet::symlink(leads_to, target.location()));
    if (!made && made.error() == std::errc::file_exists) {
        temporary_name temporary(in);
        made = co_await tacet::as_result(tacet::symlink(leads_to, tacet::at(in.target, temporary.name())));
        take(std::move(made), "symlink", target);
        temporary.taken();
        auto replacing = replace(temporary, in, entry, status);
        co_await replacing;
    } else {
        take(std::move(made), "symlink", target);
    }
    auto setting = set_attributes(job_, target.location(), status, target, in.new_group);
    co_await setting;
    job_.said.done.links++;
}

// Pipes, sockets, devices. There is no such operation in the ring.
tacet::task<void> copier::copy_special(directory& in, const entry& entry)
{
    const place source(in, entry, side::source), target(in, entry, side::target);
    auto stating = stat_entry(source);
    const struct statx status = co_await stating;
    std::error_code error = make_node(in.target, target.name(), status);
    if (error == std::errc::file_exists) {
        temporary_name temporary(in);
        error = make_node(in.target, temporary.name(), status);
        if (!error) {
            temporary.taken();
            auto replacing = replace(temporary, in, entry, status);
            co_await replacing;
        }
    }
    if (error)
        throw failure("mknod", target.path(), error);
    auto setting = set_attributes(job_, target.location(), status, target, in.new_group);
    co_await setting;
    job_.said.done.others++;
}

}
