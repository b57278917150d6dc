/* Execution stacks, on which contexts of the copying switcher take turns; see copying.c. */
#ifndef SWITCHER_COPYING_H
#define SWITCHER_COPYING_H

#include "switcher/stack.h"
#include "switcher/switch.h"

struct execution_stack {
    struct switch_words words;
    struct tacet_context *owner; /* whose frames lie here, or NULL */
    bool running;                /* and who runs now, or has resumed who runs now */
    bool slack_known;
    size_t slack;      /* the most that a switch was deeper than the reserve() before it */
    char *reserved_at; /* the stack pointer at the last reserve() */
    char *top;
    struct stack memory;
    const void *thread;
    struct execution_stack *next; /* of the same instance of the switcher */
};

/* NULL before its first resumption, and when it has finished. */
static inline struct execution_stack *copying_stack(const struct tacet_context *context)
{
    return (struct execution_stack *)context->resumer_stack_pointer;
}

/* For the end of the instance: nothing runs or is suspended on its stacks. */
void copying_finish(struct tacet_switcher *switcher);

#endif
