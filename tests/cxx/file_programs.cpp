// Random programs over files: what they do through tacet, a shadow file has done to it by plain system calls. Results,
// contents and sizes agree after each step, byte for byte.
#include "programs.hpp"
#include "support.hpp"

#include <cstring>

#include <sys/mman.h>
#include <sys/stat.h>

using namespace tests;

namespace {

constexpr std::uint64_t size_max = 1 << 17; // of offsets and lengths: files stay small, and are wholly compared

class program {
public:
    program(std::uint32_t seed, tacet::executor& executor)
        : random_(seed), executor_(executor), buffers_(executor, few())
    {
        for (int i = 0; i < 2; i++) {
            names_[i] = folder_ / (i == 0 ? "ours0" : "ours1");
            shadows_[i] = ::open((folder_ / (i == 0 ? "theirs0" : "theirs1")).c_str(), O_RDWR | O_CREAT | O_CLOEXEC,
                                 0600);
            REQUIRE(shadows_[i] >= 0);
        }
        REQUIRE(::pipe2(shadow_pipe_, O_CLOEXEC) == 0);
        REQUIRE(::pipe2(pipe_, O_CLOEXEC) == 0);
    }
    program(const program&) = delete;
    program& operator=(const program&) = delete;
    ~program()
    {
        for (const int fd : {shadows_[0], shadows_[1], shadow_pipe_[0], shadow_pipe_[1], pipe_[0], pipe_[1]})
            ::close(fd);
    }

    tacet::task<> run(unsigned steps)
    {
        for (int i = 0; i < 2; i++)
            files_[i] = co_await tacet::open(names_[i], O_RDWR | O_CREAT, 0600);
        for (unsigned step = 0; step < steps; step++) {
            co_await one();
            for (int i = 0; i < 2; i++)
                co_await compare(i);
        }
    }

private:
    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    std::uint64_t place() { return below(4) == 0 ? below(size_max) : below(2000); }
    std::string text()
    {
        std::string text(static_cast<std::size_t>(below(5) == 0 ? below(20000) : below(300)), '\0');
        for (char& c : text)
            c = static_cast<char>(random_());
        return text;
    }

    tacet::task<> one()
    {
        const int which = static_cast<int>(below(2));
        switch (below(14)) {
        case 0:
            co_await read(which);
            break;
        case 1:
        case 2:
            co_await write(which);
            break;
        case 3:
            co_await vectors(which);
            break;
        case 4:
            co_await truncate(which);
            break;
        case 5:
            co_await allocate(which);
            break;
        case 6:
            co_await copy(which);
            break;
        case 7:
            co_await splice(which);
            break;
        case 8:
            co_await own_position(which);
            break;
        case 9:
            co_await durable(which);
            break;
        case 10:
            co_await registered_buffer(which);
            break;
        case 11:
            co_await direct(which);
            break;
        case 12:
            co_await teed(which);
            break;
        default:
            co_await stream(which);
        }
    }

    tacet::task<> read(int which)
    {
        const std::uint64_t offset = place();
        std::string ours(static_cast<std::size_t>(place()), '.'), theirs = ours;
        const auto r = co_await tacet::as_result(files_[which].fill(bytes_of(ours), offset));
        CHECK(number_of(r) ==
              result_of(::pread(shadows_[which], theirs.data(), theirs.size(), static_cast<off_t>(offset))));
        CHECK((ours == theirs));
    }

    tacet::task<> write(int which)
    {
        const std::uint64_t offset = place();
        const std::string bytes = text();
        const auto r = co_await tacet::as_result(files_[which].write(bytes_of(bytes), offset));
        CHECK(number_of(r) ==
              result_of(::pwrite(shadows_[which], bytes.data(), bytes.size(), static_cast<off_t>(offset))));
    }

    tacet::task<> vectors(int which)
    {
        const std::uint64_t offset = place();
        std::string first = text(), second = text();
        const std::vector<iovec> vectors = {{first.data(), first.size()}, {second.data(), second.size()}};
        const auto written = co_await tacet::as_result(files_[which].writev(vectors, offset));
        CHECK(number_of(written) ==
              result_of(::pwritev(shadows_[which], vectors.data(), 2, static_cast<off_t>(offset))));
        std::string ours(first.size() + 10, '.'), theirs = ours;
        const std::vector<iovec> our_vector = {{ours.data(), ours.size()}};
        const iovec their_vector = {theirs.data(), theirs.size()};
        const auto read = co_await tacet::as_result(files_[which].readv(our_vector, offset));
        CHECK(number_of(read) == result_of(::preadv(shadows_[which], &their_vector, 1, static_cast<off_t>(offset))));
        CHECK((ours == theirs));
    }

    tacet::task<> truncate(int which)
    {
        const std::uint64_t bytes = place();
        const auto r = co_await tacet::as_result(files_[which].truncate(bytes));
        if (!r && r.error() == std::errc::operation_not_supported) // before Linux 6.9
            co_return;
        CHECK(number_of(r) == result_of(::ftruncate(shadows_[which], static_cast<off_t>(bytes))));
    }

