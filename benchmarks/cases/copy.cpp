// Case `copy`: tacet-cp and `cp -r -p` in turn, as whole processes, on a tree of small files and on one large file, in
// memory. One operation is one file. Each copy is compared with its source: contents, modes, times, names.
#include "cases/cases.hpp"
#include "harness/errors.hpp"
#include "harness/interrupt.hpp"
#include "harness/process.hpp"
#include "harness/random.hpp"
#include "harness/scratch.hpp"

#include <fmt/format.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

namespace bench {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t files_per_directory = 100;
constexpr std::uint64_t small_file_bytes_max = 8192;
constexpr std::size_t chunk_bytes = 1 << 20;

void fill_randomly(std::vector<char>& bytes, std::uint64_t& random)
{
    for (std::size_t at = 0; at + sizeof random <= bytes.size(); at += sizeof random) {
        random_below(random, 1);
        std::memcpy(bytes.data() + at, &random, sizeof random);
    }
}

void write_file(const fs::path& path, const char* bytes, std::uint64_t size, std::uint64_t times)
{
    std::ofstream out(path, std::ios::binary);
    for (std::uint64_t i = 0; i < times; i++)
        out.write(bytes, static_cast<std::streamsize>(size));
    out.close();
    if (!out)
        throw unavailable(fmt::format("write \"{}\" failed", path.string()));
}

// Returns the bytes in all files.
std::uint64_t make_small_files(const fs::path& root, std::uint64_t files)
{
    std::uint64_t random = 1, total = 0;
    std::vector<char> bytes(2 * small_file_bytes_max);
    fill_randomly(bytes, random);
    fs::create_directory(root);
    for (std::uint64_t i = 0; i < files; i++) {
        throw_if_interrupted();
        const fs::path directory = root / fmt::format("d{:03}", i / files_per_directory);
        if (i % files_per_directory == 0)
            fs::create_directory(directory);
        const std::uint64_t size = 1024 + random_below(random, small_file_bytes_max - 1024 + 1);
        const std::uint64_t begin = random_below(random, small_file_bytes_max);
        write_file(directory / fmt::format("f{:05}", i), bytes.data() + begin, size, 1);
        total += size;
    }
    return total;
}

void make_large_file(const fs::path& path, std::uint64_t bytes)
{
    std::uint64_t random = 1;
    std::vector<char> chunk(chunk_bytes);
    fill_randomly(chunk, random);
    write_file(path, chunk.data(), chunk.size(), bytes / chunk.size());
}

bool same_contents(const fs::path& left, const fs::path& right)
{
    static std::vector<char> left_chunk(chunk_bytes), right_chunk(chunk_bytes);
    std::ifstream left_in(left, std::ios::binary), right_in(right, std::ios::binary);
    while (left_in && right_in) {
        throw_if_interrupted();
        left_in.read(left_chunk.data(), chunk_bytes);
        right_in.read(right_chunk.data(), chunk_bytes);
        if (left_in.gcount() != right_in.gcount() ||
            std::memcmp(left_chunk.data(), right_chunk.data(), static_cast<std::size_t>(left_in.gcount())) != 0)
            return false;
    }
    return left_in.eof() && right_in.eof();
}

void check_file(const fs::path& source, const fs::path& copy)
{
    std::error_code missing;
    const fs::file_status is = fs::status(source), got = fs::status(copy, missing);
    const bool alike = is.type() == got.type() && is.permissions() == got.permissions() &&
                       (!fs::is_regular_file(is) || same_contents(source, copy)) &&
                       fs::last_write_time(source) == fs::last_write_time(copy, missing);
    if (!alike)
        throw wrong_answer(fmt::format("\"{}\" is not a copy of \"{}\"", copy.string(), source.string()));
}

std::uint64_t count_entries(const fs::path& root)
{
    if (!fs::is_directory(root))
        return 0;
    const fs::recursive_directory_iterator entries(root);
    return static_cast<std::uint64_t>(std::distance(begin(entries), end(entries)));
}

void check_copy(const fs::path& source, const fs::path& copy)
{
    check_file(source, copy);
    if (fs::is_directory(source)) {
        for (const fs::directory_entry& entry : fs::recursive_directory_iterator(source))
            check_file(entry.path(), copy / entry.path().lexically_relative(source));
    }
    if (count_entries(source) != count_entries(copy))
        throw wrong_answer(fmt::format("\"{}\" holds something that its source does not", copy.string()));
}

struct job {
    fs::path source;
    fs::path target;
    std::uint64_t files;
};

double time_copy(const job& job, std::vector<std::string> command)
{
    command.push_back(job.source);
    command.push_back(job.target);
    const double ns = static_cast<double>(run_program(command));
    check_copy(job.source, job.target);
    fs::remove_all(job.target);
    return ns / static_cast<double>(job.files);
}

// The first, unmeasured round lets both find the memory that later rounds reuse.
void time_in_turn(const job& job, const options& options, timing& subject, timing& baseline)
{
    time_copy(job, {options.tacet_cp});
    time_copy(job, {"cp", "-r", "-p"});
    for (int repetition = 0; repetition < options.copy_repetitions; repetition++) {
        const bool baseline_first = repetition % 2 != 0;
        if (baseline_first)
            baseline.repetitions.push_back(time_copy(job, {"cp", "-r", "-p"}));
        subject.repetitions.push_back(time_copy(job, {options.tacet_cp}));
        if (!baseline_first)
            baseline.repetitions.push_back(time_copy(job, {"cp", "-r", "-p"}));
    }
    subject.ns_per_op = summarise(subject.repetitions);
    baseline.ns_per_op = summarise(baseline.repetitions);
}

row measure(const char* name, const job& job, std::uint64_t bytes, const options& options)
{
    timing subject, baseline;
    time_in_turn(job, options, subject, baseline);
    row row(name);
    row.set("files", job.files).set("bytes", bytes);
    return row.set_timing(subject).set_baseline("cp -r -p", baseline, subject);
}

row measure_small_files(const options& options)
{
    const std::uint64_t files = options.quick ? 5'000 : 20'000;
    const scratch_directory scratch(files * small_file_bytes_max * 2 * 5 / 4);
    const job job{scratch.path() / "source", scratch.path() / "target", files};
    const std::uint64_t bytes = make_small_files(job.source, files);
    return measure("small_files", job, bytes, options);
}

row measure_large_file(const options& options)
{
    const std::uint64_t bytes = options.quick ? 256u << 20 : 1u << 30;
    const scratch_directory scratch(bytes * 2 * 5 / 4);
    const job job{scratch.path() / "source", scratch.path() / "target", 1};
    make_large_file(job.source, bytes);
    return measure("large_file", job, bytes, options);
}

}

report run_copy(const options& options)
{
    report report{"copy", {}};
    report.rows.push_back(measure_small_files(options));
    report.rows.push_back(measure_large_file(options));
    return report;
}

}
