// Case `priority`: how late a task of high priority is among many of low priority.
//
// `cpu`: 64 low tasks that each compute 20 us and yield; the high one sleeps until it is due, every millisecond; its delay
// is from then to its resumption, and p99_ratio is p99 / 20 us.
// `io`: the same low tasks keep the executor busy while 1,000 further ones, low in both priorities, write 4 KiB to a file and
// sync it, all the time; a delay is that of a 4 KiB read of a cached file, every millisecond, and p99_ratio is p99 over p99
// of the same without the 1,000. `io_no_limits`: with an executor that does not limit what the kernel has at a time.
//
// The executor's thread is bound to a processor, and the kernel's workers to the others, as who cares for delays would do it; but in
// `io_unbound`, where the scheduler lets workers interrupt it.
#include "cases/cases.hpp"
#include "cases/rig.hpp"
#include "harness/affinity.hpp"
#include "harness/clock.hpp"
#include "harness/errors.hpp"
#include "harness/interrupt.hpp"
#include "harness/random.hpp"
#include "harness/relax.hpp"
#include "harness/scratch.hpp"

#include <tacet/tacet.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace bench {
namespace {

constexpr std::size_t low_tasks = 64;
constexpr std::size_t flooding_tasks = 1000;
constexpr std::uint64_t compute_ns = 20'000;
constexpr std::uint64_t period_ns = 1'000'000;
constexpr std::size_t block_bytes = 4096;
constexpr std::uint64_t blocks = 4096;
constexpr unsigned data_ops_max = 16;
constexpr unsigned worker_ops_max = 2;

struct block {
    std::byte bytes[block_bytes];
};

// What the tasks of one executor share.
struct load {
    bool stop = false;
    std::uint64_t computed = 0; // by low tasks
    std::uint64_t flooded = 0;  // writes and syncs
    std::uint64_t random = next_seed();
};

tacet::task<void> compute(load& load)
{
    while (!load.stop) {
        const std::uint64_t begin = now_ns();
        while (now_ns() - begin < compute_ns)
            relax();
        load.computed++;
        co_await tacet::yield();
    }
}

tacet::task<void> flood(load& load, tacet::file& file)
{
    co_await tacet::set_priority(tacet::priority::low, tacet::priority::low);
    const auto buffer = std::make_unique<block>();
    while (!load.stop) {
        const std::uint64_t number = random_below(load.random, blocks);
        const std::size_t written = co_await file.write(buffer->bytes, number * block_bytes);
        if (written != block_bytes)
            throw wrong_answer("a write was short");
        co_await file.sync();
        load.flooded += 2;
    }
}

// The delays of `samples` resumptions, in ns.
tacet::task<std::vector<double>> be_due(load& load, std::size_t samples)
{
    std::vector<double> delays;
    delays.reserve(samples);
    std::uint64_t due = now_ns();
    while (delays.size() < samples && !interrupt_requested()) {
        due = std::max(due + period_ns, now_ns());
        co_await tacet::sleep_for(std::chrono::nanoseconds(due - now_ns()));
        delays.push_back(static_cast<double>(now_ns() - due));
    }
    load.stop = true;
    co_return delays;
}

tacet::task<std::vector<double>> read_now_and_then(load& load, const tacet::file& file, std::size_t samples)
{
    co_await tacet::set_priority(tacet::priority::high, tacet::priority::high);
    const auto buffer = std::make_unique<block>();
    std::vector<double> delays;
    delays.reserve(samples);
    while (delays.size() < samples && !interrupt_requested()) {
        co_await tacet::sleep_for(std::chrono::nanoseconds(period_ns));
        const std::uint64_t number = random_below(load.random, blocks);
        const std::uint64_t begin = now_ns();
        const std::size_t read = co_await file.read(buffer->bytes, number * block_bytes);
        delays.push_back(static_cast<double>(now_ns() - begin));
        std::uint64_t found;
        std::memcpy(&found, buffer->bytes, sizeof found);
        if (read != block_bytes || found != number)
            throw wrong_answer("a read did not deliver its block");
    }
    load.stop = true;
    co_return delays;
}

// An executor, kept busy by low tasks.
class busy_executor {
public:
    explicit busy_executor(const tacet::executor_options& options)
    {
        try {
            executor_.emplace(options);
        } catch (const std::system_error& refused) {
            throw unavailable(refused.what());
        }
        for (std::size_t i = 0; i < low_tasks; i++)
            others_.push_back(executor_->spawn(compute(shared), tacet::priority::low));
    }

    void add_low(tacet::task<void> body) { others_.push_back(executor_->spawn(std::move(body), tacet::priority::low)); }

    // Until the high task has its samples, and all others have ended.
    std::vector<double> run(tacet::task<std::vector<double>> high)
    {
        auto handle = executor_->spawn(std::move(high), tacet::priority::high);
        executor_->run_until_idle();
        throw_if_interrupted();
        for (auto& other : others_)
            other.take();
        if (shared.computed < low_tasks)
            throw wrong_answer("low tasks starve");
        return handle.take();
    }

