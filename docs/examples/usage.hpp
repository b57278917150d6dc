// What the command lines of these programs share: numbers, options that are refused, text that is to be seen, and how a
// program that failed ends.
#ifndef TACET_EXAMPLES_USAGE_HPP
#define TACET_EXAMPLES_USAGE_HPP

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include <getopt.h>

// Its text, and where to read how it is done, is all that whoever called the program needs.
struct usage_error : std::runtime_error {
    using runtime_error::runtime_error;
};

inline unsigned parse_number(std::string_view option, std::string_view text, unsigned least, unsigned most)
{
    unsigned number = 0;
    const auto [stopped, error] = std::from_chars(text.begin(), text.end(), number);
    if (error != std::errc{} || stopped != text.end() || number < least || number > most)
        throw usage_error(std::string(option) + ' ' + std::string(text) + ": a number from " + std::to_string(least) +
                          " to " + std::to_string(most) + " is needed");
    return number;
}

// What getopt_long() found wrong: ':', a value is missing, or '?'. short_options are those that it was called with.
[[noreturn]] inline void refuse_option(int found, char** argv, const char* short_options)
{
    const bool is_short = found == '?' && optopt > 0 && optopt < 256 && std::strchr(short_options, optopt) == nullptr;
    const std::string name = is_short ? std::string{'-', static_cast<char>(optopt)} : argv[optind - 1];
    throw usage_error(found == ':' ? name + " needs a value" : "there is no option " + name);
}

// To standard output, at once. Throws where it cannot be written.
inline void show(std::string_view text)
{
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
        throw std::system_error(errno, std::generic_category(), "standard output");
}

// main() around what a program does: an exception becomes a message and an exit status.
template <class Program>
int run_program(const char* name, Program program, int failed, int wrong_usage)
{
    try {
        return program();
    } catch (const usage_error& why) {
        std::fprintf(stderr, "%s: %s\nTry '%s --help'.\n", name, why.what(), name);
        return wrong_usage;
    } catch (const std::exception& why) {
        std::fprintf(stderr, "%s: %s\n", name, why.what());
        return failed;
    }
}

#endif
