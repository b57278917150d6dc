// Case `timers`: `live` timers with uniform durations of 1 ms to 1 s. One operation of `cancel_insert` is the end of one
// that is picked at random and the start of another; one of `expire` is what it takes to find a timer due and to tell its
// owner, by an executor that looks every tenth of a millisecond. The baseline is a std::multimap; the rows `heap_...` are
// our heap without the executor around it, its entries as far apart as operations are.
#include "cases/cases.hpp"
#include "cases/group.hpp"
#include "cases/rig.hpp"
#include "harness/clock.hpp"
#include "harness/errors.hpp"
#include "harness/random.hpp"
#include "harness/relax.hpp"
#include "harness/statistics.hpp"

#include <tacet/tacet.hpp>

extern "C" {
#include "executor/timers.h"
}

#include <fmt/format.h>

#include <map>
#include <memory>
#include <vector>

namespace bench {
namespace {

constexpr std::uint64_t ns_per_ms = 1'000'000;
constexpr std::uint64_t duration_min_ns = ns_per_ms;
constexpr std::uint64_t duration_max_ns = 1000 * ns_per_ms;
constexpr std::uint64_t look_every_ns = ns_per_ms / 10;
constexpr std::uint64_t cancelled_at_once = 64;

using indices = std::vector<std::uint32_t>;

// Each set of timers has: insert(index, duration); cancel(index); collect(), after which `ended` has those that were
// cancelled or are due, once each.

class multimap_timers {
public:
    explicit multimap_timers(std::size_t count) : places_(count) {}

    void insert(std::uint32_t index, std::uint64_t duration_ns)
    {
        places_[index] = timers_.emplace(now_ns_ + duration_ns, index);
    }
    void cancel(std::uint32_t index)
    {
        timers_.erase(places_[index]);
        ended.push_back(index);
    }
    void collect()
    {
        now_ns_ = now_ns();
        while (!timers_.empty() && timers_.begin()->first <= now_ns_) {
            ended.push_back(timers_.begin()->second);
            timers_.erase(timers_.begin());
        }
    }
    std::size_t live() const { return timers_.size(); }

    indices ended;

private:
    std::multimap<std::uint64_t, std::uint32_t> timers_;
    std::vector<decltype(timers_)::iterator> places_;
    std::uint64_t now_ns_ = now_ns();
};

class heap_timers {
public:
    explicit heap_timers(std::size_t count) : ops_(count)
    {
        require(timers_init(&timers_, static_cast<std::uint32_t>(count)), "timers_init");
    }
    heap_timers(const heap_timers&) = delete;
    heap_timers& operator=(const heap_timers&) = delete;
    ~heap_timers() { timers_finish(&timers_); }

    void insert(std::uint32_t index, std::uint64_t duration_ns)
    {
        require(timers_add(&timers_, now_ns_ + duration_ns, &ops_[index].request), "timers_add");
    }
    void cancel(std::uint32_t index)
    {
        timers_remove(&timers_, &ops_[index].request);
        ended.push_back(index);
    }
    void collect()
    {
        now_ns_ = now_ns();
        while (timers_next_ns(&timers_) <= now_ns_) {
            tacet_request* request = timers_.slots[0].request;
            timers_remove(&timers_, request);
            const auto* op = reinterpret_cast<const tacet_op*>(reinterpret_cast<char*>(request) -
                                                               offsetof(tacet_op, request));
            ended.push_back(static_cast<std::uint32_t>(op - ops_.data()));
        }
    }
    std::size_t live() const { return timers_.count; }

    indices ended;

private:
    timers timers_;
    std::vector<tacet_op> ops_;
    std::uint64_t now_ns_ = now_ns();
};

// Sleeps with callbacks, by the public calls.
class sleeps {
public:
    explicit sleeps(std::size_t count) : ops_(count), rig_(ring_entries, false)
    {
        for (sleeping& op : ops_) {
            require(tacet_op_init_callback(&op.op, rig_.executor(), note_end, TACET_PRIORITY_NORMAL),
                    "tacet_op_init_callback");
            op.owner = this;
        }
    }

    void insert(std::uint32_t index, std::uint64_t duration_ns)
    {
        require(tacet_sleep_start(&ops_[index].op, nullptr, duration_ns), "tacet_sleep_start");
    }
    void cancel(std::uint32_t index) { require(tacet_op_cancel(&ops_[index].op), "tacet_op_cancel"); }
    void collect()
    {
        const timespec at_once = {};
        const tacet_result done = tacet_executor_run(rig_.executor(), TACET_UNTIL_IDLE, &at_once);
        require(done == -ETIME ? 0 : done, "tacet_executor_run");
        if (failed_ < 0)
            throw wrong_answer(fmt::format("a sleep ended with {}", failed_));
    }
    std::size_t live() const
    {
        tacet_executor_stats stats;
        require(tacet_executor_get_stats(rig_.executor(), &stats), "tacet_executor_get_stats");
        return stats.timers;
    }

    indices ended;

private:
    static constexpr unsigned ring_entries = 64;

    struct sleeping {
        tacet_op op;
        sleeps* owner;
    };

    static void note_end(tacet_op* op)
    {
        auto* self = reinterpret_cast<sleeping*>(op);
        if (op->result != 0 && op->result != -ECANCELED)
            self->owner->failed_ = op->result;
        self->owner->ended.push_back(static_cast<std::uint32_t>(self - self->owner->ops_.data()));
    }

