/* Operations on paths, against the system calls that they stand for: each case is run in one of two equal trees. */
#include "support/support.hpp"

#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <linux/openat2.h>
#include <set>
#include <sstream>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace support;

namespace {

tacet_result result_of(long r)
{
    return r < 0 ? -errno : r;
}

/* A directory with a bit of everything in it. */
struct tree {
    tree()
    {
        directory.write("file", "contents");
        directory.write("other", "others");
        std::filesystem::create_directories(directory / "full/inner");
        std::filesystem::create_directory(directory / "empty");
        std::filesystem::create_symlink("file", directory / "link");
        std::filesystem::create_symlink("nowhere", directory / "dangling");
        std::filesystem::create_symlink("circle", directory / "circle");
        dir = {::open(directory.path().c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC), O_RDONLY, 0};
        REQUIRE(dir.fd >= 0);
    }
    ~tree() { ::close(dir.fd); }

    /* Names, types, modes, links and contents. */
    std::string describe() const
    {
        std::set<std::string> lines;
        describe(directory.path(), lines);
        std::string all;
        for (const std::string& line : lines)
            all += line.substr(directory.path().size()) + "\n";
        return all;
    }
    static void describe(const std::string& path, std::set<std::string>& lines)
    {
        struct stat status;
        REQUIRE(::lstat(path.c_str(), &status) == 0);
        std::ostringstream line;
        line << path << ' ' << std::oct << status.st_mode << ' ' << status.st_nlink << ' ' << status.st_uid;
        if (S_ISLNK(status.st_mode))
            line << " -> " << std::filesystem::read_symlink(path);
        if (S_ISREG(status.st_mode))
            line << ' ' << status.st_size << ' ' << status.st_mtime / 1000000;
        lines.insert(line.str());
        if (S_ISDIR(status.st_mode))
            for (const auto& entry : std::filesystem::directory_iterator(path))
                describe(entry.path(), lines);
    }

    temporary_directory directory;
    tacet_file dir = {-1, 0, 0};
};

struct comparison {
    std::string name;
    std::function<tacet_result(tacet_task* task, const tacet_file* dir)> ours;
    std::function<long(int dir)> theirs;
};

void compare(const std::vector<comparison>& comparisons, const switcher_kind& switcher)
{
    caller run(switcher);
    for (const comparison& each : comparisons) {
        CAPTURE(each.name);
        tree our_tree, their_tree;
        const tacet_result ours = run([&](tacet_task* self) { return each.ours(self, &our_tree.dir); });
        CHECK(ours == result_of(each.theirs(their_tree.dir.fd)));
        CHECK(our_tree.describe() == their_tree.describe());
    }
}

struct path_pair {
    const char *from, *to;
};

}

TEST_CASE("open does what openat2 does", "[path]")
{
    caller run(GENERATE(from_range(suspending_switchers())), GENERATE(from_range(kernel_rings())));
    const std::string long_name(300, 'x');
    struct request {
        const char* path;
        open_how how;
    };
    const request requests[] = {
        {"file", {O_RDONLY, 0, 0}},
        {"file", {O_RDWR | O_TRUNC, 0, 0}},
        {"link", {O_RDONLY, 0, 0}},
        {"link", {O_RDONLY | O_NOFOLLOW, 0, 0}},
        {"link", {O_PATH | O_NOFOLLOW, 0, 0}},
        {"missing", {O_RDONLY, 0, 0}},
        {"dangling", {O_RDONLY, 0, 0}},
        {"circle", {O_RDONLY, 0, 0}},
        {"new", {O_WRONLY | O_CREAT | O_EXCL, 0640, 0}},
        {"file", {O_WRONLY | O_CREAT | O_EXCL, 0640, 0}},
        {"full", {O_RDONLY | O_DIRECTORY, 0, 0}},
        {"full", {O_WRONLY, 0, 0}},
        {"file", {O_RDONLY | O_DIRECTORY, 0, 0}},
        {"file/x", {O_RDONLY, 0, 0}},
        {"", {O_RDONLY, 0, 0}},
        {long_name.c_str(), {O_RDONLY, 0, 0}},
        {"full/../file", {O_RDONLY, 0, RESOLVE_BENEATH}},
        {"..", {O_RDONLY, 0, RESOLVE_BENEATH}},
        {"link", {O_RDONLY, 0, RESOLVE_NO_SYMLINKS}},
        {"file", {O_RDONLY, 0640, 0}},       /* a mode without O_CREAT */
        {"file", {O_RDONLY, 0, 1ull << 60}}, /* no such flag */
        {"file", {1ull << 60, 0, 0}},
        {".", {O_TMPFILE | O_RDWR, 0600, 0}},
    };
    for (const request& each : requests) {
        CAPTURE(each.path, each.how.flags, each.how.resolve);
        tree our_tree, their_tree;
        tacet_file file = {-1, 0, 0};
        const tacet_result ours = run(
            [&](tacet_task* self) { return tacet_file_open(self, &file, &our_tree.dir, each.path, &each.how); });
        const tacet_result theirs = result_of(
            ::syscall(SYS_openat2, their_tree.dir.fd, each.path, &each.how, sizeof each.how));
        CHECK(ours == (theirs < 0 ? theirs : 0));
        CHECK(our_tree.describe() == their_tree.describe());
        if (theirs >= 0) {
            CHECK(file.flags == each.how.flags);
            CHECK(file.sync_error == 0);
            CHECK(::fcntl(file.fd, F_GETFL) == ::fcntl(static_cast<int>(theirs), F_GETFL));
            CHECK(::fcntl(file.fd, F_GETFD) == ::fcntl(static_cast<int>(theirs), F_GETFD));
            ::close(file.fd);
            ::close(static_cast<int>(theirs));
        }
    }
}

