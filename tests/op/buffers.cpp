/* Pools of registered buffers: who gets one, when it comes back, and that reads and writes are those of other memory. */
#include "support/support.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <fcntl.h>
#include <grp.h>
#include <liburing.h>
#include <random>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace support;

namespace {

constexpr tacet_buffer_pool_options few = {
    .small_count = 2, .large_count = 1, .small_bytes = 4096, .large_bytes = 16384, .not_registered = false};

constexpr tacet_buffer_pool_options unregistered(tacet_buffer_pool_options options)
{
    options.not_registered = true;
    return options;
}

/* A pool, destroyed at the end of the scope, or left to its executor. */
class buffer_pool {
public:
    explicit buffer_pool(tacet_executor* executor, const tacet_buffer_pool_options& options = few)
    {
        REQUIRE(tacet_buffer_pool_create(&handle_, executor, &options) == 0);
    }
    buffer_pool(const buffer_pool&) = delete;
    ~buffer_pool() { tacet_buffer_pool_abandon(handle_); }
    operator tacet_buffer_pool*() const { return handle_; }

    tacet_buffer* claimed(tacet_buffer_size size = TACET_BUFFER_SMALL) const
    {
        tacet_buffer* buffer = tacet_buffer_at(handle_, tacet_buffer_try_claim(handle_, size));
        REQUIRE(buffer != nullptr);
        return buffer;
    }
    unsigned available(tacet_buffer_size size = TACET_BUFFER_SMALL) const
    {
        return tacet_buffer_pool_available(handle_, size);
    }
    unsigned waiting(tacet_buffer_size size = TACET_BUFFER_SMALL) const
    {
        return tacet_buffer_pool_waiting(handle_, size);
    }
    tacet_result destroy()
    {
        const tacet_result r = tacet_buffer_pool_destroy(handle_);
        if (r == 0)
            handle_ = nullptr;
        return r;
    }

private:
    tacet_buffer_pool* handle_ = nullptr;
};

call claim(tacet_buffer_pool* pool, tacet_buffer_size size = TACET_BUFFER_SMALL)
{
    return [pool, size](tacet_task* self) { return tacet_buffer_claim(self, pool, size); };
}

const call yield = [](tacet_task* self) { return tacet_yield(self); };

void fill(const tacet_buffer* buffer, char with)
{
    std::memset(buffer->data, with, buffer->bytes);
}

std::string text_in(const tacet_buffer* buffer, std::size_t bytes, std::size_t at = 0)
{
    return std::string(static_cast<const char*>(buffer->data) + at, bytes);
}

/* An open file of a directory, closed at the end of the scope. */
struct open_file {
    open_file(const temporary_directory& directory, const char* name, int flags = O_RDWR)
        : file{::open((directory / name).c_str(), flags | O_CLOEXEC | O_CREAT, 0600), static_cast<unsigned>(flags), 0}
    {
        REQUIRE(file.fd >= 0);
    }
    open_file(const open_file&) = delete;
    ~open_file() { ::close(file.fd); }
    tacet_file file;
};

tacet_executor_options only_through_ring()
{
    tacet_executor_options options = {};
    options.ring_entries = 256;
    options.always_through_ring = true;
    return options;
}

}

TEST_CASE("a pool's options are checked, and an executor has one pool at most", "[buffers]")
{
    executor executor(GENERATE(from_range(all_rings())));
    tacet_buffer_pool* made = nullptr;
    for (const tacet_buffer_pool_options& options : {
             tacet_buffer_pool_options{0, 0, 0, 0, false},
             tacet_buffer_pool_options{TACET_BUFFERS_REGISTERED_MAX, 1, 0, 0, false},
             tacet_buffer_pool_options{UINT_MAX, 2, 0, 0, false},
             tacet_buffer_pool_options{1, 1, (std::size_t{1} << 30) + 1, 0, false},
             tacet_buffer_pool_options{1, 1, 0, SIZE_MAX, false},
         })
        CHECK(tacet_buffer_pool_create(&made, executor, &options) == -EINVAL);
    CHECK(tacet_buffer_pool_create(nullptr, executor, nullptr) == -EINVAL);
    CHECK(tacet_buffer_pool_create(&made, nullptr, nullptr) == -EINVAL);
    {
        buffer_pool first(executor);
        CHECK(tacet_buffer_pool_create(&made, executor, &few) == -EBUSY);
        CHECK(made == nullptr);
        CHECK(first.destroy() == 0);
    }
    buffer_pool second(executor);
    CHECK(second.available() == 2);
    CHECK(second.available(TACET_BUFFER_LARGE) == 1);
    CHECK(tacet_buffer_pool_destroy(nullptr) == 0);
}

