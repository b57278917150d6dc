/* Tasks that other threads attach: each runs once, in order; whoever sleeps is woken, and who runs is not. */
#include "support/threads.hpp"
#include "switcher/kinds.hpp"

#include <cerrno>
#include <map>

using namespace support;

namespace {

const timespec no_time = {0, 0};

/* Where bodies, which run on one thread, write down that they ran. */
struct journal {
    struct entry {
        unsigned thread, number;
        tacet_priority priority;
    };
    tacet_executor* executor = nullptr;
    std::size_t expected = 0;
    std::vector<entry> entries;
    std::atomic<std::size_t> written = 0; /* of them; for other threads */
};

/* One task that writes into the journal, and stops the executor if it is the last that was expected. */
struct writer {
    journal* to;
    journal::entry entry;
    tacet_task* task = nullptr;

    static tacet_result body(tacet_task*, void* arg)
    {
        const writer* self = static_cast<writer*>(arg);
        self->to->entries.push_back(self->entry);
        self->to->written++;
        if (self->to->entries.size() == self->to->expected)
            tacet_executor_stop(self->to->executor);
        return self->entry.number;
    }
    void make(const switcher_kind& kind)
    {
        task = made_task(kind, body, this);
        if (tacet_task_set_priority(task, entry.priority, TACET_PRIORITY_NORMAL) != 0)
            std::abort();
    }
};

std::vector<writer> writers(journal& journal, std::size_t count)
{
    std::vector<writer> all;
    for (std::size_t i = 0; i < count; i++) {
        all.push_back({&journal, {0, static_cast<unsigned>(i), TACET_PRIORITY_NORMAL}});
    }
    for (writer& each : all)
        each.make(suspending_switchers()[0]);
    return all;
}

std::vector<tacet_task*> tasks_of(const std::vector<writer>& writers)
{
    std::vector<tacet_task*> tasks;
    for (const writer& each : writers)
        tasks.push_back(each.task);
    return tasks;
}

void destroy(const std::vector<writer>& writers)
{
    for (const writer& each : writers)
        CHECK(tacet_task_destroy(each.task) == 0);
}

/* Spins on the executor's thread until it is let go. */
struct busy {
    std::atomic<bool> running = false, may_look = false, may_end = false;
    std::uint64_t wakes_before = 0, wakes_after = 0;
    tacet_executor* executor = nullptr;

    static tacet_result body(tacet_task*, void* arg)
    {
        busy* self = static_cast<busy*>(arg);
        tacet_executor_stats stats = {};
        self->running = true;
        wait_until([self] { return self->may_look.load(); });
        (void)tacet_executor_get_stats(self->executor, &stats);
        self->wakes_before = stats.wakes;
        wait_until([self] { return self->may_end.load(); });
        (void)tacet_executor_get_stats(self->executor, &stats);
        self->wakes_after = stats.wakes;
        return 0;
    }
};

const wake_way& plain = wake_ways()[0];

std::size_t attached_by_each()
{
    return TACET_THREAD_SANITIZER || TACET_ADDRESS_SANITIZER ? 300 : 2000;
}

}

