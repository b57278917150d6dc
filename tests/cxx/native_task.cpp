// native_task: C++ code on a stack of its own, beside coroutines; each may wait for the other.
#include "support.hpp"

#include <cstring>

using namespace tests;

namespace {

tacet::task<tacet_result> joining(tacet::native_task& native)
{
    const tacet_result r = co_await tacet::join(native);
    co_return r;
}

}

TEST_CASE("a native task's function runs and its result is joined", "[cxx][native]")
{
    tacet::executor executor;
    tacet::native_task native(tacet_switcher_asm(), [](tacet_task* self) -> tacet_result {
        if (const tacet_result r = tacet_sleep(self, 1000); r < 0)
            return r;
        return 42;
    });
    native.attach(executor);
    CHECK_FALSE(native.has_exited());
    CHECK(executor.run(joining(native)) == 42);
    CHECK(native.has_exited());
    CHECK(native.take() == 42);
}

TEST_CASE("a task without a stack runs to its end and cannot wait", "[cxx][native]")
{
    tacet::executor executor;
    tacet::native_task native(tacet_switcher_none(), [](tacet_task* self) { return tacet_yield(self); });
    native.attach(executor);
    executor.run_until_idle();
    CHECK(native.take() == -ENOTSUP);
}

TEST_CASE("what leaves a native task's function is thrown by join and by take", "[cxx][native]")
{
    tacet::executor executor;
    auto throwing = [](tacet_task* self) -> tacet_result {
        const counted local;
        if (tacet_yield(self) < 0)
            return -EIO;
        throw std::runtime_error("native");
    };
    tacet::native_task joined(tacet_switcher_asm(), throwing), taken(tacet_switcher_asm(), throwing);
    joined.attach(executor);
    taken.attach(executor);
    std::string what;
    try {
        (void)executor.run(joining(joined));
    } catch (const std::runtime_error& thrown) {
        what = thrown.what();
    }
    CHECK(what == "native");
    executor.run_until_idle();
    CHECK_THROWS_AS(taken.take(), std::runtime_error);
    CHECK(counted::alive == 0);
}

TEST_CASE("native tasks may suspend inside of catch blocks, with an exception each in flight", "[cxx][native]")
{
    tacet::executor executor;
    std::vector<std::unique_ptr<tacet::native_task>> natives;
    int right = 0;
    for (int i = 0; i < 10; i++) {
        auto catching = [&right, i](tacet_task* self) -> tacet_result {
            try {
                throw std::runtime_error("outer " + std::to_string(i));
            } catch (const std::runtime_error& outer) {
                if (tacet_yield(self) < 0)
                    return -EIO;
                try {
                    throw i;
                } catch (int inner) {
                    if (tacet_sleep(self, static_cast<std::uint64_t>(10 - i) * 1000) < 0)
                        return -EIO;
                    right += inner == i;
                }
                right += std::strcmp(outer.what(), ("outer " + std::to_string(i)).c_str()) == 0;
            }
            right += std::current_exception() == nullptr;
            return 0;
        };
        natives.push_back(std::make_unique<tacet::native_task>(tacet_switcher_asm(), catching));
        natives.back()->attach(executor);
    }
    auto coroutine = [&]() -> tacet::task<> {
        for (int i = 0; i < 10; i++) {
            CHECK(std::current_exception() == nullptr);
            co_await tacet::yield();
        }
    };
    (void)executor.spawn(coroutine());
    executor.run_until_idle();
    CHECK(right == 30);
}

TEST_CASE("a native task that is cancelled finds -ECANCELED and unwinds", "[cxx][native]")
{
    tacet::executor executor;
    tacet::native_task native(tacet_switcher_asm(), [](tacet_task* self) {
        const counted local;
        return tacet_sleep(self, UINT64_MAX);
    });
    native.attach(executor);
    executor.run_for(0s);
    CHECK(counted::alive == 1);
    native.cancel();
    executor.run_until_idle();
    CHECK(native.take() == -ECANCELED);
    CHECK(counted::alive == 0);
}

