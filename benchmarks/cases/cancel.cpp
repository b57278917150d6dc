// Case `cancel`: from the call of tacet_task_cancel() to the resumption of the task, by kind of what it waits for; from
// the executor's own thread (`threads` 1), or from another one while the executor sleeps (2). The baseline cancels the same
// operation in a bare ring, in one system call; from another thread a bare ring message asks for it. What is no operation of
// the ring has the cancel of a timeout as its baseline.
#include "baseline/raw_cancel.hpp"
#include "cases/cases.hpp"
#include "cases/group.hpp"
#include "cases/rig.hpp"
#include "harness/clock.hpp"
#include "harness/connections.hpp"
#include "harness/crew.hpp"
#include "harness/errors.hpp"
#include "harness/relax.hpp"
#include "harness/statistics.hpp"

#include <tacet/socket.h>
#include <tacet/tacet.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <optional>

namespace bench {
namespace {

constexpr unsigned ring_entries = 64;
constexpr std::uint64_t hour_ns = 3'600'000'000'000;
constexpr std::uint64_t falls_asleep_ns = 30'000; // after a resumption, before the next cancel

// What can be waited for in vain.
class nothing_comes {
public:
    nothing_comes() : connections(1), listener(listen_on_loopback())
    {
        if (pipe2(pipe, O_CLOEXEC) < 0)
            throw unavailable("no pipe");
    }
    nothing_comes(const nothing_comes&) = delete;
    nothing_comes& operator=(const nothing_comes&) = delete;
    ~nothing_comes()
    {
        for (const int fd : {pipe[0], pipe[1], listener})
            close(fd);
    }

    bench::connections connections;
    int listener;
    int pipe[2];
    __kernel_timespec hour = {3600, 0};
    char byte;
};

struct waiting {
    nothing_comes things;
    tacet_file file;
    tacet_file accepted;
    tacet_semaphore semaphore;
};

// One kind of wait: of a task, and of a bare ring.
struct wait_kind {
    const char* name;
    int (*fd)(const nothing_comes& things);
    tacet_result (*wait)(tacet_task* task, waiting& waiting);
    void (*prepare)(io_uring_sqe* sqe, nothing_comes& things);
};

int no_fd(const nothing_comes&)
{
    return 0;
}
int pipe_fd(const nothing_comes& things)
{
    return things.pipe[0];
}
int listener_fd(const nothing_comes& things)
{
    return things.listener;
}
int connection_fd(const nothing_comes& things)
{
    return things.connections.servers()[0];
}

void prepare_timeout(io_uring_sqe* sqe, nothing_comes& things)
{
    io_uring_prep_timeout(sqe, &things.hour, 0, 0);
}

const wait_kind kinds[] = {
    {"sleep", no_fd, [](tacet_task* task, waiting&) { return tacet_sleep(task, hour_ns); }, prepare_timeout},
    {"semaphore", no_fd,
     [](tacet_task* task, waiting& waiting) { return tacet_semaphore_acquire(task, &waiting.semaphore); },
     prepare_timeout},
    {"poll", pipe_fd, [](tacet_task* task, waiting& waiting) { return tacet_poll(task, waiting.file.fd, POLLIN); },
     [](io_uring_sqe* sqe, nothing_comes& things) { io_uring_prep_poll_add(sqe, things.pipe[0], POLLIN); }},
    {"read_pipe", pipe_fd,
     [](tacet_task* task, waiting& waiting) {
         return tacet_file_read(task, &waiting.file, &waiting.things.byte, 1, UINT64_MAX);
     },
     [](io_uring_sqe* sqe, nothing_comes& things) {
         io_uring_prep_read(sqe, things.pipe[0], &things.byte, 1, UINT64_MAX);
     }},
    {"accept", listener_fd,
     [](tacet_task* task, waiting& waiting) {
         return tacet_socket_accept(task, &waiting.file, &waiting.accepted, nullptr, nullptr, 0);
     },
     [](io_uring_sqe* sqe, nothing_comes& things) {
         io_uring_prep_accept(sqe, things.listener, nullptr, nullptr, SOCK_CLOEXEC);
     }},
    {"receive", connection_fd,
     [](tacet_task* task, waiting& waiting) {
         return tacet_socket_receive(task, &waiting.file, &waiting.things.byte, 1, 0);
     },
     [](io_uring_sqe* sqe, nothing_comes& things) {
         io_uring_prep_recv(sqe, things.connections.servers()[0], &things.byte, 1, MSG_NOSIGNAL);
     }},
};

// A figure is the median of single cancels.
class cancels : public contestant {
public:
    std::uint64_t perform(std::uint64_t ops) override { return take_slice(ops).ops; }
    disturbed_by sensitivity() const override { return disturbed_by::nobody; }
    slice take_slice(std::uint64_t ops) override
    {
        times_ns_.clear();
        times_ns_.reserve(ops);
        cancel_many(ops);
        return slice{ops, median(times_ns_) * static_cast<double>(ops)};
    }

protected:
    virtual void cancel_many(std::uint64_t ops) = 0;
    void note(std::uint64_t begin, std::uint64_t end) { times_ns_.push_back(static_cast<double>(end - begin)); }

private:
    std::vector<double> times_ns_;
};

// A task that waits again and again, each time until it is cancelled.
class cancelled_task {
public:
    explicit cancelled_task(const wait_kind& kind) : kind_(kind), rig_(ring_entries, false)
    {
        require(tacet_file_from_fd(&waiting_.file, kind.fd(waiting_.things), O_RDWR), "tacet_file_from_fd");
        tacet_semaphore_init(&waiting_.semaphore, 0);
        task_ = rig_.add(tacet_switcher_stackless(), wait_again, this);
        run_without_waiting();
    }

