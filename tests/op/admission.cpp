/* Limits to what the kernel has at a time, who goes first, writes in the order of their start; where the kernel's workers run. */
#include "support/support.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sched.h>
#include <string>
#include <thread>
#include <unistd.h>

using namespace support;

namespace {

/* Options of an executor with limits; a ring of so many entries. */
tacet_executor_options limited(unsigned data, unsigned worker, unsigned all = 0, unsigned entries = 8)
{
    tacet_executor_options options = {};
    options.ring_entries = entries;
    options.always_through_ring = true;
    options.data_ops_max = data;
    options.worker_ops_max = worker;
    options.ops_max = all;
    return options;
}

tacet_executor_options ordered(unsigned entries)
{
    tacet_executor_options options = {};
    options.ring_entries = entries;
    options.ordered_writes = true;
    return options;
}

/* A file to read and write. */
class scratch_file {
public:
    scratch_file()
    {
        directory_.write("file", std::string(1 << 16, 'x'));
        REQUIRE(tacet_file_from_fd(&file, open_again(), O_RDWR) == 0);
    }
    ~scratch_file() { ::close(file.fd); }
    int open_again() const { return ::open((directory_ / "file").c_str(), O_RDWR | O_CLOEXEC); }
    std::string contents() const { return directory_.read("file"); }

