// Directories: their entries one by one, and walks through all that is below them.
//
//     tacet::directory_entries entries("some/folder");
//     while (std::optional<tacet::directory_entry> entry = co_await entries.next())
//         use(entry->name, entry->type);
#ifndef TACET_DIRECTORY_HPP
#define TACET_DIRECTORY_HPP

#include <tacet/deadline.hpp>
#include <tacet/file.hpp>
#include <tacet/sync.hpp>
#include <tacet/when_all.hpp>

#include <climits>
#include <functional>
#include <optional>

#include <dirent.h>

namespace tacet {

struct directory_entry {
    std::string name;
    unsigned char type; // DT_REG, DT_DIR, DT_LNK ...; DT_UNKNOWN where the file system does not tell
    std::uint64_t inode;
};

// The entries of one directory, without "." and "..", in the file system's order. A buffer at a time is read, by a plain call
// that may wait for the disk: directories may be larger than memory.
class directory_entries {
public:
    explicit directory_entries(location path) : path_(std::move(path)) {}
    explicit directory_entries(file open) noexcept : path_(""), dir_(std::move(open)) {}

    // Nothing at the end.
    task<std::optional<directory_entry>> next()
    {
        if (!dir_)
            dir_ = co_await open(path_, O_RDONLY | O_DIRECTORY);
        for (;;) {
            if (at_ == filled_) {
                at_ = filled_ = 0;
                filled_ = co_await dir_.read_directory(buffer_);
                if (filled_ == 0)
                    co_return std::nullopt;
            }
            const auto* record = reinterpret_cast<const dirent64*>(buffer_.data() + at_);
            at_ += record->d_reclen;
            const std::string_view name = record->d_name;
            if (name != "." && name != "..")
                co_return directory_entry{std::string(name), record->d_type, record->d_ino};
        }
    }

    // Once next() has been called: the directory.
    const file& dir() const noexcept { return dir_; }

private:
    location path_;
    file dir_{};
    std::vector<std::byte> buffer_ = std::vector<std::byte>(std::size_t{1} << 15);
    std::size_t at_ = 0, filled_ = 0;
};

struct walk_entry {
    std::string path;   // below the root of the walk: "folder/name"
    unsigned char type; // DT_..., never DT_UNKNOWN
    unsigned depth;     // 0: in the root itself
};

struct walk_options {
    unsigned depth_max = 1000; // directories deeper than that are told, and not entered
    unsigned concurrency = 1;  // so many directories are read at once; with 1, an entry comes before what is in it
    // What is told of a directory that cannot be opened or read: it is left out then. If there is no such function the walk
    // ends with the error.
    std::function<void(const std::string& path, const std::system_error& error)> on_error{};
};

namespace detail {

template <class Visit>
class walk {
public:
    walk(file root, Visit& visit, const walk_options& options)
        : root_(std::move(root)), visit_(visit), options_(options)
    {
        push("", 0);
    }
    walk(const walk&) = delete;
    walk& operator=(const walk&) = delete;

    // One of those that read directories until there is none left.
    task<void> work()
    {
        for (;;) {
            co_await available_.acquire();
            if (waiting_.empty())
                co_return;
            pending next = std::move(waiting_.back());
            waiting_.pop_back();
            busy_++;
            co_await read_or_tell(next);
            if (--busy_ == 0 && waiting_.empty())
                available_.release(options_.concurrency);
        }
    }

private:
    struct pending {
        std::string path; // "" or "folder/"
        unsigned depth;
    };

    void push(std::string path, unsigned depth)
    {
        waiting_.push_back({std::move(path), depth});
        available_.release();
    }

    task<void> read_or_tell(const pending& which)
    {
        std::optional<std::system_error> failed;
        bool visiting = false;
        try {
            co_await read(which, visiting);
        } catch (const std::system_error& error) {
            if (!options_.on_error || visiting || is_interrupt(error.code()))
                throw;
            failed = error;
        }
        if (failed)
            options_.on_error(which.path, *failed);
    }

