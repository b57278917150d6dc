/* Streams, datagrams and sequenced packets: each operation on every switcher, its value and its errors. */
#include "socket/support.hpp"
#include "support/inside.h"

#include <climits>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>

using namespace support;

namespace {

using results = std::vector<tacet_result>;

/* A server and a client, each a task; what they work on lies here. */
struct meeting {
    explicit meeting(int domain_) : domain(domain_), any(any_name(domain_)) {}

    std::vector<call> server()
    {
        return {
            [this](tacet_task* self) { return tacet_socket_open(self, &listening, domain, SOCK_STREAM, 0); },
            [this](tacet_task* self) { return tacet_socket_bind(self, &listening, any.get(), any.length); },
            [this](tacet_task* self) { return tacet_socket_listen(self, &listening, 8); },
            [this](tacet_task* self) { return tacet_socket_get_name(self, &listening, bound.get(), &bound.length); },
            [this](tacet_task* self) {
                return tacet_socket_accept(self, &listening, &accepted, peer.get(), &peer.length, 0);
            },
            [this](tacet_task* self) { return tacet_socket_receive(self, &accepted, got, sizeof got, 0); },
            [this](tacet_task* self) { return tacet_socket_send(self, &accepted, "answer", 6, 0); },
            [this](tacet_task* self) { return tacet_socket_receive(self, &accepted, &end, 1, 0); },
            [this](tacet_task* self) { return tacet_file_close(self, &accepted); },
            [this](tacet_task* self) { return tacet_file_close(self, &listening); },
        };
    }
    std::vector<call> client()
    {
        return {
            [this](tacet_task* self) { return tacet_socket_open(self, &connected, domain, SOCK_STREAM, 0); },
            [this](tacet_task* self) { return tacet_socket_connect(self, &connected, bound.get(), bound.length); },
            [this](tacet_task* self) { return tacet_socket_get_peer(self, &connected, seen.get(), &seen.length); },
            [this](tacet_task* self) { return tacet_socket_send(self, &connected, "question", 8, 0); },
            [this](tacet_task* self) { return tacet_socket_receive(self, &connected, answer, 6, MSG_WAITALL); },
            [this](tacet_task* self) { return tacet_socket_shutdown(self, &connected, SHUT_WR); },
            [this](tacet_task* self) { return tacet_file_close(self, &connected); },
        };
    }

    int domain;
    socket_name any, bound, peer, seen;
    tacet_file listening = {-1, 0, 0}, accepted = {-1, 0, 0}, connected = {-1, 0, 0};
    char got[16] = "", answer[16] = "", end = 0;
};

}

