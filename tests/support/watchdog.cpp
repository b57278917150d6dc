/* See watchdog.hpp. */
#include "support/watchdog.hpp"

#include <catch2/catch_test_case_info.hpp>
#include <catch2/reporters/catch_reporter_event_listener.hpp>
#include <catch2/reporters/catch_reporter_registrars.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

namespace support {

namespace {

std::atomic<std::uint64_t> progress = 0;
std::mutex mutex; /* of what follows */
std::function<std::string()> state;
std::string test_case;

std::string first_line(const std::filesystem::path& path)
{
    std::ifstream in(path);
    std::string line;
    std::getline(in, line);
    return line;
}

std::string threads()
{
    std::string all;
    for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task"))
        all += "    " + first_line(thread.path() / "stat").substr(0, 40) + "  in " +
               first_line(thread.path() / "wchan") + "  system call " + first_line(thread.path() / "syscall") + "\n";
    return all;
}

[[noreturn]] void bark()
{
    const std::lock_guard<std::mutex> lock(mutex);
    std::fprintf(stderr, "watchdog: no progress for a minute in \"%s\"\n%s\n  threads:\n%s", test_case.c_str(),
                 state ? state().c_str() : "", threads().c_str());
    std::fflush(stderr);
    std::abort();
}

class dog {
public:
    dog() : thread_([this] { watch(); }) {}
    dog(const dog&) = delete;
    ~dog()
    {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            over_ = true;
        }
        changed_.notify_one();
        thread_.join();
    }

private:
    void watch()
    {
        std::unique_lock<std::mutex> lock(mutex_);
        std::uint64_t seen = progress;
        for (int seconds = 0; !changed_.wait_for(lock, std::chrono::seconds(1), [this] { return over_; }); seconds++) {
            if (seen != progress)
                seconds = 0;
            seen = progress;
            if (seconds == 60)
                bark();
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    bool over_ = false;
    std::thread thread_;
};

class watcher : public Catch::EventListenerBase {
public:
    using Catch::EventListenerBase::EventListenerBase;

    void testCaseStarting(const Catch::TestCaseInfo& info) override
    {
        const std::lock_guard<std::mutex> lock(mutex);
        test_case = info.name;
    }
    void testCasePartialStarting(const Catch::TestCaseInfo&, std::uint64_t) override { count_progress(); }
    void testCaseEnded(const Catch::TestCaseStats&) override { count_progress(); }

private:
    dog dog_;
};

CATCH_REGISTER_LISTENER(watcher)

}

void count_progress()
{
    progress.fetch_add(1, std::memory_order_relaxed);
}

said_if_stuck::said_if_stuck(std::function<std::string()> says)
{
    const std::lock_guard<std::mutex> lock(mutex);
    state = std::move(says);
}

said_if_stuck::~said_if_stuck()
{
    const std::lock_guard<std::mutex> lock(mutex);
    state = nullptr;
}

}
