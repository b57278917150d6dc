// Buffered streams: block_reader, line_reader (the next block is read while this one is used) and writer (a block is written
// while the next is filled).
//
//     tacet::line_reader lines(co_await tacet::open("log", O_RDONLY));
//     while (std::optional<std::string_view> line = co_await lines.next())
//         use(*line);
//
// A stream owns its file, and two blocks of memory. One task at a time uses it, on the executor where it was first used. A
// cancel or a deadline ends a wait, and loses nothing: the operation goes on, and the next call has what it brought.
#ifndef TACET_STREAM_HPP
#define TACET_STREAM_HPP

#include <tacet/file.hpp>

#include <cstring>
#include <memory>
#include <optional>

namespace tacet {

namespace detail {

// An operation on a file that goes on while nobody awaits it; with all that it names. It belongs to a stream, or, when that
// has gone, to itself until it has ended.
class background {
public:
    background(file of, std::size_t block_bytes, std::uint64_t offset)
        : file_(std::move(of)), offset_(offset), block_bytes_(block_bytes > 0 ? block_bytes : 1),
          block_(new std::byte[block_bytes_])
    {
        op_.self = hook_.self = this;
        hook_.on_cancel = on_cancel;
    }
    background(const background&) = delete;
    background& operator=(const background&) = delete;
    virtual ~background() = default;

    // The stream goes. `ends`: what is in flight is of no use to anybody.
    void abandon(bool ends) noexcept
    {
        if (!in_flight_) {
            delete this;
            return;
        }
        abandoned_ = true;
        ends_ = ends;
        if (ends)
            tacet_op_cancel(&op_);
    }

    // CANCELLATION POINT. Until nothing is in flight.
    class [[nodiscard]] idle_awaiter {
    public:
        explicit idle_awaiter(background& awaited) noexcept : awaited_(&awaited) {}
        bool await_ready() const noexcept { return false; }

        // A cancel comes first: else who always finds it idle would never end.
        template <tacet_promise Promise>
        bool await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
        {
            task_ = awaiting.promise().task;
            task_->result = tacet_task_take_interrupt(task_);
            if (task_->result < 0)
                return false;
            if (!awaited_->in_flight_)
                return go_on_later(task_, awaiting);
            task_->context = awaiting.address();
            awaited_->waiter_ = task_;
            tacet_task_park(task_, static_cast<tacet_wait_hook*>(&awaited_->hook_), TACET_WAIT_HOOK);
            return true;
        }
        void await_resume() const
        {
            if (task_->result < 0) [[unlikely]]
                throw_error(task_->result, describe_descriptor(awaited_->what(), awaited_->file_.fd()));
        }

    private:
        background* awaited_;
        tacet_task* task_ = nullptr;
    };
    idle_awaiter idle() noexcept { return idle_awaiter(*this); }

    file& get_file() noexcept { return file_; }
    std::size_t block_bytes() const noexcept { return block_bytes_; }
    bool in_flight() const noexcept { return in_flight_; }

protected:
    virtual tacet_result start_op(tacet_op* op) noexcept = 0;
    // What it ended with: whether it goes on.
    virtual bool ended(tacet_result r) noexcept = 0;
    virtual const char* what() const noexcept = 0;

    // For the running task, with its priority.
    void start(const tacet_task* task) noexcept
    {
        static_cast<tacet_op&>(op_) = {};
        const tacet_result r = tacet_op_init_callback(&op_, tacet_task_executor(task), completed,
                                                      static_cast<tacet_priority>(task->priority));
        TACET_ASSERT(r == 0 && "all of it is given");
        (void)r;
        in_flight_ = true;
        go_on();
    }

    [[noreturn]] void throw_failure(tacet_result r) const { throw_error(r, describe_descriptor(what(), file_.fd())); }

    file file_;
    std::uint64_t offset_;
    std::size_t block_bytes_;
    std::unique_ptr<std::byte[]> block_; // what the operation names

private:
    struct own_op : tacet_op {
        background* self;
    };
    struct own_hook : tacet_wait_hook {
        background* self;
    };

    // What cannot be started has ended.
    void go_on() noexcept
    {
        const tacet_result r = start_op(&op_);
        if (r < 0 && !ended(r))
            in_flight_ = false;
    }

    static void completed(tacet_op* op)
    {
        background& self = *static_cast<own_op*>(op)->self;
        if (self.ended(op->result) && !self.ends_)
            self.go_on();
        else
            self.in_flight_ = false;
        if (self.in_flight_)
            return;
        if (self.abandoned_)
            delete &self;
        else if (self.waiter_ != nullptr)
            tacet_task_unpark(std::exchange(self.waiter_, nullptr), 0);
    }

    static void on_cancel(tacet_task* task)
    {
        auto* hook = static_cast<own_hook*>(static_cast<tacet_wait_hook*>(task->waiting_for));
        hook->self->waiter_ = nullptr;
        tacet_task_unpark(task, -ECANCELED);
    }

