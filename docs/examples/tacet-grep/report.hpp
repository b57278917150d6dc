// What is said on standard error, from any thread, a line at a time.
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <cstdio>
#include <exception>
#include <string>

namespace grep {

class report {
public:
    void failed(const std::exception& why)
    {
        errors_++;
        say(why.what());
    }
    void say(const std::string& message) { fmt::print(stderr, "tacet-grep: {}\n", message); }
    bool has_errors() const { return errors_ > 0; }

private:
    std::atomic<unsigned> errors_ = 0;
};

}
