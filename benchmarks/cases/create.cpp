// Case `create`: tasks that never run. One operation is to create and to destroy one; `live` of them exist at a time, and
// stacks come from the pool, where they go back to. A coroutine is what calling one makes: its frame, which the pool of
// frames has. The baseline `malloc` takes and gives back as many bytes as the bookkeeping of a task with a context, from
// the C library.
#include "cases/cases.hpp"
#include "cases/group.hpp"
#include "cases/rig.hpp"
#include "cases/switchers.hpp"

#include <tacet/tacet.hpp>

#include <cstdlib>
#include <vector>

namespace bench {
namespace {

constexpr std::size_t bookkeeping_bytes = sizeof(tacet_task) + sizeof(tacet_context);

class mallocs : public contestant {
public:
    explicit mallocs(std::size_t live) : blocks_(live) {}

    std::uint64_t perform(std::uint64_t ops) override
    {
        for (std::uint64_t done = 0; done < ops; done += blocks_.size()) {
            for (void*& block : blocks_) {
                block = std::malloc(bookkeeping_bytes);
                if (block == nullptr)
                    throw std::bad_alloc();
            }
            for (void* block : blocks_)
                std::free(block);
        }
        return ops;
    }
    std::uint64_t granularity() const override { return blocks_.size(); }

private:
    std::vector<void*> blocks_;
};

class c_creations : public contestant {
public:
    c_creations(tacet_switcher* switcher, std::size_t live) : switcher_(switcher), tasks_(live) {}

    std::uint64_t perform(std::uint64_t ops) override
    {
        for (std::uint64_t done = 0; done < ops; done += tasks_.size()) {
            for (tacet_task*& task : tasks_)
                require(tacet_task_create(&task, switcher_, nullptr), "tacet_task_create");
            for (tacet_task* task : tasks_)
                require(tacet_task_destroy(task), "tacet_task_destroy");
        }
        return ops;
    }
    std::uint64_t granularity() const override { return tasks_.size(); }

private:
    tacet_switcher* switcher_;
    std::vector<tacet_task*> tasks_;
};

// Not inlined, so that no compiler may keep the frame on the caller's stack.
[[gnu::noinline]] tacet::task<void> end_at_once()
{
    co_return;
}

class coroutine_creations : public contestant {
public:
    explicit coroutine_creations(std::size_t live) : coroutines_(live) {}

    std::uint64_t perform(std::uint64_t ops) override
    {
        for (std::uint64_t done = 0; done < ops; done += coroutines_.size()) {
            for (tacet::task<void>& coroutine : coroutines_)
                coroutine = end_at_once();
            for (tacet::task<void>& coroutine : coroutines_)
                coroutine = tacet::task<void>();
        }
        return ops;
    }
    std::uint64_t granularity() const override { return coroutines_.size(); }

private:
    std::vector<tacet::task<void>> coroutines_;
};

std::unique_ptr<contestant> make_creations(const switcher_kind& kind, std::size_t live)
{
    if (kind.suspended == keeps::frame)
        return std::make_unique<coroutine_creations>(live);
    return std::make_unique<c_creations>(kind.instance(), live);
}

}

report run_create(const options& options)
{
    report report{"create", {}};
    for (const std::size_t live : {1, 64}) {
        group group;
        const std::size_t baseline = group.add_baseline("malloc", std::make_unique<mallocs>(live));
        for (const switcher_kind& kind : all_switchers()) {
            row row(kind.name);
            row.set("live", live);
            group.add(row, make_creations(kind, live), baseline);
        }
        group.measure(options.plan, report);
    }
    return report;
}

}
