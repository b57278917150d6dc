/* The lookup of names: getaddrinfo(3), which may wait for a name server, on a helper thread. */
#include "op/bounce.h"
#include "task/c_task.h"

#include <tacet/blocking.h>
#include <tacet/socket.h>

#include <netdb.h>

tacet_result tacet_lookup_error(int error)
{
    switch (error) {
    case 0:
        return 0;
    case EAI_SYSTEM:
        return errno != 0 ? -errno : -EIO;
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_SERVICE:
    case EAI_ADDRFAMILY:
        return -ENOENT;
    case EAI_AGAIN:
        return -EAGAIN;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_FAMILY:
    case EAI_SOCKTYPE:
        return -EAFNOSUPPORT;
    case EAI_BADFLAGS:
        return -EINVAL;
    default:
        return -EIO;
    }
}

static tacet_result look_up(void *arg)
{
    struct tacet_lookup *lookup = arg;
    lookup->error = getaddrinfo(lookup->host, lookup->service, lookup->hints, &lookup->found);
    return tacet_lookup_error(lookup->error);
}

/* The helper reads them while the task's stack may be elsewhere. */
static tacet_result check_names(const struct tacet_task *task, const struct tacet_lookup *lookup)
{
    if (call_check_may_suspend(task) < 0 || !(tacet_task_ops(task)->flags & TACET_SWITCHER_STACK_NOT_STABLE))
        return 0;
    const void *const named[] = {lookup->host, lookup->service, lookup->hints};
    tacet_result r = 0;
    for (size_t i = 0; i < sizeof named / sizeof *named && r == 0; i++)
        r = named[i] != NULL ? bounce_check(task, named[i], "what is looked up") : 0;
    return r;
}

tacet_result tacet_look_up(struct tacet_task *task, struct tacet_lookup *lookup)
{
    if (lookup == NULL)
        return -EINVAL;
    lookup->found = NULL;
    lookup->error = 0;
    tacet_result r = check_names(task, lookup);
    return r < 0 ? r : tacet_run_blocking(task, look_up, lookup);
}

void tacet_lookup_finish(struct tacet_lookup *lookup)
{
    if (lookup->found != NULL)
        freeaddrinfo(lookup->found);
    lookup->found = NULL;
}
