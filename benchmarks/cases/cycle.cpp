// Case `cycle N R M`: the ring-message test. R rings of N tasks, M rounds. Each task has a mailbox that counts messages: a
// semaphore with none available; to post is to release one, to take is to acquire one. Task i of a ring runs
//
//     for round = 0 .. M-1:
//         if round % N == i { post(mailbox[(i + 1) % N]); take(mailbox[i]); }
//         else              { take(mailbox[i]); post(mailbox[(i + 1) % N]); }
//
// so a round sends one message around its ring, and the task that begins moves on by one each round. One operation is one
// message: R * M * N in all. Every row runs this same program, the switcher being the only difference; the baseline
// `bare_event` has no scheduler at all. Each task must take exactly M messages, and mailboxes end empty.
//
// Tasks are made once, and a slice of measurement is M of their rounds, M being what makes it last a few milliseconds (at
// least 32 messages a ring): who is to begin the first one waits at a gate, which is the whole difference to M rounds from
// the start to the end of the tasks, as the programs in benchmarks/compare/ run them.
//
// dead_bytes: so many more bytes each task holds live across all suspensions: on its stack, in its frame or its state.
// threads: so many threads, each with an executor and its share of the rings; ns per message is then the time from the
// common start to the end of the last thread, divided by the messages of all threads.
//
// Without N R M: N = 2 and 8, R from 2 to 500,000; and dead bytes up to 10,000 at R = 1000. Rows that would take more than
// half of the memory that is available are left out.
#include "baseline/bare_event.hpp"
#include "cases/cases.hpp"
#include "cases/group.hpp"
#include "cases/live_bytes.hpp"
#include "cases/programs.hpp"
#include "cases/rings.hpp"
#include "harness/crew.hpp"
#include "harness/errors.hpp"
#include "harness/interrupt.hpp"
#include "harness/memory.hpp"
#include "harness/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace bench {
namespace {

constexpr double slice_ns_min = 3e6;
constexpr std::size_t messages_min = 32; // a slice, from each ring: passing the gate is then little
constexpr std::size_t tasks_many = 10'000;
constexpr std::size_t tasks_together_max = 100'000; // beyond, each row is measured alone with the baseline

using rings_factory = std::function<std::unique_ptr<ring_set>(const ring_sizes& sizes)>;

// The rings of all threads.
class cycles : public contestant {
public:
    cycles(const rings_factory& make, const cycle_sizes& sizes)
        : sizes_(sizes), parts_(sizes.threads), crew_(sizes.threads)
    {
        try {
            crew_.run([&](std::size_t part) {
                const std::size_t rings = sizes.r / sizes.threads + (part < sizes.r % sizes.threads ? 1 : 0);
                parts_[part] = make({sizes.n, rings, sizes.dead_bytes});
            });
        } catch (...) {
            destroy_parts();
            throw;
        }
    }
    ~cycles() override { destroy_parts(); }

    std::uint64_t perform(std::uint64_t ops) override
    {
        rounds_ = ops / (sizes_.n * sizes_.r);
        crew_.run([&](std::size_t part) { parts_[part]->run(rounds_); });
        return ops;
    }
    void finish() override
    {
        crew_.run([&](std::size_t part) { parts_[part]->finish(); });
    }
    std::uint64_t granularity() const override
    {
        const std::uint64_t rounds = sizes_.m != 0 ? sizes_.m : (messages_min + sizes_.n - 1) / sizes_.n;
        return rounds * sizes_.n * sizes_.r;
    }
    void complete(row& row) const override { row.set("m", rounds_); }

private:
    // Each on the thread that made it.
    void destroy_parts()
    {
        crew_.run([&](std::size_t part) { parts_[part].reset(); });
    }

    cycle_sizes sizes_;
    std::uint64_t rounds_ = 0;
    std::vector<std::unique_ptr<ring_set>> parts_;
    crew crew_;
};

// Something with a row: one of ours, or a program.
struct subject {
    std::string name;
    std::size_t task_bytes; // that a task takes at least
    std::size_t tasks_max;
    std::function<std::unique_ptr<contestant>(const cycle_sizes&)> make;
};

void add_switchers(std::vector<subject>& subjects)
{
    for (const switcher_kind& kind : suspending_switchers()) {
        const rings_factory make = [&kind](const ring_sizes& sizes) { return make_rings(kind, sizes); };
        subjects.push_back({kind.name, task_bytes_min(kind), std::numeric_limits<std::size_t>::max(),
                            [make](const cycle_sizes& sizes) { return std::make_unique<cycles>(make, sizes); }});
    }
}

void add_programs(std::vector<subject>& subjects, const std::string& folder, progress& progress)
{
    for (const program_kind& kind : all_programs()) {
        const std::string path = program_path(folder, kind);
        if (access(path.c_str(), X_OK) != 0) {
            progress.note(fmt::format("{} left out: \"{}\" was not built", kind.name, path));
            continue;
        }
        subjects.push_back({kind.name, kind.task_bytes, kind.tasks_max,
                            [path](const cycle_sizes& sizes) { return make_program(path, sizes); }});
    }
}

std::string words(const cycle_sizes& sizes)
{
    return fmt::format("n {} r {} dead_bytes {} threads {}", sizes.n, sizes.r, sizes.dead_bytes, sizes.threads);
}

// Measures sizes one after the other, with what can hold them.
class sweep {
public:
    explicit sweep(const options& options) : plan_(options.plan)
    {
        plan_.slice_ns = std::max(plan_.slice_ns, slice_ns_min);
        add_switchers(subjects_);
        add_programs(subjects_, options.compare_folder, progress_);
    }

