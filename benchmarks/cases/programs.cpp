// Running them, and reading what they print.
#include "cases/programs.hpp"

#include "harness/errors.hpp"
#include "harness/process.hpp"
#include "harness/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>

namespace bench {
namespace {

constexpr double run_ns_min = 30e6;      // what surrounds the runs of a program is not in its time, but takes some
constexpr std::size_t messages_min = 32; // a run, from each ring
constexpr int cannot = 77;

const program_kind kinds[] = {
    {"pthreads", 16 * 1024, 2'000},    {"go", 2'800, 200'000},   {"rust", 600, 200'000},
    {"boost_fiber", 8 * 1024, 30'000}, {"asio", 1'000, 200'000},
};

class program final : public contestant {
public:
    program(std::string path, const cycle_sizes& sizes) : path_(std::move(path)), sizes_(sizes)
    {
        take_slice(granularity());
    }

    std::uint64_t perform(std::uint64_t ops) override { return take_slice(ops).ops; }

    slice take_slice(std::uint64_t ops) override
    {
        rounds_ = ops / (sizes_.n * sizes_.r);
        const auto answer = ask_program({path_, fmt::to_string(sizes_.n), fmt::to_string(sizes_.r),
                                         fmt::to_string(rounds_), fmt::to_string(sizes_.dead_bytes),
                                         fmt::to_string(sizes_.threads)});
        const std::string errors = answer.errors.substr(0, answer.errors.find_last_not_of('\n') + 1);
        if (answer.status == cannot)
            throw unavailable(errors);
        if (answer.status != 0)
            throw wrong_answer(fmt::format("{} ended with status {}: {}", path_, answer.status, errors));
        std::uint64_t messages = 0, ns = 0;
        if (std::sscanf(answer.output.c_str(), "ok %" SCNu64 " %" SCNu64, &messages, &ns) != 2 || messages != ops)
            throw wrong_answer(fmt::format("{} was to send {} messages and printed: {}", path_, ops, answer.output));
        return {ops, static_cast<double>(std::max<std::uint64_t>(ns, 1))};
    }

    std::uint64_t granularity() const override
    {
        const std::uint64_t rounds = sizes_.m != 0 ? sizes_.m : (messages_min + sizes_.n - 1) / sizes_.n;
        return rounds * sizes_.n * sizes_.r;
    }
    int slices_max() const override { return 1; }
    double slice_ns_min() const override { return sizes_.m != 0 ? 0 : run_ns_min; }
    void complete(row& row) const override { row.set("m", rounds_); }

private:
    std::string path_;
    cycle_sizes sizes_;
    std::uint64_t rounds_ = 0;
};

}

std::span<const program_kind> all_programs()
{
    return kinds;
}

std::string program_path(const std::string& folder, const program_kind& kind)
{
    return fmt::format("{}/cycle-{}", folder, kind.name);
}

std::unique_ptr<contestant> make_program(const std::string& path, const cycle_sizes& sizes)
{
    return std::make_unique<program>(path, sizes);
}

}