TEST_CASE("a path without a directory is relative to the working directory, and a bad directory is an error", "[path]")
{
    caller run(GENERATE(from_range(suspending_switchers())));
    tree tree;
    const tacet_file file = {::open((tree.directory / "file").c_str(), O_RDONLY | O_CLOEXEC), O_RDONLY, 0};
    const tacet_file closed = {1 << 20, 0, 0};
    struct statx ours, theirs;
    CHECK(run([&](tacet_task* self) { return tacet_path_stat(self, nullptr, ".", 0, STATX_INO, &ours); }) == 0);
    REQUIRE(::statx(AT_FDCWD, ".", 0, STATX_INO, &theirs) == 0);
    CHECK(ours.stx_ino == theirs.stx_ino);
    for (const tacet_file* wrong : {&file, &closed}) {
        const tacet_result error = wrong == &file ? -ENOTDIR : -EBADF;
        CHECK(run([&](tacet_task* t) { return tacet_path_stat(t, wrong, "x", 0, 0, &ours); }) == error);
        CHECK(run([&](tacet_task* t) { return tacet_path_mkdir(t, wrong, "x", 0); }) == error);
        CHECK(run([&](tacet_task* t) { return tacet_path_unlink(t, wrong, "x", 0); }) == error);
        CHECK(run([&](tacet_task* t) { return tacet_path_symlink(t, "y", wrong, "x"); }) == error);
        CHECK(run([&](tacet_task* t) { return tacet_path_rename(t, wrong, "x", wrong, "y", 0); }) == error);
        CHECK(run([&](tacet_task* t) { return tacet_path_link(t, wrong, "x", wrong, "y", 0); }) == error);
        CHECK(run([&](tacet_task* t) { return tacet_path_chmod(t, wrong, "x", 0, 0); }) == error);
    }
    ::close(file.fd);
}

