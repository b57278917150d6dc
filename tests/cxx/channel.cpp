// channel: order, waiting, closing, cancels; many producers and consumers on several executors; races, and what goes
// away.
#include "races.hpp"

#include <deque>
#include <numeric>

using namespace tests;

namespace {

using numbers = std::vector<int>;

tacet::task<> send_all(tacet::channel<int>& into, numbers values)
{
    for (const int value : values)
        co_await into.send(value);
}

tacet::task<> receive_all(tacet::channel<int>& from, numbers& got)
{
    for (;;) {
        const std::optional<int> value = co_await from.receive();
        if (!value)
            co_return;
        got.push_back(*value);
    }
}

numbers up_to(int count)
{
    numbers values(static_cast<std::size_t>(count));
    std::iota(values.begin(), values.end(), 0);
    return values;
}

// Counts how many there are, on whatever threads. Only moved, and then what it was moved from is empty.
class token {
public:
    explicit token(int number) noexcept : number_(number) { alive++; }
    token(token&& other) noexcept : number_(std::exchange(other.number_, nothing)) {}
    token& operator=(token&& other) noexcept
    {
        std::swap(number_, other.number_);
        return *this;
    }
    ~token() { alive -= number_ != nothing; }
    int number() const { return number_; }

    static inline std::atomic<long> alive = 0;

private:
    static constexpr int nothing = -1;

    int number_;
};

const std::vector<std::size_t> capacities = {0, 1, 3, 100};

}

TEST_CASE("values come in the order in which they were sent", "[cxx][channel]")
{
    for (const std::size_t capacity : capacities) {
        CAPTURE(capacity);
        tacet::executor executor;
        tacet::channel<int> channel(capacity);
        numbers got;
        auto sending = [&]() -> tacet::task<> {
            co_await send_all(channel, up_to(1000));
            channel.close();
        };
        (void)executor.spawn(sending());
        executor.run(receive_all(channel, got));
        CHECK(got == up_to(1000));
    }
}

TEST_CASE("a channel takes as many as it has room for, then senders wait", "[cxx][channel]")
{
    for (const std::size_t capacity : capacities) {
        CAPTURE(capacity);
        tacet::executor executor;
        tacet::channel<int> channel(capacity);
        std::size_t sent = 0;
        auto sending = [&]() -> tacet::task<> {
            for (;;) {
                co_await channel.send(0);
                sent++;
            }
        };
        (void)executor.spawn(sending());
        let_settle(executor);
        CHECK(sent == capacity);
        CHECK(channel.try_receive() == 0);
        let_settle(executor);
        CHECK(sent == capacity + 1);
    }
}

TEST_CASE("a send without room ends when its value is received", "[cxx][channel]")
{
    tacet::executor executor;
    tacet::channel<int> meeting(0);
    std::vector<std::string> order;
    auto sending = [&]() -> tacet::task<> {
        co_await meeting.send(1);
        order.push_back("sent");
    };
    auto receiving = [&]() -> tacet::task<> {
        order.push_back("comes");
        const std::optional<int> value = co_await meeting.receive();
        CHECK(value == 1);
    };
    (void)executor.spawn(sending());
    let_settle(executor);
    CHECK(order.empty());
    (void)executor.spawn(receiving());
    executor.run_until_idle();
    CHECK(order == std::vector<std::string>{"comes", "sent"});
}

TEST_CASE("waiting senders and waiting receivers are served in the order of their coming", "[cxx][channel]")
{
    tacet::executor executor;
    tacet::channel<int> channel(1);
    numbers order, got;
    auto receiving = [&](int number) -> tacet::task<> {
        const std::optional<int> value = co_await channel.receive();
        order.push_back(number);
        got.push_back(*value);
    };
    for (int i = 0; i < 4; i++)
        (void)executor.spawn(receiving(i));
    let_settle(executor);
    for (int i = 0; i < 7; i++)
        (void)executor.spawn(send_all(channel, {i * 10}));
    let_settle(executor);
    CHECK(order == numbers{0, 1, 2, 3});
    CHECK(got == numbers{0, 10, 20, 30});
    for (int i = 4; i < 7; i++)
        (void)executor.spawn(receiving(i));
    executor.run_until_idle();
    CHECK(got == numbers{0, 10, 20, 30, 40, 50, 60});
}

