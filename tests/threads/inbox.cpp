/* The inbox alone: what a push, a take and falling asleep promise, also when a signal comes between two instructions. */
#include "support/stepping.hpp"

extern "C" {
#include "executor/inbox.h"
}

#include <array>

using namespace support;

namespace {

struct nodes {
    std::array<tacet_runnable, 8> all = {};
    tacet_runnable* operator[](std::size_t i) { return &all[i]; }

    /* From `newest` down to `oldest`, as a sender links them. */
    bool push(::inbox& inbox, std::size_t newest, std::size_t oldest)
    {
        for (std::size_t i = newest; i > oldest; i--)
            all[i].next = &all[i - 1];
        return inbox_push(&inbox, &all[newest], &all[oldest]);
    }

    /* All that the taker gets, by their numbers. */
    std::string taken(::inbox& inbox)
    {
        std::string numbers;
        for (const tacet_runnable* node = inbox_take(&inbox); node != nullptr; node = node->next)
            numbers += static_cast<char>('0' + (node - all.data()));
        return numbers;
    }
};

}

TEST_CASE("what was pushed is taken oldest first, one by one and in chains", "[inbox]")
{
    inbox inbox = {};
    nodes nodes;
    CHECK_FALSE(inbox_has_news(&inbox));
    CHECK(nodes.taken(inbox).empty());
    CHECK_FALSE(nodes.push(inbox, 0, 0));
    CHECK_FALSE(nodes.push(inbox, 3, 1));
    CHECK_FALSE(nodes.push(inbox, 4, 4));
    CHECK(inbox_has_news(&inbox));
    CHECK(nodes.taken(inbox) == "01234");
    CHECK_FALSE(inbox_has_news(&inbox));
    CHECK(nodes.taken(inbox).empty());
    CHECK_FALSE(nodes.push(inbox, 2, 1));
    CHECK(nodes.taken(inbox) == "12");
}

TEST_CASE("the one push that finds the taker asleep is told to wake it", "[inbox]")
{
    inbox inbox = {};
    nodes nodes;
    CHECK(inbox_fall_asleep(&inbox));
    CHECK(inbox_has_news(&inbox)); /* that it has been asleep */
    CHECK(nodes.push(inbox, 1, 0));
    CHECK_FALSE(nodes.push(inbox, 2, 2));
    CHECK_FALSE(inbox_fall_asleep(&inbox));
    CHECK(nodes.taken(inbox) == "012");
    CHECK(inbox_fall_asleep(&inbox));
    CHECK(nodes.taken(inbox).empty()); /* it is awake now */
    CHECK_FALSE(nodes.push(inbox, 3, 3));
    CHECK(nodes.taken(inbox) == "3");
}

TEST_CASE("a push that a push interrupts at any instruction, nothing is lost", "[inbox]")
{
    if (!can_step)
        SKIP("no stepping through instructions here");
    const bool asleep = GENERATE(false, true);
    std::size_t at = 0;
    for (bool interrupted = true; interrupted;) {
        inbox inbox = {};
        nodes nodes;
        int wakes = 0;
        if (asleep)
            REQUIRE(inbox_fall_asleep(&inbox));
        else
            nodes.push(inbox, 0, 0);
        std::string early;
        interrupted = interrupted_at(
            ++at, [&] { wakes += nodes.push(inbox, 2, 1); }, [&] { wakes += nodes.push(inbox, 4, 3); });
        const std::string taken = nodes.taken(inbox);
        CAPTURE(at);
        const std::string older = asleep ? "" : "0";
        if (interrupted)
            CHECK((taken == older + "1234" || taken == older + "3412"));
        else
            CHECK(taken == older + "12");
        CHECK(wakes == asleep);
        CHECK_FALSE(inbox_has_news(&inbox));
    }
    CHECK(at > 5);
}

TEST_CASE("a take from within a push, at any instruction, gets what is whole and the rest later", "[inbox]")
{
    if (!can_step)
        SKIP("no stepping through instructions here");
    std::size_t at = 0, parted = 0;
    for (bool interrupted = true; interrupted;) {
        inbox inbox = {};
        nodes nodes;
        nodes.push(inbox, 1, 0);
        std::string early;
        bool may_sleep = false;
        interrupted = interrupted_at(
            ++at, [&] { nodes.push(inbox, 3, 2); },
            [&] {
                early = nodes.taken(inbox);
                may_sleep = early.empty() && inbox_fall_asleep(&inbox);
                early += nodes.taken(inbox);
            });
        CAPTURE(at, early);
        CHECK_FALSE(may_sleep);
        parted += early.empty() && interrupted;
        CHECK(early + nodes.taken(inbox) == "0123");
        CHECK_FALSE(inbox_has_news(&inbox));
    }
    CHECK(parted > 0); /* the taker was there between the exchange and the store of `next` */
}

TEST_CASE("the taker is interrupted by pushes at any instruction", "[inbox]")
{
    if (!can_step)
        SKIP("no stepping through instructions here");
    std::size_t at = 0;
    for (bool interrupted = true; interrupted;) {
        inbox inbox = {};
        nodes nodes;
        nodes.push(inbox, 1, 0);
        std::string taken;
        bool fell_asleep = false, told_to_wake = false;
        interrupted = interrupted_at(
            ++at,
            [&] {
                for (const tacet_runnable* node = inbox_take(&inbox); node != nullptr; node = node->next)
                    taken += static_cast<char>('0' + (node - nodes[0]));
                fell_asleep = inbox_fall_asleep(&inbox);
            },
            [&] { told_to_wake = nodes.push(inbox, 3, 2); });
        CAPTURE(at, taken);
        if (told_to_wake)
            CHECK(fell_asleep);
        else
            CHECK((!interrupted || !fell_asleep || taken == "0123"));
        taken += nodes.taken(inbox);
        CHECK(taken == (interrupted ? "0123" : "01"));
    }
    CHECK(at > 20);
}
