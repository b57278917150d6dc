/*
 * Time: sleeping, and the two clocks.
 *
 * Durations and deadlines are nanoseconds of CLOCK_MONOTONIC. Accounts are kept in ticks, readings of the processor's
 * time-stamp counter, which cost a third of a clock reading.
 */
#ifndef TACET_TIME_H
#define TACET_TIME_H

#include <tacet/op.h>

#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Result 0 after duration_ns, or -ECANCELED. Needs no ring. A sleep of 0 by a task is a yield: the task goes behind the
 * other ready ones of its priority. -ENOMEM: no place for another timer; the task was not suspended.
 */
TACET_EXPORT TACET_NODISCARD tacet_result tacet_sleep_start(struct tacet_op *op, struct tacet_task *task,
                                                            uint64_t duration_ns);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_sleep(struct tacet_task *task, uint64_t duration_ns);
TACET_EXPORT TACET_NODISCARD tacet_result tacet_yield(struct tacet_task *task);

/* CLOCK_MONOTONIC, in nanoseconds: what deadlines are said in. */
static inline uint64_t tacet_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A reading of the time-stamp counter (x86-64: rdtsc; AArch64: cntvct_el0). Not ordered with memory accesses. */
static inline uint64_t tacet_ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
#error "tacet runs on x86-64 and AArch64"
#endif
}

/* Ticks a second, measured against CLOCK_MONOTONIC over 10 ms at the first call. EXPENSIVE then, THREAD-SAFE. */
TACET_EXPORT double tacet_ticks_per_second(void);

#ifdef __cplusplus
}
#endif

#endif
