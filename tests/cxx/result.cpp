// result<T>, error codes, and how errors, results and statistics look in fmt.
#include "support.hpp"

#include <memory>

using namespace tests;

namespace {

tacet::unexpected failed(std::errc error)
{
    return tacet::unexpected(std::make_error_code(error));
}

}

TEST_CASE("a result has a value or an error", "[cxx][result]")
{
    tacet::result<int> good = 5;
    CHECK(good.has_value());
    CHECK(static_cast<bool>(good));
    CHECK(*good == 5);
    CHECK(good.value() == 5);
    *good = 6;
    const tacet::result<int> bad = failed(std::errc::no_space_on_device);
    CHECK_FALSE(bad.has_value());
    CHECK(bad.error() == std::errc::no_space_on_device);
    CHECK(bad.value_or(7) == 7);
    CHECK(good.value_or(7) == 6);
    tacet::result<std::string> text = std::string("text");
    CHECK(text->size() == 4);
    CHECK(text.value() == "text");
    const std::string moved = std::move(text).value_or("other");
    CHECK(moved == "text");
    tacet::result<std::string> none = failed(std::errc::io_error);
    const std::string other = std::move(none).value_or("other");
    CHECK(other == "other");
}

TEST_CASE("a result moves what only moves", "[cxx][result]")
{
    tacet::result<std::unique_ptr<int>> good = std::make_unique<int>(3);
    const std::unique_ptr<int> taken = *std::move(good);
    CHECK(*taken == 3);
    tacet::result<std::unique_ptr<int>> again = std::make_unique<int>(4);
    CHECK(*std::move(again).value() == 4);
}

TEST_CASE("value() of a result without one throws its error", "[cxx][result]")
{
    tacet::result<std::string> bad = failed(std::errc::io_error);
    const tacet::result<void> nothing = failed(std::errc::io_error);
    CHECK_THROWS(bad.value());
    CHECK_THROWS(std::move(bad).value());
    CHECK_THROWS(nothing.value());
    const tacet::result<void> fine;
    CHECK(fine.has_value());
    fine.value();
    *fine;
}

TEST_CASE("results of the C interface become errors and exceptions", "[cxx][result]")
{
    CHECK(tacet::error_of(-ENOENT) == std::errc::no_such_file_or_directory);
    CHECK(tacet::check(7, "seven") == 7);
    const failure thrown = failure_of([] { tacet::check(-EBUSY, "task"); });
    CHECK(thrown.code == std::errc::device_or_resource_busy);
    CHECK(thrown.what == "task: " + message_of(std::errc::device_or_resource_busy));
}

TEST_CASE("fmt shows errors, results and statistics", "[cxx][result]")
{
    CHECK(fmt::format("{}", tacet::shown(17)) == "17");
    CHECK(fmt::format("{}", tacet::shown(-ENOENT)) == message_of(std::errc::no_such_file_or_directory));
    CHECK(fmt::format("{}", tacet::shown(TACET_PENDING)) == "pending");
    CHECK(fmt::format("{:>4}|", tacet::shown(17)) == "  17|");
    CHECK(fmt::format("{}", tacet::result<int>(5)) == "5");
    CHECK(fmt::format("{}", tacet::result<std::string>("text")) == "text");
    CHECK(fmt::format("{}", tacet::result<void>()) == "ok");
    CHECK(fmt::format("{}", tacet::result<int>(failed(std::errc::io_error))) ==
          "error: " + message_of(std::errc::io_error));
    CHECK(fmt::format("{}", tacet::result<void>(failed(std::errc::io_error))) ==
          "error: " + message_of(std::errc::io_error));
    tacet::executor executor;
    auto working = []() -> tacet::task<> { co_await tacet::nop(); };
    executor.run(working());
    CHECK(fmt::format("{}", executor.stats()) ==
          fmt::format("items 2 enters {} submitted 1 completed 1 in_flight 0 cq_overflows 0 refused 0 timers 0 "
                      "attached 0 pending_or_ready 0 running 0 suspended 0",
                      executor.stats().enters));
}
