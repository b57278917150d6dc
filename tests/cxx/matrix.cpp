// Every awaitable, by itself, under a deadline and under a stop token, ended in every way and at every moment: what the coroutine
// gets is right, a success is not lost, and nothing stays behind.
#include "support.hpp"

#include "support/stages.h"

#include <sys/socket.h>

#include <functional>
#include <optional>

using namespace tests;

namespace {

enum class act { nothing, cancel, deadline, stop, destroy };
const char* const act_names[] = {"nothing", "cancel", "deadline", "stop", "destroy"};

enum class moment { not_started, in_flight, completed };
const char* const moment_names[] = {"not started", "in flight", "completed"};

enum class outcome { none, value, canceled, timed_out, other };

const timespec no_time = {0, 0};

const scratch& folder()
{
    static const scratch made;
    return made;
}

int opened(int fd)
{
    REQUIRE(fd >= 0);
    return fd;
}

// What is awaited, and with what it is awaited no more.
struct things {
    things()
    {
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        path = folder().make("file", "contents");
        file.emplace(opened(::open(path.c_str(), O_RDWR | O_CLOEXEC)), 0, nullptr);
        reader.emplace(pipe.reader());
        socket.emplace(ends[0]);
    }
    ~things()
    {
        socket.reset();
        file.reset();
        ::close(ends[1]);
    }
    // What belongs to an executor.
    void belong_to(tacet::executor& executor)
    {
        tacet::buffer_pool_options one;
        one.small_count = one.large_count = 1;
        buffers.emplace(executor, one);
        claimed = buffers->try_claim(tacet::buffer_size::small);
        spare = buffers->try_claim(tacet::buffer_size::large);
        chosen.emplace(executor, 2, 8);
    }
    // Everything that somebody may wait for comes.
    void provoke()
    {
        claimed.release();
        const tacet::socket client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const tacet::address name = listener.name();
        REQUIRE(::connect(client.fd(), name.get(), name.length()) == 0);
        REQUIRE(::write(pipe.writer(), "x", 1) == 1);
        REQUIRE(::send(ends[1], "x", 1, 0) == 1);
        semaphore.release();
        event.set();
        (void)channel.try_send(1);
        counter.add();
    }