TEST_CASE("a native task that goes while it runs is cancelled, and goes when it has ended", "[cxx][native]")
{
    tacet::executor executor;
    const auto held = std::make_shared<int>(1);
    bool unwound = false;
    {
        tacet::native_task native(tacet_switcher_asm(), [held, &unwound](tacet_task* self) {
            const tacet_result r = tacet_sleep(self, UINT64_MAX);
            unwound = r == -ECANCELED;
            return r;
        });
        native.attach(executor);
        executor.run_for(0s);
        CHECK(held.use_count() > 1);
    }
    executor.run_until_idle();
    CHECK(unwound);
    CHECK(held.use_count() == 1);
    CHECK(executor.stats().attached == 0);
}

TEST_CASE("a native task that was never attached goes with what its function holds", "[cxx][native]")
{
    const auto held = std::make_shared<int>(1);
    {
        const tacet::native_task native(tacet_switcher_asm(), [held](tacet_task*) -> tacet_result { return *held; });
        CHECK_FALSE(native.has_exited());
        CHECK(held.use_count() > 1);
    }
    CHECK(held.use_count() == 1);
}

TEST_CASE("a native task outlives its executor as one that was cancelled", "[cxx][native]")
{
    const auto held = std::make_shared<int>(1);
    {
        auto executor = std::make_unique<tacet::executor>();
        tacet::native_task native(tacet_switcher_asm(),
                                  [held](tacet_task* self) { return tacet_sleep(self, UINT64_MAX); });
        native.attach(*executor);
        executor->run_for(0s);
        executor.reset();
        CHECK(native.has_exited());
        native.cancel();
        CHECK(native.take() == -ECANCELED);
    }
    CHECK(held.use_count() == 1);
}

TEST_CASE("a native task may be attached again when it has exited, and only then", "[cxx][native]")
{
    tacet::executor executor;
    int runs = 0;
    tacet::native_task native(tacet_switcher_asm(), [&](tacet_task* self) -> tacet_result {
        runs++;
        return tacet_yield(self);
    });
    for (int i = 1; i <= 3; i++) {
        native.attach(executor);
        const failure twice = failure_of([&] { native.attach(executor); });
        CHECK(twice.code == std::errc::device_or_resource_busy);
        CHECK(executor.run(joining(native)) == 0);
        CHECK(runs == i);
    }
}

TEST_CASE("a native task waits for a coroutine's task", "[cxx][native]")
{
    tacet::executor executor;
    std::vector<std::string> log;
    auto coroutine = [&]() -> tacet::task<> {
        co_await tacet::sleep_for(1ms);
        log.emplace_back("coroutine");
    };
    tacet::join_handle<> handle = executor.spawn(coroutine());
    tacet::native_task native(tacet_switcher_asm(), [&](tacet_task* self) -> tacet_result {
        tacet_result result = -1;
        const tacet_result r = tacet_task_wait(self, handle.get(), &result);
        log.emplace_back("native");
        return r < 0 ? r : result;
    });
    native.attach(executor);
    executor.run_until_idle();
    CHECK(native.take() == 0);
    CHECK(log == std::vector<std::string>{"coroutine", "native"});
}

TEST_CASE("a joiner that is cancelled leaves the native task running", "[cxx][native]")
{
    tacet::executor executor;
    tacet::native_task native(tacet_switcher_asm(), [](tacet_task* self) { return tacet_sleep(self, UINT64_MAX); });
    native.attach(executor);
    tacet::join_handle<tacet_result> joiner = executor.spawn(joining(native));
    executor.run_for(0s);
    joiner.cancel();
    executor.run_for(0s);
    CHECK(failure_of([&] { (void)joiner.take(); }).what == "join: " + message_of(std::errc::operation_canceled));
    CHECK_FALSE(native.has_exited());
    native.cancel();
    executor.run_until_idle();
    CHECK(native.has_exited());
}

TEST_CASE("join refuses what cannot be joined", "[cxx][native]")
{
    tacet::executor executor;
    const tacet::native_task unattached(tacet_switcher_asm(), [](tacet_task*) -> tacet_result { return 0; });
    auto joining_task = [](tacet_task* other) -> tacet::task<> { (void)co_await tacet::join(other); };
    CHECK(failure_of([&] { executor.run(joining_task(unattached.get())); }).code == std::errc::invalid_argument);
    CHECK(failure_of([&] { executor.run(joining_task(nullptr)); }).code == std::errc::invalid_argument);
    auto joining_handle = []() -> tacet::task<> { co_await tacet::join(tacet::join_handle<>()); };
    CHECK(failure_of([&] { executor.run(joining_handle()); }).code == std::errc::invalid_argument);
}

