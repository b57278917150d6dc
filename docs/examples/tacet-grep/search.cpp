#include "search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

namespace grep {
namespace {

// The lines that hold the text, from one to the next.
std::string lines_of(const contents& file, const options& wanted)
{
    const std::string_view bytes = file.bytes;
    std::string out;
    std::size_t counted = 0; // the bytes before it hold so many ends of lines:
    std::ptrdiff_t before = 0;
    for (std::size_t at = bytes.find(wanted.text); at != bytes.npos;) {
        const std::size_t begin = bytes.rfind('\n', at) + 1; // npos + 1 is 0
        const std::size_t end = std::min(bytes.find('\n', at), bytes.size());
        out += file.path;
        out += ':';
        if (wanted.numbered) {
            const std::string_view skipped = bytes.substr(counted, begin - counted);
            before += std::count(skipped.begin(), skipped.end(), '\n');
            counted = begin;
            fmt::format_to(std::back_inserter(out), "{}:", before + 1);
        }
        out += bytes.substr(begin, end - begin);
        out += '\n';
        at = end < bytes.size() ? bytes.find(wanted.text, end + 1) : bytes.npos;
    }
    return out;
}

}

std::string search(const contents& file, const options& wanted)
{
    if (!wanted.names_only && file.bytes.find('\0') == std::string::npos)
        return lines_of(file, wanted);
    if (file.bytes.find(wanted.text) == std::string::npos)
        return {};
    return wanted.names_only ? file.path + '\n' : file.path + ": binary file matches\n";
}

}
