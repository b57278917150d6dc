// Temporaries in co_await expressions are destroyed exactly once: gcc 12 gets some shapes wrong, and ours must not be
// among them. Each await here has arguments whose instances are counted, and strings too long to lie in their object.
#include "support.hpp"

using namespace tests;

namespace {

// A request with an argument that counts its instances.
struct counting_request {
    using value_type = counted;
    static constexpr unsigned opcode = IORING_OP_NOP;
    counted argument{};
    std::string text;

    explicit counting_request(std::string text_) : text(std::move(text_)) {}
    tacet_result prepare(io_uring_sqe* sqe) const noexcept { return tacet_prepare_nop(sqe); }
    counted value(tacet_result) const { return argument; }
    std::string describe() const { return text; }
};

// The same, and it fails before it is started.
struct refused_request : counting_request {
    using counting_request::counting_request;
    tacet_result prepare(io_uring_sqe*) const noexcept { return -EINVAL; }
};

// The same as a plain call.
struct counting_call {
    using value_type = counted;
    counted argument{};
    std::string text;
    tacet_result outcome;

    counting_call(std::string text_, tacet_result outcome_) : text(std::move(text_)), outcome(outcome_) {}
    tacet_result call(tacet_task*) const noexcept { return outcome; }
    counted value(tacet_result) const { return argument; }
    std::string describe() const { return text; }
};

std::string long_text(const char* name)
{
    return std::string(100, '-') + name;
}

tacet::operation<counting_request> counting(std::string text)
{
    return tacet::operation<counting_request>(counting_request(std::move(text)));
}
tacet::operation<refused_request> refused(std::string text)
{
    return tacet::operation<refused_request>(refused_request(std::move(text)));
}
tacet::plain_call<counting_call> calling(std::string text, tacet_result outcome)
{
    return tacet::plain_call<counting_call>(counting_call(std::move(text), outcome));
}

tacet::task<counted> returning(counted argument, std::string text)
{
    const counted local;
    co_await tacet::yield();
    if (text.empty())
        throw std::runtime_error(long_text("thrown"));
    co_return argument;
}

// What is destroyed twice ends the count below zero, or trips over itself; what is not, above.
template <class Start>
void check_balanced(Start start)
{
    const long made = counted::made;
    {
        tacet::executor executor;
        executor.run(start());
    }
    CHECK(counted::alive == 0);
    CHECK(counted::made > made);
}

}

TEST_CASE("temporaries of an awaited operation are destroyed once", "[cxx][temporaries]")
{
    auto awaiting = []() -> tacet::task<> {
        (void)co_await counting(long_text("dropped"));
        const counted kept = co_await counting(long_text("kept"));
        counted assigned;
        assigned = co_await counting(long_text("assigned"));
        if (std::string text = long_text("in an if"); !text.empty())
            (void)co_await counting(text);
        for (int i = 0; i < 3; i++)
            (void)co_await counting(long_text("in a loop"));
    };
    check_balanced(awaiting);
}

TEST_CASE("temporaries of an operation that fails are destroyed once", "[cxx][temporaries]")
{
    std::vector<std::string> whats;
    auto awaiting = [&]() -> tacet::task<> {
        for (int i = 0; i < 3; i++) {
            try {
                (void)co_await refused(long_text("refused"));
            } catch (const std::system_error& thrown) {
                whats.emplace_back(thrown.what());
            }
        }
        const tacet::result<counted> r = co_await tacet::as_result(refused(long_text("as result")));
        CHECK(r.error() == std::errc::invalid_argument);
    };
    check_balanced(awaiting);
    REQUIRE(whats.size() == 3);
    CHECK(whats[2] == long_text("refused") + ": " + message_of(std::errc::invalid_argument));
}

TEST_CASE("temporaries of as_result are destroyed once", "[cxx][temporaries]")
{
    auto awaiting = []() -> tacet::task<> {
        const tacet::result<counted> kept = co_await tacet::as_result(counting(long_text("operation")));
        CHECK(kept.has_value());
        (void)co_await tacet::as_result(calling(long_text("call"), 0));
        const tacet::result<counted> failed = co_await tacet::as_result(calling(long_text("failed"), -EIO));
        CHECK(failed.error() == std::errc::io_error);
        const tacet::result<counted> task = co_await tacet::as_result(returning(counted(), long_text("task")));
        CHECK(task.has_value());
    };
    check_balanced(awaiting);
}

TEST_CASE("temporaries of a plain call are destroyed once", "[cxx][temporaries]")
{
    auto awaiting = []() -> tacet::task<> {
        for (int i = 0; i < 100; i++) // some of them suspend
            (void)co_await calling(long_text("call"), i);
        bool failed = false;
        try {
            (void)co_await calling(long_text("failing"), -EIO);
        } catch (const std::system_error& thrown) {
            failed = true;
            CHECK(std::string(thrown.what()).find(long_text("failing")) == 0);
        }
        CHECK(failed);
    };
    check_balanced(awaiting);
}

