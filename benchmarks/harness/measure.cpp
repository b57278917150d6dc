// Interleaved measurement: calibrates each contestant to a slice of the planned length, then lets them take turns.
#include "harness/measure.hpp"

#include "harness/clock.hpp"
#include "harness/interrupt.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cassert>
#include <cmath>

namespace bench {
namespace {

constexpr int attempts_max = 10;
constexpr int attempts_of_several_max = 3; // on a busy machine one of several threads is nearly always disturbed

// How often the scheduler took the processor away for the sake of others.
long preemptions(disturbed_by whom)
{
    rusage usage;
    if (whom == disturbed_by::nobody)
        return 0;
    return getrusage(whom == disturbed_by::any_thread ? RUSAGE_SELF : RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}

// A slice in which others had the processor tells nothing: it is taken again, a few times at most.
slice time_undisturbed_slice(contestant& who, std::uint64_t ops)
{
    const disturbed_by whom = who.sensitivity();
    const int most = whom == disturbed_by::any_thread ? attempts_of_several_max : attempts_max;
    for (int attempts = 1;; attempts++) {
        const long before = preemptions(whom);
        throw_if_interrupted();
        const slice taken = who.take_slice(ops);
        if (preemptions(whom) == before || attempts == most)
            return taken;
    }
}

std::uint64_t round_up(double ops, std::uint64_t granularity)
{
    const auto units = static_cast<std::uint64_t>(std::ceil(ops / static_cast<double>(granularity)));
    return std::max<std::uint64_t>(units, 1) * granularity;
}

// Doubles until a slice is long enough to be extrapolated from; this also warms caches and pools.
std::uint64_t calibrate(contestant& who, double slice_ns)
{
    const std::uint64_t granularity = who.granularity();
    slice_ns = std::max(slice_ns, who.slice_ns_min());
    std::uint64_t ops = granularity;
    for (;;) {
        const slice tried = time_undisturbed_slice(who, ops);
        if (tried.ns >= slice_ns / 4)
            return round_up(slice_ns / tried.ns_per_op(), granularity);
        ops *= 2;
    }
}

// One slice of every contestant; odd rounds run backwards, so that nobody always follows the same neighbour.
void take_turns(const std::vector<contestant*>& contestants, const std::vector<std::uint64_t>& ops, bool backwards,
                std::vector<std::vector<double>>& slices)
{
    const std::size_t count = contestants.size();
    for (std::size_t turn = 0; turn < count; turn++) {
        const std::size_t who = backwards ? count - 1 - turn : turn;
        if (static_cast<int>(slices[who].size()) >= contestants[who]->slices_max())
            continue;
        slices[who].push_back(time_undisturbed_slice(*contestants[who], ops[who]).ns_per_op());
    }
}

}

slice contestant::take_slice(std::uint64_t ops)
{
    const std::uint64_t begin = now_ns();
    const std::uint64_t performed = perform(ops);
    const std::uint64_t end = now_ns();
    return slice{performed, static_cast<double>(std::max<std::uint64_t>(end - begin, 1))};
}

std::vector<timing> measure_interleaved(const std::vector<contestant*>& contestants, const plan& plan)
{
    std::vector<std::uint64_t> ops;
    for (contestant* who : contestants)
        ops.push_back(calibrate(*who, plan.slice_ns));

    std::vector<timing> timings(contestants.size());
    for (int repetition = 0; repetition < plan.repetitions; repetition++) {
        std::vector<std::vector<double>> slices(contestants.size());
        for (int slice = 0; slice < plan.slices; slice++)
            take_turns(contestants, ops, slice % 2 != 0, slices);
        for (std::size_t who = 0; who < contestants.size(); who++)
            timings[who].repetitions.push_back(lower_quartile(std::move(slices[who])));
    }
    for (contestant* who : contestants)
        who->finish();
    for (timing& result : timings)
        result.ns_per_op = summarise(result.repetitions);
    return timings;
}

double ratio_of(const timing& subject, const timing& baseline)
{
    assert(subject.repetitions.size() == baseline.repetitions.size());
    std::vector<double> ratios;
    for (std::size_t i = 0; i < subject.repetitions.size(); i++)
        ratios.push_back(subject.repetitions[i] / baseline.repetitions[i]);
    return median(std::move(ratios));
}

}
