/* See take.h. */
#include "op/take.h"

#include <poll.h>

tacet_result op_take(struct tacet_task *task, int fd, op_take_function *take, const void *from, void *into)
{
    tacet_result r = call_check(task);
    if (r < 0)
        return r;
    for (;;) {
        r = take(from, into);
        if (r != -EAGAIN)
            return r;
        r = tacet_poll(task, fd, POLLIN);
        if (r < 0) /* TACET_PENDING is negative too */
            return r;
    }
}