TEST_CASE("temporaries and arguments of an awaited task are destroyed once", "[cxx][temporaries]")
{
    auto awaiting = []() -> tacet::task<> {
        (void)co_await returning(counted(), long_text("dropped"));
        const counted kept = co_await returning(counted(), long_text("kept"));
        tacet::task<counted> later = returning(kept, long_text("later"));
        (void)co_await later;
        (void)co_await std::move(later = returning(counted(), long_text("moved")));
        bool failed = false;
        try {
            (void)co_await returning(counted(), "");
        } catch (const std::runtime_error& thrown) {
            failed = thrown.what() == long_text("thrown");
        }
        CHECK(failed);
    };
    check_balanced(awaiting);
}

TEST_CASE("temporaries of when_all are destroyed once", "[cxx][temporaries]")
{
    auto awaiting = []() -> tacet::task<> {
        auto operations = co_await tacet::when_all(counting(long_text("one")), counting(long_text("two")));
        (void)operations;
        std::vector<tacet::operation<counting_request>> many;
        for (int i = 0; i < 10; i++)
            many.push_back(counting(long_text("many")));
        const std::vector<counted> values = co_await tacet::when_all(std::move(many));
        CHECK(values.size() == 10);
        auto tasks = co_await tacet::when_all(returning(counted(), long_text("one")),
                                              returning(counted(), long_text("two")));
        (void)tasks;
        bool failed = false;
        try {
            (void)co_await tacet::when_all(counting(long_text("good")), refused(long_text("bad")));
        } catch (const std::system_error&) {
            failed = true;
        }
        CHECK(failed);
        auto results = co_await tacet::as_result(
            tacet::when_all(counting(long_text("good")), refused(long_text("bad"))));
        CHECK(std::get<0>(results).has_value());
        failed = false;
        try {
            (void)co_await tacet::when_all(returning(counted(), long_text("good")), returning(counted(), ""));
        } catch (const std::runtime_error&) {
            failed = true;
        }
        CHECK(failed);
    };
    check_balanced(awaiting);
}

TEST_CASE("temporaries of joins, scopes and sleeps are destroyed once", "[cxx][temporaries]")
{
    const long made = counted::made;
    {
        tacet::executor executor;
        auto awaiting = [&]() -> tacet::task<> {
            const counted joined = co_await tacet::join(executor.spawn(returning(counted(), long_text("joined"))));
            (void)co_await tacet::as_result(tacet::join(executor.spawn(returning(joined, long_text("again")))));
            auto body = [held = counted(), text = long_text("captured")](tacet::scope& scope) -> tacet::task<counted> {
                scope.spawn(returning(counted(), text));
                co_await tacet::yield();
                co_return held;
            };
            const counted value = co_await tacet::with_scope(body);
            (void)co_await tacet::with_scope(body);
            co_await tacet::sleep_for(1us);
        };
        executor.run(awaiting());
    }
    CHECK(counted::alive == 0);
    CHECK(counted::made > made);
}

TEST_CASE("a permit that is a temporary of its await is given back at once, one that is kept later",
          "[cxx][temporaries]")
{
    tacet::executor executor;
    tacet::semaphore slots(2);
    auto awaiting = [&]() -> tacet::task<> {
        (void)co_await slots.acquire_permit();
        CHECK(slots.get()->available == 2);
        {
            const tacet::semaphore::permit kept = co_await slots.acquire_permit();
            CHECK(slots.get()->available == 1);
            (void)co_await tacet::as_result(slots.acquire_permit());
            CHECK(slots.get()->available == 1);
        }
        CHECK(slots.get()->available == 2);
    };
    executor.run(awaiting());
    CHECK(slots.get()->available == 2);
}

TEST_CASE("paths that are temporaries of their await live until it has ended", "[cxx][temporaries]")
{
    const scratch folder;
    const std::ptrdiff_t before = open_descriptors();
    {
        tacet::executor executor;
        const std::string long_name(200, 'n');
        auto awaiting = [&]() -> tacet::task<> {
            for (int i = 0; i < 10; i++) {
                co_await tacet::mkdir(folder.root() + "/" + long_name + std::to_string(i));
                co_await tacet::rename(folder.root() + "/" + long_name + std::to_string(i), folder / "short");
                tacet::file dir = co_await tacet::open(folder.root() + "/short", O_DIRECTORY | O_RDONLY);
                co_await tacet::symlink(long_name, tacet::at(dir, long_name));
                const std::string target = co_await tacet::readlink(tacet::at(dir, std::string(long_name)));
                CHECK(target == long_name);
                co_await tacet::unlink(tacet::at(dir, long_name + ""));
                dir = co_await tacet::open(std::filesystem::path(folder.root()) / "short", O_DIRECTORY | O_RDONLY);
                co_await tacet::unlink(std::string_view(folder / "short"), AT_REMOVEDIR);
                (void)co_await tacet::as_result(tacet::stat(folder.root() + "/" + long_name));
            }
        };
        executor.run(awaiting());
    }
    CHECK(open_descriptors() == before);
}
