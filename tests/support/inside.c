/* See inside.h. */
#include "support/inside.h"

#include "executor/executor.h"

const void *inside_newest(struct tacet_executor *executor)
{
    return __atomic_load_n(&executor_of(executor)->inbox.newest, __ATOMIC_RELAXED);
}

bool inside_is_asleep(struct tacet_executor *executor)
{
    return inside_newest(executor) == INBOX_ASLEEP;
}

void inside_hide(struct tacet_executor *executor, unsigned opcode)
{
    executor_of(executor)->ring.supported[opcode / 64] &= ~((uint64_t)1 << opcode % 64);
}
