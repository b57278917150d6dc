#include "text.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace cp {
namespace {

// The bytes of the well-formed UTF-8 sequence that `text` begins with; 0 where it begins with none.
std::size_t utf8_length(std::string_view text)
{
    const auto lead = static_cast<unsigned char>(text[0]);
    const std::size_t length = lead < 0x80         ? 1
                               : lead >> 5 == 0x06 ? 2
                               : lead >> 4 == 0x0e ? 3
                               : lead >> 3 == 0x1e ? 4
                                                   : 0;
    if (length == 0 || length > text.size() || lead == 0xc0 || lead == 0xc1 || lead > 0xf4)
        return 0;
    for (std::size_t i = 1; i < length; i++) {
        if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80)
            return 0;
    }
    return length;
}

bool is_control(unsigned char byte)
{
    return byte < 0x20 || byte == 0x7f;
}

void append_escaped(std::string& out, char byte)
{
    if (byte == '\n')
        out += "\\n";
    else if (byte == '"' || byte == '\\')
        out.append({'\\', byte});
    else
        out += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
}

}

std::string in_quotes(std::string_view name)
{
    std::string out = "\"";
    while (!name.empty()) {
        const std::size_t length = utf8_length(name);
        const char first = name[0];
        if (length == 0 || is_control(static_cast<unsigned char>(first)) || first == '"' || first == '\\')
            append_escaped(out, first);
        else
            out += name.substr(0, length);
        name.remove_prefix(length == 0 ? 1 : length);
    }
    return out + '"';
}

std::string with_commas(std::uint64_t number)
{
    std::string text = fmt::format("{}", number);
    for (std::size_t at = text.size(); at > 3; at -= 3)
        text.insert(at - 3, 1, ',');
    return text;
}

std::string bytes_text(double bytes)
{
    static constexpr std::array units{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    std::size_t unit = 0;
    for (; bytes >= 1024 && unit + 1 < units.size(); unit++)
        bytes /= 1024;
    return unit == 0 ? fmt::format("{:.0f} {}", bytes, units[unit]) : fmt::format("{:.1f} {}", bytes, units[unit]);
}

std::string seconds_text(double seconds)
{
    return seconds < 10 ? fmt::format("{:.3f} s", seconds) : fmt::format("{:.1f} s", seconds);
}

std::string countdown_text(double seconds)
{
    const auto whole = static_cast<std::uint64_t>(std::lround(seconds));
    const std::uint64_t hours = whole / 3600, minutes = whole / 60 % 60;
    return hours > 0 ? fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60)
                     : fmt::format("{}:{:02}", minutes, whole % 60);
}

}
