/* See admission.h. */
#include "ring/admission.h"

#include "op/op.h"
#include "ring/completion.h"
#include "task/c_task.h"

#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind {
    NOT_LIMITED,
    DATA,   /* reads and writes of regular files */
    WORKER, /* what one of the kernel's worker threads does */
    KIND_COUNT,
};

static const uint8_t kinds[256] = {
    [IORING_OP_READ] = DATA,
    [IORING_OP_WRITE] = DATA,
    [IORING_OP_READV] = DATA,
    [IORING_OP_WRITEV] = DATA,
    [IORING_OP_READ_FIXED] = DATA,
    [IORING_OP_WRITE_FIXED] = DATA,
    [IORING_OP_FSYNC] = WORKER,
    [IORING_OP_FALLOCATE] = WORKER,
    [IORING_OP_STATX] = WORKER,
    [IORING_OP_FADVISE] = WORKER,
    [IORING_OP_MADVISE] = WORKER,
    [IORING_OP_OPENAT2] = WORKER,
    [IORING_OP_SYNC_FILE_RANGE] = WORKER,
    [IORING_OP_RENAMEAT] = WORKER,
    [IORING_OP_UNLINKAT] = WORKER,
    [IORING_OP_MKDIRAT] = WORKER,
    [IORING_OP_SYMLINKAT] = WORKER,
    [IORING_OP_LINKAT] = WORKER,
    [IORING_OP_FSETXATTR] = WORKER,
    [IORING_OP_SETXATTR] = WORKER,
    [IORING_OP_FGETXATTR] = WORKER,
    [IORING_OP_GETXATTR] = WORKER,
    [TACET_OPCODE_FTRUNCATE] = WORKER,
};

/* Where requests of limited kinds name descriptors: 1: fd; 2: and the second directory, in len. */
static const uint8_t descriptors[256] = {
    [IORING_OP_READ] = 1,       [IORING_OP_WRITE] = 1,       [IORING_OP_READV] = 1,     [IORING_OP_WRITEV] = 1,
    [IORING_OP_READ_FIXED] = 1, [IORING_OP_WRITE_FIXED] = 1, [IORING_OP_FSYNC] = 1,     [IORING_OP_FALLOCATE] = 1,
    [IORING_OP_STATX] = 1,      [IORING_OP_FADVISE] = 1,     [IORING_OP_OPENAT2] = 1,   [IORING_OP_SYNC_FILE_RANGE] = 1,
    [IORING_OP_RENAMEAT] = 2,   [IORING_OP_UNLINKAT] = 1,    [IORING_OP_MKDIRAT] = 1,   [IORING_OP_SYMLINKAT] = 1,
    [IORING_OP_LINKAT] = 2,     [IORING_OP_FSETXATTR] = 1,   [IORING_OP_FGETXATTR] = 1, [TACET_OPCODE_FTRUNCATE] = 1,
};

/*
 * The place of a request with TACET_OP_LIMITED: while it waits, its entry's index; when it has passed after that, the same with
 * HAS_ENTRY; if it did not have to wait, its file's index with HAS_FILE, or NONE.
 */
#define NONE UINT32_MAX
#define HAS_FILE 0x80000000u
#define HAS_ENTRY 0x40000000u
#define INDEX_MASK (HAS_ENTRY - 1)

struct fifo {
    uint32_t first, last; /* entries' indices, or NONE */
};

/* One that waits, or has. */
struct entry {
    struct io_uring_sqe sqe;
    uint32_t kept[2];    /* the descriptors that it names are closed already: see keep_open(); else NONE */
    uint32_t next, prev; /* in its fifo; next: in the list of free ones */
    uint32_t file;       /* whose turn it has, or waits for; NONE: it is not ordered */
    uint8_t level;
    bool waits;
    bool has_turn; /* it waits for room only, in the fifo of its kind and level; else in its file's */
};

