/* How long a tick of the time-stamp counter is. */
#include "base/clock.h"

#include <tacet/time.h>

#include <pthread.h>

static double ticks_per_second;

static void measure(void)
{
    uint64_t start_ns = clock_ns(), start = tacet_ticks(), ns;
    do {
        ns = clock_ns() - start_ns;
    } while (ns < 10 * 1000 * 1000);
    ticks_per_second = (double)(tacet_ticks() - start) * 1e9 / (double)ns;
}

double tacet_ticks_per_second(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, measure);
    return ticks_per_second;
}
