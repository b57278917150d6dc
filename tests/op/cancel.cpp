/* A cancel that finds nothing, since the kernel has the request in its hands for that moment, is not lost: it is made again. */
#include "support/altered_ring.h"
#include "support/support.hpp"

#include <poll.h>

using namespace support;

namespace {

const timespec no_time = {0, 0};

struct callback_op {
    tacet_op op = {}; /* first */
    int called = 0;

    void start(tacet_executor* executor, const support::pipe& pipe)
    {
        const auto count = [](tacet_op* op) { reinterpret_cast<callback_op*>(op)->called++; };
        REQUIRE(tacet_op_init_callback(&op, executor, count, TACET_PRIORITY_LOW) == 0);
        REQUIRE(tacet_poll_start(&op, nullptr, pipe.fds[0], POLLIN) == 0);
    }
};

}

TEST_CASE("a cancel or a deadline that misses what a task waits for ends it all the same", "[op][cancel]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const ring_kind& ring = GENERATE(from_range(kernel_rings()));
    const bool late = GENERATE(false, true);
    CAPTURE(switcher.name, ring.name, late);
    const support::pipe pipe;
    executor executor(ring);
    task waits(switcher, {[&](tacet_task* self) { return tacet_poll(self, pipe.fds[0], POLLIN); }});
    waits.attach(executor);
    let_settle(executor);
    altered_ring_misdirect_cancels(executor, 3);
    CHECK((late ? tacet_task_set_deadline(waits, 1) : tacet_task_cancel(waits)) == 0);
    CHECK(executor.run_until_idle() > 0);
    CHECK(tacet_task_result(waits) == (late ? -ETIME : -ECANCELED));
    CHECK(executor.stats().in_flight == 0);
}

TEST_CASE("cancels of many that miss all of them end each once", "[op][cancel]")
{
    const ring_kind& ring = GENERATE(from_range(kernel_rings()));
    CAPTURE(ring.name);
    const support::pipe pipe;
    executor executor(ring);
    callback_op ops[20];
    for (callback_op& each : ops)
        each.start(executor, pipe);
    let_settle(executor);
    altered_ring_misdirect_cancels(executor, 30);
    for (callback_op& each : ops)
        CHECK(tacet_op_cancel(&each.op) == 0);
    CHECK(executor.run_until_idle() > 0);
    for (const callback_op& each : ops) {
        CHECK(each.called == 1);
        CHECK(each.op.result == -ECANCELED);
    }
}

TEST_CASE("what ends of itself while its cancel is made again keeps its result", "[op][cancel]")
{
    const ring_kind& ring = GENERATE(from_range(kernel_rings()));
    CAPTURE(ring.name);
    const support::pipe pipe;
    executor executor(ring);
    callback_op op;
    op.start(executor, pipe);
    let_settle(executor);
    altered_ring_misdirect_cancels(executor, 1'000'000);
    CHECK(tacet_op_cancel(&op.op) == 0);
    let_settle(executor);
    CHECK(tacet_op_cancel(&op.op) == -EALREADY);
    CHECK(op.called == 0);
    pipe.write("x");
    CHECK(executor.run_until([&] { return op.called == 1; }));
    CHECK(op.op.result == POLLIN);
    CHECK(executor.run_until_idle() >= 0);
}

TEST_CASE("an executor is destroyed while cancels are made again", "[op][cancel]")
{
    const ring_kind& ring = GENERATE(from_range(kernel_rings()));
    CAPTURE(ring.name);
    const support::pipe pipe;
    callback_op op;
    {
        executor executor(ring);
        op.start(executor, pipe);
        let_settle(executor);
        altered_ring_misdirect_cancels(executor, 2);
        CHECK(tacet_op_cancel(&op.op) == 0);
        CHECK(tacet_executor_run(executor, 1, &no_time) >= -ETIME);
    }
    CHECK(op.called == 1);
    CHECK(op.op.result == -ECANCELED);
}
