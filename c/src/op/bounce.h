/*
 * Arguments that lie on a stack which moves (the copying switcher's). The kernel follows them while the task is away and its
 * stack's memory is another's, so the operation gets copies, and what it writes is copied back when the task is resumed.
 *
 * Owner thread only. Invariant: a bounce is in its executor's list from its capture to its end.
 */
#ifndef OP_BOUNCE_H
#define OP_BOUNCE_H

#include "task/c_task.h"

/* Of a task that will not be resumed, and has no operation in flight. See call_await_bounced() for the way in. */
void bounce_forget(struct executor *executor, const struct tacet_task *task);

/*
 * What others follow while the running task, whose stack moves, is away, and what cannot be replaced by a copy: an op, a
 * semaphore. -EFAULT, said in a report, if it lies there; else 0.
 */
tacet_result bounce_check(const struct tacet_task *task, const void *address, const char *what);

#endif
