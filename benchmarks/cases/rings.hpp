// The rings of the case `cycle` (the rule stands in cycle.cpp), as one thread runs them. Tasks are made once and run round
// after round, some rounds a call: before the first of them the task that begins it waits at a gate, all others for
// their messages, as they do anyhow.
#pragma once

#include "cases/switchers.hpp"

#include <cstdint>
#include <memory>

namespace bench {

struct ring_sizes {
    std::size_t n; // tasks in a ring
    std::size_t rings;
    std::size_t dead_bytes;
};

class ring_set {
public:
    ring_set() = default;
    ring_set(const ring_set&) = delete;
    ring_set& operator=(const ring_set&) = delete;
    virtual ~ring_set() = default;

    // So many further rounds of every ring.
    virtual void run(std::uint64_t rounds) = 0;

    // A last round, after which the tasks end. Throws wrong_answer unless each took as many messages as there were
    // rounds and every mailbox is empty.
    virtual void finish() = 0;
};

std::unique_ptr<ring_set> make_rings(const switcher_kind& kind, const ring_sizes& sizes);

}
