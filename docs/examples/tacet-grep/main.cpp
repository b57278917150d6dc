// tacet-grep: looks for a text in files, with all processors. See options.cpp for its use.
//
//     reader      this thread's executor: walks, reads files through the ring       reader.cpp
//        |  channel of contents
//     searchers   several threads, each with an executor that has no ring           search.cpp
//        |  channel of what is to be printed
//     printer     this thread again
//
// The channels are small: who is faster waits. One that is closed ends those on both its sides, and so does a signal,
// which a plain thread waits for.
#include "../usage.hpp"
#include "options.hpp"
#include "reader.hpp"
#include "report.hpp"
#include "search.hpp"

#include <tacet/tacet.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <thread>

namespace grep {
namespace {

enum exit_status { found_some = 0, found_none = 1, errors_met = 2, signal_base = 128 };

struct pipeline {
    explicit pipeline(unsigned searchers) : read(2 * searchers), found(2 * searchers), searching(searchers) {}

    // Nothing more goes in, be it at the end or in the middle.
    void stop() noexcept
    {
        read.close();
        found.close();
    }

    tacet::channel<contents> read;
    tacet::channel<std::string> found;
    std::atomic<unsigned> searching;
};

// Waits for SIGINT and SIGTERM, which no other thread gets.
class signal_watch {
public:
    explicit signal_watch(pipeline& stopped)
    {
        sigemptyset(&signals_);
        sigaddset(&signals_, SIGINT);
        sigaddset(&signals_, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
        thread_ = std::thread([this, &stopped] {
            int signal = 0;
            sigwait(&signals_, &signal);
            if (over_)
                return;
            caught_ = signal;
            stopped.stop();
        });
    }
    signal_watch(const signal_watch&) = delete;
    signal_watch& operator=(const signal_watch&) = delete;
    ~signal_watch()
    {
        over_ = true;
        pthread_kill(thread_.native_handle(), SIGINT);
        thread_.join();
    }
    int caught() const { return caught_; }

private:
    sigset_t signals_;
    std::atomic<bool> over_ = false;
    std::atomic<int> caught_ = 0;
    std::thread thread_;
};

tacet::task<void> search_all(pipeline& line, const options& wanted)
{
    for (;;) {
        const std::optional<contents> file = co_await line.read.receive();
        if (!file)
            break;
        std::string text = search(*file, wanted);
        if (text.empty())
            continue;
        const tacet::result<void> sent = co_await tacet::as_result(line.found.send(std::move(text)));
        if (!sent)
            break;
    }
}

// The threads that search. When they go, the channels are closed before.
class searchers {
public:
    searchers(pipeline& line, const options& wanted, report& said) : line_(&line)
    {
        const unsigned count = line.searching;
        for (unsigned i = 0; i < count; i++)
            threads_.emplace_back([&] { run(line, wanted, said); });
    }
    searchers(const searchers&) = delete;
    searchers& operator=(const searchers&) = delete;
    ~searchers()
    {
        line_->stop();
        for (std::thread& each : threads_)
            each.join();
    }

private:
    static void run(pipeline& line, const options& wanted, report& said)
    {
        try {
            tacet::executor executor({.ring_entries = 0});
            executor.run(search_all(line, wanted));
        } catch (const std::exception& why) {
            said.failed(why);
        }
        if (--line.searching == 0)
            line.stop(); // the printer ends with the last
    }

    pipeline* line_;
    std::vector<std::thread> threads_;
};

// Standard output may block for long, and need not be anything that a ring can write to.
tacet::task<bool> print_all(pipeline& line)
{
    bool any = false;
    for (;;) {
        const std::optional<std::string> text = co_await line.found.receive();
        if (!text)
            break;
        any = true;
        auto print = [&] {
            if (std::fwrite(text->data(), 1, text->size(), stdout) != text->size() || std::fflush(stdout) != 0)
                tacet::throw_error(-errno, "standard output");
        };
        co_await tacet::run_blocking(print);
    }
    co_return any;
}

tacet::task<bool> session(pipeline& line, reader& reader)
{
    bool any = false;
    auto body = [&](tacet::scope& scope) -> tacet::task<void> {
        scope.spawn(reader.read_all());
        any = co_await print_all(line);
        scope.cancel(); // it may have been stopped in the middle
    };
    co_await tacet::with_scope(body);
    co_return any;
}

int run(const options& wanted)
{
    pipeline line(wanted.jobs > 0 ? wanted.jobs : std::max(1u, std::thread::hardware_concurrency()));
    report said;
    bool any = false;
    const signal_watch watch(line);
    try {
        tacet::executor executor;
        const searchers searching(line, wanted, said);
        reader reader(wanted, line.read, said);
        any = executor.run(session(line, reader));
    } catch (const std::exception& why) {
        said.failed(why);
    }
    if (watch.caught() != 0) {
        said.say(fmt::format("stopped by SIG{}", sigabbrev_np(watch.caught())));
        return signal_base + watch.caught();
    }
    return said.has_errors() ? errors_met : any ? found_some : found_none;
}

}
}

int main(int argc, char** argv)
{
    auto program = [&]() -> int {
        const grep::options wanted = grep::parse_options(argc, argv);
        if (!wanted.help && !wanted.version)
            return grep::run(wanted);
        show(wanted.help ? grep::help_text : fmt::format("tacet-grep (tacet) {}\n", tacet_version()));
        return grep::found_some;
    };
    return run_program("tacet-grep", program, grep::errors_met, grep::errors_met);
}
