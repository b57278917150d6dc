/* Steps of the run loop, one by one, for tests that stop an operation half-way. */
#ifndef SUPPORT_STAGES_H
#define SUPPORT_STAGES_H

#include <tacet/executor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Gives the kernel what is queued, and looks at no completion. */
tacet_result stage_submit(struct tacet_executor *executor);

/* The same, and waits for one, for a second at most. */
tacet_result stage_wait(struct tacet_executor *executor);

#ifdef __cplusplus
}
#endif

#endif
