/* The timers, against a map and sets. */
#include "support/support.hpp"

extern "C" {
#include "executor/timers.h"
}

#include <map>
#include <memory>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace {

struct heap {
    explicit heap(uint32_t reserved) { REQUIRE(timers_init(&timers, reserved) == 0); }
    heap(const heap&) = delete;
    ~heap() { timers_finish(&timers); }
    ::timers timers;
};

bool invariants_hold(const timers& timers)
{
    if (timers.count > timers.capacity)
        return false;
    if (timers.near > timers.count || (timers.near == 0 && timers.count > 0))
        return false;
    for (uint32_t i = 0; i < timers.near; i++) {
        if (timers.slots[i].request->timer_slot != i)
            return false;
        if (i > 0 && timers.slots[i].deadline_ns < timers.slots[(i - 1) / 4].deadline_ns)
            return false;
    }
    return true;
}

}

TEST_CASE("an empty heap of timers is never due", "[timers]")
{
    heap heap(0);
    CHECK(timers_next_ns(&heap.timers) == TACET_FOREVER);
}

TEST_CASE("the heap of timers keeps its invariants and its earliest deadline under any additions and removals",
          "[timers]")
{
    std::mt19937 random(GENERATE(1u, 2u, 3u));
    const uint64_t deadlines = GENERATE(5u, 1000000u); /* few: many that are equal */
    heap heap(1);
    std::vector<tacet_request> requests(300);
    std::map<tacet_request*, uint64_t> model;
    for (int step = 0; step < 4000; step++) {
        tacet_request& request = requests[random() % requests.size()];
        if (model.erase(&request) > 0) {
            timers_remove(&heap.timers, &request);
        } else {
            const uint64_t deadline = random() % deadlines;
            REQUIRE(timers_add(&heap.timers, deadline, &request) == 0);
            model[&request] = deadline;
        }
        uint64_t earliest = TACET_FOREVER;
        for (const auto& [other, deadline] : model)
            earliest = std::min(earliest, deadline);
        REQUIRE(heap.timers.count == model.size());
        REQUIRE(timers_next_ns(&heap.timers) == earliest);
        REQUIRE(invariants_hold(heap.timers));
    }
}

TEST_CASE("timers come out of the heap in the order of their deadlines", "[timers]")
{
    std::mt19937 random(7);
    heap heap(0);
    std::vector<tacet_request> requests(1000);
    std::multiset<uint64_t> expected;
    for (tacet_request& request : requests) {
        const uint64_t deadline = random() % 500;
        expected.insert(deadline);
        REQUIRE(timers_add(&heap.timers, deadline, &request) == 0);
    }
    for (const uint64_t deadline : expected) {
        REQUIRE(timers_next_ns(&heap.timers) == deadline);
        timers_remove(&heap.timers, heap.timers.slots[0].request);
    }
    CHECK(heap.timers.count == 0);
}

namespace {

/* Many timers: most lie in buckets. */
class many {
public:
    explicit many(uint64_t range) : range_(range), heap_(0), requests_(20'000), deadlines_(requests_.size()) {}

    void add_all()
    {
        for (std::size_t i = 0; i < requests_.size(); i++)
            add(i);
    }
    void add(std::size_t i)
    {
        deadlines_[i] = now_ + random_() % range_;
        REQUIRE(timers_add(&heap_.timers, deadlines_[i], &requests_[i]) == 0);
        live_.emplace(deadlines_[i], i);
    }
    void cancel_and_add_one()
    {
        const std::size_t i = random_() % requests_.size();
        if (live_.erase({deadlines_[i], i}) > 0)
            timers_remove(&heap_.timers, &requests_[i]);
        else
            add(i);
    }
    void expire_one()
    {
        tacet_request* request = heap_.timers.slots[0].request;
        const auto i = static_cast<std::size_t>(request - requests_.data());
        now_ = timers_next_ns(&heap_.timers);
        REQUIRE(deadlines_[i] == now_);
        REQUIRE(live_.erase({deadlines_[i], i}) == 1);
        timers_remove(&heap_.timers, request);
    }
    void check()
    {
        REQUIRE(heap_.timers.count == live_.size());
        REQUIRE(timers_next_ns(&heap_.timers) == (live_.empty() ? TACET_FOREVER : live_.begin()->first));
    }
    bool empty() const { return live_.empty(); }
    const ::timers& timers() const { return heap_.timers; }

private:
    uint64_t range_;
    heap heap_;
    std::vector<tacet_request> requests_;
    std::vector<uint64_t> deadlines_;
    std::set<std::pair<uint64_t, std::size_t>> live_;
    std::mt19937_64 random_{11};
    uint64_t now_ = 5'000'000'000;
};

}

TEST_CASE("of many timers the earliest is always known, whatever is added, cancelled and expires", "[timers]")
{
    /* within a tick, a second, an hour, and for ever */
    many many(GENERATE(1'000ull, 1'000'000'000ull, 3'600'000'000'000ull, uint64_t{1} << 63));
    many.add_all();
    REQUIRE(invariants_hold(many.timers()));
    for (int step = 0; step < 60'000; step++) {
        if (step % 3 == 0 && !many.empty())
            many.expire_one();
        else
            many.cancel_and_add_one();
        many.check();
    }
    REQUIRE(invariants_hold(many.timers()));
    while (!many.empty()) {
        many.expire_one();
        many.check();
    }
}
