// Checks the room before it takes it: a tmpfs that fills up takes the machine's memory with it.
#include "harness/scratch.hpp"

#include "harness/errors.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace bench {
namespace {

constexpr const char* memory_file_system = "/dev/shm";

std::uint64_t available_memory()
{
    std::ifstream info("/proc/meminfo");
    for (std::string line; std::getline(info, line);) {
        if (line.starts_with("MemAvailable:"))
            return std::stoull(line.substr(std::strlen("MemAvailable:"))) * 1024;
    }
    return 0;
}

void require_room(std::uint64_t bytes)
{
    struct statvfs room;
    if (statvfs(memory_file_system, &room) != 0)
        throw unavailable(fmt::format("{}: {}", memory_file_system, std::strerror(errno)));
    const std::uint64_t free_bytes = std::min<std::uint64_t>(room.f_bavail * room.f_frsize, available_memory());
    if (free_bytes < bytes)
        throw unavailable(fmt::format("needs {} MiB in {}, {} MiB are free (--quick needs less)", bytes >> 20,
                                      memory_file_system, free_bytes >> 20));
}

// Where the page cache is, which is not where tmpfs is: reads of it are what programs do most.
int open_nameless_file()
{
    const char* directory = std::getenv("TMPDIR");
    std::string name = fmt::format("{}/tacet-bench-XXXXXX", directory != nullptr ? directory : "/var/tmp");
    const int fd = mkostemp(name.data(), O_CLOEXEC);
    if (fd < 0)
        throw unavailable(fmt::format("create \"{}\": {}", name, std::strerror(errno)));
    unlink(name.c_str());
    return fd;
}

}

scratch_directory::scratch_directory(std::uint64_t bytes)
{
    require_room(bytes);
    std::string name = fmt::format("{}/tacet-bench-XXXXXX", memory_file_system);
    if (mkdtemp(name.data()) == nullptr)
        throw unavailable(fmt::format("create \"{}\": {}", name, std::strerror(errno)));
    path_ = name;
}

scratch_directory::~scratch_directory()
{
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

block_file::block_file(std::uint64_t blocks, std::size_t block_bytes, reads how) : fd_(open_nameless_file())
{
    try {
        fill(blocks, block_bytes);
        if (how == reads::direct)
            open_directly();
    } catch (...) {
        close(fd_);
        throw;
    }
}

void block_file::fill(std::uint64_t blocks, std::size_t block_bytes)
{
    std::vector<std::byte> block(block_bytes);
    for (std::uint64_t number = 0; number < blocks; number++) {
        std::memcpy(block.data(), &number, sizeof number);
        const ssize_t written = pwrite(fd_, block.data(), block_bytes, static_cast<off_t>(number * block_bytes));
        if (written == static_cast<ssize_t>(block_bytes))
            continue;
        const int error = written < 0 ? errno : ENOSPC;
        throw unavailable(fmt::format("fill the file to read from: {}", std::strerror(error)));
    }
}

void block_file::open_directly()
{
    const std::string again = fmt::format("/proc/self/fd/{}", fd_);
    const int fd = fsync(fd_) < 0 ? -1 : open(again.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (fd < 0)
        throw unavailable(fmt::format("a file for direct reads: {}", std::strerror(errno)));
    close(std::exchange(fd_, fd));
}

block_file::~block_file()
{
    close(fd_);
}

}
