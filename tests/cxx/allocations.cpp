// What is awaited allocates nothing, but for the frames of coroutines, which come from their pool once that is warm.
#include "support.hpp"

#include <atomic>
#include <new>

#include <poll.h>

namespace {

std::atomic<long> allocations = 0;

void* counted_allocation(std::size_t bytes, std::size_t alignment)
{
    allocations++;
    void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (memory == nullptr)
        throw std::bad_alloc();
    return memory;
}

}

void* operator new(std::size_t bytes)
{
    return counted_allocation(bytes, alignof(std::max_align_t));
}
void* operator new(std::size_t bytes, std::align_val_t alignment)
{
    return counted_allocation(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept
{
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept
{
    std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept
{
    std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept
{
    std::free(memory);
}

using namespace tests;

namespace {

// What 1000 rounds in `body` allocate more than one, after some that warm up what is pooled. (Its own frame may be too
// large for the pool.)
template <class Body>
long allocations_of(tacet::executor& executor, Body& body)
{
    auto counting = [&](int rounds) {
        const long before = allocations;
        executor.run(body(rounds));
        return allocations - before;
    };
    (void)counting(10);
    const long once = counting(1);
    return counting(1000) - once;
}

void require_pooled_frames()
{
#ifdef TACET_FRAMES_FROM_HEAP
    SKIP("with AddressSanitizer each frame is an allocation");
#endif
}

}

TEST_CASE("operations, sleeps, yields and permits allocate nothing", "[cxx][allocations]")
{
    require_pooled_frames();
    tacet::executor executor;
    const scratch folder;
    tacet::file file(::open(folder.make("a", "text").c_str(), O_RDWR | O_CLOEXEC), O_RDWR, executor.get());
    tacet::semaphore slots(4);
    std::string buffer(4, '\0');
    const std::vector<iovec> vectors = {{buffer.data(), 2}, {buffer.data() + 2, 2}};
    auto body = [&](int rounds) -> tacet::task<> {
        for (int i = 0; i < rounds; i++) {
            co_await tacet::nop();
            (void)co_await file.read(bytes_of(buffer), 0);
            (void)co_await file.write(bytes_of(buffer), 0);
            (void)co_await file.readv(vectors, 0);
            (void)co_await file.writev(vectors, 0);
            (void)co_await file.stat();
            (void)co_await file.seek(0, SEEK_SET);
            (void)co_await tacet::poll(file.fd(), POLLIN);
            (void)co_await tacet::as_result(file.read(bytes_of(buffer), 0));
            (void)co_await tacet::when_all(file.read(bytes_of(buffer), 0), tacet::nop());
            co_await tacet::yield();
            co_await tacet::sleep_for(0s);
            const tacet::semaphore::permit permit = co_await slots.acquire_permit();
            co_await tacet::set_priority(tacet::priority::normal);
        }
    };
    CHECK(allocations_of(executor, body) == 0);
}

TEST_CASE("an error as a result allocates nothing", "[cxx][allocations]")
{
    require_pooled_frames();
    tacet::executor executor;
    tacet::file closed;
    std::string buffer(4, '\0');
    int failures = 0;
    auto body = [&](int rounds) -> tacet::task<> {
        for (int i = 0; i < rounds; i++) {
            const tacet::result<std::size_t> r = co_await tacet::as_result(closed.read(bytes_of(buffer), 0));
            failures += !r.has_value();
        }
    };
    CHECK(allocations_of(executor, body) == 0);
    CHECK(failures == 1011);
}

TEST_CASE("awaiting, spawning and joining tasks allocates nothing once the pool is warm", "[cxx][allocations]")
{
    require_pooled_frames();
    tacet::executor executor;
    auto leaf = [](int value) -> tacet::task<int> {
        co_await tacet::yield();
        co_return value;
    };
    auto body = [&](int rounds) -> tacet::task<> {
        for (int i = 0; i < rounds; i++) {
            (void)co_await leaf(i);
            (void)co_await tacet::join(executor.spawn(leaf(i)));
            (void)co_await tacet::when_all(leaf(i), leaf(i + 1));
            auto scoped = [&](tacet::scope& scope) -> tacet::task<> {
                scope.spawn(leaf(i));
                co_return;
            };
            co_await tacet::with_scope(scoped);
        }
    };
    CHECK(allocations_of(executor, body) == 0);
}

TEST_CASE("the counter of these tests counts", "[cxx][allocations]")
{
    const long before = allocations;
    auto* one = ::operator new(10);
    ::operator delete(one);
    auto* two = ::operator new (64, std::align_val_t{64});
    ::operator delete (two, std::align_val_t{64});
    CHECK(allocations - before == 2);
}
