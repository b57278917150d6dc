/* What a switch between stacks must keep: registers, control words, exceptions in flight, the stack itself. */
#include "switcher/kinds.hpp"

#include <cerrno>
#include <cfenv>
#include <csignal>
#include <cstdint>
#include <exception>
#include <execinfo.h>
#include <stdexcept>
#include <string>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

using namespace support;

#if defined(__x86_64__)

/*
 * uint64_t test_registers(tacet_result (*call)(tacet_task *), tacet_task *task, uint64_t pattern)
 *
 * Fills the callee-saved registers, makes the call, and returns how far they are from what they were. Stack: pattern at
 * [sp], aligned for the call.
 */
asm(R"(
    .text
    .globl test_registers
    .type test_registers, @function
test_registers:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    subq $24, %rsp
    movq %rdx, (%rsp)
    movq %rdi, %rax
    movq %rsi, %rdi
    leaq 1(%rdx), %rbx
    leaq 2(%rdx), %rbp
    leaq 3(%rdx), %r12
    leaq 4(%rdx), %r13
    leaq 5(%rdx), %r14
    leaq 6(%rdx), %r15
    call *%rax
    movq (%rsp), %rdx
    subq %rdx, %rbx
    subq $1, %rbx
    movq %rbx, %rax
    subq %rdx, %rbp
    subq $2, %rbp
    orq %rbp, %rax
    subq %rdx, %r12
    subq $3, %r12
    orq %r12, %rax
    subq %rdx, %r13
    subq $4, %r13
    orq %r13, %rax
    subq %rdx, %r14
    subq $5, %r14
    orq %r14, %rax
    subq %rdx, %r15
    subq $6, %r15
    orq %r15, %rax
    addq $24, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size test_registers, . - test_registers
)");
extern "C" std::uint64_t test_registers(tacet_result (*call)(tacet_task*), tacet_task* task, std::uint64_t pattern);

#endif

namespace {

std::vector<task> many(const switcher_kind& switcher, tacet_executor* executor, int count,
                       const std::function<tacet_result(tacet_task*, int)>& body)
{
    std::vector<task> tasks;
    for (int i = 0; i < count; i++) {
        tasks.emplace_back(switcher, std::vector<call>{[body, i](tacet_task* self) { return body(self, i); }});
        tasks.back().attach(executor);
    }
    return tasks;
}

void check_all(const std::vector<task>& tasks, tacet_result expected)
{
    for (const task& each : tasks)
        CHECK(tacet_task_result(each) == expected);
}

void suspend(tacet_task* self, tacet_result (*call)(tacet_task*) = tacet_yield)
{
    CHECK(call(self) == 0);
}

}

#if defined(__x86_64__)

namespace {

std::uint16_t x87_control_word()
{
    std::uint16_t word;
    asm volatile("fnstcw %0" : "=m"(word));
    return word;
}

void set_x87_control_word(std::uint16_t word)
{
    asm volatile("fldcw %0" : : "m"(word));
}

const unsigned mxcsr_control = 0xffc0;

}

TEST_CASE("callee-saved registers survive every suspension", "[own_stack]")
{
    const switcher_kind switcher = GENERATE(from_range(stackful_ways()));
    executor executor;
    const std::vector<task> tasks = many(switcher, executor, 5, [](tacet_task* self, int number) -> tacet_result {
        std::uint64_t distance = 0;
        for (std::uint64_t i = 0; i < 200; i++) {
            const std::uint64_t pattern = 0x0123456789abcdef * (i + 1) + static_cast<std::uint64_t>(number);
            distance |= test_registers(i % 4 == 0 ? tacet_nop : tacet_yield, self, pattern);
        }
        return static_cast<tacet_result>(distance);
    });
    CHECK(executor.run_until_idle() > 1000);
    check_all(tasks, 0);
}

