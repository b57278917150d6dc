// An executor with its tasks, owned: of the C API, for the rows of the switchers, and of the C++ layer, for coroutines.
#pragma once

#include <tacet/tacet.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace bench {

// How reads and writes of files go.
enum class way {
    ring,     // always through it
    adaptive, // without, where that pays
};

// Throws unavailable, with what the executor says, where it cannot be created.
class rig {
public:
    rig(unsigned ring_entries, bool accounting, way way = way::ring);
    rig(const rig&) = delete;
    rig& operator=(const rig&) = delete;
    ~rig();

    tacet_executor* executor() const { return executor_; }
    const std::vector<tacet_task*>& tasks() const { return tasks_; }

    // Creates a task and attaches it.
    tacet_task* add(tacet_switcher* switcher, tacet_task_body* body, void* argument);

    // Creates a task and leaves it unattached.
    tacet_task* create(tacet_switcher* switcher, tacet_task_body* body, void* argument);

    // Exactly `items` resumptions or callbacks; throws wrong_answer if it were fewer.
    void run(std::uint64_t items);
    void run_until_idle();

    // Of tasks that have exited; throws wrong_answer where one ended with an error.
    std::vector<tacet_result> results() const;

private:
    tacet_executor* executor_ = nullptr;
    std::vector<tacet_task*> tasks_;
};

// The same for coroutines that return how many operations they did.
class coroutine_rig {
public:
    coroutine_rig(unsigned ring_entries, bool accounting, way way = way::ring);

    tacet::executor& executor() { return *executor_; }
    std::size_t size() const { return handles_.size(); }

    void add(tacet::task<tacet_result> body) { handles_.push_back(executor_->spawn(std::move(body))); }
    void run(std::uint64_t items);
    void run_until_idle() { executor_->run_until_idle(); }

    // Of coroutines that have ended, once; throws what left them.
    std::vector<tacet_result> take_results();

private:
    std::unique_ptr<tacet::executor> executor_;
    std::vector<tacet::join_handle<tacet_result>> handles_;
};

// Tasks that take turns return how many operations they did: together `ops`, and none more than one above another.
void check_shares(const std::vector<tacet_result>& shares, std::uint64_t ops);

// The same for tasks that need not take turns.
void check_sum(const std::vector<tacet_result>& shares, std::uint64_t ops);

// Throws unavailable, naming what failed.
void require(tacet_result result, const char* what);

}
