#include "content.hpp"

#include <fmt/format.h>

#include <array>

#include <sys/stat.h>

namespace httpd {

namespace {

struct type_of_name {
    std::string_view ending, type;
};

constexpr std::array types = {
    type_of_name{".html", "text/html; charset=utf-8"},
    type_of_name{".htm", "text/html; charset=utf-8"},
    type_of_name{".css", "text/css; charset=utf-8"},
    type_of_name{".js", "text/javascript; charset=utf-8"},
    type_of_name{".mjs", "text/javascript; charset=utf-8"},
    type_of_name{".json", "application/json"},
    type_of_name{".txt", "text/plain; charset=utf-8"},
    type_of_name{".md", "text/markdown; charset=utf-8"},
    type_of_name{".xml", "application/xml"},
    type_of_name{".svg", "image/svg+xml"},
    type_of_name{".png", "image/png"},
    type_of_name{".jpg", "image/jpeg"},
    type_of_name{".jpeg", "image/jpeg"},
    type_of_name{".gif", "image/gif"},
    type_of_name{".webp", "image/webp"},
    type_of_name{".ico", "image/vnd.microsoft.icon"},
    type_of_name{".pdf", "application/pdf"},
    type_of_name{".wasm", "application/wasm"},
    type_of_name{".mp4", "video/mp4"},
    type_of_name{".gz", "application/gzip"},
};

std::string_view type_of(std::string_view path)
{
    for (const type_of_name& each : types)
        if (path.ends_with(each.ending))
            return each.type;
    return "application/octet-stream";
}

constexpr unsigned tries_max = 10; // where folders are renamed under way

status status_of(const std::error_code& error)
{
    switch (error.value()) {
    case ENOENT:
    case ENOTDIR:
    case ENXIO: // a socket
        return status::not_found;
    case EACCES:
    case EPERM:
    case EXDEV: // it leads out of the folder
    case ELOOP:
        return status::forbidden;
    case ENAMETOOLONG:
        return status::uri_too_long;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return status::service_unavailable;
    default:
        return status::internal_server_error;
    }
}

// Relative to the folder.
std::string file_named(const std::string& path)
{
    const std::size_t first = path.find_first_not_of('/');
    std::string name = first == path.npos ? std::string() : path.substr(first);
    if (name.empty() || name.ends_with('/'))
        name += "index.html";
    return name;
}

}

tacet::task<content> open_content(const tacet::file& root, std::string path)
{
    open_how how{};
    how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY; // a fifo is not waited for
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    content found;
    const std::string name = file_named(path);
    tacet::result<tacet::file> opened = co_await tacet::as_result(tacet::open(tacet::location(root.fd(), name), how));
    for (unsigned tries = 1; !opened && opened.error().value() == EAGAIN && tries < tries_max; tries++)
        opened = co_await tacet::as_result(tacet::open(tacet::location(root.fd(), name), how));
    if (!opened && opened.error() == std::errc::operation_canceled)
        tacet::throw_error(-ECANCELED, "open " + name);
    if (!opened)
        throw refusal{status_of(opened.error())};
    found.file = std::move(*opened);
    struct stat about;
    if (::fstat(found.file.fd(), &about) < 0)
        tacet::throw_error(-errno, "stat " + name);
    if (S_ISDIR(about.st_mode))
        throw redirection{'/' + percent_encoded(name) + '/'}; // one slash: two would name another host
    if (!S_ISREG(about.st_mode))
        throw refusal{status::not_found};
    (void)::fcntl(found.file.fd(), F_SETFL, O_RDONLY); // its reads are to wait for the disk
    found.bytes = static_cast<std::uint64_t>(about.st_size);
    found.modified = about.st_mtim.tv_sec;
    found.tag = fmt::format("\"{:x}-{:x}-{:x}.{:x}\"", about.st_ino, about.st_size, about.st_mtim.tv_sec,
                            about.st_mtim.tv_nsec);
    found.type = type_of(name);
    co_return found;
}

}
