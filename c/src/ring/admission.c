/* See admission.h. */
#include "ring/admission/parts.h"

#include "op/op.h"
#include "ring/completion.h"
#include "task/c_task.h"

#include <stdlib.h>

/*
 * The place of a request with TACET_OP_LIMITED: while it waits, its entry's index; when it has passed after that, the same with
 * HAS_ENTRY; if it did not have to wait, its file's index with HAS_FILE, or NONE.
 */
#define HAS_FILE 0x80000000u
#define HAS_ENTRY 0x40000000u
#define INDEX_MASK (HAS_ENTRY - 1)

/* ---- Making it ---- */

/* Those of high priority find some places more: low ones, which fill the others, do not stand in their way. */
static uint32_t places_for(unsigned level, unsigned max)
{
    if (max == 0)
        return UINT32_MAX;
    uint64_t more = level == TACET_PRIORITY_HIGH ? (max + 3ull) / 4 : 0;
    return max + more < UINT32_MAX ? (uint32_t)(max + more) : UINT32_MAX;
}

static void limit(struct admission *admission, enum kind kind, unsigned max)
{
    for (unsigned level = 0; level < TACET_PRIORITY_COUNT; level++) {
        admission->max[kind][level] = places_for(level, max);
        admission->waiting[kind][level] = empty_fifo;
    }
    admission->is_limited[kind] = kind != ALL && (max != 0 || admission->max[ALL][0] != UINT32_MAX);
}

tacet_result admission_create(struct admission **admission, const struct tacet_executor_options *options)
{
    *admission = NULL;
    if (options->ops_max == 0 && options->data_ops_max == 0 && options->worker_ops_max == 0 && !options->ordered_writes)
        return 0;
    struct admission *made = calloc(1, sizeof *made);
    if (made == NULL)
        return -ENOMEM;
    limit(made, ALL, options->ops_max);
    limit(made, DATA, options->data_ops_max);
    limit(made, WORKER, options->worker_ops_max);
    made->orders_writes = options->ordered_writes;
    made->entries = slots_of(sizeof(struct entry));
    made->kept = slots_of(sizeof(struct kept_descriptor));
    made->files = slots_of(sizeof(struct ordered_file));
    for (unsigned i = 0; i < BUCKETS; i++)
        made->buckets[i] = NONE;
    *admission = made;
    return 0;
}

