/*
 * Blocking functions that a task may leave behind. See blocking.c, and tacet/blocking.h for those that it may not.
 *
 * A cancel, a deadline and the executor's end end the task's wait at once; the function runs on, on its helper thread, for
 * nobody. At most half of the helper threads, rounded up, are with such functions; what exceeds that is held back, apart
 * from the queue of the others.
 */
#ifndef BLOCKING_BLOCKING_H
#define BLOCKING_BLOCKING_H

#include <tacet/blocking.h>

struct blocking_call {
    tacet_blocking_function *function;
    /* NULL: the task waits to the function's end. Else called once. awaited: the task waits still, and goes on after this; if not,
     * it has left, and the function has ended or was never called. */
    void (*finish)(void *arg, bool awaited);
    void *arg;
};

/* The running task, which has no cancel pending, begins to wait. 0; -ENOMEM, -EAGAIN: nothing is called, finish neither. */
tacet_result blocking_park(struct tacet_task *task, const struct blocking_call *call);

#endif