TEST_CASE("a NULL path, target or output is -EINVAL", "[path]")
{
    caller run(GENERATE(from_range(suspending_switchers())));
    tacet_file file;
    char buffer[8];
    const open_how how = {O_RDONLY, 0, 0};
    const call calls[] = {
        [&](tacet_task* t) { return tacet_file_open(t, &file, nullptr, nullptr, &how); },
        [&](tacet_task* t) { return tacet_file_open(t, &file, nullptr, "/", nullptr); },
        [&](tacet_task* t) { return tacet_path_stat(t, nullptr, nullptr, 0, 0, nullptr); },
        [&](tacet_task* t) { return tacet_path_stat(t, nullptr, "/", 0, 0, nullptr); },
        [&](tacet_task* t) { return tacet_path_rename(t, nullptr, nullptr, nullptr, "b", 0); },
        [&](tacet_task* t) { return tacet_path_rename(t, nullptr, "a", nullptr, nullptr, 0); },
        [&](tacet_task* t) { return tacet_path_unlink(t, nullptr, nullptr, 0); },
        [&](tacet_task* t) { return tacet_path_mkdir(t, nullptr, nullptr, 0); },
        [&](tacet_task* t) { return tacet_path_symlink(t, nullptr, nullptr, "a"); },
        [&](tacet_task* t) { return tacet_path_symlink(t, "a", nullptr, nullptr); },
        [&](tacet_task* t) { return tacet_path_link(t, nullptr, nullptr, nullptr, "b", 0); },
        [&](tacet_task* t) { return tacet_path_link(t, nullptr, "a", nullptr, nullptr, 0); },
        [&](tacet_task* t) { return tacet_path_readlink(t, nullptr, nullptr, buffer, 8); },
        [&](tacet_task* t) { return tacet_path_readlink(t, nullptr, "a", nullptr, 8); },
        [&](tacet_task* t) { return tacet_path_chmod(t, nullptr, nullptr, 0, 0); },
        [&](tacet_task* t) { return tacet_path_chown(t, nullptr, nullptr, 0, 0, 0); },
        [&](tacet_task* t) { return tacet_path_set_times(t, nullptr, nullptr, nullptr, 0); },
        [&](tacet_task* t) { return tacet_path_set_times(t, nullptr, "a", nullptr, 0); },
    };
    for (const call& each : calls)
        CHECK(run(each) == -EINVAL);
    CHECK(static_cast<tacet_executor*>(run) != nullptr);
}

TEST_CASE("unlink and mkdir do what the system calls do", "[path]")
{
    std::vector<comparison> comparisons;
    for (const char* path : {"file", "link", "dangling", "missing", "empty", "full", "file/x", ""})
        for (const int flags : {0, AT_REMOVEDIR, 77})
            comparisons.push_back(
                {std::string("unlink ") + path + " " + std::to_string(flags),
                 [=](tacet_task* t, const tacet_file* dir) { return tacet_path_unlink(t, dir, path, flags); },
                 [=](int dir) { return ::unlinkat(dir, path, flags); }});
    for (const char* path : {"new", "file", "empty", "missing/new", "file/new", "", "dangling"})
        for (const mode_t mode : {0755u, 0700u, 01777u})
            comparisons.push_back(
                {std::string("mkdir ") + path,
                 [=](tacet_task* t, const tacet_file* dir) { return tacet_path_mkdir(t, dir, path, mode); },
                 [=](int dir) { return ::mkdirat(dir, path, mode); }});
    compare(comparisons, GENERATE(from_range(suspending_switchers())));
}

TEST_CASE("rename, link and symlink do what the system calls do", "[path]")
{
    const path_pair pairs[] = {{"file", "new"},    {"file", "other"}, {"missing", "new"}, {"file", "empty"},
                               {"full", "new"},    {"full", "empty"}, {"empty", "full"},  {"full", "full/inner/x"},
                               {"link", "new"},    {"file", "file"},  {"file", "a/b"},    {"file/x", "new"},
                               {"dangling", "new"}};
    std::vector<comparison> comparisons;
    for (const path_pair& pair : pairs) {
        const char *from = pair.from, *to = pair.to;
        const std::string names = std::string(from) + " " + to;
        for (const unsigned flags : {0u, 1u /* RENAME_NOREPLACE */, 2u /* RENAME_EXCHANGE */, 99u})
            comparisons.push_back(
                {"rename " + names + " " + std::to_string(flags),
                 [=](tacet_task* t, const tacet_file* dir) { return tacet_path_rename(t, dir, from, dir, to, flags); },
                 [=](int dir) { return ::renameat2(dir, from, dir, to, flags); }});
        for (const int flags : {0, AT_SYMLINK_FOLLOW, 77})
            comparisons.push_back(
                {"link " + names + " " + std::to_string(flags),
                 [=](tacet_task* t, const tacet_file* dir) { return tacet_path_link(t, dir, from, dir, to, flags); },
                 [=](int dir) { return ::linkat(dir, from, dir, to, flags); }});
        comparisons.push_back(
            {"symlink " + names,
             [=](tacet_task* t, const tacet_file* dir) { return tacet_path_symlink(t, from, dir, to); },
             [=](int dir) { return ::symlinkat(from, dir, to); }});
    }
    compare(comparisons, GENERATE(from_range(suspending_switchers())));
}

