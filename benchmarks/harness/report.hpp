// What a case found: rows of named values in a fixed order, printed as an aligned table and as the JSON documents that
// plot.py and other tools read.
#pragma once

#include "harness/measure.hpp"

#include <concepts>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace bench {

using value = std::variant<std::int64_t, double, std::string>;

// One line of the table. Fields keep the order in which they were set.
class row {
public:
    explicit row(std::string_view case_name) { set("case", std::string(case_name)); }

    row& set(std::string_view name, double what) { return append(name, what); }
    row& set(std::string_view name, std::string what) { return append(name, std::move(what)); }
    row& set(std::string_view name, std::integral auto what) { return append(name, static_cast<std::int64_t>(what)); }

    // The usual four: ns_per_op, ns_min, ns_max.
    row& set_timing(const timing& subject);
    row& set_baseline(std::string_view name, const timing& baseline, const timing& subject);

    const value* find(std::string_view name) const;
    const std::vector<std::pair<std::string, value>>& fields() const { return fields_; }

private:
    row& append(std::string_view name, value what);

    std::vector<std::pair<std::string, value>> fields_;
};

struct report {
    std::string benchmark;
    std::vector<row> rows;
};

// The columns are all the fields of all rows, each where it first appeared; a row without one leaves it blank.
void print_table(std::FILE* out, const report& report);

// One document, or a list of them where there are several.
std::string to_json(const std::vector<report>& reports);

}
