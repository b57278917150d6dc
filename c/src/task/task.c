/* A task's life: made, attached, run, exited, attached again or destroyed. */
#include "base/list.h"
#include "executor/executor.h"
#include "executor/signals.h"
#include "op/bounce.h"
#include "op/op.h"
#include "ring/descriptors.h"
#include "switcher/switcher.h"
#include "task/c_task.h"
#include "task/deadline.h"
#include "task/memory.h"

#include <tacet/handover.h>
#include <tacet/socket.h>
#include <tacet/time.h>

#include <linux/ioprio.h>
#include <stdlib.h>

_Static_assert(sizeof(struct tacet_task) == 120, "a million of suspended tasks");
_Static_assert(offsetof(struct tacet_task, wait_node) == 64, "a resumption touches one cache line");

tacet_result tacet_task_make_extra(struct tacet_task *task)
{
    struct task_extra *extra = calloc(1, sizeof *extra);
    if (extra == NULL)
        return -ENOMEM;
    extra->shared.task = task;
    task->extra = &extra->shared;
    return 0;
}

void tacet_task_finish(struct tacet_task *task)
{
    if (task->extra != NULL)
        free(task->extra->stand_in);
    free(task->extra);
    task->extra = NULL;
}

static tacet_result keep_options(struct tacet_task *task, const struct tacet_task_options *options)
{
    if (options->name == NULL && options->destroy_arg == NULL)
        return 0;
    tacet_result r = tacet_task_make_extra(task);
    if (r < 0)
        return r;
    task_extra_of(task)->name = options->name;
    task_extra_of(task)->destroy_arg = options->destroy_arg;
    return 0;
}

tacet_result tacet_task_create(struct tacet_task **task, struct tacet_switcher *switcher,
                               const struct tacet_task_options *options)
{
    static const struct tacet_task_options defaults;
    if (task == NULL || switcher == NULL)
        return -EINVAL;
    *task = NULL;
    if (options == NULL)
        options = &defaults;
    struct c_task *c_task = task_memory_take();
    if (c_task == NULL)
        return -ENOMEM;
    tacet_task_init(&c_task->task, &switcher->ops->kind);
    c_task->context.switcher = switcher;
    tacet_result r = keep_options(&c_task->task, options);
    if (r == 0 && switcher->ops->create != NULL) {
        r = switcher->ops->create(&c_task->context, options->stack_bytes);
    }
    if (r < 0) {
        tacet_task_finish(&c_task->task);
        task_memory_give(c_task);
        return r;
    }
    switcher_use(switcher);
    *task = &c_task->task;
    return 0;
}

static bool is_attached(const struct tacet_task *task)
{
    unsigned state = __atomic_load_n(&task->state, __ATOMIC_RELAXED);
    return state != TACET_TASK_IDLE && state != TACET_TASK_EXITED;
}

static TACET_NOINLINE bool is_needed_still(struct tacet_task *task)
{
    if (task_has_ops_in_flight(task))
        return true;
    /* acquire: pairs with the release in signal_take(), after which its executor does not touch it any more */
    if (__atomic_load_n(&task->signals, __ATOMIC_ACQUIRE) == 0)
        return false;
    if (!executor_is_mine(executor_of(tacet_task_executor(task))))
        return true;
    if (task->flags & TACET_TASK_RELEASED)
        return true; /* the signal that comes destroys it */
    tacet_task_await_signals(task);
    return false;
}

/* Whether the executor that had the task has still to do with it: an operation that it left in flight, a cancel that came
 * too late and is on its way. */
static inline bool is_needed(struct tacet_task *task)
{
    bool may_be = task->extra != NULL || __atomic_load_n(&task->signals, __ATOMIC_ACQUIRE) != 0;
    return TACET_UNLIKELY(may_be) && is_needed_still(task);
}

tacet_result tacet_task_destroy(struct tacet_task *task)
{
    if (task == NULL)
        return 0;
    if (tacet_task_ops(task)->flags & TACET_SWITCHER_FOREIGN)
        return -EINVAL;
    if (is_attached(task) || is_needed(task))
        return -EBUSY;
    struct c_task *c_task = c_task_of(task);
    if (tacet_task_ops(task)->destroy != NULL)
        tacet_task_ops(task)->destroy(&c_task->context);
    switcher_release(c_task->context.switcher);
    if (task->extra != NULL && task_extra_of(task)->destroy_arg != NULL)
        task_extra_of(task)->destroy_arg(task->context);
    tacet_task_finish(task);
    task_memory_give(c_task);
    return 0;
}

void tacet_task_release(struct tacet_task *task)
{
    if (task == NULL || tacet_task_destroy(task) != -EBUSY)
        return;
    task->flags |= TACET_TASK_RELEASED;
    tacet_task_cancel(task);
}

