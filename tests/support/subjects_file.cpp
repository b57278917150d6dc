/* See subjects.hpp. What is done to open files: regular ones, and pipes, which may wait for ever. */
#include "support/subjects.hpp"

#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace support {

namespace {

constexpr std::uint64_t own_position = UINT64_MAX;

/* ---- Pipes ---- */

/* A byte that comes by a pipe is in the pipe or in the buffer, never in both or neither. */
struct reads_pipe : subject {
    reads_pipe() { writes_to(byte); }
    void provoke() override
    {
        pipe.write("x");
        sent++;
    }
    bool is_own(tacet_result r) const override { return r == 1; }
    void settle(tacet_result r, bool) override
    {
        CHECK((byte == 'x') == (r == 1));
        settle_untold();
    }
    void settle_untold() override { CHECK(in_pipe() + (byte == 'x') == sent); }
    int in_pipe() const
    {
        int bytes = 0;
        CHECK(::ioctl(pipe.fds[0], FIONREAD, &bytes) == 0);
        return bytes;
    }

    support::pipe pipe;
    tacet_file reader = pipe.reader();
    char byte = 0;
    int sent = 0;
};

struct read_pipe : reads_pipe {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_file_read_start(op, task, &reader, &byte, 1, own_position);
    }
    tacet_result await(tacet_task* task) override { return tacet_file_read(task, &reader, &byte, 1, own_position); }
};

struct readv_pipe : reads_pipe {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_file_readv_start(op, task, &reader, &vector, 1, own_position);
    }
    tacet_result await(tacet_task* task) override { return tacet_file_readv(task, &reader, &vector, 1, own_position); }
    iovec vector = {&byte, 1};
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
    void settle(tacet_result r, bool) override
    {
        int bytes = 0;
        CHECK(::ioctl(pipe.fds[0], FIONREAD, &bytes) == 0);
        CHECK(bytes == (taken_out ? 0 : page) + (r == 1));
    }

    static constexpr int page = 4096;
    support::pipe pipe;
    tacet_file writer = pipe.writer();
    char byte = 'w';
    bool taken_out = false;
    std::string drained = std::string(page, 0);
};

struct write_pipe : writes_pipe {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_file_write_start(op, task, &writer, &byte, 1, own_position);
    }
    tacet_result await(tacet_task* task) override { return tacet_file_write(task, &writer, &byte, 1, own_position); }
};

struct writev_pipe : writes_pipe {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_file_writev_start(op, task, &writer, &vector, 1, own_position);
    }
    tacet_result await(tacet_task* task) override { return tacet_file_writev(task, &writer, &vector, 1, own_position); }
    iovec vector = {&byte, 1};
};

/* ---- Regular files ---- */

struct on_file : subject {
    on_file()
    {
        scratch().write("file", "old");
        file.fd = ::open((scratch() / "file").c_str(), O_RDWR | O_CLOEXEC);
        CHECK(file.fd >= 0);
    }
    ~on_file() override
    {
        if (file.fd >= 0)
            ::close(file.fd);
        CHECK(::unlink((scratch() / "file").c_str()) == 0);
    }
    void settle(tacet_result, bool) override {}
    std::string contents() const { return scratch().read("file"); }

    tacet_file file = {-1, O_RDWR, 0};
    char bytes[4] = "new";
    iovec vector = {bytes, 3};
};

struct reads_file : on_file {
    reads_file() { writes_to(bytes); }
    bool is_own(tacet_result r) const override { return r == 3; }
    void settle(tacet_result r, bool) override { CHECK(std::string(bytes, 3) == (r == 3 ? "old" : "new")); }
};

struct read_file : reads_file {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_file_read_start(op, task, &file, bytes, 3, 0);
    }
    tacet_result await(tacet_task* task) override { return tacet_file_read(task, &file, bytes, 3, 0); }
};

struct readv_file : reads_file {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_file_readv_start(op, task, &file, &vector, 1, 0);
    }
    tacet_result await(tacet_task* task) override { return tacet_file_readv(task, &file, &vector, 1, 0); }
};

struct writes_file : on_file {
    bool is_own(tacet_result r) const override { return r == 3; }
    void settle(tacet_result r, bool) override { CHECK(contents() == (r == 3 ? "new" : "old")); }
};

struct write_file : writes_file {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_file_write_start(op, task, &file, bytes, 3, 0);
    }
    tacet_result await(tacet_task* task) override { return tacet_file_write(task, &file, bytes, 3, 0); }
};

struct writev_file : writes_file {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_file_writev_start(op, task, &file, &vector, 1, 0);
    }
    tacet_result await(tacet_task* task) override { return tacet_file_writev(task, &file, &vector, 1, 0); }
};

