// Case `read`: random 4 KiB reads of a file in the page cache, `depth` of them in flight; one operation is one read. With
// mode `adaptive` what can be read without waiting does not go through the ring (`at_once`: that part of all reads); with
// mode `direct` the file is opened with O_DIRECT and its disk is what is read; with mode `registered` the kernel knows the
// buffers already.
// The baseline does the same with liburing and nothing else; `pread` is the plain system call, without any ring.
#include "baseline/raw_ring.hpp"
#include "cases/cases.hpp"
#include "cases/group.hpp"
#include "cases/rig.hpp"
#include "harness/errors.hpp"
#include "harness/random.hpp"
#include "harness/scratch.hpp"

#include <tacet/tacet.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <span>

namespace bench {
namespace {

constexpr unsigned ring_entries = 128;
constexpr std::size_t block_bytes = 4096;
constexpr std::uint64_t blocks = 4096;
constexpr unsigned pool_blocks = 512;    // a huge page, for the same reason as the other contestants' buffers
constexpr std::uint64_t rounds_min = 16; // of a slice: what was on its way when it began is little beside it

struct block {
    std::byte bytes[block_bytes];
};

// The buffers of one contestant, at the start of a huge page of its own: which physical pages a contestant happens to
// get, and so how they share the caches, would otherwise decide more than the code that is measured.
class buffers {
public:
    buffers() : mapping_(mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
    {
        if (mapping_ == MAP_FAILED)
            throw unavailable(fmt::format("mmap of buffers: {}", std::strerror(errno)));
        void* aligned = mapping_;
        std::size_t room = mapped_bytes;
        std::align(huge_page_bytes, huge_page_bytes, aligned, room);
        blocks_ = static_cast<block*>(aligned);
        madvise(blocks_, huge_page_bytes, MADV_HUGEPAGE);
    }
    buffers(const buffers&) = delete;
    buffers& operator=(const buffers&) = delete;
    ~buffers() { munmap(mapping_, mapped_bytes); }

    block* get() const { return blocks_; }

private:
    static constexpr std::size_t huge_page_bytes = 2 << 20;
    static constexpr std::size_t mapped_bytes = 2 * huge_page_bytes;

    void* mapping_;
    block* blocks_;
};

bool is_block(const std::byte* bytes, tacet_result read, std::uint64_t number)
{
    std::uint64_t found;
    std::memcpy(&found, bytes, sizeof found);
    return read == static_cast<tacet_result>(block_bytes) && found == number;
}

class raw_reads : public contestant {
public:
    raw_reads(const block_file& file, unsigned depth, baseline::raw_buffers kind = baseline::raw_buffers::plain)
        : depth_(depth), reads_(file.fd(), buffers_.get()->bytes, block_bytes, blocks, depth, kind)
    {
    }

    std::uint64_t perform(std::uint64_t ops) override { return reads_.run(ops); }
    std::uint64_t granularity() const override { return rounds_min * depth_; }

private:
    unsigned depth_;
    buffers buffers_;
    baseline::raw_read reads_;
};

class plain_reads : public contestant {
public:
    explicit plain_reads(const block_file& file) : fd_(file.fd()) {}

    std::uint64_t perform(std::uint64_t ops) override
    {
        for (std::uint64_t i = 0; i < ops; i++) {
            const std::uint64_t number = random_below(random_, blocks);
            block& block = *buffers_.get();
            const ssize_t read = pread(fd_, block.bytes, block_bytes, static_cast<off_t>(number * block_bytes));
            if (!is_block(block.bytes, read, number))
                throw wrong_answer("pread: a read did not deliver its block");
        }
        return ops;
    }

private:
    int fd_;
    std::uint64_t random_ = next_seed();
    buffers buffers_;
};

// What the tasks of one contestant share.
struct reading {
    tacet_file file;
    std::uint64_t random = next_seed();
    bool stop = false;
    std::uint64_t reads = 0;
    std::uint64_t stop_at = 0;
    tacet_executor* executor = nullptr; // which stops when there are so many reads; not used where items are counted