TEST_CASE("a closed channel gives what is in it, then nothing", "[cxx][channel]")
{
    tacet::executor executor;
    tacet::channel<int> channel(4);
    numbers got;
    executor.run(send_all(channel, {1, 2, 3}));
    CHECK_FALSE(channel.is_closed());
    channel.close();
    channel.close();
    CHECK(channel.is_closed());
    executor.run(receive_all(channel, got));
    CHECK(got == numbers{1, 2, 3});
    const failure refused = failure_of([&] { executor.run(send_all(channel, {4})); });
    CHECK(refused.code == std::errc::broken_pipe);
    CHECK(refused.what == "channel send: " + message_of(std::errc::broken_pipe));
}

TEST_CASE("close ends the waits of receivers with nothing, and refuses those of senders", "[cxx][channel]")
{
    tacet::executor executor;
    tacet::channel<token> empty(0), full(1);
    int nothing = 0, refused = 0;
    auto receiving = [&]() -> tacet::task<> {
        const std::optional<token> value = co_await empty.receive();
        nothing += !value;
    };
    auto sending = [&](int number) -> tacet::task<> {
        const tacet::result<void> sent = co_await tacet::as_result(full.send(token(number)));
        refused += !sent && sent.error() == std::errc::broken_pipe;
    };
    for (int i = 0; i < 3; i++) {
        (void)executor.spawn(receiving());
        (void)executor.spawn(sending(i));
    }
    let_settle(executor);
    CHECK(token::alive == 3);
    empty.close();
    full.close();
    executor.run_until_idle();
    CHECK(nothing == 3);
    CHECK(refused == 2);
    CHECK(token::alive == 1); // refused values have gone with their senders
    CHECK(full.try_receive()->number() == 0);
    CHECK_FALSE(full.try_receive());
}

TEST_CASE("try_send and try_receive never wait, and a refused value stays where it was", "[cxx][channel]")
{
    tacet::channel<token> channel(2);
    CHECK_FALSE(channel.try_receive());
    CHECK(channel.try_send(token(1)));
    CHECK(channel.try_send(token(2)));
    token third(3);
    CHECK_FALSE(channel.try_send(std::move(third)));
    CHECK(third.number() == 3);
    CHECK(channel.try_receive()->number() == 1);
    CHECK(channel.try_send(std::move(third)));
    channel.close();
    CHECK_FALSE(channel.try_send(token(4)));
    CHECK(channel.try_receive()->number() == 2);
    CHECK(channel.try_receive()->number() == 3);
    CHECK_FALSE(channel.try_receive());
    tacet::channel<token> meeting(0);
    CHECK_FALSE(meeting.try_send(token(5))); // nobody waits for it
}

TEST_CASE("try_send hands over to who waits, try_receive takes from who waits", "[cxx][channel]")
{
    tacet::executor executor;
    tacet::channel<int> meeting(0);
    numbers got;
    (void)executor.spawn(receive_all(meeting, got));
    let_settle(executor);
    CHECK(meeting.try_send(1));
    CHECK_FALSE(meeting.try_send(2)); // it has not come back yet
    let_settle(executor);
    CHECK(meeting.try_send(3));
    meeting.close();
    executor.run_until_idle();
    CHECK(got == numbers{1, 3});

    tacet::channel<int> other(0);
    (void)executor.spawn(send_all(other, {7, 8}));
    let_settle(executor);
    CHECK(other.try_receive() == 7);
    CHECK_FALSE(other.try_receive());
    executor.run_for(0s);
    CHECK(other.try_receive() == 8);
    executor.run_until_idle();
}

