// when_all: of operations, one counter and no task; of tasks, a child each. All have ended when the await ends.
#include "support.hpp"

#include <climits>

using namespace tests;

TEST_CASE("operations at once give their values in the order of the arguments", "[cxx][when_all]")
{
    const scratch folder;
    const std::string path = folder.make("a", "0123456789");
    tacet::executor executor;
    auto working = [&]() -> tacet::task<> {
        tacet::file in = co_await tacet::open(path, O_RDONLY);
        std::string head(4, '\0'), tail(9, '\0');
        auto done = co_await tacet::when_all(in.read(bytes_of(head), 0), in.read(bytes_of(tail), 4), tacet::nop(),
                                             tacet::stat(path));
        CHECK(std::get<0>(done) == 4);
        CHECK(std::get<1>(done) == 6);
        CHECK(std::get<3>(done).stx_size == 10);
        CHECK(head == "0123");
        CHECK(tail.substr(0, 6) == "456789");
    };
    executor.run(working());
    CHECK(executor.stats().attached == 0);
}

TEST_CASE("a vector of operations gives a vector of values", "[cxx][when_all]")
{
    const scratch folder;
    const std::string path = folder.make("a", std::string(1000, 'z'));
    tacet::executor executor;
    auto working = [&]() -> tacet::task<> {
        tacet::file in = co_await tacet::open(path, O_RDONLY);
        std::vector<std::string> buffers(300, std::string(4, '\0'));
        std::vector<tacet::operation<tacet::read_request>> reads;
        for (std::size_t i = 0; i < buffers.size(); i++)
            reads.push_back(in.read(bytes_of(buffers[i]), 4 * i));
        const std::vector<std::size_t> counts = co_await tacet::when_all(std::move(reads));
        REQUIRE(counts.size() == 300);
        for (std::size_t i = 0; i < counts.size(); i++)
            CHECK(counts[i] == (i < 250 ? 4 : 0));
        CHECK(buffers[249] == "zzzz");
    };
    executor.run(working());
}

TEST_CASE("a vector longer than the submission queue is carried too", "[cxx][when_all]")
{
    tacet::executor_options options;
    options.ring_entries = 2;
    tacet::executor executor(options);
    auto working = []() -> tacet::task<std::size_t> {
        std::vector<tacet::operation<tacet::nop_request>> nops;
        for (int i = 0; i < 5000; i++)
            nops.push_back(tacet::nop());
        const auto done = co_await tacet::when_all(std::move(nops));
        co_return done.size();
    };
    CHECK(executor.run(working()) == 5000);
    CHECK(executor.stats().completed == 5000);
}

TEST_CASE("nothing at once is done at once", "[cxx][when_all]")
{
    tacet::executor executor;
    auto working = []() -> tacet::task<> {
        const auto operations = co_await tacet::when_all(std::vector<tacet::operation<tacet::nop_request>>());
        CHECK(operations.empty());
        const auto tasks = co_await tacet::when_all(std::vector<tacet::task<int>>());
        CHECK(tasks.empty());
    };
    executor.run(working());
    CHECK(executor.stats().submitted == 0);
}

TEST_CASE("the first error in the order of the arguments is thrown when all have ended", "[cxx][when_all]")
{
    const scratch folder;
    folder.make("there", "");
    tacet::executor executor;
    const std::ptrdiff_t before = open_descriptors();
    auto working = [&]() -> tacet::task<> {
        (void)co_await tacet::when_all(tacet::open(folder / "there", O_RDONLY), tacet::open(folder / "b", O_RDONLY),
                                       tacet::open(folder / "c", O_RDONLY), tacet::open(folder / "there", O_RDONLY));
    };
    const failure thrown = failure_of([&] { executor.run(working()); });
    CHECK(thrown.code == std::errc::no_such_file_or_directory);
    CHECK(thrown.what.find("open \"" + folder / "b") == 0);
    executor.run_until_idle();
    CHECK(executor.stats().in_flight == 0);
    CHECK(open_descriptors() == before);
}

TEST_CASE("as_result of operations at once gives each its own", "[cxx][when_all]")
{
    const scratch folder;
    folder.make("there", "");
    tacet::executor executor;
    auto working = [&]() -> tacet::task<> {
        auto both = co_await tacet::as_result(
            tacet::when_all(tacet::open(folder / "there", O_RDONLY), tacet::mkdir(folder / "there")));
        CHECK(std::get<0>(both).has_value());
        CHECK(std::get<1>(both).error() == std::errc::file_exists);
        std::vector<tacet::operation<tacet::unlink_request>> unlinks;
        unlinks.push_back(tacet::unlink(folder / "absent"));
        unlinks.push_back(tacet::unlink(folder / "there"));
        auto results = co_await tacet::as_result(tacet::when_all(std::move(unlinks)));
        REQUIRE(results.size() == 2);
        CHECK(results[0].error() == std::errc::no_such_file_or_directory);
        CHECK(results[1].has_value());
    };
    executor.run(working());
}

