// when_any: with the first that ends the others end too, the first that succeeds wins, and nothing that succeeded is lost.
#include "hosts.hpp"

#include <sys/ioctl.h>

using namespace tests;

namespace {

tacet::task<int> giving_after(int value, int turns)
{
    for (int i = 0; i < turns; i++)
        co_await tacet::yield();
    co_return value;
}

tacet::task<> failing_after(int turns, const char* what)
{
    for (int i = 0; i < turns; i++)
        co_await tacet::yield();
    throw std::runtime_error(what);
}

tacet::task<> sleeping(std::vector<std::string>& gone, std::string name)
{
    const mark here(gone, std::move(name));
    co_await tacet::sleep_for(for_ever);
}

// Ends some turns after it was told to, and well.
tacet::task<> ending_slowly(std::vector<std::string>& gone)
{
    const mark here(gone, "slow");
    (void)co_await tacet::as_result(tacet::sleep_for(for_ever));
    for (int i = 0; i < 20; i++)
        co_await tacet::yield();
}

tacet::task<> ending_slowly_in_vain(std::vector<std::string>& gone)
{
    co_await ending_slowly(gone);
    co_await failing_after(0, "slow");
}

// Takes the cancel that ends it, and then ends with the event.
tacet::task<> ending_with(tacet::event& event)
{
    (void)co_await tacet::as_result(tacet::sleep_for(for_ever));
    co_await tacet::shielded(event.wait());
}

template <class Body>
std::string what_of(tacet::executor& executor, Body body)
{
    try {
        executor.run(body());
    } catch (const std::exception& thrown) {
        return thrown.what();
    }
    return "";
}

}

TEST_CASE("the first operation that ends wins, and the others have ended with it", "[cxx][when_any]")
{
    const pipe_ends one, two;
    borrowed first(one.reader()), second(two.reader());
    REQUIRE(::write(two.writer(), "abc", 3) == 3);
    tacet::executor executor;
    std::string a(3, '\0'), b(3, '\0');
    auto body = [&]() -> tacet::task<> {
        auto ended = co_await tacet::when_any(first->read(bytes_of(a)), second->read(bytes_of(b)),
                                              tacet::sleep_for(for_ever));
        CHECK(ended.index == 1);
        CHECK(ended.get<1>() == 3);
        CHECK_FALSE(std::get<0>(ended.values).has_value());
        CHECK_FALSE(std::get<2>(ended.values).has_value());
        CHECK_THROWS_AS(ended.get<0>(), std::bad_optional_access);
        const tacet_executor_stats now = executor.stats();
        CHECK(now.in_flight == 0);
        CHECK(now.timers == 0);
        CHECK(now.attached == 1);
        co_await tacet::check_cancel();
    };
    executor.run(body());
    CHECK(b == "abc");
}

TEST_CASE("any mixture may take part, and each is awaited to its end", "[cxx][when_any]")
{
    tacet::executor executor;
    tacet::event event;
    tacet::semaphore semaphore(0);
    std::vector<std::string> gone;
    auto body = [&]() -> tacet::task<> {
        auto ended = co_await tacet::when_any(tacet::with_deadline(1h, event.wait()), semaphore.acquire(),
                                              sleeping(gone, "task"), ending_slowly(gone), giving_after(7, 3));
        CHECK(ended.index == 4);
        CHECK(ended.get<4>() == 7);
        CHECK(std::get<3>(ended.values).has_value()); // it took the cancel for what it was waiting for
        CHECK(gone == std::vector<std::string>{"task", "slow"});
        CHECK(semaphore.try_acquire() == false);
    };
    executor.run(body());
    CHECK(executor.stats().attached == 0);
}

TEST_CASE("where all fail, what the first throws is thrown when they have ended", "[cxx][when_any]")
{
    tacet::executor executor;
    std::vector<std::string> gone;
    auto body = [&]() -> tacet::task<> {
        (void)co_await tacet::when_any(sleeping(gone, "task"), failing_after(2, "first"), failing_after(9, "late"),
                                       ending_slowly_in_vain(gone));
    };
    CHECK(what_of(executor, body) == "first");
    CHECK(gone == std::vector<std::string>{"task", "slow"});
    const scratch folder;
    auto failing = [&]() -> tacet::task<> {
        auto opening = tacet::when_any(tacet::open(folder / "absent", O_RDONLY), tacet::sleep_for(for_ever));
        const auto failed = co_await tacet::as_result(std::move(opening));
        CHECK(failed.error() == std::errc::no_such_file_or_directory);
    };
    executor.run(failing());
}

