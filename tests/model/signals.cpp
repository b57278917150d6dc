/*
 * Every execution, or every one with few preemptions, of small programs that signal tasks, also such as change their
 * executor: each signal is found, once, by the executor that has the task, which then sees what the sender did before;
 * and who finds none left may free the task. Then each fault is put in: one of the programs must fail.
 */
#include "signals_model.hpp"

using namespace model;

namespace {

constexpr unsigned tasks_max = 2, hosts_max = 2, senders_max = 3;

struct scenario {
    const char* name;
    outcome (*explore)(const model::search&);
    model::search search;
    unsigned tasks = 1;
    unsigned moves = 0;     /* from executor 0 to 1, and back */
    bool submitted = false; /* in transit to executor 1 from the beginning */
};

const scenario* current;

/* Hosts are threads 0, and, where tasks move, 1; all others are senders, of one signal to each task. */
template <int hosts, int threads>
struct signalling : rl::test_suite<signalling<hosts, threads>, threads> {
    executor executors[hosts_max];
    signalled lists[hosts_max];
    node bells[hosts_max];
    task tasks[tasks_max];
    unsigned at[tasks_max];                                /* the host that has the task, as a bystander sees it */
    rl::var<unsigned> done_before[tasks_max][senders_max]; /* by each sender, before its signal */
    rl::atomic<int> exited;

    void before()
    {
        interrupt = interruption();
        exited.store(0, rl::mo_relaxed, RL_INFO);
        for (unsigned i = 0; i < hosts_max; i++) {
            executors[i].init({bed::message, 0});
            lists[i].init();
            bells[i].next.write_plainly(nullptr);
        }
        for (unsigned i = 0; i < tasks_max; i++) {
            tasks[i].signals.init(current->submitted ? SIGNAL_IN_TRANSIT : 0);
            tasks[i].level(RL_INFO).store(0);
            tasks[i].runnable.next.write_plainly(nullptr);
            at[i] = current->submitted ? 1 : 0;
        }
    }

    void after()
    {
        for (const executor& executor : executors)
            executor.check();
        for (unsigned i = 0; i < current->tasks; i++) {
            RL_ASSERT(tasks[i].signals.raised == senders());
            RL_ASSERT(tasks[i].signals.taken == senders());
        }
    }

    void thread(unsigned index)
    {
        if (index == 0)
            be_home();
        else if (index < hosts)
            be_away();
        else
            for (unsigned i = 0; i < current->tasks; i++)
                send(i, index - hosts);
    }

protected:
    static constexpr unsigned senders() { return threads - hosts; }

    /* As executor_signal(). */
    void send(unsigned which, unsigned sender)
    {
        task* task = &tasks[which];
        done_before[which][sender](RL_INFO).store(1);
        if (!signal_raise(task, sender % 2 == 0 ? SIGNAL_CANCEL : SIGNAL_BITS & ~SIGNAL_IN_TRANSIT))
            return;
        unsigned where = task->level(RL_INFO).load();
        if (signals_push(&lists[where], task) && present_fault != list_push_tells_nobody)
            executors[where].push(&bells[where], &bells[where]);
    }

    /* What has been found, whoever found it. */
    void found(unsigned host, task* task, unsigned bits)
    {
        unsigned which = unsigned(task - tasks);
        RL_ASSERT(at[which] == host);
        RL_ASSERT(bits == task->signals.bits_taken);
        for (unsigned i = 0; i < task->signals.taken; i++)
            RL_ASSERT(done_before[which][task->signals.threads[i] - hosts](RL_INFO).load() == 1);
    }

    /* As accept_signals(): the bell is on its way exactly while the list is not empty. */
    void accept_signals(unsigned host, bool have_exited)
    {
        deliver_all(host, have_exited);
        if (present_fault == list_taken_twice)
            deliver_all(host, have_exited);
    }

    /* A task that had exited may be freed by its creator as soon as it has no signals. */
    void deliver_all(unsigned host, bool have_exited)
    {
        for (task *task = signals_take(&lists[host]), *next; task != nullptr; task = next) {
            unsigned bits = signal_take(task, &next);
            RL_ASSERT(bits != 0);
            found(host, task, bits);
            if (!have_exited || present_fault == used_after_its_signal)
                task->signals.use();
        }
    }

    /* As task_arrive(), and task_start_submitted(). */
    void arrive(unsigned host, task* task)
    {
        at[task - tasks] = host;
        task->level(RL_INFO).store(host);
        found(host, task, signal_arrive(task));
    }

    void accept(unsigned host, node* node)
    {
        for (model::node* next; node != nullptr; node = next) {
            next = node->next.read_plainly();
            node->next.write_plainly(nullptr);
            if (node == &bells[host])
                accept_signals(host, false);
            for (task& task : tasks)
                if (node == &task.runnable)
                    arrive(host, &task);
        }
    }

    /* As tacet_task_move(). */
    void move(unsigned from, unsigned which)
    {
        task* task = &tasks[which];
        while (!signal_depart(task)) {
            node* node = executors[from].poll();
            accept(from, node);
            if (node == nullptr)
                rl::yield(1, RL_INFO);
        }
        at[which] = hosts_max;
        send_to(1 - from, task);
    }

    void send_to(unsigned host, task* task)
    {
        task->level(RL_INFO).store(host);
        executors[host].push(&task->runnable, &task->runnable);
    }