    std::string path;
    pipe_ends pipe;
    int ends[2];
    std::optional<tacet::file> file;
    std::optional<borrowed> reader;
    std::optional<tacet::socket> socket;
    tacet::semaphore semaphore{0};
    tacet::event event;
    tacet::channel<int> channel{1};
    tacet::event_fd counter;
    std::byte bytes[2] = {};
    std::optional<tacet::buffer_pool> buffers{};
    tacet::buffer claimed{}, spare{};
    std::optional<tacet::buffer_ring> chosen{};
    tacet::socket listener = tacet::listen(tacet::address::parse("127.0.0.1:0"));
};

struct way {
    act ended_by;
    std::chrono::steady_clock::time_point deadline;
    std::stop_token token;
};

struct seen {
    outcome first = outcome::none, later = outcome::none;
};

outcome outcome_of(const std::system_error& thrown)
{
    if (tacet::is_timeout(thrown.code()))
        return outcome::timed_out;
    return thrown.code() == std::errc::operation_canceled || thrown.code() == std::errc::interrupted ? outcome::canceled
                                                                                                     : outcome::other;
}

template <class Make>
tacet::task<> await_once(Make make, things& of, way how)
{
    if (how.ended_by == act::deadline)
        (void)co_await tacet::with_deadline(how.deadline, make(of));
    else if (how.ended_by == act::stop)
        (void)co_await tacet::with_stop(how.token, make(of));
    else
        (void)co_await make(of);
}

// Awaits it, and then has one more cancellation point.
template <class Make>
tacet::task<> perform(Make make, things& of, way how, seen& seen)
{
    const counted alive;
    try {
        co_await await_once(make, of, how);
        seen.first = outcome::value;
    } catch (const std::system_error& thrown) {
        seen.first = outcome_of(thrown);
    }
    try {
        co_await tacet::yield();
        seen.later = outcome::value;
    } catch (const std::system_error& thrown) {
        seen.later = outcome_of(thrown);
    }
}

struct row {
    const char* name;
    bool waits;
    bool never_cancelled;
    bool has_steps; // may be ended between two of them
    std::function<tacet::task<>(things&, way, seen&)> start;
};

template <class Make>
row row_of(const char* name, bool waits, Make make, bool never_cancelled = false, bool has_steps = false)
{
    return {name, waits, never_cancelled, has_steps,
            [make](things& of, way how, seen& into) { return perform(make, of, std::move(how), into); }};
}

tacet::task<int> task_that_reads(things& of)
{
    co_await (*of.reader)->read(std::span(of.bytes, 1));
    co_return 1;
}

template <class Make>
row row_of_steps(const char* name, bool waits, Make make)
{
    return row_of(name, waits, make, false, true);
}

tacet::task<std::size_t> next_piece(things& of)
{
    tacet::receive_stream pieces = of.socket->receive_all(*of.chosen);
    const tacet::received piece = co_await pieces.next();
    co_return piece.bytes().size();
}

tacet::task<int> next_connection(things& of)
{
    tacet::accept_stream connections = of.listener.accept_all();
    const tacet::socket connection = co_await connections.next();
    co_return connection.fd();
}

std::vector<row> waiting_rows()
{
    constexpr bool waits = true;
    return {
        row_of("poll", waits, [](things& of) { return tacet::wait_readable(of.pipe.reader()); }),
        row_of("read, pipe", waits, [](things& of) { return (*of.reader)->read(std::span(of.bytes, 1)); }),
        row_of("receive", waits, [](things& of) { return of.socket->receive(std::span(of.bytes, 1)); }),
        row_of("semaphore", waits, [](things& of) { return of.semaphore.acquire(); }),
        row_of("event", waits, [](things& of) { return of.event.wait(); }),
        row_of("channel", waits, [](things& of) { return of.channel.receive(); }),
        row_of("eventfd", waits, [](things& of) { return of.counter.wait(); }),
        row_of("task", waits, task_that_reads),
        row_of("accept", waits, [](things& of) { return of.listener.accept(); }),
        row_of("receive, chosen buffer", waits, [](things& of) { return of.socket->receive(*of.chosen); }),
        row_of("claim", waits, [](things& of) { return of.buffers->claim_small(); }),
        row_of_steps("accept_all", waits, next_connection),
        row_of_steps("receive_all", waits, next_piece),
        row_of_steps("fill", waits, [](things& of) { return (*of.reader)->fill(std::span(of.bytes)); }),
        row_of("when_all, operations", waits,
               [](things& of) { return tacet::when_all((*of.reader)->read(std::span(of.bytes, 1)), tacet::nop()); }),
    };
}

std::vector<row> short_rows()
{
    constexpr bool waits = false;
    return {
        row_of("nop", waits, [](things&) { return tacet::nop(); }),
        row_of("sleep", waits, [](things&) { return tacet::sleep_for(1us); }),
        row_of("open", waits, [](things& of) { return tacet::open(of.path, O_RDONLY); }),
        row_of("open_socket", waits, [](things&) { return tacet::open_socket(AF_UNIX, SOCK_STREAM); }),
        row_of("read", waits, [](things& of) { return of.file->read(std::span(of.bytes), 0); }),
        row_of("write", waits, [](things& of) { return of.file->write(std::span(of.bytes), 0); }),
        row_of("sync", waits, [](things& of) { return of.file->sync(); }),
        row_of("stat", waits, [](things& of) { return tacet::stat(of.path); }),
        row_of("send", waits, [](things& of) { return of.socket->send(std::span(of.bytes)); }),
        row_of("read, registered buffer", waits, [](things& of) { return of.file->read(of.spare.first(2), 0); }),
        row_of("write, registered buffer", waits, [](things& of) { return of.file->write(of.spare.first(2), 0); }),
        row_of("send_zero_copy", waits, [](things& of) { return of.socket->send_zero_copy(std::span(of.bytes)); }),
        row_of_steps("read_all", waits, [](things& of) { return of.file->read_all(0); }),
        row_of_steps("write_all", waits, [](things& of) { return of.file->write_all("text", 0); }),
        row_of_steps("write_durable", waits, [](things& of) { return tacet::write_durable(*of.file, "text", 0); }),
        row_of_steps("create_durable", waits,
                     [](things&) {
                         return tacet::create_durable(folder() / "durable", "contents", 0600,
                                                      tacet::if_exists::replace);
                     }),
        row_of_steps("lookup", waits, [](things&) { return tacet::lookup("127.0.0.1", "80"); }),
        row_of("run_blocking", waits, [](things&) { return tacet::run_blocking([] { return 1; }); }),
        row_of(
            "close", waits, [](things& of) { return of.file->close(); }, true),
    };
}

// ---- One cell ----

class cell {
public:
    cell(const row& of, moment when, act what) : row_(of), when_(when), what_(what)
    {
        const bool passed = when == moment::not_started;
        const way how = {what,
                         passed ? std::chrono::steady_clock::time_point(1ns) : std::chrono::steady_clock::now() + 1h,
                         stop_.get_token()};
        executor_.emplace(options());
        things_.belong_to(*executor_);
        task_ = executor_->spawn(of.start(things_, how, seen_));
    }
    void reach_moment();
    void end();
    void look() const;

private:
    static tacet::executor_options options()
    {
        tacet::executor_options options;
        options.always_through_ring = true;
        return options;
    }
    bool is_expected(outcome seen) const;
    outcome error_of_act() const { return what_ == act::deadline ? outcome::timed_out : outcome::canceled; }

