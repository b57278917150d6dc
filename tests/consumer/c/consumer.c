/* What a C user of the package writes first: a task with its own stack counts the lines of a file. */
#include <tacet/tacet.h>

#include <stdio.h>
#include <string.h>

struct count {
    const char *path;
    tacet_result lines;
};

static tacet_result count_in(struct tacet_task *task, const struct tacet_file *file)
{
    char buffer[4096];
    tacet_result lines = 0, n;
    for (uint64_t offset = 0; (n = tacet_file_read(task, file, buffer, sizeof buffer, offset)) > 0;
         offset += (uint64_t)n)
        for (tacet_result i = 0; i < n; i++)
            lines += buffer[i] == '\n';
    return n < 0 ? n : lines;
}

static tacet_result count_lines(struct tacet_task *task, void *arg)
{
    struct count *count = arg;
    struct tacet_file file;
    tacet_result r = tacet_file_open(task, &file, NULL, count->path, &(struct open_how){.flags = O_RDONLY});
    if (r < 0)
        return r;
    count->lines = count_in(task, &file);
    r = tacet_file_close(task, &file);
    return count->lines < 0 ? count->lines : r;
}

static tacet_result run(struct tacet_executor *executor, struct count *count)
{
    struct tacet_task *task;
    tacet_result r = tacet_task_create(&task, tacet_switcher_asm(), NULL);
    if (r < 0)
        return r;
    tacet_task_set_body(task, count_lines, count);
    r = tacet_task_attach(executor, task);
    if (r >= 0)
        r = tacet_executor_run(executor, TACET_UNTIL_IDLE, NULL);
    if (r >= 0)
        r = tacet_task_result(task);
    tacet_task_destroy(task);
    return r;
}

int main(int argc, char **argv)
{
    struct count count = {.path = argc > 1 ? argv[1] : ""};
    struct tacet_executor *executor;
    tacet_result r = tacet_executor_create(&executor, NULL);
    if (r >= 0) {
        r = run(executor, &count);
        tacet_executor_destroy(executor);
    }
    if (r < 0) {
        fprintf(stderr, "consumer: %s: %s\n", count.path, strerror((int)-r));
        return 1;
    }
    printf("%lld\n", (long long)count.lines);
    return 0;
}
