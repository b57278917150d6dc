/*
 * A program to be run while system calls of the ring fail by injection (hostile.sh).
 *
 *     hostile work        all must succeed in spite of it
 *     hostile refused     io_uring_enter fails for ever: what was started ends with -ENOMEM
 *     hostile setup E     io_uring_setup fails with errno E: creation says so
 *
 * It says what went wrong and exits with 1.
 */
#include <tacet/tacet.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                    \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

enum { NOPS = 100 };

static int ended, failed;

static void count(struct tacet_op *op)
{
    ended++;
    failed += op->result < 0;
}

static struct tacet_executor *create(unsigned entries)
{
    struct tacet_executor *executor;
    struct tacet_executor_options options = {.ring_entries = entries};
    EXPECT(tacet_executor_create(&executor, &options) == 0);
    ended = failed = 0;
    return executor;
}

static void start_nops(struct tacet_executor *executor, struct tacet_op *ops)
{
    for (int i = 0; i < NOPS; i++) {
        EXPECT(tacet_op_init_callback(&ops[i], executor, count, TACET_PRIORITY_NORMAL) == 0);
        EXPECT(tacet_nop_start(&ops[i], NULL) == 0);
    }
}

struct steps {
    int pipe[2];
    int at;
    char byte;
};

/* Sleeps, writes to a pipe, reads from it. */
static tacet_result body(struct tacet_task *task, void *arg)
{
    struct steps *steps = arg;
    struct tacet_file reader = {.fd = steps->pipe[0]}, writer = {.fd = steps->pipe[1]};
    EXPECT(steps->at == 0 || tacet_task_call_result(task) == (steps->at == 1 ? 0 : 1));
    switch (steps->at++) {
    case 0:
        return tacet_sleep(task, 1000 * 1000);
    case 1:
        return tacet_file_write(task, &writer, "x", 1, 0);
    case 2:
        return tacet_file_read(task, &reader, &steps->byte, 1, 0);
    default:
        return 5;
    }
}

static void work(unsigned entries)
{
    struct tacet_executor *executor = create(entries);
    struct tacet_op ops[NOPS], read;
    struct tacet_task *task;
    struct steps steps = {.at = 0};
    EXPECT(pipe(steps.pipe) == 0);
    start_nops(executor, ops);
    EXPECT(tacet_task_create(&task, tacet_switcher_stackless(), NULL) == 0);
    tacet_task_set_body(task, body, &steps);
    EXPECT(tacet_task_attach(executor, task) == 0);
    EXPECT(tacet_executor_run(executor, TACET_UNTIL_IDLE, NULL) == NOPS + 4);
    EXPECT(ended == NOPS && failed == 0);
    EXPECT(tacet_task_result(task) == 5);

    const struct tacet_file reader = {.fd = steps.pipe[0]};
    EXPECT(tacet_op_init_callback(&read, executor, count, TACET_PRIORITY_NORMAL) == 0);
    EXPECT(tacet_file_read_start(&read, NULL, &reader, &steps.byte, 1, 0) == 0);
    EXPECT(tacet_op_cancel(&read) == 0);
    EXPECT(tacet_executor_run(executor, TACET_UNTIL_IDLE, NULL) == 1);
    EXPECT(read.result == -ECANCELED);

    EXPECT(tacet_file_read_start(&read, NULL, &reader, &steps.byte, 1, 0) == 0);
    EXPECT(tacet_executor_destroy(executor) == 0);
    EXPECT(ended == NOPS + 2 && read.result == -ECANCELED);
    EXPECT(tacet_task_destroy(task) == 0);
    close(steps.pipe[0]);
    close(steps.pipe[1]);
}

static void refused(unsigned entries)
{
    struct tacet_executor *executor = create(entries);
    struct tacet_op ops[NOPS];
    struct tacet_executor_stats stats;
    struct tacet_file detached = {.fd = open("/dev/null", O_RDONLY)};
    const int fd = detached.fd;
    EXPECT(fd >= 0);
    tacet_file_close_detached(executor, &detached);
    start_nops(executor, ops);
    EXPECT(tacet_executor_run(executor, TACET_UNTIL_IDLE, NULL) == NOPS);
    EXPECT(ended == NOPS && failed == NOPS);
    for (int i = 0; i < NOPS; i++)
        EXPECT(ops[i].result == -ENOMEM);
    EXPECT(fcntl(fd, F_GETFD) < 0);
    EXPECT(tacet_executor_get_stats(executor, &stats) == 0);
    EXPECT(stats.submissions_refused > 0 && stats.in_flight == 0 && stats.submitted == 0);
    EXPECT(tacet_executor_destroy(executor) == 0);
}

static void setup(int error)
{
    char message[512] = "";
    struct tacet_executor_options options = {.ring_entries = 8, .message = message, .message_bytes = sizeof message};
    struct tacet_executor *executor;
    EXPECT(tacet_executor_create(&executor, &options) == -error);
    EXPECT(executor == NULL && message[0] != '\0');
}

int main(int argc, char **argv)
{
    EXPECT(argc >= 2);
    if (strcmp(argv[1], "setup") == 0 && argc == 3) {
        setup(atoi(argv[2]));
    } else if (strcmp(argv[1], "work") == 0) {
        work(256);
        work(1);
    } else {
        EXPECT(strcmp(argv[1], "refused") == 0);
        refused(256);
    }
    return 0;
}
