// Memory of coroutine frames and of the roots that run them: size classes per thread, without locks.
//
//   slab (64 KiB, aligned) | owner | block | block | ...        a block's slab is found by masking its address
//
// Invariant: a block belongs to the pool that carved it. Freed on that pool's thread it goes to the class's list; freed
// on another it goes home over `returned`, a lock-free stack that the owner empties when a class runs dry. The pool of a
// thread that has ended waits for the next new thread, with all that is still to come home.
#ifndef TACET_DETAIL_FRAME_POOL_HPP
#define TACET_DETAIL_FRAME_POOL_HPP

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <utility>

#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define TACET_FRAMES_FROM_HEAP 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TACET_FRAMES_FROM_HEAP 1
#endif
#endif

namespace tacet::detail {

class frame_pool {
public:
    static constexpr std::size_t granule = 16;
    static constexpr std::size_t class_count = 129;
    static constexpr std::size_t bytes_max = granule * (class_count - 1);
    static constexpr std::size_t slab_bytes = 64 * 1024;
    static constexpr std::size_t huge_bytes = 2 * 1024 * 1024;

    // This thread's pool.
    static frame_pool& current()
    {
        if (current_ == nullptr) [[unlikely]]
            return enter_thread();
        return *current_;
    }

    // bytes <= bytes_max. Throws std::bad_alloc.
    void* allocate(std::size_t bytes)
    {
        const std::size_t size_class = class_of(bytes);
        block* taken = free_[size_class];
        if (taken == nullptr) [[unlikely]]
            return allocate_slow(size_class);
        free_[size_class] = taken->next;
        return taken;
    }

    static void deallocate(void* memory, std::size_t bytes) noexcept
    {
        block* freed = static_cast<block*>(memory);
        frame_pool* owner = owner_of(memory);
        if (owner == current_) [[likely]]
            owner->put(freed, class_of(bytes));
        else
            owner->send_home(freed, class_of(bytes));
    }

private:
    struct block {
        block* next;
        std::size_t size_class; // only while on its way home
    };
    struct alignas(64) slab_header { // of a cache line, so that roots begin with one
        frame_pool* owner;
    };

    // Hands the pool on when its thread ends.
    struct thread_end {
        ~thread_end()
        {
            frame_pool* left = current_;
            current_ = nullptr;
            const std::lock_guard lock(orphans_mutex_);
            left->next_orphan_ = orphans_;
            orphans_ = left;
        }
    };

    static std::size_t class_of(std::size_t bytes) { return (bytes + granule - 1) / granule; }

    static frame_pool* owner_of(const void* memory)
    {
        const auto slab = reinterpret_cast<std::uintptr_t>(memory) & ~(std::uintptr_t{slab_bytes} - 1);
        return reinterpret_cast<const slab_header*>(slab)->owner;
    }

    void put(block* freed, std::size_t size_class) noexcept
    {
        freed->next = free_[size_class];
        free_[size_class] = freed;
    }

    void send_home(block* freed, std::size_t size_class) noexcept
    {
        freed->size_class = size_class;
        freed->next = returned_.load(std::memory_order_relaxed);
        // release: pairs with the acquire in allocate_slow()
        while (!returned_.compare_exchange_weak(freed->next, freed, std::memory_order_release,
                                                std::memory_order_relaxed)) {
        }
    }

    [[gnu::noinline]] void* allocate_slow(std::size_t size_class)
    {
        // acquire: pairs with the release in send_home()
        block* home = returned_.exchange(nullptr, std::memory_order_acquire);
        while (home != nullptr) {
            block* next = home->next;
            put(home, home->size_class);
            home = next;
        }
        if (free_[size_class] == nullptr)
            carve(size_class);
        block* taken = free_[size_class];
        free_[size_class] = taken->next;
        return taken;
    }

    // The first slabs of a thread come one by one; who needs more gets 32 at a time, in a huge page where the system
    // gives one: a hundred thousand tasks taken in turn miss the TLB less.
    char* new_slab()
    {
        if (slab_count_ < huge_bytes / slab_bytes) {
            slab_count_++;
            return static_cast<char*>(::operator new (slab_bytes, std::align_val_t{slab_bytes}));
        }
        if (slabs_next_ == slabs_end_) {
            slabs_next_ = static_cast<char*>(::operator new (huge_bytes, std::align_val_t{huge_bytes}));
            slabs_end_ = slabs_next_ + huge_bytes;
            (void)::madvise(slabs_next_, huge_bytes, MADV_HUGEPAGE);
        }
        return std::exchange(slabs_next_, slabs_next_ + slab_bytes);
    }

    // A new slab, all for one class: tasks that are resumed in turn then walk dense memory (cutting blocks of all
    // sizes in the order of their making, a frame beside its root, took twice the time at 100,000 tasks). Its blocks
    // are handed out in the order of their addresses.
    void carve(std::size_t size_class)
    {
        char* slab = new_slab();
        ::new (slab) slab_header{this};
        const std::size_t bytes = size_class * granule;
        std::size_t count = (slab_bytes - sizeof(slab_header)) / bytes;
        while (count-- > 0)
            put(::new (slab + sizeof(slab_header) + count * bytes) block{}, size_class);
    }

    [[gnu::noinline]] static frame_pool& enter_thread()
    {
        thread_local thread_end at_end;
        (void)at_end;
        const std::lock_guard lock(orphans_mutex_);
        frame_pool* taken = orphans_;
        if (taken != nullptr)
            orphans_ = taken->next_orphan_;
        else
            taken = new frame_pool;
        current_ = taken;
        return *taken;
    }

    static inline constinit thread_local frame_pool* current_ = nullptr;
    static inline constinit std::mutex orphans_mutex_{};
    static inline constinit frame_pool* orphans_ = nullptr;

    block* free_[class_count] = {};
    char *slabs_next_ = nullptr, *slabs_end_ = nullptr; // the slabs not begun yet of the newest huge page
    std::size_t slab_count_ = 0;                        // of those that came one by one
    std::atomic<block*> returned_{nullptr};
    frame_pool* next_orphan_ = nullptr;
};

inline void* frame_allocate(std::size_t bytes)
{
#ifndef TACET_FRAMES_FROM_HEAP // AddressSanitizer finds a use after free only in memory of its own
    if (bytes <= frame_pool::bytes_max) [[likely]]
        return frame_pool::current().allocate(bytes);
#endif
    return ::operator new(bytes);
}

inline void frame_deallocate(void* memory, [[maybe_unused]] std::size_t bytes) noexcept
{
#ifndef TACET_FRAMES_FROM_HEAP
    if (bytes <= frame_pool::bytes_max) [[likely]] {
        frame_pool::deallocate(memory, bytes);
        return;
    }
#endif
    ::operator delete(memory);
}

} // namespace tacet::detail

#endif
