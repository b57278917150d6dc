#include "verifier.hpp"

#include "contents.hpp"
#include "text.hpp"

#include <fmt/format.h>

#include <fcntl.h>

namespace cp {
namespace {

[[noreturn]] void differ(const place& where, const std::string& how)
{
    throw failure("verify", where.path(), how);
}

tacet::task<struct statx> stat_entry(const place& where)
{
    co_return co_await step("verify", where, tacet::stat(where.location(), AT_SYMLINK_NOFOLLOW));
}

bool same_time(const statx_timestamp& one, const statx_timestamp& other)
{
    return one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec;
}

}

void verifier::compare_attributes(const struct statx& source, const struct statx& target, const place& where) const
{
    if ((source.stx_mode & S_IFMT) != (target.stx_mode & S_IFMT))
        differ(where, "it is of another type than its source");
    if (source.stx_mode != target.stx_mode)
        differ(where, fmt::format("its mode is {:04o}, not {:04o}", target.stx_mode & 07777, source.stx_mode & 07777));
    const bool same_owner = source.stx_uid == target.stx_uid && source.stx_gid == target.stx_gid;
    if (job_.user == 0 && !same_owner)
        differ(where, fmt::format("its owner is {}:{}, not {}:{}", target.stx_uid, target.stx_gid, source.stx_uid,
                                  source.stx_gid));
    if (!same_time(source.stx_mtime, target.stx_mtime))
        differ(where, "its time of modification is another");
    if (source.stx_rdev_major != target.stx_rdev_major || source.stx_rdev_minor != target.stx_rdev_minor)
        differ(where, "it is another device");
}

tacet::task<void> verifier::enter(directory& here)
{
    here.source = co_await open_directory(here, side::source);
    const place source(*here.parent, here.self, side::source), target(*here.parent, here.self, side::target);
    here.status = co_await step("stat", source, here.source.stat());

    here.target = co_await open_directory(here, side::target);
    const struct statx status = co_await step("stat", target, here.target.stat());
    try {
        compare_attributes(here.status, status, target);
    } catch (const failure& why) {
        failed(why); // what is in it is compared all the same
    }
    job_.said.done.directories++;
}

tacet::task<void> verifier::leave(directory&)
{
    co_return;
}

tacet::task<void> verifier::leaf(directory& in, const entry& entry)
{
    const place source(in, entry, side::source), target(in, entry, side::target);
    const struct statx here = co_await stat_entry(source);
    const struct statx there = co_await stat_entry(target);
    compare_attributes(here, there, target);
    if (S_ISREG(here.stx_mode)) {
        co_await compare_files(in, entry, here);
    } else if (S_ISLNK(here.stx_mode)) {
        co_await compare_links(in, entry);
    } else {
        job_.said.done.others++;
    }
}

tacet::task<void> verifier::compare_files(directory& in, const entry& entry, const struct statx& status)
{
    const place source(in, entry, side::source), target(in, entry, side::target);
    const tacet::file here = co_await step("open", source, tacet::open(source.location(), O_RDONLY | O_NOFOLLOW));
    const tacet::file there = co_await step("open", target, tacet::open(target.location(), O_RDONLY | O_NOFOLLOW));

    const file_pair files{here, there, status, source, target};
    const std::optional<std::uint64_t> difference = co_await compare_contents(job_, files);
    if (difference)
        differ(target, fmt::format("it differs from {} from byte {} on", in_quotes(source.path()), *difference));
    job_.said.done.files++;
}

tacet::task<void> verifier::compare_links(directory& in, const entry& entry)
{
    const place source(in, entry, side::source), target(in, entry, side::target);
    const std::string here = co_await step("readlink", source, tacet::readlink(source.location()));
    const std::string there = co_await step("readlink", target, tacet::readlink(target.location()));
    if (here != there)
        differ(target, fmt::format("the link leads to {}, not {}", in_quotes(there), in_quotes(here)));
    job_.said.done.links++;
}

}
