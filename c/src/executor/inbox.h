/*
 * The inbox: an intrusive stack to which any thread pushes with one exchange, and which its one taker empties with one.
 *
 *     newest --> node --> node --> node --> NULL
 *
 * The same word says whether the taker sleeps. It falls asleep by putting ASLEEP into an empty inbox; the one push that
 * finds ASLEEP there is told to wake it, those before and after are not. So no wake is lost, and none is sent twice or
 * to a taker that runs: both sides change one word, atomically, and nothing depends on the order of two.
 *
 * Between the exchange and the store of its `next` a node is in the inbox but not linked to the older ones. The taker does
 * not wait for that: it keeps what it has and comes again; meanwhile it may not sleep.
 *
 * A push is safe in a signal handler, also in one that has interrupted a push to the same inbox, or its taker.
 *
 * The memory orders are the weakest that will do; tests/model explores this very text, and fails for each that is weaker.
 */
#ifndef EXECUTOR_INBOX_H
#define EXECUTOR_INBOX_H

#ifndef INBOX_EXCHANGE /* a model checker brings its own */
#include <tacet/inline/runnable.h>

#define INBOX_NODE struct tacet_runnable
#define INBOX_POINTER(name) INBOX_NODE *name
#define INBOX_LOAD(word, order) __atomic_load_n(word, order)
#define INBOX_STORE(word, value, order) __atomic_store_n(word, value, order)
#define INBOX_EXCHANGE(word, value, order) __atomic_exchange_n(word, value, order)
#define INBOX_REPLACE(word, expected, value, order)                                                                    \
    __atomic_compare_exchange_n(word, expected, value, false, order, __ATOMIC_RELAXED)
#define INBOX_RELAXED __ATOMIC_RELAXED
#define INBOX_PUSH_RELEASE __ATOMIC_RELEASE
#define INBOX_LINK_RELEASE __ATOMIC_RELEASE
#define INBOX_TAKE_ACQUIRE __ATOMIC_ACQUIRE
#define INBOX_WALK_ACQUIRE __ATOMIC_ACQUIRE
#endif

/* No addresses of nodes. */
#define INBOX_ASLEEP ((INBOX_NODE *)1)
#define INBOX_LINKING ((INBOX_NODE *)2)

struct inbox {
    INBOX_POINTER(newest); /* a node, NULL, or INBOX_ASLEEP */

    /* The taker's: what it has taken and not handed out yet. */
    INBOX_NODE *unlinked __attribute__((aligned(64))); /* the newest node whose `next` is still to come, or NULL */
    INBOX_NODE *newer;                                 /* those above it, oldest first */
    bool asleep;                                       /* it has fallen asleep, and not taken anything since */
    uint64_t woken; /* how often it was asleep when something came: as often somebody was told to wake it */
};

/*
 * From any thread: nodes that lead from `newest` by `next` to `oldest`, or one that is both. true: the taker sleeps, and
 * the caller must wake it.
 */
static inline bool inbox_push(struct inbox *inbox, INBOX_NODE *newest, INBOX_NODE *oldest)
{
    INBOX_STORE(&oldest->next, INBOX_LINKING, INBOX_RELAXED);
    /* release: pairs with the acquire of inbox_take(), which must see LINKING, not what `next` was before */
    INBOX_NODE *below = INBOX_EXCHANGE(&inbox->newest, newest, INBOX_PUSH_RELEASE);
    bool asleep = below == INBOX_ASLEEP;
    /* release: pairs with the acquire of inbox_take(), whose caller may then use `next` for other things */
    INBOX_STORE(&oldest->next, asleep ? NULL : below, INBOX_LINK_RELEASE);
    return asleep;
}

/* Whether inbox_take() may bring something, or must be called because the taker has been asleep. */
static inline bool inbox_has_news(struct inbox *inbox)
{
    return inbox->unlinked != NULL || INBOX_LOAD(&inbox->newest, INBOX_RELAXED) != NULL;
}

/* The taker: all there is, by `next`, oldest first; NULL: nothing, or not yet. It is awake after that. */
static inline INBOX_NODE *inbox_take(struct inbox *inbox)
{
    INBOX_NODE *node = inbox->unlinked;
    if (node == NULL) {
        /* acquire: pairs with the release of the exchange in inbox_push() */
        node = INBOX_EXCHANGE(&inbox->newest, NULL, INBOX_TAKE_ACQUIRE);
        inbox->woken += inbox->asleep && node != INBOX_ASLEEP;
        inbox->asleep = false;
        if (node == INBOX_ASLEEP)
            return NULL;
    }
    INBOX_NODE *newer = inbox->newer;
    while (node != NULL) {
        /* acquire: pairs with the release of the store in inbox_push() */
        INBOX_NODE *older = INBOX_LOAD(&node->next, INBOX_WALK_ACQUIRE);
        if (older == INBOX_LINKING)
            break;
        INBOX_STORE(&node->next, newer, INBOX_RELAXED);
        newer = node;
        node = older;
    }
    inbox->unlinked = node;
    inbox->newer = node != NULL ? newer : NULL;
    return node != NULL ? NULL : newer;
}

/* The taker, before it sleeps. false: it must not, there is something. */
static inline bool inbox_fall_asleep(struct inbox *inbox)
{
    INBOX_NODE *nothing = NULL;
    bool falls = inbox->unlinked == NULL && INBOX_REPLACE(&inbox->newest, &nothing, INBOX_ASLEEP, INBOX_RELAXED);
    inbox->asleep |= falls;
    return falls;
}

#endif