    own_op op_{};
    own_hook hook_{};
    tacet_task* waiter_ = nullptr;
    bool in_flight_ = false;
    bool abandoned_ = false;
    bool ends_ = false; // and is not made again
};

// Deletes what it owns when that has ended.
template <class Background, bool Ends>
struct abandoning {
    void operator()(Background* owned) const noexcept { owned->abandon(Ends); }
};

class read_ahead final : public background {
public:
    using background::background;

    void begin(const tacet_task* task) noexcept
    {
        has_result_ = false;
        start(task);
    }
    bool has_result() const noexcept { return has_result_; }

    // Once: the bytes of the block, which changes places with `used`.
    std::size_t take(std::unique_ptr<std::byte[]>& used)
    {
        has_result_ = false;
        if (result_ < 0)
            throw_failure(result_);
        std::swap(block_, used);
        return static_cast<std::size_t>(result_);
    }

private:
    tacet_result start_op(tacet_op* op) noexcept override
    {
        return tacet_file_read_start(op, nullptr, &file_.get(), block_.get(), block_bytes_, offset_);
    }
    bool ended(tacet_result r) noexcept override
    {
        if (r == -EINTR)
            return true;
        result_ = r;
        has_result_ = true;
        offset_ = advanced(offset_, r > 0 ? static_cast<std::size_t>(r) : 0);
        return false;
    }
    const char* what() const noexcept override { return "read"; }

    tacet_result result_ = 0;
    bool has_result_ = false;
};

class write_behind final : public background {
public:
    using background::background;

    // Writes so many bytes of `filled`, which changes places with the block that was written before.
    void begin(const tacet_task* task, std::unique_ptr<std::byte[]>& filled, std::size_t bytes) noexcept
    {
        swap_in(filled, bytes);
        start(task);
    }

    // The same when what is on its way has been written, and nothing will be filled any more.
    void begin_last(const tacet_task* task, std::unique_ptr<std::byte[]>& filled, std::size_t bytes) noexcept
    {
        if (!in_flight()) {
            begin(task, filled, bytes);
            return;
        }
        last_ = std::move(filled);
        last_bytes_ = bytes;
    }
    bool has_failed() const noexcept { return error_ < 0; }

    // What was written before this has failed: nothing that comes behind it may be written.
    void throw_if_failed() const
    {
        if (error_ < 0) [[unlikely]]
            throw_failure(error_);
    }

private:
    tacet_result start_op(tacet_op* op) noexcept override
    {
        position_ = tacet_position_note(&file_.get(), offset_);
        return tacet_file_write_start(op, nullptr, &file_.get(), block_.get() + written_, bytes_ - written_, offset_);
    }
    bool ended(tacet_result r) noexcept override
    {
        if (r == -EINTR)
            return true;
        if (r <= 0) {
            error_ = r < 0 ? r : -EIO;
            return false;
        }
        tacet_position_settle(&file_.get(), position_, r, bytes_ - written_);
        written_ += static_cast<std::size_t>(r);
        offset_ = advanced(offset_, static_cast<std::size_t>(r));
        if (written_ == bytes_ && last_bytes_ > 0)
            swap_in(last_, std::exchange(last_bytes_, 0));
        return written_ < bytes_;
    }
    const char* what() const noexcept override { return "write"; }

    void swap_in(std::unique_ptr<std::byte[]>& filled, std::size_t bytes) noexcept
    {
        std::swap(block_, filled);
        written_ = 0;
        bytes_ = bytes;
    }

    std::size_t bytes_ = 0, written_ = 0;
    std::unique_ptr<std::byte[]> last_{}; // behind it
    std::size_t last_bytes_ = 0;
    std::int64_t position_ = -1;
    tacet_result error_ = 0;
};

} // namespace detail

class block_reader {
public:
    static constexpr std::size_t block_bytes_default = std::size_t{128} << 10;

    // From the offset on; by default from the file's own position, which makes sense for pipes, too.
    explicit block_reader(file in, std::size_t block_bytes = block_bytes_default,
                          std::uint64_t offset = file::own_position)
        : ahead_(new detail::read_ahead(std::move(in), block_bytes, offset))
    {
        used_.reset(new std::byte[ahead_->block_bytes()]);
    }

    // The next bytes, valid until the next call; none at the end. A call after an error or the end reads on from there.
    task<std::span<const std::byte>> next()
    {
        tacet_task* const self = co_await this_task();
        if (!ahead_->in_flight() && !ahead_->has_result())
            ahead_->begin(self);
        co_await ahead_->idle();
        const std::size_t bytes = ahead_->take(used_);
        if (bytes > 0)
            ahead_->begin(self);
        co_return std::span<const std::byte>(used_.get(), bytes);
    }

    const file& get_file() const noexcept { return ahead_->get_file(); }

private:
    std::unique_ptr<detail::read_ahead, detail::abandoning<detail::read_ahead, true>> ahead_;
    std::unique_ptr<std::byte[]> used_{};
};

class line_reader {
public:
    static constexpr std::size_t line_bytes_max_default = std::size_t{1} << 20;

    explicit line_reader(file in, char delimiter = '\n', std::size_t line_bytes_max = line_bytes_max_default,
                         std::size_t block_bytes = block_reader::block_bytes_default)
        : blocks_(std::move(in), block_bytes), line_bytes_max_(line_bytes_max), delimiter_(delimiter)
    {
    }

