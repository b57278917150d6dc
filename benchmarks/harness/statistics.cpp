// Medians and ranges of a few samples: sorted copies, no approximation.
#include "harness/statistics.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace bench {

summary summarise(std::vector<double> samples)
{
    assert(!samples.empty());
    std::sort(samples.begin(), samples.end());
    const std::size_t middle = samples.size() / 2;
    summary result;
    result.min = samples.front();
    result.max = samples.back();
    result.median = samples.size() % 2 == 1 ? samples[middle] : (samples[middle - 1] + samples[middle]) / 2;
    return result;
}

double median(std::vector<double> samples)
{
    return summarise(std::move(samples)).median;
}

double lower_quartile(std::vector<double> samples)
{
    assert(!samples.empty());
    const auto quartile = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 4);
    std::nth_element(samples.begin(), quartile, samples.end());
    return *quartile;
}

}
