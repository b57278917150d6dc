/*
 * What the tests of the C core share: the rings and switchers to run over, owners for executors, tasks, pipes and
 * directories, and task bodies that work on every switcher.
 *
 * A body must not let an exception out, so it says CHECK, never REQUIRE.
 */
#ifndef SUPPORT_SUPPORT_HPP
#define SUPPORT_SUPPORT_HPP

#include <tacet/tacet.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace support {

struct ring_kind {
    const char* name;
    unsigned entries;
    unsigned flags_forbidden;
};

/* The kernel's ring in its sizes and on each rung of the setup ladder. */
const std::vector<ring_kind>& kernel_rings();

/* The same, and no ring at all. */
const std::vector<ring_kind>& all_rings();

struct switcher_kind {
    const char* name;
    tacet_switcher* (*instance)();
};

const std::vector<switcher_kind>& all_switchers();

/* Those whose tasks can wait. */
const std::vector<switcher_kind>& suspending_switchers();

/* Those whose tasks have a stack each. */
const std::vector<switcher_kind>& own_stack_switchers();

/* How many tasks a test may have at once: 100,000, and what the sanitizers take in a time that can be waited for. */
inline std::size_t tasks_at_once()
{
#if TACET_THREAD_SANITIZER
    return 1000;
#elif TACET_ADDRESS_SANITIZER
    return 5000;
#else
    return 100000;
#endif
}

inline const ring_kind default_ring = {"io_uring of 256", 256, 0};

/*
 * Creates an executor. The kernel gives the memory of rings that have gone back late, and till then it counts against the
 * locked-memory limit of an ordinary user: so -ENOMEM is tried again for a while.
 */
tacet_result create_patiently(tacet_executor** executor, const tacet_executor_options* options);

/* An executor, destroyed at the end of the scope. */
class executor {
public:
    explicit executor(const ring_kind& ring = default_ring, bool accounting = false);
    explicit executor(const tacet_executor_options& options);
    executor(const executor&) = delete;
    ~executor();

    operator tacet_executor*() const { return handle_; }
    tacet_executor_stats stats() const;
    tacet_result run_until_idle() { return tacet_executor_run(handle_, TACET_UNTIL_IDLE, nullptr); }

    /* Runs until the condition holds; false if the executor went idle before. */
    bool run_until(const std::function<bool()>& condition);
    tacet_result destroy();

private:
    tacet_executor* handle_ = nullptr;
};

bool kernel_has(unsigned opcode);

/* One call of a body: a suspending one, or anything that gives a result. */
using call = std::function<tacet_result(tacet_task*)>;

/*
 * A task that makes one call after the other, on whatever switcher, and keeps their results; its own is the last one's.
 * A task that dies attached is released.
 */
class task {
public:
    explicit task(const switcher_kind& switcher, std::vector<call> calls = {});
    explicit task(tacet_switcher* switcher, std::vector<call> calls = {});
    task(task&& other) noexcept : handle_(other.handle_), state_(other.state_) { other.handle_ = nullptr; }
    task(const task&) = delete;
    ~task() { tacet_task_release(handle_); }

    operator tacet_task*() const { return handle_; }
    const std::vector<tacet_result>& results() const;
    void attach(tacet_executor* executor);

    /* Before it is attached again by other means. */
    void begin_anew();

    /* The task is no longer ours: somebody else destroyed or will destroy it. */
    tacet_task* give_away();

    /* For the calls that are to be made again, to the same end, when the task is resumed: tacet_task_next_completed. */
    static call made_again(call wait);

private:
    struct state;
    tacet_task* handle_ = nullptr;
    state* state_ = nullptr;
};

struct pipe {
    pipe();
    pipe(const pipe&) = delete;
    ~pipe();
    void write(const std::string& bytes) const;
    tacet_file reader() const;
    tacet_file writer() const;
    void close_writer();
    int fds[2];
};

class temporary_directory {
public:
    temporary_directory();
    temporary_directory(const temporary_directory&) = delete;
    ~temporary_directory();
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    const std::string& path() const { return path_; }
    void write(const std::string& name, const std::string& contents) const;
    std::string read(const std::string& name) const;

private:
    std::string path_;
};

std::size_t open_descriptors();

/* A few rounds of the run loop: what was started is with the kernel, what completed at once was resumed. */
void let_settle(tacet_executor* executor);

/* How many of these tasks with stacks a test may have at once: ThreadSanitizer knows some 8,000 flows of control. */
inline std::size_t stacks_at_once(std::size_t wanted)
{
    return TACET_THREAD_SANITIZER && wanted > 5000 ? 5000 : wanted;
}

/* Runs in a forked child: its exit code, or the negative number of the signal that ended it. */
int in_child(const std::function<int()>& run);

/* Makes one call after the other, each in a task of its own, on one executor. */
class caller {
public:
    explicit caller(const switcher_kind& switcher, const ring_kind& ring = default_ring)
        : executor_(ring), switcher_(switcher)
    {
    }
    tacet_result operator()(call call);
    operator tacet_executor*() const { return executor_; }

private:
    executor executor_;
    switcher_kind switcher_;
};

}

#endif
