/*
 * Entries and the fifos that they wait in: one for each kind and level, where they wait for room, and one for each file with
 * ordered writes, where they wait for their turn.
 */
#include "ring/admission/parts.h"

const struct fifo empty_fifo = {NONE, NONE};

struct entry *entry_at(const struct admission *admission, uint32_t index)
{
    return slots_at(&admission->entries, index);
}

struct fifo *fifo_of(struct admission *admission, const struct entry *entry)
{
    return entry->has_turn ? &admission->waiting[kind_of_opcode(entry->sqe.opcode)][entry->level]
                           : &file_at(admission, entry->file)->waiting;
}

void fifo_push(struct admission *admission, struct fifo *fifo, uint32_t index)
{
    struct entry *entry = entry_at(admission, index);
    entry->next = NONE;
    entry->prev = fifo->last;
    *(fifo->last != NONE ? &entry_at(admission, fifo->last)->next : &fifo->first) = index;
    fifo->last = index;
}

void fifo_take(struct admission *admission, struct fifo *fifo, uint32_t index)
{
    const struct entry *entry = entry_at(admission, index);
    *(entry->prev != NONE ? &entry_at(admission, entry->prev)->next : &fifo->first) = entry->next;
    *(entry->next != NONE ? &entry_at(admission, entry->next)->prev : &fifo->last) = entry->prev;
}

uint32_t queue_add(struct admission *admission, const struct entry *entry)
{
    uint32_t index = slots_take(&admission->entries);
    if (index == NONE)
        return NONE;
    *entry_at(admission, index) = *entry;
    entry_at(admission, index)->waits = true;
    fifo_push(admission, fifo_of(admission, entry), index);
    admission->waiting_count++;
    return index;
}

void queue_take(struct admission *admission, uint32_t index)
{
    struct entry *entry = entry_at(admission, index);
    fifo_take(admission, fifo_of(admission, entry), index);
    entry->waits = false;
    admission->waiting_count--;
}

void queue_give(struct admission *admission, uint32_t index)
{
    const struct entry *entry = entry_at(admission, index);
    closes_let_go(admission, entry->kept[0]);
    closes_let_go(admission, entry->kept[1]);
    slots_give(&admission->entries, index);
}

bool queue_is_first(const struct admission *admission, enum kind kind, unsigned level)
{
    for (unsigned l = 0; l <= level; l++)
        if (admission->waiting[kind][l].first != NONE)
            return false;
    return true;
}
