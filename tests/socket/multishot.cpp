/* Connections and data that come one after the other, buffers chosen by the kernel, and sends that do not copy. */
#include "socket/support.hpp"

#include <random>
#include <sys/resource.h>

using namespace support;

namespace {

using results = std::vector<tacet_result>;

struct buffers {
    buffers(tacet_executor* executor, unsigned count, std::size_t bytes)
    {
        REQUIRE(tacet_buffer_ring_create(&ring, executor, count, bytes) == 0);
    }
    buffers(const buffers&) = delete;
    ~buffers() { tacet_buffer_ring_destroy(ring); }
    std::string take(int buffer, tacet_result bytes) const
    {
        REQUIRE(buffer >= 0);
        std::string text(static_cast<char*>(tacet_buffer_ring_at(ring, static_cast<unsigned>(buffer))),
                         static_cast<std::size_t>(bytes));
        tacet_buffer_ring_give(ring, static_cast<unsigned>(buffer));
        return text;
    }
    tacet_buffer_ring* ring = nullptr;
};

std::string random_bytes(std::size_t count)
{
    std::minstd_rand random(7);
    std::string bytes(count, '\0');
    for (char& byte : bytes)
        byte = static_cast<char>(random());
    return bytes;
}

/* From now on the process may lock next to no memory. */
bool become_ordinary()
{
    const rlimit few = {65536, 65536};
    return ::setrlimit(RLIMIT_MEMLOCK, &few) == 0 &&
           (::getuid() != 0 || (::setgid(65534) == 0 && ::setuid(65534) == 0));
}

/* What was sent is what has come. MSG_WAITALL would not wait where the ring's end has left the thread something to do. */
bool has_come(int fd, const std::string& bytes, tacet_result sent)
{
    std::string got(static_cast<std::size_t>(sent), '\0');
    ssize_t some = 1;
    for (std::size_t at = 0; at < got.size() && some > 0; at += static_cast<std::size_t>(some))
        some = ::recv(fd, got.data() + at, got.size() - at, 0);
    return some > 0 && bytes.compare(0, got.size(), got) == 0;
}

/* As much as the socket takes. */
std::size_t push(int fd, const std::string& bytes, std::size_t from)
{
    const ssize_t sent = ::send(fd, bytes.data() + from, bytes.size() - from, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent > 0 ? static_cast<std::size_t>(sent) : 0;
}

}

TEST_CASE("a flood of connections is accepted one by one, through whatever ring", "[socket][multishot]")
{
    const unsigned entries = GENERATE(1u, 2u, 8u);
    const unsigned results_max = GENERATE(1u, 3u, 64u);
    const stream_kind& kind = GENERATE(from_range(stream_kinds()));
    CAPTURE(entries, results_max, kind.name);
    const std::size_t before = open_descriptors();
    {
        tacet_executor_options options = {};
        options.ring_entries = entries;
        options.cq_entries = 1;
        executor executor(options);
        const descriptor listening = listener(kind.domain, 256);
        const tacet_file file = listening.file();
        tacet_multishot multishot = {};
        REQUIRE(tacet_accept_multishot_start(&multishot, executor, &file, 0, results_max) == 0);
        std::vector<descriptor> clients, servers;
        for (int wave = 0; wave < 3; wave++) {
            for (int i = 0; i < 40; i++)
                clients.push_back(connected_to(listening));
            settle(executor); /* nobody takes any: it pauses */
            const call next = task::made_again([&](tacet_task* self) -> tacet_result {
                while (servers.size() < clients.size()) {
                    const tacet_result r = tacet_multishot_next(self, &multishot);
                    if (r < 0)
                        return r;
                    servers.emplace_back(static_cast<int>(r));
                }
                return 0;
            });
            task taker(suspending_switchers()[0], {next});
            taker.attach(executor);
            REQUIRE(executor.run_until([&] { return tacet_task_has_exited(taker); }));
            CHECK(taker.results() == results{0});
        }
        CHECK(servers.size() == 120);
        for (const descriptor& client : clients)
            CHECK(::send(client.get(), "x", 1, 0) == 1);
        char byte;
        for (const descriptor& server : servers)
            CHECK(::recv(server.get(), &byte, 1, 0) == 1);
        CHECK(executor.destroy() == 0);
        tacet_multishot_abandon(&multishot, [](tacet_multishot*) {});
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("connections that nobody has taken are closed with the multishot, or with its executor",
          "[socket][multishot]")
{
    const int way = GENERATE(0, 1, 2);
    const std::size_t before = open_descriptors();
    {
        executor executor;
        const descriptor listening = listener(AF_INET);
        const tacet_file file = listening.file();
        tacet_multishot multishot = {};
        REQUIRE(tacet_accept_multishot_start(&multishot, executor, &file, 0, 8) == 0);
        const descriptor first = connected_to(listening), second = connected_to(listening);
        if (way > 0)
            settle(executor);
        if (way > 1) {
            task stops(suspending_switchers()[0],
                       {[&](tacet_task* self) { return tacet_multishot_stop(self, &multishot); }});
            stops.attach(executor);
            CHECK(executor.run_until_idle() > 0);
            CHECK(stops.results() == results{0});
        }
        CHECK(executor.destroy() == 0);
        tacet_multishot_abandon(&multishot, [](tacet_multishot*) {});
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("what is received piece by piece is what was sent, with few buffers and small rings", "[socket][multishot]")
{
    const unsigned entries = GENERATE(1u, 2u, 8u);
    const unsigned count = GENERATE(1u, 2u, 16u);
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    CAPTURE(entries, count, switcher.name);
    tacet_executor_options options = {};
    options.ring_entries = entries;
    options.cq_entries = 1;
    executor executor(options);
    const stream_pair stream(AF_UNIX);
    const tacet_file to = stream.ends[1].file();
    const buffers buffers(executor, count, 1000);
    CHECK(tacet_buffer_ring_count(buffers.ring) == count);
    const std::string sent = random_bytes(200000);
    std::string got;
    std::size_t pushed = 0;
    tacet_multishot multishot = {};
    REQUIRE(tacet_receive_multishot_start(&multishot, executor, &to, buffers.ring, 0, 4) == 0);
    const call receive = task::made_again([&](tacet_task* self) -> tacet_result {
        for (;;) {
            const tacet_result r = tacet_multishot_next(self, &multishot);
            if (r == -ENOBUFS)
                continue;
            if (r <= 0)
                return r;
            got += buffers.take(tacet_multishot_buffer(&multishot), r);
        }
    });
    const call stop = [&](tacet_task* self) { return tacet_multishot_stop(self, &multishot); };
    task receives(switcher, {receive, stop});
    receives.attach(executor);
    while (pushed < sent.size()) {
        pushed += push(stream.ends[0].get(), sent, pushed);
        CHECK(tacet_executor_run(executor, 50, &no_time) >= -ETIME);
    }
    REQUIRE(::shutdown(stream.ends[0].get(), SHUT_WR) == 0);
    CHECK(executor.run_until_idle() >= 0);
    CHECK(receives.results() == results{0, 0});
    CHECK((got == sent));
    CHECK(executor.stats().in_flight == 0);
}

TEST_CASE("the kernel chooses the buffer of a receive and of a read, while there is one", "[socket][buffers]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    executor executor;
    const stream_pair stream(AF_UNIX);
    const temporary_directory directory;
    directory.write("file", "contents");
    const descriptor opened(::open((directory / "file").c_str(), O_RDONLY | O_CLOEXEC));
    const tacet_file to = stream.ends[1].file(), file = opened.file();
    const buffers buffers(executor, 2, 4);
    REQUIRE(::send(stream.ends[0].get(), "abcdefgh", 8, 0) == 8);
    std::vector<std::string> got;
    std::vector<int> taken;
    const auto receive = [&](tacet_task* self) { return tacet_socket_receive_selected(self, &to, buffers.ring, 0); };
    const auto keep = [&](tacet_task* self) -> tacet_result {
        taken.push_back(tacet_task_buffer(self));
        return 0;
    };
    const auto give = [&](tacet_task*) -> tacet_result {
        for (const int buffer : taken)
            got.push_back(buffers.take(buffer, 4));
        taken.clear();
        return 0;
    };
    task task(switcher,
              {receive, keep, receive, keep, receive, give,
               [&](tacet_task* self) { return tacet_file_read_selected(self, &file, buffers.ring, 2); }, keep, give});
    task.attach(executor);
    REQUIRE(::send(stream.ends[0].get(), "more", 4, 0) == 4);
    CHECK(executor.run_until_idle() > 0);
    CHECK(task.results() == results{4, 0, 4, 0, -ENOBUFS, 0, 4, 0, 0});
    CHECK(got == std::vector<std::string>{"abcd", "efgh", "nten"});
}

TEST_CASE("the buffer of an op that its task does not reap goes back", "[socket][buffers]")
{
    executor executor;
    const stream_pair stream(AF_UNIX);
    const tacet_file to = stream.ends[1].file();
    const buffers buffers(executor, 1, 4);
    for (int round = 0; round < 3; round++) {
        tacet_op op = {};
        task leaves(suspending_switchers()[0], {[&](tacet_task* self) {
                        return tacet_socket_receive_selected_start(&op, self, &to, buffers.ring, 0);
                    }});
        leaves.attach(executor);
        REQUIRE(::send(stream.ends[0].get(), "abcd", 4, 0) == 4);
        CHECK(executor.run_until_idle() > 0);
        CHECK(leaves.results() == results{0});
    }
    task receives(suspending_switchers()[0],
                  {[&](tacet_task* self) { return tacet_socket_receive_selected(self, &to, buffers.ring, 0); }});
    receives.attach(executor);
    REQUIRE(::send(stream.ends[0].get(), "abcd", 4, 0) == 4);
    CHECK(executor.run_until_idle() > 0);
    CHECK(receives.results() == results{4}); /* not -ENOBUFS */
}

TEST_CASE("rings of buffers that cannot be are refused, and may outlive their executor", "[socket][buffers]")
{
    executor without_ring(ring_kind{"no ring", 0, 0});
    tacet_buffer_ring* ring = nullptr;
    tacet_buffer_ring* second = nullptr;
    CHECK(tacet_buffer_ring_create(&ring, without_ring, 1, 1) == -ENOTSUP);
    {
        executor executor;
        CHECK(tacet_buffer_ring_create(nullptr, executor, 1, 1) == -EINVAL);
        CHECK(tacet_buffer_ring_create(&ring, nullptr, 1, 1) == -EINVAL);
        CHECK(tacet_buffer_ring_create(&ring, executor, 0, 1) == -EINVAL);
        CHECK(tacet_buffer_ring_create(&ring, executor, TACET_BUFFERS_MAX + 1, 1) == -EINVAL);
        CHECK(tacet_buffer_ring_create(&ring, executor, 1, 0) == -EINVAL);
        CHECK(tacet_buffer_ring_create(&ring, executor, 1, std::size_t{1} << 31) == -EINVAL);
        CHECK(tacet_buffer_ring_create(&ring, executor, 3, 100) == 0);
        CHECK(tacet_buffer_ring_create(&second, executor, 1, 100) == 0);
        CHECK(tacet_buffer_ring_count(ring) == 4);
        CHECK(tacet_buffer_ring_bytes(ring) == 100);
        tacet_buffer_ring_destroy(ring);
        CHECK(tacet_buffer_ring_create(&ring, executor, 1, 1) == 0);
    }
    tacet_buffer_ring_destroy(ring);
    tacet_buffer_ring_destroy(second);
    tacet_buffer_ring_destroy(nullptr);
}

TEST_CASE("what is sent without a copy arrives, and the buffer is free afterwards", "[socket][zero copy]")
{
    const stream_kind& kind = GENERATE(from_range(stream_kinds()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const ring_kind& ring = GENERATE(from_range(kernel_rings()));
    CAPTURE(kind.name, switcher.name, ring.name);
    executor executor(ring);
    const stream_pair stream(kind.domain);
    const tacet_file from = stream.ends[0].file(), to = stream.ends[1].file();
    CHECK(tacet_socket_has_zero_copy(executor, from.fd) == (kind.domain != AF_UNIX));
    const std::string bytes = random_bytes(300000);
    std::string buffer = bytes, got(bytes.size(), '\0');
    std::size_t sent = 0;
    task receiver(switcher, {[&](tacet_task* self) {
                      return tacet_socket_receive(self, &to, got.data(), got.size(), MSG_WAITALL);
                  }});
    receiver.attach(executor);
    while (sent < buffer.size()) {
        task sender(switcher, {[&](tacet_task* self) {
                        return tacet_socket_send_zero_copy(self, &from, buffer.data() + sent, buffer.size() - sent, 0);
                    }});
        sender.attach(executor);
        REQUIRE(executor.run_until([&] { return tacet_task_has_exited(sender); }));
        const tacet_result r = tacet_task_result(sender);
        REQUIRE(r > 0);
        for (std::size_t i = 0; i < static_cast<std::size_t>(r); i++)
            buffer[sent + i] = '!'; /* it is ours again */
        sent += static_cast<std::size_t>(r);
    }
    CHECK(executor.run_until_idle() >= 0);
    CHECK(receiver.results() == results{static_cast<tacet_result>(bytes.size())});
    CHECK((got == bytes));
    CHECK(executor.stats().in_flight == 0);
}

TEST_CASE("a zero-copy send ends once, by op, callback, cancel or with its executor", "[socket][zero copy]")
{
    static int ended;
    static tacet_result result;
    ended = 0;
    const int way = GENERATE(0, 1, 2);
    support::executor executor(GENERATE(from_range(kernel_rings())));
    const stream_pair stream(AF_INET);
    const tacet_file from = stream.ends[0].file();
    const std::string bytes(20000, 'x');
    tacet_op op = {};
    REQUIRE(tacet_op_init_callback(
                &op, executor,
                [](tacet_op* done) {
                    ended++;
                    result = done->result;
                },
                TACET_PRIORITY_NORMAL) == 0);
    REQUIRE(tacet_socket_send_zero_copy_start(&op, nullptr, &from, bytes.data(), bytes.size(), 0) == 0);
    if (way == 1)
        CHECK(tacet_op_cancel(&op) == 0);
    if (way < 2)
        CHECK(executor.run_until_idle() > 0);
    CHECK(executor.destroy() == 0);
    CHECK(ended == 1);
    CHECK((result == 20000 || (way > 0 && result == -ECANCELED)));
}

TEST_CASE("where no memory may be locked, what is to be sent without a copy is copied", "[socket][zero copy]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const int form = GENERATE(0, 1, 2, 3);
    CAPTURE(switcher.name, form);
    const std::string bytes = random_bytes(4 << 20);
    const stream_pair stream(AF_INET);
    const tacet_file from = stream.ends[0].file();
    const auto send_it = [&] {
        static tacet_result ended;
        ended = 0;
        tacet_executor_options options = {};
        options.ring_entries = 8;
        tacet_executor* executor = nullptr;
        if (!become_ordinary() || create_patiently(&executor, &options) != 0)
            return 1;
        tacet_op op = {};
        const call send = [&](tacet_task* self) {
            return tacet_socket_send_zero_copy(self, &from, bytes.data(), bytes.size(), 0);
        };
        const call start = [&](tacet_task* self) {
            return tacet_socket_send_zero_copy_start(&op, self, &from, bytes.data(), bytes.size(), 0);
        };
        task task(switcher,
                  form == 0 ? std::vector<call>{send}
                            : std::vector<call>{start, [&](tacet_task* self) { return tacet_task_await(self, &op); }});
        if (form < 2) {
            task.attach(executor);
        } else if (tacet_op_init_callback(
                       &op, executor, [](tacet_op* done) { ended = done->result; }, TACET_PRIORITY_NORMAL) != 0 ||
                   start(nullptr) != 0) {
            return 2;
        }
        if (form == 3) { /* it may be destroyed at any time */
            const timespec at_once = {0, 0};
            if (tacet_executor_run(executor, 1, &at_once) < -ETIME)
                return 7;
            return tacet_executor_destroy(executor) == 0 && (ended > 0 || ended == -ECANCELED) ? 0 : 3;
        }
        if (tacet_executor_run(executor, TACET_UNTIL_IDLE, nullptr) < 0)
            return 4;
        if (form < 2)
            ended = task.results().back();
        if (tacet_executor_destroy(executor) != 0 || ended <= 0)
            return 5;
        return has_come(stream.ends[1].get(), bytes, ended) ? 0 : 6;
    };
    CHECK(in_child(send_it) == 0);
}
