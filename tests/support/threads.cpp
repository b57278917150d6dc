/* See threads.hpp. */
#include "support/threads.hpp"

#include "support/inside.h"

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace support {

static void add_ways(std::vector<wake_way>& ways, const ring_kind& ring)
{
    ways.push_back({"ring message", ring, false, false});
    ways.push_back({"eventfd", ring, true, false});
    ways.push_back({"eventfd, messages being refused", ring, false, true});
}

const std::vector<wake_way>& wake_ways()
{
    static const std::vector<wake_way> ways = [] {
        std::vector<wake_way> all;
        add_ways(all, default_ring);
        all.push_back({"futex", {"no ring", 0, 0}, false, false});
        return all;
    }();
    return ways;
}

const std::vector<wake_way>& all_wake_ways()
{
    static const std::vector<wake_way> ways = [] {
        std::vector<wake_way> all;
        for (const ring_kind& ring : kernel_rings())
            add_ways(all, ring);
        all.push_back(wake_ways().back());
        return all;
    }();
    return ways;
}

namespace {

const unsigned register_send_msg_ring = 31;

bool may_refuse()
{
    static const bool may = in_child([] { return refuse_ring_messages() ? 0 : 1; }) == 0;
    return may;
}

}

wake_way any_of(const std::vector<wake_way>& ways)
{
    const wake_way way = GENERATE_COPY(from_range(ways));
    if (way.messages_refused && !may_refuse())
        SKIP("no seccomp filter may be installed here");
    return way;
}

tacet_executor_options options_of(const wake_way& way, bool accounting)
{
    tacet_executor_options options = {};
    options.ring_entries = way.ring.entries;
    options.setup_flags_forbidden = way.ring.flags_forbidden;
    options.woken_by_eventfd = way.by_eventfd;
    options.accounting = accounting;
    return options;
}

bool refuse_ring_messages()
{
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_register, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, register_send_msg_ring, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter = {sizeof program / sizeof program[0], program};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        return false;
    return ::syscall(SYS_io_uring_register, -1, register_send_msg_ring, nullptr, 1) == -1 && errno == EPERM;
}

bool is_asleep(tacet_executor* executor)
{
    return inside_is_asleep(executor);
}

std::string seen_from_outside(tacet_executor* executor)
{
    char line[128];
    std::snprintf(line, sizeof line, "  executor %p: newest in its inbox %p%s\n", static_cast<void*>(executor),
                  inside_newest(executor), is_asleep(executor) ? " (asleep)" : "");
    return line;
}

executor_thread::executor_thread(const wake_way& way, bool accounting)
    : thread_([this, way, accounting] { run(way, accounting); })
{
    wait_until([this] { return handle_ != nullptr || failed_; });
    if (failed_)
        end();
    REQUIRE_FALSE(failed_);
}

executor_thread::~executor_thread()
{
    if (thread_.joinable())
        end();
}

void executor_thread::run(const wake_way& way, bool accounting)
{
    const tacet_executor_options options = options_of(way, accounting);
    tacet_executor* executor = nullptr;
    if (create_patiently(&executor, &options) != 0) {
        failed_ = true;
        return;
    }
    if (way.messages_refused && !refuse_ring_messages())
        std::abort();
    handle_ = executor;
    result_ = tacet_executor_run(executor, TACET_UNTIL_STOPPED, nullptr);
    wait_until([this] { return ended_.load(); });
    if (tacet_executor_get_stats(executor, &stats_) != 0 || tacet_executor_destroy(executor) != 0)
        std::abort();
}

tacet_result executor_thread::end(tacet_result result)
{
    if (handle_ != nullptr && tacet_executor_wake(handle_, result) != 0)
        std::abort();
    ended_ = true;
    thread_.join();
    return result_;
}

tacet_task* made_task(const switcher_kind& switcher, tacet_task_body* body, void* arg)
{
    tacet_task* task = nullptr;
    tacet_task_options options = {};
    options.stack_bytes = 128 * 1024;
    if (tacet_task_create(&task, switcher.instance(), &options) != 0)
        std::abort();
    tacet_task_set_body(task, body, arg);
    return task;
}

std::uint64_t random_pauses::next()
{
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
}

void random_pauses::pause()
{
    const std::uint64_t drawn = next() % 1024;
    const std::uint64_t turns = drawn < 900 ? drawn % 4 : drawn < 1020 ? drawn % 1024 : 65536;
    for (std::uint64_t turn = 0; turn < turns; turn++)
        asm volatile("");
}

}