    std::vector<sleeping> ops_;
    tacet_result failed_ = 0;
    rig rig_; // the first to go: it ends all sleeps
};

// Durations are uniform, in nanoseconds; `later` is added where none is to be due before the measurement has ended.
std::uint64_t pick_duration(std::uint64_t& random, std::uint64_t later_ns)
{
    return later_ns + duration_min_ns + random_below(random, duration_max_ns - duration_min_ns + 1);
}

template <class Timers>
class cancel_inserts : public contestant {
public:
    explicit cancel_inserts(std::size_t count) : timers_(count), count_(count)
    {
        for (std::size_t i = 0; i < count; i++)
            insert(static_cast<std::uint32_t>(i));
    }

    std::uint64_t perform(std::uint64_t ops) override
    {
        for (std::uint64_t done = 0; done < ops; done += cancelled_at_once)
            cancel_some();
        return ops;
    }
    void finish() override
    {
        if (timers_.live() != count_)
            throw wrong_answer(fmt::format("timers: {} are live of {}", timers_.live(), count_));
    }
    std::uint64_t granularity() const override { return cancelled_at_once; }

private:
    static constexpr std::uint64_t later_ns = 3600 * 1000 * ns_per_ms;

    // No index twice: a cancelled one has ended only with collect().
    void cancel_some()
    {
        const std::uint32_t stride = static_cast<std::uint32_t>(count_ / cancelled_at_once);
        for (std::uint32_t i = 0; i < cancelled_at_once; i++)
            timers_.cancel(i * stride + static_cast<std::uint32_t>(random_below(random_, stride)));
        timers_.collect();
        if (timers_.ended.size() != cancelled_at_once)
            throw wrong_answer(fmt::format("{} timers have ended of {}", timers_.ended.size(), cancelled_at_once));
        for (const std::uint32_t index : timers_.ended)
            insert(index);
        timers_.ended.clear();
    }
    void insert(std::uint32_t index) { timers_.insert(index, pick_duration(random_, later_ns)); }

    Timers timers_;
    std::size_t count_;
    std::uint64_t random_ = next_seed();
};

// A slice is the second in which all of them fall due. What is timed are the looks; the median is the figure, as a second is
// seldom undisturbed.
template <class Timers>
class expiries : public contestant {
public:
    explicit expiries(std::size_t count) : timers_(count), deadlines_ns_(count) {}

    std::uint64_t perform(std::uint64_t ops) override { return take_slice(ops).ops; }
    slice take_slice(std::uint64_t ops) override
    {
        std::uint64_t done = 0;
        looks_ns_.clear();
        for (; done < ops; done += deadlines_ns_.size()) {
            insert_all();
            expire_all();
        }
        return slice{done, median(looks_ns_) * static_cast<double>(done)};
    }
    disturbed_by sensitivity() const override { return disturbed_by::nobody; }
    std::uint64_t granularity() const override { return deadlines_ns_.size(); }
    int slices_max() const override { return 1; }

private:
    static constexpr std::uint64_t later_ns = 1000 * ns_per_ms; // by when all are inserted

    void insert_all()
    {
        const std::uint64_t begin = now_ns();
        timers_.collect();
        for (std::size_t i = 0; i < deadlines_ns_.size(); i++) {
            const std::uint64_t duration = pick_duration(random_, later_ns);
            deadlines_ns_[i] = begin + duration;
            timers_.insert(static_cast<std::uint32_t>(i), duration);
        }
    }

    void expire_all()
    {
        for (std::size_t left = deadlines_ns_.size(); left > 0;) {
            const std::uint64_t begin = now_ns();
            timers_.collect();
            const std::uint64_t end = now_ns();
            if (timers_.ended.size() > left)
                throw wrong_answer("more timers have ended than there are");
            if (!timers_.ended.empty())
                looks_ns_.push_back(static_cast<double>(end - begin) / static_cast<double>(timers_.ended.size()));
            left -= timers_.ended.size();
            check_ended(end);
            while (now_ns() - begin < look_every_ns)
                relax();
        }
    }
    void check_ended(std::uint64_t now)
    {
        for (const std::uint32_t index : timers_.ended) {
            if (deadlines_ns_[index] > now)
                throw wrong_answer("a timer ended before its time, or twice");
            deadlines_ns_[index] = TACET_FOREVER;
        }
        timers_.ended.clear();
    }

    Timers timers_;
    std::vector<std::uint64_t> deadlines_ns_; // to check by, a little early
    std::vector<double> looks_ns_;            // for each timer that a look has found due
    std::uint64_t random_ = next_seed();
};

row parameters(const char* name, std::size_t live)
{
    return row(name).set("live", live);
}

template <template <class> class Work>
void measure_rows(const std::string& name, std::size_t live, const options& options, report& report)
{
    group group;
    const std::size_t bare = group.add_baseline("multimap", std::make_unique<Work<multimap_timers>>(live));
    group.add(parameters(name.c_str(), live), std::make_unique<Work<sleeps>>(live), bare);
    group.add(parameters(("heap_" + name).c_str(), live), std::make_unique<Work<heap_timers>>(live), bare);
    group.measure(options.plan, report);
}

}

report run_timers(const options& options)
{
    report report{"timers", {}};
    for (const std::size_t live : {std::size_t{1'000}, std::size_t{1'000'000}})
        measure_rows<cancel_inserts>("cancel_insert", live, options, report);
    measure_rows<expiries>("expire", 1'000'000, options, report);
    return report;
}

}
