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
    struct tacet_switcher_options options;
    struct stack_pool stacks;
    struct execution_stack *execution_stacks; /* of `copying`; see copying.c */
    uint64_t serial;                          /* tells it from an earlier one at the same address */
    uint64_t users;                           /* contexts, and tasks without one */
    bool is_default;
};

void switcher_use(struct tacet_switcher *switcher);
void switcher_release(struct tacet_switcher *switcher);

/* What a task's context does: runs the body, and exits. */
void stackful_entry(struct tacet_context *context);

#endif
