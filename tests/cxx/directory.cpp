// Directories: their entries, and walks through trees.
#include "support.hpp"

#include <algorithm>
#include <cstdarg>
#include <functional>
#include <set>

#include <dirent.h>
#include <dlfcn.h>
#include <sys/stat.h>
#include <sys/syscall.h>

using namespace tests;

namespace {

// What comes of the next reading of a directory: no types, and then this.
std::function<void()> when_read_untyped;

// So many files beside some of every other kind.
class tree : public scratch {
public:
    explicit tree(unsigned files = 3)
    {
        for (unsigned i = 0; i < files; i++)
            made_.insert("file" + std::to_string(i));
        for (const std::string& name : made_)
            make(name.c_str(), "");
        for (const char* name : {"a", "a/b", "a/b/c", "empty"}) {
            std::filesystem::create_directory(*this / name);
            made_.insert(name);
        }
        make("a/b/c/deep", "");
        make("a/inner", "");
        std::filesystem::create_directory_symlink("..", *this / "a/b/up");
        std::filesystem::create_symlink("nowhere", *this / "dangling");
        REQUIRE(::mkfifo((*this / "fifo").c_str(), 0600) == 0);
        made_.insert({"a/b/c/deep", "a/inner", "a/b/up", "dangling", "fifo"});
    }
    const std::set<std::string>& made() const { return made_; }

private:
    std::set<std::string> made_;
};

std::set<std::string> walked(const std::string& root, const tacet::walk_options& options)
{
    tacet::executor executor;
    std::set<std::string> found;
    auto visit = [&](const tacet::walk_entry& entry) {
        CHECK(found.insert(entry.path).second);
        CHECK(entry.depth == static_cast<unsigned>(std::count(entry.path.begin(), entry.path.end(), '/')));
        struct stat status;
        REQUIRE(::lstat((root + '/' + entry.path).c_str(), &status) == 0);
        CHECK(entry.type == IFTODT(status.st_mode));
    };
    executor.run(tacet::walk(root, visit, options));
    return found;
}

}

