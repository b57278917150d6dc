/*
 * A call of several steps as a table of phases. A phase begins with a suspending call, or one that does not suspend; what
 * that has ended with leads to the next phase, or to the end of the call.
 *
 * Where the task suspends by returning, the whole is called again: `waits` says that the phase has begun already.
 */
#ifndef OP_STEPS_H
#define OP_STEPS_H

#include <tacet/steps.h>

#include <errno.h>

struct steps_call {
    struct tacet_task *task;
    struct tacet_steps *steps;
    struct tacet_file *file; /* or the directory */
    const char *name;
    char *buffer;
    uint64_t bytes, offset;
    mode_t mode;
    unsigned flags;
};

/* Next phase of a call that has ended; its result is in steps->result. */
#define STEPS_END 255

struct steps_phase {
    tacet_result (*begin)(const struct steps_call *call);
    uint8_t (*end)(const struct steps_call *call, tacet_result r);
};

tacet_result steps_run(const struct steps_call *call, const struct steps_phase *phases);

/* The call ends with this. Where a step was interrupted and is not made again it was cancelled. */
static inline uint8_t steps_end(const struct steps_call *call, tacet_result result)
{
    call->steps->result = result != -EINTR ? result : -ECANCELED;
    return STEPS_END;
}

/* What is left of the transfer, as much as one operation takes; and where. */
size_t steps_chunk(const struct steps_call *call);
uint64_t steps_offset(const struct steps_call *call);

/* Before and after each transfer: what is left is transferred where this has ended. */
void steps_note_position(const struct steps_call *call, const struct tacet_file *file);
void steps_settle_position(const struct steps_call *call, const struct tacet_file *file, tacet_result r);

/* Of a write that is to be complete, and of what it has ended with; *r becomes the error of one that has failed. */
enum steps_progress { STEPS_AGAIN, STEPS_COMPLETE, STEPS_FAILED };
enum steps_progress steps_note_written(const struct steps_call *call, tacet_result *r);

/*
 * Whether a cancel has ended the wait that is just over, and is gone with that, though the step was not the last. One that
 * was too late is kept for the next step, and a deadline fails each further one.
 */
static inline bool steps_cancelled(const struct steps_call *call)
{
    return call->task->wait == TACET_WAIT_TO_THE_END &&
           !(call->task->attention & (TACET_TASK_TIMED_OUT | TACET_TASK_CANCEL_PENDING));
}

/* Whether the step that has ended with this is to be made again. */
static inline bool steps_interrupted(const struct steps_call *call, tacet_result r)
{
    return r == -EINTR && !steps_cancelled(call);
}

#endif
