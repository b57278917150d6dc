// What has been done so far, and what is said about it: messages and the progress line on standard error, the summary
// on standard output. A message and the progress line share a terminal line, so both go through here.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace cp {

struct counts {
    std::uint64_t files = 0;
    std::uint64_t directories = 0;
    std::uint64_t links = 0;
    std::uint64_t others = 0;
    std::uint64_t bytes = 0;
};

// A step that failed for one file, e.g. `open "x/y"` and `Permission denied`. The rest goes on.
class failure : public std::runtime_error {
public:
    failure(std::string_view step, std::string_view path, std::string_view reason);
    failure(std::string_view step, std::string_view path, std::error_code why);
};

class report {
public:
    counts done;
    std::uint64_t errors = 0;

    void failed(const std::exception& why);
    void say(std::string_view message);

    // One line, rewritten in place; a message erases it.
    void show_line(std::string line);
    void erase_line();

private:
    bool line_shown_ = false;
};

// "20,000 files, 200 directories, 88.1 MiB"
std::string amount_text(const counts& done);

// ' in 0.210 s: 95,238 files/s, 419.5 MiB/s, 2 errors'
std::string rates_text(const counts& done, double seconds, std::uint64_t errors);

}