    tacet::task<> allocate(int which)
    {
        const int modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE};
        const int mode = modes[below(4)];
        const std::uint64_t offset = place(), bytes = place();
        const auto r = co_await tacet::as_result(files_[which].allocate(mode, offset, bytes));
        CHECK(number_of(r) ==
              result_of(::fallocate(shadows_[which], mode, static_cast<off_t>(offset), static_cast<off_t>(bytes))));
    }

    // The same that the kernel's copy does; from a file to itself only where the ranges do not meet.
    tacet::task<> copy(int which)
    {
        const std::uint64_t from = place(), to = place(), bytes = place();
        const auto r = co_await tacet::as_result(tacet::copy_range(files_[which], from, files_[1 - which], to, bytes));
        std::string through(static_cast<std::size_t>(bytes), '\0');
        const std::int64_t there = ::pread(shadows_[which], through.data(), through.size(), static_cast<off_t>(from));
        CHECK(number_of(r) == result_of(::pwrite(shadows_[1 - which], through.data(), static_cast<std::size_t>(there),
                                                 static_cast<off_t>(to))));
    }

    tacet::task<> splice(int which)
    {
        const tacet::file in(::dup(pipe_[1]), O_WRONLY, nullptr), out(::dup(pipe_[0]), O_RDONLY, nullptr);
        const std::uint64_t from = place(), to = place();
        const std::size_t bytes = static_cast<std::size_t>(below(5000)) + 1;
        off_t their_from = static_cast<off_t>(from), their_to = static_cast<off_t>(to);
        const auto filled = co_await tacet::as_result(
            tacet::splice(files_[which], from, in, tacet::file::own_position, bytes));
        CHECK(number_of(filled) ==
              result_of(::splice(shadows_[which], &their_from, shadow_pipe_[1], nullptr, bytes, 0)));
        if (!filled || *filled == 0)
            co_return;
        const auto emptied = co_await tacet::as_result(
            tacet::splice(out, tacet::file::own_position, files_[1 - which], to, *filled));
        CHECK(number_of(emptied) ==
              result_of(::splice(shadow_pipe_[0], nullptr, shadows_[1 - which], &their_to, *filled, 0)));
    }

