/*
 * Signals: what other threads want of a task that is in the hands of its executor. They cannot touch its links, so it has a
 * word for them: bits, and, while the task is in its executor's list of signalled ones, the next there.
 *
 *     executor->signalled --> task --> task --> NULL       task->signals = next | bits
 *
 * Who raises the first bit puts the task into the list; who puts the first task into the list posts the executor's bell. The
 * executor takes the whole list with one exchange, and with another per task its bits. So a task is in one list at most, and
 * no signal needs memory.
 *
 * IN_TRANSIT: no executor has the task, it waits in a dispatcher or is on its way from one executor to another. Then a signal
 * only leaves its bit, which the executor that gets the task finds. A task that is to leave an executor waits for signals that
 * were sent there; so none is ever elsewhere than its task.
 *
 * Raising is safe in a signal handler. tests/model explores this very text.
 */
#ifndef EXECUTOR_SIGNALS_H
#define EXECUTOR_SIGNALS_H

#ifndef SIGNALS_OR /* a model checker brings its own */
#include <tacet/inline/task.h>

#define SIGNALS_TASK struct tacet_task
#define SIGNALS_LIST struct tacet_task *
#define SIGNALS_LOAD(word, order) __atomic_load_n(word, order)
#define SIGNALS_OR(word, bits, order) __atomic_fetch_or(word, bits, order)
#define SIGNALS_XOR(word, bits, order) __atomic_fetch_xor(word, bits, order)
#define SIGNALS_EXCHANGE(word, value, order) __atomic_exchange_n(word, value, order)
#define SIGNALS_REPLACE(word, expected, value, order)                                                                  \
    __atomic_compare_exchange_n(word, expected, value, false, order, __ATOMIC_RELAXED)
#define SIGNALS_RELAXED __ATOMIC_RELAXED
#define SIGNALS_RAISE_ACQ_REL __ATOMIC_ACQ_REL
#define SIGNALS_PUSH_ACQ_REL __ATOMIC_ACQ_REL
#define SIGNALS_LIST_ACQ_REL __ATOMIC_ACQ_REL
#define SIGNALS_TAKE_ACQ_REL __ATOMIC_ACQ_REL
#define SIGNALS_ARRIVE_ACQ_REL __ATOMIC_ACQ_REL
#endif

enum {
    SIGNAL_IN_TRANSIT = 1,
    SIGNAL_CANCEL = 2,
    SIGNAL_BITS = 7,
};

/* From any thread. true: the caller must put it into its executor's list, and sees which that is. */
static inline bool signal_raise(SIGNALS_TASK *task, unsigned bit)
{
    /* release: who takes the signal sees what its sender did before. acquire: pairs with signal_arrive(), which follows
     * the choice of the executor */
    return SIGNALS_OR(&task->signals, bit, SIGNALS_RAISE_ACQ_REL) == 0;
}

/*
 * true: the list was empty, and its executor must be told.
 *
 * The successful change of the list releases the task's word to signals_take(), and acquires from it that the executor has
 * done with the bell, which may be posted anew.
 */
static inline bool signals_push(SIGNALS_LIST *list, SIGNALS_TASK *task)
{
    SIGNALS_TASK *next = SIGNALS_LOAD(list, SIGNALS_RELAXED);
    uintptr_t linked = 0;
    do {
        /* others may raise bits meanwhile: only the link is changed */
        SIGNALS_XOR(&task->signals, linked ^ (uintptr_t)next, SIGNALS_RELAXED);
        linked = (uintptr_t)next;
    } while (!SIGNALS_REPLACE(list, &next, task, SIGNALS_PUSH_ACQ_REL));
    return linked == 0;
}

/* The executor, once for each bell: all of its list, newest first, each to be given to signal_take(). */
static inline SIGNALS_TASK *signals_take(SIGNALS_LIST *list)
{
    return SIGNALS_EXCHANGE(list, NULL, SIGNALS_LIST_ACQ_REL);
}

/* The bits that were raised; it may be signalled anew from now on. *next: of the list. */
static inline unsigned signal_take(SIGNALS_TASK *task, SIGNALS_TASK **next)
{
    uintptr_t word = SIGNALS_EXCHANGE(&task->signals, 0, SIGNALS_TAKE_ACQ_REL);
    *next = (SIGNALS_TASK *)(word & ~(uintptr_t)SIGNAL_BITS);
    return word & SIGNAL_BITS;
}

/* A task that an executor has is to leave it. false: a signal is on its way to it there. */
static inline bool signal_depart(SIGNALS_TASK *task)
{
    uintptr_t none = 0;
    return SIGNALS_REPLACE(&task->signals, &none, SIGNAL_IN_TRANSIT, SIGNALS_RELAXED);
}

/* A task in transit has got its executor: its `level` is set. The bits that were raised until now. */
static inline unsigned signal_arrive(SIGNALS_TASK *task)
{
    return SIGNALS_EXCHANGE(&task->signals, 0, SIGNALS_ARRIVE_ACQ_REL) & ~(unsigned)SIGNAL_IN_TRANSIT;
}

#endif