/* A file with ordered writes: one has the turn, the others wait for it. */
struct ordered_file {
    dev_t dev;
    ino_t ino;
    struct fifo waiting;
    uint32_t next; /* in its bucket; in the list of free ones */
    bool busy;     /* somebody has the turn */
};

/*
 * What somebody closes while operations wait for it, whose number may be another file's before their turn comes: a descriptor of
 * their own.
 */
struct kept_descriptor {
    int fd;
    uint32_t users; /* 0: free */
};

#define BUCKETS 64u

struct admission {
    uint32_t in_flight[KIND_COUNT], max[KIND_COUNT]; /* of NOT_LIMITED: of all together */
    struct fifo waiting[KIND_COUNT][TACET_PRIORITY_COUNT];
    uint64_t waiting_count;
    uint32_t sifted; /* as the submission queue's tail: what stands before has been looked at */
    bool orders_writes;
    bool has_ended; /* some operation, in the present or the last sift */

    struct entry *entries;
    uint32_t entry_count, free_entry;
    struct kept_descriptor *kept;
    uint32_t kept_count;
    struct ordered_file *files;
    uint32_t file_count, free_file;
    uint32_t buckets[BUCKETS];
};

/* ---- Making it ---- */

static const struct fifo empty = {NONE, NONE};

static uint32_t limit_of(unsigned max)
{
    return max != 0 ? max : UINT32_MAX;
}

tacet_result admission_create(struct admission **admission, const struct tacet_executor_options *options)
{
    *admission = NULL;
    if (options->ops_max == 0 && options->data_ops_max == 0 && options->worker_ops_max == 0 && !options->ordered_writes)
        return 0;
    struct admission *made = calloc(1, sizeof *made);
    if (made == NULL)
        return -ENOMEM;
    made->max[NOT_LIMITED] = limit_of(options->ops_max);
    made->max[DATA] = limit_of(options->data_ops_max);
    made->max[WORKER] = limit_of(options->worker_ops_max);
    made->orders_writes = options->ordered_writes;
    for (unsigned kind = 0; kind < KIND_COUNT; kind++)
        for (unsigned level = 0; level < TACET_PRIORITY_COUNT; level++)
            made->waiting[kind][level] = empty;
    made->free_entry = made->free_file = NONE;
    for (unsigned i = 0; i < BUCKETS; i++)
        made->buckets[i] = NONE;
    *admission = made;
    return 0;
}

void admission_destroy(struct admission *admission)
{
    if (admission == NULL)
        return;
    free(admission->entries);
    free(admission->kept);
    free(admission->files);
    free(admission);
}

bool admission_orders_writes(const struct admission *admission)
{
    return admission != NULL && admission->orders_writes;
}

uint64_t admission_waiting(const struct admission *admission)
{
    return admission != NULL ? admission->waiting_count : 0;
}

/* ---- Entries and their fifos ---- */

static void push(struct admission *admission, struct fifo *fifo, uint32_t index)
{
    admission->entries[index].next = NONE;
    admission->entries[index].prev = fifo->last;
    if (fifo->last != NONE)
        admission->entries[fifo->last].next = index;
    else
        fifo->first = index;
    fifo->last = index;
}

static void take(struct admission *admission, struct fifo *fifo, uint32_t index)
{
    const struct entry *entry = &admission->entries[index];
    *(entry->prev != NONE ? &admission->entries[entry->prev].next : &fifo->first) = entry->next;
    *(entry->next != NONE ? &admission->entries[entry->next].prev : &fifo->last) = entry->prev;
}

/* The doubled array, or NULL. */
static void *grown(void *array, uint32_t *count, size_t bytes)
{
    uint32_t more = *count > 0 ? 2 * *count : 16;
    void *larger = more <= INDEX_MASK ? realloc(array, more * bytes) : NULL;
    if (larger != NULL)
        *count = more;
    return larger;
}

