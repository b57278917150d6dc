// Programs drawn from a seed: trees of tasks that do a bit of everything, cancelled and destroyed anywhere. Whatever they
// do, each instance is destroyed once, descriptors balance, and permits come back.
#include "support.hpp"

#include <random>

#include <poll.h>

using namespace tests;

namespace {

class dice {
public:
    explicit dice(unsigned seed) : engine_(seed) {}
    int below(int limit) { return static_cast<int>(engine_() % static_cast<unsigned>(limit)); }

private:
    std::mt19937 engine_;
};

struct world {
    explicit world(unsigned seed) : drawn(seed) {}
    dice drawn;
    pipe_ends pipe;
    borrowed reader{pipe.reader()};
    tacet::semaphore slots{3};
    tacet::executor* executor = nullptr;
};

tacet::task<int> act(world& in, int depth, counted argument);

tacet::task<int> read_into_own_frame(world& in)
{
    const counted local;
    std::array<std::byte, 32> buffer{};
    const std::size_t n = co_await in.reader->read(buffer);
    co_return static_cast<int>(n);
}

tacet::task<int> read_and_poll_at_once(world& in)
{
    std::array<std::byte, 32> first{}, second{};
    auto both = co_await tacet::as_result(tacet::when_all(in.reader->read(first), tacet::nop(), in.reader->read(second),
                                                          tacet::poll(in.pipe.writer(), POLLOUT)));
    co_return std::get<1>(both).has_value() ? 1 : 0;
}

tacet::task<int> hold_a_permit(world& in)
{
    const tacet::semaphore::permit permit = co_await in.slots.acquire_permit();
    for (int turns = in.drawn.below(4); turns > 0; turns--)
        co_await tacet::yield();
    co_return 1;
}

tacet::task<int> open_files()
{
    tacet::file one = co_await tacet::open("/dev/zero", O_RDONLY);
    std::vector<tacet::operation<tacet::open_request>> opens;
    for (int i = 0; i < 3; i++)
        opens.push_back(tacet::open(i == 2 ? "/nonexistent" : "/dev/null", O_RDONLY));
    const auto files = co_await tacet::as_result(tacet::when_all(std::move(opens)));
    co_await one.close();
    co_return static_cast<int>(files.size());
}

tacet::task<int> wait_a_little(world& in)
{
    co_await tacet::sleep_for(std::chrono::microseconds(in.drawn.below(50)));
    co_await tacet::yield();
    co_await tacet::nop();
    co_return 1;
}

tacet::task<int> fail()
{
    co_await tacet::yield();
    throw std::runtime_error("drawn");
}

tacet::task<int> leaf(world& in)
{
    switch (in.drawn.below(7)) {
    case 0:
        return read_into_own_frame(in);
    case 1:
        return read_and_poll_at_once(in);
    case 2:
        return hold_a_permit(in);
    case 3:
        return open_files();
    case 4:
        return fail();
    default:
        return wait_a_little(in);
    }
}

tacet::task<int> catch_all(world& in, int depth)
{
    const counted local;
    try {
        const int value = co_await act(in, depth, counted());
        co_return value;
    } catch (const std::exception&) {
        co_return 0;
    }
}

tacet::task<int> several_at_once(world& in, int depth)
{
    const counted local;
    std::vector<tacet::task<int>> tasks;
    for (int i = in.drawn.below(4); i >= 0; i--)
        tasks.push_back(act(in, depth, counted()));
    const std::vector<int> values = co_await tacet::when_all(std::move(tasks));
    co_return static_cast<int>(values.size());
}

tacet::task<int> several_in_a_scope(world& in, int depth)
{
    std::vector<counted> used_by_children(3);
    auto body = [&](tacet::scope& scope) -> tacet::task<int> {
        for (int i = in.drawn.below(4); i >= 0; i--)
            scope.spawn(act(in, depth, used_by_children.front()));
        if (in.drawn.below(4) == 0)
            scope.cancel();
        const int value = co_await act(in, depth, counted());
        co_return value;
    };
    const int value = co_await tacet::with_scope(body);
    co_return value;
}

tacet::task<int> spawn_and_join(world& in, int depth)
{
    const counted local;
    tacet::join_handle<int> handle = in.executor->spawn(act(in, depth, counted()),
                                                        static_cast<tacet::priority>(in.drawn.below(3)));
    if (in.drawn.below(3) == 0)
        co_await tacet::yield();
    if (in.drawn.below(3) == 0)
        handle.cancel();
    if (in.drawn.below(3) == 0)
        co_return 0;
    const int value = co_await tacet::join(std::move(handle));
    co_return value;
}

tacet::task<int> cancel_itself(world& in, int depth)
{
    tacet_task* self = co_await tacet::this_task();
    tacet_task_cancel(self);
    const int value = co_await act(in, depth, counted());
    co_return value;
}

tacet::task<int> join_a_native_task(world& in)
{
    const counted local;
    tacet::native_task native(tacet_switcher_asm(), [slots = in.slots.get()](tacet_task* self) -> tacet_result {
        const tacet_result r = tacet_semaphore_acquire(self, slots);
        if (r == 0)
            tacet_semaphore_release(slots, 1);
        return r < 0 ? r : tacet_sleep(self, 1000);
    });
    native.attach(*in.executor);
    const tacet_result value = co_await tacet::join(native);
    co_return static_cast<int>(value);
}

tacet::task<int> branch(world& in, int depth)
{
    switch (in.drawn.below(8)) {
    case 0:
        return catch_all(in, depth);
    case 1:
        return several_at_once(in, depth);
    case 2:
        return several_in_a_scope(in, depth);
    case 3:
        return spawn_and_join(in, depth);
    case 4:
        return cancel_itself(in, depth);
    case 5:
        return join_a_native_task(in);
    default:
        return act(in, depth, counted());
    }
}

tacet::task<int> act(world& in, int depth, counted)
{
    const counted local;
    int sum = 0;
    for (int steps = in.drawn.below(3); steps >= 0; steps--) {
        tacet::task<int> step = depth > 0 && in.drawn.below(3) > 0 ? branch(in, depth - 1) : leaf(in);
        sum += co_await step;
    }
    co_return sum;
}

// Runs a little; what leaves tasks that nobody waits for is of no interest here.
void run_a_little(tacet::executor& executor, int items)
{
    try {
        executor.run_for(std::chrono::microseconds(0), items);
    } catch (const std::runtime_error&) {
        CHECK(counted::alive >= 0);
    }
}

bool end_all(tacet::executor& executor)
{
    for (int round = 0; round < 2000 && executor.stats().attached > 0; round++) {
        executor.cancel_all();
        run_a_little(executor, 10'000);
    }
    for (int round = 0; round < 10; round++)
        run_a_little(executor, 10'000);
    return executor.stats().attached == 0 && executor.stats().timers == 0;
}

void run_program(unsigned seed)
{
    world in(seed);
    {
        tacet::executor_options options;
        options.ring_entries = std::array{256U, 1U, 2U, 0U}[seed % 4];
        options.accounting = seed % 8 == 5;
        tacet::executor executor(options);
        in.executor = &executor;
        std::vector<tacet::join_handle<int>> handles;
        for (int roots = in.drawn.below(6); roots >= 0; roots--)
            handles.push_back(executor.spawn(act(in, 4, counted())));
        for (int rounds = in.drawn.below(60); rounds > 0; rounds--) {
            run_a_little(executor, 1 + in.drawn.below(30));
            if (!handles.empty() && in.drawn.below(8) == 0)
                handles[static_cast<std::size_t>(in.drawn.below(static_cast<int>(handles.size())))].cancel();
            if (!handles.empty() && in.drawn.below(20) == 0)
                handles.pop_back();
        }
        if (in.drawn.below(2) == 0) {
            CHECK(end_all(executor));
            CHECK(in.slots.get()->available == 3);
        }
    }
    CHECK(counted::alive == 0);
}

}

TEST_CASE("programs drawn from 1,000 seeds end whole, wherever they are cancelled or destroyed", "[cxx][random]")
{
    const std::ptrdiff_t before = open_descriptors();
    for (unsigned seed = 0; seed < 1000; seed++) {
        INFO("seed " << seed);
        run_program(seed);
    }
    CHECK(open_descriptors() == before);
}
