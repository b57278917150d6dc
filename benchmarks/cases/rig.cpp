// Creation, running and the end of a rig, each error with its name.
#include "cases/rig.hpp"

#include "harness/errors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <system_error>

namespace bench {

void require(tacet_result result, const char* what)
{
    if (result < 0)
        throw unavailable(fmt::format("{}: {}", what, std::strerror(static_cast<int>(-result))));
}

namespace {

void run_items(tacet_executor* executor, std::uint64_t items)
{
    const tacet_result done = tacet_executor_run(executor, static_cast<std::int64_t>(items), nullptr);
    require(done, "tacet_executor_run");
    if (done != static_cast<tacet_result>(items))
        throw wrong_answer(fmt::format("the executor ran {} items of {}", done, items));
}

}

rig::rig(unsigned ring_entries, bool accounting, way way)
{
    char message[256] = "tacet_executor_create";
    tacet_executor_options options = {};
    options.ring_entries = ring_entries;
    options.always_through_ring = way == way::ring;
    options.accounting = accounting;
    options.message = message;
    options.message_bytes = sizeof message;
    require(tacet_executor_create(&executor_, &options), message);
}

// The executor first: tasks that wait inside it have then exited.
rig::~rig()
{
    tacet_executor_destroy(executor_);
    for (tacet_task* task : tasks_)
        tacet_task_destroy(task);
}

tacet_task* rig::create(tacet_switcher* switcher, tacet_task_body* body, void* argument)
{
    tacet_task* task = nullptr;
    require(tacet_task_create(&task, switcher, nullptr), "tacet_task_create");
    tasks_.push_back(task);
    tacet_task_set_body(task, body, argument);
    return task;
}

tacet_task* rig::add(tacet_switcher* switcher, tacet_task_body* body, void* argument)
{
    tacet_task* task = create(switcher, body, argument);
    require(tacet_task_attach(executor_, task), "tacet_task_attach");
    return task;
}

void rig::run(std::uint64_t items)
{
    run_items(executor_, items);
}

void rig::run_until_idle()
{
    require(tacet_executor_run(executor_, TACET_UNTIL_IDLE, nullptr), "tacet_executor_run");
}

std::vector<tacet_result> rig::results() const
{
    std::vector<tacet_result> results;
    for (const tacet_task* task : tasks_)
        results.push_back(tacet_task_result(task));
    return results;
}

coroutine_rig::coroutine_rig(unsigned ring_entries, bool accounting, way way)
{
    tacet::executor_options options;
    options.ring_entries = ring_entries;
    options.always_through_ring = way == way::ring;
    options.accounting = accounting;
    try {
        executor_ = std::make_unique<tacet::executor>(options);
    } catch (const std::system_error& refused) {
        throw unavailable(refused.what());
    }
}

void coroutine_rig::run(std::uint64_t items)
{
    run_items(executor_->get(), items);
}

std::vector<tacet_result> coroutine_rig::take_results()
{
    std::vector<tacet_result> results;
    for (auto& handle : handles_)
        results.push_back(handle.take());
    return results;
}

void check_sum(const std::vector<tacet_result>& shares, std::uint64_t ops)
{
    std::uint64_t sum = 0;
    for (const tacet_result share : shares) {
        if (share < 0)
            throw wrong_answer(fmt::format("a task ended with: {}", std::strerror(static_cast<int>(-share))));
        sum += static_cast<std::uint64_t>(share);
    }
    if (sum != ops)
        throw wrong_answer(fmt::format("{} operations were done where {} were asked for", sum, ops));
}

void check_shares(const std::vector<tacet_result>& shares, std::uint64_t ops)
{
    check_sum(shares, ops);
    const auto [least, most] = std::minmax_element(shares.begin(), shares.end());
    if (*most - *least > 1)
        throw wrong_answer(fmt::format("tasks that take turns did from {} to {} operations", *least, *most));
}

}
