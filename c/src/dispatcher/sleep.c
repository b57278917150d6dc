/*
 * When a worker is idle, how it sleeps, who wakes it and whom it wakes. Under the mutex, but for worker_post() and the arrival
 * of the message. The order that is kept is told in dispatcher.h.
 */
#include "dispatcher/dispatcher.h"

#define NAP_NS (100 * 1000)

static bool is_armed(const struct tacet_dispatcher *dispatcher)
{
    return __atomic_load_n(&dispatcher->inbox.newest, __ATOMIC_RELAXED) == INBOX_ASLEEP;
}

/* false: there is something in the inbox. */
static bool arm(struct tacet_dispatcher *dispatcher)
{
    return is_armed(dispatcher) || inbox_fall_asleep(&dispatcher->inbox);
}

/* Pushes wake nobody until it is armed again. */
static void disarm(struct tacet_dispatcher *dispatcher)
{
    struct tacet_runnable *asleep = INBOX_ASLEEP;
    __atomic_compare_exchange_n(&dispatcher->inbox.newest, &asleep, NULL, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static void leave_idle(struct worker *worker)
{
    struct tacet_dispatcher *dispatcher = worker->dispatcher;
    list_remove(&worker->idle_node);
    dispatcher->idle_count--;
    if (dispatcher->napper == worker)
        dispatcher->napper = NULL;
}

void worker_become_working(struct worker *worker)
{
    if (worker->state == WORKER_WORKING)
        return;
    if (worker->state == WORKER_IDLE)
        leave_idle(worker);
    else
        worker->dispatcher->searching--;
    worker->dispatcher->working++;
    worker->state = WORKER_WORKING;
    worker->is_working = true;
    worker->source.sleep_until_ns = TACET_FOREVER;
}

static void become_idle(struct worker *worker)
{
    struct tacet_dispatcher *dispatcher = worker->dispatcher;
    struct tacet_list_node *node = &worker->idle_node, *first = dispatcher->idle.next;
    list_push_back(first, node); /* before the first */
    dispatcher->idle_count++;
    dispatcher->working--;
    worker->state = WORKER_IDLE;
    worker->is_working = false;
}

static void nap(struct worker *worker)
{
    worker->dispatcher->napper = worker;
    worker->source.sleep_until_ns = clock_add(clock_ns(), NAP_NS);
}

static bool tasks_are_short(const struct tacet_dispatcher *dispatcher)
{
    return dispatcher->ticks_a_task < dispatcher->ticks_long;
}

bool worker_rest(struct worker *worker)
{
    struct tacet_dispatcher *dispatcher = worker->dispatcher;
    bool others_work = dispatcher->working > 1;
    if (others_work && tasks_are_short(dispatcher) && dispatcher->napper == NULL) {
        disarm(dispatcher);
        nap(worker);
    } else if (dispatcher->searching == 0 && !(others_work && dispatcher->napper != NULL) && !arm(dispatcher)) {
        return false;
    }
    become_idle(worker);
    return true;
}

/* Whether the message is to be posted: it is not on its way already. */
static bool must_post(struct worker *worker)
{
    bool must = !worker->posted;
    worker->posted = true;
    return must;
}

/* Whether it must be posted to. */
static bool wake(struct worker *worker)
{
    leave_idle(worker);
    worker->state = WORKER_WOKEN;
    worker->dispatcher->searching++;
    return must_post(worker);
}

struct worker *worker_wake_one(struct tacet_dispatcher *dispatcher)
{
    if (dispatcher->idle_count == 0)
        return NULL;
    struct tacet_list_node *node = dispatcher->idle.next;
    const struct worker *napper = dispatcher->napper;
    if (napper != NULL && node == &napper->idle_node && dispatcher->idle_count > 1)
        node = node->next;
    struct worker *worker = TACET_CONTAINER_OF(node, struct worker, idle_node);
    return wake(worker) ? worker : NULL;
}

bool worker_tell(struct worker *worker, enum worker_fate fate)
{
    if (worker->state == WORKER_ENDED || fate <= worker->fate)
        return false;
    worker->fate = fate;
    return worker->state == WORKER_IDLE ? wake(worker) : must_post(worker);
}

void worker_post(struct worker *worker)
{
    if (worker != NULL)
        executor_post(executor_of(worker->executor), &worker->message);
}

static void accept_message(struct tacet_executor *executor, struct tacet_runnable *message)
{
    struct worker *worker = TACET_CONTAINER_OF(message, struct worker, message);
    pthread_mutex_lock(&worker->dispatcher->mutex);
    worker->posted = false;
    bool stays = worker->fate == WORKER_STAYS;
    pthread_mutex_unlock(&worker->dispatcher->mutex);
    if (stays)
        return;
    worker->is_working = false; /* so that it asks */
    tacet_executor_stop(executor);
}

const struct tacet_runnable_kind worker_message_kind = {.accept = accept_message};

/* Whether a worker has pulled nothing since the last look and has tasks laid aside. */
static bool somebody_is_stuck(struct tacet_dispatcher *dispatcher)
{
    bool stuck = false;
    unsigned hoarded = 0;
    for (unsigned i = 0; dispatcher->hoarded != 0 && i < dispatcher->worker_count; i++) {
        struct worker *worker = &dispatcher->workers[i];
        unsigned own = queue_hoarded_mask(worker);
        hoarded |= own;
        stuck |= worker->pulls == worker->pulls_seen && own != 0;
        worker->pulls_seen = worker->pulls;
    }
    dispatcher->hoarded = hoarded;
    return stuck;
}

bool worker_is_needed(struct worker *worker)
{
    struct tacet_dispatcher *dispatcher = worker->dispatcher;
    bool progress = dispatcher->pulls != dispatcher->pulls_seen;
    dispatcher->pulls_seen = dispatcher->pulls;
    queue_gather(dispatcher);
    if (somebody_is_stuck(dispatcher) ||
        (dispatcher->queued > 0 && (dispatcher->working < dispatcher->processors || !progress)))
        return true;
    if (progress || dispatcher->hoarded != 0) {
        nap(worker);
        return false;
    }
    if (!arm(dispatcher))
        return true;
    dispatcher->napper = NULL;
    worker->source.sleep_until_ns = TACET_FOREVER;
    return false;
}

struct worker *worker_arrange(struct worker *worker)
{
    struct tacet_dispatcher *dispatcher = worker->dispatcher;
    if (dispatcher->idle_count == 0 || dispatcher->searching > 0)
        return NULL;
    uint64_t left = dispatcher->queued;
    for (unsigned p = 0; p < TACET_PRIORITY_COUNT; p++)
        left += hoard_count(&worker->hoards[p]);
    if (left * dispatcher->ticks_a_task > dispatcher->ticks_worth_waking &&
        (dispatcher->working < dispatcher->processors || !tasks_are_short(dispatcher)))
        return worker_wake_one(dispatcher);
    if (dispatcher->napper != NULL || (left == 0 && dispatcher->hoarded == 0 && arm(dispatcher)))
        return NULL;
    return worker_wake_one(dispatcher); /* at least to nap */
}

/* --- Spinning --- */

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

bool worker_spin(struct worker *worker)
{
    struct tacet_dispatcher *dispatcher = worker->dispatcher;
    struct executor *executor = executor_of(worker->executor);
    uint64_t now = clock_ns(), until = clock_add(now, dispatcher->options.spin_ns);
    if (timers_next_ns(&executor->timers) < until)
        until = timers_next_ns(&executor->timers);
    worker->state = WORKER_SPINNING;
    worker->is_working = false;
    dispatcher->working--;
    dispatcher->searching++;
    pthread_mutex_unlock(&dispatcher->mutex);
    bool came = false;
    while (!came && now < until && !worker_has_own_news(worker)) {
        for (unsigned i = 0; !came && i < 32; i++) {
            const struct tacet_runnable *newest = __atomic_load_n(&dispatcher->inbox.newest, __ATOMIC_RELAXED);
            came = (newest != NULL && newest != INBOX_ASLEEP) ||
                   __atomic_load_n(&dispatcher->hint, __ATOMIC_RELAXED) != 0;
            relax();
        }
        now = clock_ns();
    }
    pthread_mutex_lock(&dispatcher->mutex);
    worker_become_working(worker);
    return came;
}
