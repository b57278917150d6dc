// What raw_switch_x86_64.S takes and leaves: the switch, and the first context of a stack.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {
void bench_raw_switch(void** save_sp, void* load_sp);
void bench_raw_switch_entry();
}

namespace bench::baseline {

// As the assembly lays it out.
struct raw_saved_context {
    std::uint32_t mxcsr;
    std::uint32_t x87_control_word;
    void* r12;
    void* r13;
    void* r14;
    void* r15;
    void* rbx;
    void* rbp;
    void (*return_to)();
};

// Returns the stack pointer with which the first switch to it calls body(argument), whose frames lie below `top`, which
// is a multiple of 16.
template <class T>
void* prepare_raw_stack(std::byte* top, void (*body)(T*) noexcept, T* argument) noexcept
{
    auto* saved = reinterpret_cast<raw_saved_context*>(top - sizeof(raw_saved_context) - sizeof(void*) * 2);
    saved->mxcsr = 0x1f80; // the defaults of the ABI
    saved->x87_control_word = 0x037f;
    saved->rbx = reinterpret_cast<void*>(body);
    saved->r12 = argument;
    saved->return_to = bench_raw_switch_entry;
    return saved;
}

}