/* The last of its ops that are still in flight comes here again. */
void task_settle(struct c_task *task)
{
    if (TACET_UNLIKELY(task->task.flags & TACET_TASK_RELEASED))
        tacet_task_destroy(&task->task);
}

void tacet_task_set_body(struct tacet_task *task, tacet_task_body *body, void *arg)
{
    TACET_ASSERT(!is_attached(task));
    c_task_of(task)->body = body;
    task->context = arg;
}

tacet_result tacet_task_set_priority(struct tacet_task *task, enum tacet_priority cpu, enum tacet_priority io)
{
    static const uint16_t ioprio[TACET_PRIORITY_COUNT] = {
        [TACET_PRIORITY_HIGH] = IOPRIO_CLASS_BE << IOPRIO_CLASS_SHIFT | 0,
        [TACET_PRIORITY_NORMAL] = 0, /* that of the thread */
        [TACET_PRIORITY_LOW] = IOPRIO_CLASS_BE << IOPRIO_CLASS_SHIFT | 7,
    };
    if (task == NULL || (unsigned)cpu >= TACET_PRIORITY_COUNT || (unsigned)io >= TACET_PRIORITY_COUNT)
        return -EINVAL;
    if (is_attached(task)) {
        const struct executor *here = task_find_executor_here(task);
        if (here == NULL || !executor_is_mine(here))
            return -EPERM;
        struct tacet_executor *executor = tacet_task_executor(task);
        if (task->attached_node.next != NULL) { /* else it lies in the inbox, and is not counted yet */
            executor->attached[task->priority]--;
            executor->attached[cpu]++;
        }
    }
    if (task->level != NULL)
        task_set_level(task, task->level + (int)cpu - (int)task->priority);
    __atomic_store_n(&task->priority, (uint8_t)cpu, __ATOMIC_RELAXED);
    task->ioprio = ioprio[io];
    return 0;
}

/* Time accounts are the executor's choice; those of an earlier executor do not stay. */
static tacet_result open_account(struct tacet_task *task, bool accounted, uint64_t now)
{
    tacet_result r = task->extra == NULL ? tacet_task_make_extra(task) : 0;
    if (r == 0)
        task_extra_of(task)->ticks = (struct tacet_task_ticks){.attached = accounted ? now : 0};
    return r;
}

/* 0 if the task is its creator's, and fit to be started. */
static inline tacet_result check_may_start(struct tacet_task *task)
{
    if (task == NULL)
        return -EINVAL;
    if (is_attached(task) || is_needed(task))
        return -EBUSY;
    return !(tacet_task_ops(task)->flags & TACET_SWITCHER_FOREIGN) && c_task_of(task)->body == NULL ? -EINVAL : 0;
}

static TACET_NOINLINE void prepare_context(struct tacet_task *task)
{
    struct tacet_context *context = &c_task_of(task)->context;
    context->state = TACET_CONTEXT_SUSPENDED;
    tacet_task_ops(task)->prepare(context, stackful_entry);
    if (tacet_task_ops(task)->flags & TACET_SWITCHER_STACK_NOT_STABLE)
        tacet_task_executor(task)->has_moving_stacks = true;
}

/* From here on the task is not its creator's any more. On whatever thread. */
static inline void hand_over(struct tacet_task *task, struct tacet_level *level, uint8_t attention)
{
    tacet_task_transition(task, (enum tacet_task_state)task->state, TACET_TASK_PENDING);
    task->flags &= (uint8_t) ~(TACET_TASK_CANCEL_REQUESTED | TACET_TASK_DISPATCHED);
    task->attention = attention;
    task->result = 0; /* of no wait yet */
    task_set_level(task, level);
}

static inline void link_task(struct tacet_executor *executor, struct tacet_task *task)
{
    executor->attached[task->priority]++;
    list_push_back(&executor->tasks, &task->attached_node);
    tacet_level_push(task->level, &task->runnable);
}

static inline void start(struct tacet_executor *executor, struct tacet_task *task)
{
    link_task(executor, task);
    if (TACET_UNLIKELY(tacet_task_ops(task)->prepare != NULL))
        prepare_context(task);
}

void task_start(struct executor *executor, struct tacet_task *task)
{
    start(&executor->shared, task);
}

/* What an attachment changes of the task, on whatever thread. now: a reading of the ticks, where the executor keeps time
 * accounts. */
static inline tacet_result prepare_attach(struct tacet_executor *executor, struct tacet_task *task, bool accounted,
                                          uint64_t now)
{
    tacet_result r = check_may_start(task);
    if (TACET_UNLIKELY(r < 0))
        return r;
    if (TACET_UNLIKELY(accounted || task->extra != NULL)) {
        r = open_account(task, accounted, now);
        if (r < 0)
            return r;
    }
    hand_over(task, &executor->ready.levels[task->priority], accounted ? TACET_TASK_ACCOUNTED : 0);
    return 0;
}

