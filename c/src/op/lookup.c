/*
 * The lookup of names: getaddrinfo(3), which may wait long for a name server, on a helper thread. A task that is cancelled leaves it
 * behind there: so what it looks at is a copy, which it owns.
 */
#include "blocking/blocking.h"
#include "op/bounce.h"
#include "task/c_task.h"

#include <tacet/socket.h>

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

struct asked {
    struct tacet_lookup *lookup; /* of the task, while that waits */
    const char *host, *service;  /* in names, or NULL */
    bool has_hints;
    int error;
    struct addrinfo hints, *found;
    char names[];
};

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

static char *copy_name(char *into, const char *name, size_t bytes)
{
    return name != NULL ? memcpy(into, name, bytes) : NULL;
}

static size_t bytes_of(const char *name)
{
    return name != NULL ? strlen(name) + 1 : 0;
}

/* NULL: no memory. */
static struct asked *ask(struct tacet_lookup *lookup)
{
    size_t host_bytes = bytes_of(lookup->host), service_bytes = bytes_of(lookup->service);
    struct asked *asked = calloc(1, sizeof *asked + host_bytes + service_bytes);
    if (asked == NULL)
        return NULL;
    asked->lookup = lookup;
    asked->host = copy_name(asked->names, lookup->host, host_bytes);
    asked->service = copy_name(asked->names + host_bytes, lookup->service, service_bytes);
    asked->has_hints = lookup->hints != NULL;
    if (asked->has_hints)
        asked->hints = *lookup->hints;
    return asked;
}

static tacet_result look_up(void *arg)
{
    struct asked *asked = arg;
    asked->error = getaddrinfo(asked->host, asked->service, asked->has_hints ? &asked->hints : NULL, &asked->found);
    return tacet_lookup_error(asked->error);
}

static void finish(void *arg, bool awaited)
{
    struct asked *asked = arg;
    if (awaited) {
        asked->lookup->error = asked->error;
        asked->lookup->found = asked->found;
    } else if (asked->found != NULL) {
        freeaddrinfo(asked->found);
    }
    free(asked);
}

tacet_result tacet_look_up_park(struct tacet_task *task, struct tacet_lookup *lookup)
{
    lookup->found = NULL;
    lookup->error = 0;
    struct asked *asked = ask(lookup);
    if (asked == NULL)
        return -ENOMEM;
    tacet_result r = blocking_park(task, &(struct blocking_call){look_up, finish, asked});
    if (r < 0)
        free(asked);
    return r;
}

tacet_result tacet_look_up(struct tacet_task *task, struct tacet_lookup *lookup)
{
    if (lookup == NULL)
        return -EINVAL;
    tacet_result r = call_check(task);
    if (r == 0 && tacet_task_ops(task)->flags & TACET_SWITCHER_STACK_NOT_STABLE)
        r = bounce_check(task, lookup, "a lookup");
    if (r == 0)
        r = tacet_look_up_park(task, lookup);
    return r < 0 ? r : task_give_up(task);
}

void tacet_lookup_finish(struct tacet_lookup *lookup)
{
    if (lookup->found != NULL)
        freeaddrinfo(lookup->found);
    lookup->found = NULL;
}
