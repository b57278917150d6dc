/*
 * c/src/executor/inbox.h, the text that ships, over relacy's atomics; the kernel's part of a sleep; and the faults that the
 * model checker has to find in them.
 *
 * A node's `next` is also used as a plain variable by who owns the node. `tenant` tells: an atomic operation on `next`
 * reads it, a plain use writes it, so a plain use that is not ordered with every operation of a push is a data race.
 */
#ifndef TESTS_MODEL_INBOX_MODEL_HPP
#define TESTS_MODEL_INBOX_MODEL_HPP

#include "explore.hpp"

namespace model {

enum inbox_fault : unsigned {
    push_relaxed = 1,
    link_relaxed,
    take_relaxed,
    walk_relaxed,
    push_is_not_marked,
    push_by_load_and_store,
    push_wakes_nobody,
    push_wakes_always,
    take_by_load_and_store,
    take_forgets_unlinked,
    fall_asleep_by_load_and_store,
    fall_asleep_forgets_unlinked,
    wake_is_forgotten,
};

/* A signal handler that interrupts `thread` before any one of its operations, or, at the latest, when finish() says so. */
struct interruption {
    void (*handler)(void*) = nullptr;
    void* argument = nullptr;
    rl::thread_id_t thread = -1;

    void finish()
    {
        if (rl::ctx().current_thread() != thread)
            return;
        thread = -1;
        handler(argument);
    }

    void may_happen()
    {
        if (rl::ctx().current_thread() == thread && rl::rand(2) == 1)
            finish();
    }
};

inline interruption interrupt;

struct node;

/* A node's `next`. */
class link {
public:
    node* load(rl::memory_order order, rl::debug_info_param info)
    {
        interrupt.may_happen();
        node* value = pointer.load(order, info);
        tenant(info).load();
        return value;
    }

    void store(node* value, rl::memory_order order, rl::debug_info_param info);

    node* read_plainly()
    {
        tenant(RL_INFO).load();
        return pointer.debug_value();
    }

    void write_plainly(node* value)
    {
        rl::preemption_disabler plain(rl::ctx());
        tenant(RL_INFO).store(0);
        pointer.store(value, rl::mo_relaxed, RL_INFO);
    }

private:
    rl::atomic<node*> pointer;
    rl::var<int> tenant;
};

struct node {
    link next;
    rl::var<unsigned> message;
    unsigned owner;
};

inline node* const asleep = reinterpret_cast<node*>(1);
inline node* const linking = reinterpret_cast<node*>(2);

inline void link::store(node* value, rl::memory_order order, rl::debug_info_param info)
{
    if (present_fault == push_is_not_marked && value == linking)
        return;
    interrupt.may_happen();
    tenant(info).load();
    pointer.store(value, order, info);
}

/* An inbox's `newest`, and what a bystander who sees every change of it would know about its taker. */
class word {
public:
    void init() { value.store(nullptr, rl::mo_relaxed, RL_INFO); }

    node* load(rl::memory_order order, rl::debug_info_param info)
    {
        interrupt.may_happen();
        return value.load(order, info);
    }

    /* Of a taker: NULL; of a push: never. */
    node* exchange(node* desired, rl::memory_order order, rl::debug_info_param info)
    {
        interrupt.may_happen();
        bool is_push = desired != nullptr;
        bool torn = present_fault == unsigned(is_push ? push_by_load_and_store : take_by_load_and_store);
        node* before = torn ? value.load(order == rl::mo_release ? rl::mo_relaxed : order, info)
                            : value.exchange_of(desired, order, info);
        if (torn)
            value.store(desired, order == rl::mo_acquire ? rl::mo_relaxed : order, info);
        if (!is_push) {
            is_asleep = false;
        } else if (before == asleep) {
            RL_ASSERT(is_asleep);
            wakes++;
            RL_ASSERT(wakes <= sleeps);
            if (present_fault == push_wakes_nobody)
                return nullptr;
        } else if (before == nullptr && present_fault == push_wakes_always) {
            return asleep;
        }
        return before;
    }

    bool replace(node** expected, node* desired, rl::memory_order order, rl::debug_info_param info)
    {
        interrupt.may_happen();
        bool done;
        if (present_fault == fall_asleep_by_load_and_store) {
            done = value.load(rl::mo_relaxed, info) == *expected;
            if (done)
                value.store(desired, order, info);
        } else {
            done = value.compare_exchange_strong(*expected, desired, order, info, rl::mo_relaxed, info);
        }
        if (done) {
            is_asleep = true;
            sleeps++;
        }
        return done;
    }

