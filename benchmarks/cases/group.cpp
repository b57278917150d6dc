// Who is whose baseline.
#include "cases/group.hpp"

#include <algorithm>

namespace bench {
namespace {

std::size_t fastest(const std::vector<std::size_t>& places, const std::vector<timing>& timings)
{
    return *std::min_element(places.begin(), places.end(), [&](std::size_t a, std::size_t b) {
        return timings[a].ns_per_op.median < timings[b].ns_per_op.median;
    });
}

}

std::size_t group::add_baseline(std::string name, std::unique_ptr<contestant> who)
{
    entries_.push_back({std::move(who), std::move(name), std::nullopt, {}});
    return entries_.size() - 1;
}

void group::add(row parameters, std::unique_ptr<contestant> who, std::size_t baseline)
{
    add(std::move(parameters), std::move(who), std::vector{baseline});
}

void group::add(row parameters, std::unique_ptr<contestant> who, std::vector<std::size_t> baselines)
{
    entries_.push_back({std::move(who), {}, std::move(parameters), std::move(baselines)});
}

void group::measure(const plan& plan, report& report)
{
    std::vector<contestant*> contestants;
    for (const entry& entry : entries_)
        contestants.push_back(entry.who.get());
    const std::vector<timing> timings = measure_interleaved(contestants, plan);
    for (std::size_t i = 0; i < entries_.size(); i++) {
        const entry& entry = entries_[i];
        if (!entry.parameters)
            continue;
        row row = *entry.parameters;
        entry.who->complete(row);
        row.set_timing(timings[i]);
        const std::size_t baseline = fastest(entry.baselines, timings);
        row.set_baseline(entries_[baseline].baseline_name, timings[baseline], timings[i]);
        for (const std::size_t other : entry.baselines) {
            if (entry.baselines.size() > 1)
                row.set(entries_[other].baseline_name + "_ns", timings[other].ns_per_op.median);
        }
        report.rows.push_back(std::move(row));
    }
}

}
