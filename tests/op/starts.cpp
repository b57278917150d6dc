/* What holds for every operation that can be started. */
#include "support/starts.hpp"

#include <cerrno>
#include <memory>
#include <unistd.h>

using namespace support;

namespace {

tacet_result fresh_callback(tacet_op& op, tacet_executor* executor)
{
    op = {};
    return tacet_op_init_callback(
        &op, executor, [](tacet_op*) {}, TACET_PRIORITY_NORMAL);
}

/* Whether the kernel says the same of two equal requests; some of ours change the directory. */
bool same_outcome(tacet_result a, tacet_result b)
{
    return a == b || (a >= 0 && b == -EEXIST) || (a >= 0 && b >= 0);
}

}

TEST_CASE("without a ring every operation but sleep is -ENOTSUP", "[op]")
{
    all_starts starts;
    executor executor({"no ring", 0, 0});
    tacet_op op;
    for (const start& row : starts.rows()) {
        CAPTURE(row.name);
        REQUIRE(fresh_callback(op, executor) == 0);
        CHECK(row.start(&op, nullptr) == (row.needs_ring ? -ENOTSUP : 0));
        CHECK(op.request.state == (row.needs_ring ? TACET_OP_IDLE : TACET_OP_IN_FLIGHT));
        CHECK(executor.run_until_idle() == !row.needs_ring);
    }
}

TEST_CASE("no operation starts without an op, without a task or a callback, or with an op in use", "[op]")
{
    all_starts starts;
    executor executor(GENERATE(from_range(all_rings())));
    task unattached(tacet_switcher_stackless());
    for (const start& row : starts.rows()) {
        CAPTURE(row.name);
        tacet_op op = {};
        CHECK(row.start(nullptr, nullptr) == -EINVAL);
        CHECK(row.start(nullptr, unattached) == -EINVAL);
        CHECK(row.start(&op, nullptr) == -EINVAL); /* it has no callback */
        CHECK(row.start(&op, unattached) == -EINVAL);
        CHECK(op.request.state == TACET_OP_IDLE);

        REQUIRE(fresh_callback(op, executor) == 0);
        REQUIRE(tacet_sleep_start(&op, nullptr, TACET_FOREVER) == 0);
        CHECK(row.start(&op, nullptr) == -EBUSY);
        CHECK(tacet_op_cancel(&op) == 0);
        CHECK(executor.run_until_idle() == 1);
    }
}

TEST_CASE("every operation ends alike, reaped by its task or by its callback", "[op]")
{
    all_starts starts;
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    caller by_task(switcher, GENERATE(from_range(kernel_rings())));
    executor by_callback;
    for (const start& row : starts.rows()) {
        CAPTURE(row.name);
        tacet_op op = {};
        tacet_op* done = nullptr;
        const auto run = [&](tacet_task* self) {
            if (op.request.state == TACET_OP_IDLE && done == nullptr) {
                CHECK(row.start(&op, self) == 0);
                CHECK(op.request.state == TACET_OP_IN_FLIGHT);
                CHECK(row.start(&op, self) == -EBUSY);
            }
            return tacet_task_next_completed(self, &done, TACET_FOREVER);
        };
        CHECK(by_task(task::made_again(run)) == 1);
        CHECK(done == &op);
        CHECK(op.request.state == TACET_OP_IDLE);
        const tacet_result of_task = op.result;

        REQUIRE(fresh_callback(op, by_callback) == 0);
        CHECK(row.start(&op, nullptr) == 0);
        CHECK(by_callback.run_until_idle() == 1);
        CHECK(op.request.state == TACET_OP_IDLE);
        CHECK(same_outcome(of_task, op.result));
        if (row.name == "open") {
            ::close(static_cast<int>(of_task));
            ::close(static_cast<int>(op.result));
        }
    }
}

TEST_CASE("every operation can be cancelled or ends by itself, and ends once", "[op]")
{
    all_starts starts;
    executor executor(GENERATE(from_range(kernel_rings())));
    for (const start& row : starts.rows()) {
        CAPTURE(row.name);
        tacet_op op = {};
        REQUIRE(fresh_callback(op, executor) == 0);
        REQUIRE(row.start(&op, nullptr) == 0);
        const tacet_result cancelled = tacet_op_cancel(&op);
        CHECK(cancelled == (row.name == "close" ? -EALREADY : 0));
        CHECK(executor.run_until_idle() == 1);
        CHECK(op.request.state == TACET_OP_IDLE);
        if (row.name == "open" && op.result >= 0)
            ::close(static_cast<int>(op.result));
    }
    CHECK(executor.stats().in_flight == 0);
}

TEST_CASE("no operation starts on an executor that is being destroyed", "[op]")
{
    static all_starts* starts;
    static std::vector<std::pair<std::string, tacet_result>> results;
    all_starts local;
    starts = &local;
    results.clear();
    tacet_op op = {};
    {
        executor executor(GENERATE(from_range(all_rings())));
        const auto callback = [](tacet_op* self) {
            for (const start& row : starts->rows())
                results.emplace_back(row.name, row.start(self, nullptr));
        };
        REQUIRE(tacet_op_init_callback(&op, executor, callback, TACET_PRIORITY_NORMAL) == 0);
        REQUIRE(tacet_sleep_start(&op, nullptr, TACET_FOREVER) == 0);
    }
    CHECK(results.size() == local.rows().size());
    for (const auto& [name, result] : results) {
        CAPTURE(name);
        CHECK(result == -ECANCELED);
    }
}

TEST_CASE("a callback op needs an op, an executor and a callback", "[op]")
{
    executor executor;
    tacet_op op = {};
    tacet_op_callback* const callback = [](tacet_op*) {};
    CHECK(tacet_op_init_callback(nullptr, executor, callback, TACET_PRIORITY_LOW) == -EINVAL);
    CHECK(tacet_op_init_callback(&op, nullptr, callback, TACET_PRIORITY_LOW) == -EINVAL);
    CHECK(tacet_op_init_callback(&op, executor, nullptr, TACET_PRIORITY_LOW) == -EINVAL);
}