struct sync_file : on_file {
    tacet_result start(tacet_op* op, tacet_task* task) override { return tacet_file_sync_start(op, task, &file); }
    tacet_result await(tacet_task* task) override { return tacet_file_sync(task, &file); }
    void settle(tacet_result, bool) override { CHECK(file.sync_error == 0); }
};

struct datasync_file : sync_file {
    tacet_result start(tacet_op* op, tacet_task* task) override { return tacet_file_datasync_start(op, task, &file); }
    tacet_result await(tacet_task* task) override { return tacet_file_datasync(task, &file); }
};

struct allocate_file : on_file {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_file_allocate_start(op, task, &file, 0, 0, 9);
    }
    tacet_result await(tacet_task* task) override { return tacet_file_allocate(task, &file, 0, 0, 9); }
    void settle(tacet_result r, bool) override { CHECK(contents().size() == (r == 0 ? 9 : 3)); }
};

struct truncate_file : on_file {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_file_truncate_start(op, task, &file, 1);
    }
    tacet_result await(tacet_task* task) override { return tacet_file_truncate(task, &file, 1); }
    void settle(tacet_result r, bool) override { CHECK(contents() == (r == 0 ? "o" : "old")); }
};

struct advise_file : on_file {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_file_advise_start(op, task, &file, 0, 0, POSIX_FADV_WILLNEED);
    }
    tacet_result await(tacet_task* task) override { return tacet_file_advise(task, &file, 0, 0, POSIX_FADV_WILLNEED); }
};

struct sync_range : on_file {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_file_sync_range_start(op, task, &file, 0, 0, SYNC_FILE_RANGE_WRITE);
    }
    tacet_result await(tacet_task* task) override
    {
        return tacet_file_sync_range(task, &file, 0, 0, SYNC_FILE_RANGE_WRITE);
    }
};

/* An attribute is set, or it is not. */
struct set_attribute : on_file {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_file_set_xattr_start(op, task, &file, "user.tacet", bytes, 3, 0);
    }
    tacet_result await(tacet_task* task) override
    {
        return tacet_file_set_xattr(task, &file, "user.tacet", bytes, 3, 0);
    }
    bool is_own(tacet_result r) const override { return r == 0 || r == -EOPNOTSUPP; }
    void settle(tacet_result r, bool) override
    {
        CHECK((::fgetxattr(file.fd, "user.tacet", nullptr, 0) == 3) == (r == 0));
    }
};

struct get_attribute : on_file {
    get_attribute()
    {
        has_it = ::fsetxattr(file.fd, "user.tacet", "old", 3, 0) == 0;
        writes_to(bytes);
    }
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_file_get_xattr_start(op, task, &file, "user.tacet", bytes, 3);
    }
    tacet_result await(tacet_task* task) override { return tacet_file_get_xattr(task, &file, "user.tacet", bytes, 3); }
    bool is_own(tacet_result r) const override { return has_it ? r == 3 : r == -EOPNOTSUPP; }
    void settle(tacet_result r, bool) override { CHECK(std::string(bytes, 3) == (r == 3 ? "old" : "new")); }
    bool has_it;
};

/* The descriptor is closed from the start on, whoever is told. */
struct close_file : on_file {
    tacet_result start(tacet_op* op, tacet_task* task) override { return tacet_file_close_start(op, task, &file); }
    tacet_result await(tacet_task* task) override { return tacet_file_close(task, &file); }
    void settle(tacet_result, bool) override { CHECK(file.fd == -1); }
};

}

std::vector<operation_row> file_rows()
{
    return {
        row<read_pipe>("read, pipe", IORING_OP_READ, waits),
        row<readv_pipe>("readv, pipe", IORING_OP_READV, waits),
        row<write_pipe>("write, pipe", IORING_OP_WRITE, waits),
        row<writev_pipe>("writev, pipe", IORING_OP_WRITEV, waits),
        row<read_file>("read", IORING_OP_READ, limited_data),
        row<readv_file>("readv", IORING_OP_READV, limited_data),
        row<write_file>("write", IORING_OP_WRITE, limited_data),
        row<writev_file>("writev", IORING_OP_WRITEV, limited_data),
        row<sync_file>("sync", IORING_OP_FSYNC, limited_worker),
        row<datasync_file>("datasync", IORING_OP_FSYNC, limited_worker),
        row<allocate_file>("allocate", IORING_OP_FALLOCATE, limited_worker),
        row<truncate_file>("truncate", TACET_OPCODE_FTRUNCATE, limited_worker),
        row<advise_file>("advise", IORING_OP_FADVISE, limited_worker),
        row<sync_range>("sync range", IORING_OP_SYNC_FILE_RANGE, limited_worker),
        row<set_attribute>("set xattr", IORING_OP_FSETXATTR, limited_worker),
        row<get_attribute>("get xattr", IORING_OP_FGETXATTR, limited_worker),
        row<close_file>("close", IORING_OP_CLOSE, never_cancelled),
    };
}

}
