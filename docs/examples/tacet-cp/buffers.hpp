// Buffers of one size, made when they are needed and used again, the last used first: that one is still in the cache.
// No more than `count` are out at once; who wants another waits. They begin with a page: the kernel copies from and to
// them page by page, and much slower where its pages and ours do not match.
#pragma once

#include <tacet/tacet.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

namespace cp {

class buffer_pool {
    static constexpr std::align_val_t page{4096};
    struct freeing {
        void operator()(std::byte* memory) const { ::operator delete[](memory, page); }
    };
    using memory = std::unique_ptr<std::byte[], freeing>;

public:
    // A buffer on loan.
    class lease {
    public:
        explicit lease(buffer_pool* pool);
        lease(lease&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)), memory_(std::move(other.memory_)) {}
        lease& operator=(lease&&) = delete;
        ~lease();

        std::span<std::byte> bytes() const { return {memory_.get(), pool_->bytes_each_}; }

    private:
        buffer_pool* pool_;
        memory memory_;
    };

    buffer_pool(std::size_t bytes_each, unsigned count) : bytes_each_(bytes_each), available_(count) {}

    tacet::task<lease> borrow()
    {
        co_await available_.acquire();
        co_return lease(this);
    }

private:
    std::size_t bytes_each_;
    tacet::semaphore available_;
    std::vector<memory> idle_;
};

// The permit has been acquired.
inline buffer_pool::lease::lease(buffer_pool* pool) : pool_(pool)
{
    if (pool->idle_.empty()) {
        memory_.reset(::new (page) std::byte[pool->bytes_each_]);
    } else {
        memory_ = std::move(pool->idle_.back());
        pool->idle_.pop_back();
    }
}

inline buffer_pool::lease::~lease()
{
    if (pool_ == nullptr)
        return;
    pool_->idle_.push_back(std::move(memory_));
    pool_->available_.release();
}

}
