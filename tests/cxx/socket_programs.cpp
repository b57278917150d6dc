// Random programs over sockets: what they do through tacet, a second pair of sockets has done to it by plain system calls. Results,
// bytes, names, flags and descriptors that come along agree after each step.
#include "programs.hpp"
#include "support.hpp"

#include <algorithm>
#include <cstring>
#include <thread>

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

using namespace tests;

namespace {

struct socket_kind {
    const char* name;
    int domain, type;
    bool keeps_bounds() const { return type != SOCK_STREAM; }
    bool has_names() const { return type == SOCK_DGRAM; }
};

const socket_kind kinds[] = {{"TCP", AF_INET, SOCK_STREAM},
                             {"Unix stream", AF_UNIX, SOCK_STREAM},
                             {"UDP", AF_INET, SOCK_DGRAM},
                             {"Unix datagrams", AF_UNIX, SOCK_DGRAM},
                             {"Unix packets", AF_UNIX, SOCK_SEQPACKET}};

constexpr std::size_t bytes_max = 40'000; // that lie in a socket: none is ever full
constexpr std::size_t messages_max = 8;
constexpr std::size_t chosen_bytes = 3000;

// Each with a name that the kernel finds.
tacet::socket bound_socket(const socket_kind& kind)
{
    sockaddr_storage any = {};
    any.ss_family = static_cast<sa_family_t>(kind.domain);
    if (kind.domain == AF_INET)
        reinterpret_cast<sockaddr_in*>(&any)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const socklen_t length = kind.domain == AF_INET ? sizeof(sockaddr_in) : sizeof(sa_family_t);
    tacet::socket made(::socket(kind.domain, kind.type | SOCK_CLOEXEC, 0));
    const int room = 1 << 20; // TCP counts what its packets take, which for small ones is much more than their bytes
    REQUIRE(::setsockopt(made.fd(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room) == 0);
    REQUIRE(::bind(made.fd(), reinterpret_cast<sockaddr*>(&any), length) == 0);
    return made;
}

// Two ends, and what was sent from the first and not received at the second yet.
struct ends {
    explicit ends(const socket_kind& kind) : a(bound_socket(kind)), b(bound_socket(kind))
    {
        const tacet::address there = b.name(), here = a.name();
        if (!kind.has_names())
            REQUIRE(::listen(b.fd(), 1) == 0);
        REQUIRE(::connect(a.fd(), there.get(), there.length()) == 0);
        if (kind.has_names())
            REQUIRE(::connect(b.fd(), here.get(), here.length()) == 0);
        else
            b = tacet::socket(::accept4(b.fd(), nullptr, nullptr, SOCK_CLOEXEC));
        REQUIRE(b.fd() >= 0);
        name_of_b = there;
    }
    // What was sent over loopback is on its way for a moment.
    void await_arrival(const socket_kind& kind, std::size_t bytes) const
    {
        pollfd readable = {b.fd(), POLLIN, 0};
        REQUIRE(::poll(&readable, 1, 10'000) == 1);
        const auto limit = std::chrono::steady_clock::now() + 10s;
        int there = 0;
        while (!kind.keeps_bounds() && there < static_cast<int>(bytes)) {
            REQUIRE(::ioctl(b.fd(), FIONREAD, &there) == 0);
            REQUIRE(std::chrono::steady_clock::now() < limit);
        }
    }

    tacet::socket a, b;
    tacet::address name_of_b{};
};

// Room for a message with one descriptor besides its bytes.
struct message {
    explicit message(std::span<std::byte> bytes) : part{bytes.data(), bytes.size()}
    {
        header.msg_iov = &part;
        header.msg_iovlen = 1;
    }
    message(const message&) = delete;
    void make_room()
    {
        header.msg_control = control;
        header.msg_controllen = sizeof control;
    }
    void attach(int fd)
    {
        make_room();
        cmsghdr* rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    }
    // What has come is whose; 0: none.
    ino_t attached() const
    {
        const cmsghdr* rights = CMSG_FIRSTHDR(&header);
        if (rights == nullptr)
            return 0;
        int fd = -1;
        struct stat status = {};
        REQUIRE(rights->cmsg_len == CMSG_LEN(sizeof fd));
        std::memcpy(&fd, CMSG_DATA(rights), sizeof fd);
        REQUIRE(::fstat(fd, &status) == 0);
        return status.st_ino;
    }

    iovec part;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr header = {};
};

class program {
public:
    program(std::uint32_t seed, tacet::executor& executor, const socket_kind& kind)
        : random_(seed), kind_(kind), ours_(kind), theirs_(kind), buffers_(executor, 4, chosen_bytes)
    {
    }

    tacet::task<> run(unsigned steps)
    {
        for (unsigned step = 0; step < steps; step++) {
            if (pending_.empty() || (below(2) == 0 && pending_.size() < messages_max && bytes() < bytes_max))
                co_await send();
            else
                co_await receive();
        }
        while (kind_.keeps_bounds() && !pending_.empty())
            co_await receive();
        if (!kind_.has_names())
            co_await receive_rest();
    }

private:
    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    std::size_t bytes() const
    {
        std::size_t sum = 0;
        for (const std::size_t each : pending_)
            sum += each;
        return sum;
    }
    // Now and then none at all, or more than a datagram of UDP can be.
    std::string text()
    {
        const std::size_t lengths[] = {below(100), below(100), below(5000), below(5000), below(30000)};
        std::string text(kind_.domain == AF_INET && kind_.keeps_bounds() && below(50) == 0 ? 70'000 : lengths[below(5)],
                         '\0');
        if (kind_.type != SOCK_DGRAM && text.empty())
            text.resize(1);
        for (char& c : text)
            c = static_cast<char>(random_());
        return text;
    }

    tacet::task<> send()
    {
        const std::string sent = text();
        const std::int64_t r = co_await send_somehow(sent);
        CHECK(r == result_of(::send(theirs_.a.fd(), sent.data(), sent.size(), MSG_NOSIGNAL)));
        if (r >= 0)
            pending_.push_back(static_cast<std::size_t>(r));
        if (kind_.domain == AF_UNIX && below(4) == 0)
            co_await send_descriptor();
    }

    tacet::task<std::int64_t> send_somehow(const std::string& sent)
    {
        char* bytes = const_cast<char*>(sent.data());
        const iovec parts[2] = {{bytes, sent.size() / 2}, {bytes + sent.size() / 2, sent.size() - sent.size() / 2}};
        const std::span<const iovec> both(parts);
        unsigned way = static_cast<unsigned>(below(4)) + (kind_.has_names() ? 1 : 0);
        if (way == 3 && this->bytes() > 0)
            way = 1; // one without a copy ends when the other side has all of it, for which there may be no room
        switch (way) {
        case 0: {
            const auto r = co_await tacet::as_result(ours_.a.send_all(bytes_of(sent)));
            co_return r ? static_cast<std::int64_t>(sent.size()) : number_of(r);
        }
        case 1: {
            const auto r = co_await tacet::as_result(ours_.a.send(bytes_of(sent)));
            co_return number_of(r);
        }
        case 2: {
            const auto r = co_await tacet::as_result(ours_.a.send(both));
            co_return number_of(r);
        }
        case 3: {
            const auto r = co_await tacet::as_result(ours_.a.send_zero_copy(bytes_of(sent)));
            co_return number_of(r);
        }
        default: {
            const auto r = co_await tacet::as_result(ours_.a.send_to(bytes_of(sent), ours_.name_of_b));
            co_return number_of(r);
        }
        }
    }

    tacet::task<> send_descriptor()
    {
        std::string bytes(1 + below(50), 'd');
        message message(bytes_of(bytes));
        message.attach(pipe_.reader());
        const auto r = co_await tacet::as_result(ours_.a.send_message(message.header));
        CHECK(number_of(r) == result_of(::sendmsg(theirs_.a.fd(), &message.header, MSG_NOSIGNAL)));
        pending_.push_back(bytes.size());
    }

    tacet::task<> receive()
    {
        ours_.await_arrival(kind_, bytes());
        theirs_.await_arrival(kind_, bytes());
        const std::size_t room = 1 + static_cast<std::size_t>(below(2) == 0 ? below(6000) : below(40'000));
        std::string ours(room, '.'), theirs = ours;
        switch (below(7)) {
        case 0:
            co_return co_await receive_message(room);
        case 1:
            co_return co_await receive_from(room);
        case 2:
            co_return co_await receive_chosen();
        case 3: {
            const std::vector<iovec> parts = {{ours.data(), room / 3}, {ours.data() + room / 3, room - room / 3}};
            const auto r = co_await tacet::as_result(ours_.b.receive(std::span<const iovec>(parts)));
            take(number_of(r), ours, theirs);
            break;
        }
        case 4: {
            const auto r = co_await tacet::as_result(ours_.b.receive(bytes_of(ours), MSG_PEEK));
            CHECK(number_of(r) == result_of(::recv(theirs_.b.fd(), theirs.data(), room, MSG_PEEK)));
            CHECK((ours == theirs));
            break;
        }
        case 5:
            co_return co_await receive_exactly();
        default: {
            const auto r = co_await tacet::as_result(ours_.b.receive(bytes_of(ours)));
            take(number_of(r), ours, theirs);
        }
        }
    }

    // The others receive the same; what has come is not pending any more.
    void take(std::int64_t r, const std::string& ours, std::string& theirs)
    {
        CHECK(r == result_of(::recv(theirs_.b.fd(), theirs.data(), theirs.size(), 0)));
        CHECK((ours == theirs));
        note_taken(r);
    }

    void note_taken(std::int64_t r)
    {
        REQUIRE(r >= 0);
        REQUIRE_FALSE(pending_.empty());
        std::size_t left = static_cast<std::size_t>(r);
        while (!kind_.keeps_bounds() && !pending_.empty() && left >= pending_.front()) {
            left -= pending_.front();
            pending_.erase(pending_.begin());
        }
        if (kind_.keeps_bounds())
            pending_.erase(pending_.begin());
        else if (left > 0)
            pending_.front() -= left;
    }

    tacet::task<> receive_message(std::size_t room)
    {
        std::string ours(room, '.'), theirs = ours;
        message our_message(bytes_of(ours)), their_message(bytes_of(theirs));
        our_message.make_room();
        their_message.make_room();
        const auto r = co_await tacet::as_result(ours_.b.receive_message(our_message.header, MSG_CMSG_CLOEXEC));
        CHECK(number_of(r) == result_of(::recvmsg(theirs_.b.fd(), &their_message.header, MSG_CMSG_CLOEXEC)));
        CHECK((ours == theirs));
        CHECK(our_message.header.msg_flags == their_message.header.msg_flags);
        CHECK(our_message.attached() == their_message.attached());
        tacet_message_discard(&our_message.header);
        tacet_message_discard(&their_message.header);
        note_taken(number_of(r));
    }

    // Each is told of its own other end.
    tacet::task<> receive_from(std::size_t room)
    {
        std::string ours(room, '.'), theirs = ours;
        tacet::address peer;
        const auto r = co_await tacet::as_result(ours_.b.receive_from(bytes_of(ours), peer));
        if (kind_.has_names())
            CHECK(peer.text() == ours_.a.name().text());
        take(number_of(r), ours, theirs);
    }

    tacet::task<> receive_chosen()
    {
        std::string theirs(chosen_bytes, '.'), ours = theirs;
        const tacet::received piece = co_await ours_.b.receive(buffers_);
        std::copy(piece.bytes().begin(), piece.bytes().end(), bytes_of(ours).begin());
        take(static_cast<std::int64_t>(piece.bytes().size()), ours, theirs);
    }

    tacet::task<> receive_exactly()
    {
        if (kind_.keeps_bounds())
            co_return co_await receive_message(100);
        std::string ours(1 + below(bytes()), '.'), theirs = ours;
        const std::size_t r = co_await ours_.b.fill(bytes_of(ours));
        CHECK(r == ours.size());
        for (std::size_t got = 0; got < theirs.size();) { // a message with a descriptor ends a piece
            const ssize_t some = ::recv(theirs_.b.fd(), theirs.data() + got, theirs.size() - got, 0);
            REQUIRE(some > 0);
            got += static_cast<std::size_t>(some);
        }
        CHECK((ours == theirs));
        note_taken(static_cast<std::int64_t>(r));
    }

    // To the end, in pieces that come by themselves.
    tacet::task<> receive_rest()
    {
        co_await ours_.a.shutdown();
        REQUIRE(::shutdown(theirs_.a.fd(), SHUT_WR) == 0);
        std::string ours, theirs(bytes_max * 2, '\0');
        {
            tacet::receive_stream pieces = ours_.b.receive_all(buffers_, 2);
            for (;;) {
                const auto piece = co_await tacet::as_result(pieces.next());
                if (!piece && piece.error() == std::errc::no_buffer_space)
                    continue;
                if (piece.value().empty())
                    break;
                ours.append(reinterpret_cast<const char*>(piece->bytes().data()), piece->bytes().size());
            }
        }
        std::size_t got = 0;
        while (const ssize_t some = ::recv(theirs_.b.fd(), theirs.data() + got, theirs.size() - got, 0)) {
            REQUIRE(some > 0);
            got += static_cast<std::size_t>(some);
        }
        CHECK((ours == theirs.substr(0, got)));
    }

    std::mt19937 random_;
    const socket_kind& kind_;
    ends ours_, theirs_;
    tacet::buffer_ring buffers_;
    pipe_ends pipe_{};
    std::vector<std::size_t> pending_{};
};

}

TEST_CASE("sockets agree with plain system calls on the same random programs", "[cxx][socket-programs]")
{
    const std::ptrdiff_t before = open_descriptors();
    run_programs(10, [](std::uint32_t seed, tacet::executor& executor) {
        for (const socket_kind& kind : kinds) {
            CAPTURE(kind.name);
            program program(seed, executor, kind);
            executor.run(program.run(100));
        }
    });
    CHECK(open_descriptors() == before);
}
