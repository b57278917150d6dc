// Baseline `bare_queue`: what is left of a scheduler when everything but order is taken away. Three FIFOs of intrusive
// nodes and a mask whose bit p is set exactly when FIFO p is not empty. No states, no counters, no checks. The mask is
// written only when it changes: writing it at each push halves the speed on some processors.
#pragma once

#include <cstdint>

namespace bench::baseline {

struct queue_node {
    queue_node* next = nullptr;
    void (*run)(queue_node*) = nullptr;
    std::uint32_t level = 1;
};

class bare_queue {
public:
    bare_queue() = default;
    bare_queue(const bare_queue&) = delete;
    bare_queue& operator=(const bare_queue&) = delete;

    void push(queue_node* node) noexcept
    {
        fifo& to = fifos_[node->level];
        const std::uint32_t bit = 1u << node->level;
        if (nonempty_ & bit) {
            to.last->next = node;
        } else {
            to.first = node;
            nonempty_ |= bit;
        }
        to.last = node;
    }

    // The oldest node of the highest level, level 0 being the highest; nullptr when all are empty.
    queue_node* pop() noexcept
    {
        if (nonempty_ == 0)
            return nullptr;
        const int level = __builtin_ctz(nonempty_);
        fifo& from = fifos_[level];
        queue_node* node = from.first;
        if (node == from.last)
            nonempty_ &= ~(1u << level);
        else
            from.first = node->next;
        return node;
    }

private:
    // Both ends are valid while the FIFO's bit is set.
    struct fifo {
        queue_node* first;
        queue_node* last;
    };

    fifo fifos_[3] = {};
    std::uint32_t nonempty_ = 0;
};

}
