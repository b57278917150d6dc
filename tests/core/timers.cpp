/* The heap of timers, against a multimap. */
#include "support/support.hpp"

extern "C" {
#include "executor/timers.h"
}

#include <map>
#include <memory>
#include <random>
#include <set>

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
    for (uint32_t i = 0; i < timers.count; i++) {
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
