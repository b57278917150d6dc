/*
 * Files with ordered writes, by device and inode, as long as a write to one is under way or waits: one write has the turn, the
 * others follow in the order of their coming.
 */
#include "ring/admission/parts.h"

struct ordered_file *file_at(const struct admission *admission, uint32_t index)
{
    return slots_at(&admission->files, index);
}

static uint32_t *bucket_of(struct admission *admission, dev_t dev, ino_t ino)
{
    return &admission->buckets[(ino ^ dev) % BUCKETS];
}

static uint32_t make_file(struct admission *admission, const struct stat *status)
{
    uint32_t index = slots_take(&admission->files), *bucket = bucket_of(admission, status->st_dev, status->st_ino);
    if (index == NONE)
        return NONE;
    *file_at(admission, index) = (struct ordered_file){
        .next = *bucket, .busy = false, .waiting = empty_fifo, .dev = status->st_dev, .ino = status->st_ino};
    *bucket = index;
    return index;
}

static void forget_file(struct admission *admission, uint32_t index)
{
    const struct ordered_file *file = file_at(admission, index);
    uint32_t *link = bucket_of(admission, file->dev, file->ino);
    while (*link != index)
        link = &file_at(admission, *link)->next;
    *link = file->next;
    slots_give(&admission->files, index);
}

static bool is_file(const struct ordered_file *file, const struct stat *status)
{
    return file->dev == status->st_dev && file->ino == status->st_ino;
}

uint32_t turns_of_file(struct admission *admission, const struct stat *status)
{
    uint32_t index = *bucket_of(admission, status->st_dev, status->st_ino);
    while (index != NONE && !is_file(file_at(admission, index), status))
        index = file_at(admission, index)->next;
    return index != NONE ? index : make_file(admission, status);
}

bool turns_take(struct admission *admission, uint32_t file)
{
    bool was_busy = file_at(admission, file)->busy;
    file_at(admission, file)->busy = true;
    return !was_busy;
}

void turns_next(struct admission *admission, uint32_t file)
{
    struct fifo *waiting = &file_at(admission, file)->waiting;
    uint32_t next = waiting->first;
    if (next == NONE) {
        file_at(admission, file)->busy = false;
        forget_file(admission, file);
        return;
    }
    struct entry *entry = entry_at(admission, next);
    fifo_take(admission, waiting, next);
    entry->has_turn = true;
    fifo_push(admission, fifo_of(admission, entry), next);
}
