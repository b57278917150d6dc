/*
 * A program to be run while io_uring_register fails by injection (refused.sh): threads attach tasks to an executor that sleeps,
 * and to one that runs, whatever becomes of the messages that are to wake it.
 *
 *     refused_wakes ROUNDS
 *
 * It says what went wrong and exits with 1; what hangs is ended by an alarm.
 */
#include "support/inside.h"

#include <tacet/tacet.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                    \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

enum { SENDERS = 2 };

static struct tacet_executor *executor;
static unsigned long rounds;
static int ended;

static tacet_result body(struct tacet_task *task, void *arg)
{
    (void)task;
    return ++*(int *)arg;
}

static void *sender(void *arg)
{
    (void)arg;
    int ran = 0;
    struct tacet_task *task;
    EXPECT(tacet_task_create(&task, tacet_switcher_stackless(), NULL) == 0);
    tacet_task_set_body(task, body, &ran);
    for (unsigned long i = 1; i <= rounds; i++) {
        for (unsigned tries = 0; i % 2 == 0 && !inside_is_asleep(executor) && tries < 1000; tries++)
            sched_yield();
        tacet_result result;
        EXPECT(tacet_task_attach(executor, task) == 0);
        EXPECT(tacet_task_join(task, &result, NULL) == 0 && result == (tacet_result)i);
    }
    EXPECT(tacet_task_destroy(task) == 0);
    if (__atomic_add_fetch(&ended, 1, __ATOMIC_ACQ_REL) == SENDERS)
        EXPECT(tacet_executor_wake(executor, 5) == 0);
    return NULL;
}

int main(int argc, char **argv)
{
    EXPECT(argc == 2);
    rounds = strtoul(argv[1], NULL, 10);
    alarm(100);
    EXPECT(tacet_executor_create(&executor, NULL) == 0);
    pthread_t senders[SENDERS];
    for (int i = 0; i < SENDERS; i++)
        EXPECT(pthread_create(&senders[i], NULL, sender, NULL) == 0);
    EXPECT(tacet_executor_run(executor, TACET_UNTIL_STOPPED, NULL) == 5);
    for (int i = 0; i < SENDERS; i++)
        EXPECT(pthread_join(senders[i], NULL) == 0);
    struct tacet_executor_stats stats;
    EXPECT(tacet_executor_get_stats(executor, &stats) == 0);
    EXPECT(stats.wakes > 0 && stats.accepted > SENDERS * rounds);
    printf("%s: %llu wakes\n", tacet_executor_config(executor), (unsigned long long)stats.wakes);
    EXPECT(tacet_executor_destroy(executor) == 0);
    return 0;
}
