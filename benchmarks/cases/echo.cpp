// Case `echo`: 64 bytes over TCP on the loopback and back; one operation is one message. A server in one thread has
// 1 to 256 connections; the load is another thread's, the same for all: a message on each connection, then all the
// answers. `server_cpu_ns` is what a message costs the server's thread.
#include "baseline/epoll_echo.hpp"
#include "cases/cases.hpp"
#include "cases/group.hpp"
#include "cases/rig.hpp"
#include "harness/connections.hpp"
#include "harness/crew.hpp"
#include "harness/errors.hpp"

#include <tacet/socket.hpp>
#include <tacet/tacet.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <span>
#include <vector>

namespace bench {
namespace {

constexpr std::size_t message_bytes = 64;
constexpr std::size_t buffer_bytes = 4096;
constexpr unsigned ring_entries = 256;

double thread_cpu_ns()
{
    timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

using message = std::array<unsigned char, message_bytes>;

message make_message(std::uint64_t number)
{
    message made;
    for (std::size_t i = 0; i < made.size(); i++)
        made[i] = static_cast<unsigned char>(number * 31 + i);
    std::memcpy(made.data(), &number, sizeof number);
    return made;
}

// Part 0 of the crew, the caller's thread, serves; part 1 is the load.
class echo : public contestant {
public:
    echo(crew& crew, std::size_t count) : connections_(count), crew_(crew) {}

    std::uint64_t perform(std::uint64_t ops) override
    {
        crew_.run([&](std::size_t part) { play_or_exit(part, ops); });
        ops_ += ops;
        return ops;
    }
    std::uint64_t granularity() const override { return connections_.clients().size(); }
    double slice_ns_min() const override { return 5e6; }
    disturbed_by sensitivity() const override { return disturbed_by::nobody; }
    void complete(row& row) const override { row.set("server_cpu_ns", cpu_ns_ / static_cast<double>(ops_)); }

protected:
    // Until so many further bytes have been echoed.
    virtual void serve(std::uint64_t bytes) = 0;

    connections connections_;

private:
    // If one end fails the other would wait for ever.
    void play_or_exit(std::size_t part, std::uint64_t ops)
    {
        try {
            part == 0 ? serve_timed(ops) : ask(ops / connections_.clients().size());
        } catch (const std::exception& failure) {
            fmt::print(stderr, "tacet-bench: echo: {}\n", failure.what());
            std::_Exit(1);
        }
    }
    void serve_timed(std::uint64_t ops)
    {
        const double begin = thread_cpu_ns();
        serve(ops * message_bytes);
        cpu_ns_ += thread_cpu_ns() - begin;
    }
    void ask(std::uint64_t rounds)
    {
        for (std::uint64_t round = 0; round < rounds; round++) {
            const std::uint64_t first = number_;
            for (const int fd : connections_.clients()) {
                const message sent = make_message(number_++);
                if (send(fd, sent.data(), sent.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(sent.size()))
                    throw wrong_answer("a message could not be sent");
            }
            number_ = first;
            for (const int fd : connections_.clients())
                take_answer(fd);
        }
    }
    void take_answer(int fd)
    {
        message answer;
        if (recv(fd, answer.data(), answer.size(), MSG_WAITALL) != static_cast<ssize_t>(answer.size()) ||
            answer != make_message(number_++))
            throw wrong_answer("an answer is not what was sent");
    }

    crew& crew_;
    std::uint64_t number_ = 0, ops_ = 0; // the load's; all
    double cpu_ns_ = 0;
};

class epoll_server : public echo {
public:
    epoll_server(crew& crew, std::size_t count) : echo(crew, count), server_(connections_.servers()) {}

private:
    void serve(std::uint64_t bytes) override { server_.run(bytes); }

    baseline::epoll_echo server_;
};

// What the tasks of one server share.
struct serving {
    tacet_executor* executor;
    std::uint64_t bytes_left = 0;

    // Until so many further bytes have been echoed.
    void serve(std::uint64_t bytes)
    {
        bytes_left = bytes;
        require(tacet_executor_run(executor, TACET_UNTIL_STOPPED, nullptr), "tacet_executor_run");
        if (bytes_left != 0)
            throw wrong_answer("the server stopped before its time");
    }
    void note_echoed(std::uint64_t bytes)
    {
        bytes_left -= bytes;
        if (bytes_left == 0)
            tacet_executor_stop(executor);
    }
};

// A connection that ends would leave the load waiting for ever.
struct stop_at_end {
    serving& shared;
    ~stop_at_end() { tacet_executor_stop(shared.executor); }
};

struct c_connection {
    serving* shared;
    tacet_file socket;
    tacet_result received; // 0: it waits for a message
    bool begun;
    std::array<std::byte, buffer_bytes> buffer;
};

tacet_result echo_on_own_stack(tacet_task* task, void* argument)
{
    auto& self = *static_cast<c_connection*>(argument);
    const stop_at_end stop_at_end{*self.shared};
    for (;;) {
        const tacet_result received = tacet_socket_receive(task, &self.socket, self.buffer.data(), buffer_bytes, 0);
        if (received <= 0)
            return received;
        const auto bytes = static_cast<std::size_t>(received);
        const tacet_result sent = tacet_socket_send(task, &self.socket, self.buffer.data(), bytes, 0);
        if (sent != received)
            return sent < 0 ? sent : -EPROTO;
        self.shared->note_echoed(bytes);
    }
}

// The same as a state machine: each call but the first follows a receive or a send.
tacet_result echo_by_returning(tacet_task* task, void* argument)
{
    auto& self = *static_cast<c_connection*>(argument);
    const tacet_result r = self.begun ? tacet_task_call_result(task) : 1;
    if (r <= 0 || (self.received > 0 && r != self.received)) {
        const stop_at_end stop_at_end{*self.shared};
        return r <= 0 ? r : -EPROTO;
    }
    if (self.begun && self.received == 0) {
        self.received = r;
        return tacet_socket_send(task, &self.socket, self.buffer.data(), static_cast<std::size_t>(r), 0);
    }
    if (self.begun)
        self.shared->note_echoed(static_cast<std::uint64_t>(r));
    self.begun = true;
    self.received = 0;
    return tacet_socket_receive(task, &self.socket, self.buffer.data(), buffer_bytes, 0);
}

class c_server : public echo {
public:
    c_server(crew& crew, std::size_t count, tacet_switcher* switcher, tacet_task_body* body)
        : echo(crew, count), states_(count), rig_(ring_entries, false)
    {
        shared_.executor = rig_.executor();
        for (std::size_t i = 0; i < count; i++) {
            states_[i].shared = &shared_;
            require(tacet_file_from_fd(&states_[i].socket, connections_.servers()[i], O_RDWR), "tacet_file_from_fd");
            rig_.add(switcher, body, &states_[i]);
        }
    }

private:
    void serve(std::uint64_t bytes) override { shared_.serve(bytes); }

    serving shared_ = {};
    std::vector<c_connection> states_;
    rig rig_;
};

tacet::task<tacet_result> echo_by_coroutine(serving& shared, const tacet::socket& socket)
{
    const stop_at_end stop_at_end{shared};
    std::array<std::byte, buffer_bytes> buffer;
    for (;;) {
        const std::size_t received = co_await socket.receive(buffer);
        if (received == 0)
            co_return 0;
        const std::size_t sent = co_await socket.send(std::span<const std::byte>(buffer).first(received));
        if (sent != received)
            co_return -EPROTO;
        shared.note_echoed(received);
    }
}

class coroutine_server : public echo {
public:
    coroutine_server(crew& crew, std::size_t count) : echo(crew, count), rig_(ring_entries, false)
    {
        shared_.executor = rig_.executor().get();
        sockets_.reserve(count);
        for (const int fd : connections_.servers()) {
            sockets_.emplace_back(fcntl(fd, F_DUPFD_CLOEXEC, 0));
            rig_.add(echo_by_coroutine(shared_, sockets_.back()));
        }
    }

private:
    void serve(std::uint64_t bytes) override { shared_.serve(bytes); }

    serving shared_ = {};
    std::vector<tacet::socket> sockets_;
    coroutine_rig rig_;
};

row parameters(const char* name, std::size_t count)
{
    row row(name);
    return row.set("connections", count).set("accounting", std::string("off"));
}

void measure_rows(crew& crew, std::size_t count, const options& options, report& report)
{
    group group;
    const std::size_t bare = group.add_baseline("epoll", std::make_unique<epoll_server>(crew, count));
    group.add(parameters("coroutine", count), std::make_unique<coroutine_server>(crew, count), bare);
    group.add(parameters("stackless", count),
              std::make_unique<c_server>(crew, count, tacet_switcher_stackless(), echo_by_returning), bare);
#if defined(__x86_64__)
    group.add(parameters("asm", count),
              std::make_unique<c_server>(crew, count, tacet_switcher_asm(), echo_on_own_stack), bare);
#endif
    group.measure(options.plan, report);
}

}

report run_echo(const options& options)
{
    crew crew(2);
    report report{"echo", {}};
    for (const std::size_t count : {1u, 8u, 64u, 256u})
        measure_rows(crew, count, options, report);
    return report;
}

}
