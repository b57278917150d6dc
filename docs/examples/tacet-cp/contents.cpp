#include "contents.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>

namespace cp {
namespace {

using bytes = std::span<std::byte>;

struct piece {
    std::uint64_t offset;
    std::uint64_t length;
};

// One file that is copied in pieces. Pieces are found in order and copied in any.
struct transfer {
    job& shared;
    const file_pair& files;
    tacet::semaphore room{pieces_at_once};
    std::uint64_t end;   // of what is copied; less than the source said, where that ends before
    bool failed = false; // no further piece is worth its time

    transfer(job& job, const file_pair& pair) : shared(job), files(pair), end(pair.status.stx_size) {}
};

// Until `into` is full or the file ends; the bytes read.
tacet::task<std::size_t> read_fully(const tacet::file& from, bytes into, std::uint64_t offset, const place& where)
{
    std::size_t filled = 0;
    while (filled < into.size()) {
        const std::size_t count = co_await step("read", where, from.read(into.subspan(filled), offset + filled));
        if (count == 0)
            break;
        filled += count;
    }
    co_return filled;
}

tacet::task<void> write_fully(const tacet::file& to, std::span<const std::byte> from, std::uint64_t offset,
                              const place& where)
{
    while (!from.empty()) {
        const std::size_t count = co_await step("write", where, to.write(from, offset));
        from = from.subspan(count);
        offset += count;
    }
}

// One piece after the other, until the file ends: it may have grown meanwhile, or like those in /proc say it is empty.
tacet::task<void> copy_small(job& job, const file_pair& files)
{
    const buffer_pool::lease buffer = co_await job.small.borrow();
    for (std::uint64_t offset = 0;;) {
        const std::size_t count = co_await step("read", files.source_place, files.source.read(buffer.bytes(), offset));
        if (count == 0)
            break;
        co_await write_fully(files.target, buffer.bytes().first(count), offset, files.target_place);
        offset += count;
        job.said.done.bytes += count;
        // It is as long as it said: that nothing follows need not be asked.
        if (offset == files.status.stx_size && count < buffer.bytes().size())
            break;
        job.stop.throw_if_requested();
    }
}

tacet::task<void> copy_piece(transfer& transfer, piece piece, buffer_pool::lease buffer)
{
    const tacet::semaphore::permit permit(&transfer.room);
    const file_pair& files = transfer.files;
    try {
        const std::size_t count = co_await read_fully(files.source, buffer.bytes().first(piece.length), piece.offset,
                                                      files.source_place);
        co_await write_fully(files.target, buffer.bytes().first(count), piece.offset, files.target_place);
        transfer.shared.said.done.bytes += count;
        if (count < piece.length)
            transfer.end = std::min(transfer.end, piece.offset + count);
    } catch (...) {
        transfer.failed = true;
        throw;
    }
}

// Starts copying a run of data, piece by piece, as there is room.
tacet::task<void> copy_data(transfer& transfer, tacet::scope& scope, std::uint64_t begin, std::uint64_t end)
{
    while (begin < end && !transfer.failed) {
        transfer.shared.stop.throw_if_requested();
        const piece next{begin, std::min<std::uint64_t>(piece_bytes, end - begin)};
        begin += next.length;
        co_await transfer.room.acquire();
        buffer_pool::lease buffer = co_await transfer.shared.pieces.borrow();
        scope.spawn(copy_piece(transfer, next, std::move(buffer)));
    }
}

// Where the next data or hole at or after `offset` begins; the end of the file, if there is none.
tacet::task<std::uint64_t> seek(const file_pair& files, std::uint64_t offset, int whence)
{
    const std::uint64_t size = files.status.stx_size;
    auto found = co_await tacet::as_result(files.source.seek(static_cast<std::int64_t>(offset), whence));
    if (!found && found.error() == std::errc::no_such_device_or_address)
        co_return size;
    if (!found && found.error() == std::errc::invalid_argument) // knows no holes: all is data
        co_return whence == SEEK_DATA ? offset : size;
    if (!found)
        throw failure("seek in", files.source_place.path(), found.error());
    co_return std::min(*found, size);
}

tacet::task<void> copy_all_but_holes(transfer& transfer, tacet::scope& scope)
{
    const std::uint64_t size = transfer.files.status.stx_size;
    for (std::uint64_t end = 0; end < size;) {
        const std::uint64_t begin = co_await seek(transfer.files, end, SEEK_DATA);
        end = co_await seek(transfer.files, begin, SEEK_HOLE);
        co_await copy_data(transfer, scope, begin, end);
    }
}

std::error_code plain_truncate(const tacet::file& file, std::uint64_t size)
{
    return ftruncate(file.fd(), static_cast<off_t>(size)) == 0 ? std::error_code()
                                                               : std::error_code(errno, std::generic_category());
}

// For the hole at the end.
tacet::task<void> set_size(const file_pair& files, std::uint64_t size)
{
    auto truncated = co_await tacet::as_result(files.target.truncate(size));
    if (truncated)
        co_return;
    std::error_code error = truncated.error();
    if (error == std::errc::operation_not_supported) // through the ring, before Linux 6.9
        error = plain_truncate(files.target, size);
    if (error)
        throw failure("truncate", files.target_place.path(), error);
}

}

tacet::task<void> copy_contents(job& job, const file_pair& files)
{
    const std::uint64_t size = files.status.stx_size;
    const bool has_holes = files.status.stx_blocks * 512 < size;
    if (size <= small_bytes && !has_holes) {
        co_await copy_small(job, files);
        co_return;
    }
    transfer transfer(job, files);
    auto body = [&](tacet::scope& scope) -> tacet::task<void> {
        return has_holes ? copy_all_but_holes(transfer, scope) : copy_data(transfer, scope, 0, size);
    };
    co_await tacet::with_scope(body);
    if (has_holes) {
        co_await set_size(files, transfer.end);
    }
}

tacet::task<std::optional<std::uint64_t>> compare_contents(job& job, const file_pair& files)
{
    const buffer_pool::lease buffer = co_await job.pieces.borrow();
    const std::size_t half = buffer.bytes().size() / 2;
    for (std::uint64_t offset = 0;;) {
        job.stop.throw_if_requested();
        const std::size_t count = co_await read_fully(files.source, buffer.bytes().first(half), offset,
                                                      files.source_place);
        const std::size_t count_back = co_await read_fully(files.target, buffer.bytes().last(half), offset,
                                                           files.target_place);
        const bytes here = buffer.bytes().first(count), there = buffer.bytes().last(half).first(count_back);
        const auto [difference, _] = std::mismatch(here.begin(), here.end(), there.begin(), there.end());
        const auto alike = static_cast<std::uint64_t>(difference - here.begin());
        job.said.done.bytes += alike;
        if (alike < count || alike < count_back)
            co_return offset + alike;
        if (count < half)
            co_return std::nullopt;
        offset += count;
    }
}

}
