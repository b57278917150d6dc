/*
 * Admission: how many operations of a kind the kernel has at a time, and in what order the others follow.
 *
 *     start -> submission queue -> [ admission ] -> kernel -> completion
 *                                    waiting, by I/O priority, for the end of others
 *
 * What is started is filled into the submission queue as ever. Before the kernel is entered, SQEs of limited kinds are looked
 * at: those for which there is no room are taken out again, and wait here. So nothing costs anything where no limit is set.
 *
 * Limited are operations that end of themselves: reads and writes of regular files, and what takes one of the kernel's worker
 * threads (syncs, changes of directories ...). What may wait for ever never is: it would keep the others waiting. Chains
 * (IOSQE_IO_LINK) pass too, as they must not be torn.
 *
 * With ordered writes, a write to a regular file also waits for the end of the write to that file that was started before it.
 *
 * Owner thread only. Invariants: a request with TACET_OP_LIMITED either waits (its `place` is an entry's index) or counts as with
 * the kernel; in_flight[k] <= max[k] of high priority; nothing waits unless something of a limited kind is in flight.
 */
#ifndef RING_ADMISSION_H
#define RING_ADMISSION_H

#include "executor/executor.h"

struct admission;

/* Where the options ask for limits or for order; else *admission is NULL. 0 or -ENOMEM. */
tacet_result admission_create(struct admission **admission, const struct tacet_executor_options *options);
void admission_destroy(struct admission *admission);

/* Before the kernel is entered: what has been started since the last time passes or waits. Whether an operation has ended here,
 * since it could do neither. */
bool admission_sift(struct executor *executor);

/* A request with TACET_OP_LIMITED, which the kernel had, has ended. */
void admission_note_end(struct executor *executor, struct tacet_request *request);

/* Who may pass now goes to the submission queue. */
void admission_pass(struct executor *executor);

/* Of a request with TACET_OP_LIMITED: whether it waits; if so, it ends with -ECANCELED. */
bool admission_cancel(struct executor *executor, struct tacet_request *request);

/* A descriptor is about to be closed: those that wait, and name it, get another to the same file. */
void admission_keep_open(struct executor *executor, int fd);

/* Ends all that wait with -ECANCELED. */
void admission_cancel_all(struct executor *executor);

/* The submission queue has been emptied, unseen by the kernel. */
void admission_forget_queued(struct executor *executor);

/* NULL: none wait, and it does not. */
uint64_t admission_waiting(const struct admission *admission);
bool admission_orders_writes(const struct admission *admission);

#endif
