// tacet-httpd: serves the files of a folder. See options.cpp for its use.
//
//     main thread     waits for signals, and tells the others
//     threads         each an executor: accepts, a task a connection          server.cpp, connection.cpp
//                     request.cpp ─> content.cpp (the file) ─> answer.cpp (head and range) ─> out
#include "../serving.hpp"
#include "options.hpp"
#include "request.hpp"
#include "server.hpp"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <mutex>
#include <thread>

#include <sys/resource.h>

namespace httpd {

void site::log(std::string_view method, std::string_view path, int what, std::uint64_t bytes) const
{
    if (wanted.quiet)
        return;
    constexpr std::size_t path_bytes_max = 1000;
    const std::string shown = percent_encoded(path.substr(0, path_bytes_max));
    const std::string line = fmt::format("{} {} {} {}\n", method, shown, what, bytes);
    (void)std::fwrite(line.data(), 1, line.size(), stdout);
    (void)std::fflush(stdout);
}

namespace {

enum exit_status { stopped = 0, failed = 1, wrong_usage = 2 };

// A connection takes up to four descriptors.
void raise_descriptor_limit()
{
    rlimit limit;
    if (::getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

tacet::file open_folder(const std::string& path)
{
    const int fd = ::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        tacet::throw_error(-errno, "open \"" + path + '"');
    tacet::file folder(fd, 0, nullptr);
    if (::faccessat(fd, ".", X_OK, AT_EACCESS) < 0) // nothing in it could be opened
        tacet::throw_error(-errno, "look into \"" + path + '"');
    return folder;
}

// The threads that serve. The first failure of one ends all, and is kept.
class servers {
public:
    servers(unsigned threads, stop_state& stop) : stop_(&stop), serving_(threads) {}
    servers(const servers&) = delete;
    servers& operator=(const servers&) = delete;
    ~servers()
    {
        stop_->gently.set();
        stop_->at_once.set();
        for (std::thread& each : threads_)
            each.join();
    }

    // Where a thread cannot be started it throws, and the destructor ends the others.
    void start(const options& wanted, const tacet::file& root, const tacet::socket& listener)
    {
        for (unsigned i = 0; i < wanted.threads; i++)
            threads_.emplace_back([&] { run(wanted, root, listener); });
    }
    tacet::event& ended() { return ended_; }
    std::exception_ptr failure()
    {
        const std::lock_guard held(mutex_);
        return failure_;
    }

private:
    void run(const options& wanted, const tacet::file& root, const tacet::socket& listener)
    {
        try {
            site served{wanted, root, *stop_};
            serve(listener, served);
        } catch (...) {
            const std::lock_guard held(mutex_);
            if (!failure_)
                failure_ = std::current_exception();
            stop_->gently.set();
        }
        if (--serving_ == 0)
            ended_.set();
    }

    stop_state* stop_;
    std::atomic<unsigned> serving_;
    tacet::event ended_;
    std::mutex mutex_;
    std::exception_ptr failure_;
    std::vector<std::thread> threads_;
};

tacet::task<void> wait_for_end(tacet::signal_set& signals, stop_state& stop, tacet::event& ended)
{
    auto body = [&](tacet::scope& scope) -> tacet::task<void> {
        scope.spawn(obey(
            signals, [&] { stop.gently.set(); }, [&] { stop.at_once.set(); }));
        co_await ended.wait();
        scope.cancel();
    };
    co_await tacet::with_scope(body);
}

void run(const options& wanted)
{
    std::signal(SIGPIPE, SIG_IGN); // of a log that nobody reads
    raise_descriptor_limit();
    tacet::signal_set signals{SIGINT, SIGTERM};
    const tacet::file root = open_folder(wanted.folder);
    const tacet::socket listener = tacet::listen(wanted.address);
    tacet::executor executor;
    stop_state stop;
    servers serving(wanted.threads, stop);
    serving.start(wanted, root, listener);
    const tacet::address name = listener.name();
    const std::string place = name.family() == AF_UNIX ? name.text() : "http://" + name.text() + '/';
    show(fmt::format("serving {} at {}\n", wanted.folder, place));
    executor.run(wait_for_end(signals, stop, serving.ended()));
    if (const std::exception_ptr failure = serving.failure())
        std::rethrow_exception(failure);
}

}
}

int main(int argc, char** argv)
{
    auto program = [&]() -> int {
        const httpd::options wanted = httpd::parse_options(argc, argv);
        if (wanted.help)
            show(httpd::help_text);
        else if (wanted.version)
            show(fmt::format("tacet-httpd (tacet) {}\n", tacet_version()));
        else
            httpd::run(wanted);
        return httpd::stopped;
    };
    return run_program("tacet-httpd", program, httpd::failed, httpd::wrong_usage);
}