static uint32_t take_entry(struct admission *admission)
{
    if (admission->free_entry == NONE) {
        uint32_t first = admission->entry_count;
        struct entry *entries = grown(admission->entries, &admission->entry_count, sizeof *entries);
        if (entries == NULL)
            return NONE;
        admission->entries = entries;
        for (uint32_t i = first; i < admission->entry_count; i++)
            entries[i] = (struct entry){.next = i + 1 < admission->entry_count ? i + 1 : NONE};
        admission->free_entry = first;
    }
    uint32_t index = admission->free_entry;
    admission->free_entry = admission->entries[index].next;
    return index;
}

static void let_go(struct admission *admission, uint32_t kept)
{
    if (kept != NONE && --admission->kept[kept].users == 0)
        close(admission->kept[kept].fd);
}

static void give_entry(struct admission *admission, uint32_t index)
{
    struct entry *entry = &admission->entries[index];
    let_go(admission, entry->kept[0]);
    let_go(admission, entry->kept[1]);
    entry->next = admission->free_entry;
    admission->free_entry = index;
}

/* ---- Files with ordered writes ---- */

static uint32_t *bucket_of(struct admission *admission, dev_t dev, ino_t ino)
{
    return &admission->buckets[(ino ^ dev) % BUCKETS];
}

static uint32_t make_file(struct admission *admission, const struct stat *status)
{
    if (admission->free_file == NONE) {
        uint32_t first = admission->file_count;
        struct ordered_file *files = grown(admission->files, &admission->file_count, sizeof *files);
        if (files == NULL)
            return NONE;
        admission->files = files;
        for (uint32_t i = first; i < admission->file_count; i++)
            files[i] = (struct ordered_file){.next = i + 1 < admission->file_count ? i + 1 : NONE};
        admission->free_file = first;
    }
    uint32_t index = admission->free_file, *bucket = bucket_of(admission, status->st_dev, status->st_ino);
    admission->free_file = admission->files[index].next;
    admission->files[index] = (struct ordered_file){status->st_dev, status->st_ino, empty, *bucket, false};
    *bucket = index;
    return index;
}

/* NONE: no memory. */
static uint32_t file_of(struct admission *admission, const struct stat *status)
{
    uint32_t index = *bucket_of(admission, status->st_dev, status->st_ino);
    while (index != NONE &&
           (admission->files[index].dev != status->st_dev || admission->files[index].ino != status->st_ino))
        index = admission->files[index].next;
    return index != NONE ? index : make_file(admission, status);
}

static void forget_file(struct admission *admission, uint32_t index)
{
    struct ordered_file *file = &admission->files[index];
    uint32_t *link = bucket_of(admission, file->dev, file->ino);
    while (*link != index)
        link = &admission->files[*link].next;
    *link = file->next;
    file->next = admission->free_file;
    admission->free_file = index;
}

static struct fifo *fifo_of(struct admission *admission, const struct entry *entry)
{
    return entry->has_turn ? &admission->waiting[kinds[entry->sqe.opcode]][entry->level]
                           : &admission->files[entry->file].waiting;
}

/* The write that had the turn has ended, or will not begin. */
static void next_turn(struct admission *admission, uint32_t index)
{
    struct ordered_file *file = &admission->files[index];
    uint32_t next = file->waiting.first;
    file->busy = next != NONE;
    if (next == NONE) {
        forget_file(admission, index);
        return;
    }
    take(admission, &file->waiting, next);
    admission->entries[next].has_turn = true;
    push(admission, fifo_of(admission, &admission->entries[next]), next);
}

/* ---- What is limited ---- */

/* The I/O priority of the task, the CPU priority of a callback, which has no other. */
static unsigned level_of(struct tacet_request *request)
{
    const struct tacet_op *op = op_of_request(request);
    switch (request->tag) {
    case TACET_TAG_AWAIT:
        return task_io_level(task_of_request(request));
    case TACET_TAG_TASK:
        return task_io_level(op->owner.task);
    case TACET_TAG_GROUP:
        return task_io_level(op->owner.group->task);
    default:
        return op->priority;
    }
}

