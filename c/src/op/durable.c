/*
 * What is to be there after a crash: data and its sync, chained; a file that appears whole, and its directory.
 *
 * A chain lives within one submission: it is submitted at once, and if the kernel did not take both in one go, or the
 * operations were not queued one behind the other, the sync is not relied on but made anew.
 */
#include "executor/executor.h"
#include "op/steps.h"
#include "ring/admission.h"
#include "ring/completion.h"
#include "task/c_task.h"

#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Admission may take out what is queued before the chain, which would move it: then there is to be nothing. */
static bool chain_has_room(const struct executor *executor)
{
    const struct tacet_submission_queue *sq = &executor->shared.sq;
    uint32_t queued = sq->tail - sq->submitted;
    return executor->admission == NULL ? executor->ring.sq_entries - queued >= 2 : queued == 0;
}

tacet_result tacet_chain_begin(struct tacet_executor *shared, uint32_t *first)
{
    struct executor *executor = executor_of(shared);
    struct tacet_submission_queue *sq = &shared->sq;
    if (!executor_is_mine(executor))
        return -EPERM;
    if (executor->closing)
        return -ECANCELED;
    if (executor->ring.sq_users == 0)
        return -ENOTSUP;
    while (!chain_has_room(executor)) {
        tacet_result r = executor_enter(executor, 0, 0);
        if (r < 0)
            return r;
        completion_collect(executor);
    }
    *first = sq->tail;
    if (sq->limit - sq->tail < 2)
        sq->limit = sq->tail + 2; /* until the next submission moves it */
    return 0;
}

bool tacet_chain_submit(struct tacet_executor *shared, uint32_t first)
{
    struct executor *executor = executor_of(shared);
    struct tacet_submission_queue *sq = &shared->sq;
    if (sq->tail - first != 2 || admission_orders_writes(executor->admission))
        return false;
    sq->sqes[first & sq->mask].flags |= IOSQE_IO_LINK;
    return executor_enter(executor, 0, 0) == 0 && (int32_t)(sq->submitted - first) >= 2;
}

/* The phases of write_durable. */
enum { CHAIN, WRITTEN, SYNCED, SYNC_ALONE };

static bool is_started(const struct tacet_op *op)
{
    return op->request.state != TACET_OP_IDLE;
}

static tacet_result begin_chain(const struct steps_call *call)
{
    struct tacet_steps *steps = call->steps;
    struct tacet_executor *executor = tacet_task_executor(call->task);
    uint32_t first;
    if (call->file->sync_error < 0)
        return call->file->sync_error;
    tacet_result r = call_check(call->task); /* before anything is started that could not be awaited */
    if (r == 0)
        r = tacet_chain_begin(executor, &first);
    steps_note_position(call, call->file);
    if (r == 0)
        r = tacet_file_write_start(&steps->ops[0], call->task, call->file, call->buffer + steps->bytes,
                                   steps_chunk(call), steps_offset(call));
    if (r < 0)
        return r;
    steps->chained = tacet_file_datasync_start(&steps->ops[1], call->task, call->file) == 0 &&
                     tacet_chain_submit(executor, first);
    return 0;
}

static uint8_t end_chain(const struct steps_call *call, tacet_result r)
{
    return r < 0 ? steps_end(call, r) : WRITTEN;
}

static tacet_result begin_written(const struct steps_call *call)
{
    return tacet_task_await(call->task, &call->steps->ops[0]);
}

/* Whatever became of the write, the sync is to be waited for. */
static uint8_t end_written(const struct steps_call *call, tacet_result r)
{
    steps_settle_position(call, call->file, r);
    call->steps->progress = (uint8_t)steps_note_written(call, &r);
    call->steps->result = r;
    return SYNCED;
}

static tacet_result begin_synced(const struct steps_call *call)
{
    struct tacet_op *sync = &call->steps->ops[1];
    return is_started(sync) ? tacet_task_await(call->task, sync) : -ECANCELED;
}

static void note_synced(struct tacet_file *file, tacet_result r)
{
    if (tacet_sync_has_failed(r))
        file->sync_error = (int)r;
}

/* The sync of a chain that a short write has broken was not made. */
static uint8_t end_synced(const struct steps_call *call, tacet_result synced)
{
    const struct tacet_steps *steps = call->steps;
    note_synced(call->file, synced);
    if (steps->progress == STEPS_FAILED)
        return steps_end(call, steps->result);
    bool interrupted = steps_interrupted(call, synced);
    if (synced < 0 && synced != -ECANCELED && !interrupted)
        return steps_end(call, synced);
    if (steps->progress == STEPS_AGAIN)
        return steps_cancelled(call) ? steps_end(call, -ECANCELED) : CHAIN;
    if (!steps->chained || interrupted)
        return steps_cancelled(call) ? steps_end(call, -ECANCELED) : SYNC_ALONE;
    return steps_end(call, synced < 0 ? synced : (tacet_result)call->bytes);
}

static tacet_result begin_sync_alone(const struct steps_call *call)
{
    return tacet_file_datasync(call->task, call->file);
}

static uint8_t end_sync_alone(const struct steps_call *call, tacet_result r)
{
    if (steps_interrupted(call, r))
        return call->steps->phase;
    return steps_end(call, r < 0 ? r : (tacet_result)call->bytes);
}