TEST_CASE("across file systems rename and link are -EXDEV", "[path]")
{
    tree tree;
    struct stat here, there;
    if (::stat("/dev/shm", &there) != 0 || ::stat(tree.directory.path().c_str(), &here) != 0 ||
        here.st_dev == there.st_dev)
        SKIP("there is no second file system");
    caller run(GENERATE(from_range(suspending_switchers())));
    const char* target = "/dev/shm/tacet-test-never-made";
    CHECK(run([&](tacet_task* t) { return tacet_path_rename(t, &tree.dir, "file", nullptr, target, 0); }) == -EXDEV);
    CHECK(run([&](tacet_task* t) { return tacet_path_link(t, &tree.dir, "file", nullptr, target, 0); }) == -EXDEV);
}

TEST_CASE("statx is the system call's, of a path, a link and the open file itself", "[path]")
{
    caller run(GENERATE(from_range(suspending_switchers())), GENERATE(from_range(kernel_rings())));
    tree tree;
    struct request {
        const char* path;
        int flags;
    };
    const request requests[] = {{"file", 0},         {"link", 0},   {"link", AT_SYMLINK_NOFOLLOW},
                                {"", AT_EMPTY_PATH}, {"", 0},       {"missing", 0},
                                {"dangling", 0},     {"file/x", 0}, {"file", 1 << 30}};
    for (const auto& [path, flags] : requests) {
        CAPTURE(path, flags);
        struct statx ours = {}, theirs = {};
        const unsigned mask = STATX_BASIC_STATS & ~STATX_ATIME;
        CHECK(run([&, path = path, flags = flags](tacet_task* self) {
                  return tacet_path_stat(self, &tree.dir, path, flags, mask, &ours);
              }) == result_of(::statx(tree.dir.fd, path, flags, mask, &theirs)));
        CHECK(ours.stx_ino == theirs.stx_ino);
        CHECK(ours.stx_mode == theirs.stx_mode);
        CHECK(ours.stx_size == theirs.stx_size);
        CHECK(ours.stx_mtime.tv_nsec == theirs.stx_mtime.tv_nsec);
    }
}

TEST_CASE("readlink does what the system call does, and needs no suspension", "[path]")
{
    caller run(GENERATE(from_range(all_switchers())));
    tree tree;
    for (const char* path : {"link", "dangling", "file", "missing", ""})
        for (const std::size_t bytes : {std::size_t{2}, std::size_t{64}}) {
            CAPTURE(path, bytes);
            char ours[64] = {}, theirs[64] = {};
            CHECK(run([&](tacet_task* self) { return tacet_path_readlink(self, &tree.dir, path, ours, bytes); }) ==
                  result_of(::readlinkat(tree.dir.fd, path, theirs, bytes)));
            CHECK(std::memcmp(ours, theirs, sizeof ours) == 0);
        }
}

TEST_CASE("modes, owners and times are set as by the system calls", "[path]")
{
    std::vector<comparison> comparisons;
    const uid_t owner = ::geteuid() == 0 ? 65534 : ::geteuid();
    for (const char* path : {"file", "link", "empty", "missing", "dangling", "file/x"})
        for (const int flags : {0, AT_SYMLINK_NOFOLLOW}) {
            const std::string name = std::string(path) + " " + std::to_string(flags);
            comparisons.push_back(
                {"chmod " + name,
                 [=](tacet_task* t, const tacet_file* dir) { return tacet_path_chmod(t, dir, path, 0604, flags); },
                 [=](int dir) { return ::fchmodat(dir, path, 0604, flags); }});
            comparisons.push_back(
                {"chown " + name,
                 [=](tacet_task* t, const tacet_file* dir) {
                     return tacet_path_chown(t, dir, path, owner, static_cast<gid_t>(-1), flags);
                 },
                 [=](int dir) { return ::fchownat(dir, path, owner, static_cast<gid_t>(-1), flags); }});
            static const timespec times[2] = {{1000000000, 5}, {1100000000, 7}};
            comparisons.push_back(
                {"times " + name,
                 [=](tacet_task* t, const tacet_file* dir) { return tacet_path_set_times(t, dir, path, times, flags); },
                 [=](int dir) { return ::utimensat(dir, path, times, flags); }});
        }
    compare(comparisons, GENERATE(from_range(all_switchers())));
}

