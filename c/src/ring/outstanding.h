/*
 * What the kernel has, by user_data: kept only where it cannot be told to cancel all that it has (before Linux 5.19), for an
 * executor that is destroyed. From the submission of an SQE of somebody's request to its last completion.
 *
 * A hash table with open addressing: a place stays its entry's until that is removed, or room is made.
 */
#ifndef RING_OUTSTANDING_H
#define RING_OUTSTANDING_H

#include <tacet/inline/op.h>

struct outstanding {
    uint64_t *places; /* 0: free; 1: free, but the search goes on; else a user_data */
    uint32_t mask;
    uint32_t used, removed; /* places that are not 0; those of them that are 1 */
};

/* NULL: no memory. */
struct outstanding *outstanding_create(void);
void outstanding_destroy(struct outstanding *outstanding);

/* Before the queued SQEs are submitted: room for them. false: no memory. */
bool outstanding_reserve(struct outstanding *outstanding, const struct tacet_submission_queue *sq);

/* The kernel has taken the first of them. */
void outstanding_add(struct outstanding *outstanding, const struct tacet_submission_queue *sq, uint32_t count);

void outstanding_remove(struct outstanding *outstanding, const struct io_uring_cqe *completion);

/* The first from *place on, which is moved behind it; 0: none. Removals do not disturb it. */
uint64_t outstanding_next(const struct outstanding *outstanding, uint32_t *place);

#endif