    tacet_executor* executor() const { return rig_.executor(); }
    void run_without_waiting()
    {
        const timespec no_time = {};
        const tacet_result done = tacet_executor_run(executor(), TACET_UNTIL_STOPPED, &no_time);
        require(done == -ETIME ? 0 : done, "tacet_executor_run");
    }
    void run_one() { rig_.run(1); }
    void cancel() { require(tacet_task_cancel(task_), "tacet_task_cancel"); }
    void check() const
    {
        if (tacet_task_has_exited(task_))
            throw wrong_answer(fmt::format("cancel: {} ended with {}", kind_.name, tacet_task_result(task_)));
    }

    std::atomic<std::uint64_t> resumptions = 0;
    std::uint64_t resumed_ns = 0; // when that was last
    std::uint64_t stop_at = UINT64_MAX;

private:
    static tacet_result wait_again(tacet_task* task, void* argument)
    {
        auto* self = static_cast<cancelled_task*>(argument);
        if (self->begun_) {
            self->resumed_ns = now_ns();
            const tacet_result r = tacet_task_call_result(task);
            if (r != -ECANCELED)
                return r;
            const std::uint64_t count = self->resumptions.load(std::memory_order_relaxed) + 1;
            self->resumptions.store(count, std::memory_order_release);
            if (count == self->stop_at)
                tacet_executor_stop(self->executor());
        }
        self->begun_ = true;
        return self->kind_.wait(task, self->waiting_);
    }

    const wait_kind& kind_;
    waiting waiting_ = {};
    bool begun_ = false;
    rig rig_;
    tacet_task* task_ = nullptr;
};

class own_cancels : public cancels {
public:
    explicit own_cancels(const wait_kind& kind) : task_(kind) {}

private:
    void cancel_many(std::uint64_t ops) override
    {
        for (std::uint64_t i = 0; i < ops; i++) {
            const std::uint64_t begin = now_ns();
            task_.cancel();
            task_.run_one();
            note(begin, task_.resumed_ns);
            task_.run_without_waiting(); // its next wait goes to the kernel
        }
        task_.check();
    }

    cancelled_task task_;
};

class raw_own_cancels : public cancels {
public:
    explicit raw_own_cancels(const wait_kind& kind)
        : raw_([this, &kind](io_uring_sqe* sqe) { kind.prepare(sqe, things_); })
    {
    }

private:
    void cancel_many(std::uint64_t ops) override
    {
        for (std::uint64_t i = 0; i < ops; i++) {
            raw_.arm();
            const std::uint64_t begin = now_ns();
            raw_.cancel();
            note(begin, now_ns());
        }
    }