    load shared;

private:
    std::optional<tacet::executor> executor_;
    std::vector<tacet::join_handle<void>> others_;
};

double percentile(std::vector<double>& delays, double part)
{
    const auto at = delays.begin() + static_cast<std::ptrdiff_t>(static_cast<double>(delays.size() - 1) * part);
    std::nth_element(delays.begin(), at, delays.end());
    return *at;
}

row& set_percentiles(row& row, std::vector<double>& delays)
{
    row.set("samples", delays.size());
    row.set("p50_ns", percentile(delays, 0.5));
    row.set("p99_ns", percentile(delays, 0.99));
    return row.set("max_ns", percentile(delays, 1));
}

void measure_cpu(const options& options, report& report)
{
    const pinned pinned(0);
    busy_executor executor({});
    std::vector<double> delays = executor.run(be_due(executor.shared, options.quick ? 1000 : 5000));
    row row("cpu");
    set_percentiles(row, delays).set("p99_ratio", percentile(delays, 0.99) / static_cast<double>(compute_ns));
    report.rows.push_back(std::move(row));
}

// A file of so many blocks where files are kept that need not be in memory.
class flooded_file {
public:
    flooded_file()
    {
        std::string name = (std::filesystem::temp_directory_path() / "tacet-bench-XXXXXX").string();
        const int fd = mkostemp(name.data(), O_CLOEXEC);
        if (fd < 0)
            throw unavailable(fmt::format("{}: {}", name, std::strerror(errno)));
        unlink(name.c_str());
        file_ = tacet::file(fd, O_RDWR, nullptr);
    }

    tacet::file& get() { return file_; }

private:
    tacet::file file_;
};

struct io_delays {
    std::vector<double> alone, flooded;
    std::uint64_t flooded_ops = 0;
};

std::vector<double> read_busily(const tacet::executor_options& options, const tacet::file& file, std::size_t samples,
                                flooded_file* flooded, std::uint64_t* flooded_ops)
{
    busy_executor executor(options);
    for (std::size_t i = 0; flooded != nullptr && i < flooding_tasks; i++)
        executor.add_low(flood(executor.shared, flooded->get()));
    std::vector<double> delays = executor.run(read_now_and_then(executor.shared, file, samples));
    *flooded_ops += executor.shared.flooded;
    return delays;
}

// In turns, without the flood and with it.
io_delays measure_reads(const tacet::executor_options& options, const tacet::file& file, int turns, std::size_t samples)
{
    io_delays all;
    for (int turn = 0; turn < turns; turn++) {
        flooded_file flooded;
        const auto alone = read_busily(options, file, samples, nullptr, &all.flooded_ops);
        const auto among = read_busily(options, file, samples, &flooded, &all.flooded_ops);
        all.alone.insert(all.alone.end(), alone.begin(), alone.end());
        all.flooded.insert(all.flooded.end(), among.begin(), among.end());
    }
    if (all.flooded_ops < flooding_tasks)
        throw wrong_answer("the flood starves");
    return all;
}

struct io_row {
    const char* name;
    bool through_ring;
    bool limited;
    bool bound;
};

void measure_io(const io_row& which, const options& options, report& report)
{
    const block_file blocks_in_memory(blocks, block_bytes);
    const tacet::file file(fcntl(blocks_in_memory.fd(), F_DUPFD_CLOEXEC, 0), O_RDONLY, nullptr);
    const cpu_set_t others = processors_but(0);
    std::optional<pinned> pinned;
    tacet::executor_options executor;
    if (which.bound && CPU_COUNT(&others) > 0) {
        pinned.emplace(0);
        executor.worker_cpus = &others;
    }
    executor.always_through_ring = which.through_ring;
    executor.data_ops_max = which.limited ? data_ops_max : 0;
    executor.worker_ops_max = which.limited ? worker_ops_max : 0;
    io_delays delays = measure_reads(executor, file, options.plan.repetitions, options.quick ? 200 : 500);
    row row(which.name);
    row.set("mode", std::string(which.through_ring ? "ring" : "adaptive"));
    set_percentiles(row, delays.flooded);
    const double alone = percentile(delays.alone, 0.99);
    row.set("alone_p99_ns", alone).set("flooded_ops", delays.flooded_ops);
    row.set("p99_ratio", percentile(delays.flooded, 0.99) / alone);
    report.rows.push_back(std::move(row));
}

// The kernel's workers, and where they run, are a thread's.
void on_a_thread_of_its_own(const std::function<void()>& measure)
{
    std::exception_ptr failure;
    std::thread([&] {
        try {
            measure();
        } catch (...) {
            failure = std::current_exception();
        }
    }).join();
    if (failure)
        std::rethrow_exception(failure);
}

}

report run_priority(const options& options)
{
    report report{"priority", {}};
    on_a_thread_of_its_own([&] { measure_cpu(options, report); });
    for (const io_row& which : {io_row{"io_ring", true, true, true}, io_row{"io", false, true, true},
                                io_row{"io_no_limits", true, false, true}, io_row{"io_unbound", true, true, false}})
        on_a_thread_of_its_own([&] { measure_io(which, options, report); });
    return report;
}

}
