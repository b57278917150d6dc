/*
 * A kernel that behaves as the test says: what is submitted is changed before it sees it, and results before the executor sees
 * them. One executor at a time, from the first of these calls on.
 */
#ifndef SUPPORT_ALTERED_RING_H
#define SUPPORT_ALTERED_RING_H

#include <tacet/executor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The next `count` operations with this opcode end with `result`. What the operation does, it has done. */
void altered_ring_end(struct tacet_executor *executor, unsigned opcode, int result, unsigned count);

/* How many of the opcode have ended since, with whatever result. */
unsigned altered_ring_ended(void);

/* The next `count` cancels find nothing. */
void altered_ring_misdirect_cancels(struct tacet_executor *executor, unsigned count);

/* Cancels with flags are refused, as before Linux 5.19. */
void altered_ring_refuse_cancel_flags(struct tacet_executor *executor);

#ifdef __cplusplus
}
#endif

#endif