void admission_destroy(struct admission *admission)
{
    if (admission == NULL)
        return;
    free(admission->entries.places);
    free(admission->kept.places);
    free(admission->files.places);
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

/* ---- Passing and waiting ---- */

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

static bool has_room(const struct admission *admission, enum kind kind, unsigned level)
{
    return admission->in_flight[kind] < admission->max[kind][level] &&
           admission->in_flight[ALL] < admission->max[ALL][level];
}

static void pass(struct admission *admission, struct tacet_request *request, enum kind kind, uint32_t place)
{
    admission->in_flight[kind]++;
    admission->in_flight[ALL]++;
    request->attention |= TACET_OP_LIMITED;
    request->place = place;
}

/* false: no memory. */
static bool wait_in_line(struct admission *admission, struct tacet_request *request, const struct entry *entry)
{
    uint32_t index = queue_add(admission, entry);
    if (index == NONE)
        return false;
    request->attention |= TACET_OP_LIMITED;
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
    const unsigned level = level_of(request);
    const bool has_turn = file == NONE || turns_take(admission, file);
    if (has_turn && has_room(admission, kind, level) && queue_is_first(admission, kind, level)) {
        pass(admission, request, kind, file != NONE ? HAS_FILE | file : NONE);
        return true;
    }
    const struct entry entry = {
        .sqe = *sqe, .kept = {NONE, NONE}, .file = file, .level = (uint8_t)level, .has_turn = has_turn};
    bool cancelled = request->attention & TACET_OP_CANCEL_ASKED; /* the kernel would not find it */
    if (!cancelled && wait_in_line(admission, request, &entry))
        return false;
    if (has_turn && file != NONE)
        turns_next(admission, file);
    end(executor, request, cancelled ? -ECANCELED : -ENOMEM);
    return false;
}

static void end_waiting(struct executor *executor, struct tacet_request *request, tacet_result result)
{
    struct admission *admission = executor->admission;
    const struct entry entry = *entry_at(admission, request->place);
    queue_take(admission, request->place);
    queue_give(admission, request->place);
    request->attention &= (uint8_t)~TACET_OP_LIMITED;
    if (entry.file != NONE && entry.has_turn)
        turns_next(admission, entry.file);
    end(executor, request, result);
}

void admission_keep_open(struct executor *executor, int fd)
{
    struct admission *admission = executor->admission;
    uint32_t kept = NONE;
    if (admission->waiting_count == 0)
        return;
    for (uint32_t i = 0; i < 2 * admission->entries.count; i++) {
        struct entry *entry = entry_at(admission, i / 2);
        if (!entry->waits || !closes_concern(entry, i % 2, fd))
            continue;
        if (kept == NONE)
            kept = closes_duplicate(admission, fd);
        if (kept == NONE)
            end_waiting(executor, request_of(entry->sqe.user_data), -EMFILE);
        else
            closes_use(admission, entry, i % 2, kept);
    }
}

/* ---- The way in ---- */

static bool sift_one(struct executor *executor, const struct io_uring_sqe *sqe)
{
    struct admission *admission = executor->admission;
    struct stat status;
    if (sqe->opcode == IORING_OP_CLOSE && sqe->file_index == 0)
        admission_keep_open(executor, sqe->fd);
    if ((sqe->user_data & TACET_TAG_MASK) > TACET_TAG_GROUP ||
        request_of(sqe->user_data)->attention & TACET_OP_LIMITED) /* nobody's request, or it has passed already */
        return true;
    enum kind kind = kind_of(admission, sqe, &status);
    if (kind == NOT_LIMITED)
        return true;
    uint32_t file = NONE;
    if (is_ordered(admission, sqe)) {
        file = turns_of_file(admission, &status);
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

static void pass_one(struct executor *executor, uint32_t index, enum kind kind)
{
    struct admission *admission = executor->admission;
    struct tacet_submission_queue *sq = &executor->shared.sq;
    const struct entry *entry = entry_at(admission, index);
    sq->sqes[sq->tail & sq->mask] = entry->sqe;
    sq->tail++;
    pass(admission, request_of(entry->sqe.user_data), kind, HAS_ENTRY | index);
    queue_take(admission, index);
}

/* The highest level first, whatever the kind. */
static bool pass_next(struct executor *executor)
{
    struct admission *admission = executor->admission;
    for (unsigned level = 0; level < TACET_PRIORITY_COUNT; level++) {
        for (enum kind kind = DATA; kind < KIND_COUNT; kind++) {
            uint32_t first = admission->waiting[kind][level].first;
            if (first != NONE && has_room(admission, kind, level)) {
                pass_one(executor, first, kind);
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

/* ---- The end ---- */

void admission_note_end(struct executor *executor, struct tacet_request *request)
{
    struct admission *admission = executor->admission;
    const enum kind kind = kind_of_opcode(request->opcode);
    TACET_ASSERT(kind != NOT_LIMITED && admission->in_flight[kind] > 0);
    admission->in_flight[kind]--;
    admission->in_flight[ALL]--;
    request->attention &= (uint8_t)~TACET_OP_LIMITED;
    uint32_t file = request->place;
    if (file == NONE)
        return;
    if (!(file & HAS_FILE)) {
        uint32_t index = file & INDEX_MASK;
        file = entry_at(admission, index)->file;
        queue_give(admission, index);
    }
    if (file != NONE)
        turns_next(admission, file & INDEX_MASK);
}

bool admission_cancel(struct executor *executor, struct tacet_request *request)
{
    if (request->place & (HAS_FILE | HAS_ENTRY)) /* or NONE */
        return false;
    end_waiting(executor, request, -ECANCELED);
    return true;
}

static void cancel_fifo(struct executor *executor, const struct fifo *fifo)
{
    while (fifo->first != NONE)
        admission_cancel(executor, request_of(entry_at(executor->admission, fifo->first)->sqe.user_data));
}

void admission_cancel_all(struct executor *executor)
{
    struct admission *admission = executor->admission;
    for (uint32_t i = 0; i < admission->files.count; i++)
        if (file_at(admission, i)->busy)
            cancel_fifo(executor, &file_at(admission, i)->waiting);
    for (unsigned kind = 0; kind < KIND_COUNT; kind++)
        for (unsigned level = 0; level < TACET_PRIORITY_COUNT; level++)
            cancel_fifo(executor, &admission->waiting[kind][level]);
}
