/*
 * The handler of SIGSEGV that names who overflowed a stack. It runs on an alternate stack, the thread's, since there is no
 * room on the other one; calls only what a handler may; and leaves by restoring the default action and having the
 * signal come again, so that the process ends as it would have without it.
 *
 * Not in builds with a sanitizer, which has a handler of its own.
 */
#include "switcher/overflow.h"

#include "switcher/own_stack.h"
#include "switcher/thread.h"
#include "task/c_task.h"

#if SWITCHED_BY_ASSEMBLY
#include "switcher/copying.h"
#endif

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

/* The kernel's frame with all vector registers may take 12 KiB. */
#define ALTERNATE_STACK_BYTES ((size_t)32 * 1024)

/* --- What to say --- */

struct line {
    size_t length;
    char text[256];
};

static void add(struct line *line, const char *text)
{
    while (*text != '\0' && line->length < sizeof line->text)
        line->text[line->length++] = *text++;
}

static void add_number(struct line *line, uint64_t number, unsigned base)
{
    char digits[24];
    char *first = digits + sizeof digits - 1;
    *first = '\0';
    do
        *--first = "0123456789abcdef"[number % base];
    while ((number /= base) > 0);
    add(line, first);
}

static void say(const struct tacet_context *context, const struct tacet_task *task, size_t bytes)
{
    struct line line = {0};
    add(&line, "tacet: ");
    add(&line, task != NULL ? "task \"" : "a context");
    if (task != NULL) {
        add(&line, tacet_task_name(task));
        add(&line, "\"");
    }
    add(&line, " overflowed its stack of ");
    add_number(&line, bytes / 1024, 10);
    add(&line, task != NULL ? " KiB (task 0x" : " KiB (context 0x");
    add_number(&line, task != NULL ? (uintptr_t)task : (uintptr_t)context, 16);
    line.length = line.length < sizeof line.text - 2 ? line.length : sizeof line.text - 2;
    add(&line, ")\n");
    ssize_t written = write(STDERR_FILENO, line.text, line.length);
    (void)written;
}

/* --- Whose stack it is --- */

static struct stack stack_of(const struct tacet_context *context)
{
    const struct tacet_switcher_ops *ops = context->switcher->ops;
    if (context->switcher->options.allocate != NULL)
        return (struct stack){NULL, 0};
    if (ops->create == own_stack_create)
        return (struct stack){context->memory, context->bytes};
#if SWITCHED_BY_ASSEMBLY
    if (ops == &tacet_copying_ops && context->resumer_stack_pointer != NULL)
        return ((const struct execution_stack *)context->resumer_stack_pointer)->memory;
#endif
    return (struct stack){NULL, 0};
}

static bool has_overflowed(const struct tacet_context *context, const char *address)
{
    struct stack stack = stack_of(context);
    return stack.base != NULL && address >= stack.base - stack_guard_bytes() && address < stack.base;
}

/* A context may run an executor, and a task may resume contexts: all that may be running are asked. */
static void report(const char *address)
{
    const struct tacet_context *context = thread_state.context;
    if (context != NULL && has_overflowed(context, address)) {
        say(context, NULL, stack_of(context).bytes);
        return;
    }
    for (const struct executor *each = executor_first_here(); each != NULL; each = each->next_here) {
        const struct tacet_task *task = tacet_executor_current(&each->shared);
        if (task == NULL || tacet_task_ops(task)->create == NULL)
            continue;
        context = &c_task_of(task)->context;
        if (has_overflowed(context, address)) {
            say(context, task, stack_of(context).bytes);
            return;
        }
    }
}

static void handle(int number, siginfo_t *information, void *ucontext)
{
    (void)ucontext;
    if (information->si_code > 0)
        report(information->si_addr);
    signal(number, SIG_DFL);
    if (information->si_code <= 0) /* sent: it does not come again by itself */
        raise(number);
}

/* --- The handler, and the stacks that it runs on --- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static bool is_off, is_installed;

static void install(void)
{
    struct sigaction present, own = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    if (sigaction(SIGSEGV, NULL, &present) < 0 || present.sa_handler != SIG_DFL)
        return;
    is_installed = sigaction(SIGSEGV, &own, NULL) == 0;
}

static void uninstall(void)
{
    struct sigaction present;
    if (sigaction(SIGSEGV, NULL, &present) == 0 && present.sa_flags & SA_SIGINFO && present.sa_sigaction == handle)
        signal(SIGSEGV, SIG_DFL);
    is_installed = false;
}

void overflow_watch(void)
{
    pthread_mutex_lock(&mutex);
    if (!SANITIZED && !is_off && !is_installed)
        install();
    pthread_mutex_unlock(&mutex);
}

void tacet_switcher_report_overflows(bool report)
{
    pthread_mutex_lock(&mutex);
    if (!report && is_installed)
        uninstall();
    is_off = !report;
    pthread_mutex_unlock(&mutex);
}

static pthread_key_t alternate_stack_key;
static bool has_key;

static void leave_thread(void *memory)
{
    stack_t present;
    if (sigaltstack(NULL, &present) == 0 && present.ss_sp == memory) {
        stack_t none = {.ss_flags = SS_DISABLE};
        sigaltstack(&none, NULL);
    }
    munmap(memory, ALTERNATE_STACK_BYTES);
}

static void make_key(void)
{
    has_key = pthread_key_create(&alternate_stack_key, leave_thread) == 0;
}

static bool needs_alternate_stack(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_key);
    pthread_mutex_lock(&mutex);
    bool is_on = has_key && !is_off && !SANITIZED;
    pthread_mutex_unlock(&mutex);
    stack_t present;
    return is_on && sigaltstack(NULL, &present) == 0 && present.ss_flags & SS_DISABLE;
}

void overflow_enter_thread(void)
{
    if (!needs_alternate_stack())
        return;
    void *memory = mmap(NULL, ALTERNATE_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return;
    stack_t own = {.ss_sp = memory, .ss_size = ALTERNATE_STACK_BYTES};
    if (pthread_setspecific(alternate_stack_key, memory) != 0 || sigaltstack(&own, NULL) < 0) {
        pthread_setspecific(alternate_stack_key, NULL);
        munmap(memory, ALTERNATE_STACK_BYTES);
    }
}
