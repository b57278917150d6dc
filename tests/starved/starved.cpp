// The same program with little: as an ordinary user with 64 KiB of locked memory, with 64 descriptors, on a full file system. What it
// says must be what it says with plenty, or a clear error, with nothing lost.
#include "cxx/support.hpp"

#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

using namespace tests;

namespace {

constexpr int file_count = 12, client_count = 8;

std::string pattern(int seed, std::size_t bytes)
{
    std::string made(bytes, '\0');
    auto state = static_cast<std::uint32_t>(seed * 2654435761u + 1);
    for (char& each : made) {
        state = state * 1664525u + 1013904223u;
        each = static_cast<char>(state >> 24);
    }
    return made;
}

std::uint64_t sum_of(const std::string& text)
{
    std::uint64_t sum = 14695981039346656037u;
    for (const char each : text)
        sum = (sum ^ static_cast<unsigned char>(each)) * 1099511628211u;
    return sum;
}

// ---- The program ----

tacet::task<> write_whole(tacet::file& file, const std::string& text)
{
    std::size_t done = 0;
    while (done < text.size())
        done += co_await file.write(bytes_of(text).subspan(done), done);
}

tacet::task<std::string> read_whole(tacet::file& file)
{
    std::string text(1 << 17, '\0');
    std::size_t done = 0, bytes = 1;
    while (bytes > 0) {
        bytes = co_await file.read(bytes_of(text).subspan(done), done);
        done += bytes;
    }
    text.resize(done);
    co_return text;
}

tacet::task<> copy_a_file(std::string folder, int number, std::vector<std::string>& lines)
{
    const std::string path = folder + "/file" + std::to_string(number);
    const std::string text = pattern(number, 50000 + static_cast<std::size_t>(number) * 1000);
    tacet::file file = co_await tacet::open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    co_await write_whole(file, text);
    co_await file.datasync();
    const std::string again = co_await read_whole(file);
    lines.push_back("file " + std::to_string(number) + ' ' + std::to_string(sum_of(again)));
}

tacet::task<> serve(tacet::socket& listener)
{
    for (int i = 0; i < client_count; i++) {
        tacet::socket one = co_await listener.accept();
        std::string text(10000, '\0');
        co_await one.receive_exactly(bytes_of(text));
        co_await one.send_all(bytes_of(text));
    }
}

tacet::task<> ask(const tacet::address& where, int number, std::vector<std::string>& lines)
{
    tacet::socket one = co_await tacet::open_socket(AF_INET, SOCK_STREAM);
    const std::string text = pattern(100 + number, 10000);
    std::string answer(text.size(), '\0');
    co_await one.connect(where);
    co_await one.send_all(bytes_of(text));
    co_await one.receive_exactly(bytes_of(answer));
    lines.push_back("echo " + std::to_string(number) + ' ' + std::to_string(sum_of(answer)));
}

tacet::task<> files_and_sockets(const std::string& folder, std::vector<std::string>& lines)
{
    tacet::socket listener = tacet::listen(tacet::address::parse("127.0.0.1:0"));
    const tacet::address where = listener.name();
    auto body = [&](tacet::scope& scope) -> tacet::task<> {
        for (int i = 0; i < file_count; i++)
            scope.spawn(copy_a_file(folder, i, lines));
        scope.spawn(serve(listener));
        for (int i = 0; i < client_count; i++)
            scope.spawn(ask(where, i, lines));
        co_return;
    };
    co_await tacet::with_scope(body);
}

tacet::task<std::uint64_t> sum_pattern(int number)
{
    co_await tacet::yield();
    co_return sum_of(pattern(number, 100000));
}

tacet::task<> sum_in_pool(tacet::thread_pool& pool, std::vector<std::string>& lines)
{
    std::vector<tacet::future<std::uint64_t>> sums;
    for (int i = 0; i < 20; i++)
        sums.push_back(pool.spawn(sum_pattern(i)));
    for (tacet::future<std::uint64_t>& each : sums) {
        const std::uint64_t sum = co_await each;
        lines.push_back("sum " + std::to_string(sum));
    }
}

// Rings for which 64 KiB are enough, three of them.
tacet::executor_options small()
{
    tacet::executor_options options;
    options.ring_entries = 16;
    options.cq_entries = 64;
    return options;
}

std::string program(const std::string& folder)
{
    std::vector<std::string> lines;
    {
        tacet::executor executor(small());
        tacet::thread_pool_options two;
        two.threads = 2;
        two.pinned = false;
        two.executor = small();
        tacet::thread_pool pool(two);
        executor.run(files_and_sockets(folder, lines));
        executor.run(sum_in_pool(pool, lines));
    }
    std::sort(lines.begin(), lines.end());
    std::string all;
    for (const std::string& line : lines)
        all += line + '\n';
    return all;
}

// ---- With plenty, and with little ----

std::string folder_for_all(const scratch& scratch, const char* name)
{
    std::string path = scratch / name;
    REQUIRE(::mkdir(path.c_str(), 0700) == 0);
    REQUIRE(::chmod(path.c_str(), 0777) == 0);
    REQUIRE(::chmod(scratch.root().c_str(), 0755) == 0);
    return path;
}

void limit(int what, rlim_t to)
{
    const rlimit both = {to, to};
    if (::setrlimit(static_cast<__rlimit_resource>(what), &both) != 0)
        throw std::system_error(errno, std::generic_category(), "setrlimit");
}

void become_ordinary()
{
    constexpr uid_t user = 65530; // nobody else's: what a user's processes lock counts together
    if (::getuid() != 0)
        return;
    if (::setgroups(0, nullptr) != 0 || ::setgid(user) != 0 || ::setuid(user) != 0)
        throw std::system_error(errno, std::generic_category(), "to become an ordinary user");
}

const std::string& with_plenty()
{
    static const std::string said = [] {
        const scratch scratch;
        const std::string folder = folder_for_all(scratch, "plenty");
        return in_child([&] { return program(folder); });
    }();
    return said;
}

// ---- What happens when there are no descriptors ----

struct exhausted {
    std::vector<tacet::file> files;
    std::error_code code;
    std::string what;
};

tacet::task<> open_until_refused(std::string path, exhausted& all)
{
    try {
        for (;;)
            all.files.push_back(co_await tacet::open(path, O_RDONLY));
    } catch (const std::system_error& thrown) {
        all.code = thrown.code();
        all.what = thrown.what();
    }
}

tacet::task<std::error_code> accept_once(tacet::socket& listener, std::string& text)
{
    try {
        tacet::socket one = co_await listener.accept();
        text.resize(5);
        co_await one.receive_exactly(bytes_of(text));
    } catch (const std::system_error& thrown) {
        co_return thrown.code();
    }
    co_return std::error_code();
}

// What a connection that could not be accepted for want of descriptors comes to when there are some again.
std::string without_descriptors(const std::string& path)
{
    limit(RLIMIT_NOFILE, 64);
    tacet::executor executor;
    tacet::socket listener = tacet::listen(tacet::address::parse("127.0.0.1:0"));
    const tacet::address where = listener.name();
    tacet::socket client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto greet = [&]() -> tacet::task<> {
        const std::string hello = "hello";
        co_await client.connect(where);
        co_await client.send_all(bytes_of(hello));
    };
    executor.run(greet());
    exhausted all;
    executor.run(open_until_refused(path, all));
    if (all.code != std::errc::too_many_files_open || all.what.find(path) == std::string::npos || all.files.size() < 40)
        return "opening: " + all.what;
    std::string text;
    if (executor.run(accept_once(listener, text)) != std::errc::too_many_files_open)
        return "a connection was accepted without a descriptor";
    for (tacet::file& each : all.files) // those that were opened are as good as ever
        if (executor.run(read_whole(each)) != "contents")
            return "a file is not what it was";
    all.files.resize(all.files.size() - 2);
    executor.run_for(1s); // detached closes
    const std::error_code accepted = executor.run(accept_once(listener, text));
    return accepted ? accepted.message() : text;
}

// ---- What happens when there is no room ----

// A file system of a megabyte of its own; words if that is refused.
std::string mount_small(const std::string& folder)
{
    const int spaces = ::geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER;
    if (::unshare(spaces) != 0)
        return std::string("refused: a mount namespace: ") + std::strerror(errno);
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=1m") != 0)
        return std::string("refused: a mount: ") + std::strerror(errno);
    return {};
}

tacet::task<> write_until_full(std::string path, std::uint64_t& written, failure& failed)
{
    tacet::file file = co_await tacet::open(path, O_WRONLY | O_CREAT, 0600);
    const std::string part = pattern(7, 30000);
    try {
        for (;;)
            written += co_await file.write(bytes_of(part).first(part.size() - written % part.size()), written);
    } catch (const std::system_error& thrown) {
        failed = {thrown.code(), thrown.what()};
    }
}

tacet::task<std::string> read_back(std::string path)
{
    tacet::file file = co_await tacet::open(path, O_RDONLY);
    std::string all, part(1 << 16, '\0');
    std::size_t bytes = 1;
    while (bytes > 0) {
        bytes = co_await file.read(bytes_of(part), all.size());
        all.append(part, 0, bytes);
    }
    co_return all;
}

std::string on_full_file_system(const std::string& folder)
{
    const std::string refused = mount_small(folder);
    if (!refused.empty())
        return refused;
    tacet::executor executor;
    const std::string path = folder + "/large";
    std::uint64_t written = 0;
    failure failed;
    executor.run(write_until_full(path, written, failed));
    if (failed.code != std::errc::no_space_on_device || failed.what.find("write") == std::string::npos)
        return "writing: " + failed.what;
    const std::string there = executor.run(read_back(path));
    if (there.size() != written || written < 900000)
        return "said to be written: " + std::to_string(written) + ", there: " + std::to_string(there.size());
    const std::string part = pattern(7, 30000);
    for (std::size_t i = 0; i < there.size(); i++)
        if (there[i] != part[i % part.size()])
            return "other bytes at " + std::to_string(i);
    auto remove = [&]() -> tacet::task<> { co_await tacet::unlink(path); };
    executor.run(remove()); // and there is room again
    std::uint64_t again = 0;
    executor.run(write_until_full(path, again, failed));
    return again == written ? "right" : "less room than before";
}

}

