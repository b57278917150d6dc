/*
 * The switch between two stacks, behind `asm` and `copying`: the part in assembly, one file an architecture, and what goes
 * around it whoever uses it (exceptions of the C++ runtime, errno, sanitizers).
 *
 * The assembly knows two words, wherever they lie: the stack pointer of who is suspended, and that of its resumer. For
 * `asm` they are the context's, for `copying` those of the execution stack.
 *
 * In builds without sanitizers each of these calls is the last act of its caller, a jump: so no return is executed between
 * two switches, which the processor's return predictor could only get wrong.
 */
#ifndef SWITCHER_SWITCH_H
#define SWITCHER_SWITCH_H

#include "switcher/control_words.h"
#include "switcher/exceptions.h"
#include "switcher/sanitizer.h"
#include "switcher/thread.h"

struct switch_words {
    void *stack_pointer;
    void *resumer_stack_pointer;
};

/* control_words: the resumer's, to come back to. errno_location: of this thread; it receives the context's errno. */
void switch_resume(struct switch_words *words, int64_t value, uint64_t control_words, int *errno_location);
int64_t switch_suspend(struct switch_words *words, const int *errno_location);

/* Back to the resumer for good. */
__attribute__((noreturn)) void switch_finish(const struct switch_words *words);

/*
 * Lays the first frame of a context below top, which is aligned to 16: what to resume. It makes three calls, by itself, so
 * that `copying` has no frame of ours to copy: switch_started(context), entry(context), switch_ended(context).
 */
void *switch_first_frame(char *top, struct tacet_context *context, tacet_context_entry *entry);
void switch_started(struct tacet_context *context);
void switch_ended(struct tacet_context *context);

/* A context and the stack that it runs on. */
struct switch_place {
    struct switch_words *words;
    struct tacet_context *context;
    const char *base;
    size_t bytes;
};

static inline void switch_to(struct switch_place place, int64_t value, uint64_t control_words, int *errno_location)
{
#if SANITIZED
    struct sanitizer_side side;
    sanitizer_resume(&side, place.context, place.base, place.bytes);
    switch_resume(place.words, value, control_words, errno_location);
    sanitizer_resumed(&side);
#else
    switch_resume(place.words, value, control_words, errno_location);
#endif
}

static inline int64_t switch_back(struct switch_words *words, struct tacet_context *context)
{
#if SANITIZED
    struct sanitizer_side side;
    sanitizer_suspend(&side, context);
    int64_t value = switch_suspend(words, thread_state.errno_location);
    sanitizer_suspended(&side, context);
    return value;
#else
    (void)context;
    return switch_suspend(words, thread_state.errno_location);
#endif
}

/* The same where an exception is in flight or being handled: each side keeps its own. */
void switch_to_with_exceptions(struct switch_place place, int64_t value);
int64_t switch_back_with_exceptions(struct switch_words *words, struct tacet_context *context);

/* The switcher's `resume`: what its resumer is doing is not known. */
static inline void switch_in(struct switch_place place, int64_t value)
{
    if (TACET_UNLIKELY(exceptions_any(thread_state.exceptions)))
        switch_to_with_exceptions(place, value);
    else
        switch_to(place, value, control_words(), thread_state.errno_location);
}

/* The switcher's `suspend`. */
static inline int64_t switch_out(struct switch_words *words, struct tacet_context *context)
{
    if (TACET_UNLIKELY(exceptions_any(thread_state.exceptions)))
        return switch_back_with_exceptions(words, context);
    return switch_back(words, context);
}

/* The switcher's `exit`. */
__attribute__((noreturn)) void switch_exit(struct switch_words *words, struct tacet_context *context);

#endif