TEST_CASE("tasks that several threads attach run once each, in the order of each thread and priority", "[attach]")
{
    const wake_way way = any_of(all_wake_ways());
    const std::size_t threads = GENERATE(1u, 2u, 4u, 8u);
    CAPTURE(way.name, way.ring.name, threads);
    executor executor(options_of(way));
    const std::size_t each = attached_by_each() / threads;
    journal journal;
    journal.executor = executor;
    journal.expected = threads * each;
    std::vector<std::vector<writer>> all(threads);
    std::atomic<std::size_t> failed = 0;
    {
        std::vector<std::jthread> senders;
        for (std::size_t thread = 0; thread < threads; thread++)
            senders.push_back(other_thread(way, [&, thread] {
                random_pauses pauses(thread);
                std::vector<writer>& own = all[thread];
                for (unsigned i = 0; i < each; i++)
                    own.push_back({&journal, {static_cast<unsigned>(thread), i, static_cast<tacet_priority>(i % 3)}});
                for (unsigned i = 0; i < each; i++) {
                    own[i].make(all_switchers()[(thread + i) % all_switchers().size()]);
                    failed += tacet_task_attach(executor, own[i].task) != 0;
                    pauses.pause();
                }
            }));
        CHECK(tacet_executor_run(executor, TACET_UNTIL_STOPPED, nullptr) == static_cast<tacet_result>(threads * each));
    }
    CHECK(failed == 0);
    std::map<std::pair<unsigned, tacet_priority>, unsigned> next;
    std::size_t out_of_order = 0;
    for (const journal::entry& entry : journal.entries) {
        unsigned& least = next[{entry.thread, entry.priority}];
        out_of_order += entry.number < least;
        least = entry.number + 1;
    }
    CHECK(out_of_order == 0);
    CHECK(journal.entries.size() == threads * each);
    const tacet_executor_stats stats = executor.stats();
    CHECK(stats.accepted == threads * each);
    CHECK(stats.wakes <= stats.enters);
    CHECK(stats.attached == 0);
    for (const std::vector<writer>& own : all)
        for (const writer& one : own) {
            CHECK(tacet_task_result(one.task) == one.entry.number);
            CHECK(tacet_task_destroy(one.task) == 0);
        }
}

TEST_CASE("an executor that runs is not woken", "[attach]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    executor_thread executor(way);
    busy busy;
    busy.executor = executor;
    tacet_task* const spins = made_task(suspending_switchers()[0], busy::body, &busy);
    journal journal;
    const std::vector<writer> all = writers(journal, 400);
    const std::vector<tacet_task*> tasks = tasks_of(all);
    REQUIRE(elsewhere(way, [&] { return tacet_task_attach(executor, spins); }) == 0);
    busy.may_look = true; /* whoever woke the executor for it has returned */
    wait_until([&] { return busy.running.load(); });
    std::atomic<int> failed = 0;
    {
        std::vector<std::jthread> senders;
        for (std::size_t thread = 0; thread < 4; thread++)
            senders.push_back(other_thread(way, [&, thread] {
                for (std::size_t i = 0; i < 100; i++)
                    failed += tacet_task_attach(executor, tasks[100 * thread + i]) != 0;
            }));
    }
    busy.may_end = true;
    for (tacet_task* each : tasks)
        CHECK(tacet_task_join(each, nullptr, nullptr) == 0);
    CHECK(failed == 0);
    CHECK(tacet_task_join(spins, nullptr, nullptr) == 0);
    CHECK(executor.end() == 0);
    CHECK(journal.entries.size() == 400);
    CHECK(busy.wakes_after == busy.wakes_before);
    CHECK(executor.last_stats().wakes <= executor.last_stats().enters);
    destroy(all);
    CHECK(tacet_task_destroy(spins) == 0);
}

TEST_CASE("an executor that sleeps is woken once by what is attached", "[attach]")
{
    const wake_way way = any_of(all_wake_ways());
    CAPTURE(way.name, way.ring.name);
    executor_thread executor(way);
    journal journal;
    const std::vector<writer> all = writers(journal, 50);
    for (const writer& each : all) {
        wait_until_asleep(executor);
        REQUIRE(elsewhere(way, [&] { return tacet_task_attach(executor, each.task); }) == 0);
        wait_until([&] { return journal.written == each.entry.number + 1; });
    }
    wait_until_asleep(executor);
    CHECK(executor.end() == 0);
    CHECK(executor.last_stats().wakes == 51); /* one to end */
    CHECK(executor.last_stats().accepted == 51);
    destroy(all);
}

TEST_CASE("many that are attached at once run in their order", "[attach]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    executor_thread executor(way);
    journal journal;
    const std::vector<writer> all = writers(journal, 100);
    const std::vector<tacet_task*> tasks = tasks_of(all);
    for (int round = 0; round < 50; round++) {
        journal.entries.clear();
        journal.written = 0;
        if (round % 2 == 0)
            wait_until_asleep(executor);
        REQUIRE(elsewhere(way, [&] { return tacet_task_attach_many(executor, tasks.data(), 100); }) == 100);
        for (tacet_task* each : tasks)
            REQUIRE(tacet_task_join(each, nullptr, nullptr) == 0);
        std::size_t in_place = 0;
        for (std::size_t i = 0; i < journal.entries.size(); i++)
            in_place += journal.entries[i].number == i;
        CHECK(in_place == 100);
    }
    CHECK(executor.end() == 0);
    destroy(all);
}