    void be_home()
    {
        for (unsigned i = 0; i < current->tasks && current->moves > 0; i++)
            move(0, i);
        for (unsigned i = 0; i < current->tasks && current->submitted; i++)
            send_to(1, &tasks[i]);
        if (current->moves != 1 && !current->submitted)
            while (!has_found_all(0))
                accept(0, executors[0].next());
    }

    void be_away()
    {
        for (unsigned i = 0; i < current->tasks && current->moves == 2; i++) {
            while (at[i] != 1)
                accept(1, executors[1].next());
            move(1, i);
        }
        if (current->moves != 2)
            while (!has_found_all(1))
                accept(1, executors[1].next());
    }

    bool has_found_all(unsigned host) const
    {
        for (unsigned i = 0; i < current->tasks; i++)
            if (at[i] != host || tasks[i].signals.taken < senders())
                return false;
        return true;
    }
};

/* The creator of a task cancels it, finds that it has exited, and frees it when there is no signal on its way to it. */
struct late_cancel : signalling<1, 2> {
    void thread(unsigned index)
    {
        if (index == 0) {
            exited.store(1, rl::mo_release, RL_INFO);
            while (tasks[0].signals.taken == 0)
                for (node* node = executors[0].next(); node != nullptr; node = nullptr)
                    accept_signals(0, true);
            return;
        }
        send(0, 0);
        /* It asks once: later is another execution. */
        if (exited.load(rl::mo_acquire, RL_INFO) == 1 &&
            tasks[0].signals.load(unless(await_relaxed, rl::mo_acquire), RL_INFO) == 0)
            tasks[0].signals.end();
    }
};

constexpr model::search full = {rl::sched_full, 0};

constexpr model::search preemptions(unsigned most)
{
    return {rl::sched_bound, most};
}

/* Those that end soon come first: a fault is looked for in one after the other. */
const scenario scenarios[] = {
    {"one sender", explore<signalling<1, 2>>, full},
    {"one sender, submitted", explore<signalling<2, 3>>, preemptions(5), 1, 0, true},
    {"one sender, a move of two tasks", explore<signalling<2, 3>>, preemptions(2), 2, 1},
    {"two senders, submitted", explore<signalling<2, 4>>, preemptions(3), 1, 0, true},
    {"one sender, two tasks", explore<signalling<1, 2>>, preemptions(5), 2},
    {"one sender, a move", explore<signalling<2, 3>>, preemptions(4), 1, 1},
    {"a cancel that is late", explore<late_cancel>, full},
    {"two senders", explore<signalling<1, 3>>, preemptions(5)},
    {"one sender, there and back", explore<signalling<2, 3>>, preemptions(3), 1, 2},
    {"two senders, two tasks", explore<signalling<1, 3>>, preemptions(3), 2},
    {"three senders", explore<signalling<1, 4>>, preemptions(3)},
    {"two senders, a move", explore<signalling<2, 4>>, preemptions(3), 1, 1},
};

const fault faults[] = {
    {raise_relaxed, "SIGNALS_RAISE_ACQ_REL is relaxed"},
    {raise_only_acquires, "SIGNALS_RAISE_ACQ_REL is an acquire"},
    {raise_only_releases, "SIGNALS_RAISE_ACQ_REL is a release"},
    {list_push_relaxed, "SIGNALS_PUSH_ACQ_REL is relaxed"},
    {list_push_only_acquires, "SIGNALS_PUSH_ACQ_REL is an acquire"},
    {list_push_only_releases, "SIGNALS_PUSH_ACQ_REL is a release"},
    {list_take_relaxed, "SIGNALS_LIST_ACQ_REL is relaxed"},
    {list_take_only_acquires, "SIGNALS_LIST_ACQ_REL is an acquire"},
    {list_take_only_releases, "SIGNALS_LIST_ACQ_REL is a release"},
    {signal_take_relaxed, "SIGNALS_TAKE_ACQ_REL is relaxed"},
    {signal_take_only_acquires, "SIGNALS_TAKE_ACQ_REL is an acquire"},
    {signal_take_only_releases, "SIGNALS_TAKE_ACQ_REL is a release"},
    {arrive_relaxed, "SIGNALS_ARRIVE_ACQ_REL is relaxed"},
    {arrive_only_acquires, "SIGNALS_ARRIVE_ACQ_REL is an acquire"},
    {arrive_only_releases, "SIGNALS_ARRIVE_ACQ_REL is a release"},
    {await_relaxed, "who frees a task reads its signals relaxed"},
    {raise_by_load_and_store, "a raise loads and stores"},
    {link_by_load_and_store, "the link is put in by a load and a store"},
    {list_push_by_load_and_store, "a task is put into the list by a store"},
    {list_push_tells_nobody, "the first signal of a list tells nobody"},
    {signal_take_by_load_and_store, "signals are taken by a load and a store"},
    {depart_by_load_and_store, "a task departs by a load and a store"},
    {depart_ignores_signals, "a task departs in spite of signals"},
    {list_taken_twice, "the list is taken twice for one bell"},
    {used_after_its_signal, "a task that has exited is used after its signal"},
};

} // namespace

int main(int argc, char** argv)
{
    return run(scenarios, faults, current, argc, argv);
}