TEST_CASE("buffers are whole zeroed pages, and none overlaps another", "[buffers]")
{
    executor executor;
    const tacet_buffer_pool_options options = {
        .small_count = 3, .large_count = 2, .small_bytes = 1, .large_bytes = 5000, .not_registered = false};
    buffer_pool pool(executor, options);
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    std::vector<tacet_buffer*> all;
    for (int i = 0; i < 3; i++)
        all.push_back(pool.claimed());
    for (int i = 0; i < 2; i++)
        all.push_back(pool.claimed(TACET_BUFFER_LARGE));
    for (std::size_t i = 0; i < all.size(); i++) {
        CHECK(all[i]->bytes == (i < 3 ? page : (5000 + page - 1) / page * page));
        CHECK(reinterpret_cast<std::uintptr_t>(all[i]->data) % page == 0);
        CHECK(text_in(all[i], all[i]->bytes) == std::string(all[i]->bytes, '\0'));
    }
    for (std::size_t i = 0; i < all.size(); i++)
        fill(all[i], static_cast<char>('a' + i));
    for (std::size_t i = 0; i < all.size(); i++)
        CHECK(text_in(all[i], all[i]->bytes) == std::string(all[i]->bytes, static_cast<char>('a' + i)));
    CHECK(tacet_buffer_try_claim(pool, TACET_BUFFER_SMALL) == -EAGAIN);
    CHECK(tacet_buffer_try_claim(pool, TACET_BUFFER_LARGE) == -EAGAIN);
    CHECK(pool.destroy() == -EBUSY);
    for (tacet_buffer* each : all)
        CHECK(tacet_buffer_release(each) == 0);
    for (tacet_buffer* each : all)
        CHECK(tacet_buffer_release(each) == -EINVAL);
    CHECK(tacet_buffer_release(nullptr) == -EINVAL);
    CHECK(pool.available() == 3);
    CHECK(pool.available(TACET_BUFFER_LARGE) == 2);
    CHECK(tacet_buffer_at(pool, 0) == nullptr);
    CHECK(tacet_buffer_at(pool, -1) == nullptr);
    CHECK(tacet_buffer_at(pool, 5) == nullptr);
    CHECK(pool.destroy() == 0);
}

