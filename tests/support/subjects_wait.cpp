/* See subjects.hpp. What waits for words of memory, children, signals, counters, other tasks, and for helper threads. */
#include "support/subject_kinds.hpp"

#include <tacet/blocking.h>
#include <tacet/futex.h>
#include <tacet/notify.h>
#include <tacet/process.h>
#include <tacet/signal.h>
#include <tacet/socket.h>
#include <tacet/sync.h>

#include <cerrno>
#include <csignal>
#include <linux/futex.h>
#include <netdb.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace support {

namespace {

/* ---- Words ---- */

struct waits_for_word : without_effect {
    void provoke() override
    {
        __atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
        CHECK(::syscall(SYS_futex, &word, FUTEX_WAKE_BITSET_PRIVATE, 1, nullptr, nullptr, TACET_FUTEX_ANYBODY) >= 0);
    }
    /* what was not yet with the kernel when the word changed finds it changed */
    bool is_own(tacet_result r) const override { return r == woken || (r == -EAGAIN && word == 1); }
    tacet_result woken = 0;
    std::uint32_t word = 0;
};

struct wait_for_word : waits_for_word {
    auto arguments() { return std::tuple(&word, 0u, TACET_FUTEX_ANYBODY, false); }
};

struct wait_for_words : waits_for_word {
    wait_for_words() { woken = 1; }
    auto arguments() { return std::tuple(words, 2); }
    std::uint32_t other = 0;
    futex_waitv words[2] = {{0, reinterpret_cast<std::uintptr_t>(&other), FUTEX_32 | FUTEX_PRIVATE_FLAG, 0},
                            {0, reinterpret_cast<std::uintptr_t>(&word), FUTEX_32 | FUTEX_PRIVATE_FLAG, 0}};
};

struct wake_nobody : without_effect {
    auto arguments() { return std::tuple(&word, 1u, TACET_FUTEX_ANYBODY, false); }
    std::uint32_t word = 0;
};

/* ---- Children, signals, counters ---- */

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
    auto arguments() { return std::tuple(P_PID, static_cast<id_t>(child), &info, WEXITED); }
    void provoke() override { ::kill(child, SIGKILL); }
    void settle(tacet_result r) override
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

/* Something that is taken once a descriptor is readable; a body that returned looks how its wait has ended. */
struct takes : subject {
    tacet_result await(tacet_task* task) override
    {
        tacet_result r = waiting ? tacet_task_call_result(task) : 0;
        waiting = false;
        if (r < 0)
            return r;
        r = take(task);
        waiting = r == TACET_PENDING;
        return r;
    }
    virtual tacet_result take(tacet_task* task) = 0;
    bool waiting = false;
};

/* It is pending until it is taken. */
struct take_signal : takes {
    take_signal()
    {
        sigset_t signals;
        sigemptyset(&signals);
        sigaddset(&signals, SIGUSR2);
        CHECK(tacet_signal_source_open(&source, &signals) == 0);
    }
    ~take_signal() override
    {
        CHECK((tacet_signal_take(&source, nullptr) == SIGUSR2) == raised);
        tacet_signal_source_close(&source);
    }
    tacet_result take(tacet_task* task) override { return tacet_signal_wait(task, &source, &info); }
    void provoke() override
    {
        CHECK(::raise(SIGUSR2) == 0);
        raised = true;
    }
    bool is_own(tacet_result r) const override { return r == SIGUSR2; }
    void settle(tacet_result r) override
    {
        CHECK((info.ssi_signo == SIGUSR2) == (r == SIGUSR2));
        if (r == SIGUSR2)
            raised = false;
    }
    tacet_signal_source source = {-1};
    signalfd_siginfo info = {};
    bool raised = false;
};

struct take_count : takes {
    take_count() { CHECK(tacet_event_fd_open(&counter, 0, 0) == 0); }
    ~take_count() override { ::close(counter.fd); }
    tacet_result take(tacet_task* task) override { return tacet_event_fd_wait(task, &counter, &count); }
    void provoke() override
    {
        CHECK(tacet_event_fd_add(&counter, 3) == 0);
        added += 3;
    }
    void settle(tacet_result r) override
    {
        std::uint64_t left = 0;
        CHECK((count == 3) == (r == 0));
        CHECK(tacet_event_fd_take(&counter, &left) == (added == count ? -EAGAIN : 0));
        CHECK(count + left == added);
    }
    tacet_file counter = {-1, 0, 0};
    std::uint64_t count = 0, added = 0;
};

/* ---- Tasks and threads ---- */

struct acquire_semaphore : subject {
    acquire_semaphore() { tacet_semaphore_init(&semaphore, 0); }
    auto arguments() { return std::tuple(&semaphore); }
    void provoke() override
    {
        tacet_semaphore_release(&semaphore, 1);
        released++;
    }
    void settle(tacet_result r) override { CHECK(semaphore.available == released - (r == 0)); }
    tacet_semaphore semaphore;
    std::uint64_t released = 0;
};

/* The other stands at a gate. */
struct wait_for_task : subject {
    wait_for_task() : other(tacet_switcher_stackless(), {at_gate, [](tacet_task*) -> tacet_result { return 5; }})
    {
        tacet_semaphore_init(&gate, 0);
        writes_to(result);
    }
    void prepare(tacet_executor* executor_) override
    {
        executor = executor_;
        CHECK(tacet_task_set_priority(other, TACET_PRIORITY_HIGH, TACET_PRIORITY_LOW) == 0);
        other.attach(executor);
        CHECK(tacet_executor_run(executor, 1, &no_time) == 1);
    }
    auto arguments() { return std::tuple(static_cast<tacet_task*>(other), &result); }
    void provoke() override
    {
        if (!has_executor || tacet_task_has_exited(other))
            return;
        tacet_semaphore_release(&gate, 1);
        CHECK(tacet_executor_run(executor, 1, &no_time) == 1);
        CHECK(tacet_task_has_exited(other));
    }
    void settle(tacet_result r) override
    {
        CHECK((r == 0 || result == 0));
        CHECK(tacet_task_result(other) == (has_executor || r == 0 ? 5 : -ECANCELED));
    }
    void retire() override { provoke(); }