    void note_read()
    {
        if (++reads == stop_at)
            tacet_executor_stop(executor);
    }
};

struct c_read_state {
    reading* shared;
    std::uint64_t number;
    tacet_result reads;
    block* buffer;
};

tacet_result start_next(tacet_task* task, c_read_state& state)
{
    state.number = random_below(state.shared->random, blocks);
    return tacet_file_read(task, &state.shared->file, state.buffer->bytes, block_bytes, state.number * block_bytes);
}

tacet_result read_on_own_stack(tacet_task* task, void* argument)
{
    auto& state = *static_cast<c_read_state*>(argument);
    tacet_result reads = 0;
    while (!state.shared->stop) {
        const tacet_result read = start_next(task, state);
        if (!is_block(state.buffer->bytes, read, state.number))
            return read < 0 ? read : -EBADMSG;
        reads++;
        state.shared->note_read();
    }
    return reads;
}

// The same as a state machine: each call but the first follows a read.
tacet_result read_by_returning(tacet_task* task, void* argument)
{
    auto& state = *static_cast<c_read_state*>(argument);
    if (state.reads++ >= 0) {
        const tacet_result read = tacet_task_call_result(task);
        if (!is_block(state.buffer->bytes, read, state.number))
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
        for (unsigned i = 0; i < depth; i++) {
            states_[i] = c_read_state{&shared_, 0, -1, buffers_.get() + i};
            rig_.add(switcher, body, &states_[i]);
        }
        rig_.run(depth);
    }

    std::uint64_t perform(std::uint64_t ops) override
    {
        rig_.run(ops);
        done_ += ops;
        return ops;
    }
    void finish() override
    {
        shared_.stop = true;
        rig_.run_until_idle();
        check_sum(rig_.results(), done_ + states_.size());
    }
    std::uint64_t granularity() const override { return rounds_min * states_.size(); }

private:
    buffers buffers_;
    reading shared_;
    std::uint64_t done_ = 0;
    std::vector<c_read_state> states_;
    rig rig_;
};

const std::byte* first_byte(const block& block)
{
    return block.bytes;
}

const std::byte* first_byte(const tacet::buffer& buffer)
{
    return buffer.bytes().data();
}

std::span<std::byte> what_to_fill(block& block)
{
    return block.bytes;
}

tacet::buffer_part what_to_fill(const tacet::buffer& buffer)
{
    return buffer.first(block_bytes);
}

template <class Buffer>
tacet::task<tacet_result> read_until(const tacet::file& file, reading& shared, Buffer& buffer)
{
    tacet_result reads = 0;
    while (!shared.stop) {
        const std::uint64_t number = random_below(shared.random, blocks);
        const std::size_t read = co_await file.read(what_to_fill(buffer), number * block_bytes);
        if (!is_block(first_byte(buffer), static_cast<tacet_result>(read), number))
            co_return -EBADMSG;
        reads++;
        shared.note_read();
    }
    co_return reads;
}

// Of the same open file, with a descriptor of its own, as a file is owned.
tacet::file duplicate(const block_file& file)
{
    const int fd = fcntl(file.fd(), F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        throw unavailable(fmt::format("duplicate a descriptor: {}", std::strerror(errno)));
    return tacet::file(fd, O_RDONLY, nullptr);
}

class ring_coroutine_reads : public contestant {
public:
    std::uint64_t perform(std::uint64_t ops) override
    {
        rig_.run(ops);
        done_ += ops;
        return ops;
    }
    void finish() override
    {
        shared_.stop = true;
        rig_.run_until_idle();
        check_sum(rig_.take_results(), done_ + rig_.size());
    }
    std::uint64_t granularity() const override { return rounds_min * rig_.size(); }

protected:
    explicit ring_coroutine_reads(const block_file& file) : rig_(ring_entries, false), file_(duplicate(file)) {}

    // Everybody has one read under way.
    void set_out() { rig_.run(rig_.size()); }

    reading shared_;
    std::uint64_t done_ = 0;
    coroutine_rig rig_;
    tacet::file file_;
};

// The buffers as a base: they are there until the executor has ended.
class coroutine_reads : private buffers, public ring_coroutine_reads {
public:
    coroutine_reads(const block_file& file, unsigned depth) : ring_coroutine_reads(file)
    {
        for (unsigned i = 0; i < depth; i++)
            rig_.add(read_until(file_, shared_, get()[i]));
        set_out();
    }
};

// Each with a buffer of the executor's pool, which the kernel knows by its number.
class registered_reads : public ring_coroutine_reads {
public:
    registered_reads(const block_file& file, unsigned depth)
        : ring_coroutine_reads(file),
          pool_(rig_.executor(), {.small_count = pool_blocks, .large_count = 0, .small_bytes = block_bytes})
    {
        if (!pool_.is_registered())
            throw unavailable(std::string(pool_.why()));
        for (unsigned i = 0; i < depth; i++)
            claimed_.push_back(pool_.try_claim(tacet::buffer_size::small));
        for (const tacet::buffer& buffer : claimed_)
            rig_.add(read_until(file_, shared_, buffer));
        set_out();
    }

private:
    tacet::buffer_pool pool_;
    std::vector<tacet::buffer> claimed_;
};

// Reads that may be done without the ring are no items of the executor: it is stopped when there are enough.
template <class Rig>
class adaptive_reads : public contestant {
public:
    std::uint64_t perform(std::uint64_t ops) override
    {
        const std::uint64_t before = shared_.reads;
        shared_.stop_at = before + ops;
        require(tacet_executor_run(shared_.executor, TACET_UNTIL_STOPPED, nullptr), "tacet_executor_run");
        return shared_.reads - before;
    }
    void finish() override
    {
        tacet_executor_stats stats;
        require(tacet_executor_get_stats(shared_.executor, &stats), "tacet_executor_get_stats");
        at_once_ = static_cast<double>(stats.at_once_done) / static_cast<double>(shared_.reads);
        shared_.stop = true;
        rig_.run_until_idle();
        check_sum(take_results(), shared_.reads);
    }
    void complete(row& row) const override { row.set("at_once", at_once_); }

protected:
    explicit adaptive_reads(const block_file& file) : shared_(read_from(file)), rig_(ring_entries, false, way::adaptive)
    {
    }
    virtual std::vector<tacet_result> take_results() = 0;

    buffers buffers_;
    reading shared_;
    double at_once_ = 0;
    Rig rig_;
};

class adaptive_c_reads : public adaptive_reads<rig> {
public:
    adaptive_c_reads(const block_file& file, unsigned depth, tacet_switcher* switcher)
        : adaptive_reads(file), states_(depth)
    {
        shared_.executor = rig_.executor();
        for (unsigned i = 0; i < depth; i++) {
            states_[i] = c_read_state{&shared_, 0, -1, buffers_.get() + i};
            rig_.add(switcher, read_on_own_stack, &states_[i]);
        }
    }

private:
    std::vector<tacet_result> take_results() override { return rig_.results(); }

    std::vector<c_read_state> states_;
};

class adaptive_coroutine_reads : public adaptive_reads<coroutine_rig> {
public:
    adaptive_coroutine_reads(const block_file& file, unsigned depth) : adaptive_reads(file), file_(duplicate(file))
    {
        shared_.executor = rig_.executor().get();
        for (unsigned i = 0; i < depth; i++)
            rig_.add(read_until(file_, shared_, buffers_.get()[i]));
    }

private:
    std::vector<tacet_result> take_results() override { return rig_.take_results(); }

    tacet::file file_;
};

row parameters(const char* name, unsigned depth, const char* mode)
{
    row row(name);
    return row.set("mode", std::string(mode)).set("depth", depth).set("accounting", std::string("off"));
}

void add_rows_of_ring(group& group, const block_file& file, unsigned depth, const char* mode, std::size_t raw)
{
    group.add(parameters("coroutine", depth, mode), std::make_unique<coroutine_reads>(file, depth), raw);
    group.add(parameters("stackless", depth, mode),
              std::make_unique<c_reads>(file, depth, tacet_switcher_stackless(), read_by_returning), raw);
#if defined(__x86_64__)
    group.add(parameters("asm", depth, mode),
              std::make_unique<c_reads>(file, depth, tacet_switcher_asm(), read_on_own_stack), raw);
#endif
}

void measure_cached(const block_file& file, unsigned depth, const options& options, report& report)
{
    group group;
    const std::size_t raw = group.add_baseline("raw", std::make_unique<raw_reads>(file, depth));
    add_rows_of_ring(group, file, depth, "plain", raw);
    group.add(parameters("coroutine", depth, "adaptive"), std::make_unique<adaptive_coroutine_reads>(file, depth), raw);
#if defined(__x86_64__)
    group.add(parameters("asm", depth, "adaptive"),
              std::make_unique<adaptive_c_reads>(file, depth, tacet_switcher_asm()), raw);
#endif
    if (depth == 1)
        group.add(parameters("pread", depth, "plain"), std::make_unique<plain_reads>(file), raw);
    group.measure(options.plan, report);
}

// Of the two baselines, with registered buffers and with plain ones, the faster one counts.
void measure_registered(const block_file& file, unsigned depth, const options& options, report& report)
{
    group group;
    const std::size_t plain = group.add_baseline("raw", std::make_unique<raw_reads>(file, depth));
    const std::size_t fixed = group.add_baseline("raw_registered",
                                                 std::make_unique<raw_reads>(file, depth,
                                                                             baseline::raw_buffers::registered));
    group.add(parameters("coroutine", depth, "registered"), std::make_unique<registered_reads>(file, depth),
              std::vector{plain, fixed});
    group.measure(options.plan, report);
}

void measure_direct(unsigned depth, const options& options, report& report)
{
    const block_file file(blocks, block_bytes, reads::direct);
    group group;
    const std::size_t raw = group.add_baseline("raw", std::make_unique<raw_reads>(file, depth));
    add_rows_of_ring(group, file, depth, "direct", raw);
    group.measure(options.plan, report);
}

}

report run_read(const options& options)
{
    const block_file file(blocks, block_bytes);
    report report{"read", {}};
    for (const unsigned depth : {1u, 8u, 32u, 128u})
        measure_cached(file, depth, options, report);
    for (const unsigned depth : {1u, 8u, 32u, 128u})
        measure_registered(file, depth, options, report);
    for (const unsigned depth : {1u, 32u})
        measure_direct(depth, options, report);
    return report;
}

}
