#include "request.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <utility>

namespace httpd {

namespace {

constexpr std::string_view token_characters = "!#$%&'*+-.^_`|~0123456789"
                                              "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

bool is_token(std::string_view text)
{
    return !text.empty() && text.find_first_not_of(token_characters) == text.npos;
}

std::string_view trimmed(std::string_view text)
{
    const std::size_t first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
    return first == text.npos ? std::string_view() : text.substr(first, last - first + 1);
}

bool equals_ignoring_case(std::string_view a, std::string_view b)
{
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

// Takes what stands before the separator, and both away from the rest; all of it if there is none.
std::string_view take_until(std::string_view& rest, std::string_view separator)
{
    const std::size_t at = rest.find(separator);
    const std::string_view taken = rest.substr(0, at);
    rest.remove_prefix(at == rest.npos ? rest.size() : at + separator.size());
    return taken;
}

bool has_item(std::string_view list, std::string_view item)
{
    while (!list.empty())
        if (equals_ignoring_case(trimmed(take_until(list, ",")), item))
            return true;
    return false;
}

std::optional<std::uint64_t> number(std::string_view digits)
{
    std::uint64_t value = 0;
    const auto [stopped, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || error != std::errc{} || stopped != digits.data() + digits.size())
        return {};
    return value;
}

// A range that is not understood, or several, are as if none had been asked for: RFC 9110, 14.2.
std::optional<range> parse_range(std::string_view text)
{
    constexpr std::string_view unit = "bytes=";
    if (!text.starts_with(unit))
        return {};
    std::string_view last = trimmed(text.substr(unit.size()));
    if (last.find('-') == last.npos)
        return {};
    const std::string_view first = take_until(last, "-");
    const range parsed{number(first), number(last)};
    if ((!first.empty() && !parsed.first) || (!last.empty() && !parsed.last) || (!parsed.first && !parsed.last))
        return {};
    if (parsed.first && parsed.last && *parsed.last < *parsed.first)
        return {};
    return parsed;
}

int hexadecimal(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    const int letter = std::tolower(static_cast<unsigned char>(digit));
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

std::string percent_decoded(std::string_view encoded)
{
    std::string decoded;
    for (std::size_t i = 0; i < encoded.size(); i++) {
        if (encoded[i] != '%') {
            decoded += encoded[i];
            continue;
        }
        const int high = i + 2 < encoded.size() ? hexadecimal(encoded[i + 1]) : -1;
        const int low = i + 2 < encoded.size() ? hexadecimal(encoded[i + 2]) : -1;
        if (high < 0 || low < 0 || (high == 0 && low == 0))
            throw refusal{status::bad_request};
        decoded += static_cast<char>(16 * high + low);
        i += 2;
    }
    return decoded;
}

// Of "/path?query", or "http://host/path?query".
std::string decoded_path(std::string_view target)
{
    constexpr std::string_view scheme = "http://";
    if (target.starts_with(scheme)) {
        target.remove_prefix(scheme.size());
        const std::size_t slash = target.find('/');
        target = slash == target.npos ? std::string_view("/") : target.substr(slash);
    }
    if (!target.starts_with('/'))
        throw refusal{status::bad_request};
    return percent_decoded(target.substr(0, target.find_first_of("?#")));
}

// The second digit of "HTTP/1.1": what is newer than that is answered as that.
char minor_version(std::string_view version)
{
    const auto is_digit = [](char each) { return each >= '0' && each <= '9'; };
    if (version.size() != 8 || !version.starts_with("HTTP/") || !is_digit(version[5]) || version[6] != '.' ||
        !is_digit(version[7]))
        throw refusal{status::bad_request};
    if (version[5] != '1')
        throw refusal{status::version_not_supported};
    return version[7];
}

void parse_request_line(std::string_view line, request& into)
{
    into.method = take_until(line, " ");
    const std::string_view target = take_until(line, " ");
    if (!is_token(into.method) || target.empty())
        throw refusal{status::bad_request};
    if (std::any_of(target.begin(), target.end(), [](unsigned char each) { return each <= ' ' || each == 0x7f; }))
        throw refusal{status::bad_request}; // others might see the end of a line there
    into.keep_alive = minor_version(line) != '0';
    into.path = decoded_path(target);
}

// A field that says the request has a body.
bool announces_body(std::string_view name, std::string_view value)
{
    return equals_ignoring_case(name, "transfer-encoding") ||
           (equals_ignoring_case(name, "content-length") && number(value) != 0);
}

// A list may come in several fields.
void add_to_list(std::optional<std::string>& list, std::string_view value)
{
    list = list ? *list + ", " + std::string(value) : std::string(value);
}

void apply_field(std::string_view name, std::string_view value, request& into)
{
    if (equals_ignoring_case(name, "connection"))
        into.keep_alive = into.keep_alive && !has_item(value, "close"); // of HTTP/1.0 no connection is kept
    else if (equals_ignoring_case(name, "range"))
        into.wanted = parse_range(value);
    else if (equals_ignoring_case(name, "if-range"))
        into.if_range = value;
    else if (equals_ignoring_case(name, "if-none-match"))
        add_to_list(into.if_none_match, value);
    else if (equals_ignoring_case(name, "if-match"))
        add_to_list(into.if_match, value);
    else if (equals_ignoring_case(name, "if-modified-since"))
        into.if_modified_since = parse_http_date(value);
    else if (equals_ignoring_case(name, "if-unmodified-since"))
        into.if_unmodified_since = parse_http_date(value);
    else if (announces_body(name, value))
        into.has_body = true;
}

}

std::size_t empty_lines_length(std::string_view received)
{
    std::size_t length = 0;
    while (received.substr(length, 2) == "\r\n")
        length += 2;
    return length;
}

std::size_t head_length(std::string_view received)
{
    constexpr std::string_view end = "\r\n\r\n";
    const std::size_t at = received.find(end);
    return at == received.npos ? 0 : at + end.size();
}

request parse_request(std::string_view head)
{
    request parsed;
    const std::string_view line = take_until(head, "\r\n");
    parse_request_line(line, parsed);
    bool has_host = false;
    std::size_t fields = 0;
    while (!head.empty()) {
        std::string_view value = take_until(head, "\r\n");
        if (value.empty())
            break;
        if (++fields > fields_max)
            throw refusal{status::header_fields_too_large};
        if (value.find(':') == value.npos || value.find_first_of(std::string_view("\0\r\n", 3)) != value.npos)
            throw refusal{status::bad_request};
        const std::string_view name = take_until(value, ":");
        if (!is_token(name))
            throw refusal{status::bad_request};
        if (equals_ignoring_case(name, "host") && std::exchange(has_host, true))
            throw refusal{status::bad_request};
        apply_field(name, trimmed(value), parsed);
    }
    if (!has_host && !line.ends_with("HTTP/1.0"))
        throw refusal{status::bad_request};
    return parsed;
}

std::string percent_encoded(std::string_view path)
{
    std::string encoded;
    for (const unsigned char each : path) {
        if ((each < 0x80 && std::isalnum(each)) || std::string_view("-._~/").find(static_cast<char>(each)) != path.npos)
            encoded += static_cast<char>(each);
        else
            for (const char digit : {'%', "0123456789ABCDEF"[each / 16], "0123456789ABCDEF"[each % 16]})
                encoded += digit;
    }
    return encoded;
}

std::string http_date(std::time_t time)
{
    std::tm parts{};
    ::gmtime_r(&time, &parts);
    char text[64];
    return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

std::optional<std::time_t> parse_http_date(std::string_view text)
{
    const std::string terminated(text);
    for (const char* form : {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
        std::tm parts{};
        const char* end = ::strptime(terminated.c_str(), form, &parts);
        if (end != nullptr && *end == '\0')
            return ::timegm(&parts);
    }
    return {};
}

}
