// Case `post`, rows `idle_wake...`: two threads wake each other in turn, each asleep when it is its turn to be woken; one
// operation is one wake, half a round trip, and a slice's figure the median of its round trips. A task runs at either end
// and attaches the next one to the other; the baselines send numbers by the same means of the kernel.
#include "cases/idle_wake.hpp"

#include "baseline/mailboxes.hpp"
#include "cases/group.hpp"
#include "cases/rig.hpp"
#include "harness/clock.hpp"
#include "harness/errors.hpp"
#include "harness/statistics.hpp"

#include <tacet/tacet.hpp>

#include <fmt/format.h>

#include <cstdlib>
#include <optional>

namespace bench {
namespace {

constexpr unsigned ring_entries = 64;

// Part 0 of the crew starts and is timed, part 1 answers.
class round_trips : public contestant {
public:
    explicit round_trips(crew& crew) : crew_(crew) {}

    std::uint64_t perform(std::uint64_t ops) override
    {
        times_ns_.clear();
        crew_.run([&](std::size_t part) { play_or_exit(part, ops / 2); });
        return ops;
    }
    slice take_slice(std::uint64_t ops) override
    {
        times_ns_.reserve(ops / 2);
        perform(ops);
        return slice{ops, median(times_ns_) / 2 * static_cast<double>(ops)};
    }
    std::uint64_t granularity() const override { return 2; }
    double slice_ns_min() const override { return 5e6; }
    disturbed_by sensitivity() const override { return disturbed_by::nobody; }

protected:
    virtual void play(std::size_t part, std::uint64_t trips) = 0;

    crew& crew_;
    std::vector<double> times_ns_;

private:
    // If one end fails the other would sleep for ever.
    void play_or_exit(std::size_t part, std::uint64_t trips)
    {
        try {
            play(part, trips);
        } catch (const std::exception& failure) {
            fmt::print(stderr, "tacet-bench: {}\n", failure.what());
            std::_Exit(1);
        }
    }
};

template <class Mailbox>
class bare_round_trips : public round_trips {
public:
    explicit bare_round_trips(crew& crew) : round_trips(crew)
    {
        crew_.run([&](std::size_t part) { boxes_[part].open(); });
    }
    ~bare_round_trips() override
    {
        crew_.run([&](std::size_t part) { boxes_[part].close(); });
    }

protected:
    void play(std::size_t part, std::uint64_t trips) override { part == 0 ? start(trips) : answer(trips); }

private:
    void start(std::uint64_t trips)
    {
        std::uint64_t begin = now_ns();
        for (std::uint64_t trip = 1; trip <= trips; trip++) {
            boxes_[1].send(static_cast<std::uint32_t>(trip));
            if (boxes_[0].wait() != trip)
                throw wrong_answer(fmt::format("{}: another number than was sent", Mailbox::name));
            const std::uint64_t now = now_ns();
            times_ns_.push_back(static_cast<double>(now - begin));
            begin = now;
        }
    }
    void answer(std::uint64_t trips)
    {
        for (std::uint64_t trip = 1; trip <= trips; trip++)
            boxes_[0].send(boxes_[1].wait());
    }

    Mailbox boxes_[2];
};

// What is woken: an executor and two tasks in turn, for the last one may not have exited when the next is attached.
class end_of_line {
public:
    explicit end_of_line(const tacet_executor_options& options)
    {
        char message[256] = "tacet_executor_create";
        tacet_executor_options explained = options;
        explained.message = message;
        explained.message_bytes = sizeof message;
        require(tacet_executor_create(&executor, &explained), message);
        for (tacet_task*& task : tasks) {
            require(tacet_task_create(&task, tacet_switcher_none(), nullptr), "tacet_task_create");
            tacet_task_set_body(task, arrive, this);
        }
    }
    end_of_line(const end_of_line&) = delete;
    end_of_line& operator=(const end_of_line&) = delete;
    ~end_of_line()
    {
        tacet_executor_destroy(executor);
        for (tacet_task* task : tasks)
            tacet_task_destroy(task);
    }

    // From the other end's thread.
    void call() { require(tacet_task_attach(executor, tasks[calls++ % 2]), "tacet_task_attach"); }

    tacet_executor* executor = nullptr;
    tacet_task* tasks[2] = {};
    end_of_line* other = nullptr;
    std::vector<double>* times_ns = nullptr; // of the end that starts
    std::uint64_t calls = 0;                 // the other end's
    std::uint64_t arrivals = 0;
    std::uint64_t last = 0; // arrival
    std::uint64_t begin_ns = 0;

private:
    static tacet_result arrive(tacet_task*, void* argument)
    {
        auto* self = static_cast<end_of_line*>(argument);
        const bool ends = ++self->arrivals == self->last;
        if (self->times_ns != nullptr) {
            const std::uint64_t now = now_ns();
            self->times_ns->push_back(static_cast<double>(now - self->begin_ns));
            self->begin_ns = now;
        }
        if (self->times_ns == nullptr || !ends)
            self->other->call();
        if (ends)
            tacet_executor_stop(self->executor);
        return 0;
    }
};

class task_round_trips : public round_trips {
public:
    task_round_trips(crew& crew, const tacet_executor_options& options) : round_trips(crew)
    {
        crew_.run([&](std::size_t part) { ends_[part].emplace(options); });
        for (std::size_t part : {0, 1})
            ends_[part]->other = &*ends_[1 - part];
        ends_[0]->times_ns = &times_ns_;
    }
    ~task_round_trips() override
    {
        crew_.run([&](std::size_t part) { ends_[part].reset(); });
    }

    void finish() override
    {
        for (std::optional<end_of_line>& end : ends_) {
            if (end->arrivals != trips_ || end->calls != trips_)
                throw wrong_answer(fmt::format("idle_wake: {} tasks ran of {}", end->arrivals, trips_));
        }
    }

protected:
    void play(std::size_t part, std::uint64_t trips) override
    {
        end_of_line& mine = *ends_[part];
        mine.last = mine.arrivals + trips;
        if (part == 0) {
            trips_ += trips;
            mine.begin_ns = now_ns();
            mine.other->call();
        }
        require(tacet_executor_run(mine.executor, TACET_UNTIL_STOPPED, nullptr), "tacet_executor_run");
    }

private:
    std::optional<end_of_line> ends_[2];
    std::uint64_t trips_ = 0;
};

template <class Mailbox>
void measure_row(const char* name, const tacet_executor_options& ends, const options& options, report& report,
                 crew& crew)
{
    group group;
    const std::size_t bare = group.add_baseline(Mailbox::name, std::make_unique<bare_round_trips<Mailbox>>(crew));
    group.add(row(name), std::make_unique<task_round_trips>(crew, ends), bare);
    group.measure(options.plan, report);
}

}

void add_idle_wakes(const options& options, report& report, crew& crew)
{
    tacet_executor_options with_ring = {};
    with_ring.ring_entries = ring_entries;
    measure_row<baseline::ring_mailbox>("idle_wake", with_ring, options, report, crew);
    tacet_executor_options with_eventfd = with_ring;
    with_eventfd.woken_by_eventfd = true;
    measure_row<baseline::eventfd_mailbox>("idle_wake_eventfd", with_eventfd, options, report, crew);
    measure_row<baseline::futex_mailbox>("idle_wake_no_ring", {}, options, report, crew);
}

}
