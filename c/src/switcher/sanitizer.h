/*
 * What the sanitizers are told of switches between stacks. Written once, for every kind that switches; nothing in other
 * builds.
 *
 *     resumer's stack:  sanitizer_resume()  ...switch...                              sanitizer_resumed()
 *     context's stack:      sanitizer_started() ... sanitizer_suspend() ...switch... sanitizer_suspended() ... sanitizer_exit()
 *
 * All are inlined: ThreadSanitizer keeps a stack of the functions entered for each fiber, and who switches must not
 * return from one in between.
 */
#ifndef SWITCHER_SANITIZER_H
#define SWITCHER_SANITIZER_H

#include "switcher/valgrind.h"

#include <tacet/context.h>

#include <setjmp.h>

#if TACET_ADDRESS_SANITIZER
#include <dlfcn.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if TACET_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
#endif

#define SANITIZED (TACET_ADDRESS_SANITIZER || TACET_THREAD_SANITIZER)
#define SANITIZER_INLINE static inline __attribute__((always_inline))

/* Of the side that is away, on its stack. */
struct sanitizer_side {
    void *fake_stack;
};

SANITIZER_INLINE void sanitizer_resume(struct sanitizer_side *side, struct tacet_context *context, const void *base,
                                       size_t bytes)
{
#if TACET_ADDRESS_SANITIZER
    __sanitizer_start_switch_fiber(&side->fake_stack, base, bytes);
#endif
#if TACET_THREAD_SANITIZER
    if (context->fiber == NULL)
        context->fiber = __tsan_create_fiber(0);
    context->resumer_fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(context->fiber, 0);
#endif
    (void)side, (void)context, (void)base, (void)bytes;
}

SANITIZER_INLINE void sanitizer_resumed(const struct sanitizer_side *side)
{
#if TACET_ADDRESS_SANITIZER
    __sanitizer_finish_switch_fiber(side->fake_stack, NULL, NULL);
#endif
    (void)side;
}

SANITIZER_INLINE void sanitizer_suspended(const struct sanitizer_side *side, struct tacet_context *context)
{
#if TACET_ADDRESS_SANITIZER
    const void *base = NULL;
    size_t bytes = 0;
    __sanitizer_finish_switch_fiber(side != NULL ? side->fake_stack : NULL, &base, &bytes);
    context->resumer_stack.base = base;
    context->resumer_stack.bytes = bytes;
#endif
    (void)side, (void)context;
}

SANITIZER_INLINE void sanitizer_started(struct tacet_context *context)
{
    sanitizer_suspended(NULL, context);
}

/* side NULL: nothing comes back to this stack. */
SANITIZER_INLINE void sanitizer_suspend(struct sanitizer_side *side, struct tacet_context *context)
{
#if TACET_ADDRESS_SANITIZER
    __sanitizer_start_switch_fiber(side != NULL ? &side->fake_stack : NULL, context->resumer_stack.base,
                                   context->resumer_stack.bytes);
#endif
#if TACET_THREAD_SANITIZER
    __tsan_switch_to_fiber(context->resumer_fiber, 0);
#endif
    (void)side, (void)context;
}

SANITIZER_INLINE void sanitizer_exit(struct tacet_context *context)
{
    sanitizer_suspend(NULL, context);
}

/*
 * _longjmp to another stack. AddressSanitizer's own wrapper takes it for the end of frames on this one and unpoisons what they
 * still need, or warns that it cannot; so do compilers before a call that does not return. ThreadSanitizer's is needed.
 */
SANITIZER_INLINE __attribute__((noreturn)) void sanitizer_longjmp(jmp_buf registers)
{
#if TACET_ADDRESS_SANITIZER
    static void *found; /* the C library's own */
    void *libc_longjmp = __atomic_load_n(&found,
                                         __ATOMIC_RELAXED); /* whichever thread stores it: they all find the same */
    if (libc_longjmp == NULL) {
        libc_longjmp = dlsym(dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD), "_longjmp");
        __atomic_store_n(&found, libc_longjmp, __ATOMIC_RELAXED);
    }
    ((void (*)(jmp_buf, int))libc_longjmp)(registers, 1);
    __builtin_unreachable();
#else
    _longjmp(registers, 1);
#endif
}

/* The context will not be resumed where it stands. On the resumer's stack. */
static inline void sanitizer_forget(struct tacet_context *context)
{
#if TACET_THREAD_SANITIZER
    if (context->fiber != NULL)
        __tsan_destroy_fiber(context->fiber);
    context->fiber = NULL;
#endif
    (void)context;
}

/* Frames that were never returned from leave their poison behind, others addresses that Valgrind forbids. */
static inline void sanitizer_stack_reusable(const void *base, size_t bytes)
{
    valgrind_forget(base, bytes);
#if TACET_ADDRESS_SANITIZER
    ASAN_UNPOISON_MEMORY_REGION(base, bytes);
#endif
    (void)base, (void)bytes;
}

#endif
