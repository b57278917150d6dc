#include "directory.hpp"

#include "step.hpp"

#include <dirent.h>
#include <fcntl.h>

#include <string_view>

namespace cp {
namespace {

std::string join(std::string folder, const std::string& name)
{
    if (!folder.empty() && name == ".")
        return folder;
    if (!folder.empty() && folder.back() != '/')
        folder += '/';
    return folder += name;
}

}

directory::directory(const directory* parent_directory, entry itself)
    : parent(parent_directory), self(std::move(itself)), status{},
      unnamed(parent_directory == nullptr || parent_directory->unnamed)
{
}

std::string directory::path(side which) const
{
    if (parent == nullptr)
        return which == side::source ? self.name : self.target_name();
    return parent->path(which, self);
}

std::string directory::path(side which, const entry& entry) const
{
    return join(path(which), which == side::source ? entry.name : entry.target_name());
}

bool is_same_file(const struct statx& one, const struct statx& other)
{
    return one.stx_ino == other.stx_ino && one.stx_dev_major == other.stx_dev_major &&
           one.stx_dev_minor == other.stx_dev_minor;
}

tacet::task<tacet::file> open_directory(const directory& directory, side which)
{
    const place where(*directory.parent, directory.self, which);
    co_return co_await step("open", where, tacet::open(where.location(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
}

tacet::task<std::optional<entry>> directory_reader::next()
{
    for (;;) {
        if (at_ == filled_) {
            auto read = co_await tacet::as_result(of_.source.read_directory(buffer_));
            if (!read)
                throw failure("read", of_.path(side::source), read.error());
            at_ = 0;
            filled_ = *read;
            if (filled_ == 0)
                co_return std::nullopt;
        }
        const auto* record = reinterpret_cast<const dirent64*>(buffer_.data() + at_);
        at_ += record->d_reclen;
        const std::string_view name = record->d_name;
        if (name != "." && name != "..")
            co_return entry{std::string(name), {}, record->d_type};
    }
}

}
