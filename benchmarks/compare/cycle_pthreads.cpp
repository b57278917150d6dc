// The ring-message test with a thread a task. A mailbox is a counter with a futex: at a thousand threads that is faster
// than a POSIX semaphore, a condition variable or std::counting_semaphore. Threads have no scheduler but the kernel's,
// so P is only the number of processors that they may run on, the first P of those allowed.
#include "cycle.hpp"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <vector>

namespace {

constexpr std::size_t most_threads = 2000;
constexpr std::size_t stack_size = 64 * 1024;
constexpr std::size_t most_dead = 1 << 20;

// Only the owner takes, so `count_` is -1 exactly while it sleeps or is about to, and otherwise the messages there. A
// cache line each: neighbours run on different processors.
class alignas(64) mailbox {
public:
    void post()
    {
        if (count_.fetch_add(1) < 0)
            futex(FUTEX_WAKE_PRIVATE, 1);
    }
    void take()
    {
        if (count_.fetch_sub(1) > 0)
            return;
        while (count_.load() < 0)
            futex(FUTEX_WAIT_PRIVATE, -1);
    }
    bool empty() const { return count_.load() == 0; }

private:
    void futex(int operation, int value) { syscall(SYS_futex, &count_, operation, value, nullptr, nullptr, 0); }

    std::atomic<int> count_ = 0;
};

struct player {
    const cycle::size* size;
    cycle::stopwatch* stopwatch;
    mailbox* ring;
    std::size_t index;
    cycle::outcome outcome;
    pthread_t thread;
};

void* run_player(void* argument)
{
    auto* self = static_cast<player*>(argument);
    self->stopwatch->begin();
    self->outcome = cycle::play(*self->size, self->ring, self->index);
    self->stopwatch->end();
    return nullptr;
}

void use_processors(std::size_t count)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        cycle::refuse("sched_getaffinity failed");
    cpu_set_t chosen;
    CPU_ZERO(&chosen);
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE && count > 0; ++cpu) {
        if (!CPU_ISSET(cpu, &allowed))
            continue;
        CPU_SET(cpu, &chosen);
        --count;
    }
    if (sched_setaffinity(0, sizeof chosen, &chosen) != 0)
        cycle::refuse("sched_setaffinity failed");
}

void start(std::vector<player>& players, std::size_t bytes_of_stack)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, bytes_of_stack);
    for (player& player : players) {
        int error = pthread_create(&player.thread, &attributes, run_player, &player);
        if (error != 0)
            cycle::refuse(std::string("cannot create all threads: ") + std::strerror(error));
    }
    pthread_attr_destroy(&attributes);
}

} // namespace

int main(int argc, char** argv)
{
    cycle::size size = cycle::read_arguments(argc, argv);
    if (size.all_tasks() > most_threads)
        cycle::refuse("more than " + std::to_string(most_threads) + " threads");
    if (size.dead > most_dead)
        cycle::refuse("more than " + std::to_string(most_dead) + " bytes on a stack");

    use_processors(size.threads);
    cycle::stopwatch stopwatch(size.all_tasks());
    std::vector<mailbox> mailboxes(size.all_tasks());
    std::vector<player> players;
    for (std::size_t task = 0; task < size.all_tasks(); ++task) {
        std::size_t index = task % size.tasks;
        players.push_back({&size, &stopwatch, &mailboxes[task - index], index, {}, {}});
    }
    start(players, stack_size + size.dead);
    std::chrono::nanoseconds elapsed = stopwatch.measure();

    std::vector<cycle::outcome> outcomes;
    for (player& player : players) {
        pthread_join(player.thread, nullptr);
        outcomes.push_back(player.outcome);
    }
    return cycle::report(size, outcomes, mailboxes, elapsed);
}