TEST_CASE("where the first fails and another succeeds, that one wins", "[cxx][when_any]")
{
    const pipe_ends pipe;
    borrowed reader(pipe.reader());
    REQUIRE(::write(pipe.writer(), "x", 1) == 1);
    tacet::executor executor;
    std::vector<std::string> gone;
    std::string byte(1, '\0');
    auto body = [&]() -> tacet::task<> {
        auto reading = tacet::shielded(reader->read(bytes_of(byte)));
        auto ended = co_await tacet::when_any(failing_after(0, "first"), sleeping(gone, "task"), ending_slowly(gone),
                                              std::move(reading));
        CHECK(ended.index == 3);
        CHECK(ended.get<3>() == 1);
        CHECK(std::get<2>(ended.values).has_value());
        CHECK_FALSE(std::get<0>(ended.values).has_value());
        co_await tacet::check_cancel();
    };
    executor.run(body());
    CHECK(byte == "x");
}

TEST_CASE("a success that came too late to be ended is not lost, and not leaked", "[cxx][when_any]")
{
    const scratch folder;
    const std::string path = folder.make("file", "text");
    const pipe_ends pipe;
    borrowed reader(pipe.reader());
    REQUIRE(::write(pipe.writer(), "x", 1) == 1);
    const std::ptrdiff_t descriptors = open_descriptors();
    {
        tacet::executor_options options;
        options.always_through_ring = true;
        tacet::executor executor(options);
        std::string byte(1, '\0');
        auto body = [&]() -> tacet::task<> {
            for (int i = 0; i < 100; i++) {
                auto ended = co_await tacet::when_any(tacet::open(path, O_RDONLY), tacet::nop(),
                                                      reader->read(bytes_of(byte)),
                                                      tacet::open_socket(AF_UNIX, SOCK_STREAM));
                if (std::get<2>(ended.values))
                    CHECK(::write(pipe.writer(), byte.data(), 1) == 1);
                if (std::get<0>(ended.values))
                    CHECK(ended.get<0>().fd() >= 0);
            }
        };
        executor.run(body());
        int in_pipe = 0;
        REQUIRE(::ioctl(pipe.reader(), FIONREAD, &in_pipe) == 0);
        CHECK(in_pipe == 1);
    }
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("two that end at once have both their values", "[cxx][when_any]")
{
    tacet::executor executor;
    auto body = [&]() -> tacet::task<> {
        auto ended = co_await tacet::when_any(giving_after(1, 0), giving_after(2, 0));
        CHECK(ended.index == 0);
        CHECK(ended.get<0>() == 1);
        CHECK(ended.get<1>() == 2);
    };
    executor.run(body());
}

TEST_CASE("a cancel of the awaiting task ends them all, and is thrown", "[cxx][when_any]")
{
    const bool is_early = GENERATE(false, true);
    const pipe_ends pipe;
    borrowed reader(pipe.reader());
    tacet::executor executor;
    std::vector<std::string> gone;
    std::string byte(1, '\0');
    auto body = [&]() -> tacet::task<> {
        if (is_early)
            tacet_task_cancel(co_await tacet::this_task());
        (void)co_await tacet::when_any(reader->read(bytes_of(byte)), sleeping(gone, "task"));
    };
    tacet::join_handle<> handle = executor.spawn(body());
    let_settle(executor);
    CHECK(handle.has_exited() == is_early);
    if (!is_early)
        handle.cancel();
    executor.run_until_idle();
    CHECK(failure_of([&] { handle.take(); }).code == std::errc::operation_canceled);
    CHECK(gone == std::vector<std::string>{"task"});
    CHECK(executor.stats().in_flight == 0);
}

TEST_CASE("a deadline ends them all, and is thrown", "[cxx][when_any]")
{
    const pipe_ends pipe;
    borrowed reader(pipe.reader());
    tacet::executor executor;
    std::string byte(1, '\0');
    auto body = [&]() -> tacet::task<> {
        auto both = tacet::when_any(reader->read(bytes_of(byte)), tacet::sleep_for(for_ever));
        const auto late = co_await tacet::as_result(tacet::with_deadline(100us, std::move(both)));
        CHECK(tacet::is_timeout(late.error()));
        auto one_has_less = tacet::when_any(tacet::with_deadline(100us, reader->read(bytes_of(byte))),
                                            tacet::sleep_for(for_ever));
        const auto first = co_await tacet::as_result(std::move(one_has_less));
        CHECK(tacet::is_timeout(first.error()));
        co_await tacet::check_cancel();
    };
    executor.run(body());
    CHECK(executor.stats().timers == 0);
}

TEST_CASE("what succeeds though the awaiting task is cancelled wins, and the cancel is for the next wait",
          "[cxx][when_any]")
{
    const bool is_late = GENERATE(false, true);
    const pipe_ends pipe;
    borrowed reader(pipe.reader());
    tacet::executor executor;
    auto shielded_read = [&]() -> tacet::task<char> {
        std::string byte(1, '\0');
        (void)co_await tacet::shielded(reader->read(bytes_of(byte)));
        co_return byte[0];
    };
    bool has_won = false;
    auto body = [&]() -> tacet::task<> {
        auto ended = co_await tacet::when_any(tacet::sleep_for(for_ever), shielded_read());
        CHECK(ended.index == 1);
        CHECK(ended.get<1>() == 'x');
        has_won = true;
        co_await tacet::check_cancel();
    };
    tacet::join_handle<> handle = executor.spawn(body());
    let_settle(executor);
    if (is_late)
        CHECK(tacet_task_set_deadline(handle.get(), 1) == 0);
    else
        handle.cancel();
    let_settle(executor);
    CHECK_FALSE(handle.has_exited());
    CHECK(::write(pipe.writer(), "x", 1) == 1);
    executor.run_until_idle();
    CHECK(has_won);
    const std::error_code ended_by = failure_of([&] { handle.take(); }).code;
    CHECK((is_late ? tacet::is_timeout(ended_by) : ended_by == std::errc::operation_canceled));
}

TEST_CASE("a cancel that the winner has taken is not delivered again", "[cxx][when_any]")
{
    tacet::executor executor;
    auto body = [&]() -> tacet::task<> {
        auto ended = co_await tacet::when_any(tacet::as_result(tacet::sleep_for(for_ever)));
        CHECK(ended.index == 0);
        CHECK(ended.get<0>().error() == std::errc::operation_canceled);
        co_await tacet::check_cancel();
    };
    tacet::join_handle<> handle = executor.spawn(body());
    let_settle(executor);
    handle.cancel();
    executor.run_until_idle();
    handle.take();
}

TEST_CASE("a cancel that comes when the winner has ended is for the next wait", "[cxx][when_any]")
{
    const bool is_second = GENERATE(false, true); // of two, of which the winner takes the first
    tacet::executor executor;
    tacet::event goes_on;
    bool has_won = false;
    auto winning = [&]() -> tacet::task<> {
        if (is_second)
            (void)co_await tacet::as_result(tacet::sleep_for(for_ever));
    };
    auto body = [&]() -> tacet::task<> {
        auto ended = co_await tacet::when_any(winning(), ending_with(goes_on));
        CHECK(ended.index == 0);
        has_won = true;
        co_await tacet::check_cancel();
    };
    tacet::join_handle<> handle = executor.spawn(body());
    for (int i = 0; i <= int{is_second}; i++) {
        let_settle(executor);
        CHECK_FALSE(handle.has_exited());
        handle.cancel();
    }
    let_settle(executor);
    CHECK_FALSE(handle.has_exited());
    goes_on.set();
    executor.run_until_idle();
    CHECK(has_won);
    CHECK(failure_of([&] { handle.take(); }).code == std::errc::operation_canceled);
}

TEST_CASE("any of a vector; any of nothing, and an empty task, are refused", "[cxx][when_any]")
{
    tacet::executor executor;
    auto body = [&]() -> tacet::task<> {
        std::vector<tacet::task<int>> many;
        for (int i = 0; i < 50; i++)
            many.push_back(giving_after(i, i == 33 ? 5 : 1000));
        auto ended = co_await tacet::when_any(std::move(many));
        CHECK(ended.index == 33);
        CHECK(ended.get() == 33);
        CHECK(ended.values.size() == 50);
        const auto none = co_await tacet::as_result(tacet::when_any(std::vector<tacet::task<int>>()));
        CHECK(none.error() == std::errc::invalid_argument);
        const auto empty = co_await tacet::as_result(tacet::when_any(giving_after(1, 2), tacet::task<int>()));
        CHECK(empty.error() == std::errc::invalid_argument);
        std::vector<tacet::task<int>> with_empty(2);
        const auto empty_too = co_await tacet::as_result(tacet::when_any(std::move(with_empty)));
        CHECK(empty_too.error() == std::errc::invalid_argument);
    };
    executor.run(body());
    CHECK(executor.stats().attached == 0);
}

TEST_CASE("what takes part may end on another executor", "[cxx][when_any]")
{
    host other;
    tacet::executor executor;
    auto going = [&]() -> tacet::task<std::thread::id> {
        co_await tacet::resume_on(other.ref());
        co_return std::this_thread::get_id();
    };
    std::vector<std::string> gone;
    auto body = [&]() -> tacet::task<> {
        auto ended = co_await tacet::when_any(sleeping(gone, "task"), going());
        CHECK(ended.index == 1);
        CHECK(ended.get<1>() != std::this_thread::get_id());
    };
    executor.run(body());
    CHECK(gone.size() == 1);
}

TEST_CASE("an executor that goes ends what takes part, and loses nothing", "[cxx][when_any]")
{
    const pipe_ends pipe;
    const std::ptrdiff_t descriptors = open_descriptors();
    {
        borrowed reader(pipe.reader());
        std::string byte(1, '\0');
        std::vector<std::string> gone;
        tacet::executor executor;
        auto body = [&]() -> tacet::task<> {
            const counted alive;
            (void)co_await tacet::when_any(reader->read(bytes_of(byte)), sleeping(gone, "task"));
        };
        (void)executor.spawn(body());
        let_settle(executor);
    }
    CHECK(counted::alive == 0);
    CHECK(open_descriptors() == descriptors);
}