/* An open that ends of itself: not that of a fifo that is there already. */
static bool makes_a_file(const struct io_uring_sqe *sqe)
{
    const struct open_how *how = (const struct open_how *)(uintptr_t)sqe->off;
    return (how->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL) || (how->flags & O_TMPFILE) == O_TMPFILE;
}

static bool is_write(unsigned opcode)
{
    return opcode == IORING_OP_WRITE || opcode == IORING_OP_WRITEV || opcode == IORING_OP_WRITE_FIXED;
}

/* Its kind, and the status of the file where it is DATA. */
static enum kind kind_of(const struct io_uring_sqe *sqe, struct stat *status)
{
    enum kind kind = (enum kind)kinds[sqe->opcode];
    const unsigned unlimited = IOSQE_IO_LINK | IOSQE_IO_HARDLINK | IOSQE_BUFFER_SELECT | /* the buffers limit these */
                               IOSQE_FIXED_FILE; /* which file it is cannot be asked */
    if (sqe->flags & unlimited)
        return NOT_LIMITED;
    if (sqe->opcode == IORING_OP_OPENAT2)
        return makes_a_file(sqe) ? WORKER : NOT_LIMITED;
    if (kind != DATA)
        return kind;
    bool is_regular = fstat(sqe->fd, status) == 0 && S_ISREG(status->st_mode);
    return is_regular ? DATA : NOT_LIMITED;
}

static bool has_room(const struct admission *admission, enum kind kind)
{
    return admission->in_flight[kind] < admission->max[kind] &&
           admission->in_flight[NOT_LIMITED] < admission->max[NOT_LIMITED];
}

static bool is_first(const struct admission *admission, enum kind kind, unsigned level)
{
    for (unsigned l = 0; l <= level; l++)
        if (admission->waiting[kind][l].first != NONE)
            return false;
    return true;
}

/* ---- Passing and waiting ---- */

static void count(struct admission *admission, struct tacet_request *request, enum kind kind, uint32_t place)
{
    admission->in_flight[kind]++;
    admission->in_flight[NOT_LIMITED]++;
    request->place = place;
}

/* false: no memory. */
static bool wait_in_line(struct admission *admission, struct tacet_request *request, const struct io_uring_sqe *sqe,
                         uint32_t file, bool has_turn)
{
    uint32_t index = take_entry(admission);
    if (index == NONE)
        return false;
    struct entry *entry = &admission->entries[index];
    *entry = (struct entry){.sqe = *sqe,
                            .kept = {NONE, NONE},
                            .file = file,
                            .level = (uint8_t)level_of(request),
                            .waits = true,
                            .has_turn = has_turn};
    push(admission, fifo_of(admission, entry), index);
    admission->waiting_count++;
    request->place = index;
    return true;
}

static void end(struct executor *executor, struct tacet_request *request, tacet_result result)
{
    executor->admission->has_ended = true;
    completion_terminal(executor, request, result);
}

/* Whether the limited request goes on to the kernel. If not it waits, or has ended. */
static bool admit(struct executor *executor, const struct io_uring_sqe *sqe, enum kind kind, uint32_t file)
{
    struct admission *admission = executor->admission;
    struct tacet_request *request = request_of(sqe->user_data);
    bool has_turn = file == NONE || !admission->files[file].busy;
    if (has_turn && file != NONE)
        admission->files[file].busy = true;
    if (has_turn && has_room(admission, kind) && is_first(admission, kind, level_of(request))) {
        request->attention |= TACET_OP_LIMITED;
        count(admission, request, kind, file != NONE ? HAS_FILE | file : NONE);
        return true;
    }
    bool cancelled = request->attention & TACET_OP_CANCEL_ASKED; /* the kernel would not find it */
    if (!cancelled && wait_in_line(admission, request, sqe, file, has_turn)) {
        request->attention |= TACET_OP_LIMITED;
        return false;
    }
    if (has_turn && file != NONE)
        next_turn(admission, file);
    end(executor, request, cancelled ? -ECANCELED : -ENOMEM);
    return false;
}

