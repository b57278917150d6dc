// Memory of frames: it goes home from other threads, it is taken over when a thread ends, and it does not grow.
#include "support.hpp"

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include <malloc.h>

using namespace tests;

namespace {

tacet::task<std::uint64_t> giving(std::uint64_t value)
{
    co_await tacet::yield();
    co_return value;
}

// A frame as large as it is asked for.
template <std::size_t Bytes>
tacet::task<std::uint64_t> large(std::uint64_t value)
{
    volatile char bytes[Bytes] = {};
    bytes[value % Bytes] = 1;
    co_await tacet::yield();
    co_return value + bytes[(value + 1) % Bytes];
}

tacet::task<std::uint64_t> of_size(std::uint64_t value)
{
    switch (value % 5) {
    case 0:
        return giving(value);
    case 1:
        return large<100>(value);
    case 2:
        return large<700>(value);
    case 3:
        return large<2000>(value);
    default:
        return large<5000>(value); // above the pool's classes
    }
}

// Tasks on their way from one thread to another.
class channel {
public:
    void send(tacet::task<std::uint64_t> sent)
    {
        const std::lock_guard lock(mutex_);
        tasks_.push_back(std::move(sent));
    }
    tacet::task<std::uint64_t> receive()
    {
        const std::lock_guard lock(mutex_);
        if (tasks_.empty())
            return {};
        tacet::task<std::uint64_t> first = std::move(tasks_.front());
        tasks_.pop_front();
        return first;
    }

private:
    std::mutex mutex_;
    std::deque<tacet::task<std::uint64_t>> tasks_;
};

// Bytes that the program's allocator has given out, in all arenas.
std::size_t bytes_in_use()
{
    return mallinfo2().uordblks + mallinfo2().hblkhd;
}

#if defined(__SANITIZE_THREAD__)
constexpr bool counts_bytes = false;
#elif defined(TACET_FRAMES_FROM_HEAP)
constexpr bool counts_bytes = false;
#else
constexpr bool counts_bytes = true;
#endif

void require_counted_bytes()
{
    if (!counts_bytes)
        SKIP("the sanitizer has an allocator of its own");
}

}

TEST_CASE("frames made on one thread may run and die on another", "[cxx][frames]")
{
    constexpr std::uint64_t count = 20'000;
    channel sent;
    std::atomic<bool> all_sent = false;
    std::uint64_t sum = 0;
    std::thread running([&] {
        tacet::executor executor;
        for (;;) {
            const bool last = all_sent.load();
            tacet::task<std::uint64_t> received = sent.receive();
            if (received)
                sum += executor.run(std::move(received));
            else if (last)
                break;
        }
    });
    for (std::uint64_t i = 0; i < count; i++)
        sent.send(of_size(i));
    all_sent = true;
    running.join();
    CHECK(sum == count * (count - 1) / 2);
}

TEST_CASE("two threads that destroy each other's frames lose none of them", "[cxx][frames]")
{
    constexpr std::uint64_t count = 20'000;
    channel to_second, to_first;
    std::atomic<std::uint64_t> destroyed = 0;
    auto exchange = [&](channel& out, channel& in) {
        for (std::uint64_t i = 0; i < count; i++) {
            out.send(of_size(i));
            if (in.receive())
                destroyed++;
        }
        while (destroyed < 2 * count)
            if (in.receive())
                destroyed++;
    };
    std::thread first([&] { exchange(to_second, to_first); });
    std::thread second([&] { exchange(to_first, to_second); });
    first.join();
    second.join();
    CHECK(destroyed == 2 * count);
}

TEST_CASE("a thread may end with frames alive; they work, and die, on the others", "[cxx][frames]")
{
    for (int round = 0; round < 50; round++) {
        std::vector<tacet::task<std::uint64_t>> left;
        std::thread ending([&] {
            for (std::uint64_t i = 0; i < 100; i++)
                left.push_back(of_size(i));
        });
        ending.join();
        std::uint64_t sum = 0;
        std::thread next([&] {
            tacet::executor executor;
            for (std::size_t i = 0; i < left.size(); i += 2)
                sum += executor.run(std::move(left[i]));
            std::vector<tacet::task<std::uint64_t>> more;
            for (std::uint64_t i = 0; i < 100; i++)
                more.push_back(of_size(i));
        });
        next.join();
        CHECK(sum == 2450);
    }
}

