// An executor and tasks of the C API, owned: what the rows of the switchers stand on.
#pragma once

#include <tacet/tacet.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace bench {

// Throws unavailable, with what the executor says, where it cannot be created.
class rig {
public:
    rig(unsigned ring_entries, bool accounting);
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

private:
    tacet_executor* executor_ = nullptr;
    std::vector<tacet_task*> tasks_;
};

// Every task did its share of `ops` and none did more: results of exited tasks, which return their number of operations.
void check_shares(const rig& rig, std::uint64_t ops);

// Throws unavailable, naming what failed.
void require(tacet_result result, const char* what);

}
