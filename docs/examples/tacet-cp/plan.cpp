#include "plan.hpp"

#include "step.hpp"
#include "text.hpp"

#include <fmt/format.h>

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <string_view>

namespace cp {
namespace {

std::string without_slashes_at_end(std::string path)
{
    while (path.size() > 1 && path.back() == '/')
        path.pop_back();
    return path;
}

// What a copy is called in a directory. The contents of ".", ".." and "/" go into it without a name of their own.
std::string last_name(const std::string& path)
{
    const std::string trimmed = without_slashes_at_end(path);
    const std::string name = trimmed.substr(trimmed.rfind('/') + 1);
    return name.empty() || name == ".." ? "." : name;
}

std::string folder_of(const std::string& path)
{
    const std::string trimmed = without_slashes_at_end(path);
    const std::size_t slash = trimmed.rfind('/');
    return slash == std::string::npos ? "" : slash == 0 ? "/" : trimmed.substr(0, slash);
}

// The directory and those it lies in, up to the root.
tacet::task<std::vector<struct statx>> ancestors(const tacet::file& directory)
{
    std::vector<struct statx> found;
    tacet::file here = co_await tacet::open(tacet::at(directory, "."), O_PATH | O_DIRECTORY);
    for (;;) {
        const struct statx status = co_await here.stat(STATX_INO);
        if (!found.empty() && is_same_file(found.back(), status))
            co_return found;
        found.push_back(status);
        here = co_await tacet::open(tacet::at(here, ".."), O_PATH | O_DIRECTORY);
    }
}

bool contains(const std::vector<struct statx>& directories, const struct statx& wanted)
{
    return std::any_of(directories.begin(), directories.end(),
                       [&](const struct statx& each) { return is_same_file(each, wanted); });
}

// The folder that copies are made in, and their name there, where that is not their source's.
struct destination {
    std::string folder;
    std::string renamed;
};

tacet::task<destination> find_destination(const options& wanted)
{
    auto asked = co_await tacet::as_result(tacet::stat(wanted.target, 0, STATX_TYPE));
    if (asked && S_ISDIR((*asked).stx_mode))
        co_return destination{wanted.target, ""};
    if (wanted.sources.size() > 1) {
        const std::error_code missing = asked ? make_error_code(std::errc::not_a_directory) : asked.error();
        throw failure("copy several files into", wanted.target, missing);
    }
    co_return destination{folder_of(wanted.target), last_name(wanted.target)};
}

// Throws failure if the source is missing, or its copy would lie in itself.
tacet::task<entry> make_entry(const plan& plan, const std::string& source, const std::string& renamed,
                              const std::vector<struct statx>& around_target, const options& wanted)
{
    entry made{source, renamed.empty() ? last_name(source) : renamed, DT_UNKNOWN};
    const place here(plan.top, made, side::source);
    const struct statx status = co_await step("stat", here, tacet::stat(here.location(), AT_SYMLINK_NOFOLLOW));
    made.type = IFTODT(status.stx_mode);
    if (S_ISDIR(status.stx_mode)) {
        if (contains(around_target, status))
            throw failure("copy", source,
                          fmt::format("it cannot be copied into itself, {}",
                                      in_quotes(plan.top.path(side::target, made))));
    } else if (!renamed.empty() && wanted.target.back() == '/') {
        throw failure("copy to", wanted.target, make_error_code(std::errc::not_a_directory));
    }
    co_return made;
}

tacet::task<tacet::file> open_folder(std::string path)
{
    const std::string name = path.empty() ? "." : path;
    auto opened = co_await tacet::as_result(tacet::open(name, O_PATH | O_DIRECTORY));
    if (!opened)
        throw failure("open", name, opened.error());
    co_return *std::move(opened);
}

}

tacet::task<plan> make_plan(job& job)
{
    const destination to = co_await find_destination(job.wanted);
    plan made{directory(nullptr, entry{"", to.folder, DT_DIR}), {}};
    made.top.source = co_await open_folder("");
    made.top.target = co_await open_folder(to.folder);
    made.top.unnamed = job.wanted.unnamed;

    const std::vector<struct statx> around_target = co_await ancestors(made.top.target);
    for (const std::string& source : job.wanted.sources) {
        try {
            auto making = make_entry(made, source, to.renamed, around_target, job.wanted);
            made.entries.push_back(co_await making);
        } catch (const failure& why) {
            job.said.failed(why);
        }
    }
    co_return std::move(made);
}

}
