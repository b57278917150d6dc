/* See tacet/context.h: the switchers' contexts for everybody, with the checks that an executor does not need. */
#include "switcher/switcher.h"
#include "switcher/thread.h"

#include <errno.h>
#include <string.h>

tacet_result tacet_context_create(struct tacet_context *context, struct tacet_switcher *switcher, size_t stack_bytes)
{
    if (context == NULL || switcher == NULL || switcher->ops->create == NULL)
        return -EINVAL;
    memset(context, 0, sizeof *context);
    context->switcher = switcher;
    context->state = TACET_CONTEXT_UNPREPARED;
    tacet_result r = switcher->ops->create(context, stack_bytes);
    if (r < 0)
        context->switcher = NULL;
    else
        switcher_use(switcher);
    return r;
}

tacet_result tacet_context_prepare(struct tacet_context *context, tacet_context_entry *entry)
{
    if (context == NULL || entry == NULL || context->switcher == NULL)
        return -EINVAL;
    if (context->state == TACET_CONTEXT_RUNNING)
        return -EBUSY;
    context->switcher->ops->prepare(context, entry);
    context->state = TACET_CONTEXT_SUSPENDED;
    return 0;
}

tacet_result tacet_context_resume(struct tacet_context *context, int64_t value)
{
    if (context == NULL)
        return -EINVAL;
    if (context->state != TACET_CONTEXT_SUSPENDED)
        return context->state == TACET_CONTEXT_RUNNING ? -EBUSY : -EINVAL;
    thread_enter();
    struct tacet_context *resumer = thread_state.context;
    thread_state.context = context;
    context->state = TACET_CONTEXT_RUNNING;
    tacet_result r = context->switcher->ops->resume(context, value);
    thread_state.context = resumer;
    if (context->state == TACET_CONTEXT_FINISHED)
        return TACET_CONTEXT_FINISHED;
    context->state = TACET_CONTEXT_SUSPENDED;
    return r;
}

tacet_result tacet_context_suspend(struct tacet_context *self, int64_t *value)
{
    if (self == NULL || self != thread_state.context)
        return -EPERM;
    const struct tacet_switcher_ops *ops = self->switcher->ops;
    tacet_result r = ops->reserve != NULL ? ops->reserve(self) : 0;
    if (r < 0)
        return r;
    int64_t resumed_with = ops->suspend(self);
    if (value != NULL)
        *value = resumed_with;
    return 0;
}

void tacet_context_exit(struct tacet_context *self)
{
    if (self == NULL || self != thread_state.context) /* there is nowhere to go, and no error to return */
        tacet_assertion_failed("tacet_context_exit() is called by the context that runs", __FILE__, __LINE__);
    self->switcher->ops->exit(self);
}

struct tacet_context *tacet_context_self(void)
{
    return thread_state.context;
}

tacet_result tacet_context_destroy(struct tacet_context *context)
{
    if (context == NULL || context->switcher == NULL)
        return 0;
    if (context->state == TACET_CONTEXT_RUNNING)
        return -EBUSY;
    struct tacet_switcher *switcher = context->switcher;
    switcher->ops->destroy(context);
    switcher_release(switcher);
    context->switcher = NULL;
    context->state = TACET_CONTEXT_UNPREPARED;
    return 0;
}