TEST_CASE("each task has its own rounding modes and control words, and the executor's thread keeps its own",
          "[own_stack]")
{
    const switcher_kind switcher = GENERATE(from_range(stackful_ways()));
    executor executor;
    const unsigned mxcsr = _mm_getcsr() & mxcsr_control;
    const std::uint16_t x87 = x87_control_word();
    _mm_setcsr(_mm_getcsr() | _MM_ROUND_DOWN | _MM_FLUSH_ZERO_ON);
    set_x87_control_word(0x77f);
    const std::vector<task> tasks = many(switcher, executor, 4, [](tacet_task* self, int number) -> tacet_result {
        if ((_mm_getcsr() & mxcsr_control) != 0x1f80 || x87_control_word() != 0x37f)
            return 1; /* a task starts with the ABI's */
        const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
        std::fesetround(modes[number]);
        if (number == 1)
            _mm_setcsr(_mm_getcsr() | _MM_FLUSH_ZERO_ON);
        if (number == 2)
            set_x87_control_word(x87_control_word() & 0xfcff); /* single precision */
        const unsigned own_mxcsr = _mm_getcsr() & mxcsr_control;
        const std::uint16_t own_x87 = x87_control_word();
        volatile float three = 3;
        const float third = 1 / three;
        for (int i = 0; i < 50; i++) {
            if ((i % 5 == 0 ? tacet_nop(self) : tacet_yield(self)) != 0)
                return 2;
            if (std::fegetround() != modes[number] || (_mm_getcsr() & mxcsr_control) != own_mxcsr)
                return 3;
            if (x87_control_word() != own_x87 || 1 / three != third)
                return 4;
        }
        return 0;
    });
    const tacet_result items = executor.run_until_idle();
    const unsigned mxcsr_after = _mm_getcsr() & mxcsr_control;
    const std::uint16_t x87_after = x87_control_word();
    _mm_setcsr(mxcsr);
    set_x87_control_word(x87);
    CHECK(items == 4 * 51);
    CHECK(mxcsr_after == (mxcsr | _MM_ROUND_DOWN | _MM_FLUSH_ZERO_ON));
    CHECK(x87_after == 0x77f);
    check_all(tasks, 0);
}

#endif

TEST_CASE("each task has its own errno and rounding mode, whatever else runs meanwhile", "[own_stack]")
{
    const switcher_kind switcher = GENERATE(from_range(stackful_ways()));
    executor executor;
    const std::vector<task> tasks = many(switcher, executor, 4, [](tacet_task* self, int number) -> tacet_result {
        if (errno != 0 || std::fegetround() != FE_TONEAREST)
            return 1;
        const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
        std::fesetround(modes[number]);
        errno = 1000 + number;
        for (int i = 0; i < 50; i++) {
            if ((i % 5 == 0 ? tacet_nop(self) : tacet_yield(self)) != 0)
                return 2;
            if (std::fegetround() != modes[number] || errno != 1000 + number)
                return 3;
        }
        return 0;
    });
    std::fesetround(FE_UPWARD);
    const tacet_result items = executor.run_until_idle();
    const int mode_after = std::fegetround();
    std::fesetround(FE_TONEAREST);
    CHECK(items == 4 * 51);
    CHECK(mode_after == FE_UPWARD);
    check_all(tasks, 0);
}

namespace {

int number_of_current_exception()
{
    try {
        throw;
    } catch (const std::runtime_error& error) {
        return std::stoi(error.what());
    }
}

/* Throws, suspends in the catch block, throws and suspends again inside it, rethrows. */
tacet_result juggle_exceptions(tacet_task* self, int number)
{
    int caught = 0;
    try {
        try {
            throw std::runtime_error(std::to_string(number));
        } catch (const std::runtime_error&) {
            suspend(self);
            try {
                throw std::runtime_error(std::to_string(number + 1000));
            } catch (const std::runtime_error&) {
                suspend(self, tacet_nop);
                caught += number_of_current_exception() == number + 1000;
            }
            suspend(self);
            caught += number_of_current_exception() == number;
            suspend(self);
            throw;
        }
    } catch (const std::runtime_error& error) {
        suspend(self);
        caught += error.what() == std::to_string(number);
    }
    return caught == 3 && std::uncaught_exceptions() == 0 && std::current_exception() == nullptr ? 0 : -1;
}

struct suspends_in_destructor {
    tacet_task* task;
    int* uncaught;
    ~suspends_in_destructor()
    {
        suspend(task);
        *uncaught = std::uncaught_exceptions();
        suspend(task);
    }
};

}

TEST_CASE("tasks suspend inside catch blocks, interleaved, and each keeps its own exceptions", "[own_stack]")
{
    const switcher_kind switcher = GENERATE(from_range(stackful_ways()));
    executor executor;
    const std::vector<task> tasks = many(switcher, executor, 20, juggle_exceptions);
    CHECK(executor.run_until_idle() > 100);
    check_all(tasks, 0);
    CHECK(std::current_exception() == nullptr);
}

