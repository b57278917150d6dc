// address: the name of a socket. A value; its text form is what parse() reads:
//
//     127.0.0.1:80   [::1]:80   [fe80::1%eth0]:80   unix:/run/socket   @abstract
//
// Parsing never asks a name server: that is lookup()'s, in connect.hpp.
#ifndef TACET_ADDRESS_HPP
#define TACET_ADDRESS_HPP

#include <tacet/error.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace tacet {

class address {
public:
    address() noexcept {}
    // What the kernel has, or getaddrinfo(3); null: none. Longer ones than there are, are cut.
    address(const sockaddr* name, socklen_t length) noexcept
        : length_(length < sizeof storage_ ? length : static_cast<socklen_t>(sizeof storage_))
    {
        if (name != nullptr)
            std::memcpy(&storage_, name, length_);
        else
            length_ = 0;
    }

    // Throws std::system_error, invalid_argument.
    static address parse(std::string_view text)
    {
        address parsed;
        bool good = false;
        if (text.substr(0, 5) == "unix:")
            good = parsed.set_path(text.substr(5), false);
        else if (text.substr(0, 1) == "@")
            good = parsed.set_path(text.substr(1), true);
        else
            good = parsed.set_internet(text);
        if (!good)
            throw_error(-EINVAL,
                        "address \"" + std::string(text) + "\" (not ADDRESS:PORT, [ADDRESS]:PORT, unix:PATH or @NAME)");
        return parsed;
    }

    explicit operator bool() const noexcept { return length_ > 0; }
    int family() const noexcept { return length_ > 0 ? storage_.ss_family : AF_UNSPEC; }
    const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage_); }
    socklen_t length() const noexcept { return length_; }

    // Room for what a system call writes.
    sockaddr* room() noexcept
    {
        length_ = sizeof storage_;
        return reinterpret_cast<sockaddr*>(&storage_);
    }
    socklen_t* room_length() noexcept { return &length_; }
    void set_length(socklen_t length) noexcept { length_ = length; }

    // 0 where there are none.
    std::uint16_t port() const noexcept
    {
        if (family() == AF_INET)
            return ntohs(as<sockaddr_in>().sin_port);
        return family() == AF_INET6 ? ntohs(as<sockaddr_in6>().sin6_port) : std::uint16_t{0};
    }

    std::string text() const
    {
        char host[INET6_ADDRSTRLEN] = "";
        switch (family()) {
        case AF_INET:
            ::inet_ntop(AF_INET, &as<sockaddr_in>().sin_addr, host, sizeof host);
            return std::string(host) + ':' + std::to_string(port());
        case AF_INET6:
            ::inet_ntop(AF_INET6, &as<sockaddr_in6>().sin6_addr, host, sizeof host);
            return '[' + std::string(host) + zone_text() + "]:" + std::to_string(port());
        case AF_UNIX:
            return path_text();
        default:
            return "unnamed";
        }
    }

    friend bool operator==(const address& a, const address& b) noexcept
    {
        return a.length_ == b.length_ && std::memcmp(&a.storage_, &b.storage_, a.length_) == 0;
    }

private:
    template <class Name>
    const Name& as() const noexcept
    {
        return reinterpret_cast<const Name&>(storage_);
    }
    template <class Name>
    Name& as() noexcept
    {
        length_ = sizeof(Name);
        return reinterpret_cast<Name&>(storage_);
    }

    // Which link the address is of: the interface's name, or its number where it has none.
    std::string zone_text() const
    {
        const std::uint32_t zone = as<sockaddr_in6>().sin6_scope_id;
        char name[IF_NAMESIZE];
        if (zone == 0)
            return {};
        return '%' + (::if_indextoname(zone, name) != nullptr ? std::string(name) : std::to_string(zone));
    }

    static constexpr std::size_t path_offset = offsetof(sockaddr_un, sun_path);

    bool set_path(std::string_view path, bool abstract) noexcept
    {
        constexpr std::size_t room = sizeof(sockaddr_un) - path_offset;
        if (path.empty() || path.size() + 1 > room)
            return false;
        sockaddr_un& name = as<sockaddr_un>();
        name.sun_family = AF_UNIX;
        std::memcpy(name.sun_path + (abstract ? 1 : 0), path.data(), path.size());
        length_ = static_cast<socklen_t>(path_offset + path.size() + 1); // the zero byte leads, or ends
        return true;
    }

    std::string path_text() const
    {
        const char* path = as<sockaddr_un>().sun_path;
        const std::size_t bytes = length_ > path_offset ? length_ - path_offset : 0;
        if (bytes == 0)
            return "unix:";
        return path[0] == '\0' ? '@' + std::string(path + 1, bytes - 1)
                               : "unix:" + std::string(path, ::strnlen(path, bytes));
    }

    template <class Number>
    static bool read_number(std::string_view digits, Number& number) noexcept
    {
        const std::from_chars_result read = std::from_chars(digits.data(), digits.data() + digits.size(), number);
        return !digits.empty() && read.ec == std::errc() && read.ptr == digits.data() + digits.size();
    }

    bool set_internet(std::string_view text)
    {
        const std::size_t colon = text.rfind(':');
        std::uint16_t number = 0;
        if (colon == std::string_view::npos)
            return false;
        if (!read_number(text.substr(colon + 1), number))
            return false;
        std::string host(text.substr(0, colon));
        if (host.size() > 2 && host.front() == '[' && host.back() == ']')
            return set_v6(host.substr(1, host.size() - 2), number);
        sockaddr_in& name = as<sockaddr_in>();
        name.sin_family = AF_INET;
        name.sin_port = htons(number);
        return ::inet_pton(AF_INET, host.c_str(), &name.sin_addr) == 1;
    }

    bool set_v6(const std::string& text, std::uint16_t number)
    {
        const std::size_t percent = text.find('%');
        const std::string host = text.substr(0, percent);
        sockaddr_in6& name = as<sockaddr_in6>();
        name.sin6_family = AF_INET6;
        name.sin6_port = htons(number);
        if (percent != std::string::npos && !read_zone(text.substr(percent + 1), name.sin6_scope_id))
            return false;
        return ::inet_pton(AF_INET6, host.c_str(), &name.sin6_addr) == 1;
    }

    static bool read_zone(const std::string& zone, std::uint32_t& number) noexcept
    {
        number = ::if_nametoindex(zone.c_str());
        return number != 0 || (read_number(zone, number) && number != 0);
    }

    sockaddr_storage storage_{};
    socklen_t length_ = 0;
};

} // namespace tacet

#endif
