// The line is rewritten in place, and gone at the end.
#include "harness/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace bench {

progress::progress(std::string_view benchmark) : benchmark_(benchmark), watched_(isatty(STDERR_FILENO) == 1) {}

progress::~progress()
{
    clear();
}

void progress::clear()
{
    if (watched_)
        fmt::print(stderr, "\r\033[K");
    std::fflush(stderr);
}

void progress::show(std::string_view what)
{
    clear();
    if (watched_)
        fmt::print(stderr, "{}: {}", benchmark_, what);
    std::fflush(stderr);
}

void progress::note(std::string_view what)
{
    clear();
    fmt::print(stderr, "tacet-bench: {}: {}\n", benchmark_, what);
}

}
