/* See subjects.hpp. What is done by path. */
#include "support/subject_kinds.hpp"

#include <tacet/descriptor.h>

#include <cerrno>
#include <cstdio>
#include <linux/openat2.h>
#include <sys/stat.h>

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
    void settle(tacet_result r) override { CHECK(done() == (r >= 0)); }
    virtual bool done() const { return exists("new"); }

    tacet_file dir = {-1, 0, 0};
};

struct rename_path : on_directory {
    auto arguments() { return std::tuple(&dir, "file", &dir, "new", 0); }
    bool done() const override
    {
        CHECK(exists("file") != exists("new"));
        return exists("new");
    }
};

struct unlink_path : on_directory {
    auto arguments() { return std::tuple(&dir, "file", 0); }
    bool done() const override { return !exists("file"); }
};

struct make_directory : on_directory {
    auto arguments() { return std::tuple(&dir, "new", 0755); }
};

struct symlink_path : on_directory {
    auto arguments() { return std::tuple("file", &dir, "new"); }
};

struct link_path : on_directory {
    auto arguments() { return std::tuple(&dir, "file", &dir, "new", 0); }
};

struct stat_path : on_directory {
    stat_path() { writes_to(status); }
    auto arguments() { return std::tuple(&dir, "file", 0, unsigned{STATX_SIZE}, &status); }
    bool done() const override { return status.stx_size == 3; }
    struct statx status = {};
};

/* Who is told of a descriptor has it. */
struct opens : on_directory {
    auto arguments() { return std::tuple(&dir, name, &how); }
    auto awaited_arguments() { return std::tuple(&opened, &dir, name, &how); }
    bool is_own(tacet_result r) const override { return r >= 0; }
    void settle(tacet_result r) override
    {
        const int fd = form == form_kind::awaited ? opened.fd : static_cast<int>(r);
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

/* As long as one has it open for reading, others can open the FIFO for writing; a ring that has gone may keep it for a while. */
struct opens_registered : opens {
    opens_registered()
    {
        name = "fifo";
        how = {O_RDONLY | O_NONBLOCK, 0, 0};
        CHECK(::mkfifo((scratch() / name).c_str(), 0600) == 0);
    }
    ~opens_registered() override
    {
        if (!has_executor)
            return;
        CHECK(::open((scratch() / name).c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC) == -1);
        CHECK(errno == ENXIO);
    }
    void prepare(tacet_executor* executor_) override { executor = executor_; }
    void settle(tacet_result r) override
    {
        if (form != form_kind::awaited)
            opened.fd = static_cast<int>(r);
        CHECK((opened.fd >= TACET_DESCRIPTOR_REGISTERED) == (r >= 0));
        if (r >= 0 && has_executor) {
            tacet_file_close_detached(executor, &opened);
            CHECK(tacet_executor_run(executor, TACET_UNTIL_IDLE, nullptr) >= 0);
        }
    }
    tacet_executor* executor = nullptr;
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
        STARTED(tacet_file_open, opens, "", IORING_OP_OPENAT2, gives_descriptor),
        STARTED(tacet_file_open, makes_file, "new file", IORING_OP_OPENAT2, gives_descriptor | limited_worker),
        STARTED(tacet_file_open, opens_fifo, "FIFO", IORING_OP_OPENAT2, gives_descriptor | waits),
        STARTED(tacet_file_open_registered, opens_registered, "", IORING_OP_OPENAT2, gives_descriptor),
        STARTED(tacet_path_stat, stat_path, "", IORING_OP_STATX, limited_worker),
        STARTED(tacet_path_rename, rename_path, "", IORING_OP_RENAMEAT, limited_worker),
        STARTED(tacet_path_unlink, unlink_path, "", IORING_OP_UNLINKAT, limited_worker),
        STARTED(tacet_path_mkdir, make_directory, "", IORING_OP_MKDIRAT, limited_worker),
        STARTED(tacet_path_symlink, symlink_path, "", IORING_OP_SYMLINKAT, limited_worker),
        STARTED(tacet_path_link, link_path, "", IORING_OP_LINKAT, limited_worker),
    };
}

}
