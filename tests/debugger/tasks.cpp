// Tasks of every kind, each suspended in functions of known names, for the debugger to list: stopped_here() is where it
// stops. Then it ends them all, and says whether they ended as they should: the debugger has changed nothing.
#include <tacet/tacet.hpp>

#include <tacet/tacet.h>

#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <string>
#include <vector>

extern "C" {

[[gnu::noinline]] void stopped_here(int depth)
{
    asm volatile("" : : "r"(depth) : "memory");
}

// Each has something to do after its call, so that none is a tail call.
[[gnu::noinline]] tacet_result inner_function(tacet_task* task, volatile int* depth)
{
    *depth = *depth + 1;
    const tacet_result r = tacet_sleep(task, 1000000000000);
    *depth = *depth - 1;
    return r;
}

[[gnu::noinline]] tacet_result outer_function(tacet_task* task, volatile int* depth)
{
    *depth = *depth + 1;
    const tacet_result r = inner_function(task, depth);
    *depth = *depth - 1;
    return r;
}

tacet_result body_with_a_stack(tacet_task* task, void*)
{
    volatile int depth = 1;
    const tacet_result r = outer_function(task, &depth);
    return depth == 1 ? r : -EDOM;
}

tacet_result body_of_a_machine(tacet_task* task, void* arg)
{
    bool& waits = *static_cast<bool*>(arg);
    if (waits)
        return tacet_task_call_result(task);
    waits = true;
    return tacet_sleep(task, 1000000000000);
}

tacet_result body_that_looks(tacet_task* task, void*)
{
    stopped_here(1);
    tacet_executor_stop(tacet_task_executor(task));
    return 0;
}
}

namespace {

tacet::task<int> inner_coroutine(int number)
{
    co_await tacet::sleep_for(std::chrono::hours(1));
    co_return number;
}

tacet::task<int> outer_coroutine(int number)
{
    const int inner = co_await inner_coroutine(number + 1);
    co_return inner + 1;
}

tacet_task* attach(tacet_executor* executor, tacet_switcher* kind, const char* name, tacet_task_body* body, void* arg)
{
    tacet_task_options options = {};
    options.name = name;
    tacet_task* task = nullptr;
    tacet::check(tacet_task_create(&task, kind, &options), "create");
    tacet_task_set_body(task, body, arg);
    tacet::check(tacet_task_attach(executor, task), "attach");
    return task;
}

}

int main()
{
    tacet::executor executor;
    std::vector<tacet_task*> tasks;
    for (const auto& [kind, name] :
         std::initializer_list<std::pair<tacet_switcher*, const char*>>{{tacet_switcher_asm(), "by-asm"},
                                                                        {tacet_switcher_setjmp(), "by-setjmp"},
                                                                        {tacet_switcher_copying(), "copied"},
                                                                        {tacet_switcher_copying(), "in-place"}})
        tasks.push_back(attach(executor.get(), kind, name, body_with_a_stack, nullptr));
    bool waits = false;
    tasks.push_back(attach(executor.get(), tacet_switcher_stackless(), "machine", body_of_a_machine, &waits));
    auto joined = executor.spawn(outer_coroutine(40));
    tasks.push_back(attach(executor.get(), tacet_switcher_none(), "looking", body_that_looks, nullptr));
    (void)tacet_task_set_priority(tasks.back(), TACET_PRIORITY_LOW, TACET_PRIORITY_NORMAL);
    tacet::check(tacet_executor_run(executor.get(), TACET_UNTIL_IDLE, nullptr), "run");

    tacet_executor_cancel_all(executor.get());
    tacet::check(tacet_executor_run(executor.get(), TACET_UNTIL_IDLE, nullptr), "run");
    int right = 0;
    for (tacet_task* task : tasks) {
        right += tacet_task_result(task) == (task == tasks.back() ? 0 : -ECANCELED);
        tacet_task_destroy(task);
    }
    std::printf("%d of %zu tasks ended as expected\n", right, tasks.size());
    return right == static_cast<int>(tasks.size()) && joined.has_exited() ? 0 : 1;
}
