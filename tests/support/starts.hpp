/* Every operation that can be started, with arguments that are fit: to test what holds for all of them. */
#ifndef SUPPORT_STARTS_HPP
#define SUPPORT_STARTS_HPP

#include "support/support.hpp"

#include <sys/stat.h>
#include <sys/uio.h>

namespace support {

struct start {
    std::string name;
    bool needs_ring;
    std::function<tacet_result(tacet_op*, tacet_task*)> start;
};

/* What the operations work on, and the place of their results; it must outlive them. */
class all_starts {
public:
    all_starts();
    all_starts(const all_starts&) = delete;
    ~all_starts();
    const std::vector<start>& rows() const { return rows_; }

private:
    void add_files();
    void add_paths();
    void add_waits();
    void add_sockets();
    void add(const char* name, std::function<tacet_result(tacet_op*, tacet_task*)> start, bool needs_ring = true);

    temporary_directory directory_;
    tacet_file dir_ = {-1, 0, 0}, file_ = {-1, 0, 0}, closed_ = {-1, 0, 0};
    open_how how_ = {O_RDONLY, 0, 0};
    std::string file_path_ = directory_ / "file";
    char buffer_[16] = {};
    iovec vector_ = {buffer_, sizeof buffer_};
    struct statx status_;
    siginfo_t child_;
    sockaddr name_ = {AF_INET, {}};
    msghdr message_ = {nullptr, 0, &vector_, 1, nullptr, 0, 0};
    uint32_t word_ = 0;
    futex_waitv words_ = {1, reinterpret_cast<uintptr_t>(&word_), FUTEX_32 | FUTEX_PRIVATE_FLAG, 0};
    std::vector<start> rows_;
};

}

#endif