TEST_CASE("reads and writes of buffers are those of other memory, byte for byte", "[buffers]")
{
    const ring_kind& ring = GENERATE(from_range(kernel_rings()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const bool registered = GENERATE(true, false), at_once = GENERATE(true, false);
    CAPTURE(ring.name, switcher.name, registered, at_once);
    tacet_executor_options options = {};
    options.ring_entries = ring.entries;
    options.setup_flags_forbidden = ring.flags_forbidden;
    options.always_through_ring = !at_once;
    executor executor(options);
    buffer_pool pool(executor, registered ? few : unregistered(few));
    temporary_directory directory;
    open_file ours(directory, "ours"), theirs(directory, "theirs");
    tacet_buffer *into = pool.claimed(TACET_BUFFER_LARGE), *from = pool.claimed();
    std::mt19937 random(1);
    for (int i = 0; i < 40; i++) {
        const std::size_t at = random() % 5000, bytes = random() % 5000, offset = random() % 20000;
        const bool writes = random() % 2 == 0;
        CAPTURE(i, at, bytes, offset, writes);
        std::vector<char> expected(5000);
        tacet_buffer* used = writes ? from : into;
        fill(used, static_cast<char>('a' + i % 26));
        const bool fits = at + bytes <= used->bytes;
        const ssize_t r = !fits    ? -EINVAL
                          : writes ? ::pwrite(theirs.file.fd, static_cast<char*>(used->data) + at, bytes, offset)
                                   : ::pread(theirs.file.fd, expected.data(), bytes, offset);
        task user(switcher, {[&](tacet_task* self) {
                      return writes ? tacet_file_write_buffer(self, &ours.file, used, at, bytes, offset)
                                    : tacet_file_read_buffer(self, &ours.file, used, at, bytes, offset);
                  }});
        user.attach(executor);
        CHECK(executor.run_until_idle() >= 1);
        CHECK(user.results() == std::vector<tacet_result>{r});
        if (!writes && r > 0)
            CHECK(text_in(used, static_cast<std::size_t>(r), at) ==
                  std::string(expected.data(), static_cast<std::size_t>(r)));
        CHECK(used->in_flight == 0);
    }
    CHECK(directory.read("ours") == directory.read("theirs"));
    CHECK(tacet_buffer_release(into) == 0);
    CHECK(tacet_buffer_release(from) == 0);
    CHECK(pool.destroy() == 0);
}

TEST_CASE("a pool is registered exactly where the kernel takes it, and the kernel gets what fits", "[buffers]")
{
    const ring_kind& ring = GENERATE(from_range(kernel_rings()));
    const bool asked = GENERATE(true, false);
    CAPTURE(ring.name, asked);
    std::vector<char> memory(3 * 4096);
    const iovec vector = {memory.data(), memory.size()};
    io_uring bare;
    REQUIRE(io_uring_queue_init(1, &bare, 0) == 0);
    const bool taken = io_uring_register_buffers(&bare, &vector, 1) == 0;
    io_uring_queue_exit(&bare);

    tacet_executor_options options = only_through_ring();
    options.ring_entries = ring.entries;
    options.setup_flags_forbidden = ring.flags_forbidden;
    executor executor(options);
    buffer_pool pool(executor, asked ? few : unregistered(few));
    INFO(tacet_buffer_pool_why(pool));
    CHECK(tacet_buffer_pool_is_registered(pool) == (asked && taken));
    if (asked && taken)
        CHECK(std::string(tacet_buffer_pool_why(pool)) == "registered");
    temporary_directory directory;
    open_file file(directory, "file");
    pool.claimed();
    tacet_buffer* buffer = pool.claimed();
    REQUIRE(buffer->number == 1);
    tacet_op op = {};
    REQUIRE(tacet_op_init_callback(
                &op, executor, [](tacet_op*) {}, TACET_PRIORITY_NORMAL) == 0);
    for (const bool writes : {true, false}) {
        const tacet_submission_queue& queue = static_cast<tacet_executor*>(executor)->sq;
        const io_uring_sqe& sqe = queue.sqes[queue.tail & queue.mask];
        CHECK((writes ? tacet_file_write_buffer_start(&op, nullptr, &file.file, buffer, 0, 4096, 0)
                      : tacet_file_read_buffer_start(&op, nullptr, &file.file, buffer, 0, 4096, 0)) == 0);
        const int plain = writes ? IORING_OP_WRITE : IORING_OP_READ;
        const int fixed = writes ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED;
        CHECK(sqe.opcode == (asked && taken ? fixed : plain));
        CHECK(sqe.buf_index == (asked && taken ? 1 : 0)); /* an older kernel refuses one in a plain read */
        CHECK(executor.run_until_idle() == 1);
        CHECK(op.result == 4096);
    }
}

TEST_CASE("an unfit use of a buffer is refused, and nothing is started", "[buffers]")
{
    executor executor(only_through_ring());
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    buffer_pool pool(executor);
    temporary_directory directory;
    directory.write("file", "0123456789");
    open_file file(directory, "file");
    tacet_buffer *claimed = pool.claimed(), *released = pool.claimed();
    CHECK(tacet_buffer_release(released) == 0);
    support::executor elsewhere(default_ring);
    buffer_pool others(elsewhere);
    tacet_buffer* foreign = others.claimed();
    const std::size_t bytes = claimed->bytes;
    static tacet_op op; /* not on a stack that moves */
    op = {};
    const auto both = [&](const tacet_buffer* buffer, std::size_t at, std::size_t length) {
        return call([&file, buffer, at, length](tacet_task* self) {
            CHECK(tacet_file_read_buffer_start(&op, self, &file.file, buffer, at, length, 0) ==
                  tacet_file_write_buffer_start(&op, self, &file.file, buffer, at, length, 0));
            CHECK(op.request.state == TACET_OP_IDLE);
            const tacet_result r = tacet_file_write_buffer(self, &file.file, buffer, at, length, 0);
            CHECK(r == tacet_file_read_buffer(self, &file.file, buffer, at, length, 0));
            return r;
        });
    };
    task user(switcher,
              {both(nullptr, 0, 1), both(released, 0, 1), both(claimed, 0, bytes + 1), both(claimed, bytes, 1),
               both(claimed, bytes + 1, 0), both(claimed, SIZE_MAX, 1), both(claimed, 1, SIZE_MAX), both(foreign, 0, 1),
               [&](tacet_task* self) { return tacet_file_read_buffer(self, nullptr, claimed, 0, 1, 0); }});
    user.attach(executor);
    CHECK(executor.run_until_idle() >= 1);
    CHECK(user.results() ==
          std::vector<tacet_result>{-EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL, -EPERM, -EINVAL});
    CHECK(executor.stats().submitted == 0);
    CHECK(directory.read("file") == "0123456789");
    CHECK(tacet_buffer_release(claimed) == 0);
}

TEST_CASE("who finds no buffer waits, and is served by I/O priority, then in the order of coming", "[buffers]")
{
    const ring_kind& ring = GENERATE(from_range(all_rings()));
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    CAPTURE(ring.name, switcher.name);
    executor executor(ring);
    buffer_pool pool(executor);
    tacet_buffer* held[] = {pool.claimed(), pool.claimed()};
    const tacet_priority levels[] = {TACET_PRIORITY_LOW, TACET_PRIORITY_NORMAL, TACET_PRIORITY_HIGH,
                                     TACET_PRIORITY_LOW, TACET_PRIORITY_NORMAL, TACET_PRIORITY_HIGH};
    std::vector<int> order;
    std::vector<task> tasks;
    for (int i = 0; i < 6; i++) {
        tasks.emplace_back(switcher, std::vector<call>{claim(pool), [&order, i](tacet_task* self) {
                                                           order.push_back(i);
                                                           return tacet_yield(self);
                                                       }});
        REQUIRE(tacet_task_set_priority(tasks.back(), TACET_PRIORITY_NORMAL, levels[i]) == 0);
        tasks.back().attach(executor);
    }
    CHECK(executor.run_until_idle() == 6);
    CHECK(order.empty());
    CHECK(pool.waiting() == 6);
    CHECK(pool.waiting(TACET_BUFFER_LARGE) == 0);
    CHECK(pool.destroy() == -EBUSY);
    const int expected[] = {2, 5, 1, 4, 0, 3};
    tacet_buffer* next = held[0];
    for (int served = 0; served < 6; served++) {
        CHECK(tacet_buffer_release(next) == 0);
        CHECK(tacet_buffer_try_claim(pool, TACET_BUFFER_SMALL) == -EAGAIN); /* it is on its way */
        CHECK(executor.run_until_idle() >= 1);
        REQUIRE(order.size() == static_cast<std::size_t>(served) + 1);
        CHECK(order.back() == expected[served]);
        next = tacet_buffer_at(pool, tasks[static_cast<std::size_t>(expected[served])].results()[0]);
        REQUIRE(next == held[0]);
    }
    CHECK(tacet_buffer_release(next) == 0);
    CHECK(tacet_buffer_release(held[1]) == 0);
    CHECK(pool.available() == 2);
    CHECK(pool.destroy() == 0);
}

TEST_CASE("a cancel or a deadline ends the wait for a buffer, and takes none along", "[buffers]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const ring_kind& ring = GENERATE(from_range(all_rings()));
    CAPTURE(ring.name, switcher.name);
    executor executor(ring);
    buffer_pool pool(executor);
    tacet_buffer* held[] = {pool.claimed(), pool.claimed()};
    task cancelled(switcher, {claim(pool), claim(pool), yield});
    task before(switcher, {claim(pool), claim(pool), yield});
    task late(switcher, {claim(pool), claim(pool)});
    task served(switcher, {claim(pool), yield});
    cancelled.attach(executor);
    late.attach(executor);
    served.attach(executor);
    CHECK(executor.run_until_idle() == 3);
    CHECK(tacet_task_set_deadline(late, 1) == 0); /* which has passed */
    CHECK(executor.run_until_idle() >= 1);
    CHECK(late.results() == std::vector<tacet_result>{-ETIME, -ETIME});
    CHECK(pool.waiting() == 2);
    before.attach(executor);
    CHECK(tacet_task_cancel(before) == 0); /* it is told where it would wait */
    CHECK(tacet_task_cancel(cancelled) == 0);
    CHECK(executor.run_until_idle() >= 2);
    CHECK(cancelled.results()[0] == -ECANCELED);
    CHECK(before.results()[0] == -ECANCELED);
    CHECK(pool.waiting() == 3); /* each cancel is told once */
    CHECK(tacet_buffer_release(held[0]) == 0);
    CHECK(tacet_task_cancel(served) == 0); /* it has the buffer already: the cancel comes later */
    CHECK(executor.run_until_idle() >= 1);
    CHECK(served.results() == std::vector<tacet_result>{held[0]->number, -ECANCELED});
    CHECK(executor.destroy() == 0);
    CHECK(pool.destroy() == 0);
}

TEST_CASE("a cancel that is pending, or a deadline that has passed, is told though a buffer is there", "[buffers]")
{
    executor executor;
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    buffer_pool pool(executor);
    task cancelled(switcher, {claim(pool), claim(pool)});
    task late(switcher, {[](tacet_task* self) { return tacet_task_set_deadline(self, 1); }, claim(pool)});
    cancelled.attach(executor);
    late.attach(executor);
    CHECK(tacet_task_cancel(cancelled) == 0);
    CHECK(executor.run_until_idle() >= 2);
    CHECK(cancelled.results()[0] == -ECANCELED);
    CHECK(cancelled.results()[1] >= 0);
    CHECK(late.results() == std::vector<tacet_result>{0, -ETIME});
    CHECK(pool.available() == 1);
    CHECK(tacet_buffer_release(tacet_buffer_at(pool, cancelled.results()[1])) == 0);
}

TEST_CASE("claims are refused that cannot be: of a size without buffers, of another executor's pool", "[buffers]")
{
    executor executor, elsewhere;
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    buffer_pool pool(executor,
                     {.small_count = 0, .large_count = 1, .small_bytes = 0, .large_bytes = 0, .not_registered = false});
    task user(switcher,
              {claim(pool), claim(pool, TACET_BUFFER_SIZE_COUNT), claim(nullptr), claim(pool, TACET_BUFFER_LARGE)});
    user.attach(executor);
    CHECK(executor.run_until_idle() >= 1);
    REQUIRE(user.results().size() == 4);
    CHECK(user.results()[0] == -EINVAL);
    CHECK(user.results()[1] == -EINVAL);
    CHECK(user.results()[2] == -EINVAL);
    CHECK(user.results()[3] >= 0);
    task stranger(switcher, {claim(pool, TACET_BUFFER_LARGE)});
    task plain(tacet_switcher_none(), {claim(pool, TACET_BUFFER_LARGE)});
    stranger.attach(elsewhere);
    plain.attach(executor);
    CHECK(elsewhere.run_until_idle() >= 1);
    CHECK(executor.run_until_idle() >= 1);
    CHECK(stranger.results() == std::vector<tacet_result>{-EPERM});
    CHECK(plain.results() == std::vector<tacet_result>{-ENOTSUP});
    CHECK(tacet_buffer_claim(nullptr, pool, TACET_BUFFER_LARGE) == -EINVAL);
    CHECK(tacet_buffer_release(tacet_buffer_at(pool, user.results()[3])) == 0);
}

TEST_CASE("a buffer that is released with an operation in flight comes back when that has ended", "[buffers]")
{
    const ring_kind& ring = GENERATE(from_range(kernel_rings()));
    const bool registered = GENERATE(true, false), cancel = GENERATE(true, false);
    CAPTURE(ring.name, registered, cancel);
    executor executor(ring);
    tacet_buffer_pool_options one = few;
    one.small_count = 1;
    one.not_registered = !registered;
    buffer_pool pool(executor, one);
    support::pipe pipe, second;
    const tacet_file reader = pipe.reader(), other = second.reader();
    tacet_buffer* buffer = pool.claimed();
    tacet_op ops[2] = {};
    for (tacet_op& op : ops)
        REQUIRE(tacet_op_init_callback(
                    &op, executor, [](tacet_op*) {}, TACET_PRIORITY_NORMAL) == 0);
    REQUIRE(tacet_file_read_buffer_start(&ops[0], nullptr, &reader, buffer, 0, 16, 0) == 0);
    REQUIRE(tacet_file_read_buffer_start(&ops[1], nullptr, &other, buffer, 16, 16, 0) == 0);
    CHECK(buffer->in_flight == 2);
    const timespec now = {};
    CHECK(tacet_executor_run(executor, 0, &now) <= 0);
    task waiting(all_switchers()[0], {claim(pool)});
    waiting.attach(executor);
    CHECK(tacet_buffer_release(buffer) == 0);
    CHECK(tacet_buffer_release(buffer) == -EINVAL);
    CHECK(tacet_file_read_buffer_start(&ops[0], nullptr, &reader, buffer, 0, 16, 0) == -EBUSY); /* the op is in use */
    tacet_op third = {};
    REQUIRE(tacet_op_init_callback(
                &third, executor, [](tacet_op*) {}, TACET_PRIORITY_NORMAL) == 0);
    CHECK(tacet_file_read_buffer_start(&third, nullptr, &reader, buffer, 0, 16, 0) == -EINVAL);
    second.write("other");
    CHECK(executor.run_until([&] { return ops[1].request.state == TACET_OP_IDLE; }));
    CHECK(ops[1].result == 5);
    CHECK(pool.waiting() == 1);
    CHECK(waiting.results().empty());
    CHECK(tacet_buffer_pool_destroy(pool) == -EBUSY);
    if (cancel)
        CHECK(tacet_op_cancel(&ops[0]) == 0);
    else
        pipe.write("bytes");
    CHECK(executor.run_until_idle() >= 1);
    CHECK((cancel ? ops[0].result == -ECANCELED || ops[0].result == -EINTR : ops[0].result == 5));
    CHECK(waiting.results() == std::vector<tacet_result>{buffer->number});
    CHECK(text_in(buffer, 5, 16) == "other");
    if (!cancel)
        CHECK(text_in(buffer, 5) == "bytes");
    CHECK(tacet_buffer_release(buffer) == 0);
    CHECK(pool.destroy() == 0);
}

TEST_CASE("each way to wait for an operation gives its buffer back to use", "[buffers]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const std::string end = GENERATE("data", "cancel", "deadline");
    const bool registered = GENERATE(true, false);
    CAPTURE(switcher.name, end, registered);
    executor executor(only_through_ring());
    buffer_pool pool(executor, registered ? few : unregistered(few));
    support::pipe pipe;
    const tacet_file reader = pipe.reader();
    tacet_buffer* buffer = pool.claimed();
    static tacet_op op; /* not on a stack that moves */
    op = {};
    const bool by_op = GENERATE(true, false);
    task user(switcher, {[&](tacet_task* self) {
                  if (!by_op)
                      return tacet_file_read_buffer(self, &reader, buffer, 0, 16, 0);
                  CHECK(tacet_file_read_buffer_start(&op, self, &reader, buffer, 0, 16, 0) == 0);
                  return tacet_task_await(self, &op);
              }});
    user.attach(executor);
    CHECK(executor.run_until([&] { return buffer->in_flight == 1; }));
    if (end == "deadline")
        CHECK(tacet_task_set_deadline(user, 1) == 0); /* which has passed */
    if (end == "data")
        pipe.write("bytes");
    if (end == "cancel")
        CHECK(tacet_task_cancel(user) == 0);
    CHECK(executor.run_until_idle() >= 1);
    CHECK(buffer->in_flight == 0);
    REQUIRE(user.results().size() == 1);
    if (end == "data")
        CHECK(user.results()[0] == 5);
    if (end == "cancel")
        CHECK((user.results()[0] == -ECANCELED || user.results()[0] == -EINTR));
    if (end == "deadline")
        CHECK(user.results()[0] == -ETIME);
    CHECK(tacet_buffer_release(buffer) == 0);
    CHECK(pool.destroy() == 0);
}

TEST_CASE("an executor that goes takes nothing along: its pool has all back, and can be destroyed", "[buffers]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const bool registered = GENERATE(true, false), abandoned = GENERATE(true, false);
    CAPTURE(switcher.name, registered, abandoned);
    executor executor(only_through_ring());
    tacet_buffer_pool* made = nullptr;
    const tacet_buffer_pool_options options = registered ? few : unregistered(few);
    REQUIRE(tacet_buffer_pool_create(&made, executor, &options) == 0);
    support::pipe pipe;
    const tacet_file reader = pipe.reader();
    tacet_buffer* buffer = tacet_buffer_at(made, tacet_buffer_try_claim(made, TACET_BUFFER_SMALL));
    task reading(switcher, {[&](tacet_task* self) { return tacet_file_read_buffer(self, &reader, buffer, 0, 16, 0); }});
    task holding(switcher, {claim(made), [](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); }});
    task waiting(switcher, {claim(made)});
    reading.attach(executor);
    holding.attach(executor);
    waiting.attach(executor);
    CHECK(executor.run_until([&] { return tacet_buffer_pool_waiting(made, TACET_BUFFER_SMALL) == 1; }));
    CHECK(buffer->in_flight == 1);
    if (abandoned) {
        tacet_buffer_pool_abandon(made);
        CHECK(tacet_buffer_pool_waiting(made, TACET_BUFFER_SMALL) == 0);
        CHECK(tacet_buffer_try_claim(made, TACET_BUFFER_LARGE) == -ECANCELED);
        CHECK(executor.destroy() == 0); /* and with it the pool */
        return;
    }
    CHECK(tacet_buffer_pool_destroy(made) == -EBUSY);
    CHECK(executor.destroy() == 0);
    CHECK(buffer->in_flight == 0);
    CHECK_FALSE(tacet_buffer_pool_is_registered(made));
    CHECK(tacet_buffer_pool_waiting(made, TACET_BUFFER_SMALL) == 0);
    CHECK(tacet_buffer_try_claim(made, TACET_BUFFER_LARGE) == -EPERM);
    CHECK(tacet_buffer_pool_available(made, TACET_BUFFER_SMALL) == 2);
    CHECK(tacet_buffer_release(buffer) == -EINVAL);
    fill(buffer, 'x'); /* the memory is there until the pool goes */
    CHECK(tacet_buffer_pool_destroy(made) == 0);
}

TEST_CASE("an abandoned pool goes with the last buffer that comes back, and another one may be made", "[buffers]")
{
    executor executor(only_through_ring());
    const bool in_flight = GENERATE(true, false);
    tacet_buffer_pool* made = nullptr;
    REQUIRE(tacet_buffer_pool_create(&made, executor, &few) == 0);
    tacet_buffer* buffer = tacet_buffer_at(made, tacet_buffer_try_claim(made, TACET_BUFFER_LARGE));
    support::pipe pipe;
    const tacet_file reader = pipe.reader();
    tacet_op op = {};
    REQUIRE(tacet_op_init_callback(
                &op, executor, [](tacet_op*) {}, TACET_PRIORITY_NORMAL) == 0);
    if (in_flight)
        REQUIRE(tacet_file_read_buffer_start(&op, nullptr, &reader, buffer, 0, 1, 0) == 0);
    tacet_buffer_pool_abandon(made);
    tacet_buffer_pool* next = nullptr;
    CHECK(tacet_buffer_pool_create(&next, executor, &few) == -EBUSY);
    CHECK(tacet_buffer_release(buffer) == 0);
    if (in_flight) {
        CHECK(tacet_buffer_pool_create(&next, executor, &few) == -EBUSY);
        pipe.write("x");
        CHECK(executor.run_until_idle() == 1);
        CHECK(op.result == 1);
    }
    REQUIRE(tacet_buffer_pool_create(&next, executor, &few) == 0);
    CHECK(tacet_buffer_pool_destroy(next) == 0);
}

TEST_CASE("a callback claims and releases", "[buffers]")
{
    executor executor;
    buffer_pool pool(executor,
                     {.small_count = 1, .large_count = 0, .small_bytes = 0, .large_bytes = 0, .not_registered = false});
    static tacet_buffer* passed;
    passed = pool.claimed();
    task waiting(all_switchers()[0], {claim(pool)});
    waiting.attach(executor);
    CHECK(executor.run_until_idle() == 1);
    tacet_op op = {};
    REQUIRE(tacet_op_init_callback(
                &op, executor, [](tacet_op*) { CHECK(tacet_buffer_release(passed) == 0); }, TACET_PRIORITY_NORMAL) ==
            0);
    REQUIRE(tacet_nop_start(&op, nullptr) == 0);
    CHECK(executor.run_until_idle() == 2);
    CHECK(waiting.results() == std::vector<tacet_result>{passed->number});
    CHECK(tacet_buffer_release(passed) == 0);
}

TEST_CASE("a flood of tasks shares a few buffers, and each reads what it asked for", "[buffers]")
{
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    const bool registered = GENERATE(true, false), through_ring = GENERATE(true, false);
    CAPTURE(switcher.name, registered, through_ring);
    tacet_executor_options options = {};
    options.ring_entries = GENERATE(1u, 64u);
    options.always_through_ring = through_ring;
    options.data_ops_max = GENERATE(0u, 1u);
    executor executor(options);
    tacet_buffer_pool_options three = few;
    three.small_count = 3;
    three.not_registered = !registered;
    buffer_pool pool(executor, three);
    temporary_directory directory;
    std::string contents;
    for (int i = 0; i < 1000; i++)
        contents += static_cast<char>('a' + i * 7 % 26);
    directory.write("file", contents);
    open_file file(directory, "file");
    const std::size_t count = 500;
    struct user {
        tacet_buffer* buffer = nullptr;
        std::string seen;
    };
    std::vector<user> users(count);
    std::vector<task> tasks;
    for (std::size_t i = 0; i < count; i++) {
        user& mine = users[i];
        const auto number = [&tasks, i] { return tasks[i].results()[0]; };
        tasks.emplace_back(switcher, std::vector<call>{claim(pool),
                                                       [&, number, i](tacet_task* self) {
                                                           mine.buffer = tacet_buffer_at(pool, number());
                                                           return tacet_file_read_buffer(self, &file.file, mine.buffer,
                                                                                         i % 100, 10, i);
                                                       },
                                                       [&, i](tacet_task*) {
                                                           mine.seen = text_in(mine.buffer, 10, i % 100);
                                                           return tacet_buffer_release(mine.buffer);
                                                       }});
        REQUIRE(tacet_task_set_priority(tasks.back(), TACET_PRIORITY_NORMAL, static_cast<tacet_priority>(i % 3)) == 0);
    }
    for (task& each : tasks)
        each.attach(executor);
    CHECK(executor.run_until_idle() >= 0);
    std::size_t right = 0;
    for (std::size_t i = 0; i < count; i++)
        right += users[i].seen == contents.substr(i, 10) && tasks[i].results().size() == 3 &&
                 tasks[i].results()[1] == 10;
    CHECK(right == count);
    CHECK(pool.available() == 3);
    CHECK(pool.destroy() == 0);
}

TEST_CASE("without a ring buffers are claimed and released; reads are -ENOTSUP", "[buffers]")
{
    executor executor({"no ring", 0, 0});
    const switcher_kind& switcher = GENERATE(from_range(suspending_switchers()));
    buffer_pool pool(executor);
    CHECK_FALSE(tacet_buffer_pool_is_registered(pool));
    CHECK(std::string(tacet_buffer_pool_why(pool)) == "not registered: the executor has no ring");
    tacet_buffer* buffer = pool.claimed();
    const tacet_file file = {0, 0, 0};
    task user(switcher, {[&](tacet_task* self) { return tacet_file_read_buffer(self, &file, buffer, 0, 1, 0); }});
    user.attach(executor);
    CHECK(executor.run_until_idle() >= 1);
    CHECK(user.results() == std::vector<tacet_result>{-ENOTSUP});
    CHECK(buffer->in_flight == 0);
    CHECK(tacet_buffer_release(buffer) == 0);
}

namespace {

/* What an ordinary user with 64 KiB of locked memory finds: 0, or the number of the check that failed. */
int use_as_nobody(const temporary_directory& directory)
{
    const rlimit limit = {64 << 10, 64 << 10};
    const uid_t nobody = 61235;
    if (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || ::setgroups(0, nullptr) != 0 ||
        ::setresgid(nobody, nobody, nobody) != 0 || ::setresuid(nobody, nobody, nobody) != 0)
        return 1;
    tacet_executor* executor = nullptr;
    const tacet_executor_options options = only_through_ring();
    if (create_patiently(&executor, &options) != 0)
        return 2;
    tacet_buffer_pool* pool = nullptr;
    const tacet_buffer_pool_options large = {
        .small_count = 64, .large_count = 0, .small_bytes = 4096, .large_bytes = 0, .not_registered = false};
    if (tacet_buffer_pool_create(&pool, executor, &large) != 0)
        return 3;
    if (tacet_buffer_pool_is_registered(pool))
        return 4;
    if (std::string(tacet_buffer_pool_why(pool)).find("locked") == std::string::npos)
        return 5;
    const tacet_file file = {::open((directory / "file").c_str(), O_RDONLY | O_CLOEXEC), O_RDONLY, 0};
    tacet_buffer* buffer = tacet_buffer_at(pool, tacet_buffer_try_claim(pool, TACET_BUFFER_SMALL));
    tacet_op op = {};
    if (tacet_op_init_callback(
            &op, executor, [](tacet_op*) {}, TACET_PRIORITY_NORMAL) != 0 ||
        tacet_file_read_buffer_start(&op, nullptr, &file, buffer, 3, 100, 2) != 0)
        return 6;
    if (tacet_executor_run(executor, TACET_UNTIL_IDLE, nullptr) != 1 || op.result != 8)
        return 7;
    if (text_in(buffer, 8, 3) != "23456789")
        return 8;
    if (tacet_buffer_release(buffer) != 0 || tacet_buffer_pool_destroy(pool) != 0)
        return 9;
    return tacet_executor_destroy(executor) == 0 ? 0 : 10;
}

}

TEST_CASE("an ordinary user with 64 KiB of locked memory has the same by plain reads", "[buffers]")
{
    if (::geteuid() != 0)
        SKIP("only root can become an ordinary user");
    temporary_directory directory;
    directory.write("file", "0123456789");
    REQUIRE(::chmod(directory.path().c_str(), 0755) == 0);
    REQUIRE(::chmod((directory / "file").c_str(), 0644) == 0);
    CHECK(in_child([&] { return use_as_nobody(directory); }) == 0);
}

TEST_CASE("in the child of a fork nothing of a pool can be used", "[buffers]")
{
    executor executor;
    buffer_pool pool(executor);
    tacet_buffer* buffer = pool.claimed();
    CHECK(in_child([&] {
              tacet_buffer_pool* made = nullptr;
              const bool refused = tacet_buffer_try_claim(pool, TACET_BUFFER_SMALL) == -EPERM &&
                                   tacet_buffer_release(buffer) == -EPERM &&
                                   tacet_buffer_pool_destroy(pool) == -EPERM &&
                                   tacet_buffer_pool_create(&made, executor, &few) == -EPERM;
              return refused ? 0 : 1;
          }) == 0);
    CHECK(tacet_buffer_release(buffer) == 0);
}
