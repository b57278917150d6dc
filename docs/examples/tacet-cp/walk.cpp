#include "walk.hpp"

#include "step.hpp"

#include <dirent.h>
#include <fcntl.h>

namespace cp {
namespace {

// For file systems whose directories do not say it.
tacet::task<unsigned char> type_of(const directory& in, const entry& entry)
{
    const place where(in, entry, side::source);
    const struct statx status = co_await step("stat", where,
                                              tacet::stat(where.location(), AT_SYMLINK_NOFOLLOW, STATX_TYPE));
    co_return IFTODT(status.stx_mode);
}

}

walk::walk(visitor& visitor, const stop_request& stop, walk_limits limits)
    : visitor_(visitor), stop_(stop), leaves_(limits.leaves), directories_(limits.directories)
{
}

tacet::task<void> walk::visit(directory& top, const std::vector<entry>& entries)
{
    auto body = [&](tacet::scope& scope) -> tacet::task<void> {
        for (const entry& entry : entries) {
            if (stop_.requested())
                break;
            auto dispatched = dispatch(scope, top, entry);
            co_await dispatched;
        }
    };
    co_await tacet::with_scope(body);
}

// Everything but a directory gets a coroutine of its own, when there is room for one more. A directory gets one only if
// there is room at once: waiting would be for those that wait for us.
tacet::task<void> walk::dispatch(tacet::scope& scope, directory& in, entry entry)
{
    try {
        if (entry.type == DT_UNKNOWN)
            entry.type = co_await type_of(in, entry);
    } catch (const failure& why) {
        visitor_.failed(why);
        co_return;
    }
    if (entry.type != DT_DIR) {
        co_await leaves_.acquire();
        scope.spawn(leaf(in, std::move(entry)));
    } else if (directories_.try_acquire()) {
        scope.spawn(branch_apart(in, std::move(entry)));
    } else {
        auto inner = branch(in, std::move(entry));
        co_await inner;
    }
}

tacet::task<void> walk::list(tacet::scope& scope, directory& of)
{
    directory_reader reader(of);
    try {
        while (!stop_.requested()) {
            std::optional<entry> next = co_await reader.next();
            if (!next)
                break;
            auto dispatched = dispatch(scope, of, *std::move(next));
            co_await dispatched;
        }
    } catch (const failure& why) {
        visitor_.failed(why);
    }
}

tacet::task<void> walk::branch(const directory& parent, entry entry)
{
    directory here(&parent, std::move(entry));
    try {
        co_await visitor_.enter(here);
        auto body = [&](tacet::scope& scope) -> tacet::task<void> { return list(scope, here); };
        co_await tacet::with_scope(body);
        stop_.throw_if_requested(); // an unfinished directory stays as it was made: its owner may go on in it
        co_await visitor_.leave(here);
    } catch (const failure& why) {
        visitor_.failed(why);
    } catch (const stopped&) {
    }
}

tacet::task<void> walk::branch_apart(const directory& parent, entry entry)
{
    const tacet::semaphore::permit permit(&directories_);
    auto inner = branch(parent, std::move(entry));
    co_await inner;
}

tacet::task<void> walk::leaf(directory& in, entry entry)
{
    const tacet::semaphore::permit permit(&leaves_);
    try {
        co_await visitor_.leaf(in, entry);
    } catch (const failure& why) {
        visitor_.failed(why);
    } catch (const stopped&) {
    }
}

}
