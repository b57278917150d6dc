// Places for files that vanish with the object: a directory in memory, and a file without a name.
#pragma once

#include <cstdint>
#include <filesystem>

namespace bench {

// A new directory in /dev/shm; its destructor removes it with all that it holds.
class scratch_directory {
public:
    // Throws unavailable where `bytes` would not fit, in the file system or in memory.
    explicit scratch_directory(std::uint64_t bytes);
    scratch_directory(const scratch_directory&) = delete;
    scratch_directory& operator=(const scratch_directory&) = delete;
    ~scratch_directory();

    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

enum class reads {
    cached,
    direct, // past the page cache
};

// A file whose block `i` begins with the number i; unlinked as soon as it is open.
class block_file {
public:
    // Throws unavailable, also where the file system has no direct reads.
    block_file(std::uint64_t blocks, std::size_t block_bytes, reads how = reads::cached);
    block_file(const block_file&) = delete;
    block_file& operator=(const block_file&) = delete;
    ~block_file();

    int fd() const { return fd_; }

private:
    void fill(std::uint64_t blocks, std::size_t block_bytes);
    void open_directly();

    int fd_;
};

}