TEST_CASE("one that cannot be started does not keep the others from their end", "[cxx][when_all]")
{
    const scratch folder;
    const std::string path = folder.make("a", "text");
    tacet::executor executor;
    std::string buffer(4, '\0');
    std::byte one{};
    const std::span<std::byte> too_long(&one, std::size_t{INT_MAX} + 1);
    auto first_refused = [&]() -> tacet::task<> {
        tacet::file in = co_await tacet::open(path, O_RDONLY);
        (void)co_await tacet::when_all(in.read(too_long, 0), in.read(bytes_of(buffer), 0));
    };
    CHECK(failure_of([&] { executor.run(first_refused()); }).code == std::errc::invalid_argument);
    CHECK(buffer == "text");
    auto all_refused = [&]() -> tacet::task<> {
        tacet::file in = co_await tacet::open(path, O_RDONLY);
        (void)co_await tacet::when_all(in.read(too_long, 0), in.write(too_long, 0));
    };
    CHECK(failure_of([&] { executor.run(all_refused()); }).code == std::errc::invalid_argument);
}

TEST_CASE("without a ring operations at once are refused, each of them", "[cxx][when_all]")
{
    tacet::executor_options options;
    options.ring_entries = 0;
    tacet::executor executor(options);
    auto working = []() -> tacet::task<> { (void)co_await tacet::when_all(tacet::nop(), tacet::nop()); };
    CHECK(failure_of([&] { executor.run(working()); }).code == std::errc::not_supported);
    auto opening = []() -> tacet::task<> { (void)co_await tacet::when_all(tacet::open_socket(AF_UNIX, SOCK_STREAM)); };
    CHECK(failure_of([&] { executor.run(opening()); }).code == std::errc::not_supported);
}

TEST_CASE("a cancel ends all operations before the await ends", "[cxx][when_all]")
{
    const pipe_ends one, two;
    borrowed first(one.reader()), second(two.reader());
    tacet::executor executor;
    std::string a(1, '\0'), b(1, '\0');
    bool cancelled_before = false;
    auto waiting = [&]() -> tacet::task<> {
        if (cancelled_before)
            tacet_task_cancel(co_await tacet::this_task());
        auto results = co_await tacet::as_result(
            tacet::when_all(first->read(bytes_of(a)), tacet::nop(), second->read(bytes_of(b))));
        CHECK(std::get<0>(results).error() == std::errc::operation_canceled);
        CHECK(std::get<2>(results).error() == std::errc::operation_canceled);
    };
    SECTION("while it waits")
    {
        tacet::join_handle<> handle = executor.spawn(waiting());
        let_settle(executor);
        CHECK(executor.stats().in_flight == 2);
        handle.cancel();
        handle.cancel();
        executor.run_until_idle();
        handle.take();
    }
    SECTION("before its operations are submitted")
    {
        tacet::join_handle<> handle = executor.spawn(waiting());
        executor.run_for(0s, 1);
        CHECK(executor.stats().in_flight == 3);
        handle.cancel();
        executor.run_until_idle();
        handle.take();
    }
    SECTION("before it waits")
    {
        cancelled_before = true;
        executor.run(waiting());
    }
    CHECK(executor.stats().in_flight == 0);
    CHECK(executor.stats().attached == 0);
}

TEST_CASE("a close among operations is not cancelled with them", "[cxx][when_all]")
{
    tacet::executor executor;
    const pipe_ends pipe;
    borrowed reader(pipe.reader());
    std::string buffer(1, '\0');
    const std::ptrdiff_t before = open_descriptors();
    auto waiting = [&]() -> tacet::task<> {
        tacet::file file = co_await tacet::open("/dev/null", O_RDONLY);
        tacet_task_cancel(co_await tacet::this_task());
        auto both = co_await tacet::as_result(tacet::when_all(file.close(), reader->read(bytes_of(buffer))));
        CHECK(std::get<0>(both).has_value());
        CHECK(std::get<1>(both).error() == std::errc::operation_canceled);
    };
    executor.run(waiting());
    CHECK(open_descriptors() == before);
    CHECK(executor.stats().submitted == 4); // open, close, read, and the cancel of the read alone
}

namespace {

tacet::task<int> giving_after(int value, int turns)
{
    for (int i = 0; i < turns; i++)
        co_await tacet::yield();
    co_return value;
}

tacet::task<> nothing_after(int turns)
{
    for (int i = 0; i < turns; i++)
        co_await tacet::yield();
}

tacet::task<> failing_after(int turns, const char* what)
{
    for (int i = 0; i < turns; i++)
        co_await tacet::yield();
    throw std::runtime_error(what);
}

tacet::task<int> sleeping(std::vector<std::string>& gone, std::string name)
{
    const mark here(gone, std::move(name));
    co_await tacet::sleep_for(for_ever);
    co_return 0;
}

}

