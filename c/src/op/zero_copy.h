/*
 * Sends that do not copy, where the kernel has no memory for that: it charges what is on the way to the limit of locked memory,
 * and says -ENOMEM before it has sent anything. Such a send is made again, plainly, and whoever waits does not notice.
 *
 * Each keeps a copy of its SQE in the executor's list, from its start to its end.
 */
#ifndef OP_ZERO_COPY_H
#define OP_ZERO_COPY_H

#include "executor/executor.h"

/* It would end with *result. true: it does not, and is made again instead; false: it ends with what *result is then. */
bool zero_copy_is_made_again(struct executor *executor, struct tacet_request *request, tacet_result *result);

#endif
