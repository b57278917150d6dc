/*
 * The table of an executor's registered descriptors: see tacet/descriptor.h. Made when the first is wanted.
 *
 * A registered descriptor says whose it is and where: TACET_DESCRIPTOR_REGISTERED | identity << 14 | slot. In the lower half of the
 * table the executor finds the slots, in the upper one the kernel does, for what it opens.
 */
#ifndef RING_DESCRIPTORS_H
#define RING_DESCRIPTORS_H

#include <tacet/descriptor.h>

#include <stdint.h>

struct executor;

/* What the kernel has opened in this slot. */
int descriptors_name(const struct executor *executor, uint32_t slot);

/* An operation has closed it: its slot can be used again. */
void descriptors_note_closed(struct executor *executor, int fd);

/* close(2) for any descriptor, from any thread. One that another executor has registered is closed there, soon. 0 or -errno. */
int descriptor_close(int fd);

/* The executor goes away: what is still open is closed, and other threads do not reach its table any more. */
void descriptors_finish(struct executor *executor);

#endif