TEST_CASE("tasks at once give their values in the order of the arguments", "[cxx][when_all]")
{
    tacet::executor executor;
    auto working = []() -> tacet::task<> {
        auto done = co_await tacet::when_all(giving_after(1, 9), nothing_after(3), giving_after(3, 0));
        CHECK(std::get<0>(done) == 1);
        CHECK(std::get<2>(done) == 3);
        std::vector<tacet::task<int>> many;
        for (int i = 0; i < 100; i++)
            many.push_back(giving_after(i, 100 - i));
        const std::vector<int> values = co_await tacet::when_all(std::move(many));
        REQUIRE(values.size() == 100);
        for (int i = 0; i < 100; i++)
            CHECK(values[static_cast<std::size_t>(i)] == i);
        std::vector<tacet::task<>> voids;
        voids.push_back(nothing_after(1));
        const auto nothing = co_await tacet::when_all(std::move(voids));
        CHECK(nothing.size() == 1);
    };
    executor.run(working());
    CHECK(executor.stats().attached == 0);
}

TEST_CASE("the first task that fails, in time, cancels the others and is thrown when all have ended", "[cxx][when_all]")
{
    tacet::executor executor;
    std::vector<std::string> gone;
    auto working = [&]() -> tacet::task<> {
        std::string what;
        try {
            (void)co_await tacet::when_all(failing_after(5, "late"), sleeping(gone, "one"), failing_after(2, "early"),
                                           sleeping(gone, "two"));
        } catch (const std::runtime_error& thrown) {
            what = thrown.what();
        }
        CHECK(what == "early");
        CHECK(gone.size() == 2);
    };
    executor.run(working());
    CHECK(executor.stats().attached == 0);
    CHECK(executor.stats().timers == 0);
}

TEST_CASE("a cancel of the awaiting task cancels the tasks, and waits for them", "[cxx][when_all]")
{
    tacet::executor executor;
    std::vector<std::string> gone;
    auto cleaning = [&]() -> tacet::task<int> {
        const mark here(gone, "slow");
        (void)co_await tacet::as_result(tacet::sleep_for(for_ever));
        for (int i = 0; i < 20; i++)
            co_await tacet::yield();
        co_return 0;
    };
    auto waiting = [&]() -> tacet::task<> { (void)co_await tacet::when_all(sleeping(gone, "fast"), cleaning()); };
    tacet::join_handle<> handle = executor.spawn(waiting());
    executor.run_for(0s);
    handle.cancel();
    executor.run_for(0s, 1);
    CHECK_FALSE(handle.has_exited());
    executor.run_until_idle();
    CHECK(gone == std::vector<std::string>{"fast", "slow"});
    CHECK(failure_of([&] { handle.take(); }).code == std::errc::operation_canceled);
}

TEST_CASE("a second cancel of the awaiting task reaches its tasks, too", "[cxx][when_all]")
{
    tacet::executor executor;
    auto stubborn = []() -> tacet::task<> {
        for (int i = 0; i < 2; i++)
            (void)co_await tacet::as_result(tacet::sleep_for(for_ever));
    };
    auto waiting = [&]() -> tacet::task<> { (void)co_await tacet::when_all(stubborn(), stubborn()); };
    tacet::join_handle<> handle = executor.spawn(waiting());
    let_settle(executor);
    handle.cancel();
    let_settle(executor);
    CHECK_FALSE(handle.has_exited());
    handle.cancel();
    let_settle(executor);
    CHECK(handle.has_exited());
}

TEST_CASE("when_all nests, and an inner error cancels only what is inside", "[cxx][when_all]")
{
    tacet::executor executor;
    std::vector<std::string> gone;
    auto inner = [&]() -> tacet::task<int> {
        try {
            (void)co_await tacet::when_all(failing_after(1, "inner"), sleeping(gone, "sibling"));
        } catch (const std::runtime_error&) {
            co_return 1;
        }
        co_return 0;
    };
    auto outer = [&]() -> tacet::task<int> {
        auto both = co_await tacet::when_all(inner(), giving_after(10, 50));
        co_return std::get<0>(both) + std::get<1>(both);
    };
    CHECK(executor.run(outer()) == 11);
    CHECK(gone.size() == 1);
}

TEST_CASE("an empty task among tasks is refused when those started have ended", "[cxx][when_all]")
{
    tacet::executor executor;
    std::vector<std::string> gone;
    auto working = [&]() -> tacet::task<> {
        (void)co_await tacet::when_all(sleeping(gone, "started"), tacet::task<>());
    };
    CHECK(failure_of([&] { executor.run(working()); }).code == std::errc::invalid_argument);
    CHECK(executor.stats().attached == 0);
}

TEST_CASE("move-only values come out of tasks at once", "[cxx][when_all]")
{
    tacet::executor executor;
    auto making = [](int n) -> tacet::task<std::unique_ptr<int>> {
        co_await tacet::yield();
        co_return std::make_unique<int>(n);
    };
    auto working = [&]() -> tacet::task<int> {
        auto both = co_await tacet::when_all(making(3), making(4));
        co_return *std::get<0>(both) * *std::get<1>(both);
    };
    CHECK(executor.run(working()) == 12);
}