TEST_CASE("an empty path means the open file itself where modes, owners and times are set", "[path]")
{
    caller run(GENERATE(from_range(all_switchers())));
    tree tree;
    const tacet_file file = {::open((tree.directory / "file").c_str(), O_RDWR | O_CLOEXEC), O_RDWR, 0};
    const timespec times[2] = {{1000000000, 5}, {1100000000, 7}};
    CHECK(run([&](tacet_task* t) { return tacet_path_chmod(t, &file, "", 0604, 0); }) == 0);
    CHECK(run([&](tacet_task* t) { return tacet_path_set_times(t, &file, "", times, 0); }) == 0);
    CHECK(run([&](tacet_task* t) { return tacet_path_chown(t, &file, "", ::geteuid(), ::getegid(), 0); }) == 0);
    struct stat status;
    REQUIRE(::fstat(file.fd, &status) == 0);
    CHECK((status.st_mode & 07777) == 0604);
    CHECK(status.st_mtim.tv_sec == 1100000000);
    CHECK(status.st_mtim.tv_nsec == 7);
    CHECK(run([&](tacet_task* t) { return tacet_path_chmod(t, nullptr, "", 0604, 0); }) == -ENOENT);
    CHECK(run([&](tacet_task* t) { return tacet_path_set_times(t, nullptr, "", times, 0); }) == -ENOENT);
    CHECK(run([&](tacet_task* t) { return tacet_path_chown(t, nullptr, "", ::geteuid(), ::getegid(), 0); }) == -ENOENT);
    ::close(file.fd);
}

TEST_CASE("a directory is read to its end, record by record", "[path]")
{
    caller run(GENERATE(from_range(all_switchers())));
    tree tree;
    std::set<std::string> ours, theirs;
    alignas(dirent64) char buffer[256]; /* too small for all at once */
    tacet_result bytes = 0;
    while ((bytes = run([&](tacet_task* t) { return tacet_directory_read(t, &tree.dir, buffer, sizeof buffer); })) > 0)
        for (tacet_result at = 0; at < bytes;) {
            const auto* record = reinterpret_cast<const dirent64*>(buffer + at);
            ours.insert(record->d_name);
            at += record->d_reclen;
        }
    CHECK(bytes == 0);
    for (const auto& entry : std::filesystem::directory_iterator(tree.directory.path()))
        theirs.insert(entry.path().filename());
    theirs.insert({".", ".."});
    CHECK(ours == theirs);
    const tacet_file file = {::open((tree.directory / "file").c_str(), O_RDONLY | O_CLOEXEC), O_RDONLY, 0};
    CHECK(run([&](tacet_task* t) { return tacet_directory_read(t, &file, buffer, sizeof buffer); }) == -ENOTDIR);
    ::close(file.fd);
}

TEST_CASE("an ordinary user is refused what is not theirs", "[path]")
{
    if (::geteuid() != 0)
        SKIP("only root can become somebody else");
    tree tree;
    REQUIRE(::chmod(tree.directory.path().c_str(), 0755) == 0);
    REQUIRE(::chmod((tree.directory / "file").c_str(), 0600) == 0);
    const int failed_at = in_child([&] {
        if (::setgid(65534) != 0 || ::setuid(65534) != 0)
            return 100;
        tacet_executor* executor = nullptr;
        if (create_patiently(&executor, nullptr) != 0)
            return 101;
        const open_how how = {O_RDONLY, 0, 0};
        struct statx status;
        std::vector<tacet_op> ops(6);
        for (tacet_op& op : ops)
            if (tacet_op_init_callback(
                    &op, executor, [](tacet_op*) {}, TACET_PRIORITY_LOW) < 0)
                return 102;
        const bool started = tacet_file_open_start(&ops[0], nullptr, &tree.dir, "file", &how) == 0 &&
                             tacet_path_mkdir_start(&ops[1], nullptr, &tree.dir, "new", 0755) == 0 &&
                             tacet_path_unlink_start(&ops[2], nullptr, &tree.dir, "file", 0) == 0 &&
                             tacet_path_rename_start(&ops[3], nullptr, &tree.dir, "file", &tree.dir, "new", 0) == 0 &&
                             tacet_path_symlink_start(&ops[4], nullptr, "x", &tree.dir, "new") == 0 &&
                             tacet_path_stat_start(&ops[5], nullptr, &tree.dir, "file", 0, STATX_INO, &status) == 0;
        if (!started || tacet_executor_run(executor, TACET_UNTIL_IDLE, nullptr) != 6)
            return 103;
        for (int i = 0; i < 5; i++)
            if (ops[static_cast<std::size_t>(i)].result != -EACCES)
                return i + 1;
        return ops[5].result == 0 ? 0 : 6;
    });
    CHECK(failed_at == 0);
}