tacet_result tacet_file_write_durable(struct tacet_task *task, struct tacet_file *file, const void *buffer,
                                      size_t bytes, uint64_t offset, struct tacet_steps *steps)
{
    static const struct steps_phase phases[] = {
        [CHAIN] = {begin_chain, end_chain},
        [WRITTEN] = {begin_written, end_written},
        [SYNCED] = {begin_synced, end_synced},
        [SYNC_ALONE] = {begin_sync_alone, end_sync_alone},
    };
    const struct steps_call call = {
        .task = task, .steps = steps, .file = file, .buffer = (char *)buffer, .bytes = bytes, .offset = offset};
    if (task == NULL || task->level == NULL || file == NULL || steps == NULL || bytes > INT64_MAX)
        return -EINVAL;
    return steps_run(&call, phases);
}

/* The phases of create_durable. */
enum { OPEN, WRITE, SYNC, CLOSE, PLACE, TAKE_NAME_AWAY, SYNC_DIRECTORY };

/* Nobody else makes the same: by process and by count; what an earlier process has left is stepped over. */
static void choose_name(char *name, size_t bytes)
{
    static unsigned count;
    unsigned number = __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
    snprintf(name, bytes, ".tacet-%08x-%08x", (unsigned)getpid(), number);
}

static tacet_result begin_open(const struct steps_call *call)
{
    struct open_how *how = (struct open_how *)call->steps->how; /* the kernel reads it when the body has returned */
    _Static_assert(sizeof *how == sizeof call->steps->how, "room for it");
    *how = (struct open_how){.flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, .mode = call->mode};
    choose_name(call->steps->name, sizeof call->steps->name);
    return tacet_file_open(call->task, &call->steps->file, call->file, call->steps->name, how);
}

static uint8_t end_open(const struct steps_call *call, tacet_result r)
{
    if (r == -EEXIST || steps_interrupted(call, r))
        return OPEN;
    if (r < 0)
        return steps_end(call, r);
    return call->bytes > 0 ? WRITE : SYNC;
}

/* What is half made goes, by calls that no cancel or deadline can refuse: with the call's end its space is free again. */
static uint8_t give_up(const struct steps_call *call, tacet_result r)
{
    if (call->steps->file.fd >= 0)
        close(call->steps->file.fd);
    call->steps->file.fd = -1;
    unlinkat(call->file->fd, call->steps->name, 0);
    return steps_end(call, r);
}

static tacet_result begin_write(const struct steps_call *call)
{
    return tacet_file_write(call->task, &call->steps->file, call->buffer + call->steps->bytes, steps_chunk(call),
                            steps_offset(call));
}

static uint8_t end_write(const struct steps_call *call, tacet_result r)
{
    enum steps_progress progress = steps_note_written(call, &r);
    return progress == STEPS_AGAIN ? WRITE : progress == STEPS_COMPLETE ? SYNC : give_up(call, r);
}

static tacet_result begin_sync(const struct steps_call *call)
{
    return tacet_file_sync(call->task, &call->steps->file);
}

static uint8_t end_sync(const struct steps_call *call, tacet_result r)
{
    if (steps_interrupted(call, r))
        return SYNC;
    return r < 0 ? give_up(call, r) : CLOSE;
}

static tacet_result begin_close(const struct steps_call *call)
{
    return tacet_file_close(call->task, &call->steps->file);
}

static uint8_t end_close(const struct steps_call *call, tacet_result r)
{
    return r < 0 ? give_up(call, r) : PLACE;
}

static tacet_result begin_place(const struct steps_call *call)
{
    const char *made = call->steps->name;
    if (call->flags & TACET_DURABLE_REPLACE)
        return tacet_path_rename(call->task, call->file, made, call->file, call->name, 0);
    return tacet_path_link(call->task, call->file, made, call->file, call->name, 0);
}

static uint8_t end_place(const struct steps_call *call, tacet_result r)
{
    if (steps_interrupted(call, r))
        return PLACE;
    if (r < 0)
        return give_up(call, r);
    return call->flags & TACET_DURABLE_REPLACE ? SYNC_DIRECTORY : TAKE_NAME_AWAY;
}

/* A cancel here leaves a second name behind, which is no harm: so it is taken away by a plain call. */
static tacet_result begin_take_name_away(const struct steps_call *call)
{
    return unlinkat(call->file->fd, call->steps->name, 0) < 0 ? -errno : 0;
}

static uint8_t end_take_name_away(const struct steps_call *call, tacet_result r)
{
    return r < 0 ? steps_end(call, r) : SYNC_DIRECTORY;
}

static tacet_result begin_sync_directory(const struct steps_call *call)
{
    return tacet_file_sync(call->task, call->file);
}

tacet_result tacet_file_create_durable(struct tacet_task *task, struct tacet_file *dir, const char *name, mode_t mode,
                                       const void *contents, size_t bytes, unsigned flags, struct tacet_steps *steps)
{
    static const struct steps_phase phases[] = {
        [OPEN] = {begin_open, end_open},
        [WRITE] = {begin_write, end_write},
        [SYNC] = {begin_sync, end_sync},
        [CLOSE] = {begin_close, end_close},
        [PLACE] = {begin_place, end_place},
        [TAKE_NAME_AWAY] = {begin_take_name_away, end_take_name_away},
        [SYNC_DIRECTORY] = {begin_sync_directory, end_sync_alone},
    };
    const struct steps_call call = {.task = task,
                                    .steps = steps,
                                    .file = dir,
                                    .name = name,
                                    .mode = mode,
                                    .buffer = (char *)contents,
                                    .bytes = bytes,
                                    .flags = flags};
    if (task == NULL || dir == NULL || name == NULL || steps == NULL || bytes > INT64_MAX)
        return -EINVAL;
    if (strchr(name, '/') != NULL || flags & ~(unsigned)TACET_DURABLE_REPLACE)
        return -EINVAL;
    return steps_run(&call, phases);
}