TEST_CASE("a task that cannot be attached is still the caller's", "[attach]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    executor_thread executor(way);
    const auto attach = [&](tacet_task* task) {
        return elsewhere(way, [&] { return tacet_task_attach(executor, task); });
    };
    CHECK(tacet_task_attach(nullptr, nullptr) == -EINVAL);
    CHECK(attach(nullptr) == -EINVAL);
    tacet_task* task = nullptr;
    REQUIRE(tacet_task_create(&task, tacet_switcher_stackless(), nullptr) == 0);
    CHECK(attach(task) == -EINVAL); /* it has no body */
    CHECK(tacet_task_cancel(task) == -EINVAL);

    busy busy;
    busy.executor = executor;
    tacet_task* const spins = made_task(suspending_switchers()[0], busy::body, &busy);
    REQUIRE(attach(spins) == 0);
    busy.may_look = true;
    wait_until([&] { return busy.running.load(); });
    CHECK(attach(spins) == -EBUSY); /* it runs */
    int times = 0;
    const auto sleep_once = [](tacet_task* self, void* arg) -> tacet_result {
        return (*static_cast<int*>(arg))++ == 0 ? tacet_sleep(self, TACET_FOREVER) : 7;
    };
    tacet_task_set_body(task, sleep_once, &times);
    CHECK(attach(task) == 0);
    CHECK(attach(task) == -EBUSY); /* it lies in the inbox */
    busy.may_end = true;
    wait_until_asleep(executor);
    CHECK(attach(task) == -EBUSY); /* it is suspended */
    CHECK(elsewhere(way, [&] { return tacet_task_cancel(task); }) == 0);
    tacet_result result = 0;
    CHECK(tacet_task_join(task, &result, nullptr) == 0);
    CHECK(result == 7);
    CHECK(attach(task) == 0); /* it has exited */
    CHECK(tacet_task_join(task, &result, nullptr) == 0);
    CHECK(result == 7);
    CHECK(tacet_task_join(spins, nullptr, nullptr) == 0);
    CHECK(executor.end() == 0);
    CHECK(tacet_task_destroy(task) == 0);
    CHECK(tacet_task_destroy(spins) == 0);
}

TEST_CASE("of many, those before the first that cannot be attached are attached, the others are not", "[attach]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    executor_thread executor(way);
    journal journal;
    const std::vector<writer> all = writers(journal, 4);
    std::vector<tacet_task*> tasks = tasks_of(all);
    tacet_task_set_body(tasks[2], nullptr, nullptr);
    const auto attach = [&](std::size_t first, std::size_t count) {
        return elsewhere(way,
                         [&, first, count] { return tacet_task_attach_many(executor, tasks.data() + first, count); });
    };
    wait_until_asleep(executor);
    CHECK(attach(0, 0) == 0);
    CHECK(attach(2, 2) == -EINVAL);
    CHECK(elsewhere(way, [&] { return tacet_task_attach_many(executor, nullptr, 1); }) == -EINVAL);
    CHECK(is_asleep(executor)); /* nothing has come of it */
    CHECK(attach(0, 4) == 2);
    CHECK(tacet_task_join(tasks[0], nullptr, nullptr) == 0);
    CHECK(tacet_task_join(tasks[1], nullptr, nullptr) == 0);
    CHECK(tacet_task_cancel(tasks[2]) == -EINVAL);
    CHECK(tacet_task_cancel(tasks[3]) == -EINVAL);
    CHECK(tacet_task_destroy(tasks[2]) == 0);
    CHECK(attach(3, 1) == 1);
    CHECK(tacet_task_join(tasks[3], nullptr, nullptr) == 0);
    CHECK(executor.end() == 0);
    CHECK(journal.entries.size() == 3);
    for (const std::size_t i : {0, 1, 3})
        CHECK(tacet_task_destroy(tasks[i]) == 0);
}

