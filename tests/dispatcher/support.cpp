/* See support.hpp. */
#include "dispatcher/support.hpp"

#include <cerrno>
#include <unistd.h>

namespace support {

const std::vector<ring_kind>& dispatcher_rings()
{
    static const std::vector<ring_kind> rings = {{"no ring", 0, 0}, {"io_uring of 16", 16, 0}};
    return rings;
}

/* As create_patiently(): the kernel may give the memory of former rings late. */
static tacet_result create(tacet_dispatcher** dispatcher, const tacet_dispatcher_options* options)
{
    tacet_result r = tacet_dispatcher_create(dispatcher, options);
    for (int tries = 0; r == -ENOMEM && tries < 500; tries++) {
        ::usleep(10000);
        r = tacet_dispatcher_create(dispatcher, options);
    }
    return r;
}

dispatcher::dispatcher(unsigned executors, const ring_kind& ring, tacet_dispatcher_options options)
{
    char message[512] = "";
    tacet_executor_options each = {};
    each.ring_entries = ring.entries;
    each.setup_flags_forbidden = ring.flags_forbidden;
    options.executors = executors;
    if (options.executor == nullptr)
        options.executor = &each;
    options.message = message;
    options.message_bytes = sizeof message;
    const tacet_result r = create(&handle_, &options);
    INFO(message);
    REQUIRE(r == 0);
}

dispatcher::~dispatcher()
{
    CHECK(tacet_dispatcher_destroy(handle_) == 0);
}

tacet_result dispatcher::destroy()
{
    const tacet_result r = tacet_dispatcher_destroy(handle_);
    if (r == 0)
        handle_ = nullptr;
    return r;
}

void dispatcher::submit(const std::vector<tacet_task*>& tasks)
{
    REQUIRE(tacet_dispatcher_submit(handle_, tasks.data(), tasks.size()) == static_cast<tacet_result>(tasks.size()));
}

void dispatcher::wait_undispatched(std::uint64_t at_most)
{
    REQUIRE(tacet_dispatcher_wait_undispatched(handle_, at_most, nullptr) == 0);
}

void dispatcher::wait_unexecuted(std::uint64_t at_most)
{
    REQUIRE(tacet_dispatcher_wait_unexecuted(handle_, at_most, nullptr) == 0);
}

tacet_dispatcher_stats dispatcher::stats() const
{
    tacet_dispatcher_stats stats = {};
    REQUIRE(tacet_dispatcher_get_stats(handle_, &stats) == 0);
    return stats;
}

tacet_dispatcher_executor_stats dispatcher::stats(unsigned index) const
{
    tacet_dispatcher_executor_stats stats = {};
    REQUIRE(tacet_dispatcher_get_executor_stats(handle_, index, &stats) == 0);
    return stats;
}

job::job(call body, tacet_priority priority, tacet_switcher* switcher) : body_(std::move(body))
{
    REQUIRE(tacet_task_create(&handle_, switcher, nullptr) == 0);
    REQUIRE(tacet_task_set_priority(handle_, priority, TACET_PRIORITY_NORMAL) == 0);
    const auto run = [](tacet_task* task, void* arg) { return static_cast<job*>(arg)->body_(task); };
    tacet_task_set_body(handle_, run, this);
}

std::vector<tacet_task*> all_of(const jobs& jobs)
{
    return {jobs.begin(), jobs.end()};
}

void gate::open()
{
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
}

void gate::pass()
{
    std::unique_lock lock(mutex_);
    came_++;
    changed_.notify_all();
    changed_.wait(lock, [this] { return is_open_; });
}

void gate::wait_for(unsigned count)
{
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return came_ >= count; });
}

void run_short_tasks(dispatcher& dispatcher, std::size_t count)
{
    const std::size_t at_once = 500;
    jobs many;
    for (std::size_t i = 0; i < at_once; i++)
        many.emplace_back([](tacet_task*) { return 0; });
    for (std::size_t done = 0; done < count; done += at_once) {
        dispatcher.submit(all_of(many));
        dispatcher.wait_unexecuted();
    }
}

}
