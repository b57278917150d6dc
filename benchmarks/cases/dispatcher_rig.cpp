// Creation, submission, waiting and the end of a dispatcher, each error with its name.
#include "cases/dispatcher_rig.hpp"

#include "cases/rig.hpp"
#include "harness/errors.hpp"
#include "harness/interrupt.hpp"

#include <tacet/tacet.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <ctime>

namespace bench {
namespace {

constexpr timespec look_up_after = {.tv_sec = 0, .tv_nsec = 200'000'000};
constexpr int patience = 300; // times that

tacet_dispatcher_stats stats_of(tacet_dispatcher* dispatcher)
{
    tacet_dispatcher_stats stats;
    require(tacet_dispatcher_get_stats(dispatcher, &stats), "tacet_dispatcher_get_stats");
    return stats;
}

}

dispatcher_rig::dispatcher_rig(const tacet_dispatcher_options& options)
{
    char message[256] = "tacet_dispatcher_create";
    tacet_dispatcher_options explained = options;
    explained.message = message;
    explained.message_bytes = sizeof message;
    require(tacet_dispatcher_create(&dispatcher_, &explained), message);
}

// The dispatcher first: what it has not run has then exited.
dispatcher_rig::~dispatcher_rig()
{
    tacet_dispatcher_destroy(dispatcher_);
    for (tacet_task* task : tasks_)
        tacet_task_destroy(task);
}

void dispatcher_rig::create_task(tacet_task_body* body, void* argument)
{
    tacet_task* task = nullptr;
    require(tacet_task_create(&task, tacet_switcher_none(), nullptr), "tacet_task_create");
    tasks_.push_back(task);
    tacet_task_set_body(task, body, argument);
}

void dispatcher_rig::submit(std::size_t first, std::size_t count)
{
    while (count > 0) {
        const tacet_result taken = tacet_dispatcher_submit(dispatcher_, &tasks_[first], count);
        require(taken, "tacet_dispatcher_submit");
        first += static_cast<std::size_t>(taken);
        count -= static_cast<std::size_t>(taken);
    }
}

void dispatcher_rig::wait_until_done()
{
    std::uint64_t executed = 0;
    for (int idle = 0; idle < patience; idle++) {
        const tacet_result r = tacet_dispatcher_wait_unexecuted(dispatcher_, 0, &look_up_after);
        if (r != -ETIME) {
            require(r, "tacet_dispatcher_wait_unexecuted");
            return;
        }
        throw_if_interrupted();
        const tacet_dispatcher_stats now = stats_of(dispatcher_);
        if (now.executed != executed)
            idle = 0;
        executed = now.executed;
    }
    throw wrong_answer(
        fmt::format("no task has run for a minute, {} are still to run", stats_of(dispatcher_).unexecuted));
}

}