TEST_CASE("to an executor that is being destroyed nothing is attached", "[attach]")
{
    const wake_way way = plain;
    executor executor(options_of(way));
    executor_thread other(way);
    journal journal;
    const std::vector<writer> all = writers(journal, 2);
    static tacet_result one, many;
    static std::function<void()> try_it;
    one = many = 0;
    try_it = [&] {
        one = elsewhere(way, [&] { return tacet_task_attach(executor, all[0].task); });
        many = elsewhere(way, [&] { return tacet_task_attach_many(executor, tasks_of(all).data(), 2); });
    };
    tacet_op op = {};
    REQUIRE(tacet_op_init_callback(
                &op, executor, [](tacet_op*) { try_it(); }, TACET_PRIORITY_NORMAL) == 0);
    REQUIRE(tacet_sleep_start(&op, nullptr, TACET_FOREVER) == 0);
    CHECK(executor.destroy() == 0);
    CHECK(op.result == -ECANCELED);
    CHECK(one == -ECANCELED);
    CHECK(many == -ECANCELED);
    for (const writer& each : all) {
        CHECK(tacet_task_attach(other, each.task) == 0);
        CHECK(tacet_task_join(each.task, nullptr, nullptr) == 0);
    }
    CHECK(other.end() == 0);
    destroy(all);
}

TEST_CASE("tasks of every kind that other threads attach suspend and go on", "[attach]")
{
    const wake_way way = any_of(wake_ways());
    const switcher_kind kind = GENERATE(from_range(suspending_ways()));
    CAPTURE(way.name, kind.name);
    executor_thread executor(way);
    support::pipe pipe;
    const tacet_file reader = pipe.reader();
    char byte = 0;
    std::vector<call> calls = {
        [](tacet_task* self) { return tacet_yield(self); },
        [](tacet_task* self) { return tacet_sleep(self, 1000); },
    };
    if (way.ring.entries > 0)
        calls.push_back([&](tacet_task* self) { return tacet_file_read(self, &reader, &byte, 1, 0); });
    std::vector<task> tasks;
    for (int i = 0; i < 10; i++)
        tasks.emplace_back(kind, calls);
    for (int round = 0; round < 20; round++) {
        int failed = 0;
        other_thread(way, [&] {
            for (const task& each : tasks)
                failed += tacet_task_attach(executor, each) != 0;
        }).join();
        CHECK(failed == 0);
        if (way.ring.entries > 0)
            pipe.write("0123456789");
        for (const task& each : tasks) {
            tacet_result result = -1;
            REQUIRE(tacet_task_join(each, &result, nullptr) == 0);
            CHECK(result == (way.ring.entries > 0 ? 1 : 0));
        }
        for (task& each : tasks) {
            CHECK(each.results().size() == calls.size());
            each.begin_anew();
        }
    }
    CHECK(executor.end() == 0);
}

TEST_CASE("two executors hand each other one task after the other", "[attach]")
{
    const wake_way way = any_of(all_wake_ways());
    CAPTURE(way.name, way.ring.name);
    executor_thread first(way), second(way);
    struct hop {
        tacet_executor* to;
        tacet_task *self, *next;
        tacet_result attached;
        std::atomic<bool>* over;
    };
    const auto body = [](tacet_task*, void* arg) -> tacet_result {
        hop* self = static_cast<hop*>(arg);
        self->attached = self->next != nullptr ? tacet_task_attach(self->to, self->next) : 0;
        if (self->next == nullptr)
            *self->over = true;
        count_progress();
        return 0;
    };
    const said_if_stuck state([&] { return seen_from_outside(first) + seen_from_outside(second); });
    std::atomic<bool> over = false;
    std::vector<hop> hops(attached_by_each());
    for (std::size_t i = hops.size(); i-- > 0;) {
        hops[i] = {i % 2 == 0 ? second : first, nullptr, i + 1 < hops.size() ? hops[i + 1].self : nullptr, -1, &over};
        hops[i].self = made_task(all_switchers()[i / 2 % all_switchers().size()], body, &hops[i]);
    }
    REQUIRE(elsewhere(way, [&] { return tacet_task_attach(first, hops[0].self); }) == 0);
    wait_until([&] { return over.load(); });
    CHECK(first.end() == 0);
    CHECK(second.end() == 0);
    std::size_t failed = 0;
    for (const hop& each : hops) {
        failed += each.attached != 0;
        CHECK(tacet_task_destroy(each.self) == 0);
    }
    CHECK(failed == 0);
}