    tacet_file file;

private:
    temporary_directory directory_;
};

/* Ops whose completions write down their numbers. */
struct numbered {
    tacet_op op; /* first */
    int number;
    std::vector<int>* ends;
    char byte;
};

void note_end(tacet_op* op)
{
    auto* self = reinterpret_cast<numbered*>(op);
    self->ends->push_back(op->result >= 0 ? self->number : static_cast<int>(op->result));
}

std::vector<numbered> make_ops(tacet_executor* executor, int count, std::vector<int>& ends,
                               tacet_priority priority = TACET_PRIORITY_NORMAL)
{
    std::vector<numbered> ops(static_cast<std::size_t>(count));
    for (int i = 0; i < count; i++) {
        ops[static_cast<std::size_t>(i)] = {{}, i, &ends, 0};
        CHECK(tacet_op_init_callback(&ops[static_cast<std::size_t>(i)].op, executor, note_end, priority) == 0);
    }
    return ops;
}

const timespec no_time = {0, 0};

/* What the kernel says of the processors that each of its workers for this thread may use. */
std::vector<std::string> processors_of_workers()
{
    std::vector<std::string> lists;
    for (const auto& each : std::filesystem::directory_iterator("/proc/self/task")) {
        std::ifstream comm(each.path() / "comm"), status(each.path() / "status");
        std::string name, line;
        if (!std::getline(comm, name) || name != "iou-wrk-" + std::to_string(gettid()))
            continue;
        const std::string key = "Cpus_allowed_list:\t";
        while (std::getline(status, line))
            if (line.starts_with(key))
                lists.push_back(line.substr(key.size()));
    }
    return lists;
}

int last_processor_allowed()
{
    cpu_set_t allowed;
    REQUIRE(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    int last = CPU_SETSIZE - 1;
    while (!CPU_ISSET(last, &allowed))
        last--;
    return last;
}

}

TEST_CASE("no more operations of a kind are with the kernel than the limit allows, and all are done", "[admission]")
{
    const unsigned limit = GENERATE(1u, 2u, 5u);
    const unsigned entries = GENERATE(1u, 8u, 64u);
    const bool by_total = GENERATE(false, true);
    CAPTURE(limit, entries, by_total);
    executor executor(by_total ? limited(0, 0, limit, entries) : limited(limit, limit, 0, entries));
    const scratch_file scratch;
    std::vector<int> ends;
    std::vector<numbered> ops = make_ops(executor, 100, ends);
    std::uint64_t in_flight_max = 0;
    for (numbered& each : ops) {
        const bool syncs = each.number % 2 == 1;
        CHECK((syncs ? tacet_file_datasync_start(&each.op, nullptr, &scratch.file)
                     : tacet_file_read_start(&each.op, nullptr, &scratch.file, &each.byte, 1, 0)) == 0);
    }
    while (ends.size() < ops.size()) {
        REQUIRE(tacet_executor_run(executor, 1, nullptr) == 1);
        in_flight_max = std::max(in_flight_max, executor.stats().in_flight);
    }
    CHECK(in_flight_max <= (by_total ? limit : 2 * limit));
    CHECK(executor.stats().waiting == 0);
    CHECK(executor.stats().in_flight == 0);
    CHECK(std::count_if(ends.begin(), ends.end(), [](int number) { return number < 0; }) == 0);
}

TEST_CASE("who waits for a limit follows by I/O priority, and within one in order", "[admission]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    CAPTURE(switcher.name);
    executor executor(limited(1, 0, 0, 64));
    const scratch_file scratch;
    std::vector<int> order;
    char bytes[64];
    std::vector<task> tasks;
    const auto reads = [&](int number) {
        return task(switcher, {[&scratch, &bytes, number](tacet_task* self) {
                                   return tacet_file_read(self, &scratch.file, &bytes[number], 1, 0);
                               },
                               [&order, number](tacet_task*) -> tacet_result { return order.push_back(number), 0; }});
    };
    const tacet_priority levels[] = {TACET_PRIORITY_LOW, TACET_PRIORITY_NORMAL, TACET_PRIORITY_HIGH};
    for (int i = 0; i < 30; i++) {
        tasks.push_back(reads(i));
        CHECK(tacet_task_set_priority(tasks.back(), TACET_PRIORITY_NORMAL, levels[i / 10]) == 0);
    }
    for (task& each : tasks)
        each.attach(executor);
    executor.run_until_idle();
    std::vector<int> expected(30);
    std::iota(expected.begin(), expected.begin() + 10, 20);
    std::iota(expected.begin() + 10, expected.begin() + 20, 10);
    std::iota(expected.begin() + 20, expected.end(), 0);
    /* the very first that is started finds room, whatever it is */
    expected.erase(std::find(expected.begin(), expected.end(), 0));
    expected.insert(expected.begin(), 0);
    CHECK(order == expected);
}

TEST_CASE("a limit that others fill lets a quarter more of high priority pass, and no more", "[admission]")
{
    const unsigned limit = GENERATE(1u, 4u, 5u, 8u), kind = GENERATE(0u, 1u, 2u);
    const bool syncs = GENERATE(false, true);
    CAPTURE(limit, kind, syncs);
    const unsigned more = (limit + 3) / 4;
    executor executor(kind == 2 ? limited(0, 0, limit, 64) : limited(limit, limit, 0, 64));
    const scratch_file scratch;
    std::vector<int> ends;
    const tacet_priority lower = kind == 0 ? TACET_PRIORITY_NORMAL : TACET_PRIORITY_LOW;
    std::vector<numbered> others = make_ops(executor, static_cast<int>(limit) + 3, ends, lower);
    std::vector<numbered> high = make_ops(executor, static_cast<int>(more) + 2, ends, TACET_PRIORITY_HIGH);
    for (std::vector<numbered>* ops : {&others, &high})
        for (numbered& each : *ops)
            CHECK((syncs ? tacet_file_datasync_start(&each.op, nullptr, &scratch.file)
                         : tacet_file_read_start(&each.op, nullptr, &scratch.file, &each.byte, 1, 0)) == 0);
    REQUIRE(tacet_executor_run(executor, 1, nullptr) == 1);
    CHECK(executor.stats().submitted == limit + more); /* what has been passed since is queued */
    executor.run_until_idle();
    CHECK(ends.size() == others.size() + high.size());
    CHECK(std::count_if(ends.begin(), ends.end(), [](int number) { return number < 0; }) == 0);
}

TEST_CASE("what may wait for ever is not limited", "[admission]")
{
    executor executor(limited(1, 1, 1));
    const scratch_file scratch;
    std::vector<support::pipe> pipes(5);
    std::vector<int> ends, read_ends;
    std::vector<numbered> waits = make_ops(executor, 5, ends), reads = make_ops(executor, 5, read_ends);
    for (std::size_t i = 0; i < waits.size(); i++) {
        const tacet_file reader = pipes[i].reader();
        CHECK(tacet_file_read_start(&waits[i].op, nullptr, &reader, &waits[i].byte, 1, 0) == 0);
    }
    for (numbered& each : reads)
        CHECK(tacet_file_read_start(&each.op, nullptr, &scratch.file, &each.byte, 1, 0) == 0);
    CHECK(executor.run_until([&] { return read_ends.size() == reads.size(); }));
    CHECK(ends.empty());
    CHECK(executor.stats().in_flight == 5);
    for (const support::pipe& each : pipes)
        each.write("y");
    executor.run_until_idle();
    CHECK(ends.size() == 5);
}

TEST_CASE("those that wait for a limit are cancelled at once, the others take their turns", "[admission]")
{
    executor executor(limited(1, 1));
    const scratch_file scratch;
    std::vector<int> ends;
    std::vector<numbered> ops = make_ops(executor, 40, ends);
    for (numbered& each : ops)
        CHECK(tacet_file_sync_start(&each.op, nullptr, &scratch.file) == 0);
    CHECK((tacet_executor_run(executor, 1, &no_time) >= 0 || ends.empty()));
    for (std::size_t i = 1; i < ops.size(); i += 2)
        if (ops[i].op.request.state == TACET_OP_IN_FLIGHT)
            CHECK(tacet_op_cancel(&ops[i].op) == 0);
    executor.run_until_idle();
    CHECK(ends.size() == ops.size());
    for (std::size_t i = 0; i < ops.size(); i += 2)
        CHECK(ops[i].op.result == 0);
    CHECK(std::count(ends.begin(), ends.end(), -ECANCELED) > 0);
    CHECK(executor.stats().waiting == 0);
}

TEST_CASE("a cancel before the kernel has been entered reaches an operation that then has to wait", "[admission]")
{
    executor executor(limited(1, 1));
    const scratch_file scratch;
    std::vector<int> ends;
    std::vector<numbered> ops = make_ops(executor, 6, ends);
    for (numbered& each : ops)
        CHECK(tacet_file_sync_start(&each.op, nullptr, &scratch.file) == 0);
    for (numbered& each : ops)
        CHECK(tacet_op_cancel(&each.op) == 0);
    CHECK(executor.run_until_idle() == 6);
    CHECK(std::count(ends.begin(), ends.end(), -ECANCELED) >= 5);
}

TEST_CASE("a deadline ends the wait for a limit", "[admission][deadline]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    executor executor(limited(1, 1));
    const scratch_file scratch;
    std::vector<int> ends;
    std::vector<numbered> ops = make_ops(executor, 5, ends);
    for (numbered& each : ops)
        CHECK(tacet_file_sync_start(&each.op, nullptr, &scratch.file) == 0);
    tacet_file file = scratch.file;
    task late(switcher, {[](tacet_task* self) { return tacet_task_set_deadline(self, 1); },
                         [&](tacet_task* self) { return tacet_file_sync(self, &file); }});
    late.attach(executor);
    executor.run_until_idle();
    CHECK(late.results() == std::vector<tacet_result>{0, -ETIME});
    CHECK(file.sync_error == 0);
    CHECK(ends == std::vector<int>{0, 1, 2, 3, 4});
}

TEST_CASE("an executor with operations that wait is destroyed, and each callback is called", "[admission]")
{
    const bool run_before = GENERATE(false, true);
    const std::size_t descriptors = open_descriptors();
    {
        const scratch_file scratch;
        std::vector<int> ends;
        executor executor(limited(1, 1, 0, 64));
        std::vector<numbered> ops = make_ops(executor, 20, ends);
        for (numbered& each : ops)
            CHECK((each.number % 2 == 0
                       ? tacet_file_sync_start(&each.op, nullptr, &scratch.file)
                       : tacet_file_read_start(&each.op, nullptr, &scratch.file, &each.byte, 1, 0)) == 0);
        if (run_before)
            CHECK((tacet_executor_run(executor, 1, &no_time) >= 0 || ends.empty()));
        CHECK(executor.destroy() == 0);
        CHECK(ends.size() == ops.size());
    }
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("ordered writes reach the file in the order of their start, through any descriptor and any ring",
          "[admission]")
{
    const unsigned entries = GENERATE(1u, 2u, 64u);
    const unsigned limit = GENERATE(0u, 1u, 3u);
    CAPTURE(entries, limit);
    tacet_executor_options options = ordered(entries);
    options.data_ops_max = limit;
    executor executor(options);
    const scratch_file scratch, other;
    tacet_file again;
    REQUIRE(tacet_file_from_fd(&again, scratch.open_again(), 0) == 0);
    const int count = 500;
    std::vector<int> ends;
    std::vector<numbered> ops = make_ops(executor, count, ends);
    for (numbered& each : ops) {
        each.byte = static_cast<char>('a' + each.number % 26);
        const tacet_file* files[] = {&scratch.file, &again, &other.file};
        const auto offset = static_cast<std::uint64_t>(each.number) / 300; /* over one another */
        CHECK(tacet_file_write_start(&each.op, nullptr, files[each.number % 3], &each.byte, 1, offset) == 0);
    }
    executor.run_until_idle();
    REQUIRE(ends.size() == ops.size());
    std::vector<int> of_file;
    std::copy_if(ends.begin(), ends.end(), std::back_inserter(of_file), [](int number) { return number % 3 != 2; });
    CHECK(std::is_sorted(of_file.begin(), of_file.end()));
    CHECK(scratch.contents()[0] == 'a' + 298 % 26);
    CHECK(scratch.contents()[1] == 'a' + 499 % 26);
    CHECK(executor.stats().waiting == 0);
    ::close(again.fd);
}

TEST_CASE("a write that is cancelled while it waits for its turn leaves the order of the others", "[admission]")
{
    executor executor(ordered(8));
    const scratch_file scratch;
    std::vector<int> ends;
    std::vector<numbered> ops = make_ops(executor, 60, ends);
    for (numbered& each : ops)
        CHECK(tacet_file_write_start(&each.op, nullptr, &scratch.file, &each.byte, 1, 0) == 0);
    for (std::size_t i = 20; i < 40; i++)
        (void)!tacet_op_cancel(&ops[i].op);
    executor.run_until_idle();
    CHECK(ends.size() == ops.size());
    ends.erase(std::remove_if(ends.begin(), ends.end(), [](int number) { return number < 0; }), ends.end());
    CHECK(ends.size() >= 40);
    CHECK(std::is_sorted(ends.begin(), ends.end()));
}

TEST_CASE("writes that a task awaits are ordered with those that were started", "[admission]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    executor executor(ordered(4));
    const scratch_file scratch;
    std::vector<int> ends;
    std::vector<numbered> ops = make_ops(executor, 20, ends);
    char last = 'z';
    for (numbered& each : ops)
        CHECK(tacet_file_write_start(&each.op, nullptr, &scratch.file, &each.byte, 1, 0) == 0);
    std::size_t ended_before = 0;
    task writes(switcher, {[&](tacet_task* self) { return tacet_file_write(self, &scratch.file, &last, 1, 0); },
                           [&](tacet_task*) -> tacet_result { return ended_before = ends.size(), 0; }});
    writes.attach(executor);
    executor.run_until_idle();
    CHECK(writes.results() == std::vector<tacet_result>{1, 0});
    CHECK(scratch.contents()[0] == 'z');
    CHECK(ended_before >= 19);
}

TEST_CASE("what waits for its turn writes to its own file, though that was closed and its number is another's",
          "[admission]")
{
    const bool detached = GENERATE(false, true);
    tacet_executor_options options = limited(1, 1);
    options.ordered_writes = GENERATE(false, true);
    CAPTURE(detached, options.ordered_writes);
    const std::size_t descriptors = open_descriptors();
    {
        executor executor(options);
        temporary_directory directory;
        directory.write("first", "");
        directory.write("second", "");
        tacet_file first;
        REQUIRE(tacet_file_from_fd(&first, ::open((directory / "first").c_str(), O_RDWR | O_CLOEXEC), 0) == 0);
        std::vector<int> ends;
        std::vector<numbered> ops = make_ops(executor, 21, ends);
        for (std::size_t i = 0; i < 20; i++) {
            ops[i].byte = 'x';
            CHECK(tacet_file_write_start(&ops[i].op, nullptr, &first, &ops[i].byte, 1, i) == 0);
        }
        const int number = first.fd;
        if (detached)
            tacet_file_close_detached(executor, &first);
        else
            CHECK(tacet_file_close_start(&ops[20].op, nullptr, &first) == 0);
        CHECK(executor.run_until([&] { return ::fcntl(number, F_GETFD) < 0; }));
        const int again = ::open((directory / "second").c_str(), O_RDWR | O_CLOEXEC);
        CHECK(again == number);
        executor.run_until_idle();
        CHECK(directory.read("first") == std::string(20, 'x'));
        CHECK(directory.read("second").empty());
        CHECK(std::count_if(ends.begin(), ends.end(), [](int end) { return end < 0; }) == 0);
        ::close(again);
    }
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("the kernel's workers run where the executor's options say", "[admission]")
{
    const int processor = last_processor_allowed();
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    const scratch_file scratch;
    tacet_result synced = -1;
    std::vector<std::string> found;
    std::thread([&] { /* the workers are a thread's */
                      tacet_executor_options options = limited(0, 0);
                      options.worker_cpus = &set;
                      options.worker_cpus_bytes = sizeof set;
                      executor executor(options);
                      std::vector<int> ends;
                      std::vector<numbered> ops = make_ops(executor, 1, ends);
                      synced = tacet_file_datasync_start(&ops[0].op, nullptr, &scratch.file);
                      executor.run_until_idle();
                      found = processors_of_workers();
    })
        .join();
    CHECK(synced == 0);
    REQUIRE(!found.empty());
    for (const std::string& list : found)
        CHECK(list == std::to_string(processor));
}
