/* See subjects.hpp. What is done by path. */
#include "support/subjects.hpp"

#include <cstdio>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

namespace support {

namespace {

struct on_directory : subject {
    on_directory()
    {
        scratch().write("file", "old");
        dir.fd = ::open(scratch().path().c_str(), O_DIRECTORY | O_PATH | O_CLOEXEC);
        CHECK(dir.fd >= 0);
    }
    ~on_directory() override
    {
        for (const char* each : {"file", "new", "fifo"})
            std::remove((scratch() / each).c_str());
        ::close(dir.fd);
    }
    bool exists(const char* name) const { return ::faccessat(dir.fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0; }
    void settle(tacet_result r, bool) override { CHECK(done() == (r >= 0)); }
    virtual bool done() const { return exists("new"); }

    tacet_file dir = {-1, 0, 0};
};

struct rename_path : on_directory {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_path_rename_start(op, task, &dir, "file", &dir, "new", 0);
    }
    tacet_result await(tacet_task* task) override { return tacet_path_rename(task, &dir, "file", &dir, "new", 0); }
    bool done() const override
    {
        CHECK(exists("file") != exists("new"));
        return exists("new");
    }
};

struct unlink_path : on_directory {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_path_unlink_start(op, task, &dir, "file", 0);
    }
    tacet_result await(tacet_task* task) override { return tacet_path_unlink(task, &dir, "file", 0); }
    bool done() const override { return !exists("file"); }
};

struct make_directory : on_directory {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_path_mkdir_start(op, task, &dir, "new", 0755);
    }
    tacet_result await(tacet_task* task) override { return tacet_path_mkdir(task, &dir, "new", 0755); }
};

struct symlink_path : on_directory {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_path_symlink_start(op, task, "file", &dir, "new");
    }
    tacet_result await(tacet_task* task) override { return tacet_path_symlink(task, "file", &dir, "new"); }
};

struct link_path : on_directory {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_path_link_start(op, task, &dir, "file", &dir, "new", 0);
    }
    tacet_result await(tacet_task* task) override { return tacet_path_link(task, &dir, "file", &dir, "new", 0); }
};

struct stat_path : on_directory {
    stat_path() { writes_to(status); }
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_path_stat_start(op, task, &dir, "file", 0, STATX_SIZE, &status);
    }
    tacet_result await(tacet_task* task) override
    {
        return tacet_path_stat(task, &dir, "file", 0, STATX_SIZE, &status);
    }
    bool done() const override { return status.stx_size == 3; }
    struct statx status = {};
};

/* Who is told of a descriptor has it. */
struct opens : on_directory {
    tacet_result start(tacet_op* op, tacet_task* task) override
    {
        return tacet_file_open_start(op, task, &dir, name, &how);
    }
    tacet_result await(tacet_task* task) override { return tacet_file_open(task, &opened, &dir, name, &how); }
    bool is_own(tacet_result r) const override { return r >= 0; }
    void settle(tacet_result r, bool awaited) override
    {
        const int fd = awaited ? opened.fd : static_cast<int>(r);
        CHECK((fd >= 0) == (r >= 0));
        if (fd >= 0)
            CHECK(::close(fd) == 0);
    }
    const char* name = "file";
    open_how how = {O_RDONLY | O_CLOEXEC, 0, 0};
    tacet_file opened = {-1, 0, 0};
};

struct makes_file : opens {
    makes_file()
    {
        name = "new";
        how = {O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, 0};
    }
};

/* One of the kernel's worker threads waits for somebody who writes to it. */
struct opens_fifo : opens {
    opens_fifo()
    {
        name = "fifo";
        how = {O_RDONLY | O_CREAT | O_CLOEXEC, 0600, 0}; /* without O_CREAT the ring does not wait */
        CHECK(::mkfifo((scratch() / name).c_str(), 0600) == 0);
    }
    ~opens_fifo() override
    {
        if (other_end >= 0)
            ::close(other_end);
    }
    void provoke() override
    {
        if (other_end < 0)
            other_end = ::open((scratch() / name).c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
        CHECK(other_end >= 0);
    }
    int other_end = -1;
};

}

std::vector<operation_row> path_rows()
{
    return {
        row<opens>("open", IORING_OP_OPENAT2, gives_descriptor),
        row<makes_file>("open, of a new file", IORING_OP_OPENAT2, gives_descriptor | limited_worker),
        row<opens_fifo>("open, of a FIFO", IORING_OP_OPENAT2, gives_descriptor | waits),
        row<stat_path>("stat", IORING_OP_STATX, limited_worker),
        row<rename_path>("rename", IORING_OP_RENAMEAT, limited_worker),
        row<unlink_path>("unlink", IORING_OP_UNLINKAT, limited_worker),
        row<make_directory>("mkdir", IORING_OP_MKDIRAT, limited_worker),
        row<symlink_path>("symlink", IORING_OP_SYMLINKAT, limited_worker),
        row<link_path>("link", IORING_OP_LINKAT, limited_worker),
    };
}

}
