/*
 * Operations whose arguments lie on the task's stack, under every switcher, while other tasks of the same kind run and
 * write over whatever is not theirs. The kernel follows the pointers when the task has been away: the bytes are right, or
 * the operation is refused with a report that names it.
 */
#include "switcher/kinds.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

using namespace support;

namespace {

/* An executor that keeps the lines reported to it. */
struct reporting_executor {
    std::string lines;
    executor handle;

    explicit reporting_executor(const ring_kind& ring = default_ring) : handle(options(ring, &lines)) {}
    operator tacet_executor*() const { return handle; }

    static tacet_executor_options options(const ring_kind& ring, std::string* lines)
    {
        tacet_executor_options options = {};
        options.ring_entries = ring.entries;
        options.report = [](void* arg, const char* line) { static_cast<std::string*>(arg)->append(line) += '\n'; };
        options.report_arg = lines;
        return options;
    }
};

struct place {
    temporary_directory directory;
    tacet_file dir = {-1, 0, 0}, file = {-1, 0, 0};
    std::string contents;

    place()
    {
        for (int i = 0; i < 40000; i++)
            contents += static_cast<char>(i * 7 + i / 251);
        directory.write("file", contents);
        dir.fd = ::open(directory.path().c_str(), O_DIRECTORY | O_PATH | O_CLOEXEC);
        file.fd = ::open((directory / "file").c_str(), O_RDWR | O_CLOEXEC);
        REQUIRE(dir.fd >= 0);
        REQUIRE(file.fd >= 0);
    }
    place(const place&) = delete;
    ~place()
    {
        ::close(dir.fd);
        ::close(file.fd);
    }
};

/* Fills as much of the stack as the others use. */
[[gnu::noinline]] tacet_result poison(tacet_task* self, int turns)
{
    volatile char everything[120000];
    for (int i = 0; i < turns; i++) {
        std::memset(const_cast<char*>(everything), 0x11 * (i + 1), sizeof everything);
        const tacet_result r = tacet_yield(self);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Makes the call in a task of the kind, while others of it come and go. */
tacet_result in_bad_company(tacet_executor* executor, tacet_switcher* switcher,
                            const std::function<tacet_result(tacet_task*)>& call)
{
    const auto poisons = [](tacet_task* self) { return poison(self, 6); };
    task before(switcher, {poisons});
    task caller(switcher, {call});
    task after(switcher, {poisons});
    before.attach(executor);
    caller.attach(executor);
    after.attach(executor);
    CHECK(tacet_executor_run(executor, TACET_UNTIL_IDLE, nullptr) > 0);
    CHECK(tacet_task_has_exited(caller));
    CHECK(tacet_task_result(before) == 0);
    CHECK(tacet_task_result(after) == 0);
    return tacet_task_result(caller);
}

switcher_kind any_way()
{
    return GENERATE(from_range(stackful_ways()));
}

const std::size_t bounce_bytes_default = 16384;

bool reports(const reporting_executor& executor, const std::string& word)
{
    return executor.lines.find(word) != std::string::npos;
}

template <std::size_t Bytes>
tacet_result read_on_stack(tacet_task* self, const place& where, std::size_t bytes)
{
    char buffer[Bytes + 2];
    std::memset(buffer, '!', sizeof buffer);
    const tacet_result r = tacet_file_read(self, &where.file, buffer + 1, bytes, 3);
    const std::size_t got = r < 0 ? 0 : static_cast<std::size_t>(r);
    CHECK((std::string(buffer + 1, got) == where.contents.substr(3, got)));
    CHECK(buffer[0] == '!');
    for (std::size_t i = got + 1; i < sizeof buffer; i++)
        if (buffer[i] != '!')
            return -EILSEQ;
    return r;
}

template <std::size_t Bytes>
tacet_result write_on_stack(tacet_task* self, const tacet_file& file, std::size_t bytes)
{
    char buffer[Bytes + 1];
    for (std::size_t i = 0; i < bytes; i++)
        buffer[i] = static_cast<char>('a' + i % 23);
    return tacet_file_write(self, &file, buffer, bytes, 0);
}

}

TEST_CASE("a read into the task's stack gets the file's bytes, or is refused where it is too large", "[bounce]")
{
    const switcher_kind way = any_way();
    const std::size_t bytes = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{100}, bounce_bytes_default - 1,
                                       bounce_bytes_default, bounce_bytes_default + 1, std::size_t{30000});
    CAPTURE(way.name, bytes);
    const place where;
    reporting_executor executor;
    const tacet_result r = in_bad_company(executor, way.instance(),
                                          [&](tacet_task* self) { return read_on_stack<30000>(self, where, bytes); });
    if (is_copying(way.instance()) && bytes > bounce_bytes_default) {
        CHECK(r == -EFAULT);
        CHECK(reports(executor, "read"));
    } else {
        CHECK(r == static_cast<tacet_result>(bytes));
        CHECK(executor.lines.empty());
    }
}

TEST_CASE("a write from the task's stack writes its bytes, or is refused where it is too large", "[bounce]")
{
    const switcher_kind way = any_way();
    const std::size_t bytes = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{100}, bounce_bytes_default - 1,
                                       bounce_bytes_default, bounce_bytes_default + 1, std::size_t{30000});
    CAPTURE(way.name, bytes);
    const place where;
    where.directory.write("new", "");
    const tacet_file file = {::open((where.directory / "new").c_str(), O_RDWR | O_CLOEXEC), 0, 0};
    reporting_executor executor;
    const tacet_result r = in_bad_company(executor, way.instance(),
                                          [&](tacet_task* self) { return write_on_stack<30000>(self, file, bytes); });
    ::close(file.fd);
    std::string expected;
    if (is_copying(way.instance()) && bytes > bounce_bytes_default) {
        CHECK(r == -EFAULT);
        CHECK(reports(executor, "write"));
    } else {
        CHECK(r == static_cast<tacet_result>(bytes));
        CHECK(executor.lines.empty());
        for (std::size_t i = 0; i < bytes; i++)
            expected += static_cast<char>('a' + i % 23);
    }
    CHECK((where.directory.read("new") == expected));
}

