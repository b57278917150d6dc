/*
 * Children: their end is seen by who waits for it, wherever it comes, by the ring's own operation and, where the kernel
 * lacks that, by a pidfd. No status is lost to a wait that was cancelled, no child stays a zombie, no descriptor is left.
 */
#include "support/inside.h"
#include "support/support.hpp"

#include <cerrno>
#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

using namespace support;

namespace {

/* A child that ends when told to. Killed and reaped with the scope, if nobody has taken it. */
class child {
public:
    explicit child(int code = 7)
    {
        pid_ = ::fork();
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) {
            ::close(hold_.fds[1]); /* so that it also ends with this process */
            char byte;
            const ssize_t n = ::read(hold_.fds[0], &byte, 1);
            ::_exit(n == 1 ? code : 1);
        }
    }
    child(const child&) = delete;
    ~child()
    {
        if (is_there()) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }
    pid_t pid() const { return pid_; }
    void end() const { hold_.write("x"); }
    void end_and_wait() const
    {
        end();
        siginfo_t info;
        CHECK(::waitid(P_PID, id(), &info, WEXITED | WNOWAIT) == 0);
    }
    id_t id() const { return static_cast<id_t>(pid_); }

    /* Ours still: it runs, or its status is to be had. */
    bool is_there() const
    {
        siginfo_t info;
        return ::waitid(P_PID, id(), &info, WEXITED | WNOHANG | WNOWAIT) == 0;
    }

private:
    support::pipe hold_;
    pid_t pid_;
};

enum class by { ring, pidfd };

/* An executor whose kernel has the operation, or seems to lack it. */
struct waiting_executor {
    explicit waiting_executor(by way, const ring_kind& ring = default_ring) : handle(ring)
    {
        if (way == by::pidfd)
            inside_hide(handle, TACET_OPCODE_WAITID);
    }
    operator tacet_executor*() const { return handle; }
    executor handle;
};

std::vector<by> ways()
{
    return kernel_has(TACET_OPCODE_WAITID) ? std::vector<by>{by::ring, by::pidfd} : std::vector<by>{by::pidfd};
}

const std::vector<switcher_kind>& switchers_for(by way)
{
    return way == by::ring ? suspending_switchers() : own_stack_switchers();
}

call wait_for(const child& child, siginfo_t& info, int options = WEXITED)
{
    return [&child, &info, options](tacet_task* self) {
        return tacet_process_wait(self, P_PID, child.id(), &info, options);
    };
}

}

TEST_CASE("the exit of a child ends a wait, which comes before it or after it", "[process]")
{
    const by way = GENERATE(from_range(ways()));
    const switcher_kind& switcher = GENERATE_COPY(from_range(switchers_for(way)));
    const ring_kind& ring = GENERATE(from_range(kernel_rings()));
    const bool before = GENERATE(false, true);
    waiting_executor executor(way, ring);
    const child child(42);
    siginfo_t info = {};
    task waiter(switcher, {wait_for(child, info)});
    if (before)
        child.end_and_wait();
    waiter.attach(executor);
    let_settle(executor);
    if (!before)
        child.end();
    CHECK(executor.handle.run_until_idle() >= 0);
    CHECK(waiter.results() == std::vector<tacet_result>{0});
    CHECK(info.si_pid == child.pid());
    CHECK(info.si_code == CLD_EXITED);
    CHECK(info.si_status == 42);
    CHECK_FALSE(child.is_there());
}

TEST_CASE("a child that a signal ends says which", "[process]")
{
    const by way = GENERATE(from_range(ways()));
    waiting_executor executor(way);
    const child child;
    siginfo_t info = {};
    task waiter(own_stack_switchers()[0], {wait_for(child, info)});
    waiter.attach(executor);
    let_settle(executor);
    ::kill(child.pid(), SIGKILL);
    CHECK(executor.handle.run_until_idle() >= 0);
    CHECK(waiter.results() == std::vector<tacet_result>{0});
    CHECK(info.si_code == CLD_KILLED);
    CHECK(info.si_status == SIGKILL);
}

