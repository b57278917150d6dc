/*
 * Own stacks, switched by assembly (switch.h). The words of the switch are the context's own.
 *
 *     resume(context), on the resumer's stack          suspend(context), on the context's
 *     push registers, sp -> resumer_stack_pointer      push registers, sp -> stack_pointer
 *     sp = stack_pointer, pop registers                sp = resumer_stack_pointer, pop registers
 */
#include "switcher/own_stack.h"
#include "switcher/switch.h"
#include "task/c_task.h"

static inline struct switch_words *words_of(struct tacet_context *context)
{
    _Static_assert(offsetof(struct tacet_context, stack_pointer) == offsetof(struct switch_words, stack_pointer) &&
                       offsetof(struct tacet_context, resumer_stack_pointer) ==
                           offsetof(struct switch_words, resumer_stack_pointer),
                   "a context begins with the words of a switch");
    return (struct switch_words *)context;
}

static inline struct switch_place place_of(struct tacet_context *context)
{
    return (struct switch_place){words_of(context), context, context->memory, context->bytes};
}

static void prepare(struct tacet_context *context, tacet_context_entry *entry)
{
    own_stack_reset(context);
    context->stack_pointer = switch_first_frame(own_stack_top(context), context, entry);
}

static tacet_result resume(struct tacet_context *context, int64_t value)
{
    switch_in(place_of(context), value);
    return 0;
}

static int64_t suspend(struct tacet_context *context)
{
    return switch_out(words_of(context), context);
}

static __attribute__((noreturn)) void leave(struct tacet_context *context)
{
    switch_exit(words_of(context), context);
}

/* tacet_stackful_run() without its indirect call. The run loop handles no exception, and its control words are those of the
 * run's beginning. */
static void run(struct tacet_runnable *runnable)
{
    struct tacet_task *task = tacet_task_resume(runnable);
    struct executor *executor = executor_of(tacet_task_executor(task));
    switch_to(place_of(&c_task_of(task)->context), task->result, executor->control_words, executor->errno_location);
}

const struct tacet_switcher_ops tacet_asm_ops = {
    .kind = {.run = run},
    .name = "asm",
    .create = own_stack_create,
    .prepare = prepare,
    .resume = resume,
    .suspend = suspend,
    .exit = leave,
    .destroy = own_stack_destroy,
};
