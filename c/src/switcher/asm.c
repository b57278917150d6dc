/*
 * Own stacks, switched by assembly.
 *
 *     resume(context), on the resumer's stack          suspend(context), on the context's
 *     push registers, sp -> resumer_stack_pointer      push registers, sp -> stack_pointer
 *     sp = stack_pointer, pop registers                sp = resumer_stack_pointer, pop registers
 *
 * The usual way from the run loop to a task and back executes not one return: see asm_x86_64.S.
 */
#include "switcher/control_words.h"
#include "switcher/exceptions.h"
#include "switcher/sanitizer.h"
#include "switcher/switcher.h"
#include "task/c_task.h"

#if !defined(__x86_64__)
#error "the asm switcher is written for x86-64"
#endif

_Static_assert(offsetof(struct tacet_context, stack_pointer) == 0, "the assembly relies on it");
_Static_assert(offsetof(struct tacet_context, resumer_stack_pointer) == 8, "the assembly relies on it");

struct first_frame {
    uint32_t mxcsr, x87_control_word;
    uint64_t r15, r14, r13, r12, rbx, rbp;
    void *return_address;
    uint64_t alignment[2]; /* of the stack at the call of tacet_asm_main */
};

void tacet_asm_resume(struct tacet_context *context, int64_t value, uint64_t control_words);
int64_t tacet_asm_suspend(struct tacet_context *context);
__attribute__((noreturn)) void tacet_asm_finish(struct tacet_context *context);
void tacet_asm_first_frame(void);
void tacet_asm_main(struct tacet_context *context);
void tacet_asm_after(struct tacet_context *context);

static tacet_result create(struct tacet_context *context, struct tacet_switcher *switcher, size_t stack_bytes)
{
    context->switcher = switcher;
    return stack_take(&switcher->stacks, &context->stack, stack_bytes);
}

static void destroy(struct tacet_context *context)
{
    stack_give(&context->switcher->stacks, &context->stack);
}

/* Stacks begin at different offsets in their pages: else a thousand of them share one set of the first-level cache. */
static size_t colour(const struct tacet_stack *stack)
{
    return (uintptr_t)stack->base / 4096 % 16 * 64;
}

static void prepare(struct tacet_context *context, void (*entry)(void *argument), void (*after)(void *argument),
                    void *argument)
{
    sanitizer_stack_reusable(&context->stack);
    context->entry = entry;
    context->after = after;
    context->argument = argument;
    context->finished = false;
    context->exception_globals = NULL;
    context->has_exceptions = false;
    char *top = context->stack.base + context->stack.bytes - colour(&context->stack);
    struct first_frame *frame = (struct first_frame *)(void *)(top - sizeof *frame);
    *frame = (struct first_frame){
        .mxcsr = 0x1f80, /* the psABI's initial control words */
        .x87_control_word = 0x37f,
        .r12 = (uint64_t)(uintptr_t)context,
        .return_address = (void *)tacet_asm_first_frame,
    };
    context->stack_pointer = frame;
}

#ifdef HAS_ASAN

static void switch_to(struct tacet_context *context, int64_t value, uint64_t words)
{
    struct sanitizer_switch state;
    sanitizer_before(&state, &context->stack, false);
    tacet_asm_resume(context, value, words);
    sanitizer_after(&state, NULL);
    if (context->finished)
        context->after(context->argument);
}

static int64_t switch_back(struct tacet_context *context)
{
    struct sanitizer_switch state;
    sanitizer_before(&state, &context->resumer_stack, false);
    int64_t value = tacet_asm_suspend(context);
    sanitizer_after(&state, &context->resumer_stack);
    return value;
}

/* Not before the sanitizer knows which stack this is: switch_to() goes on. */
void tacet_asm_after(struct tacet_context *context)
{
    (void)context;
}

#else

#define switch_to tacet_asm_resume
#define switch_back tacet_asm_suspend

void tacet_asm_after(struct tacet_context *context)
{
    context->after(context->argument);
}

#endif

/* An exception is being handled on one side or the other: each gets its own. */
static TACET_NOINLINE void resume_with_exceptions(struct tacet_context *context, int64_t value, uint64_t words)
{
    void **globals = exceptions_of_thread();
    void *resumers[2];
    exceptions_move(resumers, globals);
    if (context->has_exceptions)
        exceptions_move(globals, context->exceptions);
    context->has_exceptions = false;
    switch_to(context, value, words);
    exceptions_move(globals, resumers);
}

static void resume(struct tacet_context *context, int64_t value)
{
    if (TACET_UNLIKELY(context->has_exceptions || exceptions_any(exceptions_of_thread())))
        resume_with_exceptions(context, value, control_words());
    else
        switch_to(context, value, control_words());
}

static int64_t suspend(struct tacet_context *context)
{
    if (TACET_UNLIKELY(exceptions_any(context->exception_globals))) {
        exceptions_move(context->exceptions, context->exception_globals);
        context->has_exceptions = true;
    }
    return switch_back(context);
}

/* Called by the first frame. A finished context is not come back to. */
void tacet_asm_main(struct tacet_context *context)
{
    sanitizer_after(NULL, &context->resumer_stack);
    context->exception_globals = exceptions_of_thread();
    context->entry(context->argument);
    context->finished = true;
    sanitizer_before(NULL, &context->resumer_stack, true);
    tacet_asm_finish(context);
}

/* tacet_stackful_run() without its indirect call. The run loop handles no exception, and its
 * control words are those of the run's beginning. */
static void run(struct tacet_runnable *runnable)
{
    struct tacet_task *task = tacet_task_resume(runnable);
    struct tacet_context *context = &c_task_of(task)->context;
    uint64_t words = executor_of(task->executor)->control_words;
    if (TACET_UNLIKELY(context->has_exceptions))
        resume_with_exceptions(context, task->wake_result, words);
    else
        switch_to(context, task->wake_result, words);
}

const struct tacet_switcher_ops tacet_asm_ops = {
    .name = "asm",
    .run = run,
    .create = create,
    .prepare = prepare,
    .resume = resume,
    .suspend = suspend,
    .destroy = destroy,
};