TEST_CASE("an instance's bound on what is copied is exact, and named in the report with the task", "[bounce]")
{
    tacet_switcher_options options = {};
    options.bounce_bytes_max = 64;
    own_instance instance(&tacet_copying_ops, options);
    const place where;
    reporting_executor executor;
    const auto read = [&](std::size_t bytes) {
        return in_bad_company(executor, instance,
                              [&](tacet_task* self) { return read_on_stack<200>(self, where, bytes); });
    };
    CHECK(read(64) == 64);
    CHECK(executor.lines.empty());
    CHECK(read(65) == -EFAULT);
    CHECK(reports(executor, "read"));
    CHECK(reports(executor, "unnamed"));
    CHECK(reports(executor, "64"));
    CHECK(reports(executor, "65"));
}

TEST_CASE("a short read fills as much of the task's stack as it says", "[bounce]")
{
    const switcher_kind way = any_way();
    const place where;
    reporting_executor executor;
    CHECK(::ftruncate(where.file.fd, 40) == 0);
    CHECK(in_bad_company(executor, way.instance(),
                         [&](tacet_task* self) { return read_on_stack<100>(self, where, 100); }) == 37);
    CHECK(::ftruncate(where.file.fd, 2) == 0);
    CHECK(in_bad_company(executor, way.instance(),
                         [&](tacet_task* self) { return read_on_stack<100>(self, where, 100); }) == 0);
}