TEST_CASE("what is left in a channel goes with it", "[cxx][channel]")
{
    {
        tacet::channel<token> channel(3);
        CHECK(channel.try_send(token(1)));
        CHECK(channel.try_send(token(2)));
        CHECK(token::alive == 2);
    }
    CHECK(token::alive == 0);
}

TEST_CASE("a channel carries what can only be moved, and what needs much alignment", "[cxx][channel]")
{
    struct alignas(64) wide {
        explicit wide(int number) noexcept : number(number) {}
        int number;
    };
    tacet::channel<std::unique_ptr<std::string>> pointers(1);
    CHECK(pointers.try_send(std::make_unique<std::string>("text")));
    CHECK(**pointers.try_receive() == "text");
    tacet::channel<wide> wides(3);
    for (int i = 0; i < 5; i++) {
        CHECK(wides.try_send(wide(i)));
        CHECK(wides.try_receive()->number == i);
    }
}

TEST_CASE("a capacity beyond all memory is refused", "[cxx][channel]")
{
    CHECK_THROWS_AS(tacet::channel<int>(SIZE_MAX), std::bad_alloc);
}

TEST_CASE("a cancel ends a receiver's wait, and the next in line gets the value", "[cxx][channel]")
{
    tacet::executor executor;
    tacet::channel<int> channel(0);
    numbers got;
    auto receiving = [&]() -> tacet::task<> {
        const std::optional<int> value = co_await channel.receive();
        got.push_back(*value);
    };
    tacet::join_handle<> first = executor.spawn(receiving()), second = executor.spawn(receiving());
    let_settle(executor);
    first.cancel();
    CHECK(channel.try_send(5));
    CHECK_FALSE(channel.try_send(6));
    executor.run_until_idle();
    CHECK(failure_of([&] { first.take(); }).what == "channel receive: " + message_of(std::errc::operation_canceled));
    CHECK(second.has_exited());
    CHECK(got == numbers{5});
}

TEST_CASE("a cancel ends a sender's wait, and its value goes with it", "[cxx][channel]")
{
    tacet::executor executor;
    tacet::channel<token> channel(0);
    auto sending = [&](int number) -> tacet::task<> { co_await channel.send(token(number)); };
    tacet::join_handle<> first = executor.spawn(sending(1));
    const tacet::join_handle<> second = executor.spawn(sending(2));
    let_settle(executor);
    CHECK(token::alive == 2);
    first.cancel();
    let_settle(executor);
    CHECK(failure_of([&] { first.take(); }).what == "channel send: " + message_of(std::errc::operation_canceled));
    CHECK(token::alive == 1);
    CHECK(channel.try_receive()->number() == 2);
    executor.run_until_idle();
    CHECK(second.has_exited());
    CHECK(token::alive == 0);
}

TEST_CASE("a cancel that is there before neither sends nor receives", "[cxx][channel]")
{
    tacet::executor executor;
    tacet::channel<int> channel(2);
    numbers got;
    CHECK(channel.try_send(1));
    tacet::join_handle<> sender = executor.spawn(send_all(channel, {2})),
                         receiver = executor.spawn(receive_all(channel, got));
    sender.cancel();
    receiver.cancel();
    executor.run_until_idle();
    CHECK(failure_of([&] { sender.take(); }).code == std::errc::operation_canceled);
    CHECK(failure_of([&] { receiver.take(); }).code == std::errc::operation_canceled);
    CHECK(got.empty());
    CHECK(channel.try_receive() == 1);
    CHECK_FALSE(channel.try_receive());
}

TEST_CASE("a value that was given is received, though a cancel came after it", "[cxx][channel]")
{
    tacet::executor executor;
    tacet::channel<int> channel(0);
    numbers got;
    tacet::join_handle<> handle = executor.spawn(receive_all(channel, got));
    let_settle(executor);
    CHECK(channel.try_send(5));
    handle.cancel();
    executor.run_until_idle();
    CHECK(got == numbers{5});
    CHECK(failure_of([&] { handle.take(); }).code == std::errc::operation_canceled);
}

