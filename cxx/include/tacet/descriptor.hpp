// Registered descriptors: open files and sockets in a table that an executor shares with the kernel. Operations find them there
// without the process's own table. They are good on their executor only, are never inherited, and do what operations of the
// ring do; stat(), seek(), names, options and what is relative to a directory answer bad_file_descriptor. See tacet/descriptor.h.
#ifndef TACET_DESCRIPTOR_HPP
#define TACET_DESCRIPTOR_HPP

#include <tacet/descriptor.h>
#include <tacet/executor_ref.hpp>
#include <tacet/file.hpp>
#include <tacet/socket.hpp>

namespace tacet {

struct open_registered_request : open_request {
    open_registered_request(location opened_, const open_how& how_) noexcept : open_request(std::move(opened_), how_) {}
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        const tacet_result r = tacet_executor_opens_registered(executor);
        return r < 0 ? r : tacet_prepare_open_registered(sqe, opened.dir(), opened.path(), &how);
    }
};

// openat2(2), into the table of the executor on which it is awaited; without O_CLOEXEC. too_many_files_open_in_system: half of the table
// is for this, and is full; operation_not_supported: before Linux 6.0, or no ring.
inline operation<open_registered_request> open_registered(location path, int flags, mode_t mode = 0)
{
    open_how how{};
    how.flags = static_cast<unsigned>(flags);
    how.mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0;
    return operation<open_registered_request>(open_registered_request(std::move(path), how));
}

// file or socket
template <class T>
concept opened = std::same_as<T, file> || std::same_as<T, socket>;

// Moves what is open to the executor's table, on its thread, while nothing is under way with it. If it throws, it is what it
// was. too_many_files_open_in_system: the other half is full; bad_file_descriptor: not open, or registered already.
template <opened Opened>
void register_descriptor(executor_ref owner, Opened& moved)
{
    const tacet_result r = tacet_file_register(owner.get(), &moved.get());
    if (r < 0)
        throw_error(r, detail::describe_descriptor("register", moved.fd()));
}

template <opened Opened>
bool is_registered(const Opened& opened) noexcept
{
    return tacet_descriptor_is_registered(opened.fd());
}

} // namespace tacet

#endif
