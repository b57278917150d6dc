/* Deadlines, of tasks and of ops, for the rest of the core. Owner thread only. See deadline.c. */
#ifndef TASK_DEADLINE_H
#define TASK_DEADLINE_H

#include "executor/executor.h"

/* The timer of a deadline has been taken from the heap, its time having come. */
void deadline_pass(struct executor *executor, struct tacet_request *timer);

/* It is in the heap, and the executor goes away. */
void deadline_stop(struct executor *executor, struct tacet_request *timer);

/* There is no deadline any more. */
void deadline_disarm(struct executor *executor, struct tacet_request *timer);

/* Of a task that has an extra part and exits. */
void deadline_end(struct tacet_task *task);

/* A task with an extra part leaves its executor; it has come to another. */
void deadline_depart(struct executor *from, struct tacet_task *task);
void deadline_arrive(struct executor *executor, struct tacet_task *task);

/* An op with a deadline has ended; what it has ended with. */
tacet_result deadline_end_of_op(struct executor *executor, struct tacet_op *op, tacet_result result);

#endif
