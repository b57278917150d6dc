#include "reader.hpp"

#include <algorithm>
#include <filesystem>

namespace grep {
namespace {

bool is_cancel(const std::system_error& why)
{
    return why.code() == std::errc::operation_canceled;
}

}

// What io_uring cannot do is done by plain calls on helper threads: finding out what a path is, and reading a
// directory.

std::vector<reader::entry> reader::look_at(const std::string& path)
{
    const std::filesystem::file_status status = std::filesystem::status(path);
    if (!std::filesystem::exists(status))
        tacet::throw_error(-ENOENT, path);
    return {{path, std::filesystem::is_directory(status)}};
}

std::vector<reader::entry> reader::list(const std::string& path)
{
    std::vector<entry> entries;
    for (const auto& each : std::filesystem::directory_iterator(path)) {
        const std::filesystem::file_type type = each.symlink_status().type();
        if (type == std::filesystem::file_type::directory || type == std::filesystem::file_type::regular)
            entries.push_back({each.path().string(), type == std::filesystem::file_type::directory});
    }
    return entries;
}

tacet::task<void> reader::walk(tacet::scope& scope)
{
    std::vector<entry> ahead;
    const auto look = [&](auto how, const std::string& path) -> tacet::task<void> {
        auto call = [how, &path] { return how(path); };
        const std::vector<entry> found = co_await tacet::run_blocking(call);
        ahead.insert(ahead.end(), found.begin(), found.end());
    };
    std::vector<std::string> operands(wanted_->paths.rbegin(), wanted_->paths.rend());
    while (!into_->is_closed() && !(ahead.empty() && operands.empty())) {
        try {
            if (ahead.empty()) {
                const std::string path = std::move(operands.back());
                operands.pop_back();
                co_await look(look_at, path);
                continue;
            }
            const entry next = std::move(ahead.back());
            ahead.pop_back();
            if (next.is_directory) {
                co_await look(list, next.path);
            } else {
                tacet::semaphore::permit slot = co_await slots_.acquire_permit();
                scope.spawn(read_and_send(next.path, std::move(slot)));
            }
        } catch (const std::system_error& why) {
            if (is_cancel(why))
                break;
            said_->failed(why);
        }
    }
}

tacet::task<std::string> reader::read_file(std::string path)
{
    const tacet::file file = co_await tacet::open(path, O_RDONLY | O_NOCTTY);
    const struct statx status = co_await file.stat(STATX_SIZE);
    // One byte more, so that a file that does not grow is known to be read whole by one short read.
    std::string bytes(static_cast<std::size_t>(status.stx_size) + 1, '\0');
    std::size_t filled = 0;
    for (;;) {
        const std::span<std::byte> room = std::as_writable_bytes(std::span(bytes)).subspan(filled);
        const std::size_t count = co_await file.read(room.first(std::min(room.size(), std::size_t{1} << 30)));
        filled += count;
        if (count == 0)
            break;
        if (filled == bytes.size())
            bytes.resize(2 * filled);
    }
    bytes.resize(filled);
    co_return bytes;
}

tacet::task<void> reader::read_and_send(std::string path, tacet::semaphore::permit slot)
{
    const tacet::semaphore::permit held = std::move(slot);
    try {
        contents file{path, {}};
        file.bytes = co_await read_file(path);
        (void)co_await tacet::as_result(into_->send(std::move(file))); // closed: nobody wants it any more
    } catch (const std::system_error& why) {
        if (!is_cancel(why))
            said_->failed(why);
    }
}

tacet::task<void> reader::read_all()
{
    auto body = [this](tacet::scope& scope) -> tacet::task<void> { co_await walk(scope); };
    co_await tacet::with_scope(body);
    into_->close();
}

}
