// Baseline `bare_event`: the rings of the case `cycle` as C++ coroutines without any scheduler. A mailbox is an event that
// counts; who sends to one that is waited for resumes the waiter inline, and comes back when that waits again, so calls
// nest as deep as a ring is long. Frames lie in cache-line-aligned slots of one slab.
#pragma once

#include "cases/rings.hpp"

#include <cstdint>
#include <memory>

namespace bench::baseline {

std::unique_ptr<ring_set> make_bare_rings(const ring_sizes& sizes);

}
