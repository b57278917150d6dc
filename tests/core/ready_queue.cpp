/* The ready queue of three levels, against three deques. */
#include "support/support.hpp"

#include <array>
#include <deque>
#include <random>

namespace {

unsigned expected_mask(const std::array<std::deque<tacet_runnable*>, TACET_PRIORITY_COUNT>& model)
{
    unsigned mask = 0;
    for (unsigned level = 0; level < TACET_PRIORITY_COUNT; level++)
        mask |= static_cast<unsigned>(!model[level].empty()) << level;
    return mask;
}

}

TEST_CASE("the mask of the ready queue has exactly the bits of the levels that are not empty", "[ready]")
{
    std::mt19937 random(GENERATE(1u, 2u, 3u, 4u));
    std::vector<tacet_runnable> runnables(64);
    std::deque<tacet_runnable*> free;
    for (tacet_runnable& runnable : runnables)
        free.push_back(&runnable);
    std::array<std::deque<tacet_runnable*>, TACET_PRIORITY_COUNT> model;
    tacet_ready ready;
    tacet_ready_init(&ready);
    for (int step = 0; step < 5000; step++) {
        const unsigned level = random() % TACET_PRIORITY_COUNT;
        if (random() % 2 == 0 && !free.empty()) {
            tacet_level_push(&ready.levels[level], free.front());
            model[level].push_back(free.front());
            free.pop_front();
        } else if (!model[level].empty()) {
            REQUIRE(tacet_level_pop(&ready.levels[level]) == model[level].front());
            free.push_back(model[level].front());
            model[level].pop_front();
        }
        REQUIRE(ready.nonempty == expected_mask(model));
    }
}

TEST_CASE("the level of the ready queue is the highest one that has a runnable", "[ready]")
{
    std::array<tacet_runnable, TACET_PRIORITY_COUNT> runnables = {};
    tacet_ready ready;
    tacet_ready_init(&ready);
    for (unsigned level = TACET_PRIORITY_COUNT; level-- > 0;) {
        tacet_level_push(&ready.levels[level], &runnables[level]);
        CHECK(tacet_ready_level(&ready) == level);
    }
    for (unsigned level = 0; level < TACET_PRIORITY_COUNT; level++) {
        CHECK(tacet_ready_level(&ready) == level);
        CHECK(tacet_level_pop(&ready.levels[level]) == &runnables[level]);
    }
    CHECK(ready.nonempty == 0);
}
