/*
 * c/src/executor/signals.h, the text that ships, over relacy's atomics; a task that can be signalled, and what executors do
 * about it. It is explored together with the inbox, by which an executor learns that there are signals.
 */
#ifndef TESTS_MODEL_SIGNALS_MODEL_HPP
#define TESTS_MODEL_SIGNALS_MODEL_HPP

#include "inbox_model.hpp"

namespace model {

enum signals_fault : unsigned {
    raise_relaxed = 100,
    raise_only_acquires,
    raise_only_releases,
    list_push_relaxed,
    list_push_only_acquires,
    list_push_only_releases,
    list_take_relaxed,
    list_take_only_acquires,
    list_take_only_releases,
    signal_take_relaxed,
    signal_take_only_acquires,
    signal_take_only_releases,
    arrive_relaxed,
    arrive_only_acquires,
    arrive_only_releases,
    await_relaxed,
    raise_by_load_and_store,
    link_by_load_and_store,
    list_push_by_load_and_store,
    list_push_tells_nobody,
    signal_take_by_load_and_store,
    depart_by_load_and_store,
    depart_ignores_signals,
    list_taken_twice,
    used_after_its_signal,
};

/* For an acq_rel that is relaxed, and for each half of it. */
inline rl::memory_order unless_one_of(unsigned first_of_three)
{
    switch (present_fault - first_of_three) {
    case 0:
        return rl::mo_relaxed;
    case 1:
        return rl::mo_acquire;
    case 2:
        return rl::mo_release;
    default:
        return rl::mo_acq_rel;
    }
}

struct task;

/*
 * A task's `signals`. Who uses the task reads `tenant` first, who frees it writes that. What is raised is also counted, in
 * the same step as the word is changed; so it is known what a take must have found.
 */
class signals {
public:
    void init(std::uintptr_t value)
    {
        word.store(value, rl::mo_relaxed, RL_INFO);
        tenant(RL_INFO).store(0);
    }

    std::uintptr_t load(rl::memory_order order, rl::debug_info_param info) { return word.load(order, info); }

    std::uintptr_t fetch_or(std::uintptr_t bits, rl::memory_order order, rl::debug_info_param info)
    {
        use();
        std::uintptr_t before;
        if (present_fault == raise_by_load_and_store) {
            before = word.load(rl::mo_acquire, info);
            word.store(before | bits, rl::mo_release, info);
        } else {
            before = word.fetch_or(bits, order, info);
        }
        threads[raised++] = unsigned(rl::ctx().current_thread());
        bits_raised |= bits;
        return before;
    }

    void fetch_xor(std::uintptr_t bits, rl::memory_order order, rl::debug_info_param info)
    {
        use();
        if (present_fault == link_by_load_and_store)
            word.store(word.load(rl::mo_relaxed, info) ^ bits, order, info);
        else
            word.fetch_xor(bits, order, info);
    }

    std::uintptr_t exchange(std::uintptr_t value, rl::memory_order order, rl::debug_info_param info)
    {
        use();
        std::uintptr_t before;
        if (present_fault == signal_take_by_load_and_store) {
            before = word.load(rl::mo_acquire, info);
            word.store(value, rl::mo_release, info);
        } else {
            before = static_cast<rl::generic_atomic<std::uintptr_t, false>&>(word).rmw(
                rl::rmw_type_t<rl::rmw_type_swap>(), value, order, info);
        }
        taken = raised;
        bits_taken = bits_raised;
        bits_raised = 0;
        return before;
    }

    bool replace(std::uintptr_t* expected, std::uintptr_t desired, rl::memory_order order, rl::debug_info_param info)
    {
        use();
        if (present_fault == depart_ignores_signals) {
            word.fetch_or(desired, order, info);
            return true;
        }
        if (present_fault != depart_by_load_and_store)
            return word.compare_exchange_strong(*expected, desired, order, info, rl::mo_relaxed, info);
        bool done = word.load(rl::mo_relaxed, info) == *expected;
        if (done)
            word.store(desired, order, info);
        return done;
    }

    void use() const { tenant(RL_INFO).load(); }
    void end() { tenant(RL_INFO).store(1); }

    unsigned raised = 0, taken = 0, threads[4];
    std::uintptr_t bits_raised = 0, bits_taken = 0;

private:
    rl::atomic<std::uintptr_t> word;
    rl::var<int> tenant;
};

/* An executor's list of signalled tasks. */
class signalled {
public:
    void init() { first.store(nullptr, rl::mo_relaxed, RL_INFO); }

    task* load(rl::memory_order order, rl::debug_info_param info) { return first.load(order, info); }

    task* exchange(task* desired, rl::memory_order order, rl::debug_info_param info)
    {
        return static_cast<rl::generic_atomic<task*, false>&>(first).rmw(rl::rmw_type_t<rl::rmw_type_swap>(), desired,
                                                                         order, info);
    }

    bool replace(task** expected, task* desired, rl::memory_order order, rl::debug_info_param info)
    {
        if (present_fault != list_push_by_load_and_store)
            return first.compare_exchange_strong(*expected, desired, order, info, rl::mo_relaxed, info);
        first.store(desired, rl::mo_release, info);
        return true;
    }

private:
    rl::atomic<task*> first;
};

struct alignas(8) task {
    class signals signals;
    rl::var<unsigned> level; /* the executor where it is, or on its way to */
    node runnable;
};

} // namespace model

#define SIGNALS_TASK model::task
#define SIGNALS_LIST model::signalled
#define SIGNALS_LOAD(word, order) (word)->load(order, RL_INFO)
#define SIGNALS_OR(word, bits, order) (word)->fetch_or(bits, order, RL_INFO)
#define SIGNALS_XOR(word, bits, order) (word)->fetch_xor(bits, order, RL_INFO)
#define SIGNALS_EXCHANGE(word, value, order) (word)->exchange(value, order, RL_INFO)
#define SIGNALS_REPLACE(word, expected, value, order) (word)->replace(expected, value, order, RL_INFO)
#define SIGNALS_RELAXED rl::mo_relaxed
#define SIGNALS_RAISE_ACQ_REL model::unless_one_of(model::raise_relaxed)
#define SIGNALS_PUSH_ACQ_REL model::unless_one_of(model::list_push_relaxed)
#define SIGNALS_LIST_ACQ_REL model::unless_one_of(model::list_take_relaxed)
#define SIGNALS_TAKE_ACQ_REL model::unless_one_of(model::signal_take_relaxed)
#define SIGNALS_ARRIVE_ACQ_REL model::unless_one_of(model::arrive_relaxed)
#include <executor/signals.h>

#endif
