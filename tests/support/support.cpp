/* See support.hpp. */
#include "support/support.hpp"

#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

namespace support {

const std::vector<ring_kind>& kernel_rings()
{
    static const std::vector<ring_kind> rings = {
        default_ring,
        {"io_uring of 1", 1, 0},
        {"io_uring by coop_taskrun", 256, IORING_SETUP_DEFER_TASKRUN},
        {"io_uring by submit_all", 256, IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN},
        {"io_uring without flags", 256, IORING_SETUP_SUBMIT_ALL},
    };
    return rings;
}

const std::vector<ring_kind>& all_rings()
{
    static const std::vector<ring_kind> rings = [] {
        std::vector<ring_kind> all = kernel_rings();
        all.push_back({"no ring", 0, 0});
        return all;
    }();
    return rings;
}

const std::vector<switcher_kind>& own_stack_switchers()
{
    static const std::vector<switcher_kind> switchers = {
        {"setjmp", tacet_switcher_setjmp},
#if defined(__x86_64__) || defined(__aarch64__)
        {"asm", tacet_switcher_asm},
        {"copying", tacet_switcher_copying},
#endif
    };
    return switchers;
}

const std::vector<switcher_kind>& suspending_switchers()
{
    static const std::vector<switcher_kind> switchers = [] {
        std::vector<switcher_kind> all = own_stack_switchers();
        all.insert(all.begin(), {"stackless", tacet_switcher_stackless});
        return all;
    }();
    return switchers;
}

const std::vector<switcher_kind>& all_switchers()
{
    static const std::vector<switcher_kind> switchers = [] {
        std::vector<switcher_kind> all = suspending_switchers();
        all.push_back({"none", tacet_switcher_none});
        return all;
    }();
    return switchers;
}

static tacet_executor_options options_of(const ring_kind& ring, bool accounting)
{
    tacet_executor_options options = {};
    options.ring_entries = ring.entries;
    options.always_through_ring = true; /* it is what they are for */
    options.setup_flags_forbidden = ring.flags_forbidden;
    options.accounting = accounting;
    return options;
}

tacet_result create_patiently(tacet_executor** executor, const tacet_executor_options* options)
{
    tacet_result r = tacet_executor_create(executor, options);
    for (int tries = 0; r == -ENOMEM && tries < 500; tries++) {
        ::usleep(10000);
        r = tacet_executor_create(executor, options);
    }
    return r;
}

executor::executor(const ring_kind& ring, bool accounting) : executor(options_of(ring, accounting)) {}

executor::executor(const tacet_executor_options& options)
{
    char message[512] = "";
    tacet_executor_options explained = options;
    explained.message = message;
    explained.message_bytes = sizeof message;
    const tacet_result r = create_patiently(&handle_, &explained);
    INFO(message);
    REQUIRE(r == 0);
}

executor::~executor()
{
    tacet_executor_destroy(handle_);
}

tacet_executor_stats executor::stats() const
{
    tacet_executor_stats stats = {};
    CHECK(tacet_executor_get_stats(handle_, &stats) == 0);
    return stats;
}

bool executor::run_until(const std::function<bool()>& condition)
{
    while (!condition())
        if (tacet_executor_run(handle_, 1, nullptr) <= 0)
            return condition();
    return true;
}

bool kernel_has(unsigned opcode)
{
    const executor executor;
    return tacet_executor_supports(executor, opcode);
}

void let_settle(tacet_executor* executor)
{
    const timespec at_once = {0, 0};
    for (int round = 0; round < 4; round++) {
        const tacet_result r = tacet_executor_run(executor, TACET_UNTIL_IDLE, &at_once);
        CHECK((r >= 0 || r == -ETIME));
    }
}

tacet_result executor::destroy()
{
    const tacet_result r = tacet_executor_destroy(handle_);
    if (r == 0)
        handle_ = nullptr;
    return r;
}

struct task::state {
    std::vector<call> calls;
    std::vector<tacet_result> results;
    std::size_t next = 0;
    bool waited = false;
    tacet_result run(tacet_task* task);
};

namespace {

/* The one call that is made again when the task is resumed carries this mark. */
struct again {
    call wait;
    tacet_result operator()(tacet_task* task) const { return wait(task); }
};

const std::size_t stack_bytes = 256 * 1024; /* Catch2 under a sanitizer needs more than the default */

}

tacet_result task::state::run(tacet_task* task)
{
    while (next < calls.size()) {
        const bool ask_for_result = waited && calls[next].target<again>() == nullptr;
        waited = false;
        const tacet_result r = ask_for_result ? tacet_task_call_result(task) : calls[next](task);
        if (r == TACET_PENDING) {
            waited = true;
            return r;
        }
        results.push_back(r);
        ++next;
    }
    return results.empty() ? 0 : results.back();
}

call task::made_again(call wait)
{
    return again{std::move(wait)};
}

task::task(const switcher_kind& switcher, std::vector<call> calls) : task(switcher.instance(), std::move(calls)) {}

task::task(tacet_switcher* switcher, std::vector<call> calls)
{
    tacet_task_options options = {};
    options.stack_bytes = stack_bytes;
    options.destroy_arg = [](void* arg) { delete static_cast<state*>(arg); };
    REQUIRE(tacet_task_create(&handle_, switcher, &options) == 0);
    state_ = new state;
    state_->calls = std::move(calls);
    const auto body = [](tacet_task* task, void* arg) -> tacet_result {
        try {
            return static_cast<state*>(arg)->run(task);
        } catch (...) {
            FAIL_CHECK("an exception left the body of a task");
            return -EFAULT;
        }
    };
    tacet_task_set_body(handle_, body, state_);
}

const std::vector<tacet_result>& task::results() const
{
    return state_->results;
}

void task::begin_anew()
{
    state_->next = 0;
    state_->waited = false;
    state_->results.clear();
}

void task::attach(tacet_executor* executor)
{
    begin_anew();
    REQUIRE(tacet_task_attach(executor, handle_) == 0);
}

tacet_task* task::give_away()
{
    tacet_task* handle = handle_;
    handle_ = nullptr;
    return handle;
}

pipe::pipe()
{
    REQUIRE(::pipe2(fds, O_CLOEXEC) == 0);
}

pipe::~pipe()
{
    ::close(fds[0]);
    close_writer();
}

void pipe::write(const std::string& bytes) const
{
    CHECK(::write(fds[1], bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
}

tacet_file pipe::reader() const
{
    return {fds[0], O_RDONLY, 0};
}

tacet_file pipe::writer() const
{
    return {fds[1], O_WRONLY, 0};
}

void pipe::close_writer()
{
    if (fds[1] >= 0)
        ::close(fds[1]);
    fds[1] = -1;
}

temporary_directory::temporary_directory()
{
    path_ = (std::filesystem::temp_directory_path() / "tacet-test.XXXXXX").string();
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
}

temporary_directory::~temporary_directory()
{
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

void temporary_directory::write(const std::string& name, const std::string& contents) const
{
    std::ofstream(*this / name, std::ios::binary) << contents;
}

std::string temporary_directory::read(const std::string& name) const
{
    std::ifstream in(*this / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::size_t open_descriptors()
{
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

int in_child(const std::function<int()>& run)
{
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0)
        ::_exit(run());
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

tacet_result caller::operator()(call call)
{
    task once(switcher_, {std::move(call)});
    once.attach(executor_);
    CHECK(executor_.run_until_idle() > 0);
    REQUIRE(tacet_task_has_exited(once));
    return tacet_task_result(once);
}

}