TEST_CASE("as_result of send and receive", "[cxx][channel]")
{
    tacet::executor executor;
    tacet::channel<token> channel(1);
    auto trying = [&]() -> tacet::task<> {
        const tacet::result<void> sent = co_await tacet::as_result(channel.send(token(1)));
        CHECK(sent.has_value());
        auto received = co_await tacet::as_result(channel.receive());
        CHECK(received.value()->number() == 1);
        channel.close();
        auto nothing = co_await tacet::as_result(channel.receive());
        CHECK(nothing.has_value());
        CHECK_FALSE(nothing.value().has_value());
        const tacet::result<void> refused = co_await tacet::as_result(channel.send(token(2)));
        CHECK(refused.error() == std::errc::broken_pipe);
    };
    executor.run(trying());
    CHECK(token::alive == 0);
}

TEST_CASE("who waits in a channel that goes waits until it is cancelled", "[cxx][channel]")
{
    tacet::executor executor;
    auto channel = std::make_unique<tacet::channel<int>>(0);
    numbers got;
    tacet::join_handle<> first = executor.spawn(receive_all(*channel, got));
    const tacet::join_handle<> second = executor.spawn(receive_all(*channel, got));
    let_settle(executor);
    channel.reset();
    first.cancel();
    let_settle(executor);
    CHECK(failure_of([&] { first.take(); }).code == std::errc::operation_canceled);
    CHECK_FALSE(second.has_exited()); // and goes with the executor
}

TEST_CASE("an executor that goes takes its tasks out of the channel", "[cxx][channel]")
{
    tacet::channel<token> empty(0), full(0);
    auto receiving = [&]() -> tacet::task<> { (void)co_await empty.receive(); };
    auto sending = [&]() -> tacet::task<> { co_await full.send(token(1)); };
    {
        tacet::executor executor;
        for (int i = 0; i < 3; i++) {
            (void)executor.spawn(receiving());
            (void)executor.spawn(sending());
        }
        let_settle(executor);
        CHECK(token::alive == 3);
    }
    CHECK(token::alive == 0);
    CHECK_FALSE(empty.try_send(token(2)));
    CHECK_FALSE(full.try_receive());
}

namespace {

// Who sent it, and its number there.
struct stamped {
    int sender, number;
};

// What each consumer got of each producer.
struct book {
    explicit book(int senders) : last(static_cast<std::size_t>(senders), -1) {}
    bool in_order = true;
    std::int64_t sum = 0;
    std::int64_t count = 0;
    numbers last;

    void note(stamped value)
    {
        int& before = last[static_cast<std::size_t>(value.sender)];
        in_order = in_order && before < value.number;
        before = value.number;
        sum += value.number;
        count++;
    }
};

// So many executors, each with so many producers and consumers of one channel, who give up the processor now and then.
void exchange(int executors, int each, std::size_t capacity)
{
    const int values = race_rounds / 4, senders = executors * each;
    tacet::channel<stamped> channel(capacity);
    std::atomic<int> sending = senders;
    std::vector<book> books(static_cast<std::size_t>(senders), book(senders));
    auto produce = [&](int sender) -> tacet::task<> {
        for (int i = 0; i < values; i++) {
            co_await channel.send(stamped{sender, i});
            if (i % 64 == sender)
                co_await tacet::yield();
        }
        if (--sending == 0)
            channel.close();
    };
    auto consume = [&](book& own) -> tacet::task<> {
        for (;;) {
            const std::optional<stamped> value = co_await channel.receive();
            if (!value)
                break;
            own.note(*value);
        }
    };
    auto run = [&](int number) -> tacet::task<> {
        std::vector<tacet::task<>> tasks;
        for (int i = number * each; i < (number + 1) * each; i++) {
            tasks.push_back(produce(i));
            tasks.push_back(consume(books[static_cast<std::size_t>(i)]));
        }
        co_await tacet::when_all(std::move(tasks));
    };
    std::vector<std::function<tacet::task<>()>> bodies;
    for (int i = 0; i < executors; i++)
        bodies.push_back([&run, i] { return run(i); });
    run_on_threads(bodies);
    std::int64_t sum = 0, count = 0;
    for (const book& own : books) {
        CHECK(own.in_order);
        sum += own.sum;
        count += own.count;
    }
    CHECK(count == std::int64_t{senders} * values);
    CHECK(sum == std::int64_t{senders} * values * (values - 1) / 2);
}

}

