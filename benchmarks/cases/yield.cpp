// Case `yield`: tasks that do nothing but go to the end of the ready queue. One operation is one suspension and
// resumption. Coroutines and C state machines are compared with bare coroutines, own stacks with bare switches, copied
// stacks with bare switches and the two copies. live_bytes is an array that the body of a C task holds live on its
// stack; of the baseline with copies, all that is copied.
#include "baseline/bare_coroutines.hpp"
#include "baseline/raw_switch.hpp"
#include "baseline/raw_switch_copy.hpp"
#include "cases/cases.hpp"
#include "cases/group.hpp"
#include "cases/live_bytes.hpp"
#include "cases/rig.hpp"
#include "cases/switchers.hpp"
#include "harness/errors.hpp"

#include <tacet/tacet.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdint>

namespace bench {
namespace {

constexpr unsigned ring_entries = 64;
constexpr std::size_t stack_bytes = 64 * 1024;

class bare_yields : public contestant {
public:
    explicit bare_yields(std::size_t tasks) : tasks_(tasks), coroutines_(tasks) {}

    std::uint64_t perform(std::uint64_t ops) override
    {
        coroutines_.run(ops);
        done_ += ops;
        return ops;
    }
    void finish() override
    {
        if (coroutines_.finish() != done_)
            throw wrong_answer("bare_coroutines: not every yield was counted");
    }
    std::uint64_t granularity() const override { return tasks_; }

private:
    std::size_t tasks_;
    std::uint64_t done_ = 0;
    baseline::bare_coroutines coroutines_;
};

#if defined(__x86_64__)
// Of either kind: with stacks of their own, or with one that is copied.
template <class Switches>
class raw_switches : public contestant {
public:
    raw_switches(const char* name, std::size_t tasks, std::size_t bytes)
        : name_(name), tasks_(tasks), switches_(tasks, bytes)
    {
    }

    std::uint64_t perform(std::uint64_t ops) override
    {
        switches_.run(ops);
        done_ += ops;
        return ops;
    }
    void finish() override
    {
        if (switches_.resumptions() != done_)
            throw wrong_answer(std::string(name_) + ": not every switch was counted");
    }
    std::uint64_t granularity() const override { return tasks_; }

private:
    const char* name_;
    std::size_t tasks_;
    std::uint64_t done_ = 0;
    Switches switches_;
};
#endif

struct c_yield_state {
    const bool* stop;
    tacet_result yields;
    std::size_t live_bytes;
};

// With a stack: the count lives there, and what else it is to hold.
tacet_result yield_on_stack(tacet_task* task, void* argument)
{
    const bool* stop = static_cast<c_yield_state*>(argument)->stop;
    const std::size_t live_bytes = static_cast<c_yield_state*>(argument)->live_bytes;
    const auto owner = reinterpret_cast<std::uintptr_t>(argument);
    auto* live = static_cast<unsigned char*>(__builtin_alloca(live_bytes));
    fill_live(live, live_bytes, owner);
    tacet_result yields = 0;
    while (!*stop) {
        const tacet_result r = tacet_yield(task);
        if (r < 0)
            return r;
        yields++;
    }
    return live_is_intact(live, live_bytes, owner) ? yields : -EBADMSG;
}

// The same as a state machine: each call but the first follows a yield.
tacet_result yield_by_returning(tacet_task* task, void* argument)
{
    auto* state = static_cast<c_yield_state*>(argument);
    state->yields++;
    return *state->stop ? state->yields : tacet_yield(task);
}

// C tasks of a switcher that yield until told to stop and return how often they did.
class c_yields : public contestant {
public:
    c_yields(const switcher_kind& kind, std::size_t tasks, std::size_t live_bytes, bool accounting)
        : states_(tasks, c_yield_state{&stop_, -1, live_bytes}), rig_(ring_entries, accounting)
    {
        tacet_task_body* body = kind.suspended == keeps::state ? yield_by_returning : yield_on_stack;
        for (c_yield_state& state : states_)
            rig_.add(kind.instance(), body, &state);
        rig_.run(tasks);
    }

