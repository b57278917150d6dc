// aligned_pool: buffers for O_DIRECT, aligned as a file's kernel side asks.
//
//     tacet::aligned_pool pool(co_await file.direct_alignment(), 1 << 20, 4);
//     tacet::aligned_pool::lease buffer = co_await pool.borrow();
//     std::size_t n = co_await file.read(buffer.bytes(), 0);
//
// For the tasks of one executor. Buffers are made when they are needed, and used again, the last used first.
#ifndef TACET_ALIGNED_POOL_HPP
#define TACET_ALIGNED_POOL_HPP

#include <tacet/file.hpp>
#include <tacet/sync.hpp>

#include <memory>
#include <new>

namespace tacet {

class aligned_pool {
    struct freeing {
        std::align_val_t alignment;
        void operator()(std::byte* memory) const noexcept { ::operator delete[](memory, alignment); }
    };
    using memory = std::unique_ptr<std::byte[], freeing>;

public:
    // A buffer on loan; it goes back with it. The pool must still be there.
    class lease {
    public:
        lease(lease&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)), memory_(std::move(other.memory_)) {}
        lease& operator=(lease&&) = delete;
        ~lease()
        {
            if (pool_ != nullptr)
                pool_->take_back(std::move(memory_));
        }
        std::span<std::byte> bytes() const noexcept { return {memory_.get(), pool_->bytes_each_}; }

    private:
        friend aligned_pool;
        lease(aligned_pool* pool, memory lent) noexcept : pool_(pool), memory_(std::move(lent)) {}

        aligned_pool* pool_;
        memory memory_;
    };

    // At most count buffers are out at once; who wants another waits. bytes_each is rounded up to what offsets must be
    // multiples of. Alignments of 0, where a file has no direct I/O: invalid_argument.
    aligned_pool(tacet_direct_alignment alignment, std::size_t bytes_each, unsigned count)
        : alignment_{alignment.memory > alignof(std::max_align_t) ? alignment.memory : alignof(std::max_align_t)},
          bytes_each_(rounded(bytes_each, alignment)), available_(count)
    {
        idle_.reserve(count); // so that giving back cannot fail
    }
    aligned_pool(const aligned_pool&) = delete;
    aligned_pool& operator=(const aligned_pool&) = delete;

    // CANCELLATION POINT. Waits, in the order of coming.
    task<lease> borrow()
    {
        semaphore::permit permit = co_await available_.acquire_permit();
        memory lent = take();
        permit.keep();
        co_return lease(this, std::move(lent));
    }

    std::size_t bytes_each() const noexcept { return bytes_each_; }
    std::size_t alignment() const noexcept { return static_cast<std::size_t>(alignment_); }

private:
    static std::size_t rounded(std::size_t bytes, tacet_direct_alignment alignment)
    {
        if (alignment.offset == 0 || alignment.memory == 0)
            throw_error(-EINVAL, "aligned pool: the file has no direct I/O");
        const std::size_t rounded = (bytes + alignment.offset - 1) / alignment.offset * alignment.offset;
        return rounded > 0 ? rounded : alignment.offset;
    }

    memory take()
    {
        if (idle_.empty())
            return memory(new (alignment_) std::byte[bytes_each_], freeing{alignment_});
        memory lent = std::move(idle_.back());
        idle_.pop_back();
        return lent;
    }
    void take_back(memory lent) noexcept
    {
        idle_.push_back(std::move(lent));
        available_.release();
    }

    std::align_val_t alignment_;
    std::size_t bytes_each_;
    std::vector<memory> idle_{};
    semaphore available_;
};

} // namespace tacet

#endif
