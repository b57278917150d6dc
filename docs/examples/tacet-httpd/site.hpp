// What all connections of a thread share.
#pragma once

#include "options.hpp"

#include <tacet/tacet.hpp>

#include <string_view>
#include <unordered_set>

namespace httpd {

// Told by the main thread, seen by all.
struct stop_state {
    tacet::event gently;  // no further request is taken
    tacet::event at_once; // what is under way ends too
};

struct site {
    const options& wanted;
    const tacet::file& root;
    stop_state& stop;
    tacet_task* accepting = nullptr;        // while it does
    std::unordered_set<tacet_task*> idle{}; // connections that wait for a request

    // A line for a request that was answered. Where it cannot be written, it is left out.
    void log(std::string_view method, std::string_view path, int what, std::uint64_t bytes) const;
};

}
