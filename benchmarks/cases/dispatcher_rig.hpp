// A dispatcher of the C API with tasks that cannot suspend, owned.
#pragma once

#include <tacet/dispatcher.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace bench {

class dispatcher_rig {
public:
    // Throws unavailable, with what the dispatcher says, where it cannot be created.
    explicit dispatcher_rig(const tacet_dispatcher_options& options);
    dispatcher_rig(const dispatcher_rig&) = delete;
    dispatcher_rig& operator=(const dispatcher_rig&) = delete;
    ~dispatcher_rig();

    tacet_dispatcher* get() const { return dispatcher_; }
    std::span<tacet_task* const> tasks() const { return tasks_; }

    void create_task(tacet_task_body* body, void* argument);

    // Tasks [first, first + count), handed over with as few calls as the dispatcher allows.
    void submit(std::size_t first, std::size_t count);

    // Until all have run; throws interrupted after Ctrl-C, and wrong_answer where none has run for a minute.
    void wait_until_done();

private:
    tacet_dispatcher* dispatcher_ = nullptr;
    std::vector<tacet_task*> tasks_;
};

}
