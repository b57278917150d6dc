// The ring-message test with Asio: a task is an awaitable on an io_context that one thread runs, without locks and with
// a concrete executor type. A mailbox counts, and resumes its waiter by a post: a third of the time that a steady_timer
// used as an event takes, or a channel of asio::experimental. P threads run an io_context each, with their rings.
#include "cycle.hpp"

#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include <array>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace {

using executor = asio::io_context::executor_type;
using awaitable = asio::awaitable<void, executor>;
using token = asio::use_awaitable_t<executor>;

// Of one thread and one taker.
class mailbox {
public:
    void post()
    {
        if (!waiter_) {
            ++messages_;
            return;
        }
        waiter woken = std::move(*waiter_);
        waiter_.reset();
        asio::post(std::move(woken));
    }
    bool try_take() { return messages_ > 0 && messages_-- > 0; }
    // Ends with the next message, which it takes. Only after try_take() found none.
    awaitable take()
    {
        auto wait = [this](waiter waiter) { waiter_.emplace(std::move(waiter)); };
        return asio::async_initiate<const token, void()>(wait, asio::use_awaitable_t<executor>());
    }
    bool empty() const { return messages_ == 0; }

private:
    using waiter = asio::async_result<token, void()>::handler_type;

    std::size_t messages_ = 0;
    std::optional<waiter> waiter_;
};

// The size of a frame is fixed at compile time: the live bytes are the first size.dead of Capacity.
template <std::size_t Capacity>
awaitable play(const cycle::size& size, mailbox* ring, std::size_t index, cycle::outcome& outcome)
{
    std::array<unsigned char, Capacity> dead;
    std::fill_n(dead.data(), size.dead, cycle::mark_of(index));

    mailbox& own = ring[index];
    mailbox& next = ring[index + 1 == size.tasks ? 0 : index + 1];
    std::size_t starter = 0; // round % N
    for (std::size_t round = 0; round < size.rounds; ++round) {
        if (starter == index)
            next.post();
        if (!own.try_take())
            co_await own.take();
        if (starter != index)
            next.post();
        ++outcome.taken;
        starter = starter + 1 == size.tasks ? 0 : starter + 1;
    }
    outcome.intact = cycle::all_are(dead.data(), size.dead, cycle::mark_of(index));
}

struct row {
    std::size_t capacity;
    awaitable (*play)(const cycle::size&, mailbox*, std::size_t, cycle::outcome&);
};
constexpr row rows[] = {{16, play<16>}, {256, play<256>}, {1000, play<1000>}, {10000, play<10000>}};
constexpr std::size_t bytes_of_a_task = 1024;

void run_thread(const cycle::size& size, std::size_t thread, const row& row, std::vector<mailbox>& mailboxes,
                std::vector<cycle::outcome>& outcomes, cycle::stopwatch& stopwatch)
{
    asio::io_context context(ASIO_CONCURRENCY_HINT_UNSAFE);
    for (std::size_t ring = size.first_ring(thread); ring < size.first_ring(thread + 1); ++ring) {
        for (std::size_t index = 0; index < size.tasks; ++index) {
            std::size_t first = ring * size.tasks;
            asio::co_spawn(context, row.play(size, &mailboxes[first], index, outcomes[first + index]), asio::detached);
        }
    }
    stopwatch.begin();
    context.run();
    stopwatch.end();
}

} // namespace

int main(int argc, char** argv)
{
    cycle::size size = cycle::read_arguments(argc, argv);
    const row* row = std::find_if(std::begin(rows), std::end(rows),
                                  [&size](const struct row& row) { return row.capacity >= size.dead; });
    if (row == std::end(rows))
        cycle::refuse("this program was built for frames of up to 10000 live bytes");
    cycle::require_memory(size, bytes_of_a_task + row->capacity);

    std::vector<mailbox> mailboxes(size.all_tasks());
    std::vector<cycle::outcome> outcomes(size.all_tasks());
    cycle::stopwatch stopwatch(size.threads);
    std::vector<std::jthread> threads;
    for (std::size_t thread = 0; thread < size.threads; ++thread)
        threads.emplace_back([&, thread] { run_thread(size, thread, *row, mailboxes, outcomes, stopwatch); });
    std::chrono::nanoseconds elapsed = stopwatch.measure();
    threads.clear();
    return cycle::report(size, outcomes, mailboxes, elapsed);
}
