/* An executor's life, and what it tells of itself. */
#include "executor/executor.h"

#include "base/clock.h"
#include "base/list.h"
#include "executor/signals.h"
#include "op/buffer_ring.h"
#include "op/buffers.h"
#include "op/op.h"
#include "ring/admission.h"
#include "ring/completion.h"
#include "ring/descriptors.h"
#include "ring/message.h"
#include "switcher/thread.h"
#include "task/c_task.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ENTRIES_MAX (1u << 20)

/* A cancel may miss what the kernel has in its hands at that moment. */
#define ASK_AGAIN_NS (100 * 1000 * 1000)

_Thread_local char executor_thread_identity;

/* The living executors of this thread. A file may outlive the executor that it names, and asks here. */
static _Thread_local struct executor *living;

bool tacet_executor_lives_here(const struct tacet_executor *shared)
{
    const struct executor *each = living;
    while (each != NULL && &each->shared != shared)
        each = each->next_here;
    return each != NULL && executor_is_mine(each);
}

const struct executor *executor_first_here(void)
{
    return living;
}

static void forget_living(struct executor *dying)
{
    struct executor **link = &living;
    while (*link != dying)
        link = &(*link)->next_here;
    *link = dying->next_here;
}

static size_t mapped_bytes(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (sizeof(struct executor) + page - 1) / page * page;
}

