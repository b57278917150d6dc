/*
 * What every switcher keeps, tried on the architecture that it was built for: registers, control words, errno, contexts that
 * end in the middle, tasks of all kinds on an executor without a ring. Exits with 0, or says what was wrong.
 */
#include <tacet/tacet.h>

#include <errno.h>
#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>

uint64_t test_registers(void (*call)(void *), void *arg, uint64_t pattern);

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                             \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

#define SWITCHES 100000
#define CONTEXTS 5
#define TASKS 1000

static struct tacet_switcher *(*const kinds[])(void) = {tacet_switcher_setjmp, tacet_switcher_asm,
                                                        tacet_switcher_copying};
#define KINDS (sizeof kinds / sizeof kinds[0])

static uint64_t rounding(void)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr >> 22 & 3;
}

static void set_rounding(uint64_t mode)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(mode << 22));
}

struct torture {
    struct tacet_context context;
    uint64_t number;
    uint64_t distance; /* of the registers from what they should be */
    int wrong;
};

static struct torture *torture_of(struct tacet_context *context)
{
    return (struct torture *)context;
}

static void suspend(void *arg)
{
    struct torture *self = arg;
    int64_t value = 0;
    self->wrong += tacet_context_suspend(&self->context, &value) != 0 || value != (int64_t)self->number;
}

static void torture(struct tacet_context *context)
{
    struct torture *self = torture_of(context);
    self->wrong += rounding() != 0 || errno != 0;
    set_rounding(self->number % 4);
    errno = 1000 + (int)self->number;
    for (uint64_t i = 1;; i++) {
        self->distance |= test_registers(suspend, self, 0x0123456789abcdef * i + self->number);
        self->wrong += rounding() != self->number % 4 || errno != 1000 + (int)self->number;
    }
}

static void resume(void *arg)
{
    struct torture *each = arg;
    REQUIRE(tacet_context_resume(&each->context, (int64_t)each->number) == TACET_CONTEXT_SUSPENDED);
}

/* Contexts of all kinds in turn, and their resumer, all with registers and modes of their own. */
static void registers_survive(void)
{
    struct torture contexts[CONTEXTS] = {0};
    for (uint64_t i = 0; i < CONTEXTS; i++) {
        contexts[i].number = i;
        REQUIRE(tacet_context_create(&contexts[i].context, kinds[i % KINDS](), 0) == 0);
        REQUIRE(tacet_context_prepare(&contexts[i].context, torture) == 0);
    }
    set_rounding(2);
    for (uint64_t i = 0; i < SWITCHES; i++) {
        REQUIRE(test_registers(resume, &contexts[i % CONTEXTS], 0xfedcba9876543210 * (i + 1)) == 0);
        REQUIRE(rounding() == 2);
    }
    set_rounding(0);
    for (uint64_t i = 0; i < CONTEXTS; i++) {
        REQUIRE(contexts[i].distance == 0 && contexts[i].wrong == 0);
        REQUIRE(tacet_context_destroy(&contexts[i].context) == 0);
    }
}

static int steps, frames;

static void suspend_and_leave(struct tacet_context *context)
{
    void *addresses[64];
    frames = backtrace(addresses, 64);
    REQUIRE(tacet_context_suspend(context, NULL) == 0);
    steps++;
    tacet_context_exit(context);
}

static void (*volatile at_the_bottom)(struct tacet_context *context) = suspend_and_leave;

static void exit_deep(struct tacet_context *context, int depth)
{
    volatile char frame[512];
    frame[0] = (char)depth;
    if (depth > 0)
        exit_deep(context, depth - 1);
    else
        at_the_bottom(context);
    steps += 1000 + frame[0];
}

static void leaves(struct tacet_context *context)
{
    steps++;
    exit_deep(context, 20);
}

static void returns(struct tacet_context *context)
{
    REQUIRE(tacet_context_self() == context);
    steps++;
}

static void contexts_end(struct tacet_switcher *switcher)
{
    struct tacet_context context;
    REQUIRE(tacet_context_create(&context, switcher, 0) == 0);
    for (int i = 0; i < 100; i++) {
        steps = 0;
        REQUIRE(tacet_context_prepare(&context, leaves) == 0);
        REQUIRE(tacet_context_resume(&context, 0) == TACET_CONTEXT_SUSPENDED);
        REQUIRE(frames > 4 && frames < 40);
        REQUIRE(tacet_context_resume(&context, 0) == TACET_CONTEXT_FINISHED && steps == 2);
        REQUIRE(tacet_context_prepare(&context, returns) == 0);
        REQUIRE(tacet_context_resume(&context, 0) == TACET_CONTEXT_FINISHED && steps == 3);
    }
    REQUIRE(tacet_context_self() == NULL);
    REQUIRE(tacet_context_destroy(&context) == 0);
}

static tacet_result body(struct tacet_task *self, void *arg)
{
    int number = (int)(intptr_t)arg;
    volatile char on_stack[300];
    on_stack[299] = (char)number;
    for (int i = 0; i < 20; i++) {
        errno = number;
        tacet_result r = i == number % 20 ? tacet_sleep(self, 1000) : tacet_yield(self);
        if (r != 0 || errno != number || on_stack[299] != (char)number)
            return -1;
    }
    return number;
}

static tacet_result run_to_completion(struct tacet_task *self, void *arg)
{
    (void)self;
    return (intptr_t)arg;
}

static tacet_result state_machine(struct tacet_task *self, void *arg)
{
    static int left[TASKS];
    int *turns = &left[(intptr_t)arg];
    return ++*turns < 20 ? tacet_yield(self) : (intptr_t)arg;
}

static void attach(struct tacet_executor *executor, struct tacet_task **task, intptr_t number)
{
    struct tacet_switcher *switcher = number % 4 == 0   ? tacet_switcher_none()
                                      : number % 4 == 1 ? tacet_switcher_stackless()
                                                        : kinds[(size_t)number / 4 % KINDS]();
    REQUIRE(tacet_task_create(task, switcher, NULL) == 0);
    tacet_task_set_body(*task,
                        number % 4 == 0   ? run_to_completion
                        : number % 4 == 1 ? state_machine
                                          : body,
                        (void *)number);
    REQUIRE(tacet_task_attach(executor, *task) == 0);
}

static void tasks_of_all_kinds(void)
{
    static struct tacet_task *tasks[TASKS];
    struct tacet_executor *executor;
    struct tacet_executor_options options = {.ring_entries = 0};
    REQUIRE(tacet_executor_create(&executor, &options) == 0);
    for (intptr_t i = 0; i < TASKS; i++)
        attach(executor, &tasks[i], i);
    REQUIRE(tacet_executor_run(executor, TACET_UNTIL_IDLE, NULL) == TASKS / 4 + TASKS / 4 * 20 + TASKS / 2 * 21);
    for (intptr_t i = 0; i < TASKS; i++) {
        REQUIRE(tacet_task_result(tasks[i]) == i);
        REQUIRE(tacet_task_destroy(tasks[i]) == 0);
    }
    REQUIRE(tacet_executor_destroy(executor) == 0);
}

int main(void)
{
    registers_survive();
    for (size_t i = 0; i < KINDS; i++)
        contexts_end(kinds[i]());
    tasks_of_all_kinds();
    printf("%d switches, %d tasks: all as it should be\n", SWITCHES, TASKS);
    return 0;
}
