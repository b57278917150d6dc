// A lock for a few instructions, of 4 bytes: it spins a little before it sleeps. For std::lock_guard.
//
// It may be destroyed, or its memory be used for something else, as soon as nobody holds it: who gives it back does not
// look at it any more, and a wake that comes too late wakes nobody or, at worst, somebody for nothing. (With std::mutex
// a value through a channel took 29 instead of 19 ns, as soon as the process had a second thread.)
#ifndef TACET_DETAIL_SHORT_LOCK_HPP
#define TACET_DETAIL_SHORT_LOCK_HPP

#include <atomic>
#include <cstdint>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tacet::detail {

class short_lock {
public:
    short_lock() noexcept {}
    short_lock(const short_lock&) = delete;
    short_lock& operator=(const short_lock&) = delete;

    void lock() noexcept
    {
        std::uint32_t expected = is_free;
        // acquire: pairs with the release in unlock()
        if (word_.compare_exchange_strong(expected, is_held, std::memory_order_acquire, std::memory_order_relaxed))
            return;
        lock_slow();
    }

    void unlock() noexcept
    {
        if (word_.exchange(is_free, std::memory_order_release) == has_sleepers) [[unlikely]]
            wake_one();
    }

private:
    enum state : std::uint32_t { is_free, is_held, has_sleepers };
    static constexpr int spins = 100;

    [[gnu::noinline]] void lock_slow() noexcept
    {
        for (int i = 0; i < spins; i++) {
            std::uint32_t expected = is_free;
            if (word_.load(std::memory_order_relaxed) == is_free &&
                word_.compare_exchange_weak(expected, is_held, std::memory_order_acquire, std::memory_order_relaxed))
                return;
            pause();
        }
        // There may be others who sleep: so says who gets it, too.
        while (word_.exchange(has_sleepers, std::memory_order_acquire) != is_free)
            ::syscall(SYS_futex, &word_, FUTEX_WAIT_PRIVATE, std::uint32_t{has_sleepers}, nullptr, nullptr, 0);
    }

    [[gnu::noinline]] void wake_one() noexcept
    {
        ::syscall(SYS_futex, &word_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    }

    static void pause() noexcept
    {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#endif
    }

    std::atomic<std::uint32_t> word_{is_free};
};

} // namespace tacet::detail

#endif
