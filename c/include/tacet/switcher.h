/*
 * Switchers: how a task gives up the processor and gets it back. For users; who writes one reads switcher_interface.h.
 *
 * A switcher is chosen per task when the task is created; any mix runs in one executor. A default instance exists for
 * each kind; an instance of your own carries options, and must outlive the tasks that use it.
 */
#ifndef TACET_SWITCHER_H
#define TACET_SWITCHER_H

#include <tacet/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tacet_switcher;
struct tacet_switcher_ops;

/* The kinds, for tacet_switcher_create(). */
TACET_EXPORT extern const struct tacet_switcher_ops tacet_none_ops;
TACET_EXPORT extern const struct tacet_switcher_ops tacet_stackless_ops;
TACET_EXPORT extern const struct tacet_switcher_ops tacet_setjmp_ops;
TACET_EXPORT extern const struct tacet_switcher_ops tacet_asm_ops;
TACET_EXPORT extern const struct tacet_switcher_ops tacet_copying_ops;

/* Runs to its end; may start operations whose completion is a callback. A suspending call returns -ENOTSUP. */
TACET_EXPORT struct tacet_switcher *tacet_switcher_none(void);

/* The body returns TACET_PENDING and is called again when what it waits for has come: C state machines. */
TACET_EXPORT struct tacet_switcher *tacet_switcher_stackless(void);

/* A stack of its own, pooled and guarded; switched by _setjmp and _longjmp: for every architecture that has a C library. */
TACET_EXPORT struct tacet_switcher *tacet_switcher_setjmp(void);

/*
 * A stack of its own, pooled and guarded; callee-saved registers are pushed, stack pointers swapped. This one and `copying`
 * are for x86-64 and AArch64, elsewhere NULL.
 */
TACET_EXPORT struct tacet_switcher *tacet_switcher_asm(void);

/*
 * All tasks of a thread run on one execution stack; the live part of a task's is copied out when another needs the room, so
 * that a suspended task takes no more than what it has live. For very many, shallow tasks.
 *
 * While a task is away, its stack's memory is another's: what others follow must not point there. Arguments of suspending
 * operations may: they are copied, up to bounce_bytes_max for one operation; beyond it is -EFAULT, with a message that
 * names the operation. So is an op, a semaphore or an argument of X_start() that lies there.
 *
 * A task for whose execution stack there is no memory ends with -ENOMEM before it has begun, with a message.
 */
TACET_EXPORT struct tacet_switcher *tacet_switcher_copying(void);

/* What is 0 is the default. */
struct tacet_switcher_options {
    size_t stack_bytes;      /* of tasks and contexts that ask for 0; `copying`: of the execution stack; 0: 64 KiB */
    size_t pooled_bytes_max; /* free stacks above that give their memory back to the system; 0: 64 MiB */

    /* `copying` only. */
    bool copy_eagerly;          /* a stack is copied out when its task suspends, not when another needs the room */
    bool free_on_resume;        /* save buffers go back when their contents do; else each is kept for the next time */
    size_t save_bytes_reserved; /* of each save buffer, taken when the task is created */
    size_t bounce_bytes_max;    /* what one operation may have on the task's stack; 0: 16 KiB */

    /*
     * The allocator of stacks and save buffers; both or none. allocate gives bytes aligned to alignment, or NULL, which
     * becomes -ENOMEM where the memory is needed; deallocate gets the same bytes. Called on the thread that needs the memory,
     * on the stack of a task too. Its stacks (4 KiB at least) are neither guarded nor pooled. 0: guarded mappings, and malloc.
     */
    void *(*allocate)(void *allocator, size_t bytes, size_t alignment);
    void (*deallocate)(void *allocator, void *memory, size_t bytes);
    void *allocator;
};

/*
 * Makes an instance of a kind. options may be NULL. -EINVAL: switcher or ops is NULL, one allocation function without the
 * other, more than 256 MiB reserved; -ENOMEM. Tasks of one instance may be created and destroyed on any thread.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_switcher_create(struct tacet_switcher **switcher,
                                                                const struct tacet_switcher_ops *ops,
                                                                const struct tacet_switcher_options *options);

/* -EBUSY while a task or a context uses it, -EPERM for a default instance. Destroying NULL is fine. */
TACET_EXPORT tacet_result tacet_switcher_destroy(struct tacet_switcher *switcher);

/* Why the last stack that was asked of it could not be had, in words for a message; "" if all could. THREAD-SAFE. */
TACET_EXPORT const char *tacet_switcher_explain(struct tacet_switcher *switcher);

/*
 * Where a task or a context overflows its guarded stack, a line on standard error says which, before the signal kills the
 * process. For that a handler of SIGSEGV is installed with the first such stack, if nobody has one then, and each thread gets
 * an alternate signal stack, if it has none then, with its first executor or context. false: not at all, or no longer.
 * THREAD-SAFE.
 */
TACET_EXPORT void tacet_switcher_report_overflows(bool report);

TACET_EXPORT const char *tacet_switcher_name(const struct tacet_switcher *switcher);

#ifdef __cplusplus
}
#endif

#endif
