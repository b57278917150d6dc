/* What the tests look at inside of an executor, for C++, which cannot read the core's own headers. */
#ifndef SUPPORT_INSIDE_H
#define SUPPORT_INSIDE_H

#include <tacet/executor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The word to which others push: a node, NULL, or a sleep marker. From any thread. */
const void *inside_newest(struct tacet_executor *executor);

/* Whether that word says that the executor sleeps. */
bool inside_is_asleep(struct tacet_executor *executor);

/* From now on the kernel seems to lack the operation. */
void inside_hide(struct tacet_executor *executor, unsigned opcode);

#ifdef __cplusplus
}
#endif

#endif