    tacet::task<> own_position(int which)
    {
        const std::uint64_t offset = place();
        const auto sought = co_await tacet::as_result(files_[which].seek(static_cast<std::int64_t>(offset), SEEK_SET));
        CHECK(number_of(sought) == ::lseek(shadows_[which], static_cast<off_t>(offset), SEEK_SET));
        const std::string bytes = text();
        co_await files_[which].write_all(bytes);
        CHECK(::write(shadows_[which], bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
        std::string ours(100, '.'), theirs = ours;
        const std::size_t read = co_await files_[which].fill(bytes_of(ours));
        CHECK(static_cast<ssize_t>(read) == ::read(shadows_[which], theirs.data(), theirs.size()));
        CHECK((ours == theirs));
        const int whence = below(2) == 0 ? SEEK_HOLE : SEEK_DATA;
        const auto found = co_await tacet::as_result(files_[which].seek(static_cast<std::int64_t>(offset), whence));
        const std::int64_t theirs_found = result_of(::lseek(shadows_[which], static_cast<off_t>(offset), whence));
        CHECK((number_of(found) < 0) == (theirs_found < 0));
    }

    tacet::task<> durable(int which)
    {
        const std::uint64_t offset = place();
        const std::string bytes = text();
        co_await tacet::write_durable(files_[which], bytes, offset);
        CHECK(::pwrite(shadows_[which], bytes.data(), bytes.size(), static_cast<off_t>(offset)) ==
              static_cast<ssize_t>(bytes.size()));
    }

    // From and to a part of a registered buffer, by a registered descriptor.
    tacet::task<> registered_buffer(int which)
    {
        const tacet::buffer buffer = co_await buffers_.claim_small();
        const std::uint64_t offset = place();
        const std::size_t at = static_cast<std::size_t>(below(3000)), bytes = static_cast<std::size_t>(below(1000));
        tacet::file by(::dup(files_[which].fd()), O_RDWR, executor_.get());
        if (below(2) == 0)
            tacet::register_descriptor(executor_, by);
        for (std::byte& each : buffer.bytes())
            each = static_cast<std::byte>(random_());
        const tacet::buffer_part part = buffer.part(at, bytes);
        const auto written = co_await tacet::as_result(by.write(part, offset));
        const std::string sent(reinterpret_cast<const char*>(buffer.bytes().data()) + at, bytes);
        CHECK(number_of(written) ==
              result_of(::pwrite(shadows_[which], sent.data(), bytes, static_cast<off_t>(offset))));
        const std::uint64_t from = place();
        const auto read = co_await tacet::as_result(by.read(part, from));
        std::string theirs = sent;
        CHECK(number_of(read) == result_of(::pread(shadows_[which], theirs.data(), bytes, static_cast<off_t>(from))));
        CHECK((theirs == std::string(reinterpret_cast<const char*>(buffer.bytes().data()) + at, bytes)));
        co_await by.close();
    }

    // Whole blocks, past the page cache, where the file system can.
    tacet::task<> direct(int which)
    {
        const tacet_direct_alignment alignment = co_await files_[which].direct_alignment();
        if (alignment.offset == 0 || alignment.offset > 4096)
            co_return;
        tacet::file by = co_await tacet::open(names_[which], O_RDWR | O_DIRECT);
        tacet::aligned_pool pool(alignment, 4 * alignment.offset, 1);
        const tacet::aligned_pool::lease lent = co_await pool.borrow();
        const std::span<std::byte> block = lent.bytes().first((1 + below(4)) * alignment.offset);
        const std::uint64_t offset = place() / alignment.offset * alignment.offset;
        for (std::byte& each : block)
            each = static_cast<std::byte>(random_());
        const auto written = co_await tacet::as_result(by.write(block, offset));
        CHECK(number_of(written) ==
              result_of(::pwrite(shadows_[which], block.data(), block.size(), static_cast<off_t>(offset))));
        const std::uint64_t from = place() / alignment.offset * alignment.offset;
        std::string theirs(reinterpret_cast<const char*>(block.data()), block.size());
        const auto read = co_await tacet::as_result(by.read(block, from));
        CHECK(number_of(read) ==
              result_of(::pread(shadows_[which], theirs.data(), theirs.size(), static_cast<off_t>(from))));
        CHECK((theirs.substr(0, read ? *read : 0) ==
               std::string(reinterpret_cast<const char*>(block.data()), read ? *read : 0)));
        co_await by.close();
    }

    // From the file into a pipe, and from there into another, too.
    tacet::task<> teed(int which)
    {
        const pipe_ends other;
        const tacet::file in(::dup(pipe_[1]), O_WRONLY, nullptr), out(::dup(pipe_[0]), O_RDONLY, nullptr);
        const tacet::file copy(::dup(other.writer()), O_WRONLY, nullptr);
        const std::uint64_t from = place();
        const std::size_t bytes = static_cast<std::size_t>(below(3000)) + 1;
        const std::size_t filled = co_await tacet::splice(files_[which], from, in, tacet::file::own_position, bytes);
        std::string theirs(bytes, '\0'), once(bytes, '\0'), twice(bytes, '\0');
        CHECK(static_cast<ssize_t>(filled) == ::pread(shadows_[which], theirs.data(), bytes, static_cast<off_t>(from)));
        if (filled == 0)
            co_return;
        const std::size_t teed = co_await tacet::tee(out, copy, filled);
        CHECK(teed == filled);
        CHECK(::read(other.reader(), once.data(), filled) == static_cast<ssize_t>(teed));
        CHECK(::read(pipe_[0], twice.data(), filled) == static_cast<ssize_t>(filled));
        CHECK((once == theirs));
        CHECK((twice == theirs));
    }

    // Through a writer, and read again through a reader.
    tacet::task<> stream(int which)
    {
        const std::uint64_t offset = place();
        const std::string bytes = text();
        const std::size_t block = static_cast<std::size_t>(below(600)) + 1;
        tacet::writer out(tacet::file(::dup(files_[which].fd()), O_WRONLY, nullptr), block, offset);
        for (std::size_t at = 0; at < bytes.size();) {
            const std::size_t some = std::min<std::size_t>(static_cast<std::size_t>(below(900)) + 1, bytes.size() - at);
            co_await out.write(std::string_view(bytes).substr(at, some));
            at += some;
        }
        co_await out.close();
        CHECK(::pwrite(shadows_[which], bytes.data(), bytes.size(), static_cast<off_t>(offset)) ==
              static_cast<ssize_t>(bytes.size()));
        tacet::block_reader in(tacet::file(::dup(files_[which].fd()), O_RDONLY, nullptr), block, offset);
        std::string read;
        while (read.size() < bytes.size()) {
            const std::span<const std::byte> some = co_await in.next();
            REQUIRE_FALSE(some.empty());
            read.append(reinterpret_cast<const char*>(some.data()), some.size());
        }
        CHECK((read.substr(0, bytes.size()) == bytes));
    }

    tacet::task<> compare(int which)
    {
        const std::string ours = co_await files_[which].read_all(0);
        struct stat status;
        REQUIRE(::fstat(shadows_[which], &status) == 0);
        std::string theirs(static_cast<std::size_t>(status.st_size), '\0');
        REQUIRE(::pread(shadows_[which], theirs.data(), theirs.size(), 0) == status.st_size);
        const bool same = ours == theirs;
        REQUIRE(same);
    }

    static tacet::buffer_pool_options few()
    {
        tacet::buffer_pool_options options;
        options.small_count = 1;
        options.large_count = 0;
        options.small_bytes = 4096;
        return options;
    }

    std::mt19937 random_;
    tacet::executor& executor_;
    tacet::buffer_pool buffers_;
    scratch folder_{};
    std::string names_[2];
    tacet::file files_[2];
    int shadows_[2];
    int pipe_[2], shadow_pipe_[2];
};

}

TEST_CASE("files agree with plain system calls on the same random programs", "[cxx][file-programs]")
{
    run_programs(30, [](std::uint32_t seed, tacet::executor& executor) {
        program program(seed, executor);
        executor.run(program.run(60));
    });
}
