// Case `read`: random 4 KiB reads of a file in the page cache, `depth` of them in flight; one operation is one read.
// The baseline does the same with liburing and nothing else; `pread` is the plain system call, without any ring.
#include "baseline/raw_ring.hpp"
#include "cases/cases.hpp"
#include "cases/group.hpp"
#include "cases/rig.hpp"
#include "harness/errors.hpp"
#include "harness/random.hpp"
#include "harness/scratch.hpp"

#include <tacet/tacet.h>

#include <unistd.h>

#include <cstring>

namespace bench {
namespace {

constexpr unsigned ring_entries = 128;
constexpr std::size_t block_bytes = 4096;
constexpr std::uint64_t blocks = 16384;

struct alignas(block_bytes) block {
    std::byte bytes[block_bytes];
};

bool is_block(const block& block, tacet_result read, std::uint64_t number)
{
    std::uint64_t found;
    std::memcpy(&found, block.bytes, sizeof found);
    return read == static_cast<tacet_result>(block_bytes) && found == number;
}

class raw_reads : public contestant {
public:
    raw_reads(const block_file& file, unsigned depth) : reads_(file.fd(), block_bytes, blocks, depth) {}

    std::uint64_t perform(std::uint64_t ops) override { return reads_.run(ops); }

private:
    baseline::raw_read reads_;
};

class plain_reads : public contestant {
public:
    explicit plain_reads(const block_file& file) : fd_(file.fd()) {}

    std::uint64_t perform(std::uint64_t ops) override
    {
        for (std::uint64_t i = 0; i < ops; i++) {
            const std::uint64_t number = random_below(random_, blocks);
            const ssize_t read = pread(fd_, block_.bytes, block_bytes, static_cast<off_t>(number * block_bytes));
            if (!is_block(block_, read, number))
                throw wrong_answer("pread: a read did not deliver its block");
        }
        return ops;
    }

private:
    int fd_;
    std::uint64_t random_ = 1;
    block block_;
};

// What the tasks of one contestant share.
struct reading {
    tacet_file file;
    std::uint64_t random = 1;
    bool stop = false;
};

struct c_read_state {
    reading* shared;
    std::uint64_t number;
    tacet_result reads;
    block buffer;
};

tacet_result start_next(tacet_task* task, c_read_state& state)
{
    state.number = random_below(state.shared->random, blocks);
    return tacet_file_read(task, &state.shared->file, state.buffer.bytes, block_bytes, state.number * block_bytes);
}

tacet_result read_on_own_stack(tacet_task* task, void* argument)
{
    auto& state = *static_cast<c_read_state*>(argument);
    tacet_result reads = 0;
    while (!state.shared->stop) {
        const tacet_result read = start_next(task, state);
        if (!is_block(state.buffer, read, state.number))
            return read < 0 ? read : -EBADMSG;
        reads++;
    }
    return reads;
}

// The same as a state machine: each call but the first follows a read.
tacet_result read_by_returning(tacet_task* task, void* argument)
{
    auto& state = *static_cast<c_read_state*>(argument);
    if (state.reads++ >= 0) {
        const tacet_result read = tacet_task_call_result(task);
        if (!is_block(state.buffer, read, state.number))
            return read < 0 ? read : -EBADMSG;
    }
    return state.shared->stop ? state.reads : start_next(task, state);
}

reading read_from(const block_file& file)
{
    reading shared;
    require(tacet_file_from_fd(&shared.file, file.fd(), O_RDONLY), "tacet_file_from_fd");
    return shared;
}

class c_reads : public contestant {
public:
    c_reads(const block_file& file, unsigned depth, tacet_switcher* switcher, tacet_task_body* body)
        : shared_(read_from(file)), states_(depth), rig_(ring_entries, false)
    {
        for (c_read_state& state : states_) {
            state.shared = &shared_;
            state.reads = -1;
            rig_.add(switcher, body, &state);
        }
        rig_.run(depth);
    }

    std::uint64_t perform(std::uint64_t ops) override
    {
        rig_.run(ops);
        done_ += ops;
        return ops;
    }
    // A file whose reads complete out of turn serves some tasks more often than others: only the sum is fixed.
    void finish() override
    {
        shared_.stop = true;
        rig_.run_until_idle();
        std::uint64_t sum = 0;
        for (const tacet_task* task : rig_.tasks()) {
            require(tacet_task_result(task), "a reading task");
            sum += static_cast<std::uint64_t>(tacet_task_result(task));
        }
        if (sum != done_ + states_.size())
            throw wrong_answer("reads were lost or invented");
    }
    std::uint64_t granularity() const override { return states_.size(); }

private:
    reading shared_;
    std::uint64_t done_ = 0;
    std::vector<c_read_state> states_;
    rig rig_;
};

row parameters(const char* name, unsigned depth)
{
    row row(name);
    return row.set("mode", std::string("plain")).set("depth", depth).set("accounting", std::string("off"));
}

void measure_rows(const block_file& file, unsigned depth, const options& options, report& report)
{
    group group;
    const std::size_t raw = group.add_baseline("raw", std::make_unique<raw_reads>(file, depth));
    group.add(parameters("stackless", depth),
              std::make_unique<c_reads>(file, depth, tacet_switcher_stackless(), read_by_returning), raw);
#if defined(__x86_64__)
    group.add(parameters("asm", depth), std::make_unique<c_reads>(file, depth, tacet_switcher_asm(), read_on_own_stack),
              raw);
#endif
    if (depth == 1)
        group.add(parameters("pread", depth), std::make_unique<plain_reads>(file), raw);
    group.measure(options.plan, report);
}

}

report run_read(const options& options)
{
    const block_file file(blocks, block_bytes);
    report report{"read", {}};
    for (const unsigned depth : {1u, 8u, 32u, 128u})
        measure_rows(file, depth, options, report);
    return report;
}

}
