// posix_spawn and waitpid.
#include "harness/process.hpp"

#include "harness/clock.hpp"
#include "harness/errors.hpp"
#include "harness/interrupt.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace bench {
namespace {

// Where the standard streams of a program go.
class redirection {
public:
    redirection() { posix_spawn_file_actions_init(&actions_); }
    redirection(const redirection&) = delete;
    redirection& operator=(const redirection&) = delete;
    ~redirection() { posix_spawn_file_actions_destroy(&actions_); }

    void discard(int stream) { posix_spawn_file_actions_addopen(&actions_, stream, "/dev/null", O_WRONLY, 0); }
    void send(int stream, int to) { posix_spawn_file_actions_adddup2(&actions_, to, stream); }
    const posix_spawn_file_actions_t* get() const { return &actions_; }

private:
    posix_spawn_file_actions_t actions_;
};

// Takes what a program writes, in memory, so that nobody need read while it runs.
class capture {
public:
    capture() : fd_(memfd_create("tacet-bench", MFD_CLOEXEC))
    {
        if (fd_ < 0)
            throw unavailable(fmt::format("memfd_create: {}", std::strerror(errno)));
    }
    capture(const capture&) = delete;
    capture& operator=(const capture&) = delete;
    ~capture() { close(fd_); }

    int fd() const { return fd_; }
    std::string text() const
    {
        std::string text;
        char chunk[4096];
        ssize_t got;
        while ((got = pread(fd_, chunk, sizeof chunk, static_cast<off_t>(text.size()))) > 0)
            text.append(chunk, static_cast<std::size_t>(got));
        return text;
    }

private:
    int fd_;
};

pid_t start_program(const std::vector<std::string>& command, const redirection& streams)
{
    std::vector<char*> arguments;
    for (const std::string& word : command)
        arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    pid_t child = -1;
    const int error = posix_spawnp(&child, arguments[0], streams.get(), nullptr, arguments.data(), environ);
    if (error != 0)
        throw unavailable(fmt::format("cannot run \"{}\": {}", command.front(), std::strerror(error)));
    return child;
}

int wait_for_end(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
        if (interrupt_requested())
            kill(child, SIGTERM);
    }
    return status;
}

// Its exit status.
int status_of_end(const std::vector<std::string>& command, int status)
{
    throw_if_interrupted();
    if (WIFSIGNALED(status))
        throw wrong_answer(fmt::format("{} died of signal {}", command.front(), WTERMSIG(status)));
    return WEXITSTATUS(status);
}

}

std::uint64_t run_program(const std::vector<std::string>& command)
{
    throw_if_interrupted();
    redirection streams;
    streams.discard(STDOUT_FILENO);
    const std::uint64_t begin = now_ns();
    const int ended = wait_for_end(start_program(command, streams));
    const std::uint64_t end = now_ns();
    const int status = status_of_end(command, ended);
    if (status != 0)
        throw wrong_answer(fmt::format("{} ended with status {}", command.front(), status));
    return end - begin;
}

program_answer ask_program(const std::vector<std::string>& command)
{
    throw_if_interrupted();
    const capture output;
    const capture errors;
    redirection streams;
    streams.send(STDOUT_FILENO, output.fd());
    streams.send(STDERR_FILENO, errors.fd());
    const int ended = wait_for_end(start_program(command, streams));
    const int status = status_of_end(command, ended);
    return {status, output.text(), errors.text()};
}

}
