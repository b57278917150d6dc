/*
 * Waiting for what is taken by a plain call that does not wait, once a descriptor is readable. The wait takes nothing, so a
 * cancel of it, or the end of the executor, loses nothing; several may wait on one descriptor.
 */
#ifndef OP_TAKE_H
#define OP_TAKE_H

#include "task/c_task.h"

/* >= 0: taken, into `into`; -EAGAIN: not there; another error. */
typedef tacet_result op_take_function(const void *from, void *into);

/* TACET_PENDING: a `stackless` body comes again, unless the result of its call is negative. */
tacet_result op_take(struct tacet_task *task, int fd, op_take_function *take, const void *from, void *into);

#endif