TEST_CASE("a task that suspends while an exception unwinds it leaves the others without one", "[own_stack]")
{
    const switcher_kind switcher = GENERATE(from_range(stackful_ways()));
    executor executor;
    const std::vector<task> tasks = many(switcher, executor, 6, [](tacet_task* self, int number) -> tacet_result {
        if (number % 2 == 1) {
            tacet_result seen = 0;
            for (int i = 0; i < 5; i++) {
                seen += std::uncaught_exceptions();
                suspend(self);
            }
            return seen;
        }
        int uncaught = 0;
        try {
            suspends_in_destructor guard{self, &uncaught};
            throw std::runtime_error("on the way");
        } catch (const std::runtime_error&) {
            return uncaught == 1 ? 0 : -1;
        }
        return -2;
    });
    CHECK(executor.run_until_idle() > 20);
    CHECK(std::uncaught_exceptions() == 0);
    check_all(tasks, 0);
}

namespace {

/* Suspends at every depth on the way down and up; whether all of the stack was as it had been left. */
[[gnu::noinline]] bool descend(tacet_task* self, const char* top, std::ptrdiff_t bytes, int depth)
{
    volatile char frame[512];
    for (std::size_t i = 0; i < sizeof frame; i++)
        frame[i] = static_cast<char>(depth + static_cast<int>(i));
    suspend(self);
    const bool deeper = top - const_cast<const char*>(&frame[0]) < bytes;
    bool intact = !deeper || descend(self, top, bytes, depth + 1);
    suspend(self);
    for (std::size_t i = 0; i < sizeof frame; i++)
        intact &= frame[i] == static_cast<char>(depth + static_cast<int>(i));
    return intact;
}

/* Uses up the stack, as a body without bottom would. */
[[gnu::noinline]] int overflow(volatile int* depth)
{
    volatile char frame[256];
    frame[0] = static_cast<char>(*depth);
    *depth = *depth + 1;
    return *depth > 0 ? overflow(depth) + frame[0] : 0;
}

}

TEST_CASE("tasks recurse deep into their stacks, side by side, suspending all the way", "[own_stack]")
{
    const switcher_kind switcher = GENERATE(from_range(stackful_ways()));
    executor executor;
    const std::vector<task> tasks = many(switcher, executor, 4, [](tacet_task* self, int) -> tacet_result {
        const char top = 0;
        return descend(self, &top, 200 * 1024, 1) ? 0 : -1; /* of 256 KiB */
    });
    CHECK(executor.run_until_idle() > 800);
    check_all(tasks, 0);
}

TEST_CASE("a task that overflows its stack hits the guard, and nobody else's memory", "[own_stack]")
{
    const switcher_kind switcher = GENERATE(from_range(stackful_ways()));
    const bool neighbour = GENERATE(false, true);
    CHECK(in_child([&] {
              std::signal(SIGSEGV, SIG_DFL);
              tacet_executor* executor = nullptr;
              tacet_executor_options options = {};
              if (tacet_executor_create(&executor, &options) != 0)
                  return 1;
              tacet_task *below = nullptr, *task = nullptr; /* stacks are carved upwards */
              if (neighbour && tacet_task_create(&below, switcher.instance(), nullptr) != 0)
                  return 2;
              if (tacet_task_create(&task, switcher.instance(), nullptr) != 0)
                  return 3;
              const auto body = [](tacet_task*, void*) -> tacet_result {
                  volatile int depth = 0;
                  return overflow(&depth);
              };
              tacet_task_set_body(task, body, nullptr);
              if (tacet_task_attach(executor, task) != 0)
                  return 4;
              return tacet_executor_run(executor, 1, nullptr) == 1 ? 5 : 6;
          }) == -SIGSEGV);
}

TEST_CASE("a backtrace from a task ends at the task's first frame", "[own_stack]")
{
    const switcher_kind switcher = GENERATE(from_range(stackful_ways()));
    executor executor;
    int frames = 0, frames_later = 0;
    task traces(switcher, {[&](tacet_task* self) {
                    void* addresses[200];
                    frames = ::backtrace(addresses, 200);
                    const tacet_result r = tacet_yield(self);
                    frames_later = ::backtrace(addresses, 200);
                    return r;
                }});
    traces.attach(executor);
    CHECK(executor.run_until_idle() == 2);
    CHECK(frames > 2);
    CHECK(frames < 100);
    CHECK(frames_later == frames);
}
