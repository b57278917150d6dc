/*
 * Own stacks, switched by _setjmp and _longjmp: the portable reference.
 *
 *     resume(context), on the resumer's stack          suspend(context), on the context's
 *     _setjmp -> resumer_stack_pointer                 _setjmp -> stack_pointer
 *     _longjmp to stack_pointer                        _longjmp to resumer_stack_pointer
 *
 * Where the words point to is a `side` on the stack of who is away. The first entry is by makecontext(): C libraries
 * encrypt the stack pointer in a jmp_buf. A jmp_buf holds neither control words nor errno, so both are kept beside it.
 */
#include "switcher/control_words.h"
#include "switcher/exceptions.h"
#include "switcher/own_stack.h"
#include "switcher/thread.h"

#include <setjmp.h>
#include <ucontext.h>

#if defined(_FORTIFY_SOURCE) && _FORTIFY_SOURCE > 0
#error "this file is to be compiled without _FORTIFY_SOURCE: its longjmp refuses to go to another stack"
#endif

struct side {
    jmp_buf registers;
    int64_t value; /* what it is resumed with */
};

/* At the top of the stack of a context that is yet to start: its stack_pointer is NULL. */
struct start {
    tacet_context_entry *entry;
} __attribute__((aligned(16)));

static struct start *start_of(const struct tacet_context *context)
{
    return (struct start *)(void *)own_stack_top(context) - 1;
}

static void prepare(struct tacet_context *context, tacet_context_entry *entry)
{
    own_stack_reset(context);
    start_of(context)->entry = entry;
    context->stack_pointer = NULL;
}

static __attribute__((noreturn)) void leave(struct tacet_context *context)
{
    context->state = TACET_CONTEXT_FINISHED;
    (void)exceptions_take(thread_state.exceptions); /* what it was handling or throwing is lost with its frames */
    sanitizer_exit(context);
    struct side *resumer = context->resumer_stack_pointer;
    sanitizer_longjmp(resumer->registers);
}

/* The first frame: makecontext() passes no pointers, only ints. */
static void first(unsigned high, unsigned low)
{
    struct tacet_context *context = (struct tacet_context *)((uintptr_t)high << 16 << 16 | low);
    sanitizer_started(context);
    set_control_words(CONTROL_WORDS_INITIAL);
    *thread_state.errno_location = 0;
    start_of(context)->entry(context);
    leave(context);
}

SANITIZER_INLINE void enter_first(const struct tacet_context *context, ucontext_t *ucontext)
{
    ucontext->uc_stack.ss_sp = context->memory;
    ucontext->uc_stack.ss_size = (size_t)((char *)start_of(context) - context->memory);
    ucontext->uc_link = NULL;
    uintptr_t argument = (uintptr_t)context;
    makecontext(ucontext, (void (*)(void))first, 2, (unsigned)(argument >> 16 >> 16), (unsigned)argument);
    setcontext(ucontext);
    __builtin_unreachable();
}

/* Nothing here is to be inlined: a function that calls setjmp keeps little in registers. */
static TACET_NOINLINE void switch_to_first(struct tacet_context *context)
{
    struct side resumer;
    struct sanitizer_side sanitizer;
    ucontext_t ucontext;
    context->resumer_stack_pointer = &resumer;
    getcontext(&ucontext);
    if (_setjmp(resumer.registers) == 0) {
        sanitizer_resume(&sanitizer, context, context->memory, context->bytes);
        enter_first(context, &ucontext);
    }
    sanitizer_resumed(&sanitizer);
}

static TACET_NOINLINE void switch_to(struct tacet_context *context)
{
    struct side resumer;
    struct sanitizer_side sanitizer;
    context->resumer_stack_pointer = &resumer;
    if (_setjmp(resumer.registers) == 0) {
        struct side *side = context->stack_pointer;
        sanitizer_resume(&sanitizer, context, context->memory, context->bytes);
        sanitizer_longjmp(side->registers);
    }
    sanitizer_resumed(&sanitizer);
}

static TACET_NOINLINE int64_t switch_back(struct tacet_context *context)
{
    struct side own;
    struct sanitizer_side sanitizer;
    context->stack_pointer = &own;
    if (_setjmp(own.registers) == 0) {
        struct side *resumer = context->resumer_stack_pointer;
        sanitizer_suspend(&sanitizer, context);
        sanitizer_longjmp(resumer->registers);
    }
    sanitizer_suspended(&sanitizer, context);
    return own.value;
}

static tacet_result resume(struct tacet_context *context, int64_t value)
{
    void **exceptions = thread_state.exceptions; /* the resumer does not move to another thread */
    struct exceptions own = exceptions_take(exceptions);
    uint64_t words = control_words();
    struct side *side = context->stack_pointer;
    if (side != NULL) {
        side->value = value;
        switch_to(context);
    } else {
        switch_to_first(context);
    }
    set_control_words(words);
    exceptions_put(exceptions, &own);
    return 0;
}

static int64_t suspend(struct tacet_context *context)
{
    struct thread_state *thread = &thread_state; /* nor does who has run once */
    struct exceptions own = exceptions_take(thread->exceptions);
    uint64_t words = control_words();
    int error = *thread->errno_location;
    int64_t value = switch_back(context);
    *thread->errno_location = error;
    set_control_words(words);
    exceptions_put(thread->exceptions, &own);
    return value;
}

const struct tacet_switcher_ops tacet_setjmp_ops = {
    .kind = {.run = tacet_stackful_run},
    .name = "setjmp",
    .create = own_stack_create,
    .prepare = prepare,
    .resume = resume,
    .suspend = suspend,
    .exit = leave,
    .destroy = own_stack_destroy,
};