    /* As the kernel sees it, which compares and parks under a lock. */
    bool says_asleep() const { return value.debug_value() == asleep; }

    unsigned sleeps = 0, wakes = 0;

private:
    struct atomic : rl::atomic<node*> {
        node* exchange_of(node* desired, rl::memory_order order, rl::debug_info_param info)
        {
            return this->rmw(rl::rmw_type_t<rl::rmw_type_swap>(), desired, order, info);
        }
    };

    atomic value;
    bool is_asleep = false;
};

} // namespace model

#define INBOX_NODE model::node
#define INBOX_POINTER(name) model::word name
#define INBOX_LOAD(word, order) (word)->load(order, RL_INFO)
#define INBOX_STORE(word, value, order) (word)->store(value, order, RL_INFO)
#define INBOX_EXCHANGE(word, value, order) (word)->exchange(value, order, RL_INFO)
#define INBOX_REPLACE(word, expected, value, order) (word)->replace(expected, value, order, RL_INFO)
#define INBOX_RELAXED rl::mo_relaxed
#define INBOX_PUSH_RELEASE model::unless(model::push_relaxed, rl::mo_release)
#define INBOX_LINK_RELEASE model::unless(model::link_relaxed, rl::mo_release)
#define INBOX_TAKE_ACQUIRE model::unless(model::take_relaxed, rl::mo_acquire)
#define INBOX_WALK_ACQUIRE model::unless(model::walk_relaxed, rl::mo_acquire)
#include <executor/inbox.h>

namespace model {

/* How a taker sleeps. Whatever ends a sleep orders no memory, so that nothing is seen only thanks to the kernel. */
struct bed {
    enum kind { message, futex };
    kind how;
    unsigned endings; /* how often a sleep may end by itself, as by a completion or a timer */
};

/* An inbox and the sleep of its taker: what an executor does with them. */
class executor {
public:
    void init(const bed& chosen)
    {
        bed = chosen;
        inbox.newest.init();
        inbox.unlinked = nullptr;
        inbox.newer = nullptr;
        inbox.asleep = false;
        inbox.woken = 0;
    }

    /* From any thread. */
    void push(node* newest, node* oldest)
    {
        if (!inbox_push(&inbox, newest, oldest))
            return;
        pushes_told_to_wake++;
        RL_ASSERT(pushes_told_to_wake <= inbox.newest.sleeps);
        parking.unpark_or([this] { remembered = present_fault != wake_is_forgotten; });
    }

    /* The owner: what there is, or NULL. */
    node* poll()
    {
        if (!inbox_has_news(&inbox))
            return nullptr;
        node* oldest = inbox_take(&inbox);
        if (present_fault == take_forgets_unlinked)
            inbox.unlinked = nullptr;
        return oldest;
    }

    /* The same, but NULL only after it has slept, or waited for a push that is under way. */
    node* next()
    {
        node* oldest = poll();
        if (oldest == nullptr) {
            if (fall_asleep())
                sleep();
            else
                rl::yield(1, RL_INFO);
        }
        return oldest;
    }

    /* After all, awake: each sleep that could end by a push only has been ended by one. */
    void check() const
    {
        RL_ASSERT(pushes_told_to_wake == inbox.newest.wakes && pushes_told_to_wake == inbox.woken);
        RL_ASSERT(bed.how == bed::futex || endings_so_far != 0 || pushes_told_to_wake == inbox.newest.sleeps);
    }

private:
    bool fall_asleep()
    {
        node* unlinked = inbox.unlinked;
        if (present_fault == fall_asleep_forgets_unlinked)
            inbox.unlinked = nullptr;
        bool may = inbox_fall_asleep(&inbox);
        inbox.unlinked = unlinked;
        return may;
    }

    void sleep()
    {
        interrupt.finish();
        if (endings_so_far < bed.endings && rl::rand(2) == 1) {
            endings_so_far++;
            rl::ctx().sched();
        } else if (bed.how == bed::message) {
            parking.park_if([this] { return !remembered; });
            remembered = false;
        } else {
            parking.park_if([this] { return inbox.newest.says_asleep(); });
        }
    }

    struct inbox inbox;
    model::parking parking;
    struct bed bed;
    bool remembered = false;
    unsigned endings_so_far = 0, pushes_told_to_wake = 0;
};

} // namespace model

#endif
