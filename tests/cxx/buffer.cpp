// buffer_pool: claims that wait, buffers that give themselves back, reads and writes of files with them.
#include "support.hpp"

#include <catch2/generators/catch_generators.hpp>
#include <thread>

using namespace tests;

namespace {

constexpr auto small = tacet::buffer_size::small;

tacet::buffer_pool_options one_small()
{
    tacet::buffer_pool_options options;
    options.small_count = 1;
    options.large_count = 0;
    return options;
}

std::string text_of(const tacet::buffer& buffer, std::size_t bytes, std::size_t at = 0)
{
    return std::string(reinterpret_cast<const char*>(buffer.bytes().data()) + at, bytes);
}

void put(const tacet::buffer& buffer, const std::string& text)
{
    std::copy(text.begin(), text.end(), reinterpret_cast<char*>(buffer.bytes().data()));
}

}

TEST_CASE("files are read and written with buffers of a pool", "[cxx][buffer]")
{
    tacet::executor_options options;
    options.always_through_ring = GENERATE(true, false);
    tacet::executor executor(options);
    tacet::buffer_pool_options asked;
    asked.not_registered = GENERATE(true, false);
    tacet::buffer_pool pool(executor, asked);
    CHECK((pool.why() == "registered") == pool.is_registered());
    scratch folder;
    const std::string path = folder.make("file", "0123456789");
    auto copying = [&]() -> tacet::task<> {
        std::size_t n = 0;
        tacet::file file = co_await tacet::open(path, O_RDWR);
        tacet::buffer buffer = co_await pool.claim_large();
        CHECK(buffer.size() == std::size_t{128} * 1024);
        n = co_await file.read(buffer, 2);
        CHECK(n == 8);
        CHECK(text_of(buffer, 8) == "23456789");
        n = co_await file.read(buffer.first(3));
        CHECK(n == 3);
        CHECK(text_of(buffer, 8) == "01256789");
        n = co_await file.read(buffer.part(5, 2), 0);
        CHECK(n == 2);
        CHECK(text_of(buffer, 8) == "01256019");
        put(buffer, "abcdef");
        n = co_await file.write(buffer.part(1, 3), 9);
        CHECK(n == 3);
        std::string whole(20, '\0');
        n = co_await file.read(bytes_of(whole), 0);
        CHECK(n == 12);
        CHECK(whole.substr(0, 12) == "012345678bcd");
    };
    executor.run(copying());
    CHECK(pool.available(tacet::buffer_size::large) == 16);
}

TEST_CASE("several reads at once, each into a buffer of its own", "[cxx][buffer]")
{
    tacet::executor executor;
    tacet::buffer_pool pool(executor);
    scratch folder;
    const std::string path = folder.make("file", "0123456789");
    auto reading = [&]() -> tacet::task<> {
        tacet::file file = co_await tacet::open(path, O_RDONLY);
        tacet::buffer first = co_await pool.claim_small();
        tacet::buffer second = co_await pool.claim_small();
        auto sizes = co_await tacet::when_all(file.read(first.first(4), 0), file.read(second, 7));
        CHECK(std::get<0>(sizes) == 4);
        CHECK(std::get<1>(sizes) == 3);
        CHECK(text_of(first, 4) == "0123");
        CHECK(text_of(second, 3) == "789");
        CHECK(first.get()->in_flight == 0);
        CHECK(second.get()->in_flight == 0);
    };
    executor.run(reading());
    CHECK(pool.available(small) == 64);
}

TEST_CASE("a claim waits for a buffer, and who gave it back goes on first", "[cxx][buffer]")
{
    tacet::executor executor;
    tacet::buffer_pool pool(executor, one_small());
    std::vector<int> order;
    auto using_one = [&](int number, tacet::priority io) -> tacet::task<> {
        co_await tacet::set_priority(tacet::priority::normal, io);
        const tacet::buffer buffer = co_await pool.claim_small();
        order.push_back(number);
        co_await tacet::yield();
    };
    (void)executor.spawn(using_one(0, tacet::priority::normal));
    (void)executor.spawn(using_one(1, tacet::priority::low));
    (void)executor.spawn(using_one(2, tacet::priority::normal));
    (void)executor.spawn(using_one(3, tacet::priority::high));
    executor.run_until_idle();
    CHECK(order == std::vector<int>{0, 3, 2, 1});
    CHECK(pool.available(small) == 1);
}

TEST_CASE("a buffer moves, and is given back once", "[cxx][buffer]")
{
    tacet::executor executor;
    tacet::buffer_pool pool(executor);
    tacet::buffer first = pool.try_claim(small), second = pool.try_claim(small);
    CHECK(pool.available(small) == 62);
    tacet::buffer moved = std::move(first);
    CHECK_FALSE(first);
    CHECK(first.bytes().empty());
    CHECK(pool.available(small) == 62);
    moved = std::move(second);
    second.release();
    CHECK(pool.available(small) == 63);
    moved.release();
    moved.release();
    CHECK(pool.available(small) == 64);
    CHECK_FALSE(moved);
}

TEST_CASE("an empty try_claim says that none is left", "[cxx][buffer]")
{
    tacet::executor executor;
    tacet::buffer_pool pool(executor, one_small());
    const tacet::buffer held = pool.try_claim(small);
    CHECK(held);
    CHECK_FALSE(pool.try_claim(small));
    CHECK(failure_of([&] { (void)pool.try_claim(tacet::buffer_size::large); }).code == std::errc::invalid_argument);
    std::error_code elsewhere;
    std::thread other([&] { elsewhere = failure_of([&] { (void)pool.try_claim(small); }).code; });
    other.join();
    CHECK(elsewhere == std::errc::operation_not_permitted);
}

