// buffer_pool: memory that the kernel has pinned and looked up once, for reads and writes that go to the memory itself.
//
//     tacet::buffer_pool pool(executor, {.small_count = 64, .large_count = 16});
//     tacet::buffer buffer = co_await pool.claim_small();     waits, by I/O priority, if none is left
//     const std::size_t n = co_await file.read(buffer, offset);
//     consume(buffer.bytes().first(n));                        given back when `buffer` goes
//
// Where memory may not be locked the pool works with plain reads and writes: see is_registered() and why(). An executor has one
// pool at most. All on the executor's thread: who moves to another executor gives its buffers back before.
#ifndef TACET_BUFFER_HPP
#define TACET_BUFFER_HPP

#include <tacet/buffer.h>
#include <tacet/executor_ref.hpp>
#include <tacet/file.hpp>

#include <string_view>

namespace tacet {

enum class buffer_size {
    small = TACET_BUFFER_SMALL,
    large = TACET_BUFFER_LARGE,
};

// A part of a claimed buffer: what a read or a write names. The buffer must be claimed until that has ended.
class buffer_part {
public:
    buffer_part(const tacet_buffer* whole, std::size_t at, std::size_t bytes) noexcept
        : whole_(whole), at_(at), bytes_(bytes)
    {
    }
    const tacet_buffer* whole() const noexcept { return whole_; }
    std::size_t at() const noexcept { return at_; }
    std::size_t size() const noexcept { return bytes_; }

private:
    const tacet_buffer* whole_;
    std::size_t at_, bytes_;
};

// Gives back when it goes; what an operation still uses comes back with its end. It must not outlive both the pool and the
// executor.
class buffer {
public:
    buffer() noexcept {}
    explicit buffer(tacet_buffer* claimed) noexcept : claimed_(claimed) {}
    buffer(buffer&& other) noexcept : claimed_(std::exchange(other.claimed_, nullptr)) {}
    buffer& operator=(buffer&& other) noexcept
    {
        std::swap(claimed_, other.claimed_);
        return *this;
    }
    ~buffer() { release(); }

    explicit operator bool() const noexcept { return claimed_ != nullptr; }
    std::size_t size() const noexcept { return claimed_ != nullptr ? claimed_->bytes : 0; }
    std::span<std::byte> bytes() const noexcept
    {
        return claimed_ != nullptr ? std::span(static_cast<std::byte*>(claimed_->data), claimed_->bytes)
                                   : std::span<std::byte>();
    }

    // The whole, or a part of it; one that is beyond the end is invalid_argument to who uses it.
    operator buffer_part() const noexcept { return buffer_part(claimed_, 0, size()); }
    buffer_part first(std::size_t bytes) const noexcept { return buffer_part(claimed_, 0, bytes); }
    buffer_part part(std::size_t at, std::size_t bytes) const noexcept { return buffer_part(claimed_, at, bytes); }

    void release() noexcept
    {
        if (claimed_ != nullptr)
            (void)tacet_buffer_release(std::exchange(claimed_, nullptr));
    }
    tacet_buffer* get() const noexcept { return claimed_; }

private:
    tacet_buffer* claimed_ = nullptr;
};

struct buffer_pool_options {
    unsigned small_count = 64, large_count = 16;  // 0: none of that size
    std::size_t small_bytes = 0, large_bytes = 0; // rounded up to whole pages; 0: 16 KiB, 128 KiB
    bool not_registered = false;                  // plain reads and writes, for diagnosis
};

class buffer_pool {
public:
    // Throws std::system_error: device_or_resource_busy: the executor has a pool; invalid_argument; not_enough_memory.
    explicit buffer_pool(executor_ref owner, const buffer_pool_options& options = {})
    {
        const tacet_buffer_pool_options core = {
            .small_count = options.small_count,
            .large_count = options.large_count,
            .small_bytes = options.small_bytes,
            .large_bytes = options.large_bytes,
            .not_registered = options.not_registered,
        };
        check(tacet_buffer_pool_create(&pool_, owner.get(), &core), "buffer pool");
    }
    buffer_pool(const buffer_pool&) = delete;
    buffer_pool& operator=(const buffer_pool&) = delete;

