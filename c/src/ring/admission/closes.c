/* Descriptors of admission's own, for those whose descriptor is closed while they wait: one for each close. */
#include "ring/admission/parts.h"

#include <fcntl.h>
#include <unistd.h>

static struct kept_descriptor *kept_at(const struct admission *admission, uint32_t index)
{
    return slots_at(&admission->kept, index);
}

bool closes_concern(const struct entry *entry, unsigned which, int fd)
{
    return which < descriptors_of_opcode(entry->sqe.opcode) && entry->kept[which] == NONE &&
           (which == 0 ? entry->sqe.fd : (int)entry->sqe.len) == fd;
}

uint32_t closes_duplicate(struct admission *admission, int fd)
{
    uint32_t index = slots_take(&admission->kept);
    if (index == NONE)
        return NONE;
    int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (duplicate < 0) {
        slots_give(&admission->kept, index);
        return NONE;
    }
    *kept_at(admission, index) = (struct kept_descriptor){.fd = duplicate};
    return index;
}

void closes_use(struct admission *admission, struct entry *entry, unsigned which, uint32_t kept)
{
    struct kept_descriptor *descriptor = kept_at(admission, kept);
    entry->kept[which] = kept;
    descriptor->users++;
    if (which == 0)
        entry->sqe.fd = descriptor->fd;
    else
        entry->sqe.len = (uint32_t)descriptor->fd;
}

void closes_let_go(struct admission *admission, uint32_t kept)
{
    if (kept == NONE || --kept_at(admission, kept)->users > 0)
        return;
    close(kept_at(admission, kept)->fd);
    slots_give(&admission->kept, kept);
}
