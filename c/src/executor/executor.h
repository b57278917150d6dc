/*
 * The whole of an executor, behind the part that inlined code sees.
 *
 * It lies in pages of its own that a forked child gets zeroed: there, owner is NULL, and every call returns -EPERM.
 */
#ifndef EXECUTOR_EXECUTOR_H
#define EXECUTOR_EXECUTOR_H

#include "executor/inbox.h"
#include "executor/timers.h"
#include "op/at_once.h"
#include "ring/ring.h"

#include <tacet/executor.h>
#include <tacet/handover.h>

/*
 * Where an executor of a dispatcher gets tasks from that nobody has started. Owner thread only, but for what `hint` points to.
 */
struct executor_source {
    /* Makes some tasks ready by task_start_submitted(), and says whether it did. Called whenever nothing is ready, before the
     * executor sleeps, and once a round of the run loop anyway. */
    bool (*refill)(struct executor_source *source);
    const unsigned *hint;    /* a mask of levels for which there may be tasks */
    uint64_t finished;       /* how many tasks with TACET_TASK_DISPATCHED have exited here */
    uint64_t sleep_until_ns; /* it is to be asked again then; TACET_FOREVER */
};

struct executor {
    struct tacet_executor shared; /* first: see executor_of() */

    /* What others read: in cache lines that are seldom written. */
    const void *owner __attribute__((aligned(64))); /* identity of the thread that may use it */
    bool keeps_accounts;
    bool closing;    /* being destroyed: nothing is started any more */
    unsigned urgent; /* a mask of levels for which there may be something in the inbox */
    struct inbox inbox __attribute__((aligned(64)));
    struct tacet_task *signalled; /* see signals.h */
    tacet_result wake_result;     /* what the present run, or the next one, is to return; TACET_PENDING: nothing */
    struct tacet_runnable signals_bell, wake_bell;           /* messages of its own */
    struct executor *next_here __attribute__((aligned(64))); /* in the list of the thread's living executors */
    struct executor_source *source;                          /* or NULL */
    struct tacet_runnable *arrivals; /* taken from the inbox and still to be accepted, by `next` */
    struct tacet_task *signals;      /* taken from the signalled ones and still to be delivered */
    struct ring ring;
    struct admission *admission; /* or NULL: every operation goes to the ring as it comes */
    unsigned descriptor_count;   /* of the table of registered ones, or what the options say */
    struct timers timers;
    struct at_once at_once;
    bool running;    /* inside run */
    bool stopping;   /* the present run is to return */
    bool deadlocked; /* because a task cannot go on before it has */
    bool woken;      /* woken_with is what it is to return */
    tacet_result woken_with;
    uint64_t refused_since_ns; /* since when the kernel takes nothing while nothing is in flight; 0: it does */
    uint64_t submitted_when_refused;
    uint64_t control_words; /* of the floating-point unit, as the present run found them */
    int *errno_location;    /* of its thread */
    struct tacet_runnable
        *buried; /* exited tasks, by `next`, that are to be destroyed when no stack of theirs is in use */
    uint64_t items;
    uint64_t accepted;  /* from the inbox */
    uint64_t wakes;     /* sent to it; atomic */
    uint64_t tick;      /* accounting: when the last resumption ended */
    uint64_t exit_tick; /* accounting: when the task that was just resumed exited, or 0 */
    uint64_t ticks_in_tasks, ticks_in_ring, ticks_asleep;
    struct tacet_request *missed; /* whose cancels are to be made again: see ring/completion.c */
    bool has_ended_missed;        /* one of them has ended, and is to be delivered */
    uint64_t asked_ns, ask_again_ns, ask_pause_ns;
    struct tacet_list_node bounces;         /* see op/bounce.h */
    struct tacet_list_node kept_sends;      /* see op/zero_copy.h */
    struct tacet_buffer_ring *buffer_rings; /* by `next` */
    void (*report)(void *report_arg, const char *line);
    void *report_arg;
    char config[384];
};

static inline struct executor *executor_of(const struct tacet_executor *shared)
{
    return (struct executor *)shared;
}

/* Its address tells threads apart, at the cost of an instruction. */
extern _Thread_local char executor_thread_identity __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Whether it may be reached from other threads: false in a forked child. */
static inline bool executor_is_there(const struct executor *executor)
{
    return executor->owner != NULL;
}

/* Whether this thread is the executor's. False in a forked child. */
static inline bool executor_is_mine(const struct executor *executor)
{
    return executor->owner == &executor_thread_identity;
}

/* The first of this thread's living executors; `next_here` leads on. Also for the handler of a signal. */
const struct executor *executor_first_here(void);

/*
 * Submits, and waits if wait_nr > 0. What the kernel refuses is tried again later; after a second of that with nothing
 * in flight, the queued operations end with -ENOMEM. 0, or an error of the ring that trying again does not mend.
 */
tacet_result executor_enter(struct executor *executor, unsigned wait_nr, uint64_t timeout_ns);

/* Sleeps until something comes, from the ring, in time, or by another thread; accept what is in the inbox after it. */
tacet_result executor_sleep(struct executor *executor, uint64_t timeout_ns);

/* The present run is to return -EDEADLK: its caller occupies what the running task needs. */
void executor_deadlock(struct executor *executor);

/* From any thread: to the inbox; wakes the executor if it sleeps. Messages count as urgent. */
void executor_post(struct executor *executor, struct tacet_runnable *message);
void executor_post_task(struct executor *executor, struct tacet_task *task);

/* The same for tasks that lead from newest to oldest by `next`; levels: the mask of their levels. */
void executor_post_tasks(struct executor *executor, struct tacet_task *newest, struct tacet_task *oldest,
                         unsigned levels);

/* Until nobody is on the way to wake it any more who was told to. It has taken its inbox. */
void executor_await_wakers(const struct executor *executor);

/* Takes what other threads have sent. Resumes nobody. */
void executor_accept(struct executor *executor);

/* From any thread: raises a signal for a task that is attached or in transit. 0; -EPERM: in a forked child. */
tacet_result executor_signal(struct tacet_task *task, unsigned bit);

/* Whether nothing can become ready any more, be it of itself or by another thread. */
bool executor_is_idle(struct executor *executor);

/* The messages by which other threads tell it of signals and of wakes. */
void executor_init_bells(struct executor *executor);

/* The exited task is destroyed as soon as the run loop has the processor. */
void executor_bury(struct executor *executor, struct tacet_task *task);

#endif