TEST_CASE("vectors and what they describe may lie on the task's stack, all or some of them", "[bounce]")
{
    const switcher_kind way = any_way();
    const place where;
    reporting_executor executor;
    static char elsewhere[10];
    static iovec static_vectors[3];
    const bool vectors_on_stack = GENERATE(true, false), all_on_stack = GENERATE(true, false);
    const tacet_result r = in_bad_company(executor, way.instance(), [&](tacet_task* self) -> tacet_result {
        char first[5] = {}, second[10] = {}, third[300];
        std::memset(third, '!', sizeof third);
        std::memset(elsewhere, 0, sizeof elsewhere);
        char* const middle = all_on_stack ? second : elsewhere;
        iovec own_vectors[3] = {{first, 5}, {middle, 10}, {third, 300}};
        std::memcpy(static_vectors, own_vectors, sizeof own_vectors);
        const tacet_file* const file = &where.file;
        const tacet_result got = tacet_file_readv(self, file, vectors_on_stack ? own_vectors : static_vectors, 3,
                                                  39700);
        CHECK(std::string(first, 5) == where.contents.substr(39700, 5));
        CHECK(std::string(middle, 10) == where.contents.substr(39705, 10));
        CHECK(std::string(third, 285) == where.contents.substr(39715, 285));
        CHECK(std::string(third + 285, 15) == std::string(15, '!')); /* the file ends there */
        CHECK(own_vectors[2].iov_base == third);
        std::memset(first, 'x', sizeof first);
        std::memset(middle, 'y', 10);
        static_vectors[1].iov_base = own_vectors[1].iov_base;
        own_vectors[2].iov_len = static_vectors[2].iov_len = 0;
        CHECK(tacet_file_writev(self, file, vectors_on_stack ? own_vectors : static_vectors, 3, 0) == 15);
        return got;
    });
    CHECK(r == 300);
    CHECK(where.directory.read("file").substr(0, 20) == "xxxxxyyyyyyyyyy" + where.contents.substr(15, 5));
    CHECK(executor.lines.empty());
}

TEST_CASE("vectors that are wrong are refused alike by every switcher", "[bounce]")
{
    const switcher_kind way = any_way();
    const place where;
    reporting_executor executor;
    const auto of = [&](const std::function<tacet_result(tacet_task*)>& call) {
        return in_bad_company(executor, way.instance(), call);
    };
    CHECK(of([&](tacet_task* self) { return tacet_file_readv(self, &where.file, nullptr, 1, 0); }) == -EFAULT);
    CHECK(of([&](tacet_task* self) { return tacet_file_writev(self, &where.file, nullptr, 0, 0); }) == 0);
    for (const std::size_t length : {SIZE_MAX, SIZE_MAX - 14, SIZE_MAX / 2, SIZE_MAX / 2 + 1}) {
        const auto too_long = [&](tacet_task* self) -> tacet_result {
            char bytes[16] = {};
            const iovec vectors[2] = {{bytes, sizeof bytes}, {bytes, length}};
            const tacet_result written = tacet_file_writev(self, &where.file, vectors, 2, 0);
            const tacet_result read = tacet_file_readv(self, &where.file, vectors, 2, 0);
            return written < 0 && read < 0 ? -1 : 1;
        };
        CHECK(of(too_long) == -1);
    }
    CHECK((where.directory.read("file") == where.contents));
}

TEST_CASE("paths, open_how, statx results and files may lie on the task's stack", "[bounce]")
{
    const switcher_kind way = any_way();
    const place where;
    reporting_executor executor;
    const tacet_result r = in_bad_company(executor, way.instance(), [&](tacet_task* self) -> tacet_result {
        char a[20] = "made", b[20] = "renamed", c[20] = "symbolic", d[20] = "hard", e[20] = "folder", f[20] = "file";
        open_how how = {};
        how.flags = O_CREAT | O_RDWR;
        how.mode = 0600;
        tacet_file file = {-1, 0, 0};
        struct statx status = {};
        const tacet_file dir = where.dir;
        CHECK(tacet_file_open(self, &file, &dir, a, &how) == 0);
        CHECK(tacet_file_write(self, &file, a, 4, 0) == 4);
        CHECK(tacet_file_sync(self, &file) == 0);
        CHECK(tacet_file_datasync(self, &file) == 0);
        CHECK(tacet_path_stat(self, &dir, f, 0, STATX_BASIC_STATS, &status) == 0);
        CHECK(status.stx_size == 40000);
        CHECK(tacet_path_rename(self, &dir, a, &dir, b, 0) == 0);
        CHECK(tacet_path_symlink(self, b, &dir, c) == 0);
        CHECK(tacet_path_link(self, &dir, b, &dir, d, 0) == 0);
        CHECK(tacet_path_mkdir(self, &dir, e, 0755) == 0);
        CHECK(tacet_file_allocate(self, &file, 0, 0, 100) == 0);
        CHECK(tacet_path_stat(self, &dir, c, 0, STATX_BASIC_STATS, &status) == 0);
        CHECK(status.stx_size == 100);
        CHECK(status.stx_nlink == 2);
        CHECK(tacet_path_unlink(self, &dir, d, 0) == 0);
        CHECK(tacet_path_unlink(self, &dir, e, AT_REMOVEDIR) == 0);
        CHECK(tacet_path_stat(self, &dir, e, 0, STATX_BASIC_STATS, &status) == -ENOENT);
        CHECK(status.stx_nlink == 2); /* nothing was written */
        CHECK(std::string(b) == "renamed");
        CHECK(how.mode == 0600);
        CHECK(tacet_file_close(self, &file) == 0);
        return file.fd;
    });
    CHECK(r == -1);
    CHECK(executor.lines.empty());
    CHECK(where.directory.read("renamed").substr(0, 4) == "made");
    CHECK(where.directory.read("symbolic").substr(0, 4) == "made");
    CHECK(::access((where.directory / "hard").c_str(), F_OK) < 0);
    CHECK(::access((where.directory / "folder").c_str(), F_OK) < 0);
}

