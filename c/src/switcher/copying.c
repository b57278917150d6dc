/*
 * Stack copying: all contexts of a thread run on one execution stack; the live part of one is copied to its save buffer when
 * another needs the room, and back to the same addresses before it is resumed.
 *
 *     execution stack, guarded                                        save buffer of a context
 *     | free ...            | sp   live frames of `owner`   top |     | live frames, as they were |
 *
 * Copies are made by the resumer, on its own stack, where nothing below the owner's sp is live: so in plain C, at any
 * optimisation, with any stack protector. The only thing done on the execution stack is the switch.
 *
 * Lazy: a context that suspends stays where it is until another needs the room (or it is evicted at once: copy_eagerly, and
 * in builds with full checks, which also overwrite what it left).
 *
 * Invariants: the owner's sp is in the stack's words, that of all others in their contexts; a context has a stack, always
 * the same, from its first resumption until it has finished; a stack is its thread's alone.
 */
#include "switcher/copying.h"

#include "executor/report.h"
#include "switcher/copy.h"
#include "switcher/switch.h"
#include "switcher/switcher.h"
#include "task/c_task.h"

#include <malloc.h>
#include <stdlib.h>

/* The low bits of a context's flags: the binary logarithm of the stack that it needs. */
#define STACK_BITS 32

/* Another bit of them: its options ask for more than is usual, at suspension or resumption. */
#define UNUSUAL 0x40

/* Assumed before the first suspension tells. */
#define SLACK_BYTES_INITIAL 1024

static _Thread_local struct {
    uint64_t serial;
    struct execution_stack *stack;
} last_used;

/* --- Save buffers --- */

static void release_buffer(struct tacet_context *context)
{
    const struct tacet_switcher_options *options = &context->switcher->options;
    if (context->memory != NULL && options->deallocate != NULL)
        options->deallocate(options->allocator, context->memory, context->bytes);
    else
        free(context->memory);
    context->memory = NULL;
    context->bytes = 0;
}

/* The contents of the present buffer are not needed. malloc's blocks are used to their end. */
static TACET_COLD tacet_result grow_buffer(struct tacet_context *context, size_t live_bytes)
{
    const struct tacet_switcher_options *options = &context->switcher->options;
    size_t bytes = copy_bytes(live_bytes);
    if (bytes < options->save_bytes_reserved)
        bytes = options->save_bytes_reserved;
    char *memory = options->allocate != NULL ? options->allocate(options->allocator, bytes, 16) : malloc(bytes);
    if (memory == NULL)
        return -ENOMEM;
    release_buffer(context);
    context->memory = memory;
    context->bytes = (uint32_t)(options->allocate != NULL ? bytes : malloc_usable_size(memory));
    return 0;
}

static inline tacet_result require_buffer(struct tacet_context *context, size_t live_bytes)
{
    return TACET_LIKELY(copy_bytes(live_bytes) <= context->bytes) ? 0 : grow_buffer(context, live_bytes);
}

/* --- Execution stacks --- */

static struct execution_stack *make_stack(struct tacet_switcher *switcher, size_t bytes)
{
    struct execution_stack *made = calloc(1, sizeof *made);
    if (made == NULL)
        return NULL;
    if (stack_take(&switcher->stacks, &switcher->options, &made->memory, bytes) < 0) {
        free(made);
        return NULL;
    }
    made->top = made->memory.base + made->memory.bytes;
    made->slack = SLACK_BYTES_INITIAL;
    made->thread = &thread_state;
    pthread_mutex_lock(&switcher->stacks.mutex);
    made->next = switcher->execution_stacks;
    switcher->execution_stacks = made;
    pthread_mutex_unlock(&switcher->stacks.mutex);
    return made;
}

/* One of this thread's, or of one that has ended and had the same identity; nothing runs on it. */
static TACET_COLD struct execution_stack *find_stack(struct tacet_switcher *switcher, size_t bytes)
{
    pthread_mutex_lock(&switcher->stacks.mutex);
    struct execution_stack *found = switcher->execution_stacks;
    while (found != NULL && (found->thread != &thread_state || found->running || found->memory.bytes < bytes))
        found = found->next;
    pthread_mutex_unlock(&switcher->stacks.mutex);
    if (found == NULL)
        found = make_stack(switcher, bytes);
    last_used.serial = switcher->serial;
    last_used.stack = found;
    return found;
}

