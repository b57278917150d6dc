// What the tests of the C++ layer share: counting descriptors, instances and destructions, scratch folders, pipes, child
// processes, and looking at what was thrown.
#ifndef TESTS_CXX_SUPPORT_HPP
#define TESTS_CXX_SUPPORT_HPP

#include <tacet/tacet.hpp>

#include <catch2/catch_test_macros.hpp>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tests {

using namespace std::chrono_literals;

// Longer than any test runs: who sleeps so long is woken by something else, or hangs.
inline constexpr auto for_ever = std::chrono::hours(1000);

inline std::ptrdiff_t open_descriptors()
{
    std::filesystem::directory_iterator each("/proc/self/fd"), end;
    return std::distance(each, end);
}

// A folder that goes with all that is in it. Its path is the kernel's name of it.
class scratch {
public:
    scratch()
    {
        std::string name = (std::filesystem::temp_directory_path() / "tacet-cxx-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        root_ = std::filesystem::canonical(name);
    }
    scratch(const scratch&) = delete;
    scratch& operator=(const scratch&) = delete;
    ~scratch()
    {
        std::error_code ignored;
        std::filesystem::remove_all(root_, ignored);
    }
    const std::string& root() const { return root_.native(); }
    std::string operator/(const char* name) const { return (root_ / name).string(); }

    std::string make(const char* name, const std::string& content) const
    {
        std::string path = *this / name;
        const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        REQUIRE(fd >= 0);
        REQUIRE(::write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size()));
        ::close(fd);
        return path;
    }

private:
    std::filesystem::path root_;
};

// Both ends open until it goes: who reads it waits.
class pipe_ends {
public:
    pipe_ends() { REQUIRE(::pipe2(fds_, O_CLOEXEC) == 0); }
    pipe_ends(const pipe_ends&) = delete;
    pipe_ends& operator=(const pipe_ends&) = delete;
    ~pipe_ends()
    {
        ::close(fds_[0]);
        ::close(fds_[1]);
    }
    int reader() const { return fds_[0]; }
    int writer() const { return fds_[1]; }

private:
    int fds_[2] = {-1, -1};
};

// A file that is somebody else's: closed by nobody here.
class borrowed {
public:
    explicit borrowed(int fd) : file_(fd, 0, nullptr) {}
    borrowed(const borrowed&) = delete;
    borrowed& operator=(const borrowed&) = delete;
    ~borrowed() { file_.release(); }
    tacet::file* operator->() { return &file_; }

private:
    tacet::file file_;
};

// Counts its instances. One that is destroyed twice, or was moved bytewise, is not itself.
class counted {
public:
    counted() { born(); }
    counted(const counted&) { born(); }
    counted(counted&&) noexcept { born(); }
    counted& operator=(const counted&) noexcept { return *this; }
    counted& operator=(counted&&) noexcept { return *this; }
    ~counted()
    {
        REQUIRE(self_ == this);
        self_ = nullptr;
        alive--;
    }

    static inline long alive = 0;
    static inline long made = 0;

private:
    void born()
    {
        self_ = this;
        alive++;
        made++;
    }
    const counted* self_;
};

// Writes its name down when it goes.
class mark {
public:
    mark(std::vector<std::string>& into, std::string name) : into_(into), name_(std::move(name)) {}
    mark(const mark&) = delete;
    mark& operator=(const mark&) = delete;
    ~mark() { into_.push_back(std::move(name_)); }

private:
    std::vector<std::string>& into_;
    std::string name_;
};

struct failure {
    std::error_code code{};
    std::string what{};
};

// A few rounds of the run loop: what was started is with the kernel, what completed at once was resumed.
inline void let_settle(tacet::executor& executor)
{
    for (int round = 0; round < 4; round++)
        executor.run_for(std::chrono::seconds(0));
}

// The system_error that leaves f, or none.
template <class F>
failure failure_of(F f)
{
    try {
        f();
    } catch (const std::system_error& thrown) {
        return {thrown.code(), thrown.what()};
    }
    return {};
}

inline std::string message_of(std::errc error)
{
    return std::make_error_code(error).message();
}

// Runs f in a forked child; what it returned.
template <class F>
std::string in_child(F f)
{
    pipe_ends answer;
    std::fflush(nullptr);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        std::string text;
        try {
            text = f();
        } catch (const std::exception& thrown) {
            text = std::string("exception: ") + thrown.what();
        }
        const bool written = ::write(answer.writer(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
        ::_exit(written ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) == 0);
    std::string text(4096, '\0');
    REQUIRE(::fcntl(answer.reader(), F_SETFL, O_NONBLOCK) == 0);
    const ssize_t bytes = ::read(answer.reader(), text.data(), text.size());
    text.resize(bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
    return text;
}

inline std::span<std::byte> bytes_of(std::string& text)
{
    return std::as_writable_bytes(std::span(text));
}
inline std::span<const std::byte> bytes_of(const std::string& text)
{
    return std::as_bytes(std::span(text));
}

}

#endif
