// How things come to be in the target directory: under a temporary name or none until they are whole, and then at once
// under their own, in the place of what had it.
#pragma once

#include "job.hpp"
#include "step.hpp"

#include <tacet/tacet.hpp>

#include <string>

namespace cp {

// A name in the target directory that nobody else uses, for a little while. Whatever still has it when this goes is
// removed, by a plain call: a destructor cannot wait, and it is rare.
class temporary_name {
public:
    explicit temporary_name(const directory& in) : in_(in) {}
    temporary_name(const temporary_name&) = delete;
    temporary_name& operator=(const temporary_name&) = delete;
    ~temporary_name();

    // Made up when it is first asked for: most files need none.
    const std::string& name();
    void taken() { taken_ = true; }
    void given_up() { taken_ = false; }

private:
    const directory& in_;
    std::string name_;
    bool taken_ = false;
};

// Gives what has the temporary name the entry's. Throws failure; also if the source has that name already.
tacet::task<void> replace(temporary_name& temporary, const directory& in, const entry& entry,
                          const struct statx& source);

// A file that nobody can see half-written.
//
// Without a name (O_TMPFILE) even a kill leaves nothing behind, and linking costs less than renaming. But what exists
// can only be replaced by a rename, and some file systems make no nameless files. Throws failure.
class new_file {
public:
    // Refers to both.
    new_file(directory& in, const entry& entry)
        : in_(in), entry_(entry), where_(in, entry, side::target), temporary_(in)
    {
    }

    tacet::task<void> make();
    tacet::task<void> publish(const struct statx& source);
    tacet::file& file() { return file_; }

private:
    tacet::task<std::error_code> link_as(const std::string& name);
    directory& in_;
    const entry& entry_;
    const place where_;
    temporary_name temporary_;
    tacet::file file_;
};

// Owner (where permitted), mode and times. `group` is given for what we have just made: it has that. Throws failure.
tacet::task<void> set_attributes(const job& job, tacet::location of, const struct statx& source, const place& where,
                                 std::optional<gid_t> group = std::nullopt);

}