static void end_waiting(struct executor *executor, struct tacet_request *request, tacet_result result)
{
    struct admission *admission = executor->admission;
    const struct entry entry = admission->entries[request->place];
    take(admission, fifo_of(admission, &entry), request->place);
    admission->entries[request->place].waits = false;
    admission->waiting_count--;
    give_entry(admission, request->place);
    request->attention &= (uint8_t)~TACET_OP_LIMITED;
    if (entry.file != NONE && entry.has_turn)
        next_turn(admission, entry.file);
    end(executor, request, result);
}

/* ---- Closes ---- */

static bool names(const struct entry *entry, unsigned which, int fd)
{
    return which < descriptors[entry->sqe.opcode] && entry->kept[which] == NONE &&
           (which == 0 ? entry->sqe.fd : (int)entry->sqe.len) == fd;
}

/* A place in the table; NONE: no memory, or no descriptor. */
static uint32_t keep_descriptor(struct admission *admission, int fd)
{
    uint32_t index = 0;
    while (index < admission->kept_count && admission->kept[index].users > 0)
        index++;
    if (index == admission->kept_count) {
        struct kept_descriptor *kept = grown(admission->kept, &admission->kept_count, sizeof *kept);
        if (kept == NULL)
            return NONE;
        admission->kept = kept;
        memset(&kept[index], 0, (admission->kept_count - index) * sizeof *kept);
    }
    admission->kept[index].fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return admission->kept[index].fd >= 0 ? index : NONE;
}

static void rename_in(struct admission *admission, struct entry *entry, unsigned which, uint32_t kept)
{
    entry->kept[which] = kept;
    admission->kept[kept].users++;
    if (which == 0)
        entry->sqe.fd = admission->kept[kept].fd;
    else
        entry->sqe.len = (uint32_t)admission->kept[kept].fd;
}

void admission_keep_open(struct executor *executor, int fd)
{
    struct admission *admission = executor->admission;
    uint32_t kept = NONE;
    if (admission->waiting_count == 0)
        return;
    for (uint32_t i = 0; i < 2 * admission->entry_count; i++) {
        struct entry *entry = &admission->entries[i / 2];
        if (!entry->waits || !names(entry, i % 2, fd))
            continue;
        if (kept == NONE)
            kept = keep_descriptor(admission, fd);
        if (kept == NONE)
            end_waiting(executor, request_of(entry->sqe.user_data), -EMFILE);
        else
            rename_in(admission, entry, i % 2, kept);
    }
}

static bool sift_one(struct executor *executor, const struct io_uring_sqe *sqe)
{
    struct admission *admission = executor->admission;
    struct stat status;
    if (sqe->opcode == IORING_OP_CLOSE && sqe->file_index == 0)
        admission_keep_open(executor, sqe->fd);
    if ((sqe->user_data & TACET_TAG_MASK) > TACET_TAG_GROUP ||
        request_of(sqe->user_data)->attention & TACET_OP_LIMITED) /* nobody's request, or it has passed already */
        return true;
    enum kind kind = kind_of(sqe, &status);
    if (kind == NOT_LIMITED)
        return true;
    uint32_t file = NONE;
    if (kind == DATA && admission->orders_writes && is_write(sqe->opcode)) {
        file = file_of(admission, &status);
        if (file == NONE) {
            end(executor, request_of(sqe->user_data), -ENOMEM);
            return false;
        }
    }
    return admit(executor, sqe, kind, file);
}

