// Case `soak`: a great many tasks through the dispatcher, in the memory of 16,384. Each run of a task has a number of its
// own, which the submitter writes down and the body mixes into sums; and each task counts its runs. After each round every
// task must have run once more, no less and no more, and the sums must be those of the submitter. A figure is reported
// only if all that held to the end; it contains the checks.
#include "cases/cases.hpp"
#include "cases/dispatcher_rig.hpp"
#include "harness/clock.hpp"
#include "harness/errors.hpp"
#include "harness/interrupt.hpp"
#include "harness/memory.hpp"
#include "harness/progress.hpp"
#include "harness/statistics.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace bench {
namespace {

constexpr std::uint64_t tasks_default = 1'000'000'000;
constexpr std::uint64_t tasks_quick = 1'000'000;
constexpr std::size_t workers_default = 2;
constexpr std::size_t pool = 16'384;
constexpr std::size_t batch = 64;
constexpr std::uint64_t show_every_ns = 1'000'000'000;

// splitmix64 (Steele, Lea, Flood 2014): numbers that follow each other have nothing in common any more.
std::uint64_t mix(std::uint64_t number) noexcept
{
    number += 0x9e3779b97f4a7c15u;
    number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9u;
    number = (number ^ number >> 27) * 0x94d049bb133111ebu;
    return number ^ number >> 31;
}

// Of one thread; a line of its own.
struct alignas(64) checksum {
    std::uint64_t sum = 0;
    std::uint64_t exclusive_or = 0;

    void add(std::uint64_t number) noexcept
    {
        const std::uint64_t mixed = mix(number);
        sum += mixed;
        exclusive_or ^= mixed;
    }
    void add(const checksum& other) noexcept
    {
        sum += other.sum;
        exclusive_or ^= other.exclusive_or;
    }
    bool operator==(const checksum&) const = default;
};

struct alignas(64) record {
    std::uint64_t number = 0; // the submitter's
    std::uint64_t runs = 0;   // the body's
};

class soak {
public:
    soak(std::uint64_t tasks, std::size_t workers)
        : tasks_(tasks), records_(pool), workers_(workers), rig_(options_for(*this)), progress_("soak")
    {
        for (record& record : records_)
            rig_.create_task(run_one, &record);
    }

    report run();

private:
    static tacet_dispatcher_options options_for(soak& self)
    {
        tacet_dispatcher_options options = {};
        options.executors = static_cast<unsigned>(self.workers_.size());
        options.on_thread_start = begin_thread;
        options.arg = &self;
        return options;
    }
    static void begin_thread(void* argument, tacet_executor*, unsigned index)
    {
        here = &static_cast<soak*>(argument)->workers_[index];
    }
    static tacet_result run_one(tacet_task*, void* argument)
    {
        auto* own = static_cast<record*>(argument);
        own->runs++;
        here->add(own->number);
        return 0;
    }

    void run_round(std::size_t count);
    void check_round(std::size_t count);
    void end_part(std::uint64_t now);
    void show(std::uint64_t now);
    report make_report(double seconds, std::uint64_t resident_start) const;

    static inline thread_local checksum* here = nullptr; // of the worker's thread

