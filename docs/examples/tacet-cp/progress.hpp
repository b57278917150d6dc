// The progress line. How much there is to do is counted by a walk of its own, which soon runs ahead of the copying;
// until it has ended the line tells no time left.
#pragma once

#include "job.hpp"
#include "plan.hpp"
#include "walk.hpp"

#include <tacet/tacet.hpp>

#include <cstdint>

namespace cp {

struct totals {
    std::uint64_t files = 0;
    std::uint64_t bytes = 0;
    bool complete = false;
};

// Counts what is to be copied. What it cannot look at it leaves to the copying to complain of.
tacet::task<void> take_census(plan& plan, const stop_request& stop, totals& totals);

// Shows the line ten times a second, until it is cancelled.
tacet::task<void> show_progress(job& job, const totals& totals);

}
