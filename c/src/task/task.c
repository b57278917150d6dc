/* A task's life: made, attached, run, exited, attached again or destroyed. */
#include "base/list.h"
#include "executor/executor.h"
#include "op/op.h"
#include "switcher/switcher.h"
#include "task/c_task.h"

#include <tacet/time.h>

#include <linux/ioprio.h>
#include <stdlib.h>

tacet_result tacet_task_create(struct tacet_task **task, struct tacet_switcher *switcher,
                               const struct tacet_task_options *options)
{
    static const struct tacet_task_options defaults;
    if (task == NULL || switcher == NULL)
        return -EINVAL;
    *task = NULL;
    if (options == NULL)
        options = &defaults;
    struct c_task *c_task = calloc(1, sizeof *c_task);
    if (c_task == NULL)
        return -ENOMEM;
    tacet_task_init(&c_task->task, switcher->ops, switcher->ops->run);
    c_task->switcher = switcher;
    c_task->name = options->name;
    c_task->destroy_arg = options->destroy_arg;
    if (switcher->ops->create != NULL) {
        c_task->context.switcher = switcher;
        c_task->context.flags = TACET_CONTEXT_OF_TASK;
        tacet_result r = switcher->ops->create(&c_task->context, options->stack_bytes);
        if (r < 0) {
            free(c_task);
            return r;
        }
    }
    switcher_use(switcher);
    *task = &c_task->task;
    return 0;
}

static bool is_attached(const struct tacet_task *task)
{
    return task->state != TACET_TASK_IDLE && task->state != TACET_TASK_EXITED;
}

void tacet_task_finish(struct tacet_task *task)
{
    free(task->ticks);
    task->ticks = NULL;
}

tacet_result tacet_task_destroy(struct tacet_task *task)
{
    if (task == NULL)
        return 0;
    if (task->switcher_ops->flags & TACET_SWITCHER_FOREIGN)
        return -EINVAL;
    if (is_attached(task) || task->ops_initiated > 0)
        return -EBUSY;
    struct c_task *c_task = c_task_of(task);
    if (task->switcher_ops->destroy != NULL)
        task->switcher_ops->destroy(&c_task->context);
    switcher_release(c_task->switcher);
    if (c_task->destroy_arg != NULL)
        c_task->destroy_arg(c_task->arg);
    tacet_task_finish(task);
    free(c_task);
    return 0;
}

void tacet_task_release(struct tacet_task *task)
{
    if (task == NULL || tacet_task_destroy(task) != -EBUSY)
        return;
    c_task_of(task)->released = true;
    tacet_task_cancel(task);
}

/* An op of its own that is still in flight needs the task: the last of them comes here again. */
void task_settle(struct c_task *task)
{
    if (TACET_UNLIKELY(task->released))
        tacet_task_destroy(&task->task);
}

void tacet_task_set_body(struct tacet_task *task, tacet_task_body *body, void *arg)
{
    TACET_ASSERT(!is_attached(task));
    c_task_of(task)->body = body;
    c_task_of(task)->arg = arg;
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
        if (!executor_is_mine(executor_of(task->executor)))
            return -EPERM;
        task->executor->attached[task->priority]--;
        task->executor->attached[cpu]++;
        task->level = &task->executor->ready.levels[cpu];
    }
    task->priority = (uint8_t)cpu;
    task->ioprio = ioprio[io];
    return 0;
}

/* Time accounts are the executor's choice; those of an earlier executor do not stay. */
static tacet_result open_account(const struct tacet_executor *executor, struct tacet_task *task, uint64_t now)
{
    if (!executor->accounting) {
        tacet_task_finish(task);
        return 0;
    }
    if (task->ticks == NULL)
        task->ticks = calloc(1, sizeof *task->ticks);
    if (task->ticks == NULL)
        return -ENOMEM;
    *task->ticks = (struct tacet_task_ticks){.attached = now};
    return 0;
}

static inline tacet_result check_attach(const struct tacet_executor *executor, const struct tacet_task *task)
{
    if (task == NULL)
        return -EINVAL;
    if (!executor_is_mine(executor_of(executor)))
        return -EPERM;
    if (is_attached(task) || task->ops_initiated > 0)
        return -EBUSY;
    if (!(task->switcher_ops->flags & TACET_SWITCHER_FOREIGN) && c_task_of(task)->body == NULL)
        return -EINVAL;
    return executor_of(executor)->closing ? -ECANCELED : 0;
}

static TACET_NOINLINE tacet_result prepare_context(struct tacet_task *task)
{
    struct tacet_context *context = &c_task_of(task)->context;
    context->state = TACET_CONTEXT_SUSPENDED;
    task->switcher_ops->prepare(context, stackful_entry);
    return 0;
}

static inline tacet_result enqueue(struct tacet_executor *executor, struct tacet_task *task, uint8_t attention)
{
    tacet_task_transition(task, (enum tacet_task_state)task->state, TACET_TASK_PENDING);
    task->executor = executor;
    task->level = &executor->ready.levels[task->priority];
    task->cancel_requested = false;
    task->attention = attention;
    task->result = -EINPROGRESS;
    executor->attached[task->priority]++;
    list_push_back(&executor->tasks, &task->attached_node);
    tacet_level_push(task->level, &task->runnable);
    return TACET_UNLIKELY(task->switcher_ops->prepare != NULL) ? prepare_context(task) : 0;
}

