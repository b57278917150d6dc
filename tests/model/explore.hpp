/*
 * Running a program under relacy, a model checker: its threads are fibers, and a search decides which goes on before each
 * atomic operation, and which of the values that the memory model allows each atomic load returns.
 *
 * A program is a class made from rl::test_suite. It finds its parameters in globals that do not change while it is
 * explored. What is not an rl::atomic or rl::var (counts of what happened, the kernel's part) is outside of the memory
 * model: it is changed in the same step as the operation that came before, and orders nothing.
 */
#ifndef TESTS_MODEL_EXPLORE_HPP
#define TESTS_MODEL_EXPLORE_HPP

#include <relacy/relacy.hpp>

#include <cstdio>
#include <string>

namespace model {

struct search {
    rl::scheduler_type_e kind;
    unsigned limit; /* sched_bound: preemptions in an execution; sched_random: executions; sched_full: nothing */
};

inline std::string words(const search& search)
{
    switch (search.kind) {
    case rl::sched_full:
        return "all there are";
    case rl::sched_bound:
        return "all with at most " + std::to_string(search.limit) + " preemptions";
    default:
        return "at random";
    }
}

struct outcome {
    rl::test_result_e result;
    unsigned long long executions;
    std::string history; /* of the execution that failed */

    bool is_good() const { return result == rl::test_result_success; }
};

template <class Program>
outcome explore(const search& search)
{
    rl::ostringstream output, progress; /* relacy's: std's would take memory from the program's */
    rl::test_params params;
    params.search_type = search.kind;
    params.context_bound = search.limit;
    params.iteration_count = search.limit;
    params.output_stream = &output;
    params.progress_stream = &progress;
    rl::simulate<Program>(params);
    return {params.test_result, params.stop_iteration, output.str().c_str()};
}

/* Put into the text that is explored, or its surroundings; something must fail then. */
struct fault {
    unsigned number;
    const char* name;
};

inline unsigned present_fault = 0; /* none */

inline rl::memory_order unless(unsigned fault, rl::memory_order order, rl::memory_order weaker = rl::mo_relaxed)
{
    return present_fault == fault ? weaker : order;
}

/* A scenario: `name`, `search`, and `explore`, which explores its program. `current` is the one that is explored. */
template <class Scenario>
bool explores_well(const Scenario& scenario, const Scenario*& current)
{
    current = &scenario;
    present_fault = 0;
    outcome found = scenario.explore(scenario.search);
    std::printf("%-55s %9llu executions, %s: %s\n", scenario.name, found.executions, words(scenario.search).c_str(),
                rl::test_result_str(found.result));
    if (!found.is_good())
        std::printf("%s\n", found.history.c_str());
    std::fflush(stdout);
    return found.is_good();
}

template <class Scenario, unsigned count>
bool is_caught(const fault& fault, const Scenario (&scenarios)[count], const Scenario*& current)
{
    present_fault = fault.number;
    for (const Scenario& scenario : scenarios) {
        current = &scenario;
        outcome found = scenario.explore(scenario.search);
        if (found.is_good())
            continue;
        std::printf("%-50s caught by \"%s\", execution %llu: %s\n", fault.name, scenario.name, found.executions,
                    rl::test_result_str(found.result));
        return true;
    }
    std::printf("%-50s NOT CAUGHT\n", fault.name);
    return false;
}

/* The exit status. Argument: `scenarios`, `faults`, the name of a scenario; or nothing for all. */
template <class Scenario, unsigned count, unsigned fault_count>
int run(const Scenario (&scenarios)[count], const fault (&faults)[fault_count], const Scenario*& current, int argc,
        char** argv)
{
    const std::string part = argc > 1 ? argv[1] : "all";
    unsigned done = 0, good = 0;
    for (const Scenario& scenario : scenarios)
        if (part == "all" || part == "scenarios" || part == scenario.name)
            done++, good += explores_well(scenario, current);
    if (part == "all" || part == "faults")
        for (const fault& fault : faults)
            done++, good += is_caught(fault, scenarios, current);
    return done > 0 && good == done ? 0 : 1;
}

/* A wake that is remembered, or one that compares: the parts of the kernel's that do not order memory. */
class parking {
public:
    /* `may_park` is asked in the same step as the thread is parked. */
    template <class Condition>
    void park_if(Condition may_park)
    {
        rl::ctx().sched();
        if (!may_park())
            return;
        parked = true;
        thread = rl::ctx().current_thread();
        rl::ctx().park_current_thread(false, false, false, RL_INFO);
    }

    /* Whether there was one to unpark; `otherwise` is done in the same step. */
    template <class Otherwise>
    void unpark_or(Otherwise otherwise)
    {
        rl::ctx().sched();
        if (!parked) {
            otherwise();
            return;
        }
        parked = false;
        rl::ctx().unpark_thread(thread, false, RL_INFO);
    }

private:
    bool parked = false;
    rl::thread_id_t thread = 0;
};

} // namespace model

#endif
