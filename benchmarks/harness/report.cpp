// Rows to a table for people and to JSON for programs.
#include "harness/report.hpp"

#include "harness/machine.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace bench {
namespace {

std::string to_cell(const value& what)
{
    if (const auto* number = std::get_if<double>(&what))
        return *number < 1000 ? fmt::format("{:.3f}", *number) : fmt::format("{:.0f}", *number);
    if (const auto* integer = std::get_if<std::int64_t>(&what))
        return fmt::format("{}", *integer);
    return std::get<std::string>(what);
}

std::string quote(std::string_view text)
{
    std::string quoted = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            quoted += fmt::format("\\{}", c);
        else if (static_cast<unsigned char>(c) < 0x20)
            quoted += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else
            quoted += c;
    }
    return quoted + '"';
}

std::string to_json_value(const value& what)
{
    if (const auto* number = std::get_if<double>(&what))
        return fmt::format("{:.7g}", *number);
    if (const auto* integer = std::get_if<std::int64_t>(&what))
        return fmt::format("{}", *integer);
    return quote(std::get<std::string>(what));
}

std::string to_json_object(const row& row)
{
    std::string text = "{";
    for (const auto& [name, what] : row.fields())
        text += fmt::format("{}{}: {}", text.size() > 1 ? ", " : "", quote(name), to_json_value(what));
    return text + "}";
}

std::string to_json_document(const report& report)
{
    const machine machine = describe_machine();
    std::string text = fmt::format(
        "{{\"benchmark\": {},\n \"machine\": {{\"cpu\": {}, \"cores\": {}, \"kernel\": {}, \"compiler\": {}, "
        "\"liburing\": {}}},\n \"rows\": [",
        quote(report.benchmark), quote(machine.cpu), machine.cores, quote(machine.kernel), quote(machine.compiler),
        quote(machine.liburing));
    const char* separator = "\n  ";
    for (const row& row : report.rows) {
        text += separator + to_json_object(row);
        separator = ",\n  ";
    }
    return text + "\n ]}";
}

std::vector<std::string> column_names(const report& report)
{
    std::vector<std::string> names;
    for (const row& row : report.rows) {
        for (const auto& field : row.fields()) {
            if (std::find(names.begin(), names.end(), field.first) == names.end())
                names.push_back(field.first);
        }
    }
    return names;
}

struct column {
    std::vector<std::string> cells;
    std::size_t width = 0;
    bool is_text = false;
};

column make_column(const report& report, const std::string& name)
{
    column made;
    made.cells.push_back(name);
    for (const row& row : report.rows) {
        const value* what = row.find(name);
        made.is_text |= what != nullptr && std::holds_alternative<std::string>(*what);
        made.cells.push_back(what != nullptr ? to_cell(*what) : "");
    }
    for (const std::string& cell : made.cells)
        made.width = std::max(made.width, cell.size());
    return made;
}

}

row& row::append(std::string_view name, value what)
{
    fields_.emplace_back(name, std::move(what));
    return *this;
}

row& row::set_timing(const timing& subject)
{
    set("ns_per_op", subject.ns_per_op.median);
    set("ns_min", subject.ns_per_op.min);
    return set("ns_max", subject.ns_per_op.max);
}

row& row::set_baseline(std::string_view name, const timing& baseline, const timing& subject)
{
    set("baseline", std::string(name));
    set("baseline_ns_per_op", baseline.ns_per_op.median);
    return set("ratio", ratio_of(subject, baseline));
}

const value* row::find(std::string_view name) const
{
    for (const auto& field : fields_) {
        if (field.first == name)
            return &field.second;
    }
    return nullptr;
}

void print_table(std::FILE* out, const report& report)
{
    std::vector<column> columns;
    for (const std::string& name : column_names(report))
        columns.push_back(make_column(report, name));
    fmt::print(out, "{}\n", report.benchmark);
    for (std::size_t line = 0; line <= report.rows.size(); line++) {
        std::string text;
        for (const column& column : columns) {
            const std::string& cell = column.cells[line];
            text += column.is_text ? fmt::format("  {:<{}}", cell, column.width)
                                   : fmt::format("  {:>{}}", cell, column.width);
        }
        text.erase(text.find_last_not_of(' ') + 1);
        fmt::print(out, "{}\n", text);
    }
}

std::string to_json(const std::vector<report>& reports)
{
    if (reports.size() == 1)
        return to_json_document(reports.front()) + "\n";
    std::string text = "[";
    const char* separator = "";
    for (const report& report : reports) {
        text += separator + to_json_document(report);
        separator = ",\n";
    }
    return text + "]\n";
}

}