    // Of the task, and not of a directory.
    static bool is_interrupt(const std::error_code& code)
    {
        return code == std::errc::operation_canceled || is_timeout(code);
    }

    // No link leads out of the root, also if a directory is replaced by one meanwhile. Paths that are too long for the kernel go
    // piece by piece.
    task<file> open_below(const std::string& path)
    {
        std::size_t begin = 0;
        file from;
        while (path.size() - begin >= PATH_MAX) {
            const std::size_t end = path.rfind('/', begin + PATH_MAX - 2) + 1;
            from = co_await open_piece(from, path.substr(begin, end - begin));
            begin = end;
        }
        std::string last = path.empty() ? "." : path.substr(begin);
        co_return co_await open_piece(from, std::move(last));
    }

    // from: closed: the root.
    task<file> open_piece(const file& from, std::string path)
    {
        open_how how{};
        how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH;
        const file& above = from ? from : root_;
        file opened = co_await open(at(above, std::move(path)), how);
        co_return opened;
    }

    // visiting: whose failure it is that is thrown.
    task<void> read(const pending& which, bool& visiting)
    {
        file dir = co_await open_below(which.path);
        directory_entries entries(std::move(dir));
        while (std::optional<directory_entry> entry = co_await entries.next()) {
            walk_entry found{which.path + entry->name, entry->type, which.depth};
            if (found.type == DT_UNKNOWN)
                found.type = co_await type_of(entries.dir(), entry->name);
            if (found.type == DT_UNKNOWN)
                continue; // it has gone
            visiting = true;
            const bool enter = co_await visited(found);
            visiting = false;
            if (found.type == DT_DIR && enter && which.depth < options_.depth_max)
                push(std::move(found.path) + '/', which.depth + 1);
        }
    }

    task<unsigned char> type_of(const file& dir, const std::string& name)
    {
        const result<struct statx> status = co_await as_result(stat(at(dir, name), AT_SYMLINK_NOFOLLOW, STATX_TYPE));
        if (!status && status.error() != std::errc::no_such_file_or_directory)
            throw std::system_error(status.error(), "stat \"" + name + '"');
        co_return status ? static_cast<unsigned char>(IFTODT(status->stx_mode)) : std::uint8_t{DT_UNKNOWN};
    }

    task<bool> visited(const walk_entry& found)
    {
        using returned = std::invoke_result_t<Visit&, const walk_entry&>;
        if constexpr (std::is_void_v<returned>) {
            visit_(found);
            co_return true;
        } else if constexpr (std::is_convertible_v<returned, bool>) {
            co_return visit_(found);
        } else if constexpr (std::is_void_v<typename returned::value_type>) {
            co_await visit_(found);
            co_return true;
        } else {
            co_return co_await visit_(found);
        }
    }

    file root_;
    Visit& visit_;
    const walk_options& options_;
    std::vector<pending> waiting_{};
    unsigned busy_ = 0;
    semaphore available_{0}; // as many as there are waiting; all that are wanted when it is over
};

} // namespace detail

// Calls visit(const walk_entry&) for all that is below root, which may be a link itself; links below it are told and not
// followed, so there are no loops. visit returns nothing, or whether a directory is to be entered; or a task of that, which is
// awaited. An exception of it ends the walk.
//
// What waits to be read is kept by its path: as many directories as there are on the way down. Name the options: gcc 12 does
// not like aggregates in an await.
template <class Visit>
task<void> walk(location root, Visit visit, walk_options options = {})
{
    if (options.concurrency == 0)
        throw_error(-EINVAL, "walk: a concurrency of 0");
    file opened = co_await open(std::move(root), O_RDONLY | O_DIRECTORY);
    detail::walk<Visit> state(std::move(opened), visit, options);
    std::vector<task<void>> workers;
    for (unsigned i = 0; i < options.concurrency; i++)
        workers.push_back(state.work());
    co_await when_all(std::move(workers));
}

} // namespace tacet

#endif