    const row& row_;
    const moment when_;
    const act what_;
    things things_;
    std::stop_source stop_;
    seen seen_;
    std::optional<tacet::executor> executor_;
    tacet::join_handle<void> task_{nullptr};
};

tacet::task<> nothing_much()
{
    co_return;
}

void cell::reach_moment()
{
    if (when_ == moment::not_started)
        return;
    REQUIRE(tacet_executor_run(executor_->get(), 1, &no_time) == 1);
    REQUIRE(stage_submit(executor_->get()) == 0);
    if (when_ == moment::in_flight)
        return;
    things_.provoke();
    const auto limit = std::chrono::steady_clock::now() + 10s;
    while (task_.get()->state == TACET_TASK_SUSPENDED) { // the others are of higher priority, and resumed one at a time
        REQUIRE(std::chrono::steady_clock::now() < limit);
        (void)executor_->spawn(nothing_much(), tacet::priority::high);
        REQUIRE(tacet_executor_run(executor_->get(), 1, &no_time) == 1);
    }
}

void cell::end()
{
    if (what_ == act::cancel)
        task_.cancel();
    if (what_ == act::stop)
        stop_.request_stop();
    if (what_ == act::deadline && when_ != moment::not_started)
        CHECK(tacet_task_set_deadline(task_.get(), 1) == 0);
    if (what_ == act::nothing && when_ != moment::completed)
        things_.provoke();
    if (what_ == act::nothing)
        things_.provoke(); // some want two
    if (what_ != act::destroy)
        executor_->run_for(10s);
    task_ = tacet::join_handle<void>(nullptr);
    executor_.reset();
}

bool cell::is_expected(outcome seen) const
{
    if (what_ == act::destroy)
        return seen == outcome::none;
    if (what_ == act::nothing || row_.never_cancelled)
        return seen == outcome::value;
    if (when_ == moment::not_started && !row_.has_steps) // else some of it may have been started, and be faster
        return seen == error_of_act();
    if (when_ == moment::in_flight && row_.waits)
        return seen == error_of_act();
    return seen == outcome::value || (seen == error_of_act() && (when_ == moment::in_flight || row_.has_steps));
}

// A cancel that did not end what was awaited ends the next; a deadline is that of the one await.
void cell::look() const
{
    CHECK(is_expected(seen_.first));
    const bool kept = (what_ == act::cancel || what_ == act::stop) && seen_.first == outcome::value;
    CHECK(seen_.later == (what_ == act::destroy ? outcome::none : kept ? outcome::canceled : outcome::value));
    CHECK(counted::alive == 0);
}

unsigned run_cells(const row& of)
{
    unsigned cells = 0;
    for (const moment when : {moment::not_started, moment::in_flight, moment::completed})
        for (const act what : {act::nothing, act::cancel, act::deadline, act::stop, act::destroy}) {
            INFO(of.name << ", " << moment_names[int(when)] << ", " << act_names[int(what)]);
            const std::ptrdiff_t descriptors = open_descriptors();
            {
                cell each(of, when, what);
                each.reach_moment();
                each.end();
                each.look();
            }
            CHECK(open_descriptors() == descriptors);
            cells++;
        }
    return cells;
}

}

TEST_CASE("every awaitable, at every moment, ended in every way", "[cxx][matrix]")
{
    unsigned cells = 0, awaitables = 0;
    for (const std::vector<row>& rows : {waiting_rows(), short_rows()})
        for (const row& each : rows) {
            cells += run_cells(each);
            awaitables++;
        }
    std::printf("%u cells of %u awaitables\n", cells, awaitables);
}
