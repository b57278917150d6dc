/* From completions to ready runnables. */
#ifndef RING_COMPLETION_H
#define RING_COMPLETION_H

#include "executor/executor.h"

/* Takes what is in the completion queue. Tasks and callbacks become ready; nothing is resumed. */
void completion_collect(struct executor *executor);

/* Where cancels have found nothing (`missed`): what has ended nevertheless is delivered, the others are asked again in time. */
void completion_settle_missed(struct executor *executor);

/* A request's terminal completion, from wherever it comes: the ring, a timer, a refusal. */
void completion_terminal(struct executor *executor, struct tacet_request *request, tacet_result result);

/* Ends all that is queued and was never taken by the ring. */
void completion_fail_queued(struct executor *executor, tacet_result result);

#endif
