// posix_spawn and waitpid.
#include "harness/process.hpp"

#include "harness/clock.hpp"
#include "harness/errors.hpp"
#include "harness/interrupt.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace bench {
namespace {

class quiet_output {
public:
    quiet_output()
    {
        posix_spawn_file_actions_init(&actions_);
        posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    }
    quiet_output(const quiet_output&) = delete;
    quiet_output& operator=(const quiet_output&) = delete;
    ~quiet_output() { posix_spawn_file_actions_destroy(&actions_); }

    const posix_spawn_file_actions_t* get() const { return &actions_; }

private:
    posix_spawn_file_actions_t actions_;
};

pid_t start_program(const std::vector<std::string>& command)
{
    std::vector<char*> arguments;
    for (const std::string& word : command)
        arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    const quiet_output quiet;
    pid_t child = -1;
    const int error = posix_spawnp(&child, arguments[0], quiet.get(), nullptr, arguments.data(), environ);
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

}

std::uint64_t run_program(const std::vector<std::string>& command)
{
    throw_if_interrupted();
    const std::uint64_t begin = now_ns();
    const int status = wait_for_end(start_program(command));
    const std::uint64_t end = now_ns();
    throw_if_interrupted();
    if (WIFSIGNALED(status))
        throw wrong_answer(fmt::format("{} died of signal {}", command.front(), WTERMSIG(status)));
    if (WEXITSTATUS(status) != 0)
        throw wrong_answer(fmt::format("{} ended with status {}", command.front(), WEXITSTATUS(status)));
    return end - begin;
}

}
