/* See subjects.hpp. What goes from file to file. */
#include "support/subject_kinds.hpp"

#include <tacet/steps.h>

namespace support {

namespace {

/* A byte that goes from pipe to pipe is in one of the two. */
struct between_pipes : subject {
    void provoke() override
    {
        from.write("x");
        sent++;
    }
    bool is_own(tacet_result r) const override { return r == 1; }
    support::pipe from, to;
    tacet_file reader = from.reader(), writer = to.writer();
    int sent = 0;
};

struct splice_pipes : between_pipes {
    auto arguments() { return std::tuple(&reader, own_position, &writer, own_position, 1, 0); }
    void settle(tacet_result r) override
    {
        CHECK(bytes_in(to.fds[0]) == (r == 1 ? 1 : 0));
        settle_untold();
    }
    void settle_untold() override { CHECK(bytes_in(from.fds[0]) + bytes_in(to.fds[0]) == sent); }
};

struct tee_pipes : between_pipes {
    auto arguments() { return std::tuple(&reader, &writer, 1, 0); }
    void settle(tacet_result r) override
    {
        CHECK(bytes_in(to.fds[0]) == (r == 1 ? 1 : 0));
        CHECK(bytes_in(from.fds[0]) == sent);
    }
};

/* On a helper thread, which is not stopped once it has begun. */
struct copy_file : on_file {
    copy_file()
    {
        copied.fd = ::open(path_of_copy.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        CHECK(copied.fd >= 0);
    }
    ~copy_file() override
    {
        ::close(copied.fd);
        CHECK(::unlink(path_of_copy.c_str()) == 0);
    }
    auto arguments() { return std::tuple(&file, 0, &copied, 0, 3, &steps); }
    bool is_own(tacet_result r) const override { return r == 3; }
    void settle(tacet_result r) override
    {
        CHECK(steps.bytes == (r == 3 ? 3u : 0u));
        CHECK(scratch().read("copy") == (r == 3 ? "old" : ""));
    }
    std::string path_of_copy = scratch() / "copy";
    tacet_file copied = {-1, O_RDWR, 0};
    tacet_steps steps = {};
};

}

std::vector<operation_row> copy_rows()
{
    return {
        STARTED(tacet_file_splice, splice_pipes, "pipes", IORING_OP_SPLICE, waits),
        STARTED(tacet_file_tee, tee_pipes, "pipes", IORING_OP_TEE, waits),
        AWAITED(tacet_file_copy, copy_file, "", IORING_OP_NOP, of_steps | without_ring),
    };
}

}
