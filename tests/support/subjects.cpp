/* See subjects.hpp. The table, and the operations that have no file. */
#include "support/subjects.hpp"

#include "support/subject_kinds.hpp"

#include <poll.h>
#include <sys/mman.h>

namespace support {

namespace {

struct no_operation : without_effect {
    auto arguments() { return std::tuple(); }
};

struct short_sleep : without_effect {
    auto arguments() { return std::tuple(std::uint64_t{1000}); }
};

struct endless_sleep : without_effect {
    auto arguments() { return std::tuple(TACET_FOREVER - 1); }
};

struct poll_pipe : without_effect {
    auto arguments() { return std::tuple(pipe.fds[0], unsigned{POLLIN}); }
    void provoke() override { pipe.write("x"); }
    bool is_own(tacet_result r) const override { return r == POLLIN; }
    support::pipe pipe;
};

struct advise_memory : without_effect {
    advise_memory()
    {
        page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(page != MAP_FAILED);
    }
    ~advise_memory() override { ::munmap(page, 4096); }
    auto arguments() { return std::tuple(page, std::size_t{4096}, MADV_WILLNEED); }
    void* page;
};

std::vector<operation_row> plain_rows()
{
    return {
        STARTED(tacet_nop, no_operation, "", IORING_OP_NOP, ends_at_once),
        STARTED(tacet_sleep, short_sleep, "", IORING_OP_TIMEOUT, without_ring),
        STARTED(tacet_sleep, endless_sleep, "for ever", IORING_OP_TIMEOUT, waits | without_ring | cannot_be_provoked),
        AWAITED(tacet_yield, no_operation, "", IORING_OP_NOP, without_ring),
        STARTED(tacet_poll, poll_pipe, "", IORING_OP_POLL_ADD, waits),
        STARTED(tacet_memory_advise, advise_memory, "", IORING_OP_MADVISE, limited_worker),
    };
}

}

const temporary_directory& scratch()
{
    static const temporary_directory directory;
    return directory;
}

const std::vector<operation_row>& all_operations()
{
    static const std::vector<operation_row> rows = [] {
        std::vector<operation_row> all;
        for (const auto& some : {plain_rows(), file_rows(), path_rows(), steps_rows(), buffer_rows(), socket_rows(),
                                 multishot_rows(), wait_rows(), copy_rows()})
            all.insert(all.end(), some.begin(), some.end());
        return all;
    }();
    return rows;
}

}
