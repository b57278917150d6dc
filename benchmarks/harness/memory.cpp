// The files of /proc behind memory.hpp.
#include "harness/memory.hpp"

#include "harness/errors.hpp"

#include <fstream>
#include <optional>
#include <string>
#include <string_view>

namespace bench {
namespace {

constexpr std::uint64_t kib = 1024;

// The number behind `name:` in a file of lines `name: NUMBER kB`.
std::optional<std::uint64_t> find_kib(const char* path, std::string_view name)
{
    std::ifstream file(path);
    std::string line;
    while (std::getline(file, line)) {
        if (line.starts_with(name) && line.size() > name.size() && line[name.size()] == ':')
            return std::stoull(line.substr(name.size() + 1));
    }
    return std::nullopt;
}

}

std::uint64_t available_memory_bytes()
{
    return find_kib("/proc/meminfo", "MemAvailable").value_or(0) * kib;
}

std::uint64_t resident_bytes()
{
    const auto resident = find_kib("/proc/self/smaps_rollup", "Rss");
    if (!resident)
        throw unavailable("/proc/self/smaps_rollup cannot be read");
    return *resident * kib;
}

std::uint64_t mappings()
{
    std::ifstream file("/proc/self/maps");
    if (!file)
        throw unavailable("/proc/self/maps cannot be read");
    std::uint64_t lines = 0;
    for (std::string line; std::getline(file, line);)
        lines++;
    return lines;
}

}