static inline struct execution_stack *free_stack(const struct tacet_context *context)
{
    struct execution_stack *last = last_used.stack;
    size_t bytes = (size_t)1 << context->flags % STACK_BITS;
    if (TACET_LIKELY(last != NULL && last_used.serial == context->switcher->serial && !last->running &&
                     last->memory.bytes >= bytes))
        return last;
    return find_stack(context->switcher, bytes);
}

void copying_finish(struct tacet_switcher *switcher)
{
    while (switcher->execution_stacks != NULL) {
        struct execution_stack *stack = switcher->execution_stacks;
        switcher->execution_stacks = stack->next;
        stack_give(&switcher->stacks, &switcher->options, &stack->memory);
        free(stack);
    }
}

static bool holds(const struct tacet_context *context, const void *address)
{
    const struct execution_stack *stack = copying_stack(context);
    return stack != NULL && (const char *)address >= stack->memory.base && (const char *)address < stack->top;
}

/* --- In and out --- */

static TACET_COLD void learn(struct execution_stack *stack, size_t slack)
{
    TACET_ASSERT(slack <= stack->memory.bytes && "every suspension follows a reserve()");
    if (!stack->slack_known || slack > stack->slack)
        stack->slack = slack;
    stack->slack_known = true;
}

/* On the resumer's stack. Nothing is lost where it fails: the owner stays. */
static inline tacet_result evict(struct execution_stack *stack)
{
    struct tacet_context *owner = stack->owner;
    char *from = stack->words.stack_pointer;
    size_t live_bytes = (size_t)(stack->top - from), slack = (size_t)(stack->reserved_at - from);
    if (TACET_UNLIKELY(slack > stack->slack || !stack->slack_known))
        learn(stack, slack);
    tacet_result r = require_buffer(owner, live_bytes);
    if (TACET_UNLIKELY(r < 0))
        return r;
    copy_out(owner->memory, from, live_bytes);
    owner->stack_pointer = from;
    stack->owner = NULL;
    return 0;
}

static inline void bring_back(struct execution_stack *stack, struct tacet_context *context)
{
    char *to = context->stack_pointer;
    copy_in(stack->memory.base, to, context->memory, (size_t)(stack->top - to));
    stack->words.stack_pointer = to;
    if (TACET_UNLIKELY(context->flags & UNUSUAL) && context->switcher->options.free_on_resume)
        release_buffer(context);
}

static void start(struct execution_stack *stack, struct tacet_context *context)
{
    tacet_context_entry *entry = (tacet_context_entry *)context->stack_pointer;
    sanitizer_stack_reusable(stack->memory.base, stack->memory.bytes);
    context->resumer_stack_pointer = stack;
    stack->words.stack_pointer = switch_first_frame(stack->top, context, entry);
}

/* Makes a context that starts the owner of a stack. */
static TACET_NOINLINE tacet_result take_first_place(struct tacet_context *context)
{
    struct execution_stack *stack = free_stack(context);
    if (stack == NULL)
        return -ENOMEM;
    tacet_result r = stack->owner != NULL ? evict(stack) : 0;
    if (r < 0)
        return r;
    start(stack, context);
    stack->owner = context;
    return 0;
}

/* Makes the context the owner of its stack, if it is not. */
static inline tacet_result take_place(struct tacet_context *context)
{
    struct execution_stack *stack = copying_stack(context);
    if (TACET_UNLIKELY(stack == NULL))
        return take_first_place(context);
    if (stack->owner == context)
        return 0;
    if (TACET_UNLIKELY(stack->running))
        return -EBUSY;
    if (stack->owner != NULL) {
        tacet_result r = evict(stack);
        if (TACET_UNLIKELY(r < 0))
            return r;
    }
    bring_back(stack, context);
    stack->owner = context;
    return 0;
}

static inline struct switch_place place_of(struct tacet_context *context)
{
    struct execution_stack *stack = copying_stack(context);
    return (struct switch_place){&stack->words, context, stack->memory.base, stack->memory.bytes};
}

static inline bool is_eager(const struct tacet_context *context)
{
    return context->flags & UNUSUAL && (TACET_CHECKS >= 2 || context->switcher->options.copy_eagerly);
}

/* What fails here is tried again when another needs the room. */
static void evict_early(struct execution_stack *stack, const struct tacet_context *context)
{
    if (stack->owner == context && evict(stack) == 0 && TACET_CHECKS >= 2)
        copy_overwrite(stack->words.stack_pointer, stack->top);
}

/* --- The table --- */