    // The next line, without its delimiter, valid until the next call; nothing at the end. The last line may lack its
    // delimiter. message_size: a line is longer than line_bytes_max.
    task<std::optional<std::string_view>> next()
    {
        if (std::exchange(delivered_, false))
            begun_.clear();
        for (;;) {
            if (rest_.empty()) {
                const std::span<const std::byte> block = co_await blocks_.next();
                rest_ = std::string_view(reinterpret_cast<const char*>(block.data()), block.size());
                if (rest_.empty())
                    co_return last_line();
            }
            const std::size_t end = rest_.find(delimiter_);
            const std::string_view piece = rest_.substr(0, end);
            if (begun_.size() + piece.size() > line_bytes_max_)
                throw_error(-EMSGSIZE, detail::describe_descriptor("read line of", blocks_.get_file().fd()));
            rest_.remove_prefix(end != std::string_view::npos ? end + 1 : rest_.size());
            if (end != std::string_view::npos && begun_.empty())
                co_return piece;
            begun_ += piece;
            if (end != std::string_view::npos) {
                delivered_ = true;
                co_return std::string_view(begun_);
            }
        }
    }

    const file& get_file() const noexcept { return blocks_.get_file(); }

private:
    std::optional<std::string_view> last_line() noexcept
    {
        if (begun_.empty())
            return std::nullopt;
        delivered_ = true;
        return std::string_view(begun_);
    }

    block_reader blocks_;
    std::string_view rest_{}; // of the block
    std::string begun_{};     // a line that began in an earlier block
    bool delivered_ = false;  // which the caller has
    std::size_t line_bytes_max_;
    char delimiter_;
};

// What is written goes into memory, and from there to the file while more is written; who writes faster than the file takes
// waits. If a write to the file has failed, the next call throws that, and so do all after it: nothing is written behind
// what is missing. close(), or at least flush(), before it goes: what was not flushed is not written, and nobody hears of an
// error.
class writer {
public:
    static constexpr std::size_t block_bytes_default = std::size_t{128} << 10;

    explicit writer(file out, std::size_t block_bytes = block_bytes_default, std::uint64_t offset = file::own_position)
        : behind_(new detail::write_behind(std::move(out), block_bytes, offset))
    {
        filling_.reset(new std::byte[behind_->block_bytes()]);
    }

    // Takes all of it; after a cancel, accepted() says how much of it.
    task<void> write(bytes_view from)
    {
        tacet_task* const self = co_await this_task();
        detail::write_behind& behind = opened();
        behind.throw_if_failed();
        while (!from.empty()) {
            if (filled_ == behind.block_bytes())
                co_await pass_on(self);
            const std::size_t bytes = std::min(from.size(), behind.block_bytes() - filled_);
            std::memcpy(filling_.get() + filled_, from.data(), bytes);
            filled_ += bytes;
            accepted_ += bytes;
            from = bytes_view(from.subspan(bytes));
        }
    }

    // All that was written is the file's when it ends; not durable yet: get_file().datasync().
    task<void> flush()
    {
        tacet_task* const self = co_await this_task();
        detail::write_behind& behind = opened();
        if (filled_ > 0)
            co_await pass_on(self);
        co_await behind.idle();
        behind.throw_if_failed();
    }

    // Flushes, and closes the file, whatever comes of it. Where the flush was cancelled or timed out, all that was accepted is
    // still written, and then the file is closed, as long as the executor is there; nobody hears of an error.
    task<void> close()
    {
        tacet_task* const self = co_await this_task();
        (void)opened();
        std::exception_ptr failed;
        try {
            co_await flush();
        } catch (...) {
            failed = std::current_exception();
        }
        if (filled_ > 0 && !behind_->has_failed())
            behind_->begin_last(self, filling_, std::exchange(filled_, 0));
        if (!behind_->in_flight())
            co_await close_file(failed);
        behind_.reset();
        if (failed != nullptr)
            std::rethrow_exception(failed);
    }

    std::uint64_t accepted() const noexcept { return accepted_; }
    file& get_file() { return opened().get_file(); }

private:
    // bad_file_descriptor: it was closed.
    detail::write_behind& opened() const
    {
        if (behind_ == nullptr)
            throw_error(-EBADF, "writer: it is closed");
        return *behind_;
    }

    task<void> pass_on(tacet_task* self)
    {
        co_await behind_->idle();
        behind_->throw_if_failed();
        behind_->begin(self, filling_, std::exchange(filled_, 0));
    }

    // An error of the flush comes before one of the close.
    task<void> close_file(const std::exception_ptr& failed)
    {
        const result<void> closed = co_await as_result(behind_->get_file().close());
        if (!closed && failed == nullptr)
            throw std::system_error(closed.error(), "close");
    }

    std::unique_ptr<detail::write_behind, detail::abandoning<detail::write_behind, false>> behind_;
    std::unique_ptr<std::byte[]> filling_{};
    std::size_t filled_ = 0;
    std::uint64_t accepted_ = 0;
};

} // namespace tacet

#endif
