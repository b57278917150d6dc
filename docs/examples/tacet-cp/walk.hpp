// Goes through directory trees with a bounded number of coroutines, however large the tree: a visitor is called for
// each directory, before and after what is in it, and for each thing that is none.
#pragma once

#include "directory.hpp"
#include "report.hpp"
#include "stop.hpp"

#include <tacet/tacet.hpp>

namespace cp {

// Each may throw failure, which concerns that directory or thing only, or stopped.
class visitor {
public:
    virtual ~visitor() = default;

    // Opens the directory's sides. If it fails, the directory is left out.
    virtual tacet::task<void> enter(directory& directory) = 0;
    virtual tacet::task<void> leaf(directory& in, const entry& entry) = 0;
    virtual tacet::task<void> leave(directory& directory) = 0;
    virtual void failed(const failure& why) = 0;
};

struct walk_limits {
    unsigned leaves;      // visited at once
    unsigned directories; // read at once, beside those that wait for one below them
};

class walk {
public:
    walk(visitor& visitor, const stop_request& stop, walk_limits limits);

    // Visits the entries, which are in `top`, and all below them.
    tacet::task<void> visit(directory& top, const std::vector<entry>& entries);

private:
    tacet::task<void> dispatch(tacet::scope& scope, directory& in, entry entry);
    tacet::task<void> list(tacet::scope& scope, directory& directory);
    tacet::task<void> branch(const directory& parent, entry entry);
    tacet::task<void> branch_apart(const directory& parent, entry entry);
    tacet::task<void> leaf(directory& in, entry entry);

    visitor& visitor_;
    const stop_request& stop_;
    tacet::semaphore leaves_;
    tacet::semaphore directories_;
};

}