    nothing_comes things_;
    baseline::raw_cancel raw_;
};

// Part 0 of the crew, the caller's thread, waits; part 1 cancels.
class cancels_from_afar : public cancels {
public:
    explicit cancels_from_afar(crew& crew) : crew_(crew) {}
    double slice_ns_min() const override { return 5e6; }

protected:
    virtual void wait(std::uint64_t ops) = 0;
    virtual void cancel_all(std::uint64_t ops) = 0;

    static void let_it_fall_asleep()
    {
        for (const std::uint64_t begin = now_ns(); now_ns() - begin < falls_asleep_ns;)
            relax();
    }

private:
    void cancel_many(std::uint64_t ops) override
    {
        crew_.run([&](std::size_t part) { play_or_exit(part, ops); });
    }
    // If one end fails the other would wait for ever.
    void play_or_exit(std::size_t part, std::uint64_t ops)
    {
        try {
            part == 0 ? wait(ops) : cancel_all(ops);
        } catch (const std::exception& failure) {
            fmt::print(stderr, "tacet-bench: cancel: {}\n", failure.what());
            std::_Exit(1);
        }
    }

    crew& crew_;
};

class other_cancels : public cancels_from_afar {
public:
    other_cancels(crew& crew, const wait_kind& kind) : cancels_from_afar(crew), task_(kind) {}

private:
    void wait(std::uint64_t ops) override
    {
        task_.stop_at = total_ + ops;
        total_ += ops;
        require(tacet_executor_run(task_.executor(), TACET_UNTIL_STOPPED, nullptr), "tacet_executor_run");
        task_.run_without_waiting();
        task_.check();
    }
    void cancel_all(std::uint64_t ops) override
    {
        for (std::uint64_t i = 0; i < ops; i++) {
            let_it_fall_asleep();
            const std::uint64_t begin = now_ns();
            task_.cancel();
            sent_++;
            while (task_.resumptions.load(std::memory_order_acquire) != sent_)
                relax();
            note(begin, task_.resumed_ns);
        }
    }

    cancelled_task task_;
    std::uint64_t total_ = 0, sent_ = 0; // part 0's; part 1's
};

class raw_other_cancels : public cancels_from_afar {
public:
    raw_other_cancels(crew& crew, const wait_kind& kind)
        : cancels_from_afar(crew), raw_([this, &kind](io_uring_sqe* sqe) { kind.prepare(sqe, things_); })
    {
    }

private:
    void wait(std::uint64_t ops) override
    {
        for (std::uint64_t i = 0; i < ops; i++) {
            raw_.arm();
            raw_.wait_for_message();
            raw_.cancel();
            cancelled_ns_ = now_ns();
            cancelled_.fetch_add(1, std::memory_order_release);
        }
    }
    void cancel_all(std::uint64_t ops) override
    {
        for (std::uint64_t i = 0; i < ops; i++) {
            let_it_fall_asleep();
            const std::uint64_t begin = now_ns();
            raw_.send_message();
            sent_++;
            while (cancelled_.load(std::memory_order_acquire) != sent_)
                relax();
            note(begin, cancelled_ns_);
        }
    }

    nothing_comes things_;
    baseline::raw_cancel raw_;
    std::atomic<std::uint64_t> cancelled_ = 0;
    std::uint64_t cancelled_ns_ = 0, sent_ = 0;
};

row parameters(const wait_kind& kind, std::size_t threads)
{
    row row(kind.name);
    return row.set("threads", threads).set("accounting", std::string("off"));
}

void measure_own(const wait_kind& kind, const options& options, report& report)
{
    group group;
    const std::size_t raw = group.add_baseline("raw_cancel", std::make_unique<raw_own_cancels>(kind));
    group.add(parameters(kind, 1), std::make_unique<own_cancels>(kind), raw);
    group.measure(options.plan, report);
}

void measure_other(crew& crew, const wait_kind& kind, const options& options, report& report)
{
    group group;
    const std::size_t raw = group.add_baseline("raw_cancel", std::make_unique<raw_other_cancels>(crew, kind));
    group.add(parameters(kind, 2), std::make_unique<other_cancels>(crew, kind), raw);
    group.measure(options.plan, report);
}

}

report run_cancel(const options& options)
{
    crew crew(2, placement::apart);
    report report{"cancel", {}};
    for (const wait_kind& kind : kinds)
        measure_own(kind, options, report);
    for (const wait_kind& kind : kinds)
        measure_other(crew, kind, options, report);
    return report;
}

}
