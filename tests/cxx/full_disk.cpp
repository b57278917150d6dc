// A file system that is full says so, and nothing that was taken is lost: on a small tmpfs, in namespaces of its own.
#include "support.hpp"

#include <cstring>

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

using namespace tests;

namespace {

constexpr std::size_t disk_bytes = 256 << 10;

bool write_text(const char* path, const std::string& text)
{
    const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
    const bool written = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    ::close(fd);
    return written;
}

// In a process of its own: a small disk at the folder. What stands in the way, if anything does.
std::string mount_small_disk(const std::string& folder)
{
    const unsigned user = ::getuid(), group = ::getgid();
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return std::string("no namespaces: ") + std::strerror(errno);
    write_text("/proc/self/setgroups", "deny");
    if (!write_text("/proc/self/uid_map", "0 " + std::to_string(user) + " 1") ||
        !write_text("/proc/self/gid_map", "0 " + std::to_string(group) + " 1"))
        return "no users in the namespace";
    ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    const std::string size = "size=" + std::to_string(disk_bytes);
    if (::mount("tmpfs", folder.c_str(), "tmpfs", 0, size.c_str()) < 0)
        return std::string("no tmpfs: ") + std::strerror(errno);
    return "";
}

std::string some_text(std::size_t bytes)
{
    std::string text;
    for (std::size_t i = 0; i < bytes; i++)
        text += static_cast<char>('a' + (i * 7 + i / 1000) % 26);
    return text;
}

const std::error_code no_space = std::make_error_code(std::errc::no_space_on_device);

// What is wrong; nothing if all is as it should be.
class checks {
public:
    void expect(bool holds, const char* what)
    {
        if (!holds)
            wrong_ += std::string(what) + "; ";
    }
    const std::string& wrong() const { return wrong_; }

private:
    std::string wrong_{};
};

std::size_t entries_of(const std::string& folder)
{
    std::filesystem::directory_iterator each(folder), end;
    return static_cast<std::size_t>(std::distance(each, end));
}

tacet::task<> fill_by_writes(const std::string& folder, checks& checks)
{
    const std::string text = some_text(5000), path = folder + "/written";
    tacet::file out = co_await tacet::open(path, O_WRONLY | O_CREAT, 0600);
    std::size_t taken = 0;
    std::error_code error;
    while (!error && taken < 2 * disk_bytes) {
        const auto written = co_await tacet::as_result(out.write(bytes_of(text), taken));
        if (written)
            taken += *written;
        else
            error = written.error();
    }
    checks.expect(error == no_space, "a write says that there is no space");
    checks.expect(std::filesystem::file_size(path) == taken, "what was counted is there");
    const auto synced = co_await tacet::as_result(out.sync());
    checks.expect(synced.has_value(), "what is there can be synced");
    co_await out.close();
    co_await tacet::unlink(path);
}

tacet::task<> fill_by_writer(const std::string& folder, checks& checks)
{
    const std::string text = some_text(2 * disk_bytes), path = folder + "/streamed";
    tacet::file opened = co_await tacet::open(path, O_WRONLY | O_CREAT, 0600);
    tacet::writer out(std::move(opened), 10000);
    const auto written = co_await tacet::as_result(out.write(text));
    checks.expect(!written && written.error() == no_space, "a writer says so while more is written");
    const auto closed = co_await tacet::as_result(out.close());
    checks.expect(!closed && closed.error() == no_space, "and again when it is closed");
    const std::string there = co_await tacet::read_file(path);
    checks.expect(!there.empty() && there == text.substr(0, there.size()), "what is there is the beginning");
    co_await tacet::unlink(path);
}

tacet::task<> fill_durably(const std::string& folder, checks& checks)
{
    const std::string text = some_text(2 * disk_bytes), path = folder + "/durable";
    tacet::file out = co_await tacet::open(path, O_WRONLY | O_CREAT, 0600);
    const auto written = co_await tacet::as_result(tacet::write_durable(out, text, 0));
    checks.expect(!written && written.error() == no_space, "a durable write says so");
    checks.expect(out.get().sync_error == 0, "which is no failure of a sync");
    co_await out.truncate(0);
    co_await tacet::write_durable(out, "small", 0);
    const std::string there = co_await tacet::read_file(path);
    checks.expect(there == "small", "and when there is space again it succeeds");

    const auto created = co_await tacet::as_result(tacet::create_durable(folder + "/whole", text));
    checks.expect(!created && created.error() == no_space, "a durable file says so");
    checks.expect(entries_of(folder) == 1, "and leaves nothing behind");
    co_await tacet::create_durable(folder + "/whole", "small");
    const auto replaced = co_await tacet::as_result(
        tacet::create_durable(folder + "/whole", text, 0600, tacet::if_exists::replace));
    checks.expect(!replaced, "nor can it be replaced");
    const std::string former = co_await tacet::read_file(folder + "/whole");
    checks.expect(former == "small", "and then the former one is there");

    const auto copied = co_await tacet::as_result(tacet::copy_file("/proc/self/exe", folder + "/copy"));
    checks.expect(!copied && copied.error() == no_space, "a copy says so");
}

std::string fill_small_disk(const std::string& folder)
{
    checks checks;
    for (const unsigned entries : {1, 64}) {
        tacet::executor_options options;
        options.ring_entries = entries;
        tacet::executor executor(options);
        executor.run(fill_by_writes(folder, checks));
        executor.run(fill_by_writer(folder, checks));
        executor.run(fill_durably(folder, checks));
        executor.run_until_idle();
        for (const char* left : {"/durable", "/whole", "/copy"})
            std::filesystem::remove(folder + left);
    }
    return checks.wrong();
}

}

TEST_CASE("on a full file system errors are told and nothing that was taken is lost", "[cxx][full-disk]")
{
    const scratch folder;
    const std::string answer = in_child([&] {
        const std::string refused = mount_small_disk(folder.root());
        return refused.empty() ? fill_small_disk(folder.root()) : "SKIP " + refused;
    });
    if (answer.rfind("SKIP", 0) == 0)
        SKIP(answer);
    CHECK(answer == "");
}
