#include "progress.hpp"

#include "step.hpp"
#include "text.hpp"

#include <fmt/format.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/ioctl.h>

#include <chrono>

namespace cp {
namespace {

using namespace std::chrono_literals;

constexpr auto refresh_interval = 100ms;
constexpr walk_limits census_limits{.leaves = 4, .directories = 1};

// What a file costs beside its bytes, in bytes, roughly.
constexpr double bytes_per_file = 16 << 10;

class census : public visitor {
public:
    explicit census(totals& totals) : totals_(totals) {}

    tacet::task<void> enter(directory& here) override { here.source = co_await open_directory(here, side::source); }
    tacet::task<void> leaf(directory& in, const entry& entry) override
    {
        if (entry.type != DT_REG)
            co_return;
        const place where(in, entry, side::source);
        const struct statx status = co_await step("stat", where,
                                                  tacet::stat(where.location(), AT_SYMLINK_NOFOLLOW, STATX_SIZE));
        totals_.files++;
        totals_.bytes += status.stx_size;
    }
    tacet::task<void> leave(directory&) override { co_return; }
    void failed(const failure&) override {}

private:
    totals& totals_;
};

std::size_t terminal_columns()
{
    winsize size{};
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

double work_of(std::uint64_t files, std::uint64_t bytes)
{
    return static_cast<double>(bytes) + bytes_per_file * static_cast<double>(files);
}

std::string progress_text(const counts& done, const totals& totals, double seconds)
{
    const std::string rate = bytes_text(seconds > 0 ? static_cast<double>(done.bytes) / seconds : 0);
    const std::string bytes_done = bytes_text(static_cast<double>(done.bytes));
    if (!totals.complete)
        return fmt::format("{} files, {}, {}/s", with_commas(done.files), bytes_done, rate);
    const double ready = work_of(done.files, done.bytes), all = work_of(totals.files, totals.bytes);
    const bool guess = ready > 0 && all > ready;
    return fmt::format("{} of {} files, {} of {}, {}/s, {} left", with_commas(done.files), with_commas(totals.files),
                       bytes_done, bytes_text(static_cast<double>(totals.bytes)), rate,
                       countdown_text(guess ? seconds * (all - ready) / ready : 0));
}

}

tacet::task<void> take_census(plan& plan, const stop_request& stop, totals& totals)
{
    census counting(totals);
    walk all(counting, stop, census_limits);
    co_await all.visit(plan.top, plan.entries);
    totals.complete = true;
}

tacet::task<void> show_progress(job& job, const totals& totals)
{
    const auto started = std::chrono::steady_clock::now();
    for (;;) {
        const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - started;
        std::string line = progress_text(job.said.done, totals, passed.count());
        line.resize(std::min(line.size(), terminal_columns() - 1));
        job.said.show_line(std::move(line));
        co_await tacet::sleep_for(refresh_interval);
    }
}

}
