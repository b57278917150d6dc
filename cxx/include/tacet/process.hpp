// Child processes: started, talked to, awaited.
//
//     tacet::process sort({.program = "sort", .input = tacet::stream::pipe, .output = tacet::stream::pipe});
//     tacet::process_output sorted = co_await sort.communicate("b\na\n");
//     if (sorted.status.success())
//         use(sorted.output);
//
// Or piece by piece: write input() and close it, read output() and error(), wait(). Who does one after the other waits for ever if
// the child fills a pipe meanwhile.
//
// An exit status is taken by who is resumed with it, so a cancel, a deadline or the end of the executor lose none. Who
// writes input() of a child that reads no more gets broken_pipe, and this process SIGPIPE, which it should ignore; communicate()
// raises none.
#ifndef TACET_PROCESS_HPP
#define TACET_PROCESS_HPP

#include <tacet/detail/quiet.hpp>
#include <tacet/pipe.hpp>
#include <tacet/poll.hpp>
#include <tacet/process.h>
#include <tacet/when_all.hpp>

#include <csignal>
#include <optional>
#include <vector>

#include <spawn.h>

namespace tacet {

// What became of a child.
class exit_status {
public:
    explicit exit_status(const siginfo_t& info) noexcept : how_(info.si_code), what_(info.si_status) {}

    bool success() const noexcept { return exited() && what_ == 0; }
    bool exited() const noexcept { return how_ == CLD_EXITED; }
    // What it returned; -1: a signal ended it.
    int code() const noexcept { return exited() ? what_ : -1; }
    // The signal that ended it, or 0.
    int signal() const noexcept { return exited() ? 0 : what_; }
    bool dumped_core() const noexcept { return how_ == CLD_DUMPED; }

private:
    int how_, what_;
};

namespace detail {

inline file open_pidfd(pid_t pid)
{
    const tacet_result r = tacet_process_open(pid);
    if (r < 0)
        throw_error(r == -ESRCH ? -ECHILD : r, "child " + std::to_string(pid));
    return file(static_cast<int>(r), O_RDWR, nullptr);
}

} // namespace detail

// Waits for the exit of a child, whoever started it. no_child_process: it is none, or has been waited for.
// CANCELLATION POINT, unless it has exited already.
inline task<exit_status> wait_child(pid_t pid)
{
    const file child = detail::open_pidfd(pid);
    siginfo_t info;
    tacet_result r = tacet_process_take(child.fd(), &info);
    while (r == -EAGAIN) {
        co_await detail::until_readable(child.fd(), "wait for a child");
        r = tacet_process_take(child.fd(), &info);
    }
    check(r, "wait for a child");
    co_return exit_status(info);
}

struct waitid_request {
    using value_type = siginfo_t;
    static constexpr unsigned opcode = TACET_OPCODE_WAITID;
    idtype_t kind;
    id_t id;
    int options;
    siginfo_t info{};

    waitid_request(idtype_t kind_, id_t id_, int options_) noexcept : kind(kind_), id(id_), options(options_) {}
    tacet_result prepare(io_uring_sqe* sqe) noexcept { return tacet_prepare_waitid(sqe, kind, id, &info, options); }
    siginfo_t value(tacet_result) const noexcept { return info; }
    std::string describe() const { return "wait for a child"; }
};

namespace detail {

// Whether what was looked at is taken, and was not by somebody else meanwhile.
inline bool take_status(siginfo_t& info, int options)
{
    const id_t child = static_cast<id_t>(info.si_pid);
    info = {};
    const int r = ::waitid(P_PID, child, &info, options | WNOHANG);
    if (r < 0 && errno != ECHILD)
        throw_error(-errno, "wait for a child");
    return r == 0 && info.si_pid != 0;
}

} // namespace detail

// waitid(2), for any child (P_ALL) or one of a group, its stops and continuations. CANCELLATION POINT. Through the ring, since
// Linux 6.7, which only looks (WNOWAIT): the status is taken by who is resumed.
inline task<siginfo_t> wait_id(idtype_t kind, id_t id, int options)
{
    siginfo_t info{};
    bool is_mine = false;
    while (!is_mine) {
        info = co_await operation<waitid_request>(waitid_request(kind, id, options | WNOWAIT));
        is_mine = info.si_pid == 0 || (options & WNOWAIT) != 0 || detail::take_status(info, options);
    }
    co_return info;
}

// What becomes of one of a child's standard streams: this process's own, /dev/null, or a pipe whose other end is ours; of its
// errors also: they go with its output, in the order in which both are written.
enum class stream { inherit, null, pipe, with_output };

struct process_options {
    std::string program; // looked for in PATH if it has no slash; else from here, wherever it begins
    std::vector<std::string> arguments{};
    stream input = stream::inherit, output = stream::inherit, error = stream::inherit;
    std::optional<std::vector<std::string>> environment{}; // "NAME=value"; this process's own if not given
    std::string directory{};                               // it begins there; empty: here
};

namespace detail {

// The arguments of one posix_spawn(3).
class spawning {
public:
    explicit spawning(const process_options& options) : options_(options)
    {
        posix_spawn_file_actions_init(&actions_);
        posix_spawnattr_init(&attributes_);
    }
    spawning(const spawning&) = delete;
    spawning& operator=(const spawning&) = delete;
    ~spawning()
    {
        posix_spawn_file_actions_destroy(&actions_);
        posix_spawnattr_destroy(&attributes_);
    }

