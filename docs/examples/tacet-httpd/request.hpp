// The head of an HTTP/1.1 request (RFC 9112), and what it asks of a file.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace httpd {

enum class status {
    ok = 200,
    partial_content = 206,
    moved_permanently = 301,
    not_modified = 304,
    bad_request = 400,
    forbidden = 403,
    not_found = 404,
    method_not_allowed = 405,
    request_timeout = 408,
    precondition_failed = 412,
    content_too_large = 413,
    uri_too_long = 414,
    range_not_satisfiable = 416,
    header_fields_too_large = 431,
    internal_server_error = 500,
    not_implemented = 501,
    service_unavailable = 503,
    version_not_supported = 505,
};

// What is asked for with "bytes=first-last", "bytes=first-", or "bytes=-suffix".
struct range {
    std::optional<std::uint64_t> first;
    std::optional<std::uint64_t> last; // without first: how many of the last bytes
};

struct request {
    std::string_view method;
    std::string path; // decoded, without the query; begins with a slash
    std::optional<range> wanted;
    std::optional<std::string_view> if_range;
    std::optional<std::string> if_match, if_none_match; // lists of tags
    std::optional<std::time_t> if_modified_since, if_unmodified_since;
    bool keep_alive = true;
    bool has_body = false; // there is none that we would take
};

// A request that cannot be met; the connection ends with the answer.
struct refusal {
    status why;
};

inline constexpr std::size_t head_bytes_max = 16 * 1024;
inline constexpr std::size_t fields_max = 100;

// How many bytes at the beginning of `received` are empty lines, which some send after a body: RFC 9112, 2.2.
std::size_t empty_lines_length(std::string_view received);

// The length of the head that `received` begins with, its empty line included; 0: it is not complete.
std::size_t head_length(std::string_view received);

// Views point into `head`. Throws refusal.
request parse_request(std::string_view head);

// For a Location: all but letters, digits and "-._~/".
std::string percent_encoded(std::string_view path);

// "Sun, 06 Nov 1994 08:49:37 GMT"; read in its two old forms, too.
std::string http_date(std::time_t time);
std::optional<std::time_t> parse_http_date(std::string_view text);

}
