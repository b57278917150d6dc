// Case `yield`: tasks that do nothing but go to the end of the ready queue. One operation is one suspension and
// resumption. Coroutines and C state machines are compared with bare coroutines, stacks with bare switches.
#include "baseline/bare_coroutines.hpp"
#include "baseline/raw_switch.hpp"
#include "cases/cases.hpp"
#include "cases/group.hpp"
#include "cases/rig.hpp"
#include "harness/errors.hpp"

#include <tacet/tacet.hpp>

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
class raw_switches : public contestant {
public:
    explicit raw_switches(std::size_t tasks) : tasks_(tasks), stacks_(tasks, stack_bytes) {}

    std::uint64_t perform(std::uint64_t ops) override
    {
        stacks_.run(ops);
        done_ += ops;
        return ops;
    }
    void finish() override
    {
        if (stacks_.resumptions() != done_)
            throw wrong_answer("raw_switch: not every switch was counted");
    }
    std::uint64_t granularity() const override { return tasks_; }

private:
    std::size_t tasks_;
    std::uint64_t done_ = 0;
    baseline::raw_switch stacks_;
};
#endif

struct c_yield_state {
    const bool* stop;
    tacet_result yields;
};

// With a stack of its own: the count lives there.
tacet_result yield_on_own_stack(tacet_task* task, void* argument)
{
    const bool* stop = static_cast<c_yield_state*>(argument)->stop;
    tacet_result yields = 0;
    while (!*stop) {
        const tacet_result r = tacet_yield(task);
        if (r < 0)
            return r;
        yields++;
    }
    return yields;
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
    c_yields(std::size_t tasks, tacet_switcher* switcher, tacet_task_body* body, bool accounting)
        : states_(tasks, c_yield_state{&stop_, -1}), rig_(ring_entries, accounting)
    {
        for (c_yield_state& state : states_)
            rig_.add(switcher, body, &state);
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

row parameters(const char* name, std::size_t tasks, const char* accounting)
{
    row row(name);
    return row.set("tasks", tasks).set("live_bytes", 0).set("accounting", std::string(accounting));
}

void add_returning_rows(group& group, std::size_t tasks, bool accounting)
{
    const char* word = accounting ? "on" : "off";
    const std::size_t bare = group.add_baseline("bare_coroutines", std::make_unique<bare_yields>(tasks));
    group.add(parameters("coroutine", tasks, word), std::make_unique<coroutine_yields>(tasks, accounting), bare);
    group.add(parameters("stackless", tasks, word),
              std::make_unique<c_yields>(tasks, tacet_switcher_stackless(), yield_by_returning, accounting), bare);
}

void add_switching_rows([[maybe_unused]] group& group, [[maybe_unused]] std::size_t tasks,
                        [[maybe_unused]] bool accounting)
{
#if defined(__x86_64__)
    const char* word = accounting ? "on" : "off";
    const std::size_t raw = group.add_baseline("raw_switch", std::make_unique<raw_switches>(tasks));
    group.add(parameters("asm", tasks, word),
              std::make_unique<c_yields>(tasks, tacet_switcher_asm(), yield_on_own_stack, accounting), raw);
#endif
}

void measure_rows(std::size_t tasks, bool accounting, const options& options, report& report)
{
    group group;
    add_returning_rows(group, tasks, accounting);
    add_switching_rows(group, tasks, accounting);
    group.measure(options.plan, report);
}

}

report run_yield(const options& options)
{
    report report{"yield", {}};
    for (const std::size_t tasks : {1, 64, 1024, 100000})
        measure_rows(tasks, false, options, report);
    measure_rows(64, true, options, report);
    return report;
}

}
