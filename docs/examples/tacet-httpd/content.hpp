// What a path names below the folder that is served.
#pragma once

#include "request.hpp"

#include <tacet/tacet.hpp>

namespace httpd {

struct content {
    tacet::file file;
    std::uint64_t bytes = 0;
    std::time_t modified = 0;
    std::string tag; // differs when the file does
    std::string_view type;
};

// A folder that was named without its slash: the client is to ask with it.
struct redirection {
    std::string to;
};

// Opens it; the kernel sees to it that nothing outside of root is reached. Throws refusal, redirection.
tacet::task<content> open_content(const tacet::file& root, std::string path);

}
