/*
 * What the tests of the dispatcher share. Bodies run on other threads, where nothing may be CHECKed: they write down what
 * they see.
 */
#ifndef DISPATCHER_SUPPORT_HPP
#define DISPATCHER_SUPPORT_HPP

#include "support/support.hpp"

#include <tacet/dispatcher.h>

#include <condition_variable>
#include <deque>
#include <mutex>

namespace support {

/* Executors with a ring, and without. */
const std::vector<ring_kind>& dispatcher_rings();

/* Destroyed with the scope: so what it runs is declared before it. */
class dispatcher {
public:
    explicit dispatcher(unsigned executors, const ring_kind& ring = {"no ring", 0, 0},
                        tacet_dispatcher_options options = {});
    dispatcher(const dispatcher&) = delete;
    ~dispatcher();
    operator tacet_dispatcher*() const { return handle_; }

    void submit(tacet_task* task) { submit(std::vector<tacet_task*>{task}); }
    void submit(const std::vector<tacet_task*>& tasks);

    /* Until so many tasks, at most, have not been started, or have not exited. */
    void wait_undispatched(std::uint64_t at_most = 0);
    void wait_unexecuted(std::uint64_t at_most = 0);
    tacet_dispatcher_stats stats() const;
    tacet_dispatcher_executor_stats stats(unsigned index) const;
    tacet_result destroy();

private:
    tacet_dispatcher* handle_ = nullptr;
};

/* A task that runs a function from begin to end, or step by step: one that says TACET_PENDING is called again. */
class job {
public:
    explicit job(call body, tacet_priority priority = TACET_PRIORITY_NORMAL,
                 tacet_switcher* switcher = tacet_switcher_stackless());
    job(const job&) = delete;
    ~job() { CHECK(tacet_task_destroy(handle_) == 0); }
    operator tacet_task*() const { return handle_; }

private:
    call body_;
    tacet_task* handle_ = nullptr;
};

/* Many of them stay where they are. */
using jobs = std::deque<job>;

std::vector<tacet_task*> all_of(const jobs& jobs);

/* Closed until it is opened; whoever passes blocks its thread. */
class gate {
public:
    void open();
    void pass();

    /* Until so many have come to pass. */
    void wait_for(unsigned count);

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool is_open_ = false;
    unsigned came_ = 0;
};

/* Tasks of the dispatcher have been short for a while: executors lay some aside. */
void run_short_tasks(dispatcher& dispatcher, std::size_t count = 20000);

}

#endif