    // The child's descriptor `number`. What is ours of it.
    file connect(stream kind, int number)
    {
        if (kind == stream::with_output)
            require(number == STDERR_FILENO ? posix_spawn_file_actions_adddup2(&actions_, STDOUT_FILENO, STDERR_FILENO)
                                            : EINVAL);
        if (kind == stream::null)
            require(posix_spawn_file_actions_addopen(&actions_, number, "/dev/null", O_RDWR, 0));
        if (kind != stream::pipe)
            return file();
        pipe_ends ends = pipe();
        file& theirs = theirs_[number];
        theirs = above_standard(number == STDIN_FILENO ? ends.reader : ends.writer);
        require(posix_spawn_file_actions_adddup2(&actions_, theirs.fd(), number));
        return above_standard(number == STDIN_FILENO ? ends.writer : ends.reader);
    }

    pid_t start()
    {
        const file directory = change_directory();
        set_signals();
        std::vector<char*> arguments{word(options_.program)}, environment;
        for (const std::string& each : options_.arguments)
            arguments.push_back(word(each));
        arguments.push_back(nullptr);
        if (options_.environment)
            for (const std::string& each : *options_.environment)
                environment.push_back(word(each));
        environment.push_back(nullptr);
        pid_t pid = -1;
        require(posix_spawnp(&pid, path_of_program().c_str(), &actions_, &attributes_, arguments.data(),
                             options_.environment ? environment.data() : environ));
        return pid;
    }

private:
    static char* word(const std::string& text) { return const_cast<char*>(text.c_str()); }

    void require(int error) const
    {
        if (error != 0)
            throw_error(-error, "start \"" + options_.program + '"');
    }

    // Opened here, so that one that is not there is told as such.
    file change_directory()
    {
        if (options_.directory.empty())
            return file();
        file opened(::open(options_.directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), O_PATH, nullptr);
        if (!opened)
            throw_error(-errno, "start \"" + options_.program + "\" in \"" + options_.directory + '"');
        file above = above_standard(opened);
        require(posix_spawn_file_actions_addfchdir_np(&actions_, above.fd()));
        return above;
    }

    // The child has changed its directory before it looks for the program.
    std::string path_of_program() const
    {
        const bool is_relative = options_.program.find('/') != std::string::npos && options_.program[0] != '/';
        return is_relative && !options_.directory.empty() ? std::filesystem::absolute(options_.program).string()
                                                          : options_.program;
    }

    // Not one of the three numbers that are redirected: a program may have been started without them.
    static file above_standard(file& from)
    {
        if (from.fd() > STDERR_FILENO)
            return std::move(from);
        const int fd = ::fcntl(from.fd(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        check(fd < 0 ? -errno : 0, "pipe");
        return file(fd, from.get().flags, nullptr);
    }

    // Signals that are waited for here are blocked, a broken pipe is ignored: neither is the child's.
    void set_signals()
    {
        sigset_t none, defaults;
        sigemptyset(&none);
        sigemptyset(&defaults);
        sigaddset(&defaults, SIGPIPE);
        posix_spawnattr_setsigmask(&attributes_, &none);
        posix_spawnattr_setsigdefault(&attributes_, &defaults);
        posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }

    const process_options& options_;
    file theirs_[STDERR_FILENO + 1];
    posix_spawn_file_actions_t actions_;
    posix_spawnattr_t attributes_;
};

} // namespace detail

// What a child has said, and what became of it.
struct process_output {
    exit_status status;
    std::string output, error; // of those that are pipes
};

// A child process. One that dies with its child running kills it, and waits for that (SIGKILL: well below a millisecond, unless the
// child is stuck in the kernel); so none is left behind, also where the task was cancelled or its executor destroyed.
class process {
public:
    // Starts it, with no signal blocked. EXPENSIVE: blocks until the program has been found and begun, about a millisecond.
    // Throws what posix_spawn(3) says.
    explicit process(const process_options& options)
    {
        detail::spawning spawning(options);
        streams_[STDIN_FILENO] = spawning.connect(options.input, STDIN_FILENO);
        streams_[STDOUT_FILENO] = spawning.connect(options.output, STDOUT_FILENO);
        streams_[STDERR_FILENO] = spawning.connect(options.error, STDERR_FILENO);
        id_ = spawning.start();
        try {
            pidfd_ = detail::open_pidfd(id_);
        } catch (...) {
            ::kill(id_, SIGKILL);
            ::waitpid(id_, nullptr, 0);
            throw;
        }
    }
    process(process&& other) noexcept
        : id_(std::exchange(other.id_, -1)), pidfd_(std::move(other.pidfd_)), status_(other.status_)
    {
        std::swap(streams_, other.streams_);
    }
    process& operator=(process&& other) noexcept
    {
        std::swap(id_, other.id_);
        std::swap(pidfd_, other.pidfd_);
        std::swap(streams_, other.streams_);
        std::swap(status_, other.status_);
        return *this;
    }
    ~process()
    {
        if (!pidfd_ || status_)
            return;
        siginfo_t info;
        tacet_process_send(pidfd_.fd(), SIGKILL);
        while (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.fd()), &info, WEXITED) < 0 && errno == EINTR)
            continue;
    }

