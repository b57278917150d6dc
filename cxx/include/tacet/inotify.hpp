// watcher: what happens to files and in directories, by inotify(7), event for event.
//
//     tacet::watcher changes;
//     changes.add("folder", IN_CREATE | IN_MOVED_TO);
//     for (;;) {
//         const tacet::file_event event = co_await changes.next();
//         if (event.overflowed()) ...                  // some were dropped: look at the folder anew
//     }
//
// Events are taken from the kernel by who is resumed, so a cancel, a deadline or the end of the executor lose none.
#ifndef TACET_INOTIFY_HPP
#define TACET_INOTIFY_HPP

#include <tacet/file.hpp>
#include <tacet/poll.hpp>

#include <climits>
#include <cstring>
#include <memory>
#include <optional>

#include <sys/inotify.h>

namespace tacet {

struct file_event {
    int watch;            // as add() returned it; -1 if it overflowed
    std::uint32_t mask;   // IN_...
    std::uint32_t cookie; // the same of both halves of a rename
    std::string name;     // in a watched directory; empty: the watched file itself

    // The kernel's queue was full, and events were dropped.
    bool overflowed() const noexcept { return (mask & IN_Q_OVERFLOW) != 0; }
};

class watcher {
public:
    watcher()
        : file_(static_cast<int>(check(result_of(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)), "inotify")), O_RDONLY,
                nullptr),
          buffer_(new std::byte[buffer_bytes])
    {
    }

    int fd() const noexcept { return file_.fd(); }

    // inotify_add_watch(2): the watch, which events name. mask: IN_...
    int add(const std::string& path, std::uint32_t mask)
    {
        const tacet_result r = result_of(inotify_add_watch(fd(), path.c_str(), mask));
        if (r < 0)
            throw_error(r, "watch \"" + path + '"');
        return static_cast<int>(r);
    }

    // What came before is still to be had, then an event IN_IGNORED.
    void remove(int watch) { check(result_of(inotify_rm_watch(fd(), watch)), "remove a watch"); }

    // The next event, if there is one. Does not wait.
    std::optional<file_event> take()
    {
        if (next_ == end_ && !fill())
            return std::nullopt;
        inotify_event head;
        std::memcpy(&head, &buffer_[next_], sizeof head);
        const char* const name = reinterpret_cast<const char*>(&buffer_[next_ + sizeof head]);
        next_ += sizeof head + head.len;
        return file_event{head.wd, head.mask, head.cookie, std::string(name, ::strnlen(name, head.len))};
    }

    // Waits for the next event. CANCELLATION POINT.
    task<file_event> next()
    {
        std::optional<file_event> event = take();
        while (!event) {
            co_await detail::until_readable(fd(), "wait for a change");
            event = take();
        }
        co_return *std::move(event);
    }

private:
    static constexpr std::size_t buffer_bytes = 16 * (sizeof(inotify_event) + NAME_MAX + 1);

    static tacet_result result_of(long r) noexcept { return r < 0 ? -errno : r; }

    bool fill()
    {
        const tacet_result r = result_of(::read(fd(), buffer_.get(), buffer_bytes));
        if (r == -EAGAIN)
            return false;
        end_ = static_cast<std::size_t>(check(r, "read changes"));
        next_ = 0;
        return end_ > 0;
    }

    file file_;
    std::unique_ptr<std::byte[]> buffer_;
    std::size_t next_ = 0, end_ = 0; // of the buffer: events not taken yet
};

} // namespace tacet

#endif
