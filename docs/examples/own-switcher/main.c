/*
 * own-switcher: a kind of switcher that tacet does not have, by switcher_interface.h: stacks from malloc, switched by the C
 * library's swapcontext. Then it is used like any other: by contexts alone, and by tasks of an executor, beside tasks of
 * tacet's own kinds.
 *
 * swapcontext keeps the callee-saved registers, the floating-point control words and, by a system call, the signal mask.
 * What it does not keep, and is kept here, is errno. A kind for C++ programs would keep the exceptions as well
 * (__cxa_get_globals(): an exception may be handled across a suspension).
 */
#include <tacet/switcher_interface.h>
#include <tacet/tacet.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

/* --- The kind --- */

/* What a context needs, in one piece with its stack: context->memory. */
struct frame {
    ucontext_t own, resumer;
    tacet_context_entry *entry;
    int64_t value; /* of the last resumption */
    char stack[];
};

static struct frame *frame_of(const struct tacet_context *context)
{
    return (struct frame *)(void *)context->memory;
}

static tacet_result create(struct tacet_context *context, size_t stack_bytes)
{
    size_t bytes = stack_bytes > 0 ? stack_bytes : tacet_switcher_get_options(context->switcher)->stack_bytes;
    if (bytes > UINT32_MAX)
        return -EINVAL;
    context->memory = malloc(sizeof(struct frame) + bytes);
    context->bytes = (uint32_t)bytes;
    return context->memory != NULL ? 0 : -ENOMEM;
}

static void destroy(struct tacet_context *context)
{
    free(context->memory);
}

static __attribute__((noreturn)) void leave(struct tacet_context *context)
{
    context->state = TACET_CONTEXT_FINISHED;
    setcontext(&frame_of(context)->resumer);
    abort(); /* setcontext fails only for a context that it did not make */
}

/* makecontext passes ints only: a pointer takes two. */
static void first(unsigned high, unsigned low)
{
    struct tacet_context *context = (struct tacet_context *)((uintptr_t)high << 16 << 16 | low);
    errno = 0;
    frame_of(context)->entry(context);
    leave(context);
}

static void prepare(struct tacet_context *context, tacet_context_entry *entry)
{
    struct frame *frame = frame_of(context);
    frame->entry = entry;
    getcontext(&frame->own);
    frame->own.uc_stack.ss_sp = frame->stack;
    frame->own.uc_stack.ss_size = context->bytes;
    frame->own.uc_link = NULL;
    uintptr_t argument = (uintptr_t)context;
    makecontext(&frame->own, (void (*)(void))first, 2, (unsigned)(argument >> 16 >> 16), (unsigned)argument);
}

static tacet_result resume(struct tacet_context *context, int64_t value)
{
    struct frame *frame = frame_of(context);
    frame->value = value;
    swapcontext(&frame->resumer, &frame->own);
    return 0;
}

static int64_t suspend(struct tacet_context *context)
{
    struct frame *frame = frame_of(context);
    int error = errno;
    swapcontext(&frame->own, &frame->resumer);
    errno = error;
    return frame->value;
}

static const struct tacet_switcher_ops ucontext_ops = {
    .name = "ucontext",
    .kind = {.run = tacet_stackful_run},
    .create = create,
    .prepare = prepare,
    .resume = resume,
    .suspend = suspend,
    .exit = leave,
    .destroy = destroy,
};

/* --- Contexts of it: each adds up what it is resumed with --- */

struct sum {
    struct tacet_context context; /* first */
    int64_t value;
};

static void add_up(struct tacet_context *context)
{
    struct sum *sum = (struct sum *)context;
    int64_t next;
    while (tacet_context_suspend(context, &next) == 0 && next != 0) {
        sum->value += next;
        errno++; /* errno is this context's own */
    }
    if (errno != 10)
        sum->value = -1;
}

static tacet_result use_contexts(struct tacet_switcher *switcher)
{
    struct sum sums[4] = {0};
    for (int i = 0; i < 4; i++) {
        tacet_result r = tacet_context_create(&sums[i].context, switcher, 0);
        if (r < 0)
            return r;
        tacet_context_prepare(&sums[i].context, add_up);
    }
    bool right = true;
    for (int64_t value = 11; value >= 0; value--) { /* 11 only starts them: nobody has asked for a value yet */
        for (int i = 0; i < 4; i++) {
            int expected = value > 0 ? TACET_CONTEXT_SUSPENDED : TACET_CONTEXT_FINISHED;
            errno = 1000;
            right = tacet_context_resume(&sums[i].context, value) == expected && right;
        }
    }
    for (int i = 0; i < 4; i++) {
        right = sums[i].value == 55 && right;
        tacet_context_destroy(&sums[i].context);
    }
    return right ? 0 : -EDOM;
}

/* --- Tasks of it, in one executor with tasks of another kind: each waits for the one before it --- */

#define TASKS 100

static tacet_result wait_for_previous(struct tacet_task *task, void *arg)
{
    struct tacet_task *previous = *(struct tacet_task **)arg;
    tacet_result depth = 0;
    tacet_result r = tacet_sleep(task, 1000);
    if (r == 0 && previous != NULL)
        r = tacet_task_wait(task, previous, &depth);
    return r < 0 ? r : depth + 1;
}

static tacet_result run_tasks(struct tacet_executor *executor, struct tacet_switcher *switcher)
{
    struct tacet_task *tasks[TASKS + 1] = {NULL}; /* tasks[i + 1] waits for tasks[i], the first for nobody */
    tacet_result r = 0;
    for (int i = TASKS; i > 0 && r == 0; i--) { /* the last starts first, so that all wait */
        r = tacet_task_create(&tasks[i], i % 2 == 0 ? switcher : tacet_switcher_setjmp(), NULL);
        if (r == 0)
            tacet_task_set_body(tasks[i], wait_for_previous, &tasks[i - 1]);
        if (r == 0)
            r = tacet_task_attach(executor, tasks[i]);
    }
    if (r == 0)
        r = tacet_executor_run(executor, TACET_UNTIL_IDLE, NULL);
    if (r >= 0)
        r = tacet_task_result(tasks[TASKS]) == TASKS ? 0 : -EDOM;
    for (int i = 1; i <= TASKS; i++)
        tacet_task_release(tasks[i]);
    return r;
}

static tacet_result use_tasks(struct tacet_switcher *switcher)
{
    struct tacet_executor *executor;
    struct tacet_executor_options no_ring = {.ring_entries = 0};
    tacet_result r = tacet_executor_create(&executor, &no_ring);
    if (r < 0)
        return r;
    r = run_tasks(executor, switcher);
    tacet_executor_destroy(executor);
    return r;
}

int main(void)
{
    struct tacet_switcher *switcher;
    tacet_result r = tacet_switcher_create(&switcher, &ucontext_ops, NULL);
    if (r == 0) {
        r = use_contexts(switcher);
        if (r == 0)
            r = use_tasks(switcher);
        if (tacet_switcher_destroy(switcher) < 0 && r == 0) /* -EBUSY: something of it was left */
            r = -EBUSY;
    }
    if (r < 0) {
        fprintf(stderr, "own-switcher: %s\n", strerror((int)-r));
        return EXIT_FAILURE;
    }
    printf("own-switcher: 4 contexts and %d tasks, half of them on ucontext, half on setjmp: right\n", TASKS);
    return EXIT_SUCCESS;
}
