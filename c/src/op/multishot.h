/* Operations with many completions, as the start functions and the collecting of completions see them. */
#ifndef OP_MULTISHOT_H
#define OP_MULTISHOT_H

#include "executor/executor.h"

#include <tacet/multishot.h>

/* Makes a stopped multishot of the prepared request, and starts it. buffers: those that its results name, or NULL. */
tacet_result multishot_start(struct tacet_multishot *multishot, struct tacet_executor *executor,
                             const struct io_uring_sqe *filled, tacet_result prepared, unsigned results_max,
                             struct tacet_buffer_ring *buffers);

/* One of its completions. */
void multishot_completed(struct executor *executor, struct tacet_request *request, int32_t result, uint32_t flags);

/* What its cancel has ended with. */
void multishot_cancel_ended(struct tacet_request *request, int32_t result);

#endif
