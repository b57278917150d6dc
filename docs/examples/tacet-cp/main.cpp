// tacet-cp: copies files and trees, many files at once, by coroutines on one thread. See options.cpp for its use.
//
//     main -> session: signals, progress, and beside them
//                 plan      the command line: what is copied where
//                 walk      through the trees, with a bounded number of coroutines
//                 copier    what becomes of a directory, a file, a link (target: how it comes to be there whole)
//                 contents  the bytes of a file
//                 verifier  the same walk again, comparing
#include "../usage.hpp"
#include "copier.hpp"
#include "job.hpp"
#include "plan.hpp"
#include "progress.hpp"
#include "verifier.hpp"
#include "walk.hpp"

#include <tacet/tacet.hpp>

#include <fmt/format.h>

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>

namespace cp {
namespace {

enum exit_status { all_done = 0, errors_met = 1, wrong_usage = 2, signal_base = 128 };

constexpr unsigned directories_at_once_max = 16;
constexpr rlim_t descriptors_reserved = 32;

// Raises the number of descriptors to what is permitted, and keeps within: a file takes two, a directory two.
walk_limits find_limits(unsigned jobs)
{
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    const rlim_t for_us = limit.rlim_cur > descriptors_reserved ? limit.rlim_cur - descriptors_reserved : 0;
    const auto share = [&](rlim_t of, rlim_t most) { return static_cast<unsigned>(std::clamp<rlim_t>(of, 1, most)); };
    return {.leaves = share(for_us / 4, jobs),
            .directories = share(for_us / 8, std::min(jobs, directories_at_once_max))};
}

// Beside the work, until it is cancelled.
tacet::task<void> companion(tacet::task<void> body)
{
    auto ended = co_await tacet::as_result(std::move(body));
    if (!ended && ended.error() != std::errc::operation_canceled)
        throw std::system_error(ended.error());
}

// Visits all that is planned; says what that came to.
tacet::task<void> visit(job& job, plan& plan, visitor& visitor, walk_limits limits, const char* done)
{
    const auto started = std::chrono::steady_clock::now();
    job.said.done = counts{};
    walk all(visitor, job.stop, limits);
    co_await all.visit(plan.top, plan.entries);
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - started;
    job.said.erase_line();
    if (!job.wanted.quiet)
        fmt::print("{} {}{}\n", done, amount_text(job.said.done),
                   rates_text(job.said.done, passed.count(), job.said.errors));
}

tacet::task<void> work(job& job, plan& plan, walk_limits limits)
{
    if (job.wanted.copy) {
        copier copying(job);
        co_await visit(job, plan, copying, limits, "copied");
    }
    if (job.wanted.verify && !job.stop.requested()) {
        verifier verifying(job);
        co_await visit(job, plan, verifying, limits, "verified");
    }
}

tacet::task<void> session(job& job, walk_limits limits)
{
    plan plan = co_await make_plan(job);
    totals totals;
    auto body = [&](tacet::scope& scope) -> tacet::task<void> {
        scope.spawn(companion(job.stop.watch()));
        if (job.wanted.progress) {
            scope.spawn(companion(take_census(plan, job.stop, totals)));
            scope.spawn(companion(show_progress(job, totals)));
        }
        co_await work(job, plan, limits);
        scope.cancel();
    };
    co_await tacet::with_scope(body);
}

int conclude(job& job)
{
    if (!job.stop.requested())
        return job.said.errors > 0 ? errors_met : all_done;
    job.said.say(fmt::format("stopped by SIG{} after {}", sigabbrev_np(job.stop.signal()), amount_text(job.said.done)));
    return signal_base + job.stop.signal();
}

int run(const options& wanted)
{
    job job(wanted);
    const walk_limits limits = find_limits(wanted.jobs);
    try {
        job.stop.block_signals();
        tacet::executor executor;
        executor.run(session(job, limits));
    } catch (const std::exception& why) {
        job.said.failed(why);
    }
    return conclude(job);
}

}
}

int main(int argc, char** argv)
{
    auto program = [&]() -> int {
        const cp::options wanted = cp::parse_options(argc, argv);
        if (!wanted.help && !wanted.version)
            return cp::run(wanted);
        show(wanted.help ? cp::help_text : fmt::format("tacet-cp (tacet) {}\n", tacet_version()));
        return cp::all_done;
    };
    return run_program("tacet-cp", program, cp::errors_met, cp::wrong_usage);
}
