/* Pools of buffers, for the rest of the core: see tacet/buffer.h. */
#ifndef OP_BUFFERS_H
#define OP_BUFFERS_H

#include "executor/executor.h"

/* The request, which used a buffer, has ended. */
void buffers_note_end(struct executor *executor, const struct tacet_request *request);

/* The executor, with no task and no operation left, goes away: its pool is its creator's. */
void buffers_orphan(struct executor *executor);

#endif