    static constexpr timespec no_time = {0, 0};
    tacet_semaphore gate;
    call at_gate = [this](tacet_task* self) { return tacet_semaphore_acquire(self, &gate); };
    task other;
    tacet_executor* executor = nullptr;
    tacet_result result = 0;
};

/* A helper thread is not stopped once it has begun. */
struct run_function : subject {
    static tacet_result function(void* arg)
    {
        static_cast<run_function*>(arg)->calls++;
        return 7;
    }
    auto arguments() { return std::tuple(&function, static_cast<void*>(this)); }
    bool is_own(tacet_result r) const override { return r == 7; }
    void settle(tacet_result r) override { CHECK(calls == (r == 7)); }
    int calls = 0;
};

struct look_up_name : subject {
    look_up_name()
    {
        hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
        lookup = {"127.0.0.1", "80", &hints, nullptr, 0};
    }
    ~look_up_name() override { tacet_lookup_finish(&lookup); }
    auto arguments() { return std::tuple(&lookup); }
    void settle(tacet_result r) override { CHECK((lookup.found != nullptr) == (r == 0)); }
    addrinfo hints = {};
    tacet_lookup lookup = {};
};

}

std::vector<operation_row> wait_rows()
{
    return {
        STARTED(tacet_futex_wait, wait_for_word, "", TACET_OPCODE_FUTEX_WAIT, waits),
        STARTED(tacet_futex_wait_any, wait_for_words, "", TACET_OPCODE_FUTEX_WAITV, waits),
        STARTED(tacet_futex_wake, wake_nobody, "", TACET_OPCODE_FUTEX_WAKE, ends_at_once),
        STARTED(tacet_process_wait, wait_for_child, "", TACET_OPCODE_WAITID, waits),
        row<take_signal>("tacet_signal_wait", "", IORING_OP_POLL_ADD, of_steps | waits),
        row<take_count>("tacet_event_fd_wait", "", IORING_OP_POLL_ADD, of_steps | waits),
        AWAITED(tacet_semaphore_acquire, acquire_semaphore, "", IORING_OP_NOP, waits | without_ring),
        AWAITED(tacet_task_wait, wait_for_task, "", IORING_OP_NOP, waits | without_ring),
        AWAITED(tacet_run_blocking, run_function, "", IORING_OP_NOP, without_ring),
        AWAITED(tacet_look_up, look_up_name, "", IORING_OP_NOP, without_ring),
    };
}

}
