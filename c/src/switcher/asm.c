/*
 * Own stacks, switched by assembly.
 *
 *     resume(context), on the resumer's stack          suspend(context), on the context's
 *     push registers, sp -> resumer_stack_pointer      push registers, sp -> stack_pointer
 *     sp = stack_pointer, pop registers                sp = resumer_stack_pointer, pop registers
 *
 * The C++ runtime keeps caught and uncaught exceptions per thread; they are exchanged with those of the context at both
 * ends of a switch, so that a task may suspend inside a catch block.
 */
#include "switcher/sanitizer.h"
#include "switcher/switcher.h"

#if !defined(__x86_64__)
#error "the asm switcher is written for x86-64"
#endif

struct first_frame {
    uint32_t mxcsr, x87_control_word;
    uint64_t r15, r14, r13, r12, rbx, rbp;
    void *return_address;
    uint64_t alignment[2]; /* of the stack at the call of tacet_asm_main */
};

void tacet_asm_switch(void **save, void *load);
void tacet_asm_first_frame(void);
void tacet_asm_main(struct tacet_context *context);

/* Found where the program links the C++ runtime; a C program need not. */
void **__cxa_get_globals(void) __attribute__((weak));

static inline void exchange_exceptions(struct tacet_context *context)
{
    if (__cxa_get_globals == NULL)
        return;
    void **globals = __cxa_get_globals();
    for (int i = 0; i < 2; i++) {
        void *other = context->exceptions[i];
        context->exceptions[i] = globals[i];
        globals[i] = other;
    }
}

static tacet_result create(struct tacet_context *context, struct tacet_switcher *switcher, size_t stack_bytes)
{
    context->switcher = switcher;
    return stack_take(&switcher->stacks, &context->stack, stack_bytes);
}

static void destroy(struct tacet_context *context)
{
    stack_give(&context->switcher->stacks, &context->stack);
}

static void prepare(struct tacet_context *context, void (*entry)(void *argument), void *argument)
{
    sanitizer_stack_reusable(&context->stack);
    context->entry = entry;
    context->argument = argument;
    context->finished = false;
    context->exceptions[0] = context->exceptions[1] = NULL;
    char *top = context->stack.base + context->stack.bytes;
    struct first_frame *frame = (struct first_frame *)(void *)(top - sizeof *frame);
    *frame = (struct first_frame){
        .mxcsr = 0x1f80,           /* the psABI's initial control words */
        .x87_control_word = 0x37f,
        .r12 = (uint64_t)(uintptr_t)context,
        .return_address = (void *)tacet_asm_first_frame,
    };
    context->stack_pointer = frame;
}

static void resume(struct tacet_context *context)
{
    struct sanitizer_switch state;
    exchange_exceptions(context);
    sanitizer_before(&state, &context->stack, false);
    tacet_asm_switch(&context->resumer_stack_pointer, context->stack_pointer);
    sanitizer_after(&state, NULL);
    exchange_exceptions(context);
}

static void suspend(struct tacet_context *context)
{
    struct sanitizer_switch state;
    sanitizer_before(&state, &context->resumer_stack, false);
    tacet_asm_switch(&context->stack_pointer, context->resumer_stack_pointer);
    sanitizer_after(&state, &context->resumer_stack);
}

/* Called by the first frame. A finished context is not come back to. */
void tacet_asm_main(struct tacet_context *context)
{
    sanitizer_after(NULL, &context->resumer_stack);
    context->entry(context->argument);
    context->finished = true;
    sanitizer_before(NULL, &context->resumer_stack, true);
    tacet_asm_switch(&context->stack_pointer, context->resumer_stack_pointer);
}

const struct tacet_switcher_ops tacet_asm_ops = {
    .name = "asm",
    .run = tacet_stackful_run,
    .create = create,
    .prepare = prepare,
    .resume = resume,
    .suspend = suspend,
    .destroy = destroy,
};
