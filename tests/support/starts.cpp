/* See starts.hpp. */
#include "support/starts.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

namespace support {

all_starts::all_starts()
{
    directory_.write("file", "contents");
    dir_.fd = ::open(directory_.path().c_str(), O_DIRECTORY | O_PATH | O_CLOEXEC);
    file_.fd = ::open((directory_ / "file").c_str(), O_RDWR | O_CLOEXEC);
    REQUIRE(dir_.fd >= 0);
    REQUIRE(file_.fd >= 0);
    add(
        "sleep", [](tacet_op* op, tacet_task* task) { return tacet_sleep_start(op, task, 1); }, false);
    add("nop", [](tacet_op* op, tacet_task* task) { return tacet_nop_start(op, task); });
    add("poll", [this](tacet_op* op, tacet_task* task) { return tacet_poll_start(op, task, file_.fd, POLLIN); });
    add_files();
    add_paths();
    add_waits();
    add_sockets();
}

all_starts::~all_starts()
{
    ::close(dir_.fd);
    ::close(file_.fd);
}

void all_starts::add(const char* name, std::function<tacet_result(tacet_op*, tacet_task*)> start, bool needs_ring)
{
    rows_.push_back({name, needs_ring, std::move(start)});
}

void all_starts::add_files()
{
    using op = tacet_op*;
    using task = tacet_task*;
    add("open", [this](op o, task t) { return tacet_file_open_start(o, t, &dir_, "file", &how_); });
    add("close", [this](op o, task t) {
        closed_.fd = 1 << 20; /* nobody's: the result is -EBADF */
        return tacet_file_close_start(o, t, &closed_);
    });
    add("read", [this](op o, task t) { return tacet_file_read_start(o, t, &file_, buffer_, sizeof buffer_, 0); });
    add("write", [this](op o, task t) { return tacet_file_write_start(o, t, &file_, buffer_, 1, 0); });
    add("readv", [this](op o, task t) { return tacet_file_readv_start(o, t, &file_, &vector_, 1, 0); });
    add("writev", [this](op o, task t) { return tacet_file_writev_start(o, t, &file_, &vector_, 1, 0); });
    add("sync", [this](op o, task t) { return tacet_file_sync_start(o, t, &file_); });
    add("datasync", [this](op o, task t) { return tacet_file_datasync_start(o, t, &file_); });
    add("sync range", [this](op o, task t) { return tacet_file_sync_range_start(o, t, &file_, 0, 0, 0); });
    add("advise", [this](op o, task t) { return tacet_file_advise_start(o, t, &file_, 0, 0, POSIX_FADV_WILLNEED); });
    add("advise memory", [](op o, task t) { return tacet_memory_advise_start(o, t, nullptr, 0, MADV_NORMAL); });
    add("splice", [this](op o, task t) { return tacet_file_splice_start(o, t, &file_, 0, &file_, 0, 1, 0); });
    add("tee", [this](op o, task t) { return tacet_file_tee_start(o, t, &file_, &file_, 1, 0); });
    add("get xattr", [this](op o, task t) {
        return tacet_file_get_xattr_start(o, t, &file_, "user.missing", buffer_, sizeof buffer_);
    });
    add("set xattr", [this](op o, task t) {
        return tacet_file_set_xattr_start(o, t, &file_, "user.tacet", buffer_, sizeof buffer_, 0);
    });
    add("allocate", [this](op o, task t) { return tacet_file_allocate_start(o, t, &file_, 0, 0, 4096); });
}

void all_starts::add_paths()
{
    using op = tacet_op*;
    using task = tacet_task*;
    add("get path xattr", [this](op o, task t) {
        return tacet_path_get_xattr_start(o, t, "/", "user.missing", buffer_, sizeof buffer_);
    });
    add("set path xattr", [this](op o, task t) {
        return tacet_path_set_xattr_start(o, t, file_path_.c_str(), "user.path", buffer_, sizeof buffer_, 0);
    });
    add("stat",
        [this](op o, task t) { return tacet_path_stat_start(o, t, &dir_, "file", 0, STATX_BASIC_STATS, &status_); });
    add("rename", [this](op o, task t) { return tacet_path_rename_start(o, t, &dir_, "file", &dir_, "file", 0); });
    add("unlink", [this](op o, task t) { return tacet_path_unlink_start(o, t, &dir_, "missing", 0); });
    add("mkdir", [this](op o, task t) { return tacet_path_mkdir_start(o, t, &dir_, "directory", 0755); });
    add("symlink", [this](op o, task t) { return tacet_path_symlink_start(o, t, "file", &dir_, "link"); });
    add("link", [this](op o, task t) { return tacet_path_link_start(o, t, &dir_, "file", &dir_, "hard", 0); });
}

/* On what is no socket: the result is -ENOTSOCK. */
void all_starts::add_sockets()
{
    using op = tacet_op*;
    using task = tacet_task*;
    if (kernel_has(IORING_OP_SOCKET))
        add("socket", [](op o, task t) { return tacet_socket_open_start(o, t, 1000, SOCK_STREAM, 0); });
    add("accept", [this](op o, task t) { return tacet_socket_accept_start(o, t, &file_, nullptr, nullptr, 0); });
    add("connect", [this](op o, task t) { return tacet_socket_connect_start(o, t, &file_, &name_, sizeof name_); });
    add("send", [this](op o, task t) { return tacet_socket_send_start(o, t, &file_, buffer_, 1, 0); });
    add("receive", [this](op o, task t) { return tacet_socket_receive_start(o, t, &file_, buffer_, 1, 0); });
    add("send to",
        [this](op o, task t) { return tacet_socket_send_to_start(o, t, &file_, buffer_, 1, 0, &name_, sizeof name_); });
    add("send message", [this](op o, task t) { return tacet_socket_send_message_start(o, t, &file_, &message_, 0); });
    add("receive message",
        [this](op o, task t) { return tacet_socket_receive_message_start(o, t, &file_, &message_, 0); });
    add("zero-copy send",
        [this](op o, task t) { return tacet_socket_send_zero_copy_start(o, t, &file_, buffer_, 1, 0); });
    add("shutdown", [this](op o, task t) { return tacet_socket_shutdown_start(o, t, &file_, SHUT_WR); });
}

void all_starts::add_waits()
{
    using op = tacet_op*;
    using task = tacet_task*;
    if (kernel_has(TACET_OPCODE_WAITID)) /* process 1 is nobody's child: the result is -ECHILD */
        add("process wait",
            [this](op o, task t) { return tacet_process_wait_start(o, t, P_PID, 1, &child_, WEXITED); });
    if (!kernel_has(TACET_OPCODE_FUTEX_WAITV))
        return;
    add("futex wait", [this](op o, task t) {
        return tacet_futex_wait_start(o, t, &word_, 1, TACET_FUTEX_ANYBODY, false); /* it is 0: -EAGAIN */
    });
    add("futex wait any", [this](op o, task t) { return tacet_futex_wait_any_start(o, t, &words_, 1); });
    add("futex wake",
        [this](op o, task t) { return tacet_futex_wake_start(o, t, &word_, 1, TACET_FUTEX_ANYBODY, false); });
}

}
