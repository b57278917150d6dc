// The answer to a request: its head, and which part of a file is its body.
#pragma once

#include "content.hpp"

namespace httpd {

struct answer {
    status what = status::ok;
    std::string head;
    std::uint64_t offset = 0, bytes = 0; // of the body; none for HEAD
};

// Of a file that was found, for a GET or a HEAD.
answer answer_with(const request& asked, const content& found);

// With a line of text as its body, which stands in the head. location: where else to ask.
answer answer_that(status why, bool keep_alive, bool with_body, std::string_view location = {});

}