// In place of libc's, for the directories of file systems that tell no types. It reads more arguments than there may be, as that does.
extern "C" __attribute__((no_sanitize_address)) long syscall(long number, ...)
{
    va_list list;
    va_start(list, number);
    long arguments[6];
    for (long& each : arguments)
        each = va_arg(list, long);
    va_end(list);
    static const auto plain = reinterpret_cast<long (*)(long, ...)>(::dlsym(RTLD_NEXT, "syscall"));
    const long r = plain(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
    if (number != SYS_getdents64 || !when_read_untyped)
        return r;
    for (long at = 0; at < r;) {
        auto* record = reinterpret_cast<dirent64*>(arguments[1] + at);
        record->d_type = DT_UNKNOWN;
        at += record->d_reclen;
    }
    std::exchange(when_read_untyped, {})();
    return r;
}

TEST_CASE("what vanishes before its type is known is left out of a walk, and nothing else", "[cxx][directory]")
{
    const tree tree;
    tacet::executor executor;
    std::set<std::string> found;
    when_read_untyped = [&] { std::filesystem::remove(tree / "file1"); };
    auto visit = [&](const tacet::walk_entry& entry) { found.insert(entry.path); };
    executor.run(tacet::walk(tree.root(), visit));
    std::set<std::string> expected = tree.made();
    expected.erase("file1");
    CHECK(found == expected);
}

TEST_CASE("a walk goes to where no path leads", "[cxx][directory]")
{
    const scratch folder;
    const std::string name(200, 'd');
    std::vector<int> opened{::open(folder.root().c_str(), O_PATH | O_CLOEXEC)};
    for (int depth = 0; depth < 50; depth++) {
        REQUIRE(::mkdirat(opened.back(), name.c_str(), 0700) == 0);
        opened.push_back(::openat(opened.back(), name.c_str(), O_PATH | O_CLOEXEC));
    }
    std::size_t longest = 0;
    tacet::executor executor;
    auto visit = [&](const tacet::walk_entry& entry) { longest = std::max(longest, entry.path.size()); };
    const failure thrown = failure_of([&] { executor.run(tacet::walk(folder.root(), visit)); });
    CHECK(thrown.what == "");
    CHECK(longest == 50 * 201 - 1);
    for (std::size_t depth = opened.size(); depth-- > 0; ::close(opened[depth]))
        if (depth + 1 < opened.size())
            REQUIRE(::unlinkat(opened[depth], name.c_str(), AT_REMOVEDIR) == 0);
}

TEST_CASE("the entries of a directory come once each, with their types, however many there are", "[cxx][directory]")
{
    const tree tree(2000);
    std::set<std::string> expected;
    for (const std::string& name : tree.made())
        if (name.find('/') == std::string::npos)
            expected.insert(name);
    tacet::executor executor;
    auto reading = [&](tacet::directory_entries entries) -> tacet::task<> {
        std::set<std::string> found;
        while (std::optional<tacet::directory_entry> entry = co_await entries.next()) {
            CHECK(found.insert(entry->name).second);
            struct stat status;
            REQUIRE(::lstat((tree / entry->name.c_str()).c_str(), &status) == 0);
            CHECK((entry->type == IFTODT(status.st_mode) || entry->type == DT_UNKNOWN));
            CHECK(entry->inode == status.st_ino);
        }
        CHECK(found == expected);
        const std::optional<tacet::directory_entry> more = co_await entries.next();
        CHECK_FALSE(more.has_value());
    };
    executor.run(reading(tacet::directory_entries(tree.root())));
    tacet::file open(::open(tree.root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), O_RDONLY, nullptr);
    executor.run(reading(tacet::directory_entries(std::move(open))));
}

TEST_CASE("a directory that cannot be read says its name", "[cxx][directory]")
{
    const tree tree;
    tacet::executor executor;
    auto reading = [&](std::string path) -> tacet::task<> {
        tacet::directory_entries entries(path);
        (void)co_await entries.next();
    };
    const std::string missing = tree / "missing", file = tree / "file0";
    failure thrown = failure_of([&] { executor.run(reading(missing)); });
    CHECK(thrown.what == "open \"" + missing + "\": " + message_of(std::errc::no_such_file_or_directory));
    thrown = failure_of([&] { executor.run(reading(file)); });
    CHECK(thrown.what == "open \"" + file + "\": " + message_of(std::errc::not_a_directory));
}

TEST_CASE("a walk tells everything once and follows no link, by one or by several at a time", "[cxx][directory]")
{
    const tree tree;
    for (const unsigned concurrency : {1u, 2u, 7u, 50u}) {
        tacet::walk_options options;
        options.concurrency = concurrency;
        CHECK(walked(tree.root(), options) == tree.made());
    }
    std::filesystem::create_directory_symlink(tree / "a", tree / "root-link");
    CHECK(walked(tree / "root-link", {}) == std::set<std::string>{"b", "b/c", "b/c/deep", "b/up", "inner"});
}

TEST_CASE("a walk goes no deeper than it may", "[cxx][directory]")
{
    const tree tree;
    for (const unsigned depth : {0u, 1u, 2u, 3u}) {
        tacet::walk_options options;
        options.depth_max = depth;
        std::set<std::string> expected;
        for (const std::string& path : tree.made())
            if (static_cast<unsigned>(std::count(path.begin(), path.end(), '/')) <= depth)
                expected.insert(path);
        CHECK(walked(tree.root(), options) == expected);
    }
}

TEST_CASE("a visitor says what is entered, may be a task, and may end the walk", "[cxx][directory]")
{
    const tree tree;
    tacet::executor executor;
    std::set<std::string> found;
    auto shallow = [&](const tacet::walk_entry& entry) {
        found.insert(entry.path);
        return entry.path != "a/b";
    };
    executor.run(tacet::walk(tree.root(), shallow));
    CHECK(found.count("a/b") == 1);
    CHECK(found.count("a/b/c") == 0);
    CHECK(found.count("a/inner") == 1);

    std::size_t count = 0;
    auto waiting = [&](const tacet::walk_entry&) -> tacet::task<> {
        co_await tacet::nop();
        count++;
    };
    executor.run(tacet::walk(tree.root(), waiting));
    CHECK(count == tree.made().size());
    auto choosing = [&](const tacet::walk_entry& entry) -> tacet::task<bool> {
        co_await tacet::nop();
        count++;
        co_return entry.path != "a";
    };
    count = 0;
    executor.run(tacet::walk(tree.root(), choosing));
    CHECK(count == tree.made().size() - 5); // without what is in "a"

    auto throwing = [&](const tacet::walk_entry& entry) {
        if (entry.path == "a/b")
            throw std::runtime_error("enough");
    };
    tacet::walk_options options;
    options.concurrency = 4;
    CHECK_THROWS_AS(executor.run(tacet::walk(tree.root(), throwing, options)), std::runtime_error);
    executor.run_until_idle(); // the closes that nobody waited for
    CHECK(executor.stats().in_flight == 0);
}

TEST_CASE("what cannot be read ends the walk, or is told and left out", "[cxx][directory]")
{
    const tree tree;
    tacet::executor executor;
    auto vanishing = [&](const tacet::walk_entry& entry) { // before the walk gets to it
        if (entry.path == "empty")
            std::filesystem::remove(tree / "empty");
    };
    const failure thrown = failure_of([&] { executor.run(tacet::walk(tree.root(), vanishing)); });
    CHECK(thrown.code == std::errc::no_such_file_or_directory);
    CHECK(thrown.what.find("empty/") != std::string::npos);

    std::filesystem::create_directory(tree / "empty");
    std::vector<std::string> told;
    tacet::walk_options options;
    options.on_error = [&](const std::string& path, const std::system_error& error) {
        told.push_back(path);
        CHECK(error.code() == std::errc::no_such_file_or_directory);
    };
    executor.run(tacet::walk(tree.root(), vanishing, options));
    CHECK(told == std::vector<std::string>{"empty/"});

    auto failing = [](const tacet::walk_entry&) { tacet::throw_error(-ENOSPC, "visit"); };
    CHECK(failure_of([&] { executor.run(tacet::walk(tree.root(), failing, options)); }).code ==
          std::errc::no_space_on_device);
    auto outlasting = [](const tacet::walk_entry&) -> tacet::task<> { // its deadline, as the next directory finds
        tacet_task* const self = co_await tacet::this_task();
        REQUIRE(tacet_task_set_deadline(self, 1) == 0);
    };
    CHECK(failure_of([&] { executor.run(tacet::walk(tree.root(), outlasting, options)); }).code ==
          std::errc::stream_timeout);
    CHECK(told.size() == 1);

    auto ignoring = [](const tacet::walk_entry&) {};
    const std::string missing = tree / "missing";
    CHECK(failure_of([&] { executor.run(tacet::walk(missing, ignoring)); }).code ==
          std::errc::no_such_file_or_directory);
    tacet::walk_options nobody;
    nobody.concurrency = 0;
    CHECK(failure_of([&] { executor.run(tacet::walk(tree.root(), ignoring, nobody)); }).code ==
          std::errc::invalid_argument);
}

TEST_CASE("a walk that is cancelled ends, and leaves no descriptor open", "[cxx][directory]")
{
    const tree tree;
    const std::ptrdiff_t descriptors = open_descriptors();
    int cancelled = 0;
    for (int items = 0; items < 30; items++) {
        tacet::executor executor;
        auto waiting = [&](const tacet::walk_entry&) -> tacet::task<> { co_await tacet::yield(); };
        tacet::walk_options options;
        options.concurrency = 3;
        tacet::join_handle<void> walking = executor.spawn(tacet::walk(tree.root(), waiting, options));
        for (int i = 0; i < items && !walking.has_exited(); i++)
            executor.run_for(std::chrono::hours(1), 1);
        const bool over = walking.has_exited();
        if (!over)
            walking.cancel();
        executor.run_until_idle();
        REQUIRE(walking.has_exited());
        const std::error_code error = failure_of([&] { walking.take(); }).code;
        CHECK((!error || (!over && error == std::errc::operation_canceled)));
        cancelled += error == std::errc::operation_canceled;
    }
    CHECK(cancelled > 0);
    CHECK(open_descriptors() == descriptors);
}
