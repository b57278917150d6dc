// Case `memory`: bytes a task that is suspended in a sleep of an hour, for 10^3 to 10^7 of them. Resident growth of a
// process of its own for each row, this program started anew, divided by the tasks.
//
// overhead_bytes is that less what the body itself needs: for a coroutine what the same body costs as a bare one, measured
// in the same way; for own stacks the pages of a stack that were touched; for `copying` the bytes of the stack that are
// live; for a state machine, whose body keeps nothing, nothing. mappings: lines of /proc/self/maps at the end.
#include "harness/memory.hpp"
#include "baseline/bare_sleep.hpp"
#include "cases/cases.hpp"
#include "cases/rig.hpp"
#include "cases/switchers.hpp"
#include "harness/errors.hpp"
#include "harness/process.hpp"
#include "harness/progress.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <tacet/tacet.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace bench {
namespace {

constexpr std::uint64_t hour_ns = 3'600'000'000'000;
constexpr std::size_t page_bytes = 4096;
constexpr std::size_t quick_tasks_max = 1'000'000;
constexpr const char* bare_name = "bare_coroutine";

// --- In the child ---

// Where its frame lies is written to the argument, if there is one.
tacet_result sleep_on_stack(tacet_task* task, void* argument)
{
    if (argument != nullptr)
        *static_cast<void**>(argument) = __builtin_frame_address(0);
    return tacet_sleep(task, hour_ns);
}

tacet_result sleep_by_returning(tacet_task* task, void*)
{
    return tacet_sleep(task, hour_ns);
}

tacet::task<void> sleep_in_frame()
{
    co_await tacet::sleep_for(std::chrono::hours(1));
}

bool is_resident(std::uintptr_t page)
{
    unsigned char resident = 0;
    return mincore(reinterpret_cast<void*>(page), page_bytes, &resident) == 0 && (resident & 1) != 0;
}

// The resident pages around an address, up to the guards at both ends of the stack.
std::size_t resident_bytes_around(const void* address)
{
    const auto page = reinterpret_cast<std::uintptr_t>(address) / page_bytes * page_bytes;
    std::uintptr_t first = page, end = page + page_bytes;
    while (is_resident(first - page_bytes))
        first -= page_bytes;
    while (is_resident(end))
        end += page_bytes;
    return end - first;
}

// The save buffers of an instance of its own tell how much of a stack is live: when one task has shown how deep the sleep
// suspends, the next gets a buffer of exactly that size.
class live_bytes_probe {
public:
    live_bytes_probe()
    {
        tacet_switcher_options options = {};
        options.allocate = allocate;
        options.deallocate = [](void*, void* memory, std::size_t) { std::free(memory); };
        options.allocator = &allocated_;
        require(tacet_switcher_create(&switcher_, &tacet_copying_ops, &options), "tacet_switcher_create");
    }
    live_bytes_probe(const live_bytes_probe&) = delete;
    live_bytes_probe& operator=(const live_bytes_probe&) = delete;
    ~live_bytes_probe() { tacet_switcher_destroy(switcher_); }

    std::size_t measure()
    {
        rig rig(0, false);
        for (int i = 0; i < 2; i++) {
            rig.add(switcher_, sleep_on_stack, nullptr);
            rig.run(1);
        }
        return allocated_;
    }

private:
    static void* allocate(void* allocator, std::size_t bytes, std::size_t alignment)
    {
        *static_cast<std::size_t*>(allocator) = bytes;
        return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    }

