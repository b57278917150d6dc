// Baseline `locked_queue`: worker threads that take jobs, one at a time, from a queue under a mutex and sleep on a
// condition variable while it is empty. A signal is sent for a job and a sleeper, no more; after the mutex was let go of
// (`locked_queue_signal_after`), as textbooks have it, or while it is held (`locked_queue_signal_inside`), by which the
// woken are held up while there is more to come: which one is faster depends on the machine and on the number of threads.
// The jobs that are not done are counted by an atomic, whose last one wakes who waits for all of them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace bench::baseline {

struct locked_job {
    locked_job* next = nullptr;
    void (*run)(locked_job*) = nullptr;
};

enum class signalled { after_unlock, under_lock };

class locked_queue {
public:
    locked_queue(std::size_t workers, signalled when);
    locked_queue(const locked_queue&) = delete;
    locked_queue& operator=(const locked_queue&) = delete;
    ~locked_queue();

    // Any thread. Jobs that are linked by `next`, count of them, the last one's next being nullptr.
    void submit(locked_job* first, locked_job* last, std::size_t count);

    // Until all that was submitted has been done.
    void wait_until_done();

private:
    void work();
    void wake(std::size_t sleepers);

    signalled when_;
    std::mutex mutex_;
    std::condition_variable work_;
    locked_job* first_ = nullptr;
    locked_job* last_ = nullptr; // valid while there is a first one
    std::size_t asleep_ = 0;     // and not signalled yet
    bool closing_ = false;

    alignas(64) std::atomic<std::uint64_t> not_done_ = 0;
    std::mutex done_mutex_;
    std::condition_variable done_;

    std::vector<std::thread> workers_;
};

}