TEST_CASE("producers and consumers on several executors: each value once, those of a producer in order",
          "[cxx][channel][threads]")
{
    for (const int executors : {1, 2, 3, 4}) {
        for (const int each : {1, 3}) {
            for (const std::size_t capacity : {0, 1, 7, 1024}) {
                CAPTURE(executors, each, capacity);
                exchange(executors, each, capacity);
            }
        }
    }
}

TEST_CASE("plain threads send to executors, and receive from them", "[cxx][channel][threads]")
{
    const int values = race_rounds;
    tacet::channel<int> there(4), back(4);
    std::int64_t sum = 0;
    auto echoing = [&]() -> tacet::task<> {
        for (;;) {
            const std::optional<int> value = co_await there.receive();
            if (!value)
                break;
            co_await back.send(*value);
        }
    };
    std::thread sender([&] {
        for (int i = 0; i < values; i++)
            while (!there.try_send(i))
                std::this_thread::yield();
        there.close();
    });
    std::thread receiver([&] {
        for (int got = 0; got < values;) {
            const std::optional<int> value = back.try_receive();
            if (!value) {
                std::this_thread::yield();
                continue;
            }
            sum += *value;
            got++;
        }
    });
    run_on_threads({echoing, echoing});
    sender.join();
    receiver.join();
    CHECK(sum == std::int64_t{values} * (values - 1) / 2);
}

TEST_CASE("who has found a channel closed and then nothing in it misses nothing", "[cxx][channel][threads]")
{
    std::unique_ptr<tacet::channel<int>> channel;
    std::atomic<int> received = 0;
    racers racers({[&](int) {
                       (void)channel->try_send(1);
                       (void)channel->try_send(2);
                       channel->close();
                   },
                   [&](int) {
                       for (bool over = false; !over;) {
                           const bool closed = channel->is_closed();
                           const std::optional<int> value = channel->try_receive();
                           received += value.has_value();
                           over = closed && !value;
                       }
                   }});
    for (int i = 0; i < race_rounds; i++) {
        channel = std::make_unique<tacet::channel<int>>(2);
        racers.begin();
        racers.await_all();
    }
    CHECK(received == 2 * race_rounds);
}

TEST_CASE("a cancel and a value that come together: the value is not lost, and the cancel comes next",
          "[cxx][channel][threads]")
{
    for (const bool cancel_first : {true, false}) {
        CAPTURE(cancel_first);
        tacet::executor executor;
        tacet::channel<token> wanted(0), offered(0);
        tacet::event never;
        int received = 0, sent = 0, taken = 0;
        auto receiving = [&]() -> tacet::task<> {
            const std::optional<token> value = co_await wanted.receive();
            received = value->number();
            co_await never.wait();
        };
        auto sending = [&]() -> tacet::task<> {
            co_await offered.send(token(2));
            sent++;
            co_await never.wait();
        };
        tacet::join_handle<> receiver = executor.spawn(receiving()), sender = executor.spawn(sending());
        let_settle(executor);
        const auto cancel_both = [&] {
            (void)tacet_task_cancel(receiver.get());
            (void)tacet_task_cancel(sender.get());
        };
        const auto act = [&] {
            if (cancel_first)
                cancel_both();
            (void)wanted.try_send(token(1));
            taken = offered.try_receive()->number();
            if (!cancel_first)
                cancel_both();
        };
        (void)executor.spawn(meanwhile(act));
        executor.run_until_idle();
        CHECK(received == 1);
        CHECK(sent == 1);
        CHECK(taken == 2);
        CHECK(failure_of([&] { receiver.take(); }).what == "event wait: " + message_of(std::errc::operation_canceled));
        CHECK(failure_of([&] { sender.take(); }).what == "event wait: " + message_of(std::errc::operation_canceled));
    }
}