TEST_CASE("the longest path may lie on the task's stack, and a longer one is the kernel's to refuse", "[bounce]")
{
    const switcher_kind way = any_way();
    const place where;
    reporting_executor executor;
    const std::size_t length = GENERATE(std::size_t{0}, std::size_t{4095}, std::size_t{4096}, std::size_t{8000});
    const tacet_result r = in_bad_company(executor, way.instance(), [&](tacet_task* self) -> tacet_result {
        char path[8001];
        std::memset(path, '/', sizeof path);
        for (std::size_t i = 0; i + 6 < length; i += 2)
            std::memcpy(path + i, "./", 2);
        if (length > 5)
            std::memcpy(path + length - 5, "/file", 5);
        path[length] = '\0';
        struct statx status = {};
        return tacet_path_stat(self, &where.dir, path, 0, STATX_BASIC_STATS, &status);
    });
    CHECK(r == (length == 0 ? -ENOENT : length < 4096 ? 0 : -ENAMETOOLONG));
}

TEST_CASE("a cancelled read leaves the task's stack alone", "[bounce]")
{
    const switcher_kind way = any_way();
    support::pipe pipe;
    reporting_executor executor;
    const tacet_file reader = pipe.reader();
    char seen[50] = {};
    const auto read = [&](tacet_task* self) -> tacet_result {
        char buffer[50];
        std::memset(buffer, '!', sizeof buffer);
        const tacet_result first = tacet_file_read(self, &reader, buffer, sizeof buffer, UINT64_MAX);
        std::memcpy(seen, buffer, sizeof seen);
        const tacet_result second = tacet_file_read(self, &reader, buffer, sizeof buffer, UINT64_MAX);
        CHECK(second == 5);
        CHECK(std::string(buffer, 6) == "after!");
        return first;
    };
    task reads(way.instance(), {read});
    task poisons(way.instance(), {[](tacet_task* self) { return poison(self, 6); }});
    reads.attach(executor);
    poisons.attach(executor);
    CHECK(tacet_executor_run(executor, 3, nullptr) == 3);
    CHECK(tacet_task_cancel(reads) == 0);
    CHECK(executor.handle.run_until([&] { return seen[0] != 0; }));
    CHECK(std::string(seen, sizeof seen) == std::string(sizeof seen, '!'));
    pipe.write("after");
    CHECK(executor.handle.run_until_idle() > 0);
    CHECK(tacet_task_result(reads) == -ECANCELED);
}