TEST_CASE("as_result of a native task's join gives its result, or the error that left it", "[cxx][native]")
{
    tacet::executor executor;
    tacet::native_task good(tacet_switcher_asm(), [](tacet_task*) -> tacet_result { return 5; });
    tacet::native_task bad(tacet_switcher_asm(), [](tacet_task*) -> tacet_result {
        throw std::system_error(std::make_error_code(std::errc::io_error));
    });
    good.attach(executor);
    bad.attach(executor);
    auto working = [&]() -> tacet::task<> {
        const tacet::result<tacet_result> first = co_await tacet::as_result(tacet::join(good));
        CHECK(first.value() == 5);
        const tacet::result<tacet_result> second = co_await tacet::as_result(tacet::join(bad));
        CHECK(second.error() == std::errc::io_error);
        const tacet::result<tacet_result> raw = co_await tacet::as_result(tacet::join(good.get()));
        CHECK(raw.value() == 5);
    };
    executor.run(working());
}

TEST_CASE("native tasks do I/O through the C interface beside coroutines", "[cxx][native]")
{
    const scratch folder;
    const std::string path = folder.make("a", "text");
    tacet::executor executor;
    std::string native_text(4, '\0'), coroutine_text(4, '\0');
    tacet::native_task native(tacet_switcher_asm(), [&](tacet_task* self) -> tacet_result {
        tacet_file file;
        open_how how{};
        how.flags = O_RDONLY | O_CLOEXEC;
        if (const tacet_result r = tacet_file_open(self, &file, nullptr, path.c_str(), &how); r < 0)
            return r;
        const tacet_result r = tacet_file_read(self, &file, native_text.data(), 4, 0);
        const tacet_result closed = tacet_file_close(self, &file);
        return r < 0 ? r : closed < 0 ? closed : r;
    });
    native.attach(executor);
    auto reading = [&]() -> tacet::task<> {
        tacet::file file = co_await tacet::open(path, O_RDONLY);
        (void)co_await file.read(bytes_of(coroutine_text), 0);
    };
    (void)executor.spawn(reading());
    executor.run_until_idle();
    CHECK(native.take() == 4);
    CHECK(native_text == "text");
    CHECK(coroutine_text == "text");
}

TEST_CASE("a switcher of one's own carries its tasks, and refuses what it is not given", "[cxx][native]")
{
    tacet::executor executor;
    tacet_switcher_options options{};
    options.stack_bytes = 256 * 1024;
    {
        const tacet::switcher large(tacet_asm_ops, options);
        CHECK(std::string(tacet_switcher_name(large.get())) == "asm");
        tacet::native_task native(large.get(), [](tacet_task* self) -> tacet_result {
            volatile char on_stack[200 * 1024];
            for (std::size_t i = 0; i < sizeof on_stack; i += 1024)
                on_stack[i] = 1;
            return tacet_yield(self) + on_stack[0];
        });
        native.attach(executor);
        CHECK(executor.run(joining(native)) == 1);
    }
    const failure none = failure_of([] { const tacet::native_task native(nullptr, {}); });
    CHECK(none.code == std::errc::invalid_argument);
}

TEST_CASE("the priorities of native tasks and coroutines are the same", "[cxx][native]")
{
    tacet::executor executor;
    std::string turns;
    auto native_turns = [&](tacet_task* self) -> tacet_result {
        for (int i = 0; i < 3; i++) {
            turns += 'N';
            if (tacet_yield(self) < 0)
                return -EIO;
        }
        return 0;
    };
    auto coroutine_turns = [&]() -> tacet::task<> {
        for (int i = 0; i < 3; i++) {
            turns += 'c';
            co_await tacet::yield();
        }
    };
    tacet::native_task native(tacet_switcher_asm(), native_turns);
    native.set_priority(tacet::priority::high);
    (void)executor.spawn(coroutine_turns());
    native.attach(executor);
    executor.run_until_idle();
    CHECK(turns == "NNNccc");
}
