/* See switch.h. */
#include "switcher/switch.h"

#include "switcher/switcher.h"

TACET_NOINLINE void switch_to_with_exceptions(struct switch_place place, int64_t value)
{
    void **state = thread_state.exceptions; /* the resumer does not move to another thread */
    struct exceptions resumers = exceptions_take(state);
    switch_to(place, value, control_words(), thread_state.errno_location);
    exceptions_put(state, &resumers);
}

TACET_NOINLINE int64_t switch_back_with_exceptions(struct switch_words *words, struct tacet_context *context)
{
    void **state = thread_state.exceptions; /* nor does who has run once */
    struct exceptions own = exceptions_take(state);
    int64_t value = switch_back(words, context);
    exceptions_put(state, &own);
    return value;
}

void switch_started(struct tacet_context *context)
{
    sanitizer_started(context);
}

void switch_ended(struct tacet_context *context)
{
    context->switcher->ops->exit(context);
}

/* What it was handling or throwing is lost with its frames. */
void switch_exit(struct switch_words *words, struct tacet_context *context)
{
    context->state = TACET_CONTEXT_FINISHED;
    (void)exceptions_take(thread_state.exceptions);
    sanitizer_exit(context);
    switch_finish(words);
}