TEST_CASE("an executor is destroyed while an operation on the stack of a task is in flight", "[bounce]")
{
    const switcher_kind way = any_way();
    support::pipe pipe;
    reporting_executor executor;
    const tacet_file reader = pipe.reader();
    const bool released = GENERATE(false, true);
    const auto read = [&](tacet_task* self) -> tacet_result {
        char buffer[5000];
        return tacet_file_read(self, &reader, buffer, sizeof buffer, UINT64_MAX);
    };
    const auto stat = [&](tacet_task* self) -> tacet_result {
        struct statx status;
        char path[] = ".";
        return tacet_path_stat(self, nullptr, path, 0, STATX_BASIC_STATS, &status);
    };
    std::vector<task> tasks;
    for (int i = 0; i < 6; i++) {
        tasks.emplace_back(way.instance(), std::vector<call>{i % 3 == 2 ? call(stat) : call(read)});
        tasks.back().attach(executor);
    }
    CHECK(tacet_executor_run(executor, 6, nullptr) == 6);
    if (released)
        for (task& each : tasks)
            tacet_task_release(each.give_away());
    CHECK(executor.handle.destroy() == 0);
    if (!released)
        for (const task& each : tasks)
            CHECK(tacet_task_result(each) == -ECANCELED);
}

TEST_CASE("tasks read into their stacks at the same time, many of them, each gets its own bytes", "[bounce]")
{
    const switcher_kind way = any_way();
    executor executor(GENERATE(from_range(kernel_rings())));
    const place where;
    std::vector<task> tasks;
    for (std::size_t i = 0; i < 50; i++) {
        tasks.emplace_back(way.instance(), std::vector<call>(5, [&where, i](tacet_task* self) -> tacet_result {
                               char own[700];
                               const tacet_result r = tacet_file_read(self, &where.file, own, sizeof own, i * 301);
                               CHECK(std::string(own, sizeof own) == where.contents.substr(i * 301, sizeof own));
                               return r;
                           }));
        tasks.back().attach(executor);
    }
    CHECK(executor.run_until_idle() > 250);
    for (const task& each : tasks)
        CHECK(each.results() == std::vector<tacet_result>(5, 700));
}

namespace {

/* What a task may not have on a stack that moves. Each returns -EFAULT there, and then nothing has been started. */
struct refused {
    const char* word; /* of the report */
    std::function<tacet_result(tacet_task*, tacet_executor*, const place&)> make;
};

const std::vector<refused>& refusals()
{
    static const std::vector<refused> rows = {
        {"op",
         [](tacet_task* self, tacet_executor*, const place&) {
             tacet_op op = {};
             const tacet_result r = tacet_nop_start(&op, self);
             return r == 0 ? tacet_task_await(self, &op) : r;
         }},
        {"op",
         [](tacet_task* self, tacet_executor*, const place&) {
             tacet_op op = {};
             const tacet_result r = tacet_sleep_start(&op, self, 1000);
             return r == 0 ? tacet_task_await(self, &op) : r;
         }},
        {"op",
         [](tacet_task* self, tacet_executor*, const place& where) {
             tacet_op op = {};
             const tacet_result r = tacet_poll_start(&op, self, where.file.fd, POLLIN);
             return r == 0 ? std::min<tacet_result>(tacet_task_await(self, &op), 0) : r;
         }},
        {"op",
         [](tacet_task* self, tacet_executor* executor, const place&) -> tacet_result {
             tacet_op op = {};
             const auto callback = [](tacet_op*) {};
             tacet_result r = tacet_op_init_callback(&op, executor, callback, TACET_PRIORITY_HIGH);
             r = r < 0 ? r : tacet_nop_start(&op, nullptr);
             for (int i = 0; r == 0 && i < 1000 && op.request.state != TACET_OP_IDLE; i++)
                 r = tacet_sleep(self, 100000);
             return r;
         }},
        {"read",
         [](tacet_task* self, tacet_executor*, const place& where) {
             static tacet_op op;
             char buffer[10] = {};
             const tacet_result r = tacet_file_read_start(&op, self, &where.file, buffer, sizeof buffer, 0);
             return r == 0 ? std::min<tacet_result>(tacet_task_await(self, &op), 0) : r;
         }},
        {"stat",
         [](tacet_task* self, tacet_executor*, const place& where) {
             static tacet_op op;
             static struct statx status;
             char path[] = "file";
             const tacet_result r = tacet_path_stat_start(&op, self, &where.dir, path, 0, STATX_BASIC_STATS, &status);
             return r == 0 ? tacet_task_await(self, &op) : r;
         }},
        {"writev",
         [](tacet_task* self, tacet_executor*, const place& where) {
             static tacet_op op;
             static char byte = 0;
             const iovec vector = {&byte, 0};
             const tacet_result r = tacet_file_writev_start(&op, self, &where.file, &vector, 1, 0);
             return r == 0 ? tacet_task_await(self, &op) : r;
         }},
        {"semaphore",
         [](tacet_task* self, tacet_executor* executor, const place&) {
             static tacet_semaphore* awaited; /* NULL: there is nothing to release */
             tacet_semaphore semaphore;
             tacet_semaphore_init(&semaphore, 0);
             awaited = &semaphore;
             task releases(tacet_switcher_stackless(), {[](tacet_task*) -> tacet_result {
                               if (awaited != nullptr)
                                   tacet_semaphore_release(awaited, 1);
                               return 0;
                           }});
             releases.attach(executor);
             const tacet_result r = tacet_semaphore_acquire(self, &semaphore);
             awaited = r < 0 ? nullptr : awaited;
             CHECK(tacet_task_wait(self, releases, nullptr) == 0);
             return r;
         }},
    };
    return rows;
}

}

