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
    co_return co_await step("stat", where, tacet::stat(where.location(), AT_SYMLINK_NOFOLLOW));
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
    here.source = co_await open_directory(here, side::source);
    const place source(*here.parent, here.self, side::source), target(*here.parent, here.self, side::target);
    here.status = co_await step("stat", source, here.source.stat());

    co_await make_directory(here);
    here.target = co_await open_directory(here, side::target);
    const struct statx target_status = co_await step("stat", target, here.target.stat());
    if (is_same_file(here.status, target_status))
        throw failure("copy", source.path(),
                      fmt::format("it cannot be copied into itself, {}", in_quotes(here.path(side::target))));
    job_.said.done.directories++;
}

tacet::task<void> copier::leave(directory& here)
{
    const place where(*here.parent, here.self, side::target);
    co_await set_attributes(job_, tacet::at(here.target), here.status, where);
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
    const tacet::file file = co_await step("open", source, tacet::open(source.location(), O_RDONLY | O_NOFOLLOW));
    const struct statx status = co_await step("stat", source, file.stat());

    new_file copy(in, entry);
    co_await copy.make();
    const file_pair files{file, copy.file(), status, source, target};
    co_await copy_contents(job_, files);
    co_await set_attributes(job_, tacet::at(copy.file()), status, target, in.new_group);
    co_await copy.publish(status);
    co_await step("close", target, copy.file().close()); // where network file systems say that they could not write
    job_.said.done.files++;
}

tacet::task<void> copier::copy_link(directory& in, const entry& entry)
{
    const place source(in, entry, side::source), target(in, entry, side::target);
    const struct statx status = co_await stat_entry(source);
    const std::string leads_to = co_await step("readlink", source, tacet::readlink(source.location()));

    auto made = co_await tacet::as_result(tacet::symlink(leads_to, target.location()));
    if (!made && made.error() == std::errc::file_exists) {
        temporary_name temporary(in);
        const tacet::location aside = tacet::at(in.target, temporary.name());
        co_await step("symlink", target, tacet::symlink(leads_to, aside));
        temporary.taken();
        co_await replace(temporary, in, entry, status);
    } else if (!made) {
        throw failure("symlink", target.path(), made.error());
    }
    co_await set_attributes(job_, target.location(), status, target, in.new_group);
    job_.said.done.links++;
}

// Pipes, sockets, devices. There is no such operation in the ring.
tacet::task<void> copier::copy_special(directory& in, const entry& entry)
{
    const place source(in, entry, side::source), target(in, entry, side::target);
    const struct statx status = co_await stat_entry(source);
    std::error_code error = make_node(in.target, target.name(), status);
    if (error == std::errc::file_exists) {
        temporary_name temporary(in);
        error = make_node(in.target, temporary.name(), status);
        if (!error) {
            temporary.taken();
            co_await replace(temporary, in, entry, status);
        }
    }
    if (error)
        throw failure("mknod", target.path(), error);
    co_await set_attributes(job_, target.location(), status, target, in.new_group);
    job_.said.done.others++;
}

}
