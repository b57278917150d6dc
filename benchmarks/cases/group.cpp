// Who is whose baseline.
#include "cases/group.hpp"

namespace bench {

std::size_t group::add_baseline(std::string name, std::unique_ptr<contestant> who)
{
    entries_.push_back({std::move(who), std::move(name), std::nullopt, 0});
    return entries_.size() - 1;
}

void group::add(row parameters, std::unique_ptr<contestant> who, std::size_t baseline)
{
    entries_.push_back({std::move(who), {}, std::move(parameters), baseline});
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
        row.set_baseline(entries_[entry.baseline].baseline_name, timings[entry.baseline], timings[i]);
        report.rows.push_back(std::move(row));
    }
}

}
