// Case `nop`: io_uring no-ops, a batch of them at a time; one operation is the way from a suspension (or, for a
// callback, from the start) to the resumption. The baseline does the same with liburing and nothing else.
#include "baseline/raw_ring.hpp"
#include "cases/cases.hpp"
#include "cases/group.hpp"
#include "cases/rig.hpp"
#include "cases/switchers.hpp"
#include "harness/errors.hpp"

#include <tacet/tacet.hpp>

#include <cerrno>

namespace bench {
namespace {

constexpr unsigned ring_entries = 64;

class raw_nops : public contestant {
public:
    explicit raw_nops(unsigned batch) : batch_(batch), ring_(batch) {}

    std::uint64_t perform(std::uint64_t ops) override
    {
        ring_.run(ops);
        return ops;
    }
    std::uint64_t granularity() const override { return batch_; }

private:
    unsigned batch_;
    baseline::raw_nop ring_;
};

struct c_nop_state {
    const bool* stop;
    tacet_result nops;
};

tacet_result nop_on_own_stack(tacet_task* task, void* argument)
{
    const bool* stop = static_cast<c_nop_state*>(argument)->stop;
    tacet_result nops = 0;
    while (!*stop) {
        const tacet_result r = tacet_nop(task);
        if (r < 0)
            return r;
        nops++;
    }
    return nops;
}

// The same as a state machine: each call but the first follows a no-op.
tacet_result nop_by_returning(tacet_task* task, void* argument)
{
    auto* state = static_cast<c_nop_state*>(argument);
    if (state->nops++ >= 0) {
        const tacet_result r = tacet_task_call_result(task);
        if (r < 0)
            return r;
    }
    return *state->stop ? state->nops : tacet_nop(task);
}

// C tasks of a switcher, `batch` of them, each with one no-op in flight until told to stop.
class c_nops : public contestant {
public:
    c_nops(const switcher_kind& kind, unsigned batch, bool accounting)
        : states_(batch, c_nop_state{&stop_, -1}), rig_(ring_entries, accounting)
    {
        tacet_task_body* body = kind.suspended == keeps::state ? nop_by_returning : nop_on_own_stack;
        for (c_nop_state& state : states_)
            rig_.add(kind.instance(), body, &state);
        rig_.run(batch);
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
        check_shares(rig_.results(), done_ + states_.size());
    }
    std::uint64_t granularity() const override { return states_.size(); }

private:
    bool stop_ = false;
    std::uint64_t done_ = 0;
    std::vector<c_nop_state> states_;
    rig rig_;
};

tacet::task<tacet_result> nop_until(const bool* stop)
{
    tacet_result nops = 0;
    while (!*stop) {
        co_await tacet::nop();
        nops++;
    }
    co_return nops;
}

class coroutine_nops : public contestant {
public:
    coroutine_nops(unsigned batch, bool accounting) : rig_(ring_entries, accounting)
    {
        for (unsigned i = 0; i < batch; i++)
            rig_.add(nop_until(&stop_));
        rig_.run(batch);
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

// No tasks: each completion's callback starts the next no-op.
class callback_nops : public contestant {
public:
    explicit callback_nops(unsigned batch) : rig_(ring_entries, false), ops_(batch)
    {
        for (callback_op& op : ops_) {
            op.owner = this;
            require(tacet_op_init_callback(&op.op, rig_.executor(), nop_completed, TACET_PRIORITY_NORMAL),
                    "tacet_op_init_callback");
            require(tacet_nop_start(&op.op, nullptr), "tacet_nop_start");
        }
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
        if (failed_ || completed_ != done_ + ops_.size())
            throw wrong_answer("callback: not every no-op completed well and was counted");
    }
    std::uint64_t granularity() const override { return ops_.size(); }

private:
    struct callback_op {
        tacet_op op;
        callback_nops* owner;
    };

    static void nop_completed(tacet_op* op)
    {
        callback_nops* self = reinterpret_cast<callback_op*>(op)->owner;
        self->completed_++;
        self->failed_ |= op->result != 0;
        if (!self->stop_)
            self->failed_ |= tacet_nop_start(op, nullptr) < 0;
    }

    rig rig_;
    std::vector<callback_op> ops_;
    std::uint64_t completed_ = 0;
    std::uint64_t done_ = 0;
    bool stop_ = false;
    bool failed_ = false;
};

std::unique_ptr<contestant> make_nops(const switcher_kind& kind, unsigned batch, bool accounting)
{
    if (kind.suspended == keeps::frame)
        return std::make_unique<coroutine_nops>(batch, accounting);
    return std::make_unique<c_nops>(kind, batch, accounting);
}

row parameters(const char* name, unsigned batch, const char* accounting)
{
    row row(name);
    return row.set("batch", batch).set("accounting", std::string(accounting));
}

void measure_rows(unsigned batch, bool accounting, const options& options, report& report)
{
    const char* word = accounting ? "on" : "off";
    group group;
    const std::size_t raw = group.add_baseline("raw", std::make_unique<raw_nops>(batch));
    for (const switcher_kind& kind : suspending_switchers())
        group.add(parameters(kind.name, batch, word), make_nops(kind, batch, accounting), raw);
    if (!accounting)
        group.add(parameters("callback", batch, word), std::make_unique<callback_nops>(batch), raw);
    group.measure(options.plan, report);
}

}

report run_nop(const options& options)
{
    report report{"nop", {}};
    for (const unsigned batch : {1u, 8u, 64u})
        measure_rows(batch, false, options, report);
    measure_rows(64, true, options, report);
    return report;
}

}