static TACET_NOINLINE tacet_result attach_accounted(struct tacet_executor *executor, struct tacet_task *task,
                                                    uint64_t now)
{
    tacet_result r = open_account(executor, task, now);
    return r < 0 ? r : enqueue(executor, task, executor->accounting ? TACET_TASK_ACCOUNTED : 0);
}

/* now: a reading of the ticks, where the executor keeps time accounts. The calls stand last: no register is saved. */
static inline tacet_result attach(struct tacet_executor *executor, struct tacet_task *task, uint64_t now)
{
    tacet_result r = check_attach(executor, task);
    if (TACET_UNLIKELY(r < 0))
        return r;
    if (TACET_UNLIKELY(executor->accounting || task->ticks != NULL))
        return attach_accounted(executor, task, now);
    return enqueue(executor, task, 0);
}

tacet_result tacet_task_attach_many(struct tacet_executor *executor, struct tacet_task *const *tasks, size_t count)
{
    if (executor == NULL || tasks == NULL)
        return -EINVAL;
    uint64_t now = executor->accounting ? tacet_ticks() : 0;
    for (size_t i = 0; i < count; i++) {
        tacet_result r = attach(executor, tasks[i], now);
        if (r < 0)
            return i > 0 ? (tacet_result)i : r;
    }
    return (tacet_result)count;
}

tacet_result tacet_task_attach(struct tacet_executor *executor, struct tacet_task *task)
{
    if (executor == NULL)
        return -EINVAL;
    return attach(executor, task, executor->accounting ? tacet_ticks() : 0);
}

/* What the task never reaped is idle again; nobody else knows of it. */
static void forget_completed(struct tacet_task *task)
{
    struct tacet_op *newest = task->completed;
    if (newest == NULL)
        return;
    struct tacet_op *op = newest;
    do {
        op = (struct tacet_op *)op->runnable.next;
        op->state = TACET_OP_IDLE;
        op_discard(op);
    } while (op != newest);
    task->completed = NULL;
}

static void wake_waiters(struct tacet_task *task)
{
    while (task->waiters != NULL) {
        struct tacet_task *waiter = TACET_CONTAINER_OF(task->waiters, struct tacet_task, wait_node);
        task->waiters = waiter->wait_node.next != &waiter->wait_node ? waiter->wait_node.next : NULL;
        list_remove(&waiter->wait_node);
        waiter->result = task->result; /* until it exits itself, its result is where it finds this one */
        tacet_task_unpark(waiter, 0);
    }
}

void tacet_task_exit(struct tacet_task *task, tacet_result result)
{
    struct tacet_executor *executor = task->executor;
    tacet_task_transition(task, TACET_TASK_RUNNING, TACET_TASK_EXITED);
    task->result = result;
    executor->current = NULL;
    executor->attached[task->priority]--;
    list_remove(&task->attached_node);
    if (TACET_UNLIKELY(task->completed != NULL))
        forget_completed(task);
    if (task->waiters != NULL)
        wake_waiters(task);
    if (TACET_UNLIKELY(task->ticks != NULL)) {
        task->ticks->exited = executor_of(executor)->exit_tick = tacet_ticks();
        task->ticks->running += task->ticks->exited - task->ticks->resumed;
    }
}

/* An open that has completed, whose task will not be resumed to take the descriptor. */
static void discard_call(struct c_task *task)
{
    if (task->op.attention & TACET_OP_DESCRIPTOR)
        op_discard(&task->op);
    task->op.attention = 0;
    task->file = NULL;
}

void task_abandon(struct tacet_task *task)
{
    list_remove(&task->attached_node);
    tacet_task_transition(task, (enum tacet_task_state)task->state, TACET_TASK_EXITED);
    task->result = -ECANCELED;
    forget_completed(task);
    if (!(task->switcher_ops->flags & TACET_SWITCHER_FOREIGN))
        discard_call(c_task_of(task));
    if (task->switcher_ops->abandon != NULL)
        task->switcher_ops->abandon(task);
    else
        task_settle(c_task_of(task));
}

bool tacet_task_has_exited(const struct tacet_task *task)
{
    return task->state == TACET_TASK_EXITED;
}

tacet_result tacet_task_result(const struct tacet_task *task)
{
    return task->state == TACET_TASK_EXITED ? task->result : -EINPROGRESS;
}

const char *tacet_task_name(const struct tacet_task *task)
{
    if (task->switcher_ops->flags & TACET_SWITCHER_FOREIGN)
        return task->switcher_ops->name;
    return c_task_of(task)->name != NULL ? c_task_of(task)->name : "unnamed";
}

struct tacet_task_ticks tacet_task_get_ticks(const struct tacet_task *task)
{
    return task->ticks != NULL ? *task->ticks : (struct tacet_task_ticks){0};
}
