/*
 * Every execution, or every one with few preemptions, of small programs over the inbox of an executor: nothing is lost
 * or doubled, the order of each pusher is kept, nodes are free to be used when they have been taken, whoever sleeps is
 * woken, and nobody else. Then each fault is put in: one of the programs must fail.
 */
#include "inbox_model.hpp"

using namespace model;

namespace {

constexpr unsigned pushers_max = 3, nodes_max = 2;

struct scenario {
    const char* name;
    outcome (*explore)(const model::search&);
    model::search search;
    struct bed bed;
    unsigned nodes[pushers_max];      /* of each pusher, or client */
    bool chained = false;             /* one way: a pusher's nodes are pushed at once */
    unsigned trips = 0;               /* round trip: how often each node goes */
    rl::thread_id_t interrupted = -1; /* one way: the thread that a signal handler interrupts to push a node */
};

const scenario* current;

/* Thread 0 takes what the others push, until it has all. */
template <int threads>
struct one_way : rl::test_suite<one_way<threads>, threads> {
    executor taker;
    node nodes[threads][nodes_max];
    unsigned received[threads];

    void before()
    {
        taker.init(current->bed);
        for (unsigned i = 0; i < threads; i++) {
            received[i] = 0;
            for (node& node : nodes[i]) {
                node.owner = i;
                node.next.write_plainly(nullptr);
            }
        }
        interrupt = {handle_signal, this, current->interrupted};
    }

    void after()
    {
        taker.check();
        for (unsigned i = 1; i < threads; i++)
            RL_ASSERT(received[i] == current->nodes[i - 1]);
        RL_ASSERT(received[0] == (current->interrupted >= 0));
    }

    void thread(unsigned index)
    {
        if (index == 0)
            take_all();
        else
            push_all(nodes[index], current->nodes[index - 1]);
        interrupt.finish();
    }

private:
    static void handle_signal(void* self)
    {
        node* node = static_cast<one_way*>(self)->nodes[0];
        node->message(RL_INFO).store(0);
        static_cast<one_way*>(self)->taker.push(node, node);
    }

    void push_all(node* node, unsigned count)
    {
        for (unsigned i = 0; i < count; i++) {
            node[i].message(RL_INFO).store(i);
            if (!current->chained)
                taker.push(&node[i], &node[i]);
            else if (i > 0)
                node[i].next.write_plainly(&node[i - 1]);
        }
        if (current->chained)
            taker.push(&node[count - 1], node);
    }

    void take_all()
    {
        unsigned left = current->interrupted >= 0;
        for (unsigned i = 1; i < threads; i++)
            left += current->nodes[i - 1];
        while (left > 0) {
            for (node *node = taker.next(), *next; node != nullptr; node = next) {
                RL_ASSERT(left > 0);
                left--;
                RL_ASSERT(node->message(RL_INFO).load() == received[node->owner]);
                received[node->owner]++;
                next = node->next.read_plainly();
                node->next.write_plainly(nullptr);
            }
        }
    }
};

/* Thread 0 sends back what the others push, each of which pushes its nodes again: they belong to one at a time. */
template <int threads>
struct round_trip : rl::test_suite<round_trip<threads>, threads> {
    executor executors[threads];
    node nodes[threads][nodes_max];
    unsigned served, came_back[threads];

    void before()
    {
        interrupt = interruption();
        served = 0;
        for (unsigned i = 0; i < threads; i++) {
            came_back[i] = 0;
            executors[i].init(current->bed);
            for (node& node : nodes[i]) {
                node.owner = i;
                node.message(RL_INFO).store(0);
                node.next.write_plainly(nullptr);
            }
        }
    }

    void after()
    {
        for (unsigned i = 0; i < threads; i++) {
            executors[i].check();
            RL_ASSERT(i == 0 || came_back[i] == current->nodes[i - 1] * current->trips);
            for (unsigned n = 0; i > 0 && n < current->nodes[i - 1]; n++)
                RL_ASSERT(nodes[i][n].message(RL_INFO).load() == 2 * current->trips);
        }
    }

    void thread(unsigned index)
    {
        unsigned to_serve = 0;
        for (unsigned i = 0; i + 1 < threads; i++)
            to_serve += current->nodes[i] * current->trips;
        if (index == 0) {
            while (served < to_serve)
                for_each(0, [this](node* node) {
                    send(node->owner, node);
                    served++;
                });
            return;
        }
        unsigned count = current->nodes[index - 1];
        for (unsigned i = 0; i < count; i++)
            send(0, &nodes[index][i]);
        while (came_back[index] < count * current->trips)
            for_each(index, [this, index, count](node* node) { came(index, count, node); });
    }

private:
    void send(unsigned to, node* node)
    {
        unsigned message = node->message(RL_INFO).load();
        node->message(RL_INFO).store(message + 1);
        node->next.write_plainly(nullptr);
        executors[to].push(node, node);
    }

    void came(unsigned index, unsigned count, node* node)
    {
        RL_ASSERT(node->owner == index);
        came_back[index]++;
        if (came_back[index] + count <= count * current->trips)
            send(0, node);
    }