    void measure(const cycle_sizes& sizes);
    report take_report() { return std::move(report_); }

private:
    bool fits(const subject& subject, const cycle_sizes& sizes);
    plan plan_for(const cycle_sizes& sizes) const;
    void add(group& group, const subject& subject, const cycle_sizes& sizes);
    void measure_together(std::span<const subject> subjects, const cycle_sizes& sizes);

    plan plan_;
    progress progress_{"cycle"};
    std::vector<subject> subjects_;
    report report_{"cycle", {}};
};

bool sweep::fits(const subject& subject, const cycle_sizes& sizes)
{
    const std::size_t tasks = sizes.n * sizes.r;
    const std::uint64_t needed = tasks * (subject.task_bytes + sizes.dead_bytes);
    const std::uint64_t allowed = available_memory_bytes() / 2;
    if (tasks > subject.tasks_max)
        progress_.note(
            fmt::format("{}: {} left out: more than {} tasks", words(sizes), subject.name, subject.tasks_max));
    else if (needed > allowed)
        progress_.note(fmt::format("{}: {} left out: needs {} MiB at least, and half of the available memory is {}",
                                   words(sizes), subject.name, needed >> 20, allowed >> 20));
    return tasks <= subject.tasks_max && needed <= allowed;
}

void sweep::add(group& group, const subject& subject, const cycle_sizes& sizes)
{
    throw_if_interrupted();
    progress_.show(fmt::format("{}: {}", words(sizes), subject.name));
    row row(subject.name);
    row.set("n", sizes.n).set("r", sizes.r).set("dead_bytes", sizes.dead_bytes).set("threads", sizes.threads);
    try {
        group.add(std::move(row), subject.make(sizes), 0);
    } catch (const unavailable& reason) {
        progress_.note(fmt::format("{}: {} left out: {}", words(sizes), subject.name, reason.what()));
    }
}

// Slices of very many tasks are long whatever is planned, so there are fewer.
plan sweep::plan_for(const cycle_sizes& sizes) const
{
    plan chosen = plan_;
    const std::size_t tasks = sizes.n * sizes.r;
    if (tasks > tasks_together_max)
        chosen = {.repetitions = 5, .slices = 1, .slice_ns = 0};
    else if (tasks > tasks_many)
        chosen.slices = std::min(chosen.slices, 3);
    if (sizes.m != 0)
        chosen.slice_ns = 0;
    return chosen;
}

void sweep::measure_together(std::span<const subject> subjects, const cycle_sizes& sizes)
{
    group group;
    group.add_baseline("bare_event", std::make_unique<cycles>(baseline::make_bare_rings, sizes));
    for (const subject& subject : subjects) {
        if (fits(subject, sizes))
            add(group, subject, sizes);
    }
    group.measure(plan_for(sizes), report_);
}

void sweep::measure(const cycle_sizes& sizes)
{
    if (sizes.n * sizes.r <= tasks_together_max) {
        measure_together(subjects_, sizes);
        return;
    }
    for (const subject& subject : subjects_) {
        if (fits(subject, sizes))
            measure_together(std::span(&subject, 1), sizes);
    }
}

}

report run_cycle(const options& options)
{
    sweep sweep(options);
    if (options.cycle) {
        sweep.measure(*options.cycle);
        return sweep.take_report();
    }
    const std::vector<std::size_t> rings = options.quick
                                               ? std::vector<std::size_t>{2, 1000}
                                               : std::vector<std::size_t>{2, 10, 100, 1000, 10'000, 100'000, 500'000};
    const std::vector<std::size_t> dead = options.quick ? std::vector<std::size_t>{1000}
                                                        : std::vector<std::size_t>{256, 1000, 10'000};
    for (const std::size_t n : {2, 8}) {
        for (const std::size_t r : rings)
            sweep.measure({.n = n, .r = r});
        for (const std::size_t dead_bytes : dead)
            sweep.measure({.n = n, .r = 1000, .dead_bytes = dead_bytes});
    }
    return sweep.take_report();
}

}
