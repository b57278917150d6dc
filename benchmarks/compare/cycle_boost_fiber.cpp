// The ring-message test with Boost.Fiber: P threads, each with the round-robin scheduler that it has by default and the
// fibers of its rings. A mailbox counts, and suspends and wakes its owner as the library's own primitives do. It has no
// lock, and so takes half the time of a buffered_channel, a fifth of that of a mutex with a condition variable.
#include "cycle.hpp"

#include <boost/fiber/context.hpp>
#include <boost/fiber/fiber.hpp>
#include <boost/fiber/pooled_fixedsize_stack.hpp>

#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace {

using boost::fibers::context;

constexpr std::size_t stack_size = 8 * 1024; // and the live bytes on top
constexpr std::size_t stacks_at_first = 32;  // what the pool asks for at once: doubled each time, up to
constexpr std::size_t stacks_at_most = 1024;

// Of one thread and one taker.
class mailbox {
public:
    void post()
    {
        if (waiter_ == nullptr)
            ++messages_;
        else
            context::active()->schedule(std::exchange(waiter_, nullptr));
    }
    void take()
    {
        if (messages_ > 0) {
            --messages_;
            return;
        }
        waiter_ = context::active();
        waiter_->suspend();
    }
    bool empty() const { return messages_ == 0; }

private:
    std::size_t messages_ = 0;
    context* waiter_ = nullptr;
};

void run_thread(const cycle::size& size, std::size_t thread, std::vector<mailbox>& mailboxes,
                std::vector<cycle::outcome>& outcomes, cycle::stopwatch& stopwatch)
{
    boost::fibers::pooled_fixedsize_stack stacks(stack_size + size.dead, stacks_at_first, stacks_at_most);
    std::vector<boost::fibers::fiber> fibers;
    for (std::size_t ring = size.first_ring(thread); ring < size.first_ring(thread + 1); ++ring) {
        for (std::size_t index = 0; index < size.tasks; ++index) {
            std::size_t first = ring * size.tasks;
            auto body = [&size, &mailboxes, &outcomes, first, index] {
                outcomes[first + index] = cycle::play(size, &mailboxes[first], index);
            };
            fibers.emplace_back(std::allocator_arg, stacks, body);
        }
    }
    stopwatch.begin();
    for (boost::fibers::fiber& fiber : fibers)
        fiber.join();
    stopwatch.end();
}

} // namespace

int main(int argc, char** argv)
{
    cycle::size size = cycle::read_arguments(argc, argv);
    cycle::require_memory(size, stack_size + size.dead);

    std::vector<mailbox> mailboxes(size.all_tasks());
    std::vector<cycle::outcome> outcomes(size.all_tasks());
    cycle::stopwatch stopwatch(size.threads);
    std::vector<std::jthread> threads;
    for (std::size_t thread = 0; thread < size.threads; ++thread)
        threads.emplace_back([&, thread] { run_thread(size, thread, mailboxes, outcomes, stopwatch); });
    std::chrono::nanoseconds elapsed = stopwatch.measure();
    threads.clear();
    return cycle::report(size, outcomes, mailboxes, elapsed);
}
