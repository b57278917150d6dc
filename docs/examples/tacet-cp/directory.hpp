// A directory that is being copied or compared. It is open on both sides, so that the names in it are short, are looked
// up without walking a path, and may lie deeper than PATH_MAX. It stays until everything in it is done; hence the plain
// pointer to its parent.
#pragma once

#include <tacet/tacet.hpp>

#include <sys/stat.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace cp {

enum class side { source, target };

// One name in a directory.
struct entry {
    std::string name;
    std::string renamed; // its name in the target; empty: the same
    unsigned char type;  // DT_...

    const std::string& target_name() const { return renamed.empty() ? name : renamed; }
};

struct directory {
    const directory* parent; // null: holds what the command line names; self has the two paths, maybe empty
    entry self;
    tacet::file source;
    tacet::file target;
    struct statx status;            // the source's
    std::optional<gid_t> new_group; // that files made in the target get; not known before one has been made
    bool unnamed = true;            // the target's file system makes files without a name

    directory(const directory* parent, entry self);

    // For messages: they may be longer than the kernel takes.
    std::string path(side which) const;
    std::string path(side which, const entry& entry) const;
};

bool is_same_file(const struct statx& one, const struct statx& other);

// Opens a side of a directory by its name in the parent, which is open. Does not follow a link. Throws failure.
tacet::task<tacet::file> open_directory(const directory& directory, side which);

// Reads the entries of a directory's source, a bufferful at a time: directories may be larger than memory.
class directory_reader {
public:
    explicit directory_reader(const directory& of) : of_(of) {}

    // Without "." and ".."; nothing at the end. Throws failure.
    tacet::task<std::optional<entry>> next();

private:
    const directory& of_;
    std::vector<std::byte> buffer_ = std::vector<std::byte>(1 << 15);
    std::size_t at_ = 0;
    std::size_t filled_ = 0;
};

}