TEST_CASE("a wait on a pidfd, and one that leaves the status there", "[process]")
{
    const by way = GENERATE(from_range(ways()));
    const switcher_kind& switcher = GENERATE_COPY(from_range(switchers_for(way)));
    waiting_executor executor(way);
    const child child;
    const int pidfd = static_cast<int>(tacet_process_open(child.pid()));
    REQUIRE(pidfd >= 0);
    siginfo_t looked = {}, taken = {};
    const auto on_pidfd = [&](tacet_task* self) {
        return tacet_process_wait(self, P_PIDFD, static_cast<id_t>(pidfd), &taken, WEXITED);
    };
    task waiter(switcher, {wait_for(child, looked, WEXITED | WNOWAIT), on_pidfd});
    waiter.attach(executor);
    let_settle(executor);
    child.end();
    CHECK(executor.handle.run_until_idle() >= 0);
    CHECK(waiter.results() == std::vector<tacet_result>{0, 0});
    CHECK(looked.si_status == 7);
    CHECK(taken.si_status == 7);
    CHECK_FALSE(child.is_there());
    CHECK(::close(pidfd) == 0);
}

TEST_CASE("a cancelled wait for a child takes nobody's status", "[process]")
{
    const by way = GENERATE(from_range(ways()));
    const switcher_kind& switcher = GENERATE_COPY(from_range(switchers_for(way)));
    const ring_kind& ring = GENERATE(from_range(kernel_rings()));
    const std::size_t descriptors = open_descriptors();
    {
        waiting_executor executor(way, ring);
        const child child;
        siginfo_t cancelled = {}, taken = {};
        cancelled.si_pid = 1; /* of some wait before */
        task waiter(switcher, {wait_for(child, cancelled), wait_for(child, taken)});
        waiter.attach(executor);
        let_settle(executor);
        CHECK(tacet_task_cancel(waiter) == 0);
        CHECK(executor.handle.run_until([&] { return waiter.results().size() == 1; }));
        CHECK(waiter.results() == std::vector<tacet_result>{-ECANCELED});
        CHECK(cancelled.si_pid == 0);
        CHECK(child.is_there());
        child.end();
        CHECK(executor.handle.run_until_idle() >= 0);
        CHECK(waiter.results() == std::vector<tacet_result>{-ECANCELED, 0});
        CHECK(taken.si_status == 7);
    }
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("a child's end races the cancel of the wait for it, and its status is somebody's", "[process]")
{
    const by way = GENERATE(from_range(ways()));
    const switcher_kind& switcher = GENERATE_COPY(from_range(switchers_for(way)));
    waiting_executor executor(way);
    std::size_t taken = 0, left = 0;
    for (int round = 0; round < 60; round++) {
        const child child;
        siginfo_t info = {};
        task waiter(switcher, {wait_for(child, info)});
        waiter.attach(executor);
        let_settle(executor);
        child.end();
        for (int i = 0; i < round; i++)
            ::sched_yield();
        CHECK(tacet_task_cancel(waiter) == 0);
        CHECK(executor.handle.run_until_idle() >= 0);
        const tacet_result r = tacet_task_result(waiter);
        CHECK((r == 0 || r == -ECANCELED));
        CHECK(info.si_pid == (r == 0 ? child.pid() : 0));
        CHECK(child.is_there() == (r != 0));
        (r == 0 ? taken : left)++;
    }
    CHECK(taken + left == 60);
}

TEST_CASE("an executor that is destroyed takes no status with it", "[process]")
{
    const by way = GENERATE(from_range(ways()));
    const switcher_kind& switcher = GENERATE_COPY(from_range(switchers_for(way)));
    const bool ends = GENERATE(false, true);
    const child child;
    siginfo_t info = {};
    {
        waiting_executor executor(way);
        task waiter(switcher, {wait_for(child, info)});
        waiter.attach(executor);
        let_settle(executor);
        if (ends)
            child.end_and_wait();
        CHECK(executor.handle.destroy() == 0);
    }
    if (switcher.instance() != tacet_switcher_copying()) /* its copy of info has gone with the task */
        CHECK(child.is_there() == (info.si_pid == 0));
}

TEST_CASE("a wait for a child that is not ours is -ECHILD, and one for nothing -EINVAL", "[process]")
{
    const by way = GENERATE(from_range(ways()));
    const switcher_kind& switcher = GENERATE_COPY(from_range(switchers_for(way)));
    waiting_executor executor(way);
    siginfo_t info = {};
    task waiter(switcher, {[&](tacet_task* self) { return tacet_process_wait(self, P_PID, 1, &info, WEXITED); },
                           [&](tacet_task* self) { return tacet_process_wait(self, P_PID, INT32_MAX, &info, WEXITED); },
                           [&](tacet_task* self) { return tacet_process_wait(self, P_PID, 1, nullptr, WEXITED); }});
    waiter.attach(executor);
    CHECK(executor.handle.run_until_idle() >= 0);
    CHECK(waiter.results() == std::vector<tacet_result>{-ECHILD, -ECHILD, -EINVAL});
}

TEST_CASE("without the ring's operation, what a pidfd cannot tell is -EOPNOTSUPP", "[process]")
{
    waiting_executor executor(by::pidfd);
    siginfo_t info = {};
    tacet_op op = {};
    const auto wait = [&](idtype_t kind, int options) {
        return [&info, kind, options](tacet_task* self) { return tacet_process_wait(self, kind, 0, &info, options); };
    };
    task with_stack(own_stack_switchers()[0],
                    {wait(P_ALL, WEXITED), wait(P_PGID, WEXITED), wait(P_PID, WSTOPPED), wait(P_PID, WEXITED | WNOHANG),
                     [&](tacet_task* self) { return tacet_process_wait_start(&op, self, P_PID, 1, &info, WEXITED); }});
    task without(switcher_kind{"stackless", tacet_switcher_stackless}, {wait(P_PID, WEXITED)});
    with_stack.attach(executor);
    without.attach(executor);
    CHECK(executor.handle.run_until_idle() >= 0);
    CHECK(with_stack.results() == std::vector<tacet_result>(5, -EOPNOTSUPP));
    CHECK(without.results() == std::vector<tacet_result>{-EOPNOTSUPP});
}

TEST_CASE("any child at all, and none that waits: as waitid says", "[process]")
{
    if (!kernel_has(TACET_OPCODE_WAITID))
        SKIP("Linux 6.7: waitid through the ring");
    caller run(GENERATE(from_range(suspending_switchers())));
    siginfo_t info = {};
    const child one, two;
    CHECK(run([&](tacet_task* self) { return tacet_process_wait(self, P_ALL, 0, &info, WEXITED | WNOHANG); }) == 0);
    CHECK(info.si_pid == 0);
    one.end();
    CHECK(run([&](tacet_task* self) { return tacet_process_wait(self, P_ALL, 0, &info, WEXITED); }) == 0);
    CHECK(info.si_pid == one.pid());
    CHECK_FALSE(one.is_there());
    CHECK(two.is_there());
}

TEST_CASE("the status of a child is taken by its pidfd when it has exited, and once", "[process]")
{
    const child child;
    siginfo_t info = {};
    const int pidfd = static_cast<int>(tacet_process_open(child.pid()));
    REQUIRE(pidfd >= 0);
    CHECK(tacet_process_take(pidfd, &info) == -EAGAIN);
    CHECK(tacet_process_take(pidfd, nullptr) == -EINVAL);
    CHECK(tacet_process_send(pidfd, SIGKILL) == 0);
    CHECK(::waitid(P_PID, child.id(), &info, WEXITED | WNOWAIT) == 0);
    info = {};
    CHECK(tacet_process_take(pidfd, &info) == 0);
    CHECK(info.si_pid == child.pid());
    CHECK(info.si_status == SIGKILL);
    CHECK(tacet_process_take(pidfd, &info) == -ECHILD);
    CHECK(tacet_process_send(pidfd, SIGKILL) == -ESRCH);
    CHECK(::close(pidfd) == 0);
    CHECK(tacet_process_open(child.pid()) == -ESRCH);
    CHECK(tacet_process_take(pidfd, &info) == -EBADF);
}

TEST_CASE("a wait for a child that ends at its deadline takes nobody's status", "[process]")
{
    const by way = GENERATE(from_range(ways()));
    const switcher_kind& switcher = GENERATE_COPY(from_range(switchers_for(way)));
    waiting_executor executor(way);
    const child child;
    siginfo_t info = {};
    const auto limit = [](tacet_task* self) { return tacet_task_set_deadline(self, tacet_now() + 1); };
    task waiter(switcher, {limit, wait_for(child, info)});
    waiter.attach(executor);
    CHECK(executor.handle.run_until_idle() >= 0);
    CHECK(waiter.results() == std::vector<tacet_result>{0, -ETIME});
    CHECK(info.si_pid == 0);
    CHECK(child.is_there());
}