    template <class Action>
    void for_each(unsigned index, Action action)
    {
        for (node *node = executors[index].next(), *next; node != nullptr; node = next) {
            next = node->next.read_plainly();
            node->next.write_plainly(nullptr);
            action(node);
        }
    }
};

constexpr model::search full = {rl::sched_full, 0};

constexpr model::search preemptions(unsigned most)
{
    return {rl::sched_bound, most};
}

constexpr model::search random(unsigned executions)
{
    return {rl::sched_random, executions};
}

constexpr struct bed message = {bed::message, 0}, message_or_timer = {bed::message, 1}, futex = {bed::futex, 0},
                     futex_or_timer = {bed::futex, 1};

const scenario scenarios[] = {
    {"two nodes", explore<one_way<2>>, full, message, {2}},
    {"two nodes, futex", explore<one_way<2>>, full, futex, {2}},
    {"two nodes, or a timer", explore<one_way<2>>, preemptions(8), message_or_timer, {2}},
    {"two nodes, futex or a timer", explore<one_way<2>>, preemptions(8), futex_or_timer, {2}},
    {"a chain of two, or a timer", explore<one_way<2>>, full, message_or_timer, {2}, true},
    {"a chain of two, futex or a timer", explore<one_way<2>>, full, futex_or_timer, {2}, true},
    {"two pushers", explore<one_way<3>>, full, message, {1, 1}},
    {"two pushers, or a timer", explore<one_way<3>>, preemptions(5), message_or_timer, {1, 1}},
    {"two pushers, futex or a timer", explore<one_way<3>>, preemptions(4), futex_or_timer, {1, 1}},
    {"two pushers, one of a chain of two", explore<one_way<3>>, preemptions(5), message, {2, 1}, true},
    {"two pushers of two", explore<one_way<3>>, preemptions(3), message, {2, 2}},
    {"two pushers of two, futex or a timer", explore<one_way<3>>, preemptions(3), futex_or_timer, {2, 2}},
    {"three pushers", explore<one_way<4>>, preemptions(3), message, {1, 1, 1}},
    {"three pushers, futex or a timer", explore<one_way<4>>, preemptions(2), futex_or_timer, {1, 1, 1}},
    {"three pushers of two, or a timer", explore<one_way<4>>, random(300000), message_or_timer, {2, 2, 2}},
    {"the taker is interrupted", explore<one_way<2>>, full, message, {1}, false, 0, 0},
    {"the taker is interrupted, futex", explore<one_way<2>>, full, futex, {1}, false, 0, 0},
    {"the taker is interrupted, two nodes", explore<one_way<2>>, preemptions(6), message, {2}, false, 0, 0},
    {"the pusher is interrupted", explore<one_way<2>>, full, message, {1}, false, 0, 1},
    {"the pusher is interrupted, futex", explore<one_way<2>>, preemptions(6), futex, {1}, false, 0, 1},
    {"the pusher is interrupted, two nodes", explore<one_way<2>>, preemptions(5), message, {2}, false, 0, 1},
    {"a round trip", explore<round_trip<2>>, full, message, {1}, false, 1},
    {"a round trip, futex", explore<round_trip<2>>, full, futex, {1}, false, 1},
    {"two round trips", explore<round_trip<2>>, preemptions(4), message, {1}, false, 2},
    {"two round trips, futex", explore<round_trip<2>>, preemptions(4), futex, {1}, false, 2},
    {"two round trips of two", explore<round_trip<2>>, preemptions(2), message, {2}, false, 2},
    {"two clients", explore<round_trip<3>>, preemptions(2), message, {1, 1}, false, 1},
    {"two clients, futex or a timer", explore<round_trip<3>>, preemptions(1), futex_or_timer, {1, 1}, false, 1},
    {"two clients, often", explore<round_trip<3>>, random(100000), message_or_timer, {2, 2}, false, 2},
};

const fault faults[] = {
    {push_relaxed, "INBOX_PUSH_RELEASE is relaxed"},
    {link_relaxed, "INBOX_LINK_RELEASE is relaxed"},
    {take_relaxed, "INBOX_TAKE_ACQUIRE is relaxed"},
    {walk_relaxed, "INBOX_WALK_ACQUIRE is relaxed"},
    {push_is_not_marked, "a push does not mark its node LINKING"},
    {push_by_load_and_store, "a push loads and stores"},
    {push_wakes_nobody, "a push wakes nobody"},
    {push_wakes_always, "a push wakes always"},
    {take_by_load_and_store, "a take loads and stores"},
    {take_forgets_unlinked, "a take forgets what is unlinked"},
    {fall_asleep_by_load_and_store, "falling asleep loads and stores"},
    {fall_asleep_forgets_unlinked, "falling asleep forgets what is unlinked"},
    {wake_is_forgotten, "a message is lost on one who is not asleep yet"},
};

} // namespace

int main(int argc, char** argv)
{
    return run(scenarios, faults, current, argc, argv);
}
