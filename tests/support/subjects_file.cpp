/* See subjects.hpp. What is done to open files: regular ones, and pipes, which may wait for ever. */
#include "support/subject_kinds.hpp"

#include <tacet/descriptor.h>

#include <cerrno>
#include <sys/stat.h>
#include <sys/xattr.h>

namespace support {

namespace {

struct read_pipe : reads_pipe {
    auto arguments() { return std::tuple(&reader, &byte, 1, own_position); }
};

/* By a registered descriptor, which is another than the pipe's own. */
struct read_registered : reads_pipe {
    void prepare(tacet_executor* executor_) override
    {
        executor = executor_;
        reader.fd = ::dup(pipe.fds[0]);
        CHECK(tacet_file_register(executor, &reader) == 0);
    }
    auto arguments() { return std::tuple(&reader, &byte, 1, own_position); }
    void retire() override
    {
        if (has_executor)
            tacet_file_close_detached(executor, &reader);
    }
    tacet_executor* executor = nullptr;
};

struct readv_pipe : reads_pipe {
    auto arguments() { return std::tuple(&reader, &vector, 1, own_position); }
    iovec vector = {&byte, 1};
};

struct write_pipe : writes_pipe {
    auto arguments() { return std::tuple(&writer, &byte, 1, own_position); }
};

struct writev_pipe : writes_pipe {
    auto arguments() { return std::tuple(&writer, &vector, 1, own_position); }
    iovec vector = {&byte, 1};
};

struct read_file : reads_file {
    auto arguments() { return std::tuple(&file, bytes, 3, 0); }
};

struct readv_file : reads_file {
    auto arguments() { return std::tuple(&file, &vector, 1, 0); }
};

struct write_file : writes_file {
    auto arguments() { return std::tuple(&file, bytes, 3, 0); }
};

struct writev_file : writes_file {
    auto arguments() { return std::tuple(&file, &vector, 1, 0); }
};

struct sync_file : on_file {
    auto arguments() { return std::tuple(&file); }
    void settle(tacet_result) override { CHECK(file.sync_error == 0); }
};

struct allocate_file : on_file {
    auto arguments() { return std::tuple(&file, 0, 0, 9); }
    void settle(tacet_result r) override { CHECK(contents().size() == (r == 0 ? 9 : 3)); }
};

struct truncate_file : on_file {
    auto arguments() { return std::tuple(&file, 1); }
    void settle(tacet_result r) override { CHECK(contents() == (r == 0 ? "o" : "old")); }
};

struct advise_file : on_file {
    auto arguments() { return std::tuple(&file, 0, 0, POSIX_FADV_WILLNEED); }
};

struct sync_range : on_file {
    auto arguments() { return std::tuple(&file, 0, 0, SYNC_FILE_RANGE_WRITE); }
};

/* An attribute is set, or it is not. */
struct sets_attribute : on_file {
    bool is_own(tacet_result r) const override { return r == 0 || r == -EOPNOTSUPP; }
    void settle(tacet_result r) override { CHECK((::fgetxattr(file.fd, "user.tacet", nullptr, 0) == 3) == (r == 0)); }
};

struct set_attribute : sets_attribute {
    auto arguments() { return std::tuple(&file, "user.tacet", bytes, 3, 0); }
};

struct set_path_attribute : sets_attribute {
    auto arguments() { return std::tuple(path.c_str(), "user.tacet", bytes, 3, 0); }
};

struct gets_attribute : on_file {
    gets_attribute()
    {
        has_it = ::fsetxattr(file.fd, "user.tacet", "old", 3, 0) == 0;
        writes_to(bytes);
    }
    bool is_own(tacet_result r) const override { return has_it ? r == 3 : r == -EOPNOTSUPP; }
    void settle(tacet_result r) override { CHECK(std::string(bytes, 3) == (r == 3 ? "old" : "new")); }
    bool has_it;
};

struct get_attribute : gets_attribute {
    auto arguments() { return std::tuple(&file, "user.tacet", bytes, 3); }
};

struct get_path_attribute : gets_attribute {
    auto arguments() { return std::tuple(path.c_str(), "user.tacet", bytes, 3); }
};

/* The descriptor is closed from the start on, whoever is told. */
struct close_file : on_file {
    auto arguments() { return std::tuple(&file); }
    void settle(tacet_result) override { CHECK(file.fd == -1); }
};

}

std::vector<operation_row> file_rows()
{
    return {
        STARTED(tacet_file_read, read_pipe, "pipe", IORING_OP_READ, waits),
        STARTED(tacet_file_read, read_registered, "registered pipe", IORING_OP_READ, waits),
        STARTED(tacet_file_readv, readv_pipe, "pipe", IORING_OP_READV, waits),
        STARTED(tacet_file_write, write_pipe, "pipe", IORING_OP_WRITE, waits),
        STARTED(tacet_file_writev, writev_pipe, "pipe", IORING_OP_WRITEV, waits),
        STARTED(tacet_file_read, read_file, "", IORING_OP_READ, limited_data),
        STARTED(tacet_file_readv, readv_file, "", IORING_OP_READV, limited_data),
        STARTED(tacet_file_write, write_file, "", IORING_OP_WRITE, limited_data),
        STARTED(tacet_file_writev, writev_file, "", IORING_OP_WRITEV, limited_data),
        STARTED(tacet_file_sync, sync_file, "", IORING_OP_FSYNC, limited_worker),
        STARTED(tacet_file_datasync, sync_file, "", IORING_OP_FSYNC, limited_worker),
        STARTED(tacet_file_allocate, allocate_file, "", IORING_OP_FALLOCATE, limited_worker),
        STARTED(tacet_file_truncate, truncate_file, "", TACET_OPCODE_FTRUNCATE, limited_worker),
        STARTED(tacet_file_advise, advise_file, "", IORING_OP_FADVISE, limited_worker),
        STARTED(tacet_file_sync_range, sync_range, "", IORING_OP_SYNC_FILE_RANGE, limited_worker),
        STARTED(tacet_file_set_xattr, set_attribute, "", IORING_OP_FSETXATTR, limited_worker),
        STARTED(tacet_file_get_xattr, get_attribute, "", IORING_OP_FGETXATTR, limited_worker),
        STARTED(tacet_path_set_xattr, set_path_attribute, "", IORING_OP_SETXATTR, limited_worker),
        STARTED(tacet_path_get_xattr, get_path_attribute, "", IORING_OP_GETXATTR, limited_worker),
        STARTED(tacet_file_close, close_file, "", IORING_OP_CLOSE, never_cancelled),
    };
}

}
