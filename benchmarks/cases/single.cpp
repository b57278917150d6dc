// Case `single`: one task at a time on an executor that does nothing else, timed by its own ticks, less what reading the
// clock costs. Without an operation: attach to start, start to exit; with one, a no-op: start to suspension, completion
// to resumption, resumption to exit. Time-stamp counters advance in steps, of 10 ns on some processors, so that single
// differences tell little: each figure is the median over batches of the mean within a batch.
#include "cases/cases.hpp"
#include "cases/rig.hpp"
#include "cases/switchers.hpp"
#include "harness/errors.hpp"
#include "harness/interrupt.hpp"
#include "harness/statistics.hpp"

#include <tacet/tacet.hpp>

#include <algorithm>
#include <utility>

namespace bench {
namespace {

constexpr unsigned ring_entries = 64;
constexpr int batch = 64;

// One kind of interval: a sample is the mean of a batch, in ticks.
class interval {
public:
    void add(std::uint64_t from, std::uint64_t to) { sum_ += static_cast<double>(to) - static_cast<double>(from); }
    void end_batch() { means_.push_back(std::exchange(sum_, 0.0) / batch); }
    double ticks() const { return median(means_); }

private:
    double sum_ = 0;
    std::vector<double> means_;
};

// What lies between two readings with nothing between them.
void read_twice(interval& reading)
{
    for (int i = 0; i < batch; i++) {
        const std::uint64_t first = tacet_ticks();
        reading.add(first, tacet_ticks());
    }
    reading.end_batch();
}

struct intervals {
    interval attach_to_start, start_to_exit, start_to_suspend, complete_to_resume, resume_to_exit;
};

tacet_result return_at_once(tacet_task*, void*)
{
    return 0;
}

tacet_result one_nop_on_own_stack(tacet_task* task, void*)
{
    return tacet_nop(task);
}

tacet_result one_nop_by_returning(tacet_task* task, void* argument)
{
    auto& resumed = *static_cast<bool*>(argument);
    resumed = !resumed;
    return resumed ? tacet_nop(task) : tacet_task_call_result(task);
}

using task_ticks = tacet_task_ticks;

// One way of running a task; each call runs one to its end and returns its ticks.
class runner {
public:
    runner() = default;
    runner(const runner&) = delete;
    runner& operator=(const runner&) = delete;
    virtual ~runner() = default;

    virtual task_ticks run_plain() = 0;
    virtual task_ticks run_nop() = 0;
};

class c_runner : public runner {
public:
    explicit c_runner(const switcher_kind& kind)
        : rig_(ring_entries, true), plain_(rig_.create(kind.instance(), return_at_once, nullptr)),
          nop_(rig_.create(kind.instance(),
                           kind.suspended == keeps::state ? one_nop_by_returning : one_nop_on_own_stack, &resumed_))
    {
    }

    task_ticks run_plain() override { return run(plain_); }
    task_ticks run_nop() override { return run(nop_); }

private:
    task_ticks run(tacet_task* task)
    {
        require(tacet_task_attach(rig_.executor(), task), "tacet_task_attach");
        rig_.run_until_idle();
        if (tacet_task_result(task) != 0)
            throw wrong_answer("a task did not end with 0");
        return tacet_task_get_ticks(task);
    }

    bool resumed_ = false;
    rig rig_;
    tacet_task* plain_;
    tacet_task* nop_;
};

tacet::task<void> end_at_once()
{
    co_return;
}

tacet::task<void> one_nop()
{
    co_await tacet::nop();
}

class coroutine_runner : public runner {
public:
    coroutine_runner() : rig_(ring_entries, true) {}

    task_ticks run_plain() override { return run(end_at_once()); }
    task_ticks run_nop() override { return run(one_nop()); }

private:
    task_ticks run(tacet::task<void> body)
    {
        auto handle = rig_.executor().spawn(std::move(body));
        rig_.run_until_idle();
        handle.take();
        return tacet_task_get_ticks(handle.get());
    }

    coroutine_rig rig_;
};

std::unique_ptr<runner> make_runner(const switcher_kind& kind)
{
    if (kind.suspended == keeps::frame)
        return std::make_unique<coroutine_runner>();
    return std::make_unique<c_runner>(kind);
}

// What is measured of one way.
class single_task {
public:
    explicit single_task(const switcher_kind& kind)
        : name_(kind.name), has_nop_(kind.suspended != keeps::nothing), runner_(make_runner(kind))
    {
    }

    void run_batch()
    {
        for (int i = 0; i < batch; i++)
            sample_plain();
        intervals_.attach_to_start.end_batch();
        intervals_.start_to_exit.end_batch();
        if (!has_nop_)
            return;
        for (int i = 0; i < batch; i++)
            sample_nop();
        intervals_.start_to_suspend.end_batch();
        intervals_.complete_to_resume.end_batch();
        intervals_.resume_to_exit.end_batch();
    }
    row result(const interval& reading) const;

private:
    void sample_plain()
    {
        const task_ticks ticks = runner_->run_plain();
        intervals_.attach_to_start.add(ticks.attached, ticks.started);
        intervals_.start_to_exit.add(ticks.started, ticks.exited);
    }
    void sample_nop()
    {
        const task_ticks ticks = runner_->run_nop();
        intervals_.start_to_suspend.add(ticks.started, ticks.suspended);
        intervals_.complete_to_resume.add(ticks.completed, ticks.resumed);
        intervals_.resume_to_exit.add(ticks.resumed, ticks.exited);
    }

    const char* name_;
    bool has_nop_;
    intervals intervals_;
    std::unique_ptr<runner> runner_;
};

row single_task::result(const interval& reading) const
{
    const double ns_per_tick = 1e9 / tacet_ticks_per_second();
    row row(name_);
    row.set("accounting", std::string("on"));
    const auto set = [&](const char* name, const interval& interval) {
        row.set(name, std::max(0.0, interval.ticks() - reading.ticks()) * ns_per_tick);
    };
    set("attach_to_start_ns", intervals_.attach_to_start);
    set("start_to_exit_ns", intervals_.start_to_exit);
    if (!has_nop_)
        return row;
    set("start_to_suspend_ns", intervals_.start_to_suspend);
    set("complete_to_resume_ns", intervals_.complete_to_resume);
    set("resume_to_exit_ns", intervals_.resume_to_exit);
    return row;
}

}

report run_single(const options& options)
{
    std::vector<std::unique_ptr<single_task>> singles;
    for (const switcher_kind& kind : all_switchers())
        singles.push_back(std::make_unique<single_task>(kind));
    const int batches = options.plan.repetitions * (options.quick ? 25 : 100);
    interval reading;
    for (int i = 0; i < batches; i++) {
        throw_if_interrupted();
        read_twice(reading);
        for (const auto& single : singles)
            single->run_batch();
    }
    report report{"single", {}};
    for (const auto& single : singles)
        report.rows.push_back(single->result(reading));
    return report;
}

}
