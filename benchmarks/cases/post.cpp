// Case `post`: tasks that one thread attaches to another's executor. `sustained`: one operation is to attach a reused
// task, to run it and to see it exit, while the executor is kept busy; `sustained_many` attaches 64 with one call. The
// executor says only now and then how far it is: tasks it is silent about wait before they go round again.
//
// For executors that sleep see idle_wake.cpp.
#include "baseline/bare_mpsc.hpp"
#include "cases/cases.hpp"
#include "cases/group.hpp"
#include "cases/idle_wake.hpp"
#include "cases/rig.hpp"
#include "harness/clock.hpp"
#include "harness/crew.hpp"
#include "harness/errors.hpp"
#include "harness/relax.hpp"
#include "harness/start_line.hpp"

#include <tacet/tacet.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <optional>

namespace bench {
namespace {

constexpr std::size_t pool = 1024; // nodes, or tasks, that go round
constexpr std::size_t many = 64;
constexpr std::uint64_t silence = 64; // runs between two words of the consumer
constexpr unsigned ring_entries = 64;

// How far the two sides are: counts that never go back.
struct counts {
    alignas(64) std::uint64_t sent = 0;
    std::uint64_t seen = 0; // what the producer knows of `done`

    alignas(64) std::uint64_t run = 0;
    std::uint64_t last = 0; // the run with which the slice ends

    alignas(64) std::atomic<std::uint64_t> done = 0;

    // The producer's. Returns how many nodes may be pushed again: at least one.
    std::uint64_t wait_for_room() noexcept
    {
        while (sent - seen == pool) {
            // acquire: pairs with the consumer's store, by which the nodes are the producer's again
            seen = done.load(std::memory_order_acquire);
            if (sent - seen == pool)
                relax();
        }
        return pool - (sent - seen);
    }
};

// The producer is the caller's thread, the consumer the other one of the crew.
class posts : public contestant {
public:
    explicit posts(crew& crew) : crew_(crew), start_(crew.size()) {}

    std::uint64_t perform(std::uint64_t ops) override
    {
        counts_.last = counts_.run + ops;
        crew_.run([&](std::size_t part) { part == 0 ? begin(ops) : end(); });
        counts_.seen = counts_.done = counts_.run;
        if (counts_.run != counts_.last || counts_.sent != counts_.last)
            throw wrong_answer(fmt::format("post: {} ran, {} were sent", counts_.run, counts_.sent));
        return ops;
    }
    slice take_slice(std::uint64_t ops) override
    {
        perform(ops);
        return slice{ops, static_cast<double>(end_ns_ - begin_ns_)};
    }
    void finish() override
    {
        for (std::size_t i = 0; i < pool; i++) {
            if (runs_of(i) != counts_.run / pool + (i < counts_.run % pool))
                throw wrong_answer(fmt::format("post: node {} ran {} times of {}", i, runs_of(i), counts_.run));
        }
    }
    // Long enough that it does not matter how the two find together.
    std::uint64_t granularity() const override { return 16 * pool; }
    disturbed_by sensitivity() const override { return disturbed_by::any_thread; }

protected:
    virtual void produce(std::uint64_t ops) = 0;
    virtual void consume() = 0;
    virtual void stop_consumer() = 0; // after an error of the producer
    virtual std::uint64_t runs_of(std::size_t node) const = 0;

    crew& crew_;
    counts counts_;

private:
    void begin(std::uint64_t ops)
    {
        start_.wait();
        begin_ns_ = now_ns();
        try {
            produce(ops);
        } catch (...) {
            stop_consumer();
            throw;
        }
    }
    void end()
    {
        start_.wait();
        consume();
        end_ns_ = now_ns();
    }

