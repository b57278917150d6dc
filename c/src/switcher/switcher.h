/*
 * Instances of switchers: the table of the kind, options, and the pool of stacks of those that have stacks.
 *
 * The pool may be used from any thread; so may the count of users.
 */
#ifndef SWITCHER_SWITCHER_H
#define SWITCHER_SWITCHER_H

#include "switcher/stack.h"

#include <tacet/switcher_interface.h>

struct tacet_switcher {
    const struct tacet_switcher_ops *ops;
    struct stack_pool stacks;
    uint64_t users; /* tasks made with it */
    bool is_default;
};

void switcher_use(struct tacet_switcher *switcher);
void switcher_release(struct tacet_switcher *switcher);

/* What a task's context does: runs the body, and exits; then, back on the scheduler's stack, settles. */
void stackful_entry(void *task);
void stackful_after(void *task);

#endif