    pid_t id() const noexcept { return id_; }

    // Our ends of the pipes that were asked for: to be written, read, read. Without offsets.
    file& input() noexcept { return streams_[STDIN_FILENO]; }
    file& output() noexcept { return streams_[STDOUT_FILENO]; }
    file& error() noexcept { return streams_[STDERR_FILENO]; }

    // no_such_process: it has been waited for.
    void send(int signal) { check(tacet_process_send(pidfd_.fd(), signal), "send a signal to a child"); }

    // Writes the input, closes it, and reads output and error to their ends, all at once, then waits for the exit. What the
    // child does not read of its input is no error. invalid_argument: an input that is no pipe; message_size: it has said more
    // than bytes_max, in one of the two. CANCELLATION POINT; what was read until then is lost, and the child goes on.
    task<process_output> communicate(bytes_view input = {}, std::size_t bytes_max = SIZE_MAX)
    {
        if (!input.empty() && !streams_[STDIN_FILENO])
            throw_error(-EINVAL, "input of a child: it is no pipe");
        auto done = co_await when_all(give_input(input), all_of(streams_[STDOUT_FILENO], bytes_max),
                                      all_of(streams_[STDERR_FILENO], bytes_max));
        const exit_status status = co_await wait();
        process_output said{status, std::move(std::get<1>(done)), std::move(std::get<2>(done))};
        co_return said;
    }

    // Waits for its exit; the status stays to be had. CANCELLATION POINT, unless it has exited already. Its output is not
    // read meanwhile: a child that fills a pipe waits, and so does this.
    task<exit_status> wait()
    {
        while (!status_) {
            siginfo_t info;
            const tacet_result r = tacet_process_take(pidfd_.fd(), &info);
            if (r == 0)
                status_.emplace(info);
            else if (r != -EAGAIN)
                throw_error(r, "wait for a child");
            else
                co_await detail::until_readable(pidfd_.fd(), "wait for a child");
        }
        co_return *status_;
    }

private:
    static constexpr std::size_t piece_bytes = std::size_t{64} << 10;

    task<void> give_input(bytes_view from)
    {
        file& to = streams_[STDIN_FILENO];
        tacet_result r = 0;
        while (!from.empty() && r != -EPIPE) {
            co_await operation<readiness_request>(readiness_request(to.fd(), POLLOUT, "write to a child"));
            r = detail::write_now(to.fd(), from.first(std::min(from.size(), piece_bytes)));
            if (r < 0 && r != -EAGAIN && r != -EINTR && r != -EPIPE)
                throw_error(r, "write to a child");
            from = bytes_view(from.subspan(r > 0 ? static_cast<std::size_t>(r) : 0));
        }
        if (to)
            co_await to.close();
    }

    // Nothing of a stream that is no pipe, or has been closed.
    static task<std::string> all_of(file& from, std::size_t bytes_max)
    {
        std::string all;
        for (std::size_t there = 0; from;) {
            if (all.size() - there < piece_bytes)
                all.resize(std::max(2 * all.size(), there + piece_bytes));
            const std::size_t got = co_await from.read(std::as_writable_bytes(std::span(all)).subspan(there));
            there += got;
            if (there > bytes_max)
                throw_error(-EMSGSIZE, "read from a child");
            if (got == 0) {
                all.resize(there);
                break;
            }
        }
        co_return all;
    }

    pid_t id_ = -1;
    file pidfd_;
    file streams_[STDERR_FILENO + 1];
    std::optional<exit_status> status_;
};

} // namespace tacet

#endif
