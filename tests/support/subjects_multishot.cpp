/* See subjects.hpp. Operations that give a result again and again: where a wait for the next is ended the result is not lost, it is
 * the next one's. */
#include "support/subject_kinds.hpp"

#include <tacet/multishot.h>
#include <tacet/socket.h>

#include <poll.h>

namespace support {

namespace {

/* What was told, and what lay there afterwards, is what has come. */
struct takes_next : subject {
    ~takes_next() override { CHECK(multishot.executor == nullptr); }
    auto arguments() { return std::tuple(&multishot); }
    void settle(tacet_result r) override
    {
        if (is_own(r))
            take(r);
        if (has_executor)
            CHECK(taken == come);
    }
    void retire() override
    {
        while (has_executor && tacet_multishot_has_next(&multishot))
            take(tacet_multishot_take(&multishot));
        tacet_multishot_abandon(&multishot, [](tacet_multishot*) {});
    }
    virtual void take(tacet_result r)
    {
        CHECK(is_own(r));
        taken++;
    }

    tacet_multishot multishot = {};
    int come = 0, taken = 0;
};

struct next_connection : takes_next {
    void prepare(tacet_executor* executor) override
    {
        CHECK(tacet_accept_multishot_start(&multishot, executor, &listens.listener, 0, 4) == 0);
    }
    void provoke() override
    {
        listens.connect();
        come++;
    }
    bool is_own(tacet_result r) const override { return r >= 0; }
    void take(tacet_result r) override
    {
        takes_next::take(r);
        CHECK(::close(static_cast<int>(r)) == 0);
    }
    listening listens{8};
};

struct next_events : takes_next {
    void prepare(tacet_executor* executor) override
    {
        CHECK(tacet_poll_multishot_start(&multishot, executor, pipe.fds[0], POLLIN, 4) == 0);
    }
    void provoke() override
    {
        pipe.write("x");
        come = 1;
    }
    void take(tacet_result r) override
    {
        takes_next::take(r);
        taken = 1; /* the kernel may tell of one byte twice */
    }
    bool is_own(tacet_result r) const override { return r == POLLIN; }
    support::pipe pipe;
};

struct next_piece : takes_next {
    next_piece() { CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0); }
    ~next_piece() override
    {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    void prepare(tacet_executor* executor) override
    {
        const tacet_file file = {ends[0], 0, 0};
        buffers.create(executor);
        out = buffers.memory();
        out_bytes = buffer_ring_of_two::bytes;
        CHECK(tacet_receive_multishot_start(&multishot, executor, &file, buffers, 0, 4) == 0);
    }
    void provoke() override
    {
        CHECK(::send(ends[1], "x", 1, 0) == 1);
        come++;
    }
    bool is_own(tacet_result r) const override { return r == 1; }
    void take(tacet_result r) override
    {
        takes_next::take(r);
        REQUIRE(buffers.filled() >= 0);
        tacet_buffer_ring_give(buffers, static_cast<unsigned>(buffers.filled()));
    }
    void settle(tacet_result r) override
    {
        takes_next::settle(r);
        settle_untold();
    }
    void settle_untold() override { CHECK(buffers.given() == (buffers.filled() >= 0 ? 3 : 2)); }
    int ends[2];
    buffer_ring_of_two buffers;
};

/* With a connection that nobody takes. */
struct stops : subject {
    ~stops() override { CHECK(multishot.executor == nullptr); }
    void prepare(tacet_executor* executor) override
    {
        listens.connect();
        CHECK(tacet_accept_multishot_start(&multishot, executor, &listens.listener, 0, 4) == 0);
    }
    auto arguments() { return std::tuple(&multishot); }
    void settle(tacet_result) override { CHECK(multishot.executor == nullptr); }
    listening listens{8};
    tacet_multishot multishot = {};
};

}

std::vector<operation_row> multishot_rows()
{
    return {
        AWAITED(tacet_multishot_next, next_connection, "tacet_accept_multishot", IORING_OP_ACCEPT, of_steps | waits),
        AWAITED(tacet_multishot_next, next_events, "tacet_poll_multishot", IORING_OP_POLL_ADD, of_steps | waits),
        AWAITED(tacet_multishot_next, next_piece, "tacet_receive_multishot", IORING_OP_RECV, of_steps | waits),
        AWAITED(tacet_multishot_stop, stops, "", IORING_OP_ACCEPT, never_cancelled),
    };
}

}
