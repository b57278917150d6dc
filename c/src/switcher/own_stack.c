/* See own_stack.h. */
#include "switcher/own_stack.h"

tacet_result own_stack_create(struct tacet_context *context, size_t stack_bytes)
{
    struct stack stack;
    tacet_result r = stack_take(&context->switcher->stacks, &context->switcher->options, &stack, stack_bytes);
    if (r < 0)
        return r;
    context->memory = stack.base;
    context->bytes = (uint32_t)stack.bytes;
    return 0;
}

void own_stack_destroy(struct tacet_context *context)
{
    own_stack_reset(context);
    struct stack stack = {context->memory, context->bytes};
    stack_give(&context->switcher->stacks, &context->switcher->options, &stack);
}
