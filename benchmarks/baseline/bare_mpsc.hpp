// Baseline `bare_mpsc`: what is left of a post when everything but the handing over is taken away. A push is one
// exchange; the other side takes the whole list with one, and need not bring it into the order in which it was pushed. No
// states, no sleep: who finds nothing looks again.
#pragma once

#include "harness/relax.hpp"

#include <atomic>

namespace bench::baseline {

struct mpsc_node {
    std::atomic<mpsc_node*> next = nullptr;
    void (*run)(mpsc_node*) = nullptr;
};

class bare_mpsc {
public:
    bare_mpsc() = default;
    bare_mpsc(const bare_mpsc&) = delete;
    bare_mpsc& operator=(const bare_mpsc&) = delete;

    // Any thread.
    void push(mpsc_node* node) noexcept
    {
        node->next.store(&linking_, std::memory_order_relaxed);
        mpsc_node* below = newest_.exchange(node, std::memory_order_release);
        // pairs with the acquire in pop_from()
        node->next.store(below, std::memory_order_release);
    }

    // The one consumer: all there is, newest first, for pop_from(); nullptr where there is nothing.
    mpsc_node* take() noexcept
    {
        if (newest_.load(std::memory_order_relaxed) == nullptr)
            return nullptr;
        return newest_.exchange(nullptr, std::memory_order_acquire);
    }

    // Takes the first of such a list, which is not empty.
    mpsc_node* pop_from(mpsc_node*& list) noexcept
    {
        mpsc_node* node = list;
        // acquire: pairs with the second store in push(), before which the older nodes cannot be found
        while ((list = node->next.load(std::memory_order_acquire)) == &linking_)
            relax();
        return node;
    }

private:
    mpsc_node linking_;
    alignas(64) std::atomic<mpsc_node*> newest_ = nullptr;
};

}
