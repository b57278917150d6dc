/* See subjects.hpp. The table, and the operations that have no file. */
#include "support/subjects.hpp"

#include <poll.h>

namespace support {

namespace {

struct without_effect : subject {
    void settle(tacet_result, bool) override {}
};

struct no_operation : without_effect {
    tacet_result start(tacet_op* op, tacet_task* task) override { return tacet_nop_start(op, task); }
    tacet_result await(tacet_task* task) override { return tacet_nop(task); }
};

struct short_sleep : without_effect {
    tacet_result start(tacet_op* op, tacet_task* task) override { return tacet_sleep_start(op, task, 1000); }
    tacet_result await(tacet_task* task) override { return tacet_sleep(task, 1000); }
};

struct endless_sleep : without_effect {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_sleep_start(op, task, TACET_FOREVER - 1);
    }
    tacet_result await(tacet_task* task) override { return tacet_sleep(task, TACET_FOREVER - 1); }
};

struct poll_pipe : without_effect {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_poll_start(op, task, pipe.fds[0], POLLIN);
    }
    tacet_result await(tacet_task* task) override { return tacet_poll(task, pipe.fds[0], POLLIN); }
    void provoke() override { pipe.write("x"); }
    bool is_own(tacet_result r) const override { return r == POLLIN; }
    support::pipe pipe;
};

std::vector<operation_row> plain_rows()
{
    return {
        row<no_operation>("nop", IORING_OP_NOP, ends_at_once),
        row<short_sleep>("sleep", IORING_OP_TIMEOUT, without_ring),
        row<endless_sleep>("sleep, for ever", IORING_OP_TIMEOUT, waits | without_ring | cannot_be_provoked),
        row<poll_pipe>("poll", IORING_OP_POLL_ADD, waits),
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
        for (const auto& some : {plain_rows(), file_rows(), path_rows(), socket_rows(), wait_rows()})
            all.insert(all.end(), some.begin(), some.end());
        return all;
    }();
    return rows;
}

}
