// Case `dispatch`: tasks that end at once, through the dispatcher. One operation is to submit a reused task, to run it and
// to see it exit; 4096 of them are submitted, one by one or 64 at a time, by one thread or several, then all are waited
// for. The baseline runs as many worker threads on a queue under a mutex; of its two forms the faster one counts, as it
// comes out of this very run.
#include "baseline/locked_queue.hpp"
#include "cases/cases.hpp"
#include "cases/dispatcher_rig.hpp"
#include "cases/group.hpp"
#include "cases/rig.hpp"
#include "harness/crew.hpp"
#include "harness/errors.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace bench {
namespace {

constexpr std::size_t round = 4096;

struct manner {
    std::size_t workers;
    std::size_t producers;
    std::size_t batch; // tasks a submission
};

// Counts the runs of one task, whoever runs it.
struct alignas(64) record {
    std::uint64_t runs = 0;
};

// Rounds of submissions, each waited for to its end.
class rounds : public contestant {
public:
    explicit rounds(const manner& manner) : manner_(manner), crew_(manner.producers) {}

    std::uint64_t perform(std::uint64_t ops) override
    {
        for (std::uint64_t done = 0; done < ops; done += round) {
            crew_.run([this](std::size_t part) { submit_share(part); });
            wait_until_done();
            rounds_++;
        }
        return ops;
    }
    void finish() override
    {
        for (std::size_t i = 0; i < round; i++) {
            if (runs_of(i) != rounds_)
                throw wrong_answer(fmt::format("dispatch: task {} ran {} times in {} rounds", i, runs_of(i), rounds_));
        }
    }
    std::uint64_t granularity() const override { return round; }
    double slice_ns_min() const override { return 20e6; }
    disturbed_by sensitivity() const override { return disturbed_by::nobody; }

protected:
    virtual void submit(std::size_t first, std::size_t count) = 0;
    virtual void wait_until_done() = 0;
    virtual std::uint64_t runs_of(std::size_t task) const = 0;

private:
    void submit_share(std::size_t part)
    {
        const std::size_t end = round * (part + 1) / manner_.producers;
        for (std::size_t first = round * part / manner_.producers; first < end; first += manner_.batch)
            submit(first, std::min(manner_.batch, end - first));
    }

    manner manner_;
    crew crew_;
    std::uint64_t rounds_ = 0;
};

// As large as a task, rounded up to whole cache lines.
struct alignas(64) task_sized_job : baseline::locked_job {
    std::uint64_t runs = 0;
    std::byte rest[sizeof(tacet_task) - sizeof(baseline::locked_job) - sizeof(std::uint64_t)] = {};
};

class locked_rounds : public rounds {
public:
    locked_rounds(const manner& manner, baseline::signalled when)
        : rounds(manner), jobs_(round), queue_(manner.workers, when)
    {
        for (task_sized_job& job : jobs_)
            job.run = [](baseline::locked_job* job) { static_cast<task_sized_job*>(job)->runs++; };
    }

protected:
    void submit(std::size_t first, std::size_t count) override
    {
        for (std::size_t i = first; i + 1 < first + count; i++)
            jobs_[i].next = &jobs_[i + 1];
        jobs_[first + count - 1].next = nullptr;
        queue_.submit(&jobs_[first], &jobs_[first + count - 1], count);
    }
    void wait_until_done() override { queue_.wait_until_done(); }
    std::uint64_t runs_of(std::size_t task) const override { return jobs_[task].runs; }

private:
    std::vector<task_sized_job> jobs_;
    baseline::locked_queue queue_;
};

class dispatched_rounds : public rounds {
public:
    explicit dispatched_rounds(const manner& manner) : rounds(manner), records_(round), rig_(options_of(manner))
    {
        for (record& record : records_)
            rig_.create_task(count_run, &record);
    }

protected:
    void submit(std::size_t first, std::size_t count) override { rig_.submit(first, count); }
    void wait_until_done() override { rig_.wait_until_done(); }
    std::uint64_t runs_of(std::size_t task) const override { return records_[task].runs; }

private:
    static tacet_dispatcher_options options_of(const manner& manner)
    {
        tacet_dispatcher_options options = {};
        options.executors = static_cast<unsigned>(manner.workers);
        return options;
    }
    static tacet_result count_run(tacet_task*, void* argument)
    {
        static_cast<record*>(argument)->runs++;
        return 0;
    }

    std::vector<record> records_;
    dispatcher_rig rig_;
};

void measure_row(const char* name, const manner& manner, const options& options, report& report)
{
    row row(name);
    row.set("workers", manner.workers).set("producers", manner.producers).set("batch", manner.batch);
    group group;
    const std::vector<std::size_t> baselines = {
        group.add_baseline("locked_queue_signal_after",
                           std::make_unique<locked_rounds>(manner, baseline::signalled::after_unlock)),
        group.add_baseline("locked_queue_signal_inside",
                           std::make_unique<locked_rounds>(manner, baseline::signalled::under_lock)),
    };
    group.add(row, std::make_unique<dispatched_rounds>(manner), baselines);
    group.measure(options.plan, report);
}

}

report run_dispatch(const options& options)
{
    report report{"dispatch", {}};
    const std::vector<std::size_t> sizes = options.workers ? std::vector{*options.workers}
                                                           : std::vector<std::size_t>{2, 64};
    for (const std::size_t workers : sizes) {
        measure_row("one_by_one", {workers, options.producers, 1}, options, report);
        measure_row("batches", {workers, options.producers, 64}, options, report);
    }
    return report;
}

}
