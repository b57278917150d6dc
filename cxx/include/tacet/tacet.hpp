// All of tacet's C++ interface.
#ifndef TACET_TACET_HPP
#define TACET_TACET_HPP

#if __cplusplus < 202002L
#error "tacet needs C++20: -std=c++20, or, with Meson, default_options: ['cpp_std=c++20']"
#endif

#include <tacet/address.hpp>
#include <tacet/aligned_pool.hpp>
#include <tacet/block_on.hpp>
#include <tacet/blocking.hpp>
#include <tacet/buffer.hpp>
#include <tacet/buffer_ring.hpp>
#include <tacet/cancel.hpp>
#include <tacet/channel.hpp>
#include <tacet/connect.hpp>
#include <tacet/copy.hpp>
#include <tacet/deadline.hpp>
#include <tacet/descriptor.hpp>
#include <tacet/directory.hpp>
#include <tacet/durable.hpp>
#include <tacet/error.hpp>
#include <tacet/event.hpp>
#include <tacet/event_fd.hpp>
#include <tacet/executor.hpp>
#include <tacet/executor_ref.hpp>
#include <tacet/file.hpp>
#include <tacet/format.hpp>
#include <tacet/futex.hpp>
#include <tacet/inotify.hpp>
#include <tacet/location.hpp>
#include <tacet/multishot.hpp>
#include <tacet/native_task.hpp>
#include <tacet/op.hpp>
#include <tacet/path.hpp>
#include <tacet/pipe.hpp>
#include <tacet/poll.hpp>
#include <tacet/process.hpp>
#include <tacet/resume_on.hpp>
#include <tacet/scope.hpp>
#include <tacet/send_file.hpp>
#include <tacet/signal.hpp>
#include <tacet/socket.hpp>
#include <tacet/socket_reader.hpp>
#include <tacet/spawn_on.hpp>
#include <tacet/stop.hpp>
#include <tacet/stream.hpp>
#include <tacet/sync.hpp>
#include <tacet/task.hpp>
#include <tacet/thread_pool.hpp>
#include <tacet/time.hpp>
#include <tacet/when_all.hpp>
#include <tacet/when_any.hpp>
#include <tacet/xattr.hpp>

#endif