    // Who waits for a buffer gets operation_canceled. Buffers that are still claimed keep the memory, till the last has come
    // back, or the executor goes.
    ~buffer_pool() { tacet_buffer_pool_abandon(pool_); }

    class [[nodiscard]] claim_awaiter : public detail::wait_awaiter {
    public:
        claim_awaiter(tacet_buffer_pool* pool, tacet_buffer_size size) noexcept : pool_(pool), size_(size) {}

        template <tacet_promise Promise>
        bool await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
        {
            if (!begin(awaiting)) [[unlikely]]
                return false;
            task_->result = tacet_buffer_try_claim(pool_, size_);
            if (task_->result != -EAGAIN)
                return detail::go_on_later(task_, awaiting);
            task_->result = tacet_buffer_park(task_, pool_, size_);
            return task_->result == 0;
        }
        buffer await_resume() const
        {
            require("buffer claim");
            return buffer(tacet_buffer_at(pool_, task_->result));
        }
        result<buffer> take_result() const
        {
            if (task_->result < 0)
                return unexpected(error_of(task_->result));
            return await_resume();
        }

    private:
        tacet_buffer_pool* pool_;
        tacet_buffer_size size_;
    };

    // CANCELLATION POINT. invalid_argument: the pool has none of this size.
    claim_awaiter claim(buffer_size size) noexcept
    {
        return claim_awaiter(pool_, static_cast<tacet_buffer_size>(size));
    }
    claim_awaiter claim_small() noexcept { return claim(buffer_size::small); }
    claim_awaiter claim_large() noexcept { return claim(buffer_size::large); }

    // An empty one where none is left. operation_not_permitted: the pool is another executor's; invalid_argument: it has none of
    // this size.
    buffer try_claim(buffer_size size)
    {
        const tacet_result r = tacet_buffer_try_claim(pool_, static_cast<tacet_buffer_size>(size));
        if (r != -EAGAIN)
            check(r, "buffer claim");
        return buffer(tacet_buffer_at(pool_, r));
    }

    bool is_registered() const noexcept { return tacet_buffer_pool_is_registered(pool_); }
    std::string_view why() const noexcept { return tacet_buffer_pool_why(pool_); }
    unsigned available(buffer_size size) const noexcept
    {
        return tacet_buffer_pool_available(pool_, static_cast<tacet_buffer_size>(size));
    }
    unsigned waiting(buffer_size size) const noexcept
    {
        return tacet_buffer_pool_waiting(pool_, static_cast<tacet_buffer_size>(size));
    }
    tacet_buffer_pool* get() const noexcept { return pool_; }

private:
    tacet_buffer_pool* pool_ = nullptr;
};

template <bool Writes>
struct buffer_request : detail::size_value {
    static constexpr unsigned opcode = Writes ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED;
    int fd;
    unsigned flags; // of the file
    buffer_part part;
    std::uint64_t offset;
    tacet_executor* executor = nullptr;

    buffer_request(const tacet_file& file, buffer_part part_, std::uint64_t offset_) noexcept
        : fd(file.fd), flags(file.flags), part(part_), offset(offset_)
    {
    }
    void bind(tacet_executor* on) noexcept { executor = on; }
    tacet_result try_at_once(tacet_task* task) const noexcept
    {
        const auto transfer = Writes ? tacet_write_buffer_at_once : tacet_read_buffer_at_once;
        return transfer(task, fd, part.whole(), part.at(), part.size(), offset);
    }
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        const auto fill_in = Writes ? tacet_prepare_write_buffer : tacet_prepare_read_buffer;
        return fill_in(sqe, executor, fd, part.whole(), part.at(), part.size(), offset);
    }
    std::string describe() const { return detail::describe_descriptor(Writes ? "write" : "read", fd); }
};

inline operation<read_buffer_request> file::read(buffer_part into, std::uint64_t offset) const noexcept
{
    return operation<read_buffer_request>(read_buffer_request(file_, into, offset));
}

inline operation<write_buffer_request> file::write(buffer_part from, std::uint64_t offset) const noexcept
{
    return operation<write_buffer_request>(write_buffer_request(file_, from, offset));
}

} // namespace tacet

#endif
