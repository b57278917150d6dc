/* See subjects.hpp. Calls of several steps: how far one came that was ended between two is to be seen. */
#include "support/subject_kinds.hpp"

#include <tacet/steps.h>

#include <dirent.h>
#include <linux/openat2.h>

namespace support {

namespace {

/* Two bytes, of which one may lie there from the beginning: then it is read before the other is waited for. */
struct reads_two : subject {
    explicit reads_two(int there) : sent(there)
    {
        writes_to(bytes);
        pipe.write(std::string(static_cast<std::size_t>(there), 'x'));
    }
    auto arguments() { return std::tuple(&reader, bytes, 2, own_position, &steps); }
    void provoke() override
    {
        pipe.write("xx");
        sent += 2;
    }
    bool is_own(tacet_result r) const override { return r == 2; }
    void settle(tacet_result r) override
    {
        CHECK((steps.bytes == 2) == (r == 2));
        CHECK(read() == static_cast<int>(steps.bytes));
        settle_untold();
    }
    void settle_untold() override { CHECK(bytes_in(pipe.fds[0]) + read() == sent); }
    int read() const { return (bytes[0] == 'x') + (bytes[1] == 'x'); }

    support::pipe pipe;
    tacet_file reader = pipe.reader();
    char bytes[2] = {};
    int sent;
    tacet_steps steps = {};
};

struct read_both : reads_two {
    read_both() : reads_two(0) {}
};

struct read_one_and_one : reads_two {
    read_one_and_one() : reads_two(1) {}
};

struct read_whole : reads_file {
    auto arguments() { return std::tuple(&file, bytes, 3, 0, &steps); }
    tacet_steps steps = {};
};

struct write_to_full : writes_pipe {
    auto arguments() { return std::tuple(&writer, &byte, 1, own_position, &steps); }
    tacet_steps steps = {};
};

struct write_whole : writes_file {
    auto arguments() { return std::tuple(&file, bytes, 3, 0, &steps); }
    tacet_steps steps = {};
};

/* It may have been written and not be synced. */
struct write_and_sync : write_whole {
    void settle(tacet_result r) override
    {
        CHECK(contents() == (steps.bytes == 3 ? "new" : "old"));
        CHECK((r != 3 || steps.bytes == 3));
        CHECK(file.sync_error == 0);
    }
};

/* Whole or not there; it may be there, and its directory not be synced. */
struct make_durable : subject {
    make_durable()
    {
        dir.fd = ::open(folder.path().c_str(), O_DIRECTORY | O_CLOEXEC);
        CHECK(dir.fd >= 0);
    }
    ~make_durable() override { ::close(dir.fd); }
    auto arguments() { return std::tuple(&dir, "new", 0600, "contents", 8, flags, &steps); }
    bool is_own(tacet_result r) const override { return r == 8; }
    void settle(tacet_result r) override
    {
        const bool there = ::faccessat(dir.fd, "new", F_OK, 0) == 0;
        CHECK((r != 8 || there));
        if (there)
            CHECK(folder.read("new") == "contents");
        CHECK(count() == (there ? 1u : 0u));
        CHECK(dir.sync_error == 0);
    }
    std::size_t count() const
    {
        std::size_t names = 0;
        DIR* all = ::opendir(folder.path().c_str());
        REQUIRE(all != nullptr);
        while (const dirent* each = ::readdir(all))
            names += each->d_name != std::string(".") && each->d_name != std::string("..");
        ::closedir(all);
        return names;
    }

    temporary_directory folder;
    tacet_file dir = {-1, O_DIRECTORY, 0};
    tacet_steps steps = {};
    unsigned flags = 0;
};

struct replace_durable : make_durable {
    replace_durable() { flags = TACET_DURABLE_REPLACE; }
};

}

std::vector<operation_row> steps_rows()
{
    return {
        AWAITED(tacet_file_read_all, read_both, "pipe", IORING_OP_READ, of_steps | waits),
        AWAITED(tacet_file_read_all, read_one_and_one, "pipe with a part", IORING_OP_READ, of_steps | waits),
        AWAITED(tacet_file_read_all, read_whole, "", IORING_OP_READ, of_steps | limited_data),
        AWAITED(tacet_file_write_all, write_to_full, "pipe", IORING_OP_WRITE, of_steps | waits),
        AWAITED(tacet_file_write_all, write_whole, "", IORING_OP_WRITE, of_steps | limited_data),
        AWAITED(tacet_file_write_durable, write_and_sync, "", IORING_OP_WRITE, of_steps),
        AWAITED(tacet_file_create_durable, make_durable, "", IORING_OP_OPENAT2, of_steps | limited_worker),
        AWAITED(tacet_file_create_durable, replace_durable, "any", IORING_OP_OPENAT2, of_steps | limited_worker),
    };
}

}
