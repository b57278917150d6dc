// Medians and ranges of a few samples.
#pragma once

#include <vector>

namespace bench {

struct summary {
    double median = 0;
    double min = 0;
    double max = 0;
};

// In all of these `samples` is not empty.
summary summarise(std::vector<double> samples);

double median(std::vector<double> samples);

double lower_quartile(std::vector<double> samples);

}
