// The workers' loop and the two sides that wait.
#include "baseline/locked_queue.hpp"

#include <algorithm>

namespace bench::baseline {

locked_queue::locked_queue(std::size_t workers, signalled when) : when_(when)
{
    workers_.reserve(workers);
    for (std::size_t i = 0; i < workers; i++)
        workers_.emplace_back([this] { work(); });
}

locked_queue::~locked_queue()
{
    {
        const std::lock_guard lock(mutex_);
        closing_ = true;
    }
    work_.notify_all();
    for (std::thread& worker : workers_)
        worker.join();
}

void locked_queue::wake(std::size_t sleepers)
{
    for (; sleepers > 0; sleepers--)
        work_.notify_one();
}

void locked_queue::submit(locked_job* first, locked_job* last, std::size_t count)
{
    not_done_.fetch_add(count, std::memory_order_relaxed);
    std::unique_lock lock(mutex_);
    if (first_ == nullptr)
        first_ = first;
    else
        last_->next = first;
    last_ = last;
    const std::size_t sleepers = std::min(asleep_, count);
    asleep_ -= sleepers;
    if (when_ == signalled::after_unlock)
        lock.unlock();
    wake(sleepers);
}

void locked_queue::work()
{
    for (;;) {
        std::unique_lock lock(mutex_);
        while (first_ == nullptr && !closing_) {
            asleep_++;
            work_.wait(lock);
        }
        locked_job* job = first_;
        if (job == nullptr)
            return;
        first_ = job->next;
        lock.unlock();
        job->run(job);
        // release: pairs with the acquire in wait_until_done(), after which all can see what the jobs did
        if (not_done_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            const std::lock_guard done(done_mutex_);
            done_.notify_all();
        }
    }
}

void locked_queue::wait_until_done()
{
    std::unique_lock lock(done_mutex_);
    done_.wait(lock, [this] { return not_done_.load(std::memory_order_acquire) == 0; });
}

}
