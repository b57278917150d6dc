/*
 * A signal at each instruction: the trap flag of x86-64 calls a handler after one instruction after the other, and at the
 * chosen one does what is to be tried there. Where a sanitizer has put its own code between, it would step through that.
 */
#ifndef SUPPORT_STEPPING_HPP
#define SUPPORT_STEPPING_HPP

#include "support/support.hpp"

#include <csignal>
#include <cstddef>
#include <ucontext.h>

namespace support {

#if defined(__x86_64__) && !TACET_ADDRESS_SANITIZER && !TACET_THREAD_SANITIZER

inline const bool can_step = true;

/* All are tried of code that was optimised; of other code, which has many more, one in so many. */
#if defined(__OPTIMIZE__)
inline const std::size_t stride_max = 1;
#else
inline const std::size_t stride_max = 16;
#endif

struct stepping {
    std::size_t left = 0;
    const std::function<void()>* interruption = nullptr;
    bool interrupted = false;
};
inline stepping steps;

inline void on_step(int, siginfo_t*, void* context)
{
    if (--steps.left > 0)
        return;
    static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] &= ~0x100ll;
    steps.interrupted = true;
    (*steps.interruption)();
}

/* The red zone of the caller lies below its stack pointer. */
inline void set_trap_flag(bool on)
{
    asm volatile("subq $128, %%rsp\n\tpushfq\n\tandq $~0x100, (%%rsp)\n\torq %0, (%%rsp)\n\tpopfq\n\t"
                 "leaq 128(%%rsp), %%rsp"
                 :
                 : "r"(on ? 0x100ul : 0ul)
                 : "memory", "cc");
}

/* Does the work, with an interruption by a signal after so many instructions; false: it was over before. */
inline bool interrupted_at(std::size_t instruction, const std::function<void()>& work,
                           const std::function<void()>& interruption)
{
    struct sigaction action = {}, before = {};
    action.sa_sigaction = on_step;
    action.sa_flags = SA_SIGINFO;
    REQUIRE(::sigaction(SIGTRAP, &action, &before) == 0);
    steps = {instruction, &interruption, false};
    set_trap_flag(true);
    work();
    set_trap_flag(false);
    REQUIRE(::sigaction(SIGTRAP, &before, nullptr) == 0);
    return steps.interrupted;
}

#else

inline const bool can_step = false;
inline const std::size_t stride_max = 1;

inline bool interrupted_at(std::size_t, const std::function<void()>&, const std::function<void()>&)
{
    return false;
}

#endif

}

#endif
