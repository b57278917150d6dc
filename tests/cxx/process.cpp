// Child processes: started, talked to, awaited; no status is lost, no child and no descriptor is left.
#include "support.hpp"

#include <catch2/generators/catch_generators.hpp>
#include <csignal>

#include <sys/wait.h>

using namespace tests;

namespace {

using tacet::stream;

tacet::process_options shell(std::string script)
{
    tacet::process_options options{"/bin/sh"};
    options.arguments = {"-c", std::move(script)};
    return options;
}

// One that runs until its input ends.
tacet::process_options waiting_child()
{
    tacet::process_options options = shell("read line; exit 5");
    options.input = stream::pipe;
    return options;
}

bool has_children()
{
    siginfo_t info;
    return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

tacet::task<std::string> all_of(tacet::file& from)
{
    std::string text, buffer(64, '\0');
    while (const std::size_t n = co_await from.read(bytes_of(buffer)))
        text.append(buffer, 0, n);
    co_return text;
}

template <class F>
std::string output_of(tacet::process_options options, F prepare)
{
    tacet::executor executor;
    options.output = stream::pipe;
    auto working = [&]() -> tacet::task<std::string> {
        prepare(options);
        tacet::process child(options);
        std::string text = co_await all_of(child.output());
        const tacet::exit_status status = co_await child.wait();
        CHECK(status.success());
        co_return text;
    };
    return executor.run(working());
}

std::string output_of(tacet::process_options options)
{
    return output_of(std::move(options), [](tacet::process_options&) {});
}

}

TEST_CASE("a child reads what is written to it, and is read from", "[cxx][process]")
{
    const std::ptrdiff_t descriptors = open_descriptors();
    {
        tacet::executor executor;
        auto working = [&]() -> tacet::task<std::string> {
            tacet::process_options options = shell("sort; echo said >&2; exit 3");
            options.input = options.output = options.error = stream::pipe;
            tacet::process child(options);
            CHECK(child.id() > 0);
            const std::string lines = "b\na\n";
            const std::size_t written = co_await child.input().write(bytes_of(lines));
            CHECK(written == lines.size());
            co_await child.input().close();
            std::string text = co_await all_of(child.output());
            text += co_await all_of(child.error());
            const tacet::exit_status status = co_await child.wait();
            CHECK(status.exited());
            CHECK(status.code() == 3);
            CHECK(status.signal() == 0);
            CHECK_FALSE(status.success());
            CHECK_FALSE(status.dumped_core());
            const tacet::exit_status again = co_await child.wait();
            CHECK(again.code() == 3);
            CHECK(failure_of([&] { child.send(SIGKILL); }).code == std::errc::no_such_process);
            co_return text;
        };
        CHECK(executor.run(working()) == "a\nb\nsaid\n");
    }
    CHECK(open_descriptors() == descriptors);
    CHECK_FALSE(has_children());
}

TEST_CASE("a child begins with the arguments, the environment and the directory that it is given", "[cxx][process]")
{
    tacet::process_options options{"printf"};
    options.arguments = {"%s|", "two words", "", "x"};
    CHECK(output_of(options) == "two words||x|");
    CHECK(output_of(shell("echo $ONE-$HOME"), [](tacet::process_options& with) {
              with.environment = {"ONE=1", "PATH=/bin:/usr/bin"};
          }) == "1-\n");
    const scratch folder;
    CHECK(output_of(shell("pwd -P"), [&](tacet::process_options& with) { with.directory = folder.root(); }) ==
          folder.root() + '\n');
    CHECK(output_of(shell("cat; echo end"), [&](tacet::process_options& with) { with.input = stream::null; }) ==
          "end\n");
}

TEST_CASE("a program is looked for from here, wherever it begins; a directory that is not there is named",
          "[cxx][process]")
{
    const scratch folder;
    std::filesystem::create_directory(folder / "below");
    std::filesystem::copy_file(std::filesystem::canonical("/bin/pwd"), folder / "tool");
    const std::filesystem::path before = std::filesystem::current_path();
    std::filesystem::current_path(folder.root());
    tacet::process_options options{"./tool"};
    options.directory = "below";
    const std::string found = output_of(options);
    std::filesystem::current_path(before);
    CHECK(found == folder / "below" + '\n');

    options = shell("");
    options.directory = folder / "missing";
    const failure thrown = failure_of([&] { tacet::process child(options); });
    CHECK(thrown.code == std::errc::no_such_file_or_directory);
    CHECK(thrown.what.find("\"/bin/sh\" in \"" + options.directory + '"') != std::string::npos);
}

TEST_CASE("signals that are waited for here are not blocked in a child", "[cxx][process]")
{
    const tacet::signal_set signals{SIGUSR1};
    CHECK(output_of(shell("trap 'echo caught' USR1; kill -USR1 $$")) == "caught\n");
}

TEST_CASE("a program that cannot be started says why, and leaves nothing", "[cxx][process]")
{
    const std::ptrdiff_t descriptors = open_descriptors();
    tacet::process_options options{"/no/such/program"};
    options.input = options.output = stream::pipe;
    const failure thrown = failure_of([&] { const tacet::process child(options); });
    CHECK(thrown.code == std::errc::no_such_file_or_directory);
    CHECK(thrown.what == "start \"/no/such/program\": " + message_of(std::errc::no_such_file_or_directory));
    options = shell("exit 0");
    options.directory = "/no/such/folder";
    CHECK(failure_of([&] { const tacet::process child(options); }).code == std::errc::no_such_file_or_directory);
    CHECK(open_descriptors() == descriptors);
    CHECK_FALSE(has_children());
}

TEST_CASE("a child that a signal ends says which", "[cxx][process]")
{
    tacet::executor executor;
    auto working = [&]() -> tacet::task<> {
        tacet::process child(waiting_child());
        child.send(SIGTERM);
        const tacet::exit_status status = co_await child.wait();
        CHECK_FALSE(status.exited());
        CHECK(status.signal() == SIGTERM);
        CHECK(status.code() == -1);
    };
    executor.run(working());
    CHECK_FALSE(has_children());
}

TEST_CASE("a child that nobody waits for goes with its object", "[cxx][process]")
{
    const std::ptrdiff_t descriptors = open_descriptors();
    {
        tacet::process child(waiting_child()), moved(std::move(child));
        CHECK(has_children());
        child = std::move(moved);
        CHECK(has_children());
    }
    CHECK_FALSE(has_children());
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("a wait for a child that was cancelled takes nothing", "[cxx][process]")
{
    const bool by_pid = GENERATE(false, true);
    tacet::executor executor;
    tacet::process child(waiting_child());
    const auto wait = [&] { return by_pid ? tacet::wait_child(child.id()) : child.wait(); };
    auto cancelled = executor.spawn(wait());
    let_settle(executor);
    CHECK_FALSE(cancelled.has_exited());
    cancelled.cancel();
    executor.run_until_idle();
    CHECK(failure_of([&] { cancelled.take(); }).what ==
          "wait for a child: " + message_of(std::errc::operation_canceled));
    CHECK(has_children());
    const std::string line = "\n";
    auto writing = [&]() -> tacet::task<> { (void)co_await child.input().write(bytes_of(line)); };
    executor.run(writing());
    CHECK(executor.run(wait()).code() == 5);
    CHECK_FALSE(has_children());
}

TEST_CASE("an executor that is destroyed while a child is awaited leaves its status, or nothing", "[cxx][process]")
{
    const std::ptrdiff_t descriptors = open_descriptors();
    const bool ends = GENERATE(false, true), with_object = GENERATE(false, true);
    std::optional<tacet::process> outside;
    {
        tacet::executor executor;
        auto inside = [](tacet::process child) -> tacet::task<> { (void)co_await child.wait(); };
        auto beside = [](tacet::process& child) -> tacet::task<> { (void)co_await child.wait(); };
        tacet::process child(waiting_child());
        const pid_t id = child.id();
        const tacet::file input = std::move(child.input());
        if (with_object) {
            executor.spawn(inside(std::move(child)));
        } else {
            outside.emplace(std::move(child));
            executor.spawn(beside(*outside));
        }
        let_settle(executor);
        if (ends) {
            siginfo_t info;
            REQUIRE(::write(input.fd(), "\n", 1) == 1);
            REQUIRE(::waitid(P_PID, static_cast<id_t>(id), &info, WEXITED | WNOWAIT) == 0);
        }
    }
    CHECK(has_children() == !with_object);
    if (outside && ends) {
        tacet::executor another;
        CHECK(another.run(outside->wait()).code() == 5);
    }
    outside.reset();
    CHECK_FALSE(has_children());
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("several may wait for one child, and one takes its status for all", "[cxx][process]")
{
    tacet::executor executor;
    tacet::process child(waiting_child());
    auto one = executor.spawn(child.wait()), other = executor.spawn(child.wait());
    let_settle(executor);
    child.send(SIGKILL);
    executor.run_until_idle();
    CHECK(one.take().signal() == SIGKILL);
    CHECK(other.take().signal() == SIGKILL);
}

TEST_CASE("who is no child of ours is not waited for", "[cxx][process]")
{
    tacet::executor executor;
    CHECK(failure_of([&] { executor.run(tacet::wait_child(1)); }).code == std::errc::no_child_process);
    tacet::process child(shell("exit 0"));
    executor.run(child.wait());
    CHECK(failure_of([&] { executor.run(tacet::wait_child(child.id())); }).code == std::errc::no_child_process);
}

TEST_CASE("any child may be waited for", "[cxx][process]")
{
    tacet::executor executor;
    if (!tacet_executor_supports(executor.get(), TACET_OPCODE_WAITID))
        SKIP("Linux 6.7: waitid through the ring");
    auto working = [&]() -> tacet::task<> {
        tacet::process stays(waiting_child()), goes(shell("exit 9"));
        const siginfo_t looked = co_await tacet::wait_id(P_ALL, 0, WEXITED | WNOWAIT);
        CHECK(looked.si_pid == goes.id());
        CHECK(looked.si_status == 9);
        auto none = co_await tacet::as_result(tacet::wait_id(P_PID, 1, WEXITED));
        CHECK(none.error() == std::errc::no_child_process);
    };
    executor.run(working());
    CHECK_FALSE(has_children());
}

TEST_CASE("what a child is given and says may be more than its pipes hold", "[cxx][process]")
{
    const std::ptrdiff_t descriptors = open_descriptors();
    {
        tacet::executor executor;
        std::string much;
        for (int i = 0; much.size() < 3'000'000; i++)
            much += std::to_string(i) + '\n';
        auto working = [&]() -> tacet::task<> {
            tacet::process_options options = shell("tee /dev/stderr; exit 4");
            options.input = options.output = options.error = stream::pipe;
            tacet::process child(options);
            const tacet::process_output said = co_await child.communicate(much);
            CHECK(said.status.code() == 4);
            CHECK((said.output == much));
            CHECK((said.error == much));
            CHECK_FALSE(child.input());
        };
        executor.run(working());
    }
    CHECK(open_descriptors() == descriptors);
    CHECK_FALSE(has_children());
}

TEST_CASE("a child that does not read its input is no error, and no signal", "[cxx][process]")
{
    REQUIRE(::signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    tacet::executor executor;
    auto working = [&]() -> tacet::task<> {
        for (const char* script : {"exec <&-; echo said; exit 3", "read line; echo said; exit 3"}) {
            tacet::process_options options = shell(script);
            options.input = options.output = stream::pipe;
            tacet::process child(options);
            const tacet::process_output said = co_await child.communicate(std::string(1'000'000, '\n'));
            CHECK(said.status.code() == 3);
            CHECK(said.output == "said\n");
            CHECK(said.error.empty());
        }
    };
    executor.run(working());
    sigset_t pending;
    REQUIRE(::sigpending(&pending) == 0);
    CHECK(sigismember(&pending, SIGPIPE) == 0);
    CHECK_FALSE(has_children());
}

TEST_CASE("errors may go with the output, in their order", "[cxx][process]")
{
    tacet::executor executor;
    auto working = [&]() -> tacet::task<> {
        tacet::process_options options = shell("echo one; echo two >&2; echo three");
        options.output = stream::pipe;
        options.error = stream::with_output;
        tacet::process child(options);
        const tacet::process_output said = co_await child.communicate();
        CHECK(said.status.success());
        CHECK(said.output == "one\ntwo\nthree\n");
        CHECK(said.error.empty());
    };
    executor.run(working());
    tacet::process_options wrong = shell("exit 0");
    wrong.output = stream::with_output;
    CHECK(failure_of([&] { const tacet::process child(wrong); }).code == std::errc::invalid_argument);
    CHECK_FALSE(has_children());
}

TEST_CASE("a child that says more than it may is refused; input without a pipe too", "[cxx][process]")
{
    const std::ptrdiff_t descriptors = open_descriptors();
    {
        tacet::executor executor;
        auto working = [&]() -> tacet::task<> {
            tacet::process_options options = shell("exec yes");
            options.output = stream::pipe;
            tacet::process child(options);
            const auto much = co_await tacet::as_result(child.communicate({}, 100'000));
            CHECK(much.error() == std::errc::message_size);
            const auto given = co_await tacet::as_result(child.communicate("input"));
            CHECK(given.error() == std::errc::invalid_argument);
            options = shell("printf 12345");
            options.output = stream::pipe;
            tacet::process exact(options);
            const tacet::process_output said = co_await exact.communicate({}, 5);
            CHECK(said.output == "12345");
        };
        executor.run(working());
    }
    CHECK(open_descriptors() == descriptors);
    CHECK_FALSE(has_children());
}

TEST_CASE("talking to a child can be cancelled, and the child goes with its owner", "[cxx][process]")
{
    const std::ptrdiff_t descriptors = open_descriptors();
    {
        tacet::executor executor;
        auto working = [&]() -> tacet::task<> {
            tacet::process_options options = shell("exec cat");
            options.input = options.output = stream::pipe;
            tacet::process idle(shell("exec sleep 1000"));
            tacet::process child(options);
            auto late = tacet::with_deadline(1ms, idle.communicate());
            const auto ended = co_await tacet::as_result(std::move(late));
            CHECK(tacet::is_timeout(ended.error()));
            tacet_task_cancel(co_await tacet::this_task());
            const auto cancelled = co_await tacet::as_result(child.communicate(std::string(1'000'000, 'x')));
            CHECK(cancelled.error() == std::errc::operation_canceled);
        };
        executor.run(working());
    }
    CHECK(open_descriptors() == descriptors);
    CHECK_FALSE(has_children());
}

TEST_CASE("a status that came for nobody any more is there for the next who asks", "[cxx][process]")
{
    tacet::process child(shell("kill -STOP $$; exit 9"));
    {
        tacet::executor executor;
        if (!tacet_executor_supports(executor.get(), TACET_OPCODE_WAITID))
            SKIP("Linux 6.7: waitid through the ring");
        auto waiting = [&]() -> tacet::task<> {
            (void)co_await tacet::wait_id(P_PID, static_cast<id_t>(child.id()), WEXITED);
        };
        executor.spawn(waiting());
        let_settle(executor);
        siginfo_t info;
        REQUIRE(::waitid(P_PID, static_cast<id_t>(child.id()), &info, WSTOPPED) == 0);
        REQUIRE(::kill(child.id(), SIGCONT) == 0); // not before: what has exited while it runs is taken there
        REQUIRE(::waitid(P_PID, static_cast<id_t>(child.id()), &info, WEXITED | WNOWAIT) == 0);
    }
    tacet::executor executor;
    auto asking = [&]() -> tacet::task<> {
        const siginfo_t info = co_await tacet::wait_id(P_PID, static_cast<id_t>(child.id()), WEXITED);
        CHECK(info.si_status == 9);
        auto none = co_await tacet::as_result(tacet::wait_id(P_PID, static_cast<id_t>(child.id()), WEXITED));
        CHECK(none.error() == std::errc::no_child_process);
    };
    executor.run(asking());
}
