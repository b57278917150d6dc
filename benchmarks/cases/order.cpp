// Case `order`: 64 writes of 4 KiB are started at once, to one file or in turns to eight, and have to reach each file in the order
// of their start; then all have ended; one operation is one write. All go to the first block of their file, so what stands
// there in the end is the last one's, which is checked each time.
//
// The rows: an executor with `ordered_writes`. The baseline, `raw_drain`: liburing, each write with IOSQE_IO_DRAIN, the kernel's own means;
// it knows no files, so it orders all writes of the ring.
#include "baseline/raw_ring.hpp"
#include "cases/cases.hpp"
#include "cases/group.hpp"
#include "cases/rig.hpp"
#include "harness/errors.hpp"
#include "harness/scratch.hpp"

#include <tacet/tacet.hpp>

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <memory>
#include <vector>

namespace bench {
namespace {

constexpr unsigned batch = 64;
constexpr std::size_t block_bytes = 4096;

using block = std::array<std::byte, block_bytes>;

// The files and what is written to them: the i-th write of a batch goes to file i % count, and begins with its number.
class writes {
public:
    explicit writes(unsigned files) : blocks_(batch)
    {
        for (unsigned i = 0; i < files; i++)
            files_.push_back(std::make_unique<block_file>(1, block_bytes));
    }

    int fd(unsigned i) const { return files_[i % files_.size()]->fd(); }
    std::byte* bytes(unsigned i) { return blocks_[i].data(); }

    void number()
    {
        for (block& block : blocks_) {
            last_++;
            std::memcpy(block.data(), &last_, sizeof last_);
        }
    }

    void check() const
    {
        for (std::size_t file = 0; file < files_.size(); file++) {
            std::uint64_t found = 0;
            const ssize_t read = pread(files_[file]->fd(), &found, sizeof found, 0);
            if (read != sizeof found || found != last_ - (files_.size() - 1) + file)
                throw wrong_answer("a write overtook another one");
        }
    }

private:
    std::vector<std::unique_ptr<block_file>> files_;
    std::vector<block> blocks_;
    std::uint64_t last_ = 0;
};

class batches : public contestant {
public:
    std::uint64_t perform(std::uint64_t ops) override
    {
        for (std::uint64_t done = 0; done < ops; done += batch) {
            writes_.number();
            write_all();
            writes_.check();
        }
        return ops;
    }
    std::uint64_t granularity() const override { return batch; }

protected:
    explicit batches(unsigned files) : writes_(files) {}

    virtual void write_all() = 0;

    static void check_result(tacet_result result)
    {
        if (result != static_cast<tacet_result>(block_bytes))
            throw wrong_answer(fmt::format("a write ended with {}", result));
    }

    writes writes_;
};

class ordered_batches : public batches {
public:
    explicit ordered_batches(unsigned files) : batches(files), ops_(batch)
    {
        tacet_executor_options options = {};
        options.ring_entries = batch;
        options.ordered_writes = true;
        require(tacet_executor_create(&executor_, &options), "tacet_executor_create");
        for (tacet_op& op : ops_)
            require(tacet_op_init_callback(
                        &op, executor_, [](tacet_op*) {}, TACET_PRIORITY_NORMAL),
                    "tacet_op_init_callback");
    }
    ~ordered_batches() override { tacet_executor_destroy(executor_); }

private:
    void write_all() override
    {
        for (unsigned i = 0; i < batch; i++) {
            tacet_file file;
            require(tacet_file_from_fd(&file, writes_.fd(i), O_RDWR), "tacet_file_from_fd");
            require(tacet_file_write_start(&ops_[i], nullptr, &file, writes_.bytes(i), block_bytes, 0),
                    "tacet_file_write_start");
        }
        require(tacet_executor_run(executor_, TACET_UNTIL_IDLE, nullptr), "tacet_executor_run");
        for (const tacet_op& op : ops_)
            check_result(op.result);
    }

    tacet_executor* executor_ = nullptr;
    std::vector<tacet_op> ops_;
};

class drained_batches : public batches {
public:
    explicit drained_batches(unsigned files) : batches(files), ring_(batch) {}

private:
    void write_all() override
    {
        io_uring* ring = ring_.get();
        for (unsigned i = 0; i < batch; i++) {
            io_uring_sqe* sqe = io_uring_get_sqe(ring);
            io_uring_prep_write(sqe, writes_.fd(i), writes_.bytes(i), block_bytes, 0);
            sqe->flags |= IOSQE_IO_DRAIN;
        }
        const int submitted = io_uring_submit_and_wait(ring, batch);
        if (submitted < 0)
            throw unavailable(fmt::format("io_uring_submit_and_wait: {}", std::strerror(-submitted)));
        unsigned head;
        unsigned seen = 0;
        io_uring_cqe* cqe;
        io_uring_for_each_cqe(ring, head, cqe) {
            seen++;
            check_result(cqe->res);
        }
        io_uring_cq_advance(ring, seen);
        if (seen != batch)
            throw wrong_answer("raw_drain: not as many completions as writes");
    }

    baseline::raw_ring ring_;
};

}

report run_order(const options& options)
{
    report report{"order", {}};
    for (const unsigned files : {1u, 8u}) {
        group group;
        const std::size_t drain = group.add_baseline("raw_drain", std::make_unique<drained_batches>(files));
        row row("ordered_writes");
        row.set("batch", batch).set("files", files);
        group.add(std::move(row), std::make_unique<ordered_batches>(files), drain);
        group.measure(options.plan, report);
    }
    return report;
}

}