namespace {

// Rounds in which a task sends or receives once while other threads act. It notes how that ended, and then waits for
// the cancel that it has not got yet.
class cancel_race {
public:
    enum class side { sends, receives };

    std::function<void()> before_round = [] {};
    std::function<void()> after_round = [] {};
    std::unique_ptr<tacet::channel<token>> channel;
    target cancelled = nullptr;
    int succeeded = 0, refused = 0, cancels = 0;

    void run(side side, std::size_t capacity, racers& racers)
    {
        tacet::executor executor;
        executor.run(rounds(executor, side, capacity, racers));
    }

private:
    tacet::task<> rounds(tacet::executor& executor, side side, std::size_t capacity, racers& racers)
    {
        for (int i = 0; i < race_rounds; i++) {
            channel = std::make_unique<tacet::channel<token>>(capacity);
            before_round();
            over_.reset();
            const tacet::join_handle<> handle = executor.spawn(act(side, racers));
            cancelled = handle.get();
            if (i % 2 == 0)
                co_await tacet::yield(); // it waits already
            racers.begin();
            co_await over_.wait();
            while (!handle.has_exited())
                co_await tacet::yield();
            after_round();
        }
    }

    tacet::task<> act(side side, racers& racers)
    {
        bool found = false;
        if (side == side::sends) {
            const tacet::result<void> sent = co_await tacet::as_result(channel->send(token(1)));
            found = note(sent.has_value(), sent.has_value() ? std::error_code() : sent.error());
        } else {
            const auto received = co_await tacet::as_result(channel->receive());
            const bool value = received.has_value() && received.value().has_value();
            found = note(value, received.has_value() ? make_error_code(std::errc::broken_pipe) : received.error());
        }
        if (!found) {
            const tacet::result<void> kept = co_await tacet::as_result(never_.wait());
            cancels += !kept;
        }
        racers.await_all();
        over_.set();
    }

    // Whether the cancel has been found.
    bool note(bool success, std::error_code error)
    {
        const bool cancel = !success && error == std::errc::operation_canceled;
        succeeded += success;
        refused += !success && !cancel;
        cancels += cancel;
        return cancel;
    }

    tacet::event over_, never_;
};

}

TEST_CASE("a receiver's cancel races with a send: the value is received or still there", "[cxx][channel][threads]")
{
    for (const std::size_t capacity : {0, 1}) {
        CAPTURE(capacity);
        cancel_race race;
        std::atomic<bool> sent = false;
        int left = 0, not_sent = 0;
        racers racers({[&](int) { sent = race.channel->try_send(token(1)); }, [&](int) { cancel(race.cancelled); }});
        race.after_round = [&] {
            left += race.channel->try_receive().has_value();
            not_sent += !sent;
        };
        race.run(cancel_race::side::receives, capacity, racers);
        CHECK(race.cancels == race_rounds);
        CHECK(race.refused == 0);
        CHECK(race.succeeded + left + not_sent == race_rounds);
        CHECK(race.succeeded > 0);
        CHECK(race.succeeded < race_rounds);
        CHECK(token::alive == 0);
    }
}