    std::uint64_t tasks_;
    std::vector<record> records_;
    std::vector<checksum> workers_; // what the bodies saw
    checksum expected_;             // what was submitted
    std::uint64_t submitted_ = 0;
    std::uint64_t lost_ = 0;
    std::uint64_t doubled_ = 0;
    std::uint64_t begin_ns_ = 0;
    std::uint64_t shown_ns_ = 0;
    std::uint64_t part_begin_ns_ = 0;
    std::uint64_t part_begin_tasks_ = 0;
    std::vector<double> parts_; // ns a task of each hundredth of the way
    dispatcher_rig rig_;
    progress progress_;
};

void soak::run_round(std::size_t count)
{
    for (std::size_t first = 0; first < count; first += batch) {
        const std::size_t size = std::min(batch, count - first);
        for (std::size_t i = first; i < first + size; i++) {
            records_[i].number = submitted_++;
            expected_.add(records_[i].number);
        }
        rig_.submit(first, size);
    }
    rig_.wait_until_done();
}

// Only the last round may be smaller than the pool: before it all have run equally often.
void soak::check_round(std::size_t count)
{
    const std::uint64_t whole = (submitted_ - count) / pool;
    for (std::size_t i = 0; i < pool; i++) {
        const std::uint64_t expected = whole + (i < count);
        lost_ += expected > records_[i].runs ? expected - records_[i].runs : 0;
        doubled_ += expected < records_[i].runs ? records_[i].runs - expected : 0;
    }
    if (lost_ != 0 || doubled_ != 0)
        throw wrong_answer(fmt::format("soak: of {} tasks {} were lost and {} ran twice", submitted_, lost_, doubled_));
    checksum seen;
    for (const checksum& worker : workers_)
        seen.add(worker);
    if (!(seen == expected_))
        throw wrong_answer(fmt::format("soak: after {} tasks their numbers add up to {:x}, {:x}, not to {:x}, {:x}",
                                       submitted_, seen.sum, seen.exclusive_or, expected_.sum, expected_.exclusive_or));
}

void soak::end_part(std::uint64_t now)
{
    const std::uint64_t tasks = submitted_ - part_begin_tasks_;
    if (tasks < tasks_ / 100 && submitted_ < tasks_)
        return;
    parts_.push_back(static_cast<double>(now - part_begin_ns_) / static_cast<double>(tasks));
    part_begin_ns_ = now;
    part_begin_tasks_ = submitted_;
}

void soak::show(std::uint64_t now)
{
    if (now - shown_ns_ < show_every_ns)
        return;
    shown_ns_ = now;
    const double ns = static_cast<double>(now - begin_ns_) / static_cast<double>(submitted_);
    progress_.show(fmt::format("{:.1f} %, {:.2f} million tasks a second, {:.1f} MiB resident, {:.0f} s left",
                               100.0 * static_cast<double>(submitted_) / static_cast<double>(tasks_), 1e3 / ns,
                               static_cast<double>(resident_bytes()) / 0x1p20,
                               static_cast<double>(tasks_ - submitted_) * ns / 1e9));
}

report soak::make_report(double seconds, std::uint64_t resident_start) const
{
    const summary rates = summarise(parts_);
    row row("soak");
    row.set("tasks", submitted_).set("workers", workers_.size()).set("seconds", seconds);
    row.set("ns_per_op", seconds * 1e9 / static_cast<double>(submitted_));
    row.set("ns_min", rates.min).set("ns_max", rates.max);
    row.set("resident_start_bytes", resident_start).set("resident_end_bytes", resident_bytes());
    row.set("lost", lost_).set("doubled", doubled_);
    row.set("sum", fmt::format("{:016x}", expected_.sum)).set("xor", fmt::format("{:016x}", expected_.exclusive_or));
    return report{"soak", {row}};
}

report soak::run()
{
    run_round(pool); // every page and every thread has been used once
    check_round(pool);
    records_.assign(pool, {});
    workers_.assign(workers_.size(), {});
    expected_ = {};
    submitted_ = 0;

    const std::uint64_t resident_start = resident_bytes();
    begin_ns_ = shown_ns_ = part_begin_ns_ = now_ns();
    while (submitted_ < tasks_) {
        throw_if_interrupted();
        const std::size_t count = std::min<std::uint64_t>(pool, tasks_ - submitted_);
        run_round(count);
        check_round(count);
        end_part(now_ns());
        show(now_ns());
    }
    return make_report(static_cast<double>(now_ns() - begin_ns_) / 1e9, resident_start);
}

}

report run_soak(const options& options)
{
    const std::uint64_t tasks = options.tasks.value_or(options.quick ? tasks_quick : tasks_default);
    return soak(tasks, options.workers.value_or(workers_default)).run();
}

}
