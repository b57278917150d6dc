/* The lookup of names: getaddrinfo(3), which may wait for a name server, on a helper thread. */
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

tacet_result tacet_look_up(struct tacet_task *task, struct tacet_lookup *lookup)
{
    if (lookup == NULL)
        return -EINVAL;
    lookup->found = NULL;
    lookup->error = 0;
    return tacet_run_blocking(task, look_up, lookup);
}

void tacet_lookup_finish(struct tacet_lookup *lookup)
{
    if (lookup->found != NULL)
        freeaddrinfo(lookup->found);
    lookup->found = NULL;
}