TEST_CASE("a client and a server meet, talk and part", "[socket]")
{
    const stream_kind& kind = GENERATE(from_range(stream_kinds()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const ring_kind& ring = GENERATE(from_range(kernel_rings()));
    CAPTURE(kind.name, switcher.name, ring.name);
    const std::size_t before = open_descriptors();
    {
        executor executor(ring);
        meeting meeting(kind.domain);
        task server(switcher, meeting.server()), client(switcher, meeting.client());
        server.attach(executor);
        client.attach(executor);
        CHECK(executor.run_until_idle() > 0);
        CHECK(server.results() == results{0, 0, 0, 0, 0, 8, 6, 0, 0, 0});
        CHECK(client.results() == results{0, 0, 0, 8, 6, 0, 0});
        CHECK(std::string(meeting.got, 8) == "question");
        CHECK(std::string(meeting.answer, 6) == "answer");
        CHECK(meeting.peer.storage.ss_family == kind.domain);
        CHECK(meeting.seen.length == meeting.bound.length);
        CHECK(std::memcmp(&meeting.seen.storage, &meeting.bound.storage, meeting.bound.length) == 0);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("where the ring cannot make sockets they are made all the same", "[socket]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const bool accounting = GENERATE(false, true);
    const std::size_t before = open_descriptors();
    {
        executor executor(default_ring, accounting);
        inside_hide(executor, IORING_OP_SOCKET);
        meeting meeting(AF_INET);
        task server(switcher, meeting.server()), client(switcher, meeting.client());
        server.attach(executor);
        client.attach(executor);
        CHECK(executor.run_until_idle() > 0);
        CHECK(server.results() == results{0, 0, 0, 0, 0, 8, 6, 0, 0, 0});
        CHECK(client.results() == results{0, 0, 0, 8, 6, 0, 0});

        tacet_op op = {};
        tacet_file opened = {0, 0, 0};
        const call start = [&](tacet_task* self) {
            return tacet_socket_open_start(&op, self, AF_INET, SOCK_STREAM, 0);
        };
        task starts(switcher, {start, start, [&](tacet_task* self) { return tacet_task_await(self, &op); },
                               [&](tacet_task* self) { return tacet_socket_open(self, &opened, 1000, 1, 0); }});
        starts.attach(executor);
        CHECK(executor.run_until_idle() > 0);
        REQUIRE(starts.results().size() == 4);
        CHECK(starts.results()[0] == 0);
        CHECK(starts.results()[1] == -EBUSY);
        const descriptor made(static_cast<int>(starts.results()[2]));
        CHECK(::fcntl(made.get(), F_GETFD) == FD_CLOEXEC);
        CHECK(starts.results()[3] == -EAFNOSUPPORT);
        CHECK(opened.fd == -1);
        CHECK(executor.stats().in_flight == 0);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("a socket made without the ring that nobody takes is closed", "[socket]")
{
    static tacet_result made;
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const std::size_t before = open_descriptors();
    {
        executor executor;
        inside_hide(executor, IORING_OP_SOCKET);
        tacet_file opened = {-1, 0, 0};
        tacet_op op = {}, callback = {};
        task waits(switcher, {[&](tacet_task* self) { return tacet_socket_open(self, &opened, AF_INET, 1, 0); }});
        task leaves(switcher, {[&](tacet_task* self) { return tacet_socket_open_start(&op, self, AF_INET, 1, 0); }});
        leaves.attach(executor);
        waits.attach(executor);
        CHECK(tacet_executor_run(executor, 2, nullptr) == 2);
        CHECK(waits.results().empty()); /* it comes through the ready queue, like any */
        REQUIRE(tacet_op_init_callback(
                    &callback, executor, [](tacet_op* ended) { made = ended->result; }, TACET_PRIORITY_LOW) == 0);
        CHECK(tacet_socket_open_start(&callback, nullptr, AF_INET, 1, 0) == 0);
        CHECK(executor.destroy() == 0);
        CHECK(opened.fd == -1);
        CHECK(op.request.state == TACET_OP_IDLE);
        REQUIRE(made >= 0);
        ::close(static_cast<int>(made));
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("arguments on a stack that moves are copied there and back", "[socket]")
{
    const switcher_kind& switcher = GENERATE(from_range(own_stack_switchers()));
    executor executor;
    const descriptor listening = listener(AF_INET);
    const tacet_file listener_file = listening.file();
    socket_name to = name_of(listening);
    /* Two at once: the copying switcher takes the one's stack away while the other runs. */
    const call serve = [&](tacet_task* self) {
        tacet_file accepted;
        socket_name peer;
        char byte = 0;
        tacet_result r = tacet_socket_accept(self, &listener_file, &accepted, peer.get(), &peer.length, 0);
        CHECK(peer.length == sizeof(sockaddr_in));
        CHECK(peer.storage.ss_family == AF_INET);
        r = r < 0 ? r : tacet_socket_receive(self, &accepted, &byte, 1, 0);
        CHECK(byte == 'x');
        return r < 0 ? r : tacet_file_close(self, &accepted);
    };
    const call ask = [&](tacet_task* self) {
        tacet_file connected;
        socket_name target = to;
        const char byte = 'x';
        tacet_result r = tacet_socket_open(self, &connected, AF_INET, SOCK_STREAM, 0);
        r = r < 0 ? r : tacet_socket_connect(self, &connected, target.get(), target.length);
        r = r < 0 ? r : tacet_socket_send(self, &connected, &byte, 1, 0);
        return r < 0 ? r : tacet_file_close(self, &connected);
    };
    task server(switcher, {serve}), client(switcher, {ask});
    server.attach(executor);
    client.attach(executor);
    CHECK(executor.run_until_idle() > 0);
    CHECK(server.results() == results{0});
    CHECK(client.results() == results{0});
}

TEST_CASE("datagrams and packets keep their bounds, and say from whom they are", "[socket]")
{
    const int domain = GENERATE(from_range(stream_kinds())).domain;
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    executor executor;
    const descriptor here = bound(domain, SOCK_DGRAM), there = bound(domain, SOCK_DGRAM);
    const tacet_file from = here.file(), to = there.file();
    socket_name target = name_of(there), source = name_of(here), seen;
    char buffer[16];
    iovec vectors[2] = {{buffer, 2}, {buffer + 2, 14}};
    msghdr message = {};
    message.msg_name = seen.get();
    message.msg_namelen = seen.length;
    message.msg_iov = vectors;
    message.msg_iovlen = 2;
    iovec whole = {const_cast<char*>("longer"), 6};
    msghdr sent = {};
    sent.msg_name = target.get();
    sent.msg_namelen = target.length;
    sent.msg_iov = &whole;
    sent.msg_iovlen = 1;
    task talks(switcher, {[&](tacet_task* self) {
                              return tacet_socket_send_to(self, &from, "abc", 3, 0, target.get(), target.length);
                          },
                          [&](tacet_task* self) { return tacet_socket_send_message(self, &from, &sent, 0); },
                          [&](tacet_task* self) { return tacet_socket_receive_message(self, &to, &message, 0); },
                          [&](tacet_task* self) { return tacet_socket_receive(self, &to, buffer, 4, 0); }});
    talks.attach(executor);
    CHECK(executor.run_until_idle() > 0);
    CHECK(talks.results() == results{3, 6, 3, 4});
    CHECK(std::string(buffer, 4) == "long");
    CHECK(message.msg_namelen == source.length);
    CHECK(std::memcmp(&seen.storage, &source.storage, source.length) == 0);
}

TEST_CASE("sequenced packets arrive whole, in order, and end", "[socket]")
{
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
    descriptor writer(fds[0]), reader(fds[1]);
    const tacet_file from = writer.file(), to = reader.file();
    char buffer[8];
    executor executor;
    task talks(GENERATE(from_range(suspending_switchers())),
               {[&](tacet_task* self) { return tacet_socket_send(self, &from, "one", 3, 0); },
                [&](tacet_task* self) { return tacet_socket_send(self, &from, "second", 6, MSG_EOR); },
                [&](tacet_task* self) { return tacet_socket_shutdown(self, &from, SHUT_WR); },
                [&](tacet_task* self) { return tacet_socket_receive(self, &to, buffer, 8, 0); },
                [&](tacet_task* self) { return tacet_socket_receive(self, &to, buffer, 8, 0); },
                [&](tacet_task* self) { return tacet_socket_receive(self, &to, buffer, 8, 0); }});
    talks.attach(executor);
    CHECK(executor.run_until_idle() > 0);
    CHECK(talks.results() == results{3, 6, 0, 3, 6, 0});
}

TEST_CASE("options are set and read", "[socket]")
{
    stream_pair stream(AF_INET);
    const tacet_file socket = stream.ends[0].file();
    const int on = 1;
    int value = 0;
    socklen_t bytes = sizeof value;
    CHECK(tacet_socket_set_option(nullptr, &socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    CHECK(tacet_socket_get_option(nullptr, &socket, IPPROTO_TCP, TCP_NODELAY, &value, &bytes) == 0);
    CHECK(value == 1);
    CHECK(tacet_socket_set_option(nullptr, &socket, 1 << 20, 0, &on, sizeof on) == -ENOPROTOOPT);
}

TEST_CASE("a peer that has gone is an error, not a signal", "[socket]")
{
    const stream_kind& kind = GENERATE(from_range(stream_kinds()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    CAPTURE(kind.name, switcher.name);
    stream_pair stream(kind.domain);
    const tacet_file socket = stream.ends[0].file();
    iovec vector = {const_cast<char*>("x"), 1};
    msghdr message = {};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    caller run(switcher);
    REQUIRE(::shutdown(stream.ends[0].get(), SHUT_WR) == 0);
    CHECK(run([&](tacet_task* self) { return tacet_socket_send(self, &socket, "x", 1, 0); }) == -EPIPE);
    CHECK(run([&](tacet_task* self) { return tacet_socket_send_message(self, &socket, &message, 0); }) == -EPIPE);
    CHECK(run([&](tacet_task* self) { return tacet_socket_send_zero_copy(self, &socket, "x", 1, 0); }) == -EPIPE);
}

TEST_CASE("a reset by the peer is told to who receives", "[socket]")
{
    stream_pair stream(AF_INET);
    const linger at_once = {1, 0};
    REQUIRE(::setsockopt(stream.ends[1].get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    const tacet_file socket = stream.ends[0].file();
    char byte;
    executor executor;
    task receives(GENERATE(from_range(suspending_switchers())),
                  {[&](tacet_task* self) { return tacet_socket_receive(self, &socket, &byte, 1, 0); }});
    receives.attach(executor);
    settle(executor);
    stream.ends[1].close();
    CHECK(executor.run_until_idle() > 0);
    CHECK(receives.results() == results{-ECONNRESET});
}

TEST_CASE("what cannot be is refused", "[socket]")
{
    caller run(suspending_switchers()[0]);
    const descriptor closed_port = bound(AF_INET, SOCK_STREAM);
    const descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const tacet_file socket = client.file(), nobody = {1 << 20, 0, 0};
    socket_name to = name_of(closed_port);
    char byte;
    tacet_file opened;
    CHECK(run([&](tacet_task* self) { return tacet_socket_connect(self, &socket, to.get(), to.length); }) ==
          -ECONNREFUSED);
    CHECK(run([&](tacet_task* self) { return tacet_socket_connect(self, &socket, nullptr, 0); }) == -EINVAL);
    CHECK(run([&](tacet_task* self) { return tacet_socket_connect(self, nullptr, to.get(), to.length); }) == -EINVAL);
    CHECK(run([&](tacet_task* self) { return tacet_socket_open(self, &opened, 1000, SOCK_STREAM, 0); }) ==
          -EAFNOSUPPORT);
    CHECK(run([&](tacet_task* self) { return tacet_socket_open(self, nullptr, AF_INET, SOCK_STREAM, 0); }) == -EINVAL);
    CHECK(run([&](tacet_task* self) { return tacet_socket_receive(self, &nobody, &byte, 1, 0); }) == -EBADF);
    CHECK(run([&](tacet_task* self) {
              return tacet_socket_receive(self, &socket, &byte, std::size_t{INT_MAX} + 1, 0);
          }) == -EINVAL);
    CHECK(run([&](tacet_task* self) { return tacet_socket_send(self, &socket, &byte, SIZE_MAX, 0); }) == -EINVAL);
    CHECK(run([&](tacet_task* self) { return tacet_socket_send_message(self, &socket, nullptr, 0); }) == -EINVAL);
    CHECK(run([&](tacet_task* self) { return tacet_socket_receive_message(self, &socket, nullptr, 0); }) == -EINVAL);
    CHECK(run([&](tacet_task* self) { return tacet_socket_accept(self, &socket, nullptr, nullptr, nullptr, 0); }) ==
          -EINVAL);
    CHECK(run([&](tacet_task* self) { return tacet_socket_shutdown(self, &socket, SHUT_RD); }) == -ENOTCONN);
}

TEST_CASE("a message on a stack that moves is refused", "[socket]")
{
    stream_pair stream(AF_UNIX);
    const tacet_file socket = stream.ends[0].file();
    executor executor;
    const call sends = [&](tacet_task* self) {
        iovec vector = {const_cast<char*>("x"), 1};
        msghdr message = {};
        message.msg_iov = &vector;
        message.msg_iovlen = 1;
        return tacet_socket_send_message(self, &socket, &message, 0);
    };
    for (const switcher_kind& switcher : own_stack_switchers()) {
        task task(switcher, {sends});
        task.attach(executor);
        CHECK(executor.run_until_idle() > 0);
        CHECK(task.results() == results{std::string(switcher.name) == "copying" ? -EFAULT : 1});
    }
}

TEST_CASE("a name is looked up without holding up the others", "[socket]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    executor executor;
    const auto flags = AI_NUMERICHOST | AI_NUMERICSERV;
    addrinfo hints = {};
    hints.ai_flags = flags;
    hints.ai_socktype = SOCK_STREAM;
    tacet_lookup found = {"127.0.0.1", "80", &hints, nullptr, 0}, missing = {"no address", "80", &hints, nullptr, 0};
    task looks(switcher, {[&](tacet_task* self) { return tacet_look_up(self, &found); },
                          [&](tacet_task* self) { return tacet_look_up(self, &missing); },
                          [&](tacet_task* self) { return tacet_look_up(self, nullptr); }});
    looks.attach(executor);
    CHECK(executor.run_until_idle() > 0);
    CHECK(looks.results() == results{0, -ENOENT, -EINVAL});
    REQUIRE(found.found != nullptr);
    CHECK(reinterpret_cast<sockaddr_in*>(found.found->ai_addr)->sin_port == htons(80));
    CHECK(missing.error == EAI_NONAME);
    tacet_lookup_finish(&found);
    tacet_lookup_finish(&missing);
    CHECK(found.found == nullptr);
}
