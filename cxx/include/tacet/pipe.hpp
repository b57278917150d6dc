// pipe(): two files, of which one reads what is written to the other.
//
// Read and write them without an offset. Who writes to a pipe that nobody reads gets broken_pipe, and the process SIGPIPE,
// which it should ignore.
#ifndef TACET_PIPE_HPP
#define TACET_PIPE_HPP

#include <tacet/file.hpp>
#include <tacet/notify.h>

namespace tacet {

struct pipe_ends {
    file reader, writer;
};

// pipe2(2). flags: O_..., O_CLOEXEC is added. Does not wait.
inline pipe_ends pipe(unsigned flags = 0)
{
    tacet_file ends[2];
    check(tacet_pipe_open(ends, flags), "pipe");
    return {file(ends[0].fd, ends[0].flags, nullptr), file(ends[1].fd, ends[1].flags, nullptr)};
}

} // namespace tacet

#endif
