/* What subjects of several kinds have in common: a pipe that is empty or full, a regular file, a pair of sockets, a socket that
 * listens. See subjects.hpp. */
#ifndef SUPPORT_SUBJECT_KINDS_HPP
#define SUPPORT_SUBJECT_KINDS_HPP

#include "support/subjects.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

namespace support {

constexpr std::uint64_t own_position = UINT64_MAX;

inline int bytes_in(int fd)
{
    int bytes = 0;
    CHECK(::ioctl(fd, FIONREAD, &bytes) == 0);
    return bytes;
}

struct without_effect : subject {
    void settle(tacet_result) override {}
};

/* A byte that comes by a pipe is in the pipe or in the buffer, never in both or neither. */
struct reads_pipe : subject {
    reads_pipe() { writes_to(byte); }
    void provoke() override
    {
        pipe.write("x");
        sent++;
    }
    bool is_own(tacet_result r) const override { return r == 1; }
    void settle(tacet_result r) override
    {
        CHECK((byte == 'x') == (r == 1));
        settle_untold();
    }
    void settle_untold() override { CHECK(bytes_in(pipe.fds[0]) + (byte == 'x') == sent); }

    support::pipe pipe;
    tacet_file reader = pipe.reader();
    char byte = 0;
    int sent = 0;
};

/* A full pipe, until some of it is taken out. The byte that waits is the last. */
struct writes_pipe : subject {
    writes_pipe()
    {
        CHECK(::fcntl(pipe.fds[1], F_SETPIPE_SZ, page) == page);
        pipe.write(std::string(page, 'f'));
    }
    void provoke() override
    {
        if (!taken_out)
            CHECK(::read(pipe.fds[0], drained.data(), page) == page);
        taken_out = true;
    }
    bool is_own(tacet_result r) const override { return r == 1; }
    void settle(tacet_result r) override { CHECK(bytes_in(pipe.fds[0]) == (taken_out ? 0 : page) + (r == 1)); }

    static constexpr int page = 4096;
    support::pipe pipe;
    tacet_file writer = pipe.writer();
    char byte = 'w';
    bool taken_out = false;
    std::string drained = std::string(page, 0);
};

struct on_file : subject {
    on_file()
    {
        scratch().write("file", "old");
        file.fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
        CHECK(file.fd >= 0);
    }
    ~on_file() override
    {
        if (file.fd >= 0)
            ::close(file.fd);
        CHECK(::unlink(path.c_str()) == 0);
    }
    void settle(tacet_result) override {}
    std::string contents() const { return scratch().read("file"); }

    std::string path = scratch() / "file";
    tacet_file file = {-1, O_RDWR, 0};
    char bytes[4] = "new";
    iovec vector = {bytes, 3};
};

struct reads_file : on_file {
    reads_file() { writes_to(bytes); }
    bool is_own(tacet_result r) const override { return r == 3; }
    void settle(tacet_result r) override { CHECK(std::string(bytes, 3) == (r == 3 ? "old" : "new")); }
};

struct writes_file : on_file {
    bool is_own(tacet_result r) const override { return r == 3; }
    void settle(tacet_result r) override { CHECK(contents() == (r == 3 ? "new" : "old")); }
};

/* Unix ones, so that all that is sent lies in the other end at once. */
struct on_pair : subject {
    on_pair()
    {
        CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        file.fd = ends[0];
    }
    ~on_pair() override
    {
        ::close(ends[0]);
        ::close(ends[1]);
    }

    int ends[2];
    tacet_file file = {-1, 0, 0};
};

/* A listening socket with a name that the kernel chooses. */
struct listening {
    explicit listening(int backlog)
    {
        listener.fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr* any = reinterpret_cast<sockaddr*>(&name);
        name.sun_family = AF_UNIX;
        CHECK(::bind(listener.fd, any, sizeof(sa_family_t)) == 0);
        CHECK(::getsockname(listener.fd, any, &length) == 0);
        CHECK(::listen(listener.fd, backlog) == 0);
    }
    listening(const listening&) = delete;
    ~listening()
    {
        ::close(listener.fd);
        for (const int fd : clients)
            ::close(fd);
    }
    const sockaddr* address() const { return reinterpret_cast<const sockaddr*>(&name); }
    void connect()
    {
        clients.push_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        CHECK(::connect(clients.back(), address(), length) == 0);
    }

    tacet_file listener = {-1, 0, 0};
    sockaddr_un name = {};
    socklen_t length = sizeof name;
    std::vector<int> clients;
};

/* The kernel's choice of buffers: two, each of which is given back exactly as often as it was taken. */
class buffer_ring_of_two {
public:
    buffer_ring_of_two() = default;
    buffer_ring_of_two(const buffer_ring_of_two&) = delete;
    ~buffer_ring_of_two() { tacet_buffer_ring_destroy(handle_); }
    void create(tacet_executor* executor);
    operator tacet_buffer_ring*() const { return handle_; }
    char* memory() const { return static_cast<char*>(tacet_buffer_ring_at(handle_, 0)); }
    static constexpr std::size_t bytes = 16; /* of both */

    /* The one in which the byte came; -1: it has not come. */
    int filled() const;

    /* How many have been given back so far. */
    unsigned given() const;

private:
    tacet_buffer_ring* handle_ = nullptr;
};

}

#endif
