/* Memory of the tasks that tacet_task_create() makes, without a header for each. THREAD-SAFE. */
#ifndef TASK_MEMORY_H
#define TASK_MEMORY_H

#include "task/c_task.h"

/* Zeroed; NULL: there is none. */
struct c_task *task_memory_take(void);
void task_memory_give(struct c_task *task);

#endif
