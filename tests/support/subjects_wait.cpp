/* See subjects.hpp. What waits for words of memory and for children, and what goes from file to file. */
#include "support/subjects.hpp"

#include <csignal>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace support {

namespace {

struct wait_for_word : subject {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_futex_wait_start(op, task, &word, 0, TACET_FUTEX_ANYBODY, false);
    }
    tacet_result await(tacet_task* task) override
    {
        return tacet_futex_wait(task, &word, 0, TACET_FUTEX_ANYBODY, false);
    }
    void provoke() override
    {
        __atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
        CHECK(::syscall(SYS_futex, &word, FUTEX_WAKE_BITSET_PRIVATE, 1, nullptr, nullptr, TACET_FUTEX_ANYBODY) >= 0);
    }
    /* what was not yet with the kernel when the word changed finds it changed */
    bool is_own(tacet_result r) const override { return r == 0 || (r == -EAGAIN && word == 1); }
    void settle(tacet_result, bool) override {}
    std::uint32_t word = 0;
};

struct wake_nobody : subject {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_futex_wake_start(op, task, &word, 1, TACET_FUTEX_ANYBODY, false);
    }
    tacet_result await(tacet_task* task) override
    {
        return tacet_futex_wake(task, &word, 1, TACET_FUTEX_ANYBODY, false);
    }
    void settle(tacet_result, bool) override {}
    std::uint32_t word = 0;
};

/* A child's status is told, or it is still to be had. */
struct wait_for_child : subject {
    wait_for_child()
    {
        child = ::fork();
        CHECK(child >= 0);
        if (child == 0) {
            for (;;)
                ::pause();
        }
        writes_to(info);
    }
    ~wait_for_child() override
    {
        ::kill(child, SIGKILL);
        while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR)
            continue;
    }
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_process_wait_start(op, task, P_PID, static_cast<id_t>(child), &info, WEXITED);
    }
    tacet_result await(tacet_task* task) override
    {
        return tacet_process_wait(task, P_PID, static_cast<id_t>(child), &info, WEXITED);
    }
    void provoke() override { ::kill(child, SIGKILL); }
    void settle(tacet_result r, bool) override
    {
        CHECK((info.si_pid == child) == (r == 0));
        settle_untold();
    }
    void settle_untold() override
    {
        siginfo_t seen = {};
        const bool is_there = ::waitid(P_PID, static_cast<id_t>(child), &seen, WEXITED | WNOHANG | WNOWAIT) == 0;
        CHECK(is_there == (info.si_pid != child));
    }
    pid_t child = -1;
    siginfo_t info = {};
};

/* A byte that goes from pipe to pipe is in one of the two. */
struct between_pipes : subject {
    void provoke() override
    {
        from.write("x");
        sent++;
    }
    bool is_own(tacet_result r) const override { return r == 1; }
    static int bytes_in(const support::pipe& pipe)
    {
        int bytes = 0;
        CHECK(::ioctl(pipe.fds[0], FIONREAD, &bytes) == 0);
        return bytes;
    }
    support::pipe from, to;
    tacet_file reader = from.reader(), writer = to.writer();
    int sent = 0;
};

struct splice_pipes : between_pipes {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_file_splice_start(op, task, &reader, UINT64_MAX, &writer, UINT64_MAX, 1, 0);
    }
    tacet_result await(tacet_task* task) override
    {
        return tacet_file_splice(task, &reader, UINT64_MAX, &writer, UINT64_MAX, 1, 0);
    }
    void settle(tacet_result r, bool) override
    {
        CHECK(bytes_in(to) == (r == 1 ? 1 : 0));
        settle_untold();
    }
    void settle_untold() override { CHECK(bytes_in(from) + bytes_in(to) == sent); }
};

struct tee_pipes : between_pipes {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_file_tee_start(op, task, &reader, &writer, 1, 0);
    }
    tacet_result await(tacet_task* task) override { return tacet_file_tee(task, &reader, &writer, 1, 0); }
    void settle(tacet_result r, bool) override
    {
        CHECK(bytes_in(to) == (r == 1 ? 1 : 0));
        CHECK(bytes_in(from) == sent);
    }
};

}

std::vector<operation_row> wait_rows()
{
    return {
        row<wait_for_word>("futex wait", TACET_OPCODE_FUTEX_WAIT, waits),
        row<wake_nobody>("futex wake", TACET_OPCODE_FUTEX_WAKE, ends_at_once),
        row<wait_for_child>("child exit", TACET_OPCODE_WAITID, waits),
        row<splice_pipes>("splice, pipes", IORING_OP_SPLICE, waits),
        row<tee_pipes>("tee, pipes", IORING_OP_TEE, waits),
    };
}

}
