/*
 * What AddressSanitizer is told of switches between stacks. Written once, for every kind that switches; nothing in other
 * builds.
 *
 * Around a switch: before() on the stack that is left, after() as the first act on the one that is come to.
 */
#ifndef SWITCHER_SANITIZER_H
#define SWITCHER_SANITIZER_H

#include <tacet/switcher_interface.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif

#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

struct sanitizer_switch {
    void *fake_stack;
};

/* to: the stack that is switched to; dying: nothing comes back to the present one. */
static inline void sanitizer_before(struct sanitizer_switch *state, const struct tacet_stack *to, bool dying)
{
#ifdef HAS_ASAN
    __sanitizer_start_switch_fiber(dying ? NULL : &state->fake_stack, to->base, to->bytes);
#endif
    (void)state, (void)to, (void)dying;
}

/* from (may be NULL): receives the bounds of the stack that was left. state NULL: the first time on this stack. */
static inline void sanitizer_after(const struct sanitizer_switch *state, struct tacet_stack *from)
{
#ifdef HAS_ASAN
    const void *base = NULL;
    size_t bytes = 0;
    __sanitizer_finish_switch_fiber(state != NULL ? state->fake_stack : NULL, &base, &bytes);
    if (from != NULL)
        *from = (struct tacet_stack){(char *)base, bytes};
#endif
    (void)state, (void)from;
}

/* Frames that were never returned from leave their poison behind. */
static inline void sanitizer_stack_reusable(const struct tacet_stack *stack)
{
#ifdef HAS_ASAN
    ASAN_UNPOISON_MEMORY_REGION(stack->base, stack->bytes);
#endif
    (void)stack;
}

#endif