/* Zeroed pages of its own, which a forked child gets zeroed too. */
static struct executor *map_executor(void)
{
    struct executor *executor = mmap(NULL, mapped_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (executor == MAP_FAILED)
        return NULL;
    madvise(executor, mapped_bytes(), MADV_WIPEONFORK);
    return executor;
}

static void init_shared(struct tacet_executor *shared, const struct tacet_executor_options *options)
{
    tacet_ready_init(&shared->ready);
    list_init(&shared->tasks);
    shared->accounting = options->accounting;
    shared->tries_at_once = options->ring_entries > 0 && !options->always_through_ring;
}

static tacet_result check_options(const struct tacet_executor_options *options)
{
    if (options->ring_entries <= ENTRIES_MAX && options->cq_entries <= 2 * ENTRIES_MAX &&
        options->timers_reserved <= ENTRIES_MAX * 16 && options->descriptors_max <= TACET_DESCRIPTORS_MAX)
        return 0;
    message_set(options,
                "executor options: at most %u ring entries, %u completions, %u reserved timers and %u registered "
                "descriptors",
                ENTRIES_MAX, 2 * ENTRIES_MAX, ENTRIES_MAX * 16, TACET_DESCRIPTORS_MAX);
    return -EINVAL;
}

static tacet_result open_executor(struct executor *executor, const struct tacet_executor_options *options)
{
    init_shared(&executor->shared, options);
    list_init(&executor->bounces);
    list_init(&executor->kept_sends);
    executor_init_bells(executor);
    tacet_result r = timers_init(&executor->timers, options->timers_reserved);
    if (r < 0) {
        message_set(options, "no memory for %u timers", options->timers_reserved);
        return r;
    }
    r = admission_create(&executor->admission, options);
    if (r < 0) {
        message_set(options, "no memory for the executor's limits");
        goto finish_timers;
    }
    executor->ring.ops = options->ring_entries > 0 ? &uring_ops : &no_ring_ops;
    executor->ring.sq = &executor->shared.sq;
    executor->ring.sleep_word = (uint32_t *)(void *)&executor->inbox.newest;
    r = executor->ring.ops->init(&executor->ring, options);
    if (r < 0)
        goto destroy_admission;
    snprintf(executor->config, sizeof executor->config, "tacet %s %s accounting=%s", TACET_VERSION,
             executor->ring.description, options->accounting ? "on" : "off");
    executor->owner = &executor_thread_identity;
    executor->descriptor_count = options->descriptors_max;
    executor->keeps_accounts = options->accounting;
    thread_enter();
    executor->errno_location = thread_state.errno_location;
    executor->report = options->report;
    executor->report_arg = options->report_arg;
    executor->next_here = living;
    living = executor;
    return 0;

destroy_admission:
    admission_destroy(executor->admission);
finish_timers:
    timers_finish(&executor->timers);
    return r;
}

tacet_result tacet_executor_create(struct tacet_executor **executor, const struct tacet_executor_options *options)
{
    static const struct tacet_executor_options defaults = {.ring_entries = TACET_RING_ENTRIES_DEFAULT};
    if (options == NULL)
        options = &defaults;
    if (executor == NULL) {
        message_set(options, "tacet_executor_create: nowhere to put the executor");
        return -EINVAL;
    }
    *executor = NULL;
    tacet_result r = check_options(options);
    if (r < 0)
        return r;
    struct executor *whole = map_executor();
    if (whole == NULL) {
        message_set(options, "no memory for the executor");
        return -ENOMEM;
    }
    r = open_executor(whole, options);
    if (r < 0) {
        munmap(whole, mapped_bytes());
        return r;
    }
    *executor = &whole->shared;
    return 0;
}

tacet_result tacet_executor_cancel_all(struct tacet_executor *executor)
{
    if (executor == NULL)
        return -EINVAL;
    struct executor *whole = executor_of(executor);
    if (!executor_is_mine(whole))
        return -EPERM;
    executor_accept(whole);
    while (whole->inbox.unlinked != NULL && sched_yield() == 0) /* to the thread between the two steps of a push */
        executor_accept(whole);
    for (struct tacet_list_node *node = executor->tasks.next; node != &executor->tasks; node = node->next)
        tacet_task_cancel(TACET_CONTAINER_OF(node, struct tacet_task, attached_node));
    return 0;
}

bool executor_is_idle(struct executor *executor)
{
    return tacet_ready_empty(&executor->shared.ready) && ring_in_flight(&executor->ring) == 0 &&
           executor->timers.count == 0 && executor->shared.external == 0 && !inbox_has_news(&executor->inbox) &&
           executor->missed == NULL && admission_waiting(executor->admission) == 0;
}

bool tacet_executor_is_here(const struct tacet_executor *executor)
{
    return executor != NULL && executor_is_mine(executor_of(executor));
}

bool tacet_executor_is_idle(const struct tacet_executor *executor)
{
    return executor != NULL && executor_is_mine(executor_of(executor)) && executor_is_idle(executor_of(executor));
}

/* Callbacks get what their ops ended with; tasks are not resumed any more. */
static void run_callbacks(struct executor *executor)
{
    struct tacet_ready *ready = &executor->shared.ready;
    while (!tacet_ready_empty(ready)) {
        struct tacet_runnable *runnable = tacet_level_pop(&ready->levels[tacet_ready_level(ready)]);
        if (runnable->kind == &callback_kind)
            runnable->kind->run(runnable);
    }
}

static void cancel_timers(struct executor *executor)
{
    while (executor->timers.count > 0)
        request_cancel(executor, executor->timers.slots[0].request);
}

/* What the kernel has not got yet it does not get any more. */
static void cancel_waiting(struct executor *executor)
{
    struct tacet_submission_queue *sq = &executor->shared.sq;
    admission_sift(executor);
    admission_cancel_all(executor);
    sq->limit = sq->tail;
}

/* Waits for the terminal completion of whatever is in flight, having asked for all of it to end. */
static void drain(struct executor *executor)
{
    if (executor->admission != NULL)
        cancel_waiting(executor);
    op_cancel_everything(executor);
    cancel_timers(executor);
    run_callbacks(executor);
    uint64_t asked_ns = executor->ring.ops->now();
    while (ring_in_flight(&executor->ring) > 0) {
        if (executor_enter(executor, 1, ASK_AGAIN_NS) < 0)
            break;
        completion_collect(executor);
        if (executor->missed != NULL)
            completion_settle_missed(executor);
        run_callbacks(executor);
        uint64_t now = executor->ring.ops->now();
        if (now - asked_ns < ASK_AGAIN_NS)
            continue;
        op_cancel_everything(executor);
        run_callbacks(executor); /* of what was collected to make room for that */
        asked_ns = now;
    }
}

/*
 * Later ones first: what a task has spawned may refer to what it holds. Those that are guests go home. One that still waits
 * for another thread stays for now, and so do the earlier ones; the same for one that is away, whose stand-in this is. The end
 * of one may make others ready: they leave the queue again before their turn. true: none is left.
 */
static bool part_with_tasks(struct executor *executor)
{
    struct tacet_list_node *tasks = &executor->shared.tasks;
    while (!list_empty(tasks)) {
        run_callbacks(executor);
        struct tacet_task *task = TACET_CONTAINER_OF(tasks->prev, struct tacet_task, attached_node);
        if (task->flags & TACET_TASK_EXTERNAL)
            return false;
        if (task->extra != NULL && task->extra->home != NULL)
            task_send_home(task);
        else
            task_abandon(task);
    }
    return true;
}

/* Until nothing of it is anywhere. */
static void come_to_rest(struct executor *executor)
{
    for (;;) {
        executor_accept(executor);
        tacet_executor_cancel_all(&executor->shared);
        drain(executor);
        if (part_with_tasks(executor) && !inbox_has_news(&executor->inbox))
            return;
        if (executor_sleep(executor, TACET_FOREVER) < 0)
            sched_yield(); /* the ring is broken; the others still come */
    }
}

tacet_result tacet_executor_destroy(struct tacet_executor *shared)
{
    if (shared == NULL)
        return 0;
    struct executor *executor = executor_of(shared);
    if (!executor_is_mine(executor))
        return -EPERM;
    if (executor->running)
        return -EBUSY;
    executor->running = true; /* callbacks may neither run nor destroy it */
    __atomic_store_n(&executor->closing, true, __ATOMIC_RELAXED);
    shared->sq.limit = shared->sq.tail;
    executor->ring.sq_users = 0;
    come_to_rest(executor);
    descriptors_finish(executor);
    executor_await_wakers(executor);
    buffer_ring_orphan_all(executor);
    buffers_orphan(executor);
    executor->ring.ops->finish(&executor->ring);
    timers_finish(&executor->timers);
    admission_destroy(executor->admission);
    forget_living(executor);
    munmap(executor, mapped_bytes());
    return 0;
}

struct tacet_task *tacet_executor_current(const struct tacet_executor *executor)
{
    if (executor == NULL || executor->current == NULL || executor->current->kind == &callback_kind)
        return NULL;
    return (struct tacet_task *)executor->current;
}

const char *tacet_executor_config(const struct tacet_executor *executor)
{
    return executor != NULL ? executor_of(executor)->config : "";
}

static uint64_t count_ready_tasks(const struct tacet_ready *ready)
{
    uint64_t count = 0;
    for (unsigned p = 0; p < TACET_PRIORITY_COUNT; p++) {
        const struct tacet_runnable *last = ready->levels[p].last, *runnable = ready->levels[p].first;
        for (; last != NULL; runnable = runnable->next) {
            count += runnable->kind != &callback_kind;
            if (runnable == last)
                break;
        }
    }
    return count;
}

tacet_result tacet_executor_get_stats(const struct tacet_executor *shared, struct tacet_executor_stats *stats)
{
    if (shared == NULL || stats == NULL)
        return -EINVAL;
    const struct executor *executor = executor_of(shared);
    if (!executor_is_mine(executor))
        return -EPERM;
    uint64_t ready = count_ready_tasks(&shared->ready);
    uint64_t attached = 0, running = tacet_executor_current(shared) != NULL;
    for (unsigned p = 0; p < TACET_PRIORITY_COUNT; p++)
        attached += shared->attached[p];
    *stats = (struct tacet_executor_stats){
        .items = executor->items,
        .enters = executor->ring.enters,
        .submitted = executor->ring.submitted,
        .completed = executor->ring.completed,
        .in_flight = ring_in_flight(&executor->ring),
        .cq_overflows = executor->ring.cq_overflows,
        .submissions_refused = executor->ring.refused,
        .timers = executor->timers.count,
        .waiting = admission_waiting(executor->admission),
        .at_once_tried = executor->at_once.tried,
        .at_once_done = executor->at_once.done,
        .attached = attached,
        .pending_or_ready = ready,
        .running = running,
        .suspended = attached - ready - running,
        .external = shared->external,
        .accepted = executor->accepted,
        .wakes = __atomic_load_n(&executor->wakes, __ATOMIC_RELAXED),
        .ticks_in_tasks = executor->ticks_in_tasks,
        .ticks_in_ring = executor->ticks_in_ring,
        .ticks_asleep = executor->ticks_asleep,
    };
    return 0;
}
