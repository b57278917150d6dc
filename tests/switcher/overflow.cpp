/* What is said when a stack overflows, and that nothing else about the end of the process changes. */
#include "support/support.hpp"

#include <csignal>
#include <cstdlib>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

using namespace support;

namespace {

/* How the child ended, and what it wrote on standard error. */
struct ending {
    int status;
    std::string said;
};

ending end_of(const std::function<int()>& run)
{
    support::pipe errors;
    const int status = in_child([&] {
        const rlimit no_core = {0, 0};
        ::setrlimit(RLIMIT_CORE, &no_core);
        std::signal(SIGSEGV, SIG_DFL);
        ::dup2(errors.fds[1], STDERR_FILENO);
        return run();
    });
    errors.close_writer();
    std::string said(4096, '\0');
    const ssize_t bytes = ::read(errors.fds[0], said.data(), said.size());
    said.resize(bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
    return {status, said};
}

/* Uses up the stack, as a function without bottom would. */
[[gnu::noinline]] int overflow(volatile int* depth)
{
    volatile char frame[256];
    frame[0] = static_cast<char>(*depth);
    *depth = *depth + 1;
    return *depth > 0 ? overflow(depth) + frame[0] : 0;
}

[[gnu::noinline]] int follow_null()
{
    volatile int* volatile nowhere = reinterpret_cast<int*>(
        std::strtoul("0", nullptr, 10)); /* which no analysis knows */
    return *nowhere;
}

enum class deed { overflows, follows_null, raises };

int commit(deed deed)
{
    volatile int depth = 0;
    return deed == deed::overflows      ? overflow(&depth)
           : deed == deed::follows_null ? follow_null()
                                        : std::raise(SIGSEGV);
}

/* A kind's fresh instance: the first stack in the process is yet to be made. */
tacet_switcher* fresh(const switcher_kind& kind)
{
    const tacet_switcher_ops* ops = std::string(kind.name) == "setjmp" ? &tacet_setjmp_ops
#if defined(__x86_64__) || defined(__aarch64__)
                                    : std::string(kind.name) == "copying" ? &tacet_copying_ops
                                                                          : &tacet_asm_ops;
#else
                                                                       : nullptr;
#endif
    tacet_switcher* switcher = nullptr;
    return tacet_switcher_create(&switcher, ops, nullptr) == 0 ? switcher : nullptr;
}

int commit_in_task(tacet_switcher* switcher, deed what)
{
    static deed the_deed;
    the_deed = what;
    tacet_executor_options executor_options = {};
    tacet_executor* executor = nullptr;
    tacet_task_options options = {};
    options.name = "the deep one";
    options.stack_bytes = 128 * 1024;
    tacet_task* task = nullptr;
    if (tacet_executor_create(&executor, &executor_options) != 0 || tacet_task_create(&task, switcher, &options) != 0)
        return 1;
    tacet_task_set_body(
        task, [](tacet_task*, void*) -> tacet_result { return commit(the_deed); }, nullptr);
    if (tacet_task_attach(executor, task) != 0 || tacet_executor_run(executor, 1, nullptr) != 1)
        return 2;
    return 3;
}

int commit_in_context(tacet_switcher* switcher)
{
    static tacet_context context;
    if (tacet_context_create(&context, switcher, 0) != 0)
        return 1;
    tacet_context_prepare(&context, [](tacet_context*) { commit(deed::overflows); });
    return tacet_context_resume(&context, 0) == 0 ? 2 : 3;
}

bool starts_with(const std::string& text, const std::string& start)
{
    return text.compare(0, start.size(), start) == 0;
}

bool has_handler_of_its_own()
{
    return TACET_ADDRESS_SANITIZER || TACET_THREAD_SANITIZER;
}

#define SKIP_WITH_SANITIZERS()                                                                                         \
    if (has_handler_of_its_own())                                                                                      \
    SKIP("a sanitizer has the signal's handler")

}

TEST_CASE("a task that overflows its stack is named before it kills the process", "[overflow]")
{
    SKIP_WITH_SANITIZERS();
    const switcher_kind& kind = GENERATE(from_range(own_stack_switchers()));
    const bool on_a_thread = GENERATE(false, true);
    CAPTURE(kind.name, on_a_thread);
    const ending end = end_of([&] {
        const auto run = [&] { ::_exit(commit_in_task(fresh(kind), deed::overflows)); };
        if (on_a_thread)
            std::thread(run).join();
        run();
        return 0;
    });
    CHECK(end.status == -SIGSEGV);
    CAPTURE(end.said);
    CHECK(starts_with(end.said, "tacet: task \"the deep one\" overflowed its stack of 128 KiB (task 0x"));
    CHECK(end.said.find('\n') == end.said.size() - 1);
}

TEST_CASE("a context that overflows its stack is told from a task", "[overflow]")
{
    SKIP_WITH_SANITIZERS();
    const switcher_kind& kind = GENERATE(from_range(own_stack_switchers()));
    const ending end = end_of([&] { return commit_in_context(fresh(kind)); });
    CHECK(end.status == -SIGSEGV);
    CAPTURE(kind.name, end.said);
    CHECK(starts_with(end.said, "tacet: a context overflowed its stack of 64 KiB (context 0x"));
}

TEST_CASE("what kills a process without an overflow is not called one", "[overflow]")
{
    SKIP_WITH_SANITIZERS();
    const switcher_kind& kind = GENERATE(from_range(own_stack_switchers()));
    const deed deed = GENERATE(deed::follows_null, deed::raises);
    const ending end = end_of([&] { return commit_in_task(fresh(kind), deed); });
    CHECK(end.status == -SIGSEGV);
    CHECK(end.said.empty());
}

TEST_CASE("a handler that the program has stays the program's", "[overflow]")
{
    SKIP_WITH_SANITIZERS();
    const switcher_kind& kind = GENERATE(from_range(own_stack_switchers()));
    const ending end = end_of([&] {
        static char room[64 * 1024];
        stack_t alternate = {};
        alternate.ss_sp = room;
        alternate.ss_size = sizeof room;
        ::sigaltstack(&alternate, nullptr);
        struct sigaction own = {};
        own.sa_handler = [](int) { ::_exit(42); };
        own.sa_flags = SA_ONSTACK;
        ::sigaction(SIGSEGV, &own, nullptr);
        return commit_in_task(fresh(kind), deed::overflows);
    });
    CHECK(end.status == 42);
    CHECK(end.said.empty());
}

TEST_CASE("reports of overflows can be switched off, before and after, and on again", "[overflow]")
{
    SKIP_WITH_SANITIZERS();
    const int when = GENERATE(0, 1, 2);
    const ending end = end_of([&] {
        tacet_switcher* switcher = fresh(own_stack_switchers().front());
        if (when == 0)
            tacet_switcher_report_overflows(false);
        tacet_context first;
        if (tacet_context_create(&first, switcher, 32 * 1024) != 0)
            return 9;
        if (when > 0)
            tacet_switcher_report_overflows(false);
        struct sigaction present = {};
        if (::sigaction(SIGSEGV, nullptr, &present) != 0 || present.sa_handler != SIG_DFL)
            return 8;
        if (when == 2)
            tacet_switcher_report_overflows(true);
        return commit_in_task(switcher, deed::overflows);
    });
    CHECK(end.status == -SIGSEGV);
    CHECK(end.said.empty() == (when < 2));
}
