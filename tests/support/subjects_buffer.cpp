/* See subjects.hpp. Buffers that are registered, or that the kernel chooses: who is told has one, and else nobody. */
#include "support/subject_kinds.hpp"

#include <liburing.h>
#include <tacet/buffer.h>
#include <tacet/buffer_ring.h>
#include <tacet/socket.h>

namespace support {

void buffer_ring_of_two::create(tacet_executor* executor)
{
    CHECK(tacet_buffer_ring_create(&handle_, executor, 2, bytes / 2) == 0);
}

int buffer_ring_of_two::filled() const
{
    for (unsigned i = 0; i < 2; i++)
        if (*static_cast<const char*>(tacet_buffer_ring_at(handle_, i)) == 'x')
            return static_cast<int>(i);
    return -1;
}

/* The kernel's ring lies in the page before the buffers; each that is given moves its end. */
unsigned buffer_ring_of_two::given() const
{
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return reinterpret_cast<const io_uring_buf_ring*>(memory() - page)->tail;
}

namespace {

/* ---- Registered ---- */

/* One buffer, which is claimed. */
template <typename Kind>
struct with_pool : Kind {
    void prepare(tacet_executor* executor) override
    {
        const tacet_buffer_pool_options one = {1, 0, 4096, 0, false};
        CHECK(tacet_buffer_pool_create(&pool, executor, &one) == 0);
        buffer = tacet_buffer_at(pool, tacet_buffer_try_claim(pool, TACET_BUFFER_SMALL));
        REQUIRE(buffer != nullptr);
        data = static_cast<char*>(buffer->data);
    }
    ~with_pool() override
    {
        if (buffer->state == TACET_BUFFER_CLAIMED)
            CHECK(tacet_buffer_release(buffer) == 0);
        CHECK(tacet_buffer_pool_available(pool, TACET_BUFFER_SMALL) == 1);
        CHECK(tacet_buffer_pool_destroy(pool) == 0);
    }
    tacet_buffer_pool* pool = nullptr;
    tacet_buffer* buffer = nullptr;
    char* data = nullptr;
};

struct read_pipe_into_buffer : with_pool<reads_pipe> {
    void prepare(tacet_executor* executor) override
    {
        with_pool::prepare(executor);
        out = data;
        out_bytes = buffer->bytes;
    }
    auto arguments() { return std::tuple(&reader, buffer, 0, 1, own_position); }
    void settle(tacet_result r) override
    {
        byte = *data;
        reads_pipe::settle(r);
    }
    void settle_untold() override
    {
        byte = *data;
        CHECK(buffer->in_flight == 0);
        reads_pipe::settle_untold();
    }
};

struct read_into_buffer : with_pool<on_file> {
    void prepare(tacet_executor* executor) override
    {
        with_pool::prepare(executor);
        out = data;
        out_bytes = buffer->bytes;
    }
    auto arguments() { return std::tuple(&file, buffer, 1, 3, 0); }
    bool is_own(tacet_result r) const override { return r == 3; }
    void settle(tacet_result r) override
    {
        CHECK(buffer->in_flight == 0);
        CHECK((std::string(data + 1, 3) == (r == 3 ? std::string("old") : std::string(3, '\0'))));
    }
};

struct write_pipe_from_buffer : with_pool<writes_pipe> {
    auto arguments() { return std::tuple(&writer, buffer, 0, 1, own_position); }
};

struct write_from_buffer : with_pool<writes_file> {
    void prepare(tacet_executor* executor) override
    {
        with_pool::prepare(executor);
        std::copy(bytes, bytes + 3, data);
    }
    auto arguments() { return std::tuple(&file, buffer, 0, 3, 0); }
};

/* Another has the only one, until it releases it. */
struct claim_buffer : with_pool<subject> {
    auto arguments() { return std::tuple(pool, TACET_BUFFER_SMALL); }
    void provoke() override
    {
        if (!released && buffer->executor != nullptr)
            CHECK(tacet_buffer_release(buffer) == 0);
        released = true;
    }
    bool is_own(tacet_result r) const override { return r == 0; }
    void settle(tacet_result r) override
    {
        if (buffer->executor != nullptr)
            CHECK((tacet_buffer_at(pool, 0) != nullptr) == (r == 0 || !released));
        CHECK(tacet_buffer_pool_waiting(pool, TACET_BUFFER_SMALL) == 0);
    }
    bool released = false;
};

/* ---- Chosen by the kernel ---- */

/* Who was told has the buffer, and gives it back. One that the kernel took for somebody who did not come was given back by then. */
struct selects : subject {
    void prepare(tacet_executor* executor) override
    {
        buffers.create(executor);
        out = buffers.memory();
        out_bytes = buffer_ring_of_two::bytes;
    }
    bool is_own(tacet_result r) const override { return r == 1; }
    void settle(tacet_result r) override
    {
        const int taken = buffers.filled();
        CHECK((taken >= 0) == (r == 1));
        if (form == form_kind::started || form == form_kind::callback)
            CHECK(tacet_op_buffer(op) == taken);
        if (taken >= 0 && form != form_kind::left)
            tacet_buffer_ring_give(buffers, static_cast<unsigned>(taken));
        settle_untold();
    }
    void settle_untold() override
    {
        if (has_executor)
            CHECK(buffers.given() == (buffers.filled() >= 0 ? 3 : 2));
    }

