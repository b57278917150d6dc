// Interleaved measurement. Contestants take turns in slices of about a millisecond, forwards and then backwards, so
// that a change of clock speed or a busy neighbour meets all of them alike. A slice that was preempted is taken again.
// The figure of a repetition is the lower
// quartile of its slices, because others can only make a slice longer; a row reports median, min and max over the
// repetitions.
#pragma once

#include "harness/statistics.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace bench {

class row;

struct slice {
    std::uint64_t ops;
    double ns;

    double ns_per_op() const { return ns / static_cast<double>(ops); }
};

// Whose loss of the processor to others spoils a slice.
enum class disturbed_by {
    own_thread,
    any_thread, // of several, each with a processor of its own
    nobody,     // there are more threads than processors, or the slice's figure stands that
};

// Something that performs operations and checks what they computed. What outlives a slice (tasks, rings, files) is
// made by the constructor and released by the destructor.
class contestant {
public:
    contestant() = default;
    contestant(const contestant&) = delete;
    contestant& operator=(const contestant&) = delete;
    virtual ~contestant() = default;

    // Timed. Performs at least `ops` operations, a multiple of granularity(), and returns how many it performed.
    // Throws wrong_answer, as finish() does, which is called once, after the last slice, and not timed.
    virtual std::uint64_t perform(std::uint64_t ops) = 0;
    virtual void finish() {}

    virtual std::uint64_t granularity() const { return 1; }

    // perform(), timed; for those that bring a clock of their own.
    virtual slice take_slice(std::uint64_t ops);

    virtual disturbed_by sensitivity() const { return disturbed_by::own_thread; }

    // Of what takes long to set up: how many slices a repetition may have, and how long they are at least.
    virtual int slices_max() const { return std::numeric_limits<int>::max(); }
    virtual double slice_ns_min() const { return 0; }

    // Adds to its row what only the measurement has shown.
    virtual void complete(row&) const {}
};

struct plan {
    int repetitions = 9;
    int slices = 12;
    double slice_ns = 1.5e6;
};

struct timing {
    summary ns_per_op;
    std::vector<double> repetitions;
};

// One timing for each contestant, in their order. Throws interrupted or wrong_answer.
std::vector<timing> measure_interleaved(const std::vector<contestant*>& contestants, const plan& plan);

// The median of the ratios within each repetition: what slows both down for a while cancels out before the median is
// taken, which a ratio of medians does not promise.
double ratio_of(const timing& subject, const timing& baseline);

}
