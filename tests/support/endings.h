/*
 * Operations that end as the test says: the results that the kernel gives are replaced before the executor sees them. What the
 * operation did, it has done.
 */
#ifndef SUPPORT_ENDINGS_H
#define SUPPORT_ENDINGS_H

#include <tacet/executor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The next `count` operations of the executor with this opcode end with `result`. One executor at a time. */
void endings_replace(struct tacet_executor *executor, unsigned opcode, int result, unsigned count);

/* How many of the opcode have ended since, with whatever result. */
unsigned endings_seen(void);

#ifdef __cplusplus
}
#endif

#endif