    std::size_t allocated_ = 0; // by the last call
    tacet_switcher* switcher_ = nullptr;
};

// Millions of tasks are not taken down one by one: the process ends here.
[[noreturn]] void answer(std::uint64_t growth_bytes, std::size_t own_bytes)
{
    fmt::print("{} {} {}\n", growth_bytes, own_bytes, mappings());
    std::fflush(stdout);
    std::_Exit(0);
}

[[noreturn]] void probe_bare_coroutines(std::size_t tasks)
{
    std::vector<void*> held(tasks);
    const std::uint64_t before = resident_bytes();
    for (void*& coroutine : held)
        coroutine = baseline::suspend_in_sleep(hour_ns).address();
    answer(resident_bytes() - before, 0);
}

[[noreturn]] void probe_coroutines(std::size_t tasks)
{
    coroutine_rig rig(0, false);
    (void)rig.executor().spawn(sleep_in_frame());
    rig.run(1);
    const std::uint64_t before = resident_bytes();
    for (std::size_t i = 0; i < tasks; i++)
        (void)rig.executor().spawn(sleep_in_frame());
    rig.run(tasks);
    answer(resident_bytes() - before, 0);
}

tacet_task* add_task(tacet_executor* executor, tacet_switcher* switcher, tacet_task_body* body)
{
    tacet_task* task = nullptr;
    require(tacet_task_create(&task, switcher, nullptr), "tacet_task_create");
    tacet_task_set_body(task, body, nullptr);
    require(tacet_task_attach(executor, task), "tacet_task_attach");
    return task;
}

[[noreturn]] void probe_c_tasks(const switcher_kind& kind, std::size_t tasks)
{
    rig rig(0, false);
    tacet_task_body* body = kind.suspended == keeps::state ? sleep_by_returning : sleep_on_stack;
    void* frame = nullptr; // of the second: the first uses more of its stack, for the dynamic linker
    for (int i = 0; i < 2; i++) {
        rig.add(kind.instance(), body, &frame);
        rig.run(1);
    }
    const std::size_t own_bytes = kind.suspended == keeps::stack  ? resident_bytes_around(frame)
                                  : kind.suspended == keeps::copy ? live_bytes_probe().measure()
                                                                  : 0;
    std::vector<tacet_task*> held(tasks);
    const std::uint64_t before = resident_bytes();
    for (tacet_task*& task : held)
        task = add_task(rig.executor(), kind.instance(), body);
    rig.run(tasks);
    answer(resident_bytes() - before, own_bytes);
}

// --- In the parent ---

struct findings {
    double bytes_per_task;
    std::size_t own_bytes;
    std::uint64_t mappings;
};

findings ask_child(const char* name, std::size_t tasks)
{
    const auto answer = ask_program({"/proc/self/exe", "--probe-memory", name, fmt::to_string(tasks)});
    unsigned long long growth = 0, own_bytes = 0, mappings = 0;
    if (answer.status != 0)
        throw unavailable(fmt::format("{} tasks of {}: {}", tasks, name, answer.errors));
    if (std::sscanf(answer.output.c_str(), "%llu %llu %llu", &growth, &own_bytes, &mappings) != 3)
        throw wrong_answer(fmt::format("the child said: {}", answer.output));
    return {static_cast<double>(growth) / static_cast<double>(tasks), own_bytes, mappings};
}

row make_row(const switcher_kind& kind, std::size_t tasks, const findings& bare)
{
    const findings found = ask_child(kind.name, tasks);
    const double own_bytes = kind.suspended == keeps::frame ? bare.bytes_per_task
                                                            : static_cast<double>(found.own_bytes);
    row row(kind.name);
    row.set("tasks", tasks).set("bytes_per_task", found.bytes_per_task);
    return row.set("overhead_bytes", found.bytes_per_task - own_bytes).set("mappings", found.mappings);
}

}

void probe_memory(const std::string& name, std::size_t tasks)
{
    if (name == bare_name)
        probe_bare_coroutines(tasks);
    for (const switcher_kind& kind : suspending_switchers()) {
        if (name == kind.name && kind.suspended == keeps::frame)
            probe_coroutines(tasks);
        if (name == kind.name)
            probe_c_tasks(kind, tasks);
    }
    throw unavailable(fmt::format("no switcher \"{}\"", name));
}

report run_memory(const options& options)
{
    report report{"memory", {}};
    progress progress("memory");
    for (const std::size_t tasks : {1'000, 10'000, 100'000, 1'000'000, 10'000'000}) {
        if (options.quick && tasks > quick_tasks_max)
            break;
        progress.show(fmt::format("{} tasks", tasks));
        const findings bare = ask_child(bare_name, tasks);
        for (const switcher_kind& kind : suspending_switchers()) {
            const std::uint64_t needed = tasks * task_bytes_min(kind), allowed = available_memory_bytes() / 2;
            if (needed <= allowed)
                report.rows.push_back(make_row(kind, tasks, bare));
            else
                progress.note(fmt::format("{} tasks of {} left out: they need {} MiB at least, and half of the "
                                          "available memory is {}",
                                          tasks, kind.name, needed >> 20, allowed >> 20));
        }
    }
    return report;
}

}
