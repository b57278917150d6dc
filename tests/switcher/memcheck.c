/*
 * Tasks and contexts of every kind, for Valgrind to watch: deep and shallow frames in turn on the same stacks, stacks used
 * again, contexts that end in the middle, in C, without a ring. Exits with 0 if every answer was right.
 */
#include <tacet/tacet.h>

#include <stdlib.h>
#include <string.h>

#define TASKS 60

static struct tacet_switcher *(*const kinds[])(void) = {
    tacet_switcher_stackless,
    tacet_switcher_setjmp,
#if defined(__x86_64__) || defined(__aarch64__)
    tacet_switcher_asm,
    tacet_switcher_copying,
#endif
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Every byte of the frames is read again after the switches. */
static __attribute__((noinline)) int64_t descend(struct tacet_task *self, int depth)
{
    char frame[200];
    memset(frame, depth, sizeof frame);
    int64_t below = depth > 0 ? descend(self, depth - 1) : 0;
    require(tacet_yield(self) == 0);
    for (size_t i = 0; i < sizeof frame; i++)
        below += frame[i];
    return below;
}

static tacet_result on_a_stack(struct tacet_task *self, void *arg)
{
    int depth = (int)(intptr_t)arg;
    return descend(self, depth) + descend(self, depth / 2);
}

static int64_t sum_of(int depth)
{
    return 200 * (depth * (depth + 1) / 2);
}

static tacet_result by_returning(struct tacet_task *self, void *arg)
{
    static int turns[TASKS];
    int depth = (int)(intptr_t)arg;
    return ++turns[depth] < 10 ? tacet_yield(self) : sum_of(depth) + sum_of(depth / 2);
}

static void run_tasks(void)
{
    struct tacet_executor *executor;
    struct tacet_executor_options options = {.ring_entries = 0};
    struct tacet_task *tasks[TASKS];
    require(tacet_executor_create(&executor, &options) == 0);
    for (int i = 0; i < TASKS; i++) {
        require(tacet_task_create(&tasks[i], kinds[(size_t)i % KINDS](), NULL) == 0);
        tacet_task_set_body(tasks[i], (size_t)i % KINDS == 0 ? by_returning : on_a_stack, (void *)(intptr_t)i);
        require(tacet_task_attach(executor, tasks[i]) == 0);
    }
    require(tacet_executor_run(executor, TACET_UNTIL_IDLE, NULL) > TASKS);
    for (int i = 0; i < TASKS; i++) {
        require(tacet_task_result(tasks[i]) == sum_of(i) + sum_of(i / 2));
        require(tacet_task_destroy(tasks[i]) == 0);
    }
    require(tacet_executor_destroy(executor) == 0);
}

static void suspends_and_leaves(struct tacet_context *context)
{
    char frame[5000];
    memset(frame, 1, sizeof frame);
    int64_t value = 0;
    require(tacet_context_suspend(context, &value) == 0 && value == 7 && frame[4999] == 1);
    tacet_context_exit(context);
}

static void run_context(struct tacet_switcher *switcher)
{
    struct tacet_context context;
    require(tacet_context_create(&context, switcher, 0) == 0);
    for (int i = 0; i < 20; i++) {
        require(tacet_context_prepare(&context, suspends_and_leaves) == 0);
        require(tacet_context_resume(&context, 0) == TACET_CONTEXT_SUSPENDED);
        if (i % 2 == 0)
            require(tacet_context_resume(&context, 7) == TACET_CONTEXT_FINISHED);
    }
    require(tacet_context_destroy(&context) == 0);
}

int main(void)
{
    for (int round = 0; round < 2; round++) {
        for (size_t i = 1; i < KINDS; i++)
            run_context(kinds[i]());
        if (round == 0)
            run_tasks();
    }
    return 0;
}
