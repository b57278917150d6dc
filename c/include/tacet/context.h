/*
 * Contexts: switchers without an executor, for those who bring a scheduler of their own.
 *
 * A context is a flow of control that its resumer starts and continues like a call, and that may give the processor back in
 * the middle. The struct is the caller's, who embeds it where he likes; it must not move between create and destroy.
 *
 *     tacet_context_create(&context, tacet_switcher_copying(), NULL);
 *     tacet_context_prepare(&context, entry);
 *     while (tacet_context_resume(&context, value) == TACET_CONTEXT_SUSPENDED)   the scheduler's loop
 *         ...
 *     tacet_context_destroy(&context);
 *
 * A context belongs to the thread that resumes it first, from then until it has finished: compilers keep addresses of
 * thread-local variables across a suspension. Contexts may resume contexts; one that runs cannot be resumed. The
 * floating-point control words, errno and the exceptions of the C++ runtime go with the context; the signal mask does not.
 *
 * One that never suspends runs as a plain call: nothing of its own is copied or allocated. Tasks of an executor have contexts
 * too, but those are the executor's: in a task, tacet_context_self() is NULL.
 */
#ifndef TACET_CONTEXT_H
#define TACET_CONTEXT_H

#include <tacet/switcher.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tacet_context_state {
    TACET_CONTEXT_SUSPENDED = 0, /* prepared, or given up: it may be resumed */
    TACET_CONTEXT_FINISHED = 1,
    TACET_CONTEXT_RUNNING = 2, /* so is one that resumed another and waits for it */
    TACET_CONTEXT_UNPREPARED = 3,
};

/* Layout is not API, and another under AddressSanitizer and ThreadSanitizer. What the words hold is the switcher's business; see switcher_interface.h. */
struct tacet_context {
    void *stack_pointer;
    void *resumer_stack_pointer;
    struct tacet_switcher *switcher;
    char *memory;
    uint32_t bytes;
    uint8_t state;
    uint8_t flags;
#if TACET_ADDRESS_SANITIZER
    struct {
        const void *base;
        size_t bytes;
    } resumer_stack;
#endif
#if TACET_THREAD_SANITIZER
    void *fiber, *resumer_fiber;
#endif
};

typedef void tacet_context_entry(struct tacet_context *context);

/*
 * Takes the memory that the context needs before its first suspension: a stack of stack_bytes (0: the switcher's), or, for
 * `copying`, as much of the save buffer as the switcher's options reserve. -EINVAL: NULL, a stack too large, or a kind
 * without contexts (`none`, `stackless`); -ENOMEM.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_context_create(struct tacet_context *context,
                                                               struct tacet_switcher *switcher, size_t stack_bytes);

/*
 * The next resumption starts entry, with the context as its argument; it has finished when entry returns. Also when the
 * context has finished before, or is to be forgotten where it is suspended: what its stack held is lost, no destructor runs.
 * -EBUSY: it is running; -EINVAL: NULL.
 */
TACET_EXPORT tacet_result tacet_context_prepare(struct tacet_context *context, tacet_context_entry *entry);

/*
 * Runs the context until it suspends or finishes: TACET_CONTEXT_SUSPENDED or TACET_CONTEXT_FINISHED. value is what its
 * tacet_context_suspend() gives it. -EINVAL: NULL, unprepared or finished; -EBUSY: it is running, or (`copying`) another one
 * that runs, and has resumed this one, occupies its execution stack; -ENOMEM (`copying`): no memory for the execution
 * stack. After an error it is as it was.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_context_resume(struct tacet_context *context, int64_t value);

/*
 * SUSPENDS the running context self. 0, and *value (may be NULL) is that of the next resumption; -EPERM: self is not the one
 * that runs; -ENOMEM (`copying`): no memory for its save buffer: it has not been suspended.
 */
TACET_EXPORT tacet_result tacet_context_suspend(struct tacet_context *self, int64_t *value);

/* Finishes the context self, which must be the one that runs. Its frames are left as they stand: no destructor of theirs runs. */
TACET_EXPORT __attribute__((noreturn)) void tacet_context_exit(struct tacet_context *self);

/* The context that runs on this thread, the innermost one if it was resumed by another; NULL outside of contexts. */
TACET_EXPORT struct tacet_context *tacet_context_self(void);

/* Gives back what create took; where it is suspended it is forgotten. -EBUSY: it is running. NULL, one that could not be
 * created, and a second time are fine. */
TACET_EXPORT tacet_result tacet_context_destroy(struct tacet_context *context);

#ifdef __cplusplus
}
#endif

#endif
