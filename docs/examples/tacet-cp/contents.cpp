#include "contents.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
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
        auto read = co_await tacet::as_result(from.read(into.subspan(filled), offset + filled));
        const std::size_t count = take(std::move(read), "read", where);
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
        auto written = co_await tacet::as_result(to.write(from, offset));
        const std::size_t count = take(std::move(written), "write", where);
        from = from.subspan(count);
        offset += count;
    }
}

// One after the other, until the file ends: also if it has grown meanwhile, or like those in /proc says that it is empty.
tacet::task<void> copy_small(job& job, const file_pair& files)
{
    auto borrowing = job.small.borrow();
    const buffer_pool::lease buffer = co_await borrowing;
    for (std::uint64_t offset = 0;;) {
        auto read = co_await tacet::as_result(files.source.read(buffer.bytes(), offset));
        const std::size_t count = take(std::move(read), "read", files.source_place);
        if (count == 0)
            break;
        auto writing = write_fully(files.target, buffer.bytes().first(count), offset, files.target_place);
        co_await writing;
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
        auto reading = read_fully(files.source, buffer.bytes().first(piece.length), piece.offset, files.source_place);
        const std::size_t count = co_await reading;
        auto writing = write_fully(files.target, buffer.bytes().first(count), piece.offset, files.target_place);
        co_await writing;
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
        auto borrowing = transfer.shared.pieces.borrow();
        buffer_pool::lease buffer = co_await borrowing;
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
    const std::uint64_t at = take(std::move(found), "seek in", files.source_place);
    co_return std::min(at, size);
}

tacet::task<void> copy_all_but_holes(transfer& transfer, tacet::scope& scope)
{
    const std::uint64_t size = transfer.files.status.stx_size;
    for (std::uint64_t end = 0; end < size;) {
        auto seeking_data = seek(transfer.files, end, SEEK_DATA);
        const std::uint64_t begin = co_await seeking_data;
        auto seeking_hole = seek(transfer.files, begin, SEEK_HOLE);
        end = co_await seeking_hole;
        auto copying = copy_data(transfer, scope, begin, end);
        co_await copying;
    }
}

// For the hole at the end.
tacet::task<void> set_size(const file_pair& files, std::uint64_t size)
{
    auto truncated = co_await tacet::as_result(files.target.truncate(size));
    // Kernels before 6.9 cannot do it through the ring.
    if (!truncated && truncated.error() == std::errc::operation_not_supported &&
        ftruncate(files.target.fd(), static_cast<off_t>(size)) == 0)
        co_return;
    take(std::move(truncated), "truncate", files.target_place);
}

}

tacet::task<void> copy_contents(job& job, const file_pair& files)
{
    const std::uint64_t size = files.status.stx_size;
    const bool has_holes = files.status.stx_blocks * 512 < size;
    if (size <= small_bytes && !has_holes) {
        auto copying = copy_small(job, files);
        co_await copying;
        co_return;
    }
    transfer transfer(job, files);
    auto body = [&](tacet::scope& scope) -> tacet::task<void> {
        return has_holes ? copy_all_but_holes(transfer, scope) : copy_data(transfer, scope, 0, size);
    };
    co_await tacet::with_scope(body);
    if (has_holes) {
        auto sizing = set_size(files, transfer.end);
        co_await sizing;
    }
}

tacet::task<std::optional<std::uint64_t>> compare_contents(job& job, const file_pair& files)
{
    auto borrowing = job.pieces.borrow();
    const buffer_pool::lease buffer = co_await borrowing;
    const std::size_t half = buffer.bytes().size() / 2;
    for (std::uint64_t offset = 0;;) {
        job.stop.throw_if_requested();
        auto reading = read_fully(files.source, buffer.bytes().first(half), offset, files.source_place);
        const std::size_t count = co_await reading;
        auto reading_back = read_fully(files.target, buffer.bytes().last(half), offset, files.target_place);
        const std::size_t count_back = co_await reading_back;
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
