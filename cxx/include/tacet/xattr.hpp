// Extended attributes of files, xattr(7): of an open file, or by path (relative to the working directory; links are
// followed). Reading and setting go through the ring since Linux 5.19, before that operation_not_supported.
#ifndef TACET_XATTR_HPP
#define TACET_XATTR_HPP

#include <tacet/file.hpp>
#include <tacet/xattr.h>

#include <sys/xattr.h>

namespace tacet {

namespace detail {

// Whose attributes.
class attributed {
public:
    attributed(const file& of) noexcept : is_open_(true), of_(of.get()) {}
    attributed(std::string path) noexcept : path_(std::move(path)) {}
    attributed(const char* path) : path_(path) {}
    attributed(const std::filesystem::path& path) : path_(path.native()) {}

    bool is_open() const noexcept { return is_open_; }
    const tacet_file& opened() const noexcept { return of_; }
    const char* path() const noexcept { return path_.c_str(); }
    std::string describe(const char* what, const std::string& name) const
    {
        const std::string which = is_open() ? descriptor_name(of_.fd) : '"' + path_ + '"';
        return std::string(what) + ' ' + name + (name.empty() ? "of " : " of ") + which;
    }

private:
    bool is_open_ = false; // or was: it is a path that names none then
    tacet_file of_{-1, 0, 0};
    std::string path_{};
};

} // namespace detail

// One operation for an open file and one for a path: they differ in the opcode.
template <bool Opened>
struct get_xattr_request : detail::size_value {
    static constexpr unsigned opcode = Opened ? IORING_OP_FGETXATTR : IORING_OP_GETXATTR;
    const detail::attributed* of;
    const std::string* name;
    std::span<std::byte> into;

    get_xattr_request(const detail::attributed& of_, const std::string& name_, std::span<std::byte> into_) noexcept
        : of(&of_), name(&name_), into(into_)
    {
    }
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        if constexpr (Opened)
            return tacet_prepare_get_xattr(sqe, of->opened().fd, name->c_str(), into.data(), into.size());
        else
            return tacet_prepare_get_path_xattr(sqe, of->path(), name->c_str(), into.data(), into.size());
    }
    std::string describe() const { return of->describe("get attribute", *name); }
};

template <bool Opened>
struct set_xattr_request : detail::void_value {
    static constexpr unsigned opcode = Opened ? IORING_OP_FSETXATTR : IORING_OP_SETXATTR;
    const detail::attributed* of;
    const std::string* name;
    bytes_view value_set;
    int flags;

    set_xattr_request(const detail::attributed& of_, const std::string& name_, bytes_view value_, int flags_) noexcept
        : of(&of_), name(&name_), value_set(value_), flags(flags_)
    {
    }
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        const char* called = name->c_str();
        if constexpr (Opened)
            return tacet_prepare_set_xattr(sqe, of->opened().fd, called, value_set.data(), value_set.size(), flags);
        else
            return tacet_prepare_set_path_xattr(sqe, of->path(), called, value_set.data(), value_set.size(), flags);
    }
    std::string describe() const { return of->describe("set attribute", *name); }
};

namespace detail {

template <bool Opened>
task<std::string> get_xattr(attributed of, std::string name)
{
    std::string value(64, '\0');
    for (;;) {
        const std::span<std::byte> into = std::as_writable_bytes(std::span(value));
        get_xattr_request<Opened> request(of, name, into);
        const result<std::size_t> got = co_await as_result(operation<get_xattr_request<Opened>>(request));
        if (got) {
            value.resize(*got);
            co_return value;
        }
        if (got.error() != std::errc::result_out_of_range || value.size() >= XATTR_SIZE_MAX)
            throw std::system_error(got.error(), request.describe());
        value.resize(4 * value.size());
    }
}

template <bool Opened>
task<void> set_xattr(attributed of, std::string name, bytes_view value, int flags)
{
    set_xattr_request<Opened> request(of, name, value, flags);
    co_await operation<set_xattr_request<Opened>>(request);
}

} // namespace detail

// The value, whole. no_message_available: there is none of that name. The open file must stay open.
inline task<std::string> get_xattr(detail::attributed of, std::string name)
{
    return of.is_open() ? detail::get_xattr<true>(std::move(of), std::move(name))
                        : detail::get_xattr<false>(std::move(of), std::move(name));
}

// flags: 0, XATTR_CREATE or XATTR_REPLACE. The value must stay until it has been set.
inline task<void> set_xattr(detail::attributed of, std::string name, bytes_view value, int flags = 0)
{
    return of.is_open() ? detail::set_xattr<true>(std::move(of), std::move(name), value, flags)
                        : detail::set_xattr<false>(std::move(of), std::move(name), value, flags);
}

// Plain calls: io_uring has none for these.
struct list_xattrs_call {
    using value_type = std::vector<std::string>;
    detail::attributed of;
    std::string names{};

    explicit list_xattrs_call(detail::attributed of_) noexcept : of(std::move(of_)) {}
    tacet_result list(tacet_task* task, char* into, std::size_t bytes) const noexcept
    {
        return of.is_open() ? tacet_file_list_xattrs(task, &of.opened(), into, bytes)
                            : tacet_path_list_xattrs(task, of.path(), into, bytes);
    }
    tacet_result call(tacet_task* task)
    {
        for (;;) {
            const tacet_result needed = list(task, nullptr, 0);
            if (needed <= 0)
                return needed;
            names.resize(static_cast<std::size_t>(needed));
            const tacet_result r = list(task, names.data(), names.size());
            if (r != -ERANGE) // another has come meanwhile
                return r;
        }
    }
    std::vector<std::string> value(tacet_result r) const
    {
        std::vector<std::string> all;
        for (std::size_t at = 0; at < static_cast<std::size_t>(r); at += all.back().size() + 1)
            all.emplace_back(names.c_str() + at);
        return all;
    }
    std::string describe() const { return of.describe("list attributes", ""); }
};

inline plain_call<list_xattrs_call> list_xattrs(detail::attributed of)
{
    return plain_call<list_xattrs_call>(list_xattrs_call(std::move(of)));
}

struct remove_xattr_call : detail::void_value {
    detail::attributed of;
    std::string name;

    remove_xattr_call(detail::attributed of_, std::string name_) noexcept : of(std::move(of_)), name(std::move(name_))
    {
    }
    tacet_result call(tacet_task* task) const noexcept
    {
        return of.is_open() ? tacet_file_remove_xattr(task, &of.opened(), name.c_str())
                            : tacet_path_remove_xattr(task, of.path(), name.c_str());
    }
    std::string describe() const { return of.describe("remove attribute", name); }
};

inline plain_call<remove_xattr_call> remove_xattr(detail::attributed of, std::string name)
{
    return plain_call<remove_xattr_call>(remove_xattr_call(std::move(of), std::move(name)));
}

} // namespace tacet

#endif
