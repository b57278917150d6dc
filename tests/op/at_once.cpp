/* Reads and writes that are tried without the ring: what is done so, what is not, and that nobody can tell by the results. */
#include "support/support.hpp"

#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <unistd.h>

using namespace support;

namespace {

constexpr unsigned block = 4096;

/* A file of the page cache, of blocks that say which they are. */
class cached_file {
public:
    explicit cached_file(unsigned blocks, int flags = O_RDWR)
    {
        std::string contents;
        for (unsigned i = 0; i < blocks; i++)
            contents.append(block, static_cast<char>('a' + i % 26));
        directory_.write("file", contents);
        REQUIRE(tacet_file_from_fd(&file, ::open((directory_ / "file").c_str(), flags | O_CLOEXEC),
                                   static_cast<unsigned>(flags)) == 0);
    }
    ~cached_file() { ::close(file.fd); }
    std::string contents() const { return directory_.read("file"); }

    tacet_file file;

private:
    temporary_directory directory_;
};

tacet_executor_options options_with(bool always_through_ring)
{
    tacet_executor_options options = {};
    options.ring_entries = 8;
    options.always_through_ring = always_through_ring;
    return options;
}

const switcher_kind& asm_kind()
{
    return own_stack_switchers().front();
}

bool suspends_by_returning(const switcher_kind& kind)
{
    return std::string(kind.name) == "stackless";
}

}

TEST_CASE("reads and writes of cached files are done at once, unless that is switched off", "[at_once]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const bool off = GENERATE(false, true);
    CAPTURE(switcher.name, off);
    const cached_file cached(4);
    auto bytes = std::make_unique<char[]>(block);
    task works(switcher,
               {[&](tacet_task* self) { return tacet_file_read(self, &cached.file, bytes.get(), block, block); },
                [&](tacet_task* self) { return tacet_file_write(self, &cached.file, bytes.get(), block, 0); },
                [&](tacet_task* self) { return tacet_file_read(self, &cached.file, bytes.get(), block, 4 * block); }});
    executor executor(options_with(off));
    works.attach(executor);
    executor.run_until_idle();
    CHECK(works.results() == std::vector<tacet_result>{block, block, 0});
    CHECK(cached.contents().substr(0, block) == std::string(block, 'b'));
    const tacet_executor_stats stats = executor.stats();
    if (off || suspends_by_returning(switcher)) {
        CHECK(stats.at_once_tried == 0);
        CHECK(stats.submitted == 3);
    } else {
        CHECK(stats.at_once_tried >= 1);
        CHECK(stats.at_once_done + stats.submitted == 3);
    }
}

TEST_CASE("what pays is found out per file: a pipe is left alone soon, a cached file is not", "[at_once]")
{
    executor executor(options_with(false));
    const cached_file cached(1);
    support::pipe pipe;
    const tacet_file reader = pipe.reader();
    const int rounds = 1000;
    char byte[1];
    task works(asm_kind(), {[&](tacet_task* self) -> tacet_result {
                   for (int i = 0; i < rounds; i++) {
                       pipe.write("x");
                       if (tacet_file_read(self, &reader, byte, 1, 0) != 1 || byte[0] != 'x')
                           return -EIO;
                       if (tacet_file_read(self, &cached.file, byte, 1, 5) != 1 || byte[0] != 'a')
                           return -EIO;
                   }
                   return 0;
               }});
    works.attach(executor);
    executor.run_until_idle();
    CHECK(works.results() == std::vector<tacet_result>{0});
    const tacet_executor_stats stats = executor.stats();
    CHECK(stats.at_once_done > rounds / 2);
    CHECK(stats.at_once_tried - stats.at_once_done < rounds / 20);
}

TEST_CASE("a file that is asked to wait for its device is not tried", "[at_once]")
{
    const int flags = GENERATE(O_SYNC, O_DSYNC);
    executor executor(options_with(false));
    const cached_file cached(1, O_RDWR | flags);
    char byte[1] = {'z'};
    task works(asm_kind(), {[&](tacet_task* self) { return tacet_file_write(self, &cached.file, byte, 1, 0); },
                            [&](tacet_task* self) { return tacet_file_read(self, &cached.file, byte, 1, 0); }});
    works.attach(executor);
    executor.run_until_idle();
    CHECK(works.results() == std::vector<tacet_result>{1, 1});
    CHECK(executor.stats().at_once_tried == 0);
}

TEST_CASE("a task that need not wait lets the others have their turn", "[at_once]")
{
    executor executor(options_with(false));
    const cached_file cached(1);
    bool stop = false;
    int reads = 0;
    task selfish(asm_kind(), {[&](tacet_task* self) -> tacet_result {
                     char byte;
                     while (!stop && ++reads < 100'000)
                         if (tacet_file_read(self, &cached.file, &byte, 1, 0) != 1)
                             return -EIO;
                     return 0;
                 }});
    task other(asm_kind(), {[&](tacet_task*) -> tacet_result { return stop = true; }});
    selfish.attach(executor);
    other.attach(executor);
    executor.run_until_idle();
    CHECK(selfish.results() == std::vector<tacet_result>{0});
    CHECK(reads <= 65);
}

TEST_CASE("errors, cancels and deadlines are those of the ring", "[at_once]")
{
    const bool off = GENERATE(false, true);
    executor executor(options_with(off));
    const cached_file cached(1), read_only(1, O_RDONLY);
    tacet_file closed = {-1, 0, 0}, directory = {::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), 0, 0};
    char byte = 0;
    tacet_task* handle = nullptr;
    task works(asm_kind(),
               {[&](tacet_task* self) { return tacet_file_read(self, &closed, &byte, 1, 0); },
                [&](tacet_task* self) { return tacet_file_read(self, &directory, &byte, 1, 0); },
                [&](tacet_task* self) { return tacet_file_read(self, nullptr, &byte, 1, 0); },
                [&](tacet_task* self) { return tacet_file_read(self, &cached.file, nullptr, 1, 0); },
                [&](tacet_task* self) { return tacet_file_write(self, &read_only.file, &byte, 1, 0); },
                [&](tacet_task* self) { return tacet_file_write(self, &cached.file, &byte, std::size_t{1} << 31, 0); },
                [&](tacet_task*) { return tacet_task_cancel(handle); },
                [&](tacet_task* self) { return tacet_file_read(self, &cached.file, &byte, 1, 0); },
                [&](tacet_task* self) { return tacet_file_read(self, &cached.file, &byte, 1, 0); },
                [&](tacet_task* self) { return tacet_task_set_deadline(self, 1); },
                [&](tacet_task* self) { return tacet_file_read(self, &cached.file, &byte, 1, 0); }});
    handle = works;
    works.attach(executor);
    executor.run_until_idle();
    CHECK(works.results() ==
          std::vector<tacet_result>{-EBADF, -EISDIR, -EINVAL, -EFAULT, -EBADF, -EINVAL, 0, -ECANCELED, 1, 0, -ETIME});
    ::close(directory.fd);
}
