// Case `launch`: tasks that end at once. One operation is: attach a reused task, run it, see it exit; 1024 are attached
// before they run. `none_each` attaches them one call at a time, the others with one call for all. `spawn` creates a
// coroutine, runs it and destroys it, 1024 alive at a time as above; `spawn_each` only one, as its baseline does.
#include "baseline/bare_queue.hpp"
#include "baseline/malloc_frame.hpp"
#include "cases/cases.hpp"
#include "cases/group.hpp"
#include "cases/rig.hpp"
#include "cases/switchers.hpp"
#include "harness/errors.hpp"

#include <tacet/tacet.hpp>

#include <cstddef>

namespace bench {
namespace {

constexpr std::size_t batch = 1024;
constexpr unsigned ring_entries = 64;

// As large as a task, and as far from its neighbour.
struct alignas(tacet_task) task_sized_node : baseline::queue_node {
    std::byte rest[sizeof(tacet_task) - sizeof(baseline::queue_node)];
};
static_assert(sizeof(task_sized_node) == sizeof(tacet_task));

class bare_launches : public contestant {
public:
    bare_launches() : nodes_(batch)
    {
        for (task_sized_node& node : nodes_)
            node.run = count_run;
    }

    std::uint64_t perform(std::uint64_t ops) override
    {
        runs = 0;
        for (std::uint64_t done = 0; done < ops; done += batch) {
            for (task_sized_node& node : nodes_)
                queue_.push(&node);
            while (baseline::queue_node* node = queue_.pop())
                node->run(node);
        }
        if (runs != ops)
            throw wrong_answer("bare_queue: not every node ran once");
        return ops;
    }
    std::uint64_t granularity() const override { return batch; }

private:
    static void count_run(baseline::queue_node*) { runs++; }

    static inline std::uint64_t runs = 0;

    baseline::bare_queue queue_;
    std::vector<task_sized_node> nodes_;
};

class malloc_frames : public contestant {
public:
    std::uint64_t perform(std::uint64_t ops) override
    {
        if (baseline::run_malloc_frames(ops) != ops)
            throw wrong_answer("malloc_frame: not every coroutine ran");
        return ops;
    }
};

tacet_result count_run(tacet_task*, void* argument)
{
    ++*static_cast<std::uint64_t*>(argument);
    return 0;
}

class task_launches : public contestant {
public:
    task_launches(tacet_switcher* switcher, bool accounting, bool each) : rig_(ring_entries, accounting), each_(each)
    {
        for (std::size_t i = 0; i < batch; i++)
            rig_.create(switcher, count_run, &runs_);
    }

    std::uint64_t perform(std::uint64_t ops) override
    {
        runs_ = 0;
        for (std::uint64_t done = 0; done < ops; done += batch) {
            attach();
            rig_.run(batch);
        }
        if (runs_ != ops)
            throw wrong_answer("not every task ran once");
        return ops;
    }
    std::uint64_t granularity() const override { return batch; }

private:
    void attach()
    {
        if (!each_) {
            require(tacet_task_attach_many(rig_.executor(), rig_.tasks().data(), batch), "tacet_task_attach_many");
            return;
        }
        for (tacet_task* task : rig_.tasks())
            require(tacet_task_attach(rig_.executor(), task), "tacet_task_attach");
    }

    rig rig_;
    bool each_;
    std::uint64_t runs_ = 0;
};

tacet::task<void> count_end(std::uint64_t& ends)
{
    ends++;
    co_return;
}

// Coroutines that nobody waits for, `size` at a time.
class spawns : public contestant {
public:
    spawns(std::size_t size, bool accounting) : size_(size), rig_(ring_entries, accounting) {}

    std::uint64_t perform(std::uint64_t ops) override
    {
        ends_ = 0;
        for (std::uint64_t done = 0; done < ops; done += size_) {
            for (std::size_t i = 0; i < size_; i++)
                (void)rig_.executor().spawn(count_end(ends_));
            rig_.run(size_);
        }
        if (ends_ != ops)
            throw wrong_answer("not every coroutine ran to its end");
        return ops;
    }
    std::uint64_t granularity() const override { return size_; }

private:
    std::size_t size_;
    std::uint64_t ends_ = 0;
    coroutine_rig rig_;
};

row parameters(const char* name, bool accounting)
{
    row row(name);
    return row.set("accounting", std::string(accounting ? "on" : "off"));
}

void add_task_rows(group& group, std::size_t baseline, bool accounting)
{
    for (const switcher_kind& kind : all_switchers()) {
        if (kind.instance != nullptr)
            group.add(parameters(kind.name, accounting),
                      std::make_unique<task_launches>(kind.instance(), accounting, false), baseline);
    }
    group.add(parameters("none_each", accounting),
              std::make_unique<task_launches>(tacet_switcher_none(), accounting, true), baseline);
}

}

report run_launch(const options& options)
{
    report report{"launch", {}};
    group group;
    const std::size_t queue = group.add_baseline("bare_queue", std::make_unique<bare_launches>());
    const std::size_t frames = group.add_baseline("malloc_frame", std::make_unique<malloc_frames>());
    for (const bool accounting : {false, true}) {
        add_task_rows(group, queue, accounting);
        group.add(parameters("spawn", accounting), std::make_unique<spawns>(batch, accounting), frames);
        group.add(parameters("spawn_each", accounting), std::make_unique<spawns>(1, accounting), frames);
    }
    group.measure(options.plan, report);
    return report;
}

}
