// What a thread does between two looks at a word that another is about to change.
#pragma once

namespace bench {

inline void relax() noexcept
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("isb" ::: "memory");
#endif
}

}