/* Whatever a task and its executor may have: calls save registers. */
static TACET_NOINLINE tacet_result attach_with_care(struct tacet_executor *executor, struct tacet_task *task,
                                                    uint64_t now)
{
    if (executor_of(executor)->closing)
        return -ECANCELED;
    tacet_result r = prepare_attach(executor, task, executor->accounting, now);
    if (r == 0)
        start(executor, task);
    return r;
}

/* Neither time accounts nor a stack, nothing left over from before, no reason to refuse it. */
static inline bool is_simple(const struct tacet_executor *executor, const struct tacet_task *task)
{
    return task != NULL && !is_attached(task) && task->extra == NULL &&
           __atomic_load_n(&task->signals, __ATOMIC_ACQUIRE) == 0 && tacet_task_ops(task)->prepare == NULL &&
           (tacet_task_ops(task)->flags & TACET_SWITCHER_FOREIGN || c_task_of(task)->body != NULL) &&
           !executor->accounting && !executor_of(executor)->closing;
}

static inline tacet_result attach_here(struct tacet_executor *executor, struct tacet_task *task, uint64_t now)
{
    if (TACET_UNLIKELY(!is_simple(executor, task)))
        return attach_with_care(executor, task, now);
    hand_over(task, &executor->ready.levels[task->priority], 0);
    link_task(executor, task);
    return 0;
}

static tacet_result attach_many_here(struct tacet_executor *executor, struct tacet_task *const *tasks, size_t count)
{
    uint64_t now = executor->accounting ? tacet_ticks() : 0;
    for (size_t i = 0; i < count; i++) {
        tacet_result r = attach_here(executor, tasks[i], now);
        if (r < 0)
            return i > 0 ? (tacet_result)i : r;
    }
    return (tacet_result)count;
}

/* All by one push. */
static TACET_NOINLINE tacet_result attach_many_from_afar(struct tacet_executor *shared, struct tacet_task *const *tasks,
                                                         size_t count)
{
    struct executor *executor = executor_of(shared);
    if (!executor_is_there(executor))
        return -EPERM;
    if (__atomic_load_n(&executor->closing, __ATOMIC_RELAXED))
        return -ECANCELED;
    uint64_t now = executor->keeps_accounts ? tacet_ticks() : 0;
    tacet_result r = 0;
    unsigned levels = 0;
    size_t prepared = 0;
    for (; prepared < count; prepared++) {
        struct tacet_task *task = tasks[prepared];
        r = prepare_attach(shared, task, executor->keeps_accounts, now);
        if (r < 0)
            break;
        task->attached_node.next = NULL; /* it is in no list till it is started */
        levels |= 1u << task->priority;
        task->runnable.next = prepared > 0 ? &tasks[prepared - 1]->runnable : NULL;
    }
    if (prepared == 0)
        return r;
    executor_post_tasks(executor, tasks[prepared - 1], tasks[0], levels);
    return (tacet_result)prepared;
}

tacet_result tacet_task_attach_many(struct tacet_executor *executor, struct tacet_task *const *tasks, size_t count)
{
    if (executor == NULL || tasks == NULL)
        return -EINVAL;
    return executor_is_mine(executor_of(executor)) ? attach_many_here(executor, tasks, count)
                                                   : attach_many_from_afar(executor, tasks, count);
}

tacet_result tacet_task_attach_here(struct tacet_executor *executor, struct tacet_task *task)
{
    if (executor == NULL)
        return -EINVAL;
    if (!executor_is_mine(executor_of(executor)))
        return -EPERM;
    return attach_here(executor, task, executor->accounting ? tacet_ticks() : 0);
}

static TACET_NOINLINE tacet_result attach_from_afar(struct tacet_executor *executor, struct tacet_task *task)
{
    tacet_result r = attach_many_from_afar(executor, &task, 1);
    return r < 0 ? r : 0;
}

tacet_result tacet_task_attach(struct tacet_executor *executor, struct tacet_task *task)
{
    if (executor == NULL)
        return -EINVAL;
    if (TACET_UNLIKELY(!executor_is_mine(executor_of(executor))))
        return attach_from_afar(executor, task);
    return attach_here(executor, task, executor->accounting ? tacet_ticks() : 0);
}

tacet_result task_submit(struct tacet_task *task, bool accounted)
{
    tacet_result r = check_may_start(task);
    if (r == 0 && (accounted || task->extra != NULL))
        r = open_account(task, accounted, accounted ? tacet_ticks() : 0);
    if (r < 0)
        return r;
    hand_over(task, NULL, accounted ? TACET_TASK_ACCOUNTED : 0);
    task->flags |= TACET_TASK_DISPATCHED;
    task->signals = SIGNAL_IN_TRANSIT;
    return 0;
}