TEST_CASE("the program says something", "[starved]")
{
    const std::string& said = with_plenty();
    CHECK(said.find("exception") == std::string::npos);
    CHECK(std::count(said.begin(), said.end(), '\n') == file_count + client_count + 20);
}

TEST_CASE("an ordinary user with 64 KiB of locked memory gets the same", "[starved]")
{
    const scratch scratch;
    const std::string folder = folder_for_all(scratch, "ordinary");
    const std::string said = in_child([&] {
        limit(RLIMIT_MEMLOCK, 65536);
        become_ordinary();
        return program(folder);
    });
    CHECK(said == with_plenty());
}

TEST_CASE("a program with 64 descriptors gets the same", "[starved]")
{
    const scratch scratch;
    const std::string folder = folder_for_all(scratch, "few");
    const std::string said = in_child([&] {
        limit(RLIMIT_NOFILE, 64);
        return program(folder);
    });
    CHECK(said == with_plenty());
}

TEST_CASE("without descriptors it is a clear error, nothing is lost, and it goes on when some are closed", "[starved]")
{
#if defined(__clang__) && defined(__has_feature)
#if __has_feature(address_sanitizer)
    SKIP("the sanitizer needs descriptors itself, to look at the type of what was thrown");
#endif
#endif
    const scratch scratch;
    const std::string path = scratch.make("file", "contents");
    CHECK(in_child([&] { return without_descriptors(path); }) == "hello");
}

TEST_CASE("on a full file system it is a clear error, and what was written is there", "[starved]")
{
    const scratch scratch;
    const std::string folder = folder_for_all(scratch, "small");
    const std::string said = in_child([&] { return on_full_file_system(folder); });
    if (said.compare(0, 8, "refused:") == 0)
        SKIP(said);
    CHECK(said == "right");
}
