/* Waits on sockets that are cancelled, timed out or destroyed: what came is had by somebody, or given back. */
#include "socket/support.hpp"
#include "support/waits.hpp"

#include <sys/resource.h>

using namespace support;

namespace {

using results = std::vector<tacet_result>;

/* Each wait on a socket that does not end of itself. */
struct socket_waits {
    socket_waits() : stream(AF_UNIX), listening(listener(AF_INET)), packets(bound(AF_INET, SOCK_DGRAM))
    {
        message.msg_iov = &vector;
        message.msg_iovlen = 1;
        const std::string full(1 << 16, 'x');
        while (::send(stream.ends[1].get(), full.data(), full.size(), MSG_DONTWAIT) > 0)
            ;
        make();
    }
    void make()
    {
        calls = {
            {"receive", [this](tacet_task* self) { return tacet_socket_receive(self, &socket, &byte, 1, 0); }},
            {"receive message",
             [this](tacet_task* self) { return tacet_socket_receive_message(self, &datagrams, &message, 0); }},
            {"send", [this](tacet_task* self) { return tacet_socket_send(self, &full, &byte, 1, 0); }},
            {"accept",
             [this](tacet_task* self) {
                 return tacet_socket_accept(self, &listener_file, &accepted, peer.get(), &peer.length, 0);
             }},
            {"selected",
             [this](tacet_task* self) {
                 if (buffers == nullptr)
                     CHECK(tacet_buffer_ring_create(&buffers, tacet_task_executor(self), 2, 64) == 0);
                 return tacet_socket_receive_selected(self, &socket, buffers, 0);
             }},
        };
    }
    ~socket_waits() { tacet_buffer_ring_destroy(buffers); }