    buffer_ring_of_two buffers;
};

struct selects_from_pipe : selects {
    auto arguments() { return std::tuple(&reader, static_cast<tacet_buffer_ring*>(buffers), own_position); }
    void provoke() override { pipe.write("x"); }
    support::pipe pipe;
    tacet_file reader = pipe.reader();
};

struct selects_from_file : selects {
    selects_from_file()
    {
        scratch().write("file", "x");
        file.fd = ::open((scratch() / "file").c_str(), O_RDONLY | O_CLOEXEC);
        CHECK(file.fd >= 0);
    }
    ~selects_from_file() override
    {
        ::close(file.fd);
        CHECK(::unlink((scratch() / "file").c_str()) == 0);
    }
    auto arguments() { return std::tuple(&file, static_cast<tacet_buffer_ring*>(buffers), 0); }
    tacet_file file = {-1, 0, 0};
};

struct selects_from_socket : selects {
    selects_from_socket() { CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0); }
    ~selects_from_socket() override
    {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    auto arguments() { return std::tuple(&file, static_cast<tacet_buffer_ring*>(buffers), 0); }
    void prepare(tacet_executor* executor) override
    {
        selects::prepare(executor);
        file.fd = ends[0];
    }
    void provoke() override { CHECK(::send(ends[1], "x", 1, 0) == 1); }
    int ends[2];
    tacet_file file = {-1, 0, 0};
};

}

std::vector<operation_row> buffer_rows()
{
    return {
        STARTED(tacet_file_read_buffer, read_pipe_into_buffer, "pipe", IORING_OP_READ_FIXED, waits),
        STARTED(tacet_file_read_buffer, read_into_buffer, "", IORING_OP_READ_FIXED, limited_data),
        STARTED(tacet_file_write_buffer, write_pipe_from_buffer, "pipe", IORING_OP_WRITE_FIXED, waits),
        STARTED(tacet_file_write_buffer, write_from_buffer, "", IORING_OP_WRITE_FIXED, limited_data),
        AWAITED(tacet_buffer_claim, claim_buffer, "", IORING_OP_NOP, waits | without_ring),
        STARTED(tacet_file_read_selected, selects_from_pipe, "pipe", IORING_OP_READ, waits),
        STARTED(tacet_file_read_selected, selects_from_file, "", IORING_OP_READ, ends_at_once),
        STARTED(tacet_socket_receive_selected, selects_from_socket, "", IORING_OP_RECV, waits),
    };
}

}
