/* Calls of several steps, and the simplest of them: transfers that are to be complete. */
#include "op/steps.h"

#include <tacet/op.h>

#define CHUNK_BYTES_MAX ((size_t)1 << 30)

/* A step may end without a wait: then it is not the one before that was cancelled. */
static tacet_result begin(const struct steps_call *call, const struct steps_phase *phase)
{
    if (call->task->state == TACET_TASK_RUNNING)
        call->task->wait = TACET_WAIT_REQUEST;
    return phase->begin(call);
}

tacet_result steps_run(const struct steps_call *call, const struct steps_phase *phases)
{
    struct tacet_steps *steps = call->steps;
    if (!steps->under_way) {
        steps->under_way = true;
        steps->waits = false;
        steps->bytes = 0;
        steps->phase = 0;
    }
    do {
        tacet_result r = steps->waits ? tacet_task_call_result(call->task) : begin(call, &phases[steps->phase]);
        steps->waits = r == TACET_PENDING;
        if (steps->waits)
            return r;
        steps->phase = phases[steps->phase].end(call, r);
    } while (steps->phase != STEPS_END);
    steps->under_way = false;
    return steps->result;
}

size_t steps_chunk(const struct steps_call *call)
{
    uint64_t left = call->bytes - call->steps->bytes;
    return left < CHUNK_BYTES_MAX ? (size_t)left : CHUNK_BYTES_MAX;
}

uint64_t steps_offset(const struct steps_call *call)
{
    return call->offset != UINT64_MAX ? call->offset + call->steps->bytes : UINT64_MAX;
}

void steps_note_position(const struct steps_call *call, const struct tacet_file *file)
{
    call->steps->position = tacet_position_note(file, call->offset);
}

void steps_settle_position(const struct steps_call *call, const struct tacet_file *file, tacet_result r)
{
    tacet_position_settle(file, call->steps->position, r, steps_chunk(call));
}

enum steps_progress steps_note_written(const struct steps_call *call, tacet_result *r)
{
    bool cancelled = steps_cancelled(call);
    if (steps_interrupted(call, *r))
        return STEPS_AGAIN;
    if (*r == 0 && call->bytes > call->steps->bytes)
        *r = -EIO; /* it would go on for ever */
    if (*r >= 0) {
        call->steps->bytes += (uint64_t)*r;
        if (call->steps->bytes == call->bytes)
            return STEPS_COMPLETE;
        if (!cancelled)
            return STEPS_AGAIN;
        *r = -ECANCELED;
    }
    return STEPS_FAILED;
}

static tacet_result begin_read(const struct steps_call *call)
{
    steps_note_position(call, call->file);
    return tacet_file_read(call->task, call->file, call->buffer + call->steps->bytes, steps_chunk(call),
                           steps_offset(call));
}

static uint8_t end_read(const struct steps_call *call, tacet_result r)
{
    struct tacet_steps *steps = call->steps;
    bool cancelled = steps_cancelled(call);
    steps_settle_position(call, call->file, r);
    if (steps_interrupted(call, r))
        return 0;
    if (r < 0)
        return steps_end(call, r);
    steps->bytes += (uint64_t)r;
    if (r == 0 || steps->bytes == call->bytes)
        return steps_end(call, (tacet_result)steps->bytes);
    return cancelled ? steps_end(call, -ECANCELED) : 0;
}

static tacet_result begin_write(const struct steps_call *call)
{
    steps_note_position(call, call->file);
    return tacet_file_write(call->task, call->file, call->buffer + call->steps->bytes, steps_chunk(call),
                            steps_offset(call));
}

static uint8_t end_write(const struct steps_call *call, tacet_result r)
{
    steps_settle_position(call, call->file, r);
    switch (steps_note_written(call, &r)) {
    case STEPS_AGAIN:
        return 0;
    case STEPS_COMPLETE:
        return steps_end(call, (tacet_result)call->bytes);
    default:
        return steps_end(call, r);
    }
}

static tacet_result transfer(const struct steps_call *call, const struct steps_phase *phase)
{
    if (call->task == NULL || call->file == NULL || call->steps == NULL || call->bytes > INT64_MAX)
        return -EINVAL;
    return steps_run(call, phase);
}

tacet_result tacet_file_read_all(struct tacet_task *task, const struct tacet_file *file, void *buffer, size_t bytes,
                                 uint64_t offset, struct tacet_steps *steps)
{
    static const struct steps_phase reads = {begin_read, end_read};
    const struct steps_call call = {.task = task,
                                    .steps = steps,
                                    .file = (struct tacet_file *)file,
                                    .buffer = buffer,
                                    .bytes = bytes,
                                    .offset = offset};
    return transfer(&call, &reads);
}

tacet_result tacet_file_write_all(struct tacet_task *task, const struct tacet_file *file, const void *buffer,
                                  size_t bytes, uint64_t offset, struct tacet_steps *steps)
{
    static const struct steps_phase writes = {begin_write, end_write};
    const struct steps_call call = {.task = task,
                                    .steps = steps,
                                    .file = (struct tacet_file *)file,
                                    .buffer = (char *)buffer,
                                    .bytes = bytes,
                                    .offset = offset};
    return transfer(&call, &writes);
}