    stream_pair stream;
    descriptor listening, packets;
    tacet_file socket = stream.ends[0].file(), full = stream.ends[1].file();
    tacet_file listener_file = listening.file(), datagrams = packets.file(), accepted = {-1, 0, 0};
    socket_name peer;
    char byte = 0;
    iovec vector = {&byte, 1};
    msghdr message = {};
    tacet_buffer_ring* buffers = nullptr;
    std::vector<std::pair<std::string, call>> calls;
};

/* Both directions of the stream are full or empty; the first end has nothing to receive. */
void empty(const socket_waits& waits)
{
    char buffer[1 << 12];
    while (::recv(waits.socket.fd, buffer, sizeof buffer, MSG_DONTWAIT) > 0)
        ;
    const std::string full(1 << 16, 'x');
    while (::send(waits.socket.fd, full.data(), full.size(), MSG_DONTWAIT) > 0)
        ;
}

/* Further connections to it wait. */
struct full_listener {
    explicit full_listener(int domain) : listening(listener(domain, 0))
    {
        socket_name to = name_of(listening);
        for (int i = 0; i < 4; i++) {
            clients.emplace_back(::socket(domain, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
            REQUIRE(clients.back().get() >= 0);
            (void)!::connect(clients.back().get(), to.get(), to.length);
        }
    }
    descriptor listening;
    std::vector<descriptor> clients;
};

/* While it lives no descriptor is to be had. */
class no_descriptors {
public:
    no_descriptors()
    {
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
        const rlimit few = {static_cast<rlim_t>(::dup(0)), before_.rlim_max};
        ::close(static_cast<int>(few.rlim_cur));
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
    }
    no_descriptors(const no_descriptors&) = delete;
    ~no_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_ = {};
};

int descriptor_in(const msghdr& message)
{
    const cmsghdr* part = CMSG_FIRSTHDR(&message);
    int fd = -1;
    if (part != nullptr && part->cmsg_type == SCM_RIGHTS)
        std::memcpy(&fd, CMSG_DATA(part), sizeof fd);
    return fd;
}

/* A message with room for one descriptor. */
struct rights {
    rights()
    {
        message.msg_iov = &vector;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
    }
    void put(int fd)
    {
        cmsghdr* part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(part), &fd, sizeof fd);
    }
    char byte = 'x';
    iovec vector = {&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message = {};
};

void send_rights(int through, int fd)
{
    rights sent;
    sent.put(fd);
    REQUIRE(::sendmsg(through, &sent.message, 0) == 1);
}

}

TEST_CASE("a wait on a socket ends by a cancel, a deadline, or with its executor", "[socket][cancel]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const ring_kind& ring = GENERATE(from_range(kernel_rings()));
    const std::size_t which = GENERATE(0u, 1u, 3u, 4u);
    const int way = GENERATE(0, 1, 2, 3);
    const std::size_t before = open_descriptors();
    {
        socket_waits waits;
        empty(waits);
        CAPTURE(switcher.name, ring.name, waits.calls[which].first, way);
        executor executor(ring);
        task task(switcher, {waits.calls[which].second, waits.calls[which].second});
        task.attach(executor);
        if (way > 0)
            settle(executor);
        if (way <= 1) {
            CHECK(tacet_task_cancel(task) == 0);
            settle(executor);
            REQUIRE(task.results().size() == 1);
            CHECK(was_cancelled(task.results()[0]));
        }
        if (way == 2) {
            CHECK(tacet_task_set_deadline(task, 1) == 0);
            CHECK(executor.run_until_idle() > 0);
            CHECK(task.results() == results{-ETIME, -ETIME});
        }
        CHECK(executor.destroy() == 0);
        CHECK(tacet_task_has_exited(task));
        CHECK(waits.peer.length == sizeof waits.peer.storage);
        CHECK(waits.peer.storage.ss_family == AF_UNSPEC);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("a connect that waits ends by a cancel, a deadline, or with its executor", "[socket][cancel]")
{
    const stream_kind& kind = GENERATE(from_range(stream_kinds()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const ring_kind& ring = GENERATE(from_range(kernel_rings()));
    const int way = GENERATE(0, 1, 2);
    CAPTURE(kind.name, switcher.name, ring.name, way);
    const std::size_t before = open_descriptors();
    {
        const full_listener full(kind.domain);
        const descriptor client(::socket(kind.domain, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const tacet_file file = client.file();
        socket_name to = name_of(full.listening);
        const call connect = [&](tacet_task* self) { return tacet_socket_connect(self, &file, to.get(), to.length); };
        executor executor(ring);
        task task(switcher, {connect, [](tacet_task* self) { return tacet_yield(self); }});
        task.attach(executor);
        settle(executor);
        CHECK(task.results().empty());
        if (way == 0) {
            CHECK(tacet_task_cancel(task) == 0);
            CHECK(executor.run_until_idle() > 0);
            REQUIRE(task.results().size() == 2);
            CHECK(was_cancelled(task.results()[0]));
            CHECK(task.results()[1] == 0);
        }
        if (way == 1) {
            CHECK(tacet_task_set_deadline(task, 1) == 0);
            CHECK(executor.run_until_idle() > 0);
            CHECK(task.results() == results{-ETIME, -ETIME});
        }
        CHECK(executor.destroy() == 0);
        CHECK(tacet_task_has_exited(task));
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("without a descriptor for it a connection is not accepted, and not lost", "[socket]")
{
    const stream_kind& kind = GENERATE(from_range(stream_kinds()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const bool streams = GENERATE(false, true);
    CAPTURE(kind.name, switcher.name, streams);
    executor executor;
    const descriptor listening = listener(kind.domain), client = connected_to(listening);
    const tacet_file file = listening.file();
    tacet_file accepted = {-1, 0, 0}, opened = {-1, 0, 0};
    tacet_multishot multishot = {};
    const call open = [&](tacet_task* self) { return tacet_socket_open(self, &opened, kind.domain, SOCK_STREAM, 0); };
    const call accept = [&](tacet_task* self) {
        return tacet_socket_accept(self, &file, &accepted, nullptr, nullptr, 0);
    };
    const call start = [&](tacet_task* self) {
        return tacet_accept_multishot_start(&multishot, tacet_task_executor(self), &file, 0, 4);
    };
    const call next = task::made_again([&](tacet_task* self) {
        const tacet_result r = tacet_multishot_next(self, &multishot);
        accepted.fd = r > 0 ? static_cast<int>(r) : -1;
        return r > 0 ? 0 : r;
    });
    task without(switcher, {open, streams ? start : open, streams ? next : accept});
    task with(switcher, {streams ? next : accept});
    {
        const no_descriptors none;
        without.attach(executor);
        settle(executor);
        CHECK(without.results() == results{-EMFILE, streams ? 0 : -EMFILE, -EMFILE});
    }
    with.attach(executor);
    settle(executor);
    CHECK(with.results() == results{0});
    CHECK(::send(client.get(), "x", 1, 0) == 1);
    char byte = 0;
    CHECK(::recv(accepted.fd, &byte, 1, 0) == 1);
    ::close(accepted.fd);
    CHECK(executor.destroy() == 0);
    tacet_multishot_abandon(&multishot, [](tacet_multishot*) {});
}

TEST_CASE("a send that waits for room is cancelled", "[socket][cancel]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    socket_waits waits;
    executor executor;
    task task(switcher, {waits.calls[2].second});
    task.attach(executor);
    settle(executor);
    CHECK(task.results().empty());
    CHECK(tacet_task_cancel(task) == 0);
    CHECK(executor.run_until_idle() > 0);
    REQUIRE(task.results().size() == 1);
    CHECK(was_cancelled(task.results()[0]));
}

TEST_CASE("a connection that comes with the cancel of its accept is had, or is the next one's", "[socket][cancel]")
{
    const stream_kind& kind = GENERATE(from_range(stream_kinds()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const ring_kind& ring = GENERATE(from_range(kernel_rings()));
    const std::size_t before = open_descriptors();
    std::size_t had = 0, cancelled = 0;
    {
        executor executor(ring);
        const descriptor listening = listener(kind.domain);
        const tacet_file file = listening.file();
        for (int round = 0; round < 24; round++) {
            tacet_file accepted = {-1, 0, 0};
            const call accept = [&](tacet_task* self) {
                return tacet_socket_accept(self, &file, &accepted, nullptr, nullptr, 0);
            };
            const call close_it = [&](tacet_task* self) { return tacet_file_close(self, &accepted); };
            task first(switcher, {accept});
            first.attach(executor);
            for (int settled = 0; settled < round % 4; settled++)
                CHECK(tacet_executor_run(executor, TACET_UNTIL_STOPPED, &no_time) >= -ETIME);
            descriptor client;
            const bool cancel_first = round % 8 < 4;
            if (cancel_first)
                CHECK(tacet_task_cancel(first) == 0);
            client = connected_to(listening);
            if (!cancel_first)
                CHECK(tacet_task_cancel(first) == 0);
            CHECK(executor.run_until_idle() > 0);
            REQUIRE(first.results().size() == 1);
            if (was_cancelled(first.results()[0])) {
                cancelled++;
                task second(switcher, {accept});
                second.attach(executor);
                CHECK(executor.run_until_idle() > 0);
                CHECK(second.results() == results{0});
            } else {
                CHECK(first.results() == results{0});
                had++;
            }
            REQUIRE(accepted.fd >= 0);
            task closing(switcher, {close_it});
            closing.attach(executor);
            CHECK(executor.run_until_idle() > 0);
        }
    }
    CHECK(had + cancelled == 24);
    CHECK(open_descriptors() == before);
}

TEST_CASE("a connection accepted for a task that does not come to take it is closed", "[socket][cancel]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const bool by_op = GENERATE(false, true);
    const descriptor listening = listener(AF_INET);
    const tacet_file file = listening.file();
    descriptor client;
    const std::size_t before = open_descriptors() + 1; /* and the client */
    {
        executor executor;
        tacet_op op = {};
        tacet_file accepted = {-1, 0, 0};
        const call started = [&](tacet_task* self) {
            return tacet_socket_accept_start(&op, self, &file, nullptr, nullptr, 0);
        };
        const call accept = [&](tacet_task* self) {
            return tacet_socket_accept(self, &file, &accepted, nullptr, nullptr, 0);
        };
        task task(switcher, by_op ? std::vector<call>{started, [](tacet_task* self) { return tacet_yield(self); }}
                                  : std::vector<call>{accept});
        task.attach(executor);
        CHECK(tacet_executor_run(executor, 1, &no_time) == 1);
        client = connected_to(listening);
        if (by_op)
            CHECK(executor.run_until_idle() > 0);
        CHECK(executor.destroy() == 0);
        CHECK(accepted.fd == -1);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("descriptors come with messages", "[socket][rights]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const std::size_t before = open_descriptors();
    {
        executor executor;
        stream_pair stream(AF_UNIX);
        const support::pipe passed;
        const tacet_file from = stream.ends[0].file(), to = stream.ends[1].file();
        rights sent, got;
        sent.put(passed.fds[1]);
        task task(switcher,
                  {[&](tacet_task* self) { return tacet_socket_send_message(self, &from, &sent.message, 0); },
                   [&](tacet_task* self) { return tacet_socket_receive_message(self, &to, &got.message, 0); }});
        task.attach(executor);
        CHECK(executor.run_until_idle() > 0);
        CHECK(task.results() == results{1, 1});
        const descriptor received(descriptor_in(got.message));
        REQUIRE(received.get() >= 0);
        CHECK(::write(received.get(), "y", 1) == 1);
        char byte = 0;
        CHECK(::read(passed.fds[0], &byte, 1) == 1);
        CHECK(byte == 'y');
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("descriptors of a message that its task does not come to take are closed", "[socket][rights]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const std::size_t before = open_descriptors();
    {
        stream_pair stream(AF_UNIX);
        const support::pipe passed;
        const tacet_file to = stream.ends[1].file();
        rights got;
        executor executor;
        task task(switcher, {[&](tacet_task* self) { return tacet_socket_receive_message(self, &to, &got.message, 0); },
                             [](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); }});
        task.attach(executor);
        if (GENERATE(false, true))
            settle(executor);
        else
            CHECK(tacet_executor_run(executor, 1, &no_time) == 1);
        send_rights(stream.ends[0].get(), passed.fds[0]);
        CHECK(executor.destroy() == 0);
        CHECK(task.results().empty());
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("descriptors of a message that was taken are the task's, also when it waits for ever after",
          "[socket][rights]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    stream_pair stream(AF_UNIX);
    const support::pipe passed;
    const tacet_file to = stream.ends[1].file();
    rights got;
    executor executor;
    task task(switcher, {[&](tacet_task* self) { return tacet_socket_receive_message(self, &to, &got.message, 0); },
                         [](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); }});
    send_rights(stream.ends[0].get(), passed.fds[1]);
    task.attach(executor);
    settle(executor);
    CHECK(task.results() == results{1});
    CHECK(executor.destroy() == 0);
    const descriptor received(descriptor_in(got.message));
    CHECK(::write(received.get(), "y", 1) == 1);
}