void task_end_submitted(struct tacet_task *task)
{
    tacet_task_transition(task, TACET_TASK_PENDING, TACET_TASK_EXITED);
    task->result = -ECANCELED;
    signal_arrive(task);
    if (tacet_task_ops(task)->abandon != NULL)
        tacet_task_ops(task)->abandon(task);
    else
        task_settle(c_task_of(task));
}

void task_start_submitted(struct executor *executor, struct tacet_task *task)
{
    task_set_level(task, &executor->shared.ready.levels[task->priority]);
    start(&executor->shared, task);
    if (TACET_UNLIKELY(signal_arrive(task) & SIGNAL_CANCEL))
        task_cancel(task);
}

/* What the task never reaped is idle again; nobody else knows of it. */
static void forget_completed(struct tacet_task *task)
{
    struct tacet_op *newest = task->extra->completed;
    if (newest == NULL)
        return;
    struct tacet_op *op = newest;
    do {
        op = (struct tacet_op *)op->runnable.next;
        op->request.state = TACET_OP_IDLE;
        op_discard(op);
    } while (op != newest);
    task->extra->completed = NULL;
}

static void wake_waiters(struct tacet_task *task)
{
    while (task->waiters != NULL) {
        struct tacet_task *waiter = TACET_CONTAINER_OF(task->waiters, struct tacet_task, wait_node);
        task->waiters = waiter->wait_node.next != &waiter->wait_node ? waiter->wait_node.next : NULL;
        list_remove(&waiter->wait_node);
        waiter->waited = task->result; /* where the node was */
        tacet_task_unpark(waiter, 0);
    }
}

static TACET_NOINLINE void exit_extra(struct tacet_task *task)
{
    forget_completed(task);
    deadline_end(task);
    if (!(task->attention & TACET_TASK_ACCOUNTED))
        return;
    struct tacet_task_ticks *ticks = &task_extra_of(task)->ticks;
    ticks->exited = executor_of(tacet_task_executor(task))->exit_tick = tacet_ticks();
    ticks->running += ticks->exited - ticks->resumed;
}

void tacet_task_exit(struct tacet_task *task, tacet_result result)
{
    struct tacet_executor *executor = tacet_task_executor(task);
    tacet_task_transition(task, TACET_TASK_RUNNING, TACET_TASK_EXITED);
    task->result = result;
    executor->current = NULL;
    task_leave(executor, task);
    if (TACET_UNLIKELY(task->flags & TACET_TASK_DISPATCHED))
        executor_of(executor)->source->finished++;
    if (task->waiters != NULL)
        wake_waiters(task);
    if (TACET_UNLIKELY(task->extra != NULL))
        exit_extra(task);
}

/* What has completed, and brought descriptors that the task will not be resumed to take. */
static void discard_awaited(struct tacet_task *task)
{
    const struct tacet_request *request = &task->request;
    if (request->attention & TACET_OP_DESCRIPTOR && request->state == TACET_OP_IDLE) {
        if (opcode_opens(request->opcode))
            (void)descriptor_close(request->closes);
        else if (request->opcode == IORING_OP_RECVMSG)
            tacet_message_discard(task->message);
    }
    task->request.attention = 0;
}

void task_abandon(struct tacet_task *task)
{
    struct executor *executor = executor_of(tacet_task_executor(task));
    task_leave(&executor->shared, task);
    if (task->flags & TACET_TASK_DISPATCHED)
        executor->source->finished++;
    tacet_task_transition(task, (enum tacet_task_state)task->state, TACET_TASK_EXITED);
    task->result = -ECANCELED;
    discard_awaited(task);
    if (task->extra != NULL) {
        forget_completed(task);
        deadline_end(task);
    }
    bounce_forget(executor, task);
    if (tacet_task_ops(task)->abandon != NULL)
        tacet_task_ops(task)->abandon(task);
    else
        task_settle(c_task_of(task));
}

bool tacet_task_has_exited(const struct tacet_task *task)
{
    return __atomic_load_n(&task->state, __ATOMIC_RELAXED) == TACET_TASK_EXITED; /* it may be away */
}

tacet_result tacet_task_result(const struct tacet_task *task)
{
    return tacet_task_has_exited(task) ? task->result : -EINPROGRESS;
}

const char *tacet_task_name(const struct tacet_task *task)
{
    if (tacet_task_ops(task)->flags & TACET_SWITCHER_FOREIGN)
        return tacet_task_ops(task)->name;
    return task->extra != NULL && task_extra_of(task)->name != NULL ? task_extra_of(task)->name : "unnamed";
}

struct tacet_task_ticks tacet_task_get_ticks(const struct tacet_task *task)
{
    return task->extra != NULL ? task_extra_of(task)->ticks : (struct tacet_task_ticks){0};
}
