/* Contexts that have a stack each: what their kinds share. The words memory and bytes of the context are the stack's. */
#ifndef SWITCHER_OWN_STACK_H
#define SWITCHER_OWN_STACK_H

#include "switcher/sanitizer.h"
#include "switcher/switcher.h"

tacet_result own_stack_create(struct tacet_context *context, size_t stack_bytes);
void own_stack_destroy(struct tacet_context *context);

/*
 * Where frames begin, aligned to 16. At different offsets in their pages: else a thousand stacks share one set of the
 * first-level cache.
 */
static inline char *own_stack_top(const struct tacet_context *context)
{
    size_t colour = (uintptr_t)context->memory / 4096 % 16 * 64;
    return context->memory + context->bytes - colour;
}

/* Before a context starts, or starts again. */
static inline void own_stack_reset(struct tacet_context *context)
{
    sanitizer_forget(context);
    sanitizer_stack_reusable(context->memory, context->bytes);
}

#endif
