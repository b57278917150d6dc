/*
 * Reads and writes that are tried at once: where the page cache has what is asked for, a system call that does not wait
 * (RWF_NOWAIT, preadv2(2)) costs a quarter less than the way through the ring, and what it cannot do goes that way.
 *
 * Whether to try is decided per file, by what pays: a hit earns about a third of what a miss costs. Files are told apart by their
 * descriptors; two that share a slot share its experience. Owner thread only.
 */
#ifndef OP_AT_ONCE_H
#define OP_AT_ONCE_H

#include <tacet/file.h>

#define AT_ONCE_SLOTS 64

struct at_once_slot {
    uint8_t credit;  /* a hit earns one, a miss costs three */
    uint8_t pause;   /* operations that go through the ring before the next attempt */
    uint8_t penalty; /* the next pause; it doubles until attempts pay again */
};

struct at_once {
    struct at_once_slot slots[AT_ONCE_SLOTS]; /* by descriptor */
    uint64_t tried, done;
};

/* tacet_file_read() and tacet_file_write() as far as they can be done at once: the result, or TACET_PENDING. */
tacet_result at_once_read(struct tacet_task *task, const struct tacet_file *file, void *buffer, size_t bytes,
                          uint64_t offset);
tacet_result at_once_write(struct tacet_task *task, const struct tacet_file *file, const void *buffer, size_t bytes,
                           uint64_t offset);

#endif