TEST_CASE("ops of the caller, their arguments, and semaphores are refused on a stack that moves", "[bounce]")
{
    const switcher_kind way = any_way();
    for (const refused& each : refusals()) {
        CAPTURE(way.name, each.word);
        const place where;
        reporting_executor executor;
        const tacet_result r = in_bad_company(executor, way.instance(),
                                              [&](tacet_task* self) { return each.make(self, executor, where); });
        if (is_copying(way.instance())) {
            CHECK(r == -EFAULT);
            CHECK(reports(executor, each.word));
        } else {
            CHECK(r == 0);
            CHECK(executor.lines.empty());
        }
        CHECK(executor.handle.stats().in_flight == 0);
    }
}

TEST_CASE("a task's own op in memory that stays works under every switcher", "[bounce]")
{
    const switcher_kind way = any_way();
    const place where;
    reporting_executor executor;
    const tacet_result r = in_bad_company(executor, way.instance(), [&](tacet_task* self) -> tacet_result {
        static tacet_op op;
        static char buffer[100];
        CHECK(tacet_file_read_start(&op, self, &where.file, buffer, sizeof buffer, 0) == 0);
        tacet_op* completed = nullptr;
        CHECK(tacet_task_next_completed(self, &completed, TACET_FOREVER) == 1);
        CHECK(completed == &op);
        CHECK(std::string(buffer, 100) == where.contents.substr(0, 100));
        return op.result;
    });
    CHECK(r == 100);
    CHECK(executor.lines.empty());
}

TEST_CASE("what became of a child comes back to the task's stack", "[bounce]")
{
    if (!kernel_has(TACET_OPCODE_WAITID))
        SKIP("Linux 6.7: waitid through the ring");
    const switcher_kind way = any_way();
    CAPTURE(way.name);
    reporting_executor executor;
    support::pipe hold;
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        char byte;
        ::close(hold.fds[1]);
        ::_exit(::read(hold.fds[0], &byte, 1) == 1 ? 11 : 1);
    }
    const auto wait = [&](tacet_task* self) -> tacet_result {
        siginfo_t info;
        const tacet_result r = tacet_process_wait(self, P_PID, static_cast<id_t>(child), &info, WEXITED);
        CHECK(r == 0);
        CHECK(info.si_pid == child);
        return info.si_status;
    };
    const auto end_it = [&](tacet_task* self) -> tacet_result {
        const tacet_result r = poison(self, 3);
        hold.write("x");
        return r;
    };
    task waiter(way.instance(), {wait}), ender(way.instance(), {end_it});
    waiter.attach(executor);
    ender.attach(executor);
    CHECK(tacet_executor_run(executor, TACET_UNTIL_IDLE, nullptr) > 0);
    CHECK(tacet_task_result(waiter) == 11);
    CHECK(executor.lines.empty());
}