    std::uint64_t perform(std::uint64_t ops) override
    {
        rig_.run(ops);
        done_ += ops;
        return ops;
    }
    // The yield that each task is in when told to stop counts too.
    void finish() override
    {
        stop_ = true;
        rig_.run_until_idle();
        check_shares(rig_.results(), done_ + states_.size());
    }
    std::uint64_t granularity() const override { return states_.size(); }

private:
    bool stop_ = false;
    std::uint64_t done_ = 0;
    std::vector<c_yield_state> states_;
    rig rig_;
};

tacet::task<tacet_result> yield_until(const bool* stop)
{
    tacet_result yields = 0;
    while (!*stop) {
        co_await tacet::yield();
        yields++;
    }
    co_return yields;
}

class coroutine_yields : public contestant {
public:
    coroutine_yields(std::size_t tasks, bool accounting) : rig_(ring_entries, accounting)
    {
        for (std::size_t i = 0; i < tasks; i++)
            rig_.add(yield_until(&stop_));
        rig_.run(tasks);
    }

    std::uint64_t perform(std::uint64_t ops) override
    {
        rig_.run(ops);
        done_ += ops;
        return ops;
    }
    void finish() override
    {
        stop_ = true;
        rig_.run_until_idle();
        check_shares(rig_.take_results(), done_ + rig_.size());
    }
    std::uint64_t granularity() const override { return rig_.size(); }

private:
    bool stop_ = false;
    std::uint64_t done_ = 0;
    coroutine_rig rig_;
};

std::unique_ptr<contestant> make_yields(const switcher_kind& kind, std::size_t tasks, std::size_t live_bytes,
                                        bool accounting)
{
    if (kind.suspended == keeps::frame)
        return std::make_unique<coroutine_yields>(tasks, accounting);
    return std::make_unique<c_yields>(kind, tasks, live_bytes, accounting);
}

struct sizes {
    std::size_t tasks;
    std::size_t live_bytes;
    bool accounting;
};

bool has_switchers(keeps suspended)
{
    return std::ranges::any_of(suspending_switchers(),
                               [&](const switcher_kind& kind) { return kind.suspended == suspended; });
}

void add_rows(group& group, keeps suspended, std::size_t baseline, const sizes& sizes)
{
    for (const switcher_kind& kind : suspending_switchers()) {
        if (kind.suspended != suspended)
            continue;
        row row(kind.name);
        row.set("tasks", sizes.tasks).set("live_bytes", sizes.live_bytes);
        row.set("accounting", std::string(sizes.accounting ? "on" : "off"));
        group.add(row, make_yields(kind, sizes.tasks, sizes.live_bytes, sizes.accounting), baseline);
    }
}

void add_returning_rows(group& group, const sizes& sizes)
{
    const std::size_t bare = group.add_baseline("bare_coroutines", std::make_unique<bare_yields>(sizes.tasks));
    add_rows(group, keeps::frame, bare, sizes);
    add_rows(group, keeps::state, bare, sizes);
}

void add_switching_rows([[maybe_unused]] group& group, [[maybe_unused]] const sizes& sizes)
{
#if defined(__x86_64__)
    using raw = raw_switches<baseline::raw_switch>;
    add_rows(group, keeps::stack,
             group.add_baseline("raw_switch", std::make_unique<raw>("raw_switch", sizes.tasks, stack_bytes)), sizes);
#endif
}

void add_copying_rows([[maybe_unused]] group& group, [[maybe_unused]] const sizes& sizes)
{
#if defined(__x86_64__)
    if (!has_switchers(keeps::copy))
        return;
    using raw = raw_switches<baseline::raw_switch_copy>;
    const char* name = "raw_switch_copy";
    add_rows(group, keeps::copy, group.add_baseline(name, std::make_unique<raw>(name, sizes.tasks, sizes.live_bytes)),
             sizes);
#endif
}

void measure_all(const sizes& sizes, const options& options, report& report)
{
    group group;
    add_returning_rows(group, sizes);
    add_switching_rows(group, sizes);
    add_copying_rows(group, sizes);
    group.measure(options.plan, report);
}

}

report run_yield(const options& options)
{
    report report{"yield", {}};
    for (const std::size_t tasks : {1, 64, 1024, 100000})
        measure_all({tasks, 0, false}, options, report);
    measure_all({64, 0, true}, options, report);
    for (const std::size_t live_bytes : {64, 256, 1024, 4096, 16384}) {
        group copies;
        add_copying_rows(copies, {64, live_bytes, false});
        copies.measure(options.plan, report);
    }
    return report;
}

}