static void forget(struct tacet_context *context)
{
    struct execution_stack *stack = copying_stack(context);
    if (stack != NULL && stack->owner == context)
        stack->owner = NULL;
    context->resumer_stack_pointer = NULL;
    sanitizer_forget(context);
}

static tacet_result create(struct tacet_context *context, size_t stack_bytes)
{
    const struct tacet_switcher_options *options = &context->switcher->options;
    unsigned bits = stack_bits(stack_bytes > 0 ? stack_bytes : options->stack_bytes);
    if (bits > stack_bits(STACK_BYTES_MAX))
        return -EINVAL;
    context->flags |= (uint8_t)bits;
    if (options->copy_eagerly || options->free_on_resume || TACET_CHECKS >= 2)
        context->flags |= UNUSUAL;
    return options->save_bytes_reserved > 0 ? grow_buffer(context, 0) : 0;
}

static void destroy(struct tacet_context *context)
{
    forget(context);
    release_buffer(context);
}

static void prepare(struct tacet_context *context, tacet_context_entry *entry)
{
    forget(context);
    context->stack_pointer = (void *)entry;
}

static tacet_result resume(struct tacet_context *context, int64_t value)
{
    tacet_result r = take_place(context);
    if (r < 0)
        return r;
    struct execution_stack *stack = copying_stack(context);
    stack->running = true;
    switch_in(place_of(context), value);
    if (is_eager(context))
        evict_early(stack, context);
    return 0;
}

/*
 * How much deeper the switch will be than this call is known from those whose stacks were copied. Where one turns out to
 * be deeper still, and memory is short just then, evict() fails: another that needs the room waits until there is memory
 * or this one has gone.
 */
static tacet_result reserve(struct tacet_context *context)
{
    struct execution_stack *stack = copying_stack(context);
    char *here = __builtin_dwarf_cfa();
    stack->reserved_at = here;
    return require_buffer(context, (size_t)(stack->top - here) + stack->slack);
}

static int64_t suspend(struct tacet_context *context)
{
    struct execution_stack *stack = copying_stack(context);
    stack->running = false;
    return switch_out(&stack->words, context);
}

static __attribute__((noreturn)) void leave(struct tacet_context *context)
{
    struct execution_stack *stack = copying_stack(context);
    stack->owner = NULL;
    stack->running = false;
    context->resumer_stack_pointer = NULL;
    switch_exit(&stack->words, context);
}

/*
 * It has not begun: it ends. There is no memory to move the one that is in its place: later. A context that calls run is in
 * its place: not before run returns.
 */
static TACET_COLD void cannot_run(struct tacet_task *task, tacet_result r)
{
    struct executor *executor = executor_of(tacet_task_executor(task));
    if (copying_stack(&c_task_of(task)->context) == NULL) {
        executor_report(executor, "task \"%s\": no memory for the stack that it was to run on", tacet_task_name(task));
        tacet_task_exit(task, r);
        task_settle(c_task_of(task));
        return;
    }
    tacet_task_requeue(task);
    if (r == -EBUSY)
        executor_deadlock(executor);
}

static TACET_NOINLINE void run_eagerly(struct tacet_task *task)
{
    tacet_result r = resume(&c_task_of(task)->context, task->result);
    if (TACET_UNLIKELY(r < 0))
        cannot_run(task, r);
}

/* tacet_stackful_run() without its indirect calls; see asm.c. */
static void run(struct tacet_runnable *runnable)
{
    struct tacet_task *task = tacet_task_resume(runnable);
    struct tacet_context *context = &c_task_of(task)->context;
    struct executor *executor = executor_of(tacet_task_executor(task));
    if (TACET_UNLIKELY(is_eager(context))) {
        run_eagerly(task);
        return;
    }
    tacet_result r = take_place(context);
    if (TACET_UNLIKELY(r < 0)) {
        cannot_run(task, r);
        return;
    }
    copying_stack(context)->running = true;
    switch_to(place_of(context), task->result, executor->control_words, executor->errno_location);
}

/* It may be destroyed on another thread, where this one's stack is not to be touched. */
static void abandon(struct tacet_task *task)
{
    forget(&c_task_of(task)->context);
    task_settle(c_task_of(task));
}

const struct tacet_switcher_ops tacet_copying_ops = {
    .kind = {.run = run},
    .name = "copying",
    .flags = TACET_SWITCHER_STACK_NOT_STABLE,
    .create = create,
    .prepare = prepare,
    .resume = resume,
    .suspend = suspend,
    .exit = leave,
    .destroy = destroy,
    .reserve = reserve,
    .holds = holds,
    .abandon = abandon,
};
