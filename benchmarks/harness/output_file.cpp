// Writes beside the target and renames.
#include "harness/output_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace bench {
namespace {

[[noreturn]] void throw_errno(int error, const char* what, const std::string& path)
{
    throw std::system_error(error, std::generic_category(), fmt::format("{} \"{}\"", what, path));
}

}

output_file::output_file(std::string path)
    : path_(std::move(path)), partial_path_(path_ + ".partial"), file_(std::fopen(partial_path_.c_str(), "w"))
{
    if (file_ == nullptr)
        throw_errno(errno, "create", partial_path_);
}

output_file::~output_file()
{
    if (file_ == nullptr)
        return;
    std::fclose(file_);
    unlink(partial_path_.c_str());
}

void output_file::commit(std::string_view text)
{
    const bool written = std::fwrite(text.data(), 1, text.size(), file_) == text.size();
    if (!written || std::fflush(file_) != 0)
        throw_errno(errno, "write", partial_path_);
    if (std::rename(partial_path_.c_str(), path_.c_str()) != 0)
        throw_errno(errno, "rename to", path_);
    std::fclose(std::exchange(file_, nullptr));
}

}