TEST_CASE("a task makes a pool, and a ring of buffers, for the executor where it runs", "[cxx][buffer]")
{
    tacet::executor executor;
    auto working = [&]() -> tacet::task<> {
        const tacet::executor_ref here = co_await tacet::this_executor();
        tacet::buffer_pool pool(here, one_small());
        const tacet::buffer claimed = co_await pool.claim_small();
        CHECK(claimed);
        const tacet::buffer_ring ring(here, 2, 10);
        CHECK(ring.count() == 2);
    };
    executor.run(working());
}

TEST_CASE("a claim is cancelled, timed out, refused; as_result says which", "[cxx][buffer]")
{
    tacet::executor executor;
    tacet::buffer_pool pool(executor, one_small());
    tacet::buffer held = pool.try_claim(small);
    failure thrown;
    bool timed_out = false;
    auto waiting = [&]() -> tacet::task<> {
        const auto none = co_await tacet::as_result(pool.claim_large());
        CHECK(none.error() == std::errc::invalid_argument);
        const auto late = co_await tacet::as_result(tacet::with_deadline(1ms, pool.claim_small()));
        CHECK(tacet::is_timeout(late.error()));
        timed_out = true;
        try {
            (void)co_await pool.claim_small();
        } catch (const std::system_error& error) {
            thrown = {error.code(), error.what()};
        }
        const auto got = co_await tacet::as_result(pool.claim_small());
        CHECK(got.has_value());
        CHECK(pool.available(small) == 0);
    };
    tacet::join_handle<> handle = executor.spawn(waiting());
    while (!timed_out)
        executor.run_for(1ms);
    executor.run_until_idle();
    CHECK(pool.waiting(small) == 1);
    handle.cancel();
    executor.run_until_idle();
    CHECK(thrown.code == std::errc::operation_canceled);
    CHECK(thrown.what.find("buffer claim") == 0);
    CHECK(pool.waiting(small) == 1);
    held.release();
    executor.run_until_idle();
    CHECK(handle.has_exited());
    CHECK(pool.available(small) == 1);
}

TEST_CASE("a read of a part beyond the end is invalid_argument", "[cxx][buffer]")
{
    tacet::executor executor;
    tacet::buffer_pool pool(executor);
    scratch folder;
    const std::string path = folder.make("file", "0123456789");
    auto reading = [&]() -> tacet::task<> {
        tacet::file file = co_await tacet::open(path, O_RDONLY);
        tacet::buffer buffer = co_await pool.claim_small();
        for (const tacet::buffer_part& part :
             {buffer.first(buffer.size() + 1), buffer.part(buffer.size(), 1), buffer.part(1, SIZE_MAX)}) {
            const auto r = co_await tacet::as_result(file.read(part, 0));
            CHECK(r.error() == std::errc::invalid_argument);
        }
        const tacet::buffer empty;
        const auto r = co_await tacet::as_result(file.read(empty, 0));
        CHECK(r.error() == std::errc::invalid_argument);
    };
    executor.run(reading());
}

TEST_CASE("pool and executor go in either order while tasks hold buffers, wait for them, and read", "[cxx][buffer]")
{
    const bool pool_first = GENERATE(true, false);
    CAPTURE(pool_first);
    const pipe_ends pipe;
    borrowed reader(pipe.reader());
    std::vector<std::string> log;
    auto executor = std::make_unique<tacet::executor>();
    auto options = one_small();
    options.large_count = 1;
    auto pool = std::make_unique<tacet::buffer_pool>(*executor, options);
    auto holding = [&]() -> tacet::task<> {
        const tacet::buffer buffer = co_await pool->claim_small();
        const mark gone(log, "holder");
        co_await tacet::sleep_for(for_ever);
    };
    auto reading = [&]() -> tacet::task<> {
        const tacet::buffer buffer = co_await pool->claim_large();
        const mark gone(log, "reader");
        co_await reader->read(buffer);
    };
    auto waiting = [&]() -> tacet::task<> {
        const mark gone(log, "waiter");
        try {
            (void)co_await pool->claim_small();
        } catch (const std::system_error& error) {
            CHECK(error.code() == std::errc::operation_canceled);
            log.push_back("cancelled");
        }
    };
    (void)executor->spawn(holding());
    (void)executor->spawn(reading());
    (void)executor->spawn(waiting());
    let_settle(*executor);
    CHECK(pool->waiting(small) == 1);
    if (pool_first) {
        pool.reset();
        let_settle(*executor);
        CHECK(log == std::vector<std::string>{"cancelled", "waiter"});
        log.clear();
        executor.reset();
        CHECK(log == std::vector<std::string>{"reader", "holder"});
    } else {
        executor.reset();
        CHECK(log == std::vector<std::string>{"waiter", "reader", "holder"});
        CHECK(pool->available(small) == 1);
        CHECK(pool->available(tacet::buffer_size::large) == 1);
        CHECK_FALSE(pool->is_registered());
    }
}

TEST_CASE("a second pool of an executor is refused, and so is one without buffers", "[cxx][buffer]")
{
    tacet::executor executor;
    tacet::buffer_pool_options none;
    none.small_count = none.large_count = 0;
    CHECK(failure_of([&] { tacet::buffer_pool pool(executor, none); }).code == std::errc::invalid_argument);
    tacet::buffer_pool pool(executor);
    CHECK(failure_of([&] { tacet::buffer_pool second(executor); }).code == std::errc::device_or_resource_busy);
}