bool admission_sift(struct executor *executor)
{
    struct admission *admission = executor->admission;
    struct tacet_submission_queue *sq = &executor->shared.sq;
    uint32_t kept = admission->sifted, tail = sq->tail;
    admission->has_ended = false;
    bool in_chain = false;
    for (uint32_t i = kept; i != tail; i++) {
        const struct io_uring_sqe *sqe = &sq->sqes[i & sq->mask];
        bool ends_chain = in_chain;
        in_chain = sqe->flags & (IOSQE_IO_LINK | IOSQE_IO_HARDLINK);
        if (!in_chain && !ends_chain && !sift_one(executor, sqe))
            continue;
        if (kept != i)
            sq->sqes[kept & sq->mask] = *sqe;
        kept++;
    }
    sq->tail = kept;
    admission_pass(executor);
    admission->sifted = sq->tail;
    return admission->has_ended;
}

void admission_forget_queued(struct executor *executor)
{
    executor->admission->sifted = executor->shared.sq.tail;
    admission_pass(executor);
}

static void pass_one(struct executor *executor, struct fifo *fifo, enum kind kind)
{
    struct admission *admission = executor->admission;
    struct tacet_submission_queue *sq = &executor->shared.sq;
    uint32_t index = fifo->first;
    const struct entry *entry = &admission->entries[index];
    sq->sqes[sq->tail & sq->mask] = entry->sqe;
    sq->tail++;
    count(admission, request_of(entry->sqe.user_data), kind, HAS_ENTRY | index);
    take(admission, fifo, index);
    admission->entries[index].waits = false;
    admission->waiting_count--;
}

/* The highest level first, whatever the kind. */
static bool pass_next(struct executor *executor)
{
    struct admission *admission = executor->admission;
    for (unsigned level = 0; level < TACET_PRIORITY_COUNT; level++) {
        for (enum kind kind = DATA; kind < KIND_COUNT; kind++) {
            struct fifo *fifo = &admission->waiting[kind][level];
            if (fifo->first != NONE && has_room(admission, kind)) {
                pass_one(executor, fifo, kind);
                return true;
            }
        }
    }
    return false;
}

void admission_pass(struct executor *executor)
{
    const struct tacet_submission_queue *sq = &executor->shared.sq;
    while (executor->admission->waiting_count > 0 && sq->tail != sq->limit && pass_next(executor))
        continue;
}

void admission_note_end(struct executor *executor, struct tacet_request *request)
{
    struct admission *admission = executor->admission;
    admission->in_flight[kinds[request->opcode]]--;
    admission->in_flight[NOT_LIMITED]--;
    request->attention &= (uint8_t)~TACET_OP_LIMITED;
    uint32_t file = request->place;
    if (file == NONE)
        return;
    if (!(file & HAS_FILE)) {
        uint32_t index = file & INDEX_MASK;
        file = admission->entries[index].file;
        give_entry(admission, index);
    }
    if (file != NONE)
        next_turn(admission, file & INDEX_MASK);
}

bool admission_cancel(struct executor *executor, struct tacet_request *request)
{
    if (request->place & (HAS_FILE | HAS_ENTRY)) /* or NONE */
        return false;
    end_waiting(executor, request, -ECANCELED);
    return true;
}

static void cancel_fifo(struct executor *executor, struct fifo *fifo)
{
    while (fifo->first != NONE)
        admission_cancel(executor, request_of(executor->admission->entries[fifo->first].sqe.user_data));
}

void admission_cancel_all(struct executor *executor)
{
    struct admission *admission = executor->admission;
    for (uint32_t i = 0; i < admission->file_count; i++)
        if (admission->files[i].busy)
            cancel_fifo(executor, &admission->files[i].waiting);
    for (unsigned kind = 0; kind < KIND_COUNT; kind++)
        for (unsigned level = 0; level < TACET_PRIORITY_COUNT; level++)
            cancel_fifo(executor, &admission->waiting[kind][level]);
}