TEST_CASE("a task may be gone before the call that attached it has returned", "[attach]")
{
    const wake_way way = any_of(wake_ways());
    const switcher_kind kind = GENERATE(from_range(all_switchers()));
    CAPTURE(way.name, kind.name);
    executor_thread executor(way);
    std::atomic<std::size_t> ran = 0, failed = 0;
    const auto body = [](tacet_task* self, void* arg) -> tacet_result {
        tacet_task_release(self); /* destroyed when it has returned */
        *static_cast<std::atomic<std::size_t>*>(arg) += 1;
        return 0;
    };
    const std::size_t count = attached_by_each();
    {
        std::vector<std::jthread> senders;
        for (std::size_t thread = 0; thread < 2; thread++)
            senders.push_back(other_thread(way, [&, thread] {
                random_pauses pauses(thread + 10);
                for (std::size_t i = 0; i < count / 2; i++) {
                    failed += tacet_task_attach(executor, made_task(kind, body, &ran)) != 0;
                    pauses.pause();
                }
            }));
    }
    wait_until([&] { return ran == count; });
    CHECK(executor.end() == 0);
    CHECK(failed == 0);
    CHECK(executor.last_stats().attached == 0);
}

TEST_CASE("a task that another thread attaches has its accounts", "[attach]")
{
    const wake_way way = any_of(wake_ways());
    CAPTURE(way.name);
    executor_thread executor(way, true);
    journal journal;
    const std::vector<writer> all = writers(journal, 3);
    CHECK(elsewhere(way, [&] { return tacet_task_attach(executor, all[0].task); }) == 0);
    CHECK(elsewhere(way, [&] { return tacet_task_attach_many(executor, tasks_of(all).data() + 1, 2); }) == 2);
    for (const writer& each : all) {
        CHECK(tacet_task_join(each.task, nullptr, nullptr) == 0);
        const tacet_task_ticks ticks = tacet_task_get_ticks(each.task);
        CHECK(ticks.attached > 0);
        CHECK(ticks.started > 0);
        CHECK(ticks.exited >= ticks.started);
    }
    CHECK(executor.end() == 0);
    destroy(all);
}

TEST_CASE("the executor's thread does with a task that lies in its inbox what it does with any other", "[attach]")
{
    const wake_way way = any_of(wake_ways());
    const std::string what = GENERATE("cancel", "cancel all", "set the priority", "wait");
    CAPTURE(way.name, what);
    executor executor(options_of(way));
    std::string order;
    task arrives(suspending_switchers()[0], {[&](tacet_task* self) {
                     order += 'a';
                     return what == "wait" ? 3 : what == "set the priority" ? 0 : tacet_sleep(self, TACET_FOREVER);
                 }});
    task other(suspending_switchers()[0], {[&](tacet_task* self) -> tacet_result {
                   order += 'o';
                   return what == "wait" ? tacet_task_wait(self, arrives, nullptr) : 0;
               }});
    CHECK(elsewhere(way, [&] { return tacet_task_attach(executor, arrives); }) == 0);
    if (what == "cancel")
        CHECK(tacet_task_cancel(arrives) == 0);
    else if (what == "cancel all")
        CHECK(tacet_executor_cancel_all(executor) == 0);
    else if (what == "set the priority")
        CHECK(tacet_task_set_priority(arrives, TACET_PRIORITY_HIGH, TACET_PRIORITY_NORMAL) == 0);
    other.attach(executor);
    CHECK(tacet_executor_run(executor, TACET_UNTIL_IDLE, &no_time) >= 2);
    if (what == "set the priority")
        CHECK(order == "ao");
    REQUIRE(tacet_task_has_exited(arrives));
    CHECK(tacet_task_has_exited(other));
    CHECK(tacet_task_result(arrives) == (what == "wait" ? 3 : what == "set the priority" ? 0 : -ECANCELED));
    CHECK(executor.stats().attached == 0);
}
