#include "report.hpp"

#include "text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace cp {
namespace {

std::string counted(std::uint64_t count, const char* one, const char* many)
{
    return fmt::format("{} {}", with_commas(count), count == 1 ? one : many);
}

void append_if_any(std::string& text, std::uint64_t count, const char* one, const char* many)
{
    if (count > 0)
        text += ", " + counted(count, one, many);
}

}

failure::failure(std::string_view step, std::string_view path, std::string_view reason)
    : runtime_error(fmt::format("{} {}: {}", step, in_quotes(path), reason))
{
}

failure::failure(std::string_view step, std::string_view path, std::error_code why) : failure(step, path, why.message())
{
}

void report::failed(const std::exception& why)
{
    errors++;
    say(why.what());
}

void report::say(std::string_view message)
{
    erase_line();
    fmt::print(stderr, "tacet-cp: {}\n", message);
}

void report::show_line(std::string line)
{
    fmt::print(stderr, "\r{}\033[K", line);
    std::fflush(stderr);
    line_shown_ = true;
}

void report::erase_line()
{
    if (!line_shown_)
        return;
    fmt::print(stderr, "\r\033[K");
    std::fflush(stderr);
    line_shown_ = false;
}

std::string amount_text(const counts& done)
{
    std::string text = counted(done.files, "file", "files");
    append_if_any(text, done.directories, "directory", "directories");
    append_if_any(text, done.links, "symbolic link", "symbolic links");
    append_if_any(text, done.others, "special file", "special files");
    return fmt::format("{}, {}", text, bytes_text(static_cast<double>(done.bytes)));
}

std::string rates_text(const counts& done, double seconds, std::uint64_t errors)
{
    const double divisor = std::max(seconds, 1e-9);
    std::string text = fmt::format(" in {}: {} files/s, {}/s", seconds_text(seconds),
                                   with_commas(static_cast<std::uint64_t>(static_cast<double>(done.files) / divisor)),
                                   bytes_text(static_cast<double>(done.bytes) / divisor));
    append_if_any(text, errors, "error", "errors");
    return text;
}

}