TEST_CASE("an executor whose frames come from elsewhere may end with them", "[cxx][frames]")
{
    std::vector<tacet::task<std::uint64_t>> made;
    for (std::uint64_t i = 0; i < 1000; i++)
        made.push_back(of_size(i));
    std::thread other([&] {
        tacet::executor executor;
        for (tacet::task<std::uint64_t>& each : made)
            (void)executor.spawn(std::move(each));
        executor.run_for(0s, 500);
    });
    other.join();
    for (const tacet::task<std::uint64_t>& each : made)
        CHECK_FALSE(each);
}

TEST_CASE("a block that died on another thread is used again by its own", "[cxx][frames]")
{
    require_counted_bytes();
    using tacet::detail::frame_allocate;
    using tacet::detail::frame_deallocate;
    constexpr std::size_t bytes = 1984; // a class of its own here, so that one slab has few blocks
    constexpr std::size_t count = 100;
    std::set<void*> blocks;
    for (std::size_t i = 0; i < count; i++)
        blocks.insert(frame_allocate(bytes));
    CHECK(blocks.size() == count);
    std::thread freeing([&] {
        for (void* block : blocks)
            frame_deallocate(block, bytes);
    });
    freeing.join();
    std::vector<void*> again;
    std::size_t known = 0;
    for (std::size_t i = 0; i < 2 * count; i++) {
        again.push_back(frame_allocate(bytes));
        known += blocks.count(again.back());
    }
    CHECK(known == count);
    CHECK(std::set<void*>(again.begin(), again.end()).size() == 2 * count);
    for (void* block : again)
        frame_deallocate(block, bytes);
}

TEST_CASE("blocks of all sizes are apart, aligned, and whole", "[cxx][frames]")
{
    using tacet::detail::frame_allocate;
    using tacet::detail::frame_deallocate;
    std::map<std::uintptr_t, std::size_t> blocks;
    for (std::size_t bytes = 1; bytes < 3000; bytes += 13) {
        for (int i = 0; i < 3; i++) {
            void* block = frame_allocate(bytes);
            std::memset(block, 0xa5, bytes);
            blocks[reinterpret_cast<std::uintptr_t>(block)] = bytes;
        }
    }
    std::uintptr_t end = 0;
    for (const auto& [address, bytes] : blocks) {
        CHECK(address >= end);
        CHECK(address % alignof(std::max_align_t) == 0);
        end = address + bytes;
    }
    for (const auto& [address, bytes] : blocks)
        frame_deallocate(reinterpret_cast<void*>(address), bytes);
}

TEST_CASE("a thread that starts takes over the pool of one that ended", "[cxx][frames]")
{
    require_counted_bytes();
    auto thread_with_frames = [] {
        std::thread each([] {
            std::vector<tacet::task<std::uint64_t>> frames;
            for (std::uint64_t i = 0; i < 1000; i++)
                frames.push_back(of_size(i));
        });
        each.join();
    };
    thread_with_frames();
    const std::size_t before = bytes_in_use();
    for (int i = 0; i < 100; i++)
        thread_with_frames();
    CHECK(bytes_in_use() < before + tacet::detail::frame_pool::slab_bytes);
}

TEST_CASE("a million spawned coroutines use the memory of the first thousand", "[cxx][frames]")
{
    require_counted_bytes();
    tacet::executor executor;
    std::uint64_t sum = 0;
    auto adding = [&](std::uint64_t value) -> tacet::task<> { sum += co_await of_size(value); };
    auto spawn_a_thousand = [&] {
        for (std::uint64_t i = 0; i < 1000; i++)
            (void)executor.spawn(adding(i));
        executor.run_until_idle();
    };
    spawn_a_thousand();
    const std::size_t before = bytes_in_use();
    for (int i = 0; i < 999; i++)
        spawn_a_thousand();
    CHECK(sum == 1000ULL * 499'500);
    CHECK(bytes_in_use() == before);
}