TEST_CASE("a sender's cancel races with a receive: the value is received or gone with its sender",
          "[cxx][channel][threads]")
{
    for (const std::size_t capacity : {0, 1}) {
        CAPTURE(capacity);
        cancel_race race;
        std::atomic<int> received = 0;
        int left = 0;
        racers racers(
            {[&](int) { received += race.channel->try_receive().has_value(); }, [&](int) { cancel(race.cancelled); }});
        race.before_round = [&] {
            if (capacity > 0)
                CHECK(race.channel->try_send(token(0)));
        };
        race.after_round = [&] {
            while (race.channel->try_receive())
                left++;
        };
        race.run(cancel_race::side::sends, capacity, racers);
        CHECK(race.cancels == race_rounds);
        CHECK(race.refused == 0);
        CHECK(received + left == race.succeeded + static_cast<int>(capacity) * race_rounds);
        CHECK(race.succeeded > 0);
        CHECK(race.succeeded < race_rounds);
        CHECK(token::alive == 0);
    }
}

TEST_CASE("close races with a cancel, a send and a receive", "[cxx][channel][threads]")
{
    for (const cancel_race::side side : {cancel_race::side::sends, cancel_race::side::receives}) {
        cancel_race race;
        std::atomic<int> moved = 0;
        racers racers({[&](int) { race.channel->close(); }, [&](int) { cancel(race.cancelled); },
                       [&](int) {
                           if (side == cancel_race::side::sends)
                               moved += race.channel->try_receive().has_value();
                           else
                               moved += race.channel->try_send(token(2));
                       }});
        race.run(side, 0, racers);
        CHECK(race.cancels == race_rounds);
        CHECK(race.succeeded == moved);
        CHECK(race.refused > 0);
        CHECK(token::alive == 0);
    }
}

TEST_CASE("a channel may go as soon as who waited in it goes on", "[cxx][channel][threads]")
{
    tacet::executor executor;
    std::atomic<tacet::channel<int>*> current = nullptr;
    racers racers({[&](int round) {
        tacet::channel<int>* channel = nullptr;
        while (channel == nullptr)
            channel = current.exchange(nullptr);
        if (round % 2 == 0)
            channel->close();
        else
            while (!channel->try_send(1)) // it waits: this ends, and is the last that is done with it
                std::this_thread::yield();
    }});
    int woken = 0;
    auto rounds = [&]() -> tacet::task<> {
        for (int i = 0; i < race_rounds; i++) {
            auto channel = std::make_unique<tacet::channel<int>>(0);
            racers.begin();
            current = channel.get();
            const std::optional<int> value = co_await channel->receive();
            channel.reset();
            woken += value.has_value();
            racers.await_all();
        }
    };
    executor.run(rounds());
    CHECK(woken == race_rounds / 2);
}

TEST_CASE("executors are destroyed while others send to their tasks and receive from them", "[cxx][channel][threads]")
{
    tacet::channel<token> requests(2), answers(0);
    std::atomic<int> sent = 0, received = 0;
    racers racers({[&](int) {
                       for (int i = 0; i < 6; i++)
                           sent += requests.try_send(token(i));
                   },
                   [&](int) {
                       for (int i = 0; i < 6; i++)
                           received += answers.try_receive().has_value();
                   }});
    auto serving = [&]() -> tacet::task<> {
        for (;;) {
            std::optional<token> value = co_await requests.receive();
            co_await answers.send(std::move(*value));
        }
    };
    for (int i = 0; i < race_rounds / 10; i++) {
        const tacet::executor_options options = {.ring_entries = i % 2 == 0 ? 0u : 8u};
        {
            tacet::executor executor(options);
            for (int j = 0; j < 3; j++)
                (void)executor.spawn(serving());
            executor.run_for(0s);
            racers.begin();
            if (i % 3 != 0)
                executor.run_for(10us);
        }
        racers.await_all();
    }
    while (requests.try_receive()) {
    }
    CHECK(token::alive == 0);
    CHECK(sent > 0);
    CHECK(received <= sent);
}
