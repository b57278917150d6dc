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
        if (timers.slots[i].op->timer_slot != i)
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
    std::vector<tacet_op> ops(300);
    std::map<tacet_op*, uint64_t> model;
    for (int step = 0; step < 4000; step++) {
        tacet_op& op = ops[random() % ops.size()];
        if (model.erase(&op) > 0) {
            timers_remove(&heap.timers, &op);
        } else {
            const uint64_t deadline = random() % deadlines;
            REQUIRE(timers_add(&heap.timers, deadline, &op) == 0);
            model[&op] = deadline;
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
    std::vector<tacet_op> ops(1000);
    std::multiset<uint64_t> expected;
    for (tacet_op& op : ops) {
        const uint64_t deadline = random() % 500;
        expected.insert(deadline);
        REQUIRE(timers_add(&heap.timers, deadline, &op) == 0);
    }
    for (const uint64_t deadline : expected) {
        REQUIRE(timers_next_ns(&heap.timers) == deadline);
        timers_remove(&heap.timers, heap.timers.slots[0].op);
    }
    CHECK(heap.timers.count == 0);
}
