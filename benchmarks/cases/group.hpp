// Contestants that are measured together, and the rows that come out of it.
#pragma once

#include "harness/measure.hpp"
#include "harness/report.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bench {

class group {
public:
    // Returns the contestant's place, which names it as a baseline.
    std::size_t add_baseline(std::string name, std::unique_ptr<contestant> who);
    void add(row parameters, std::unique_ptr<contestant> who, std::size_t baseline);

    // Of several baselines the fastest counts; the row also tells the time of each.
    void add(row parameters, std::unique_ptr<contestant> who, std::vector<std::size_t> baselines);

    // Measures all of them in turn and appends a row for each that is not a baseline.
    void measure(const plan& plan, report& report);

private:
    struct entry {
        std::unique_ptr<contestant> who;
        std::string baseline_name; // of a baseline
        std::optional<row> parameters;
        std::vector<std::size_t> baselines;
    };

    std::vector<entry> entries_;
};

}