    start_line start_;
    std::uint64_t begin_ns_ = 0;
    std::uint64_t end_ns_ = 0;
};

// As large as a task, rounded up to whole cache lines: packed side by side, the line that two nodes share would go to and
// fro between the threads, and a push would cost six times as much.
struct alignas(64) task_sized_node : baseline::mpsc_node {
    counts* of = nullptr;
    std::uint64_t runs = 0;
    std::byte rest[sizeof(tacet_task) - sizeof(baseline::mpsc_node) - 2 * sizeof(void*)] = {};
};

class bare_posts : public posts {
public:
    explicit bare_posts(crew& crew) : posts(crew), nodes_(pool)
    {
        for (task_sized_node& node : nodes_) {
            node.run = count_run;
            node.of = &counts_;
        }
    }

protected:
    void produce(std::uint64_t ops) override
    {
        for (std::uint64_t left = ops; left > 0;) {
            const std::uint64_t room = std::min(counts_.wait_for_room(), left);
            for (std::uint64_t i = 0; i < room; i++)
                list_.push(&nodes_[counts_.sent++ % pool]);
            left -= room;
        }
    }
    // A list is pushed in one order and run in the other: only its end says which nodes are free.
    void consume() override
    {
        while (counts_.run != counts_.last) {
            baseline::mpsc_node* taken = list_.take();
            if (taken == nullptr) {
                relax();
                continue;
            }
            while (taken != nullptr) {
                baseline::mpsc_node* node = list_.pop_from(taken);
                node->run(node);
            }
            // release: pairs with the acquire in wait_for_room()
            counts_.done.store(counts_.run, std::memory_order_release);
        }
    }
    void stop_consumer() override {}
    std::uint64_t runs_of(std::size_t node) const override { return nodes_[node].runs; }

private:
    static void count_run(baseline::mpsc_node* node)
    {
        auto* self = static_cast<task_sized_node*>(node);
        self->runs++;
        self->of->run++;
    }

    std::vector<task_sized_node> nodes_;
    baseline::bare_mpsc list_;
};

class task_posts : public posts {
public:
    task_posts(crew& crew, std::size_t at_once) : posts(crew), at_once_(at_once), records_(pool)
    {
        crew_.run([&](std::size_t part) {
            if (part == 1)
                rig_.emplace(ring_entries, false);
        });
        for (record& record : records_) {
            record.of = this;
            rig_->create(tacet_switcher_none(), count_run, &record);
        }
    }
    ~task_posts() override
    {
        crew_.run([&](std::size_t part) {
            if (part == 1)
                rig_.reset();
        });
    }

protected:
    void produce(std::uint64_t ops) override
    {
        for (std::uint64_t left = ops; left > 0;) {
            const std::uint64_t room = std::min(counts_.wait_for_room(), left);
            left -= at_once_ > 1 ? attach_many(room) : attach_each(room);
        }
    }
    void consume() override
    {
        require(tacet_executor_run(rig_->executor(), TACET_UNTIL_STOPPED, nullptr), "tacet_executor_run");
    }
    void stop_consumer() override { (void)tacet_executor_wake(rig_->executor(), 0); }
    std::uint64_t runs_of(std::size_t node) const override { return records_[node].runs; }

private:
    struct record {
        task_posts* of = nullptr;
        std::uint64_t runs = 0;
    };

    // Both return how many were attached, at least one.
    std::uint64_t attach_each(std::uint64_t count)
    {
        for (std::uint64_t i = 0; i < count; i++)
            require(tacet_task_attach(rig_->executor(), rig_->tasks()[counts_.sent++ % pool]), "tacet_task_attach");
        return count;
    }
    std::uint64_t attach_many(std::uint64_t count)
    {
        const std::size_t first = counts_.sent % pool;
        count = std::min({count, static_cast<std::uint64_t>(at_once_), static_cast<std::uint64_t>(pool - first)});
        const tacet_result taken = tacet_task_attach_many(rig_->executor(), &rig_->tasks()[first], count);
        require(taken, "tacet_task_attach_many");
        counts_.sent += static_cast<std::uint64_t>(taken);
        return static_cast<std::uint64_t>(taken);
    }

    // Tasks run in the order of their attachment: those before this one have exited.
    static tacet_result count_run(tacet_task*, void* argument)
    {
        auto* own = static_cast<record*>(argument);
        counts& counts = own->of->counts_;
        own->runs++;
        // release: pairs with the acquire in wait_for_room()
        if (counts.run % silence == 0)
            counts.done.store(counts.run, std::memory_order_release);
        if (++counts.run == counts.last)
            tacet_executor_stop(own->of->rig_->executor());
        return 0;
    }

    std::size_t at_once_;
    std::vector<record> records_;
    std::optional<rig> rig_;
};

}

report run_post(const options& options)
{
    report report{"post", {}};
    crew crew(2, placement::apart);
    group group;
    const std::size_t list = group.add_baseline("bare_mpsc", std::make_unique<bare_posts>(crew));
    group.add(row("sustained"), std::make_unique<task_posts>(crew, 1), list);
    group.add(row("sustained_many"), std::make_unique<task_posts>(crew, many), list);
    group.measure(options.plan, report);
    add_idle_wakes(options, report, crew);
    return report;
}

}
