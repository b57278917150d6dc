// What operations on files are told, and tell of: where something is, bytes of whatever kind, the names of open files.
//
// A location is a path, or at(dir, path): relative to an open directory (file.hpp).
#ifndef TACET_LOCATION_HPP
#define TACET_LOCATION_HPP

#include <tacet/descriptor.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace tacet {

// Bytes that are only looked at, of whatever kind: a string, a span, a vector of bytes.
class bytes_view : public std::span<const std::byte> {
public:
    bytes_view() noexcept {}
    bytes_view(std::span<const std::byte> bytes) noexcept : span(bytes) {}
    bytes_view(std::span<std::byte> bytes) noexcept : span(bytes) {}
    bytes_view(const std::vector<std::byte>& bytes) noexcept : span(bytes) {}
    bytes_view(std::string_view text) noexcept : span(std::as_bytes(std::span(text))) {}
    bytes_view(const std::string& text) noexcept : bytes_view(std::string_view(text)) {}
    bytes_view(const char* text) noexcept : bytes_view(std::string_view(text)) {}
};

class location {
public:
    location(const char* path) : path_(path) {}
    location(std::string path) noexcept : path_(std::move(path)) {}
    location(std::string_view path) : path_(path) {}
    location(const std::filesystem::path& path) : path_(path.native()) {}
    location(int dir, std::string path) noexcept : dir_(dir), path_(std::move(path)) {}

    int dir() const noexcept { return dir_; }
    const char* path() const noexcept { return path_.c_str(); }
    // For messages: the path in quotation marks, or the name of the open file if it means that itself.
    std::string described() const;

private:
    int dir_ = AT_FDCWD;
    std::string path_;
};

namespace detail {

// The name of an open file, by asking the kernel: only an error pays for it.
inline std::string descriptor_name(int fd)
{
    if (tacet_descriptor_is_registered(fd))
        return "registered descriptor";
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    std::string name(4096, '\0');
    const ssize_t length = ::readlink(link.c_str(), name.data(), name.size());
    if (length <= 0 || name[0] != '/')
        return "descriptor " + std::to_string(fd);
    name.resize(static_cast<std::size_t>(length));
    return '"' + name + '"';
}

inline std::string describe_descriptor(const char* what, int fd)
{
    return std::string(what) + ' ' + descriptor_name(fd);
}

struct void_value {
    using value_type = void;
    void value(tacet_result) const noexcept {}
};

struct size_value {
    using value_type = std::size_t;
    std::size_t value(tacet_result r) const noexcept { return static_cast<std::size_t>(r); }
};

} // namespace detail

inline std::string location::described() const
{
    return path_.empty() && dir_ != AT_FDCWD ? detail::descriptor_name(dir_) : '"' + path_ + '"';
}

} // namespace tacet

#endif
