/*
 * What the parts of admission share. Nobody else includes this: see ring/admission.h.
 *
 *     kinds.c       which operations are limited
 *     queue.c       entries, which wait in fifos
 *     turns.c       files with ordered writes: whose turn it is
 *     closes.c      descriptors that are closed while somebody waits who names them
 *     admission.c   the way through all that
 */
#ifndef RING_ADMISSION_PARTS_H
#define RING_ADMISSION_PARTS_H

#include "ring/admission.h"
#include "ring/admission/slots.h"

#include <sys/stat.h>

enum kind {
    NOT_LIMITED,
    DATA,   /* reads and writes of regular files */
    WORKER, /* what one of the kernel's worker threads does */
    KIND_COUNT,
};

#define ALL NOT_LIMITED /* among the counts: of all kinds together */

struct fifo {
    uint32_t first, last; /* entries' indices, or NONE */
};

/* One that waits, or has. */
struct entry {
    uint32_t next, prev; /* in its fifo; next: in the list of free ones */
    uint32_t file;       /* whose turn it has, or waits for; NONE: it is not ordered */
    uint32_t kept[2];    /* the descriptors that it names are closed already: see closes.c; else NONE */
    struct io_uring_sqe sqe;
    uint8_t level;
    bool waits;
    bool has_turn; /* it waits for room only, in the fifo of its kind and level; else in its file's */
};

/* A file with ordered writes: one has the turn, the others wait for it. */
struct ordered_file {
    uint32_t next; /* in its bucket; in the list of free ones */
    bool busy;     /* somebody has the turn */
    struct fifo waiting;
    dev_t dev;
    ino_t ino;
};

/*
 * What somebody closes while operations wait for it, whose number may be another file's before their turn comes: a descriptor of
 * their own.
 */
struct kept_descriptor {
    uint32_t next_free;
    int fd;
    uint32_t users;
};

#define BUCKETS 64u

struct admission {
    uint32_t in_flight[KIND_COUNT], max[KIND_COUNT][TACET_PRIORITY_COUNT]; /* max: what a level sees */
    bool is_limited[KIND_COUNT];
    struct fifo waiting[KIND_COUNT][TACET_PRIORITY_COUNT];
    uint64_t waiting_count;
    uint32_t sifted; /* as the submission queue's tail: what stands before has been looked at */
    bool orders_writes;
    bool has_ended; /* some operation, in the present or the last sift */

    struct slots entries; /* struct entry */
    struct slots kept;    /* struct kept_descriptor */
    struct slots files;   /* struct ordered_file */
    uint32_t buckets[BUCKETS];
};

/* ---- kinds.c ---- */

/* Its kind, and the status of the file where it is DATA. */
enum kind kind_of(const struct admission *admission, const struct io_uring_sqe *sqe, struct stat *status);

/* Of an operation of limited kind, which has passed. */
enum kind kind_of_opcode(unsigned opcode);

/* How many descriptors an operation of limited kind names: 1: fd; 2: and the second directory, in len. */
unsigned descriptors_of_opcode(unsigned opcode);

/* Whether it takes turns with others. */
bool is_ordered(const struct admission *admission, const struct io_uring_sqe *sqe);

/* ---- queue.c ---- */

extern const struct fifo empty_fifo;

struct entry *entry_at(const struct admission *admission, uint32_t index);

/* Where it waits. */
struct fifo *fifo_of(struct admission *admission, const struct entry *entry);

void fifo_push(struct admission *admission, struct fifo *fifo, uint32_t index);
void fifo_take(struct admission *admission, struct fifo *fifo, uint32_t index);

/* It waits from now on; its index, or NONE: no memory. */
uint32_t queue_add(struct admission *admission, const struct entry *entry);

/* It does not wait any more, but is there until it is given back. */
void queue_take(struct admission *admission, uint32_t index);
void queue_give(struct admission *admission, uint32_t index);

/* Whether nobody of this kind waits who goes before, or has come before, one of this level. */
bool queue_is_first(const struct admission *admission, enum kind kind, unsigned level);

/* ---- turns.c ---- */

struct ordered_file *file_at(const struct admission *admission, uint32_t index);

/* The file of a write: its index, or NONE: no memory. */
uint32_t turns_of_file(struct admission *admission, const struct stat *status);

/* Whether the turn is the caller's, who gives it up by turns_next(). */
bool turns_take(struct admission *admission, uint32_t file);

/* The write that had the turn has ended, or will not begin. */
void turns_next(struct admission *admission, uint32_t file);

/* ---- closes.c ---- */

/* Whether the entry names the descriptor, in this place, and has not got another one already. */
bool closes_concern(const struct entry *entry, unsigned which, int fd);

/* A descriptor to the same file, without users; NONE: no memory, or no descriptor. */
uint32_t closes_duplicate(struct admission *admission, int fd);
void closes_use(struct admission *admission, struct entry *entry, unsigned which, uint32_t kept);

/* NONE is fine. */
void closes_let_go(struct admission *admission, uint32_t kept);

#endif
