#include "answer.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace httpd {

namespace {

std::string_view reason(status of)
{
    switch (of) {
    case status::ok:
        return "OK";
    case status::partial_content:
        return "Partial Content";
    case status::moved_permanently:
        return "Moved Permanently";
    case status::not_modified:
        return "Not Modified";
    case status::bad_request:
        return "Bad Request";
    case status::forbidden:
        return "Forbidden";
    case status::not_found:
        return "Not Found";
    case status::method_not_allowed:
        return "Method Not Allowed";
    case status::request_timeout:
        return "Request Timeout";
    case status::precondition_failed:
        return "Precondition Failed";
    case status::content_too_large:
        return "Content Too Large";
    case status::uri_too_long:
        return "URI Too Long";
    case status::range_not_satisfiable:
        return "Range Not Satisfiable";
    case status::header_fields_too_large:
        return "Request Header Fields Too Large";
    case status::internal_server_error:
        return "Internal Server Error";
    case status::not_implemented:
        return "Not Implemented";
    case status::service_unavailable:
        return "Service Unavailable";
    case status::version_not_supported:
        return "HTTP Version Not Supported";
    }
    return "Unknown";
}

std::string begin_head(status what, bool keep_alive)
{
    return fmt::format("HTTP/1.1 {} {}\r\nServer: tacet-httpd\r\nDate: {}\r\n{}", static_cast<int>(what), reason(what),
                       http_date(std::time(nullptr)), keep_alive ? "" : "Connection: close\r\n");
}

enum class comparison { strong, weak }; // of tags: a weak one, W/"...", does not stand for the very same bytes

// Whether a tag of the list, or "*", stands for the file. No tag has a quote in it: ours is found as a whole or not.
bool has_tag(std::string_view list, const content& found, comparison how)
{
    if (list == "*")
        return true;
    for (std::size_t at = list.find(found.tag); at != list.npos; at = list.find(found.tag, at + found.tag.size()))
        if (how == comparison::weak || !list.substr(0, at).ends_with("W/"))
            return true;
    return false;
}

// What the client's conditions make of the answer, in the order of RFC 9110, 13.2.2; a tag goes before a date.
status condition(const request& asked, const content& found)
{
    if (asked.if_match && !has_tag(*asked.if_match, found, comparison::strong))
        return status::precondition_failed;
    if (!asked.if_match && asked.if_unmodified_since && found.modified > *asked.if_unmodified_since)
        return status::precondition_failed;
    if (asked.if_none_match)
        return has_tag(*asked.if_none_match, found, comparison::weak) ? status::not_modified : status::ok;
    return asked.if_modified_since && found.modified <= *asked.if_modified_since ? status::not_modified : status::ok;
}

bool range_applies(const request& asked, const content& found)
{
    return asked.wanted &&
           (!asked.if_range || *asked.if_range == found.tag || parse_http_date(*asked.if_range) == found.modified);
}

// false: nothing of the file lies in it.
bool cut(const range& wanted, std::uint64_t bytes, answer& into)
{
    if (!wanted.first) {
        into.bytes = std::min(*wanted.last, bytes);
        into.offset = bytes - into.bytes;
        return into.bytes > 0;
    }
    if (*wanted.first >= bytes)
        return false;
    into.offset = *wanted.first;
    into.bytes = std::min(wanted.last.value_or(bytes - 1), bytes - 1) - into.offset + 1;
    return true;
}

}

answer answer_that(status why, bool keep_alive, bool with_body, std::string_view location)
{
    answer made;
    made.what = why;
    const std::string text = fmt::format("{} {}\n", static_cast<int>(why), reason(why));
    made.head = begin_head(why, keep_alive);
    if (why == status::method_not_allowed)
        made.head += "Allow: GET, HEAD\r\n";
    if (!location.empty())
        made.head += fmt::format("Location: {}\r\n", location);
    made.head += fmt::format("Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\r\n", text.size());
    if (with_body)
        made.head += text;
    return made;
}

answer answer_with(const request& asked, const content& found)
{
    answer made;
    const bool with_body = asked.method == "GET";
    made.what = condition(asked, found);
    if (made.what == status::precondition_failed)
        return answer_that(made.what, asked.keep_alive, with_body);
    if (made.what == status::not_modified) {
        made.head = begin_head(made.what, asked.keep_alive) + fmt::format("ETag: {}\r\n\r\n", found.tag);
        return made;
    }
    made.bytes = found.bytes;
    std::string content_range;
    if (with_body && range_applies(asked, found)) {
        if (!cut(*asked.wanted, found.bytes, made)) {
            made = answer_that(status::range_not_satisfiable, asked.keep_alive, true);
            made.head.insert(made.head.find("\r\n") + 2, fmt::format("Content-Range: bytes */{}\r\n", found.bytes));
            return made;
        }
        made.what = status::partial_content;
        content_range = fmt::format("Content-Range: bytes {}-{}/{}\r\n", made.offset, made.offset + made.bytes - 1,
                                    found.bytes);
    }
    made.head = begin_head(made.what, asked.keep_alive) + content_range +
                fmt::format("Content-Type: {}\r\nContent-Length: {}\r\nLast-Modified: {}\r\nETag: {}\r\n"
                            "Accept-Ranges: bytes\r\n\r\n",
                            found.type, made.bytes, http_date(found.modified), found.tag);
    if (!with_body)
        made.bytes = 0;
    return made;
}

}
