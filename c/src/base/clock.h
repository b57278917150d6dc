/* CLOCK_MONOTONIC in nanoseconds. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

static inline uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline struct timespec clock_timespec(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

/* a + b, or UINT64_MAX, which is "never". */
static inline uint64_t clock_add(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* UINT64_MAX if it is too long. */
static inline uint64_t clock_duration(const struct timespec *duration)
{
    if ((uint64_t)duration->tv_sec > UINT64_MAX / NS_PER_S)
        return UINT64_MAX;
    return clock_add((uint64_t)duration->tv_sec * NS_PER_S, (uint64_t)duration->tv_nsec);
}

/* Whether a caller's timeout is one: NULL, which is without end, or a duration that is well formed. */
static inline bool clock_is_timeout(const struct timespec *timeout)
{
    return timeout == NULL || (timeout->tv_sec >= 0 && timeout->tv_nsec >= 0 && (uint64_t)timeout->tv_nsec < NS_PER_S);
}

/* When it is over; UINT64_MAX: never. */
static inline uint64_t clock_deadline(uint64_t now_ns, const struct timespec *timeout)
{
    return timeout != NULL ? clock_add(now_ns, clock_duration(timeout)) : UINT64_MAX;
}

#endif
